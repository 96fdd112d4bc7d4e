"""Arithmetic, comparisons, logic, reductions, constants and conversions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.jax.rows import axes, axis, call, fixed, function, given
from nnspec.backends.source import literal

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse

# Python's own types name the default precision: float is float64 under jax_enable_x64.
DTYPES = {"float32": "float", "int32": "jnp.int32", "int64": "int", "uint8": "jnp.uint8", "bool": "bool"}

_INFIX = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "And": "&", "Or": "|"}
_INFIX |= {"Less": "<", "LessEqual": "<=", "Greater": ">", "GreaterEqual": ">=", "Equal": "==", "NotEqual": "!="}
_PREFIX = {"Neg": "-", "Not": "~"}
_CALLS = {"Maximum": "jnp.maximum", "Minimum": "jnp.minimum", "Where": "jnp.where", "Square": "jnp.square"}
_CALLS |= {"Exp": "jnp.exp", "Log": "jnp.log", "Sqrt": "jnp.sqrt", "Sin": "jnp.sin", "Cos": "jnp.cos"}
_CALLS |= {"Abs": "absolute", "StopGradient": "lax.stop_gradient"}


def _infix(name: str, sign: str) -> None:
    @function(name)
    def apply(use: OpUse, a: str, b: str) -> str:
        return f"{a} {sign} {b}"


def _prefix(name: str, sign: str) -> None:
    @function(name)
    def apply(use: OpUse, x: str) -> str:
        return f"{sign}{x}"


def _call(name: str, source: str) -> None:
    @function(name)
    def apply(use: OpUse, *arguments: str) -> str:
        return f"{source}({', '.join(arguments)})"


for _name, _sign in _INFIX.items():
    _infix(_name, _sign)
for _name, _sign in _PREFIX.items():
    _prefix(_name, _sign)
for _name, _source in _CALLS.items():
    _call(_name, _source)


@function("Identity")
def identity(use: OpUse, x: str) -> str:
    return x


@function("Pow")
def power(use: OpUse, a: str, b: str) -> str:
    """A written exponent is safe at 0 as it stands (whole ones as ints); a computed one needs care."""
    exponent = _number(b)
    if exponent is not None and exponent != 0:
        return f"{a} ** {literal(int(exponent)) if exponent.is_integer() and abs(exponent) < 64 else b}"
    return f"power({a}, {b})"


def _number(source: str) -> float | None:
    try:
        return float(source)
    except ValueError:
        return None


@function("Clip")
def clip(use: OpUse, x: str) -> str:
    return f"clip({x}, {use.code('low')}, {use.code('high')})"


# ---------------------------------------------------------------- reductions


def _reduction(name: str, source: str) -> None:
    @function(name)
    def apply(use: OpUse, x: str) -> str:
        over = fixed(use, "axis")
        if not use.inputs[0].rank or not over:
            return x
        every = not use.inputs[0].batched and len(over) == use.inputs[0].rank
        return call(source.format(x=x), "" if every else axes(use, over), keepdims=given(use, "keepdims", False))


for _name, _source in {"Sum": "{x}.sum", "Mean": "{x}.mean", "Max": "{x}.max", "Min": "{x}.min"}.items():
    _reduction(_name, _source)


@function("Norm")
def norm(use: OpUse, x: str) -> str:
    over = fixed(use, "axis")
    return call("norm", x, axes(use, over) if over else "()", keepdims=given(use, "keepdims", False))


@function("Argmax")
def argmax(use: OpUse, x: str) -> str:
    return f"{x}.argmax({axis(use, fixed(use, 'axis'))})"


# ---------------------------------------------------------------- constants and conversions


@function("Constant")
def constant(use: OpUse) -> str:
    """A number stands as it is: weak types leave the dtype to the other operand."""
    dtype = fixed(use, "dtype")
    value = use.op.value  # type: ignore[attr-defined]  # a Constant
    if isinstance(value, tuple):
        kind = "" if dtype in ("float32", "bool") else DTYPES[dtype]
        numbers = literal(_nested(value, dtype)) if use.is_settled else use.code("value")
        return call("jnp.array", numbers, dtype=kind)
    code = use.code("value")
    if dtype == "float32" and _number(code) is not None:
        return literal(float(value)) if use.value("value") == value else code
    return code


def _nested(value: Any, dtype: str) -> Any:
    if isinstance(value, tuple):
        return [_nested(item, dtype) for item in value]
    return float(value) if dtype == "float32" else bool(value) if dtype == "bool" else int(value)


def _filled(name: str, source: str) -> None:
    @function(name)
    def apply(use: OpUse) -> str:
        dtype = fixed(use, "dtype")
        return call(source, use.code("shape"), dtype="" if dtype == "float32" else DTYPES[dtype])


_filled("Zeros", "jnp.zeros")
_filled("Ones", "jnp.ones")


@function("Eye")
def eye(use: OpUse) -> str:
    return f"jnp.eye({use.code('n')})"


@function("Arange")
def arange(use: OpUse) -> str:
    dtype = fixed(use, "dtype")
    return call("jnp.arange", use.code("n"), dtype="" if dtype == "int32" else DTYPES[dtype])


@function("OneHot")
def one_hot(use: OpUse, x: str) -> str:
    return f"jax.nn.one_hot({x}, {use.code('classes')})"


@function("Cast")
def cast(use: OpUse, x: str) -> str:
    return f"{x}.astype({DTYPES[fixed(use, 'dtype')]})"
