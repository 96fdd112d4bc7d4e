"""Arithmetic on numbers, bools, strings and lists at compile time: exact where it can be, bounded always.

Whole numbers divide to a whole number when it comes out (`64 / 2` is 32), sizes that hold an open
`dim` stay expressions. Everything that has no finite value raises `NumberError`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nnspec.ir.dims import Dim, Overlong, dim_max, dim_min, divide_exactly, is_at_least, overlong, same

Scalar = int | float | Dim

BITS = 1024  # of whole numbers: beyond it nothing in a spec has a meaning, and powers would not end


class NumberError(Exception):
    """No number comes out. `message` is one line, `help` a fix."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.message, self.help = message, help


def is_number(value: object) -> bool:
    return isinstance(value, int | float | Dim) and not isinstance(value, bool)


def kind_of(value: object) -> str:
    """How messages call a value: `a number`, `true or false`, `a string`, `a list`."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float | Dim):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, tuple):
        return "a list"
    return "a layer" if type(value).__name__ in ("Recipe", "Instance") else "a tensor"


def show(value: object) -> str:
    """A value as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(show, value)) + "]"
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def unary(op: str, value: Any) -> Any:
    if op == "not":
        if not isinstance(value, bool):
            raise NumberError(f"`not` takes true or false, not {kind_of(value)}")
        return not value
    if not is_number(value):
        raise NumberError(f"there is no -x of {kind_of(value)}")
    return -value


def binary(op: str, left: Any, right: Any) -> Any:
    """The value of `left op right`; `and` and `or` of what is known already take both."""
    if op in ("and", "or"):
        if not (isinstance(left, bool) and isinstance(right, bool)):
            wrong = right if isinstance(left, bool) else left
            raise NumberError(f"`{op}` takes true or false, not {kind_of(wrong)}")
        return (left and right) if op == "and" else (left or right)
    if op in ("==", "!="):
        return _equal(left, right) == (op == "==")
    if not (is_number(left) and is_number(right)):
        wrong = right if is_number(left) else left
        raise NumberError(f"`{op}` takes numbers, not {kind_of(wrong)}")
    if op in ("<", "<=", ">", ">="):
        return _ordered(op, left, right)
    try:
        return _checked(_ARITHMETIC[op](left, right))
    except ZeroDivisionError:
        raise NumberError("division by zero") from None
    except Overlong as error:
        raise NumberError(error.message, "name parts of it as sizes of their own: dim H, W") from None
    except OverflowError:
        raise NumberError(f"{show(left)} {op} {show(right)} is too large a number") from None


def _checked(value: Any) -> Scalar:
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        raise NumberError("the result is no finite number")
    if isinstance(value, int) and value.bit_length() > BITS:
        raise NumberError("the result is too large a number")
    assert isinstance(value, int | float | Dim)
    if isinstance(value, Dim) and overlong(value):
        raise Overlong
    return value


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, Dim) or isinstance(right, Dim):
        if is_number(left) and is_number(right) and same(left, right):
            return True
        raise NumberError(
            f"whether {left} equals {right} depends on an open size", "no `if` and no setting depends on one"
        )
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _ordered(op: str, left: Scalar, right: Scalar) -> bool:
    if not (isinstance(left, Dim) or isinstance(right, Dim)):
        return bool(_COMPARISONS[op](left, right))
    if isinstance(left, float) or isinstance(right, float):
        raise NumberError(f"whether {left} {op} {right} depends on an open size")
    low, high, strict = (left, right, op == "<") if op in ("<", "<=") else (right, left, op == ">")
    if is_at_least(high, low + (1 if strict else 0)):
        return True
    if is_at_least(low, high + (0 if strict else 1)):
        return False
    raise NumberError(f"whether {left} {op} {right} depends on an open size")


def _no_fraction(left: Scalar, right: Scalar) -> None:
    if isinstance(left, float) or isinstance(right, float):
        raise NumberError(f"an open size takes whole numbers only: {left} and {right}")


def _sum(left: Scalar, right: Scalar) -> Any:
    if isinstance(left, Dim) or isinstance(right, Dim):
        _no_fraction(left, right)
    return left + right  # type: ignore[operator]  # no Dim beside a float


def _difference(left: Scalar, right: Scalar) -> Any:
    if isinstance(left, Dim) or isinstance(right, Dim):
        _no_fraction(left, right)
    return left - right  # type: ignore[operator]  # as above


