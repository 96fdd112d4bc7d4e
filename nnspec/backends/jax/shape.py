"""Ops that move entries: reshapes, joins, slices; and what the elaborator inserts between batched and unbatched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.base import Unsupported
from nnspec.backends.folding import split_commas
from nnspec.backends.jax.layout import is_image
from nnspec.backends.jax.rows import axes, axis, call, fixed, function, given
from nnspec.backends.source import literal
from nnspec.ops.index import Slice

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


@function("Flatten")
def flatten(use: OpUse, x: str) -> str:
    if use.layout is not None and is_image(use.inputs[0]):  # type: ignore[attr-defined]  # as `__call__` sees it
        return f"flatten({x})"
    return f"{x}.reshape({x}.shape[0], -1)" if use.inputs[0].batched else f"{x}.ravel()"


@function("Reshape")
def reshape(use: OpUse, x: str) -> str:
    sizes = split_commas(use.code("shape")[1:-1])
    if use.inputs[0].batched:
        if not use.inputs[0].rank and len(sizes) == 1:
            return f"{x}[:, None]"
        if not x.isidentifier():
            return f"{x}.reshape({', '.join(['-1', *sizes])})"
        sizes = [f"{x}.shape[0]", *(["-1"] if len(sizes) == 1 else sizes)]
    return f"{x}.reshape({', '.join(sizes) or '()'})"


@function("Permute")
def permute(use: OpUse, x: str) -> str:
    order = [a + use.inputs[0].batched for a in fixed(use, "axes")]
    return f"{x}.transpose({', '.join(map(str, [0, *order] if use.inputs[0].batched else order))})"


@function("Transpose")
def transpose(use: OpUse, x: str) -> str:
    return f"{x}.mT"


@function("Concat")
def concat(use: OpUse, *parts: str) -> str:
    return f"jnp.concatenate({_listed(parts)}, axis={axis(use, fixed(use, 'axis'))})"


def _listed(parts: tuple[str, ...]) -> str:
    """A list of arrays; what a `for` over tensors made is one already."""
    return parts[0][1:] if len(parts) == 1 and parts[0].startswith("*") else f"[{', '.join(parts)}]"


@function("Stack")
def stack(use: OpUse, *parts: str) -> str:
    return call("jnp.stack", _listed(parts), axis=str(axis(use, fixed(use, "axis")) or ""))


@function("Split")
def split(use: OpUse, x: str) -> str:
    sizes = split_commas(use.code("parts")[1:-1])
    heads = [sizes[: k + 1] for k in range(len(sizes) - 1)]
    if len(set(sizes)) == 1:
        cut = str(len(sizes))
    elif all(size.isdigit() for size in sizes):
        cut = literal([sum(map(int, head)) for head in heads])
    else:
        cut = f"[{', '.join(' + '.join(head) for head in heads)}]"
    return f"jnp.split({x}, {cut}, axis={axis(use, fixed(use, 'axis'))})"


@function("Index")
def index(use: OpUse, x: str) -> str:
    """Canonical items, one for each axis; whole axes at the end are left out."""
    items = fixed(use, "items") if _constant_items(use) else None
    if items is None:
        items = use.op.items  # type: ignore[attr-defined]  # an Index
    parts = [_item(use, place, item) for place, item in enumerate(items)]
    while parts and parts[-1] == ":":
        parts.pop()
    if not parts:
        return x
    return f"{x}[{', '.join([':', *parts] if use.inputs[0].batched else parts)}]"


def _constant_items(use: OpUse) -> bool:
    return all(n.op.items == use.op.items for n in use.nodes)  # type: ignore[attr-defined]  # all Index


def _item(use: OpUse, place: int, item: int | Slice) -> str:
    def read(field: str) -> str:
        return use.express(lambda n: getattr(n.op.items[place], field), field)  # type: ignore[attr-defined]  # an Index

    if not isinstance(item, Slice):
        return use.express(lambda n: n.op.items[place], "index")  # type: ignore[attr-defined]  # an Index
    start, stop = ("" if getattr(item, end) is None else read(end) for end in ("start", "stop"))
    step = read("step")
    return f"{start}:{stop}" + (f":{step}" if step != "1" else "")


@function("Pad")
def pad(use: OpUse, x: str) -> str:
    amount = use.code("amount")
    widths = amount if not use.inputs[0].batched else "(" + ", ".join(["(0, 0)", *split_commas(amount[1:-1])]) + ")"
    return call("jnp.pad", x, widths, constant_values=given(use, "value", 0.0))


@function("Flip")
def flip(use: OpUse, x: str) -> str:
    return f"jnp.flip({x}, {axes(use, fixed(use, 'axis'))})"


@function("Roll")
def roll(use: OpUse, x: str) -> str:
    return f"jnp.roll({x}, {use.code('shift')}, {axis(use, fixed(use, 'axis'))})"


@function("Upsample")
def upsample(use: OpUse, x: str) -> str:
    return call("upsample", x, use.scalar("factor"), "" if fixed(use, "mode") == "nearest" else '"linear"')


@function("Sinusoidal")
def sinusoidal(use: OpUse, x: str) -> str:
    return call("sinusoidal", x, given(use, "base", 10000.0))


@function("Rotary")
def rotary(use: OpUse, x: str) -> str:
    return call("rotary", x, heads=given(use, "heads", 1), base=given(use, "base", 10000.0))


@function("ExpandBatch")
def expand_batch(use: OpUse, x: str, like: str) -> str:
    sizes = "".join(f", {use.size(0, a)}" for a in range(use.inputs[0].rank))
    return f"jnp.broadcast_to({x}, ({like}.shape[0]{sizes or ','}))"


@function("BatchMean")
def batch_mean(use: OpUse, x: str) -> str:
    return f"{x}.mean()" if not use.inputs[0].rank else f"{x}.mean(0)"


@function("Gradient")
def gradient(use: OpUse, *arguments: str) -> str:
    raise Unsupported("the gradient of a tensor inside a model has no JAX form in this version", use.span)
