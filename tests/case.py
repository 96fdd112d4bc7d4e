"""What a row of the op table says, and the spec that a row stands for. Plain data: nothing here needs a framework."""

from __future__ import annotations

from typing import Any, NamedTuple

from nnspec.ops.index import Slice

INFIX = ("+", "-", "*", "/", "^", "<", "<=", ">", ">=", "==", "!=", "and", "or")
PREFIX = {"neg": "-", "not": "not "}


class T(NamedTuple):
    """One input: the shape of an example, and which values make sense.

    Floats are uniform in [low, high], no closer than 0.05 to a number in `avoid` (a kink); `distinct` keeps any
    two entries at least 1e-3 apart (ties of maxima); `values` are taken as they stand, row by row. Integers are
    in [low, high). A class(C) dtype has its own range. `simplex` makes the last axis positive and of sum 1.
    An unbatched input is a `param`, the same for every example.
    """

    shape: tuple[Any, ...] = ()
    dtype: str = "float32"
    low: float = -2.0
    high: float = 2.0
    avoid: tuple[float, ...] = ()
    distinct: bool = False
    values: tuple[float, ...] = ()
    simplex: bool = False
    batched: bool = True


class Case(NamedTuple):
    """Settings of a call and its inputs. `differentiable` is False where no gradient passes, or at a kink: then
    backends still agree on it, but finite differences do not apply. `why` names what is special about the row."""

    inputs: tuple[T, ...]
    settings: dict[str, Any] = {}  # noqa: RUF012  # never changed
    why: str = ""
    differentiable: bool = True


class Bad(NamedTuple):
    """A row that must be refused, with the code and the constraint of the op's docstring that says why."""

    inputs: tuple[T, ...]
    settings: dict[str, Any]
    code: str
    constraint: str


def call_text(name: str, settings: dict[str, Any], tensors: tuple[str, ...]) -> str:
    """The expression of a row as the language writes it."""
    if name in INFIX:
        return f" {name} ".join(tensors)
    if name in PREFIX:
        return PREFIX[name] + tensors[0]
    if name == "[]":
        return f"{tensors[0]}[{', '.join(_index_text(item) for item in settings['items'])}]"
    given = [f"{key} = {value_text(value)}" for key, value in settings.items()]
    return f"{name}({', '.join([*tensors, *given])})"


def spec_text(name: str, case: Case | Bad) -> str:
    """A whole model whose output `y` is the row; unbatched inputs are params (`p0`), others inputs (`x0`)."""
    lines, tensors = [], []
    for index, t in enumerate(case.inputs):
        sizes = f"[{', '.join(map(str, t.shape))}]" if t.shape else ""
        if t.batched:
            lines.append(f"    input x{index}: {t.dtype}{sizes}")
        else:
            lines.append(f"    param p{index}: {t.dtype}{sizes} = normal(1)")
        tensors.append(f"{'x' if t.batched else 'p'}{index}")
    text = call_text(name, case.settings, tuple(tensors))
    if name == "split":
        count = case.settings["parts"] if isinstance(case.settings["parts"], int) else len(case.settings["parts"])
        outputs = [f"y{index}" for index in range(count)]
        lines.append(f"    {', '.join(f'part{index}' for index in range(count))} = {text}")
        lines += [f"    output {output} = part{index}" for index, output in enumerate(outputs)]
    elif not any(t.batched for t in case.inputs):
        lines += ["    input one: float32", f"    output y = one * {text}"]
    else:
        lines.append(f"    output y = {text}")
    return "model Row {\n" + "\n".join(lines) + "\n}\n"


def value_text(value: Any) -> str:
    """A setting as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return f"[{', '.join(value_text(item) for item in value)}]"
    return str(value)


def _index_text(item: int | Slice) -> str:
    if isinstance(item, int):
        return str(item)
    text = f"{'' if item.start is None else item.start}:{'' if item.stop is None else item.stop}"
    return text if item.step == 1 else f"{text}:{item.step}"
