"""Ops that move entries without changing them, constant tensors, and parameters read as tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.numpy.rows import Step, axes, axis, fixed, initialiser, kernel, lent, parameter, passes, step
from nnspec.backends.source import literal
from nnspec.ir.dims import Dim

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


@step("Identity")
def identity(use: OpUse, x: str) -> Step:
    return passes(x)


@step("Flatten")
def flatten(use: OpUse, x: str) -> Step:
    return kernel("flatten", x) if use.inputs[0].batched else kernel("reshape", x, "(-1,)", cache="flatten")


@step("Reshape")
def reshape(use: OpUse, x: str) -> Step:
    sizes = [use.express(lambda n, i=i: n.op.shape[i], "size") for i in range(use.outputs[0].rank)]  # type: ignore[misc]  # bound now
    if use.inputs[0].batched:
        sizes.insert(0, f"len({x})" if use.is_open else "-1")
    return kernel("reshape", x, f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})")


@step("Permute")
def permute(use: OpUse, x: str) -> Step:
    order = tuple(a + use.inputs[0].batched for a in fixed(use, "axes"))
    return kernel("permute", x, literal((0, *order) if use.inputs[0].batched else order))


@step("Transpose")
def transpose(use: OpUse, x: str) -> Step:
    return passes(f"np.swapaxes({x}, -1, -2)", "np.swapaxes({d}, -1, -2)")


@step("Concat")
def concat(use: OpUse, *parts: str) -> Step:
    return kernel(
        "concat", *parts, inputs=tuple(range(len(parts))), settings={"axis": str(axis(use, fixed(use, "axis")))}
    )


@step("Stack")
def stack(use: OpUse, *parts: str) -> Step:
    return kernel(
        "stack", *parts, inputs=tuple(range(len(parts))), settings={"axis": str(axis(use, fixed(use, "axis")))}
    )


@step("Split")
def split(use: OpUse, x: str) -> Step:
    count = len(use.op.parts)  # type: ignore[attr-defined]  # a Split
    sizes = [use.express(lambda n, i=i: n.op.parts[i], "part") for i in range(count)]  # type: ignore[misc]  # bound now
    listed = f"({', '.join(sizes)}{',' if count == 1 else ''})"
    made = kernel("split", x, listed, str(axis(use, fixed(use, "axis"))))
    return made.replace(backward=(((0,), "split_backward([{d}], {c})"),))


@step("Index")
def index(use: OpUse, x: str) -> Step:
    items = [_item(use, i) for i in range(len(use.op.items))]  # type: ignore[attr-defined]  # an Index
    while items and items[-1] == ":":
        items.pop()
    if not items:
        return passes(x)
    if use.inputs[0].batched:
        items.insert(0, ":")
    return kernel("index", x, f"np.s_[{', '.join(items)}]")


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


@step("Pad")
def pad(use: OpUse, x: str) -> Step:
    pairs = fixed(use, "amount")
    if not any(n for pair in pairs for n in pair):
        return passes(x)
    widths = ((0, 0), *pairs) if use.inputs[0].batched else tuple(pairs)
    return kernel("pad", x, literal(widths), settings={"value": "" if use.value("value") == 0 else use.code("value")})


@step("Flip")
def flip(use: OpUse, x: str) -> Step:
    over = axes(use, fixed(use, "axis"))
    return passes(f"np.flip({x}, {over})", f"np.flip({{d}}, {over})")


@step("Roll")
def roll(use: OpUse, x: str) -> Step:
    return kernel("roll", x, use.code("shift"), str(axis(use, fixed(use, "axis"))))


@step("Upsample")
def upsample(use: OpUse, x: str) -> Step:
    base = "upsample_nearest" if fixed(use, "mode") == "nearest" else "upsample_linear"
    return lent(use, kernel(base, x, use.scalar("factor"), cache="upsample"), x)


@step("ExpandBatch")
def expand_batch(use: OpUse, x: str, like: str) -> Step:
    return passes(f"np.broadcast_to({x}, (len({like}), *{x}.shape))", "{d}.sum(axis=0)")


# ---------------------------------------------------------------- parameters and constants


def _parameter(use: OpUse) -> str:
    inits = {p.init for n in use.nodes if n.layer is not None for p in n.layer.parameters.values()}
    init = inits.pop() if len(inits) == 1 else use.op.init  # type: ignore[attr-defined]  # a FreeParameter
    return f"Parameter({use.code('shape')}, {initialiser(init)})"


@parameter("FreeParameter", _parameter)
def free_parameter(use: OpUse, member: str) -> Step:
    return Step(f"{member}.value", own=f"{member}.grad += {{d}}")


@parameter("ReadParameter")
def read_parameter(use: OpUse, member: str) -> Step:
    name = fixed(use, "parameter")
    return Step(f"{member}.{name}.value", own=f"{member}.{name}.grad += {{d}}")


def _dtype(use: OpUse) -> str:
    name = use.outputs[0].dtype
    return "self.dtype" if name == "float32" else "bool" if name == "bool" else f"np.{name}"


@step("Constant")
def constant(use: OpUse) -> Step:
    if use.outputs[0].rank == 0 or not use.is_settled:
        return Step(f"np.asarray({use.code('value')}, {_dtype(use)})")
    return Step(f"np.array({literal(_lists(fixed(use, 'value'), use.outputs[0].is_float))}, {_dtype(use)})")


def _lists(value: Any, floats: bool) -> Any:
    if isinstance(value, tuple):
        return [_lists(v, floats) for v in value]
    return float(value) if floats and not isinstance(value, Dim) else value


@step("Zeros")
def zeros(use: OpUse) -> Step:
    return Step(f"np.zeros({use.code('shape')}, {_dtype(use)})")


@step("Ones")
def ones(use: OpUse) -> Step:
    return Step(f"np.ones({use.code('shape')}, {_dtype(use)})")


@step("Eye")
def eye(use: OpUse) -> Step:
    return Step(f"np.eye({use.code('n')}, dtype=self.dtype)")


@step("Arange")
def arange(use: OpUse) -> Step:
    return Step(f"np.arange({use.code('n')}, dtype={_dtype(use)})")
