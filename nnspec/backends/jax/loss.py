"""Losses and regularisers, and the parameters that expressions read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.jax.rows import call, fixed, function, given, initializer_source, layer, lists
from nnspec.backends.source import literal

if TYPE_CHECKING:
    from nnspec.backends.jax.rows import Key
    from nnspec.backends.program import OpUse

_ENTRIES = {
    "SquaredError": "squared_error",
    "Mse": "mse",
    "Mae": "mae",
    "Huber": "huber",
    "BinaryCrossEntropy": "binary_cross_entropy",
    "Hinge": "hinge",
    "PerceptronLoss": "perceptron_loss",
}


def _reduced(use: OpUse, source: str) -> str:
    """Losses give one number an example; `mean` averages them over the batch."""
    if not any(t.batched for t in use.inputs):
        return f"{source}[0]"
    return f"{source}.mean()" if fixed(use, "reduction") == "mean" else source


def _weight(use: OpUse) -> str:
    value = fixed(use, "weight")
    if value is None:
        return ""
    return literal(value) if not isinstance(value, tuple) else f"jnp.array({literal(lists(value))})"


def _batched(use: OpUse, *arguments: str) -> list[str]:
    """Where nothing has a batch axis, a batch of one is made."""
    return list(arguments) if any(t.batched for t in use.inputs) else [f"{a}[None]" for a in arguments]


def _entry_loss(name: str, source: str) -> None:
    @function(name)
    def apply(use: OpUse, y: str, target: str) -> str:
        y, target = _batched(use, y, target)
        delta = given(use, "delta", 1.0) if name == "Huber" else ""
        return _reduced(use, call(source, y, target, delta=delta, weight=_weight(use)))


for _name, _source in _ENTRIES.items():
    _entry_loss(_name, _source)


def _class_axis(use: OpUse) -> str:
    """The class axis of the emitted array; the last needs no mention."""
    index = fixed(use, "axis")
    return "" if index == use.inputs[0].rank - 1 else str(index + 1)


@function("CrossEntropy")
def cross_entropy(use: OpUse, logits: str, target: str) -> str:
    return _class_loss(use, "cross_entropy", logits, target, label_smoothing=given(use, "label_smoothing", 0.0))


@function("Nll")
def nll(use: OpUse, log_p: str, target: str) -> str:
    return _class_loss(use, "nll", log_p, target)


def _class_loss(use: OpUse, name: str, logits: str, target: str, **settings: str) -> str:
    """The plain form for labels alone, the soft one for distributions, weights, smoothing and ignored labels."""
    logits, target = _batched(use, logits, target)
    settings |= {"weight": _weight(use), "ignore": given(use, "ignore", None)}
    if any(settings.values()) or use.inputs[1].is_float:
        name = f"soft_{name}"
    elif name == "cross_entropy" and fixed(use, "reduction") == "mean" and not _class_axis(use):
        name = "optax.softmax_cross_entropy_with_integer_labels"
    return _reduced(use, call(name, logits, target, axis=_class_axis(use), **settings))


@function("KlDivergence")
def kl_divergence(use: OpUse, log_q: str, p: str) -> str:
    log_q, p = _batched(use, log_q, p)
    return _reduced(use, call("kl_divergence", log_q, p, axis=_class_axis(use), weight=_weight(use)))


# ---------------------------------------------------------------- parameters


@layer("FreeParameter", "Array")
def make_parameter(use: OpUse, key: Key) -> str:
    assert use.layer is not None
    init = use.layer.parameters[""].init
    shape = use.code("shape")
    if init.name in ("zeros", "ones"):
        return f"jnp.{init.name}({shape})"
    if init.name == "constant":
        value = dict(init.settings)["v"]
        if isinstance(value, tuple):
            return f"jnp.array({literal(lists(value))})"
        return f"jnp.full({shape}, {literal(float(value))})"
    return f"{initializer_source(init)}({key()}, {shape})"


@function("FreeParameter", reads_member=True)
def free_parameter(use: OpUse, member: str) -> str:
    return member


@function("ReadParameter", reads_member=True)
def read_parameter(use: OpUse, member: str) -> str:
    return f"{member}.{fixed(use, 'parameter')}"


@function("Penalty")
def penalty(use: OpUse, weights: str) -> str:
    """`weights` is the source of the list of parameters under it."""
    return f"{fixed(use, 'kind')}({weights})"
