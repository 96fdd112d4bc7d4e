"""Losses: one number an example, or with `mean=True` their mean over the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.base import Unsupported
from nnspec.backends.numpy.rows import Step, fixed, given, step
from nnspec.backends.source import literal

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse

_OF_DIFFERENCE = {"SquaredError": "squared_error", "Mse": "mse", "Mae": "mae", "Huber": "huber"}
_OF_NUMBERS = {
    "BinaryCrossEntropy": "binary_cross_entropy",
    "Hinge": "hinge",
    "PerceptronLoss": "perceptron_loss",
}


def _loss(use: OpUse, base: str, y: str, t: str, target: str, settings: dict[str, str]) -> Step:
    """The kernel on tensors that both have a batch axis. `target` is source of the target's gradient, or ""."""
    batched = [v.batched for v in use.inputs]
    mean = not any(batched) or fixed(use, "reduction") == "mean"
    if not any(batched):
        operands, back = [f"{y}[None]", f"{t}[None]"], ["[0]", "[0]"]
    else:
        like = y if batched[0] else t
        spread = [
            s if b else f"np.broadcast_to({s}, (len({like}), *{s}.shape))" for s, b in zip((y, t), batched, strict=True)
        ]
        operands, back = spread, ["" if b else ".sum(axis=0)" for b in batched]
    settings = {**settings, "mean": "True" if mean else ""}
    parts = [*operands, *(f"{k}={v}" for k, v in settings.items() if v)]
    backward = [((0,), f"{base}_backward({{d}}, {{c}}){back[0]}")]
    if target:
        backward.append(((1,), f"{target}{back[1]}"))
    return Step(f"{base}_forward({', '.join(parts)})", base, tuple(backward))


def _weight(use: OpUse) -> dict[str, str]:
    weight = fixed(use, "weight")
    return {} if weight is None else {"weight": literal(weight)}


def _entrywise(name: str, base: str, target: str) -> None:
    @step(name)
    def apply(use: OpUse, y: str, t: str) -> Step:
        extra = given(use, delta=("delta", 1.0)) if name == "Huber" else {}
        return _loss(use, base, y, t, target, {**extra, **_weight(use)})


for _name, _base in _OF_DIFFERENCE.items():
    _entrywise(_name, _base, f"-{_base}_backward({{d}}, {{c}})")
for _name, _base in _OF_NUMBERS.items():
    _entrywise(_name, _base, f"{_base}_backward_target({{d}}, {{c}})")


def _axis(use: OpUse) -> dict[str, str]:
    """The class axis of the batched prediction, left out where it is the last."""
    index = fixed(use, "axis")
    return {} if index == use.inputs[0].rank - 1 else {"axis": str(index + 1)}


@step("CrossEntropy")
def cross_entropy(use: OpUse, y: str, t: str) -> Step:
    settings = {**_axis(use), **_weight(use)}
    if use.inputs[1].is_float:
        settings |= given(use, label_smoothing=("label_smoothing", 0.0))
        return _loss(use, "soft_cross_entropy", y, t, "soft_cross_entropy_backward_target({d}, {c})", settings)
    settings |= given(use, ignore=("ignore", None), label_smoothing=("label_smoothing", 0.0))
    return _loss(use, "cross_entropy", y, t, "", settings)


@step("Nll")
def nll(use: OpUse, y: str, t: str) -> Step:
    return _loss(use, "nll", y, t, "", {**_axis(use), **_weight(use), **given(use, ignore=("ignore", None))})


@step("KlDivergence")
def kl_divergence(use: OpUse, y: str, t: str) -> Step:
    return _loss(use, "kl_divergence", y, t, "kl_divergence_backward_target({d}, {c})", {**_axis(use), **_weight(use)})


@step("Penalty")
def no_penalty(use: OpUse) -> Step:
    """A penalty stands in an objective, where `penalty` prints it with the function that selects its weights."""
    raise Unsupported(f"{fixed(use, 'kind')} of weights stands in `minimize` only", use.span)


def penalty(use: OpUse, selectors: dict[tuple[str, ...], str]) -> Step:
    """`l2_penalty_forward(weights(model))`."""
    base, weights = f"{fixed(use, 'kind')}_penalty", f"{selectors[fixed(use, 'paths')]}(model)"
    return Step(f"{base}_forward({weights})", base, own=f"{base}_backward({{d}}, {{c}})")
