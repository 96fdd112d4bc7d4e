"""Losses: torch's fused mean where it means the same, else the formula, averaged over an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.base import Unsupported
from nnspec.backends.source import literal
from nnspec.backends.torch.rows import fixed, function
from nnspec.backends.torch.shape import _lists

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


def _both_batched(use: OpUse) -> bool:
    return all(t.batched for t in use.inputs)


def _mean(use: OpUse, entries: str, rank: int) -> str:
    """The mean of an elementwise loss: over the batch too, or over the axes of each example."""
    if fixed(use, "reduction") == "mean" or not any(t.batched for t in use.inputs):
        return f"{entries}.mean()"
    return entries if not rank else f"{entries}.flatten(1).mean(1)"


def _weighted(use: OpUse, prediction: str) -> str:
    weight = fixed(use, "weight")
    if weight is None:
        return ""
    value = literal(_lists(weight, True)) if isinstance(weight, tuple) else literal(float(weight))
    return f"{prediction}.new_tensor({value}) * " if isinstance(weight, tuple) else f"{value} * "


@function("SquaredError")
def squared_error(use: OpUse, y: str, t: str) -> str:
    error = f"({y} - {t}).square()"
    if use.value("weight") is not None:
        error = f"({_weighted(use, y)}{error})"
    if fixed(use, "reduction") == "mean":
        return f"0.5 * {error}.sum() / len({y if use.inputs[0].batched else t})"
    if not any(i.batched for i in use.inputs):
        return f"0.5 * {error}.sum()"
    return f"0.5 * {error}.flatten(1).sum(1)" if use.inputs[0].rank else f"0.5 * {error}"


def _entrywise(name: str, fused: str, formula: str) -> None:
    @function(name)
    def apply(use: OpUse, y: str, t: str) -> str:
        rank = use.inputs[0].rank
        extra = f", delta={use.code('delta')}" if name == "Huber" and use.value("delta") != 1.0 else ""
        plain = use.value("weight") is None
        if plain and _both_batched(use) and fixed(use, "reduction") == "mean":
            return f"{fused}({y}, {t}{extra})"
        entries = f'{fused}({y}, {t}{extra}, reduction="none")' if _both_batched(use) else formula.format(y=y, t=t)
        return _mean(use, entries if plain else f"({_weighted(use, y)}{entries})", rank)


_entrywise("Mse", "F.mse_loss", "({y} - {t}).square()")
_entrywise("Mae", "F.l1_loss", "({y} - {t}).abs()")
_entrywise(
    "Huber", "F.huber_loss", "F.huber_loss(*torch.broadcast_tensors({y}, {t}), reduction='none')".replace("'", '"')
)
_entrywise(
    "BinaryCrossEntropy",
    "F.binary_cross_entropy_with_logits",
    'F.binary_cross_entropy_with_logits(*torch.broadcast_tensors({y}, {t}), reduction="none")',
)


def _margin(name: str, formula: str) -> None:
    @function(name)
    def apply(use: OpUse, y: str, t: str) -> str:
        entries = formula.format(y=y, t=t)
        return _mean(
            use, entries if use.value("weight") is None else f"({_weighted(use, y)}{entries})", use.inputs[0].rank
        )


_margin("Hinge", "F.relu(1 - {t} * {y})")
_margin("PerceptronLoss", "torch.clamp(-{t} * {y}, min=0)")  # unlike relu it passes the gradient at 0


# ---------------------------------------------------------------- a class axis


def _classes_second(use: OpUse, y: str) -> str:
    """The prediction with its class axis where torch wants it: after the batch."""
    along, rank = fixed(use, "axis"), use.inputs[0].rank
    source = y if use.inputs[0].batched else f"{y}.unsqueeze(0)"
    if along == 0:
        return source
    return f"{source}.movedim({along + 1}, 1)" if rank > 2 else f"{source}.transpose(1, 2)"


def _target(use: OpUse, y: str, t: str) -> str:
    """The target as torch wants it: int64 classes, batched like the prediction."""
    kind = use.inputs[1]
    if kind.is_float:
        return _classes_second_target(use, t)
    source = t if kind.dtype in ("class", "int64") else f"{t}.long()"
    if kind.batched:
        return source
    kept = "".join([", -1"] * kind.rank)
    return f"{source}.expand(len({y}){kept})" if use.inputs[0].batched else f"{source}.unsqueeze(0)"


def _classes_second_target(use: OpUse, t: str) -> str:
    along, rank = fixed(use, "axis"), use.inputs[1].rank
    source = t if use.inputs[1].batched else f"{t}.unsqueeze(0)"
    if along == 0:
        return source
    return f"{source}.movedim({along + 1}, 1)" if rank > 2 else f"{source}.transpose(1, 2)"


def _classified(use: OpUse, call: str, y: str, t: str, smoothing: str) -> str:
    weight, ignore = fixed(use, "weight"), use.value("ignore")
    reduction, rank = fixed(use, "reduction"), use.inputs[0].rank
    prediction, target = _classes_second(use, y), _target(use, y, t)
    if not use.inputs[0].batched and use.inputs[1].batched:
        prediction = f"{prediction}.expand(len({t}){''.join([', -1'] * rank)})"
    simple = weight is None and ignore is None
    if simple and reduction == "mean":
        if rank == 2 and fixed(use, "axis") == 1 and not use.inputs[1].is_float and _both_batched(use):
            flat = t if use.inputs[1].dtype in ("class", "int64") else f"{t}.long()"
            return f"{call}({y}.flatten(0, 1), {flat}.flatten(){smoothing})"
        if use.inputs[1].is_float and rank > 1:
            return f'{call}({prediction}, {target}{smoothing}, reduction="none").mean()'
        return f"{call}({prediction}, {target}{smoothing})"
    weights = "" if weight is None else f", weight={y}.new_tensor({literal(_lists(weight, True))})"
    ignored = "" if ignore is None else f", ignore_index={use.code('ignore')}"
    entries = f'{call}({prediction}, {target}{weights}{ignored}{smoothing}, reduction="none")'
    batched = any(i.batched for i in use.inputs)
    if ignore is None:
        if reduction == "mean" or not batched:
            return f"{entries}.mean()"
        return f"{entries}.flatten(1).mean(1)" if rank > 1 else entries
    if rank == 1:
        return f"{entries}.mean()" if reduction == "mean" or not batched else entries
    counted = f"({target} != {use.code('ignore')}).flatten(1).sum(1).clamp(min=1)"
    each = f"{entries}.flatten(1).sum(1) / {counted}"
    return f"({each}).mean()" if reduction == "mean" or not batched else each


@function("CrossEntropy")
def cross_entropy(use: OpUse, y: str, t: str) -> str:
    smoothing = "" if use.value("label_smoothing") == 0 else f", label_smoothing={use.code('label_smoothing')}"
    return _classified(use, "F.cross_entropy", y, t, smoothing)


@function("Nll")
def nll(use: OpUse, y: str, t: str) -> str:
    return _classified(use, "F.nll_loss", y, t, "")


@function("KlDivergence")
def kl_divergence(use: OpUse, y: str, t: str) -> str:
    along = fixed(use, "axis") + any(i.batched for i in use.inputs)
    entries = f'F.kl_div({y}, {t}, reduction="none")'
    weight = fixed(use, "weight")
    if weight is not None:
        trailing = use.inputs[0].rank - fixed(use, "axis") - 1
        shaped = f".reshape(-1{', 1' * trailing})" if trailing else ""
        entries = f"({y}.new_tensor({literal(_lists(weight, True))}){shaped} * {entries})"
    return _mean(use, f"{entries}.sum({along})", use.inputs[0].rank - 1)


@function("Penalty")
def no_penalty(use: OpUse) -> str:
    """A penalty stands in an objective, where `penalty` prints it with the function that selects its weights."""
    raise Unsupported(f"{fixed(use, 'kind')} of weights stands in `minimize` only", use.span)


def penalty(use: OpUse, selectors: dict[tuple[str, ...], str]) -> str:
    name = selectors[fixed(use, "paths")]
    if fixed(use, "kind") == "l2":
        return f"0.5 * sum(w.square().sum() for w in {name}(model))"
    return f"sum(w.abs().sum() for w in {name}(model))"