def _product(left: Scalar, right: Scalar) -> Any:
    if isinstance(left, Dim) or isinstance(right, Dim):
        _no_fraction(left, right)
    return left * right  # type: ignore[operator]  # as above


def _quotient(left: Scalar, right: Scalar) -> Any:
    if isinstance(left, Dim) or isinstance(right, Dim):
        _no_fraction(left, right)
        whole = divide_exactly(left, right)  # type: ignore[arg-type]  # no float is left
        if whole is None:
            above = str(left) if str(left).isidentifier() else f"({left})"
            raise NumberError(f"{left} / {right} is not whole for every size", f"{above} // {right} rounds down")
        return whole
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return left / right


def _floor_quotient(left: Scalar, right: Scalar) -> Any:
    if isinstance(left, Dim) or isinstance(right, Dim):
        _no_fraction(left, right)
        if not is_at_least(right, 1):  # type: ignore[arg-type]  # no float is left
            raise NumberError("a size is divided by numbers >= 1 only")
    return left // right  # type: ignore[operator]  # no Dim beside a float


def _remainder(left: Scalar, right: Scalar) -> Any:
    if isinstance(left, Dim) or isinstance(right, Dim):
        _no_fraction(left, right)
        if not is_at_least(right, 1):  # type: ignore[arg-type]  # no float is left
            raise NumberError("a size is divided by numbers >= 1 only")
    return left % right  # type: ignore[operator]  # no Dim beside a float


def _power(left: Scalar, right: Scalar) -> Any:
    if isinstance(right, Dim):
        raise NumberError("an exponent cannot be an open size")
    if isinstance(left, Dim):
        if not isinstance(right, int) or not 0 <= right <= 8:
            raise NumberError("an open size takes whole exponents up to 8")
        return left**right
    if isinstance(left, int) and isinstance(right, int) and right > 0 and left.bit_length() * right > BITS + 64:
        raise OverflowError
    return left**right


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
    "//": _floor_quotient,
    "%": _remainder,
    "^": _power,
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def _round(x: Scalar) -> Any:
    return x if isinstance(x, int | Dim) else round(x)


def _floor(x: Scalar) -> Any:
    return x if isinstance(x, int | Dim) else math.floor(x)


def _ceil(x: Scalar) -> Any:
    return x if isinstance(x, int | Dim) else math.ceil(x)


def _extremum(dims: Callable[[Any, Any], Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    def best(*values: Scalar) -> Any:
        if not any(isinstance(v, Dim) for v in values):
            return plain(values)
        result: Any = values[0]
        for value in values[1:]:
            _no_fraction(result, value)
            result = dims(result, value)
        return result

    return best


def _real(function: Callable[[float], float]) -> Callable[..., Any]:
    def apply(x: Scalar) -> float:
        if isinstance(x, Dim):
            raise NumberError(f"{function.__name__} takes a number, not the open size {x}")
        return function(x)

    return apply


# Functions of numbers, with how many they take (None: one or more). Outside a step, when every argument is a number.
FUNCTIONS: dict[str, tuple[int | None, Callable[..., Any]]] = {
    "min": (None, _extremum(dim_min, min)),
    "max": (None, _extremum(dim_max, max)),
    "round": (1, _round),
    "floor": (1, _floor),
    "ceil": (1, _ceil),
    "abs": (1, lambda x: x if isinstance(x, Dim) else abs(x)),
    "sqrt": (1, _real(math.sqrt)),
    "exp": (1, _real(math.exp)),
    "log": (1, _real(math.log)),
    "sin": (1, _real(math.sin)),
    "cos": (1, _real(math.cos)),
    "square": (1, lambda x: _product(x, x)),
}


def function(name: str, values: list[Any]) -> Any:
    """`min(3, 4)`, `sqrt(2)`: the value of a function of numbers."""
    count, apply = FUNCTIONS[name]
    if not values or (count is not None and len(values) != count):
        raise NumberError(f"{name} takes {'one number' if count else 'one number or more'}, got {len(values)}")
    try:
        return _checked(apply(*values))
    except Overlong as error:
        raise NumberError(error.message) from None
    except (ValueError, OverflowError):
        raise NumberError(f"{name}({', '.join(map(show, values))}) has no finite value") from None
