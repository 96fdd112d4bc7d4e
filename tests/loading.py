"""How tests of data write fields and sources, as the compiler would hand them over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnspec.data import DataError, load_data
from nnspec.diagnostics import Span
from nnspec.ir.graph import CallValue, DataSpec, Field, Keyed, Value
from nnspec.ir.types import TensorType

HERE = Span("a.nn", 1, 1, 1, 2)
ENTRY = Span("a.nn", 7, 5, 7, 20)


def call(name: str, *args: object, **kwargs: object) -> CallValue:
    return CallValue(name, args, kwargs, ENTRY)


def field(name: str, dtype: str, *shape: Any, role: str = "input", classes: int = 0) -> Field:
    return Field(name, Value(TensorType(dtype, shape, True, classes), HERE, name), role)


def x(*shape: Any) -> Field:
    return field("x", "float32", *shape)


def y(*shape: Any) -> Field:
    return field("y", "float32", *shape, role="target")


def label(classes: int, *shape: Any, name: str = "label") -> Field:
    return field(name, "class", *shape, role="target", classes=classes)


def load(
    fields: list[Field], base: Path = Path(), keyed: tuple[Keyed, ...] = (), seed: int = 0, **settings: object
) -> Any:
    dtype = str(settings.pop("dtype", "float64"))
    if "data_seed" in settings:
        settings["seed"] = settings.pop("data_seed")
    return load_data(fields, DataSpec(settings, HERE, keyed, dict.fromkeys(settings, ENTRY)), base, seed, dtype=dtype)


def refused(code: str, *texts: str, fields: list[Field], base: Path = Path(), **settings: object) -> DataError:
    with pytest.raises(DataError) as caught:
        load(fields, base, **settings)
    error = caught.value
    assert error.code == code, error.message
    for text in texts:
        assert text in error.message + " | " + error.help
    assert error.span.path == "a.nn"
    return error
