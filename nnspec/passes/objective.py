"""The average over the batch, taken as deep inside an objective as it can be (decision 3).

The mean passes through sums, differences and factors that are the same for every example; a loss takes
its own mean, so that emitters can use a framework's fused one.
"""

from __future__ import annotations

from nnspec.ir.graph import Call, Declare, Item, Loop, Module, Node, Value
from nnspec.ops.base import Op
from nnspec.ops.core import BatchMean


def average(objective: Module, result: Value) -> Value:
    """The mean of a batched scalar over the batch; rewrites the items of `objective`."""
    producers = {item.outputs[0]: item for item in objective.items if isinstance(item, Node) and len(item.outputs) == 1}
    means: dict[Value, Value] = {}
    _want(result, producers, means)
    readers = _readers(objective, producers, means)
    formals = [v for v in objective.inputs if v in means]
    items: list[Item] = [_mean_node(v, means[v]) for v in formals]
    for item in objective.items:
        output = item.outputs[0] if isinstance(item, Node) and len(item.outputs) == 1 else None
        wanted = means.get(output) if output is not None else None
        if wanted is None or not isinstance(item, Node):
            items.append(item)
            items += [_mean_node(v, means[v]) for v in _made_in(item) if v in means]
            continue
        pushed = _pushed(item, wanted, means)
        if pushed is None or (output in readers and output is not result):
            items.append(item)
        items.append(pushed if pushed is not None else _mean_node(item.outputs[0], wanted))
    objective.items = items
    return means[result]


def _made_in(item: Item) -> list[Value]:
    """What a call, a split, or a group of items leaves behind."""
    if isinstance(item, Declare):
        return []
    if isinstance(item, Node | Call):
        return list(item.outputs)
    lists = item.iterations if isinstance(item, Loop) else [item.items]
    return [value for items in lists for inner in items for value in _made_in(inner)]


def _want(value: Value, producers: dict[Value, Node], means: dict[Value, Value]) -> None:
    """Marks the values whose means are needed, from the result backwards."""
    stack = [value]
    while stack:
        found = stack.pop()
        if found in means or not found.type.batched:
            continue
        means[found] = Value(found.type.replace(batched=False), found.span, found.name)
        node = producers.get(found)
        if node is not None:
            stack += _operands(node)


def _operands(node: Node) -> list[Value]:
    """The inputs whose means give the mean of the node, or [] where the mean does not pass."""
    name = type(node.op).__name__
    batched = [v for v in node.inputs if v.type.batched]
    if any(v.type.shape for v in node.inputs):
        return []
    if name in ("Add", "Sub", "Neg"):
        return batched
    if name == "Mul" and len(batched) == 1:
        return batched
    if name == "Div" and batched == [node.inputs[0]]:
        return batched
    return []


def _pushed(node: Node, output: Value, means: dict[Value, Value]) -> Node | None:
    """The node on means in place of examples, or None where the mean must be taken of its result."""
    op = _fused(node.op)
    if op is not None:
        return Node(op, node.inputs, (output,), node.span, node.layer, node.label, node.written)
    if not _operands(node):
        return None
    inputs = tuple(means.get(v, v) if v.type.batched else v for v in node.inputs)
    return Node(node.op, inputs, (output,), node.span, node.layer, node.label, node.written)


def _fused(op: Op) -> Op | None:
    """A loss that averages over the batch itself."""
    if "reduction" in op._fields and getattr(op, "reduction", "") == "none":
        return op.replace(reduction="mean")
    return None


def _mean_node(value: Value, output: Value) -> Node:
    return Node(BatchMean(), (value,), (output,), value.span)


def _readers(objective: Module, producers: dict[Value, Node], means: dict[Value, Value]) -> set[Value]:
    """Values that are still read one by one, beside their means."""
    found: set[Value] = set()
    for item in objective.flat():
        replaced = set(_operands(item)) if isinstance(item, Node) and item.outputs[0] in means else set()
        found.update(v for v in item.inputs if v not in replaced)
    return found
