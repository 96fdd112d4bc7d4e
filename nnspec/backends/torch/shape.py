"""Ops that move entries without changing them, and constant tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.source import literal
from nnspec.backends.torch.initial import start_of
from nnspec.backends.torch.rows import axes, axis, buffer, fixed, function, parameter
from nnspec.ir.dims import Dim

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


@function("Identity", module="nn.Identity()")
def identity(use: OpUse, x: str) -> str:
    return x


@function("Flatten", module=lambda use: "nn.Flatten()" if use.inputs[0].batched else "nn.Flatten(0)")
def flatten(use: OpUse, x: str) -> str:
    if not use.inputs[0].rank:
        return f"{x}.reshape(-1, 1)" if use.inputs[0].batched else f"{x}.reshape(1)"
    return f"{x}.flatten(1)" if use.inputs[0].batched else f"{x}.flatten()"


@function("Reshape")
def reshape(use: OpUse, x: str) -> str:
    sizes = [use.express(lambda n, i=i: n.op.shape[i], "size") for i in range(use.outputs[0].rank)]  # type: ignore[misc]  # bound now
    if use.inputs[0].batched:
        sizes.insert(0, "-1")
    return f"{x}.reshape({', '.join(sizes) or '()'})"


@function("Permute")
def permute(use: OpUse, x: str) -> str:
    order = tuple(a + use.inputs[0].batched for a in fixed(use, "axes"))
    return f"{x}.permute{literal((0, *order) if use.inputs[0].batched else order)}".replace(",)", ")")


@function("Transpose")
def transpose(use: OpUse, x: str) -> str:
    return f"{x}.transpose(-2, -1)"


def _listed(parts: tuple[str, ...]) -> str:
    if len(parts) == 1 and parts[0].startswith("*"):
        return parts[0][1:]
    return f"[{', '.join(parts)}]"


@function("Concat")
def concat(use: OpUse, *parts: str) -> str:
    return f"torch.cat({_listed(parts)}, {axis(use, fixed(use, 'axis'))})"


@function("Stack")
def stack(use: OpUse, *parts: str) -> str:
    return f"torch.stack({_listed(parts)}, {axis(use, fixed(use, 'axis'))})"


@function("Split")
def split(use: OpUse, x: str) -> str:
    parts, along = use.op.parts, axis(use, fixed(use, "axis"))  # type: ignore[attr-defined]  # a Split
    if all(len(set(n.op.parts)) == 1 for n in use.nodes):  # type: ignore[attr-defined]
        source = f"{x}.chunk({len(parts)}, {along})"
    else:
        sizes = [use.express(lambda n, i=i: n.op.parts[i], "part") for i in range(len(parts))]  # type: ignore[misc]
        source = f"{x}.split([{', '.join(sizes)}], {along})"
    return source if len(parts) > 1 else f"{source}[0]"


@function("Index")
def index(use: OpUse, x: str) -> str:
    items = [_item(use, i) for i in range(len(use.op.items))]  # type: ignore[attr-defined]  # an Index
    while items and items[-1] == ":":
        items.pop()
    if use.inputs[0].batched and items:
        items.insert(0, ":")
    return f"{x}[{', '.join(items)}]" if items else x


def _item(use: OpUse, position: int) -> str:
    item = use.op.items[position]  # type: ignore[attr-defined]
    if isinstance(item, int):
        return use.express(lambda n: n.op.items[position], "index")  # type: ignore[attr-defined]

    def end(name: str) -> str:
        if getattr(item, name) is None:
            return ""
        return use.express(lambda n: getattr(n.op.items[position], name), name)  # type: ignore[attr-defined]

    step = f":{item.step}" if item.step != 1 else ""
    return f"{end('start')}:{end('stop')}{step}"


@function("Pad")
def pad(use: OpUse, x: str) -> str:
    pairs = fixed(use, "amount")
    while pairs and pairs[0] == (0, 0):
        pairs = pairs[1:]
    flat = tuple(n for pair in reversed(pairs) for n in pair)
    if not flat:
        return x
    value = "" if use.value("value") == 0 else f", value={use.code('value')}"
    return f"F.pad({x}, {literal(flat)}{value})"


@function("Flip")
def flip(use: OpUse, x: str) -> str:
    return f"{x}.flip({axes(use, fixed(use, 'axis'))})"


@function("Roll")
def roll(use: OpUse, x: str) -> str:
    return f"{x}.roll({use.code('shift')}, {axis(use, fixed(use, 'axis'))})"


def _upsample(use: OpUse) -> str:
    spatial = use.inputs[0].rank - 1
    mode = "nearest" if fixed(use, "mode") == "nearest" else {1: "linear", 2: "bilinear", 3: "trilinear"}[spatial]
    return f"scale_factor={use.scalar('factor')}" + ("" if mode == "nearest" else f', mode="{mode}"')


@function("Upsample", module=lambda use: f"nn.Upsample({_upsample(use)})")
def upsample(use: OpUse, x: str) -> str:
    if not use.inputs[0].batched:  # interpolate takes batches alone
        return f"F.interpolate({x}[None], {_upsample(use)})[0]"
    return f"F.interpolate({x}, {_upsample(use)})"


@function("ExpandBatch")
def expand_batch(use: OpUse, x: str, like: str) -> str:
    kept = "".join([", -1"] * use.inputs[0].rank)
    return f"{x}.expand(len({like}){kept})"


# ---------------------------------------------------------------- parameters and constants


@parameter("FreeParameter", lambda use: f"nn.Parameter(torch.{start_of(use)}({_sizes(use)}))")
def free_parameter(use: OpUse, member: str) -> str:
    return member


@parameter("ReadParameter", None)
def read_parameter(use: OpUse, member: str) -> str:
    return f"{member}.{fixed(use, 'parameter')}"


def _sizes(use: OpUse) -> str:
    """The sizes of a tensor as separate arguments."""
    return use.code("shape")[1:-1].rstrip(",") or "()"


def _dtype(use: OpUse) -> str:
    name = use.outputs[0].dtype
    return "" if name == "float32" else ", dtype=torch.bool" if name == "bool" else f", dtype=torch.{name}"


@buffer("Constant")
def constant(use: OpUse) -> str:
    value = (
        use.code("value")
        if use.outputs[0].rank == 0 or not use.is_settled
        else literal(_lists(fixed(use, "value"), use.outputs[0].is_float))
    )
    return f"torch.tensor({value}{_dtype(use)})"


def _lists(value: Any, floats: bool) -> Any:
    if isinstance(value, tuple):
        return [_lists(v, floats) for v in value]
    return float(value) if floats and not isinstance(value, Dim) else value


@buffer("Zeros")
def zeros(use: OpUse) -> str:
    return f"torch.zeros({_sizes(use)}{_dtype(use)})"


@buffer("Ones")
def ones(use: OpUse) -> str:
    return f"torch.ones({_sizes(use)}{_dtype(use)})"


@buffer("Eye")
def eye(use: OpUse) -> str:
    return f"torch.eye({use.code('n')})"


@buffer("Arange")
def arange(use: OpUse) -> str:
    return f"torch.arange({use.code('n')}{_dtype(use)})"
