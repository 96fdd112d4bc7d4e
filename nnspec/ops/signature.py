"""What a call of a registered name may hold: tensor places and settings, read off the class that declares them."""

from __future__ import annotations

import re
import sys
from typing import Any, Literal, get_args, get_origin

from nnspec.record import Record


class Required(Record):
    """The default of a setting that has none."""

    def __repr__(self) -> str:
        return "required"


REQUIRED = Required()


class Setting(Record):
    """One setting. `kind` is its annotation as it stands; `kinds` are its alternatives without words and None.

    `choices` are the bare words it takes, `optional` says that it may be left empty. `doc` is one line.
    """

    name: str
    kind: str
    default: Any
    doc: str = ""
    kinds: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    optional: bool = False

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


class Signature(Record):
    """Names of the tensor places in order, whether any number of tensors may come instead, the settings in order."""

    tensors: tuple[str, ...]
    variadic: bool
    settings: tuple[Setting, ...]

    def setting(self, name: str) -> Setting | None:
        return next((s for s in self.settings if s.name == name), None)


def signature_of(cls: type[Record]) -> Signature:
    """The signature of an op, initialiser, optimizer, schedule or metric class."""
    docs = setting_docs(cls)
    internal: frozenset[str] = getattr(cls, "internal", frozenset())
    settings = tuple(_setting(cls, name, docs.get(name, "")) for name in cls._fields if name not in internal)
    return Signature(getattr(cls, "tensors", ()), getattr(cls, "variadic", False), settings)


def setting_docs(cls: type[Record]) -> dict[str, str]:
    """The lines `name: text` after `Settings:` in the class's docstring."""
    _, _, listed = (cls.__doc__ or "").partition("Settings:\n")
    lines = (line.strip().partition(": ") for line in listed.splitlines())
    return {name: text for name, colon, text in lines if colon}


def annotation_of(cls: type[Record], field: str) -> tuple[str, str]:
    """(annotation, module) of a field: the nearest class that declares it."""
    for base in cls.__mro__:
        if field in vars(base).get("__annotations__", {}):
            return str(base.__annotations__[field]), base.__module__
    raise KeyError(field)


def _setting(cls: type[Record], field: str, doc: str) -> Setting:
    annotation, module = annotation_of(cls, field)
    choices: tuple[str, ...] = ()
    kinds: list[str] = []
    for inside in re.findall(r"Literal\[([^\]]*)\]", annotation):
        choices += tuple(re.findall(r"[\"']([^\"']*)[\"']", inside))
    for part in re.sub(r"Literal\[[^\]]*\]", "", annotation).split("|"):
        alias = getattr(sys.modules[module], part.strip(), None) if part.strip() else None
        if get_origin(alias) is Literal:
            choices += tuple(str(word) for word in get_args(alias))
        elif part.strip() and part.strip() != "None":
            kinds.append(part.strip())
    optional = bool(re.search(r"\bNone\b", annotation))
    return Setting(field, annotation, cls._defaults.get(field, REQUIRED), doc, tuple(kinds), choices, optional)
