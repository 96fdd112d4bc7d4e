"""Names of layers: labels, running numbers of a body, numbers of a composition (decision 6)."""

from __future__ import annotations

import re
from typing import Any

from nnspec.diagnostics import Span
from nnspec.ir.graph import Module
from nnspec.syntax import nodes


def snake_case(name: str) -> str:
    """`DenseLayer` is `dense_layer`, `ConvBN2` is `conv_bn2`."""
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", parts).lower()


class NameScope:
    """One naming scope of a module: its body (running names) or a composition (numbers from 0).

    `prefix` is the scope's own name inside the module, "" for the body.
    """

    __slots__ = ("count", "counters", "labels", "module", "numbered", "prefix", "reserved")

    def __init__(
        self, module: Module, prefix: str = "", numbered: bool = False, reserved: frozenset[str] = frozenset()
    ) -> None:
        self.module = module
        self.prefix = prefix
        self.numbered = numbered
        self.reserved = reserved  # labels of the whole body, which running names step over
        self.labels: dict[str, Span] = {}
        self.counters: dict[str, int] = {}
        self.count = 0

    def full(self, key: str) -> str:
        """The name inside the module."""
        return f"{self.prefix}.{key}" if self.prefix else key

    def path(self, key: str) -> str:
        """The name inside the model."""
        full = self.full(key)
        return f"{self.module.path}.{full}" if self.module.path else full

    def number(self) -> str:
        """The next number of a composition; every step consumes one, also when its label replaces it."""
        self.count += 1
        return str(self.count - 1)

    def running(self, base: str) -> str:
        """`conv1`, `conv2`, ...: the next name of a body that is not taken."""
        while True:
            self.counters[base] = self.counters.get(base, 0) + 1
            name = f"{base}{self.counters[base]}"
            if name not in self.reserved and name not in self.labels:
                return name

    def claim(self, label: str, span: Span) -> Span | None:
        """Takes a label; the place of an equal one if there already is one."""
        if label in self.labels:
            return self.labels[label]
        self.labels[label] = span
        return None


def reserved_names(body: nodes.Body) -> frozenset[str]:
    """Every label, `layer` and `param` that names something directly in this body (not inside a composition)."""
    found: set[str] = set()
    _collect_body(body, found)
    return frozenset(found)


def _collect_body(body: nodes.Body | None, found: set[str]) -> None:
    if body is None:
        return
    for statement in body.statements:
        if isinstance(statement, nodes.LayerDecl | nodes.Param):
            found.add(statement.name.id)
        elif isinstance(statement, nodes.Bind | nodes.Output):
            _collect(statement.value, found)
    if body.result is not None:
        _collect(body.result, found)


def _collect(start: nodes.Expr, found: set[str]) -> None:
    stack: list[nodes.Expr] = [start]
    while stack:
        expr = stack.pop()
        if isinstance(expr, nodes.Pipeline):
            for step in expr.steps:
                if step.label is None:
                    stack.append(step.value)
                elif all(isinstance(part, str) for part in step.label.parts):
                    found.add("".join(str(part) for part in step.label.parts))
        elif isinstance(expr, nodes.Paren):
            stack.append(expr.value)
        elif isinstance(expr, nodes.Binary):
            stack += [expr.left, expr.right]
        elif isinstance(expr, nodes.Unary):
            stack.append(expr.operand)
        elif isinstance(expr, nodes.Index):
            stack.append(expr.value)
        elif isinstance(expr, nodes.Call) and expr.callee.id != "repeat":
            stack += [argument.value for argument in expr.arguments]
        elif isinstance(expr, nodes.If):
            _collect_body(expr.then, found)
            _collect_body(expr.otherwise, found)


class OneName(NameScope):
    """The scope of a copy with one layer, which has the copy's own name."""

    __slots__ = ("key",)

    def __init__(self, around: NameScope, key: str) -> None:
        super().__init__(around.module, around.prefix, numbered=True)
        self.key = key
        self.labels = around.labels

    def number(self) -> str:
        return self.key


def count_layers(body: nodes.Node) -> int:
    """How many layers the text of an expression of tensors uses, two standing for more."""
    count = 0
    stack: list[Any] = [body]
    while stack and count < 2:
        node = stack.pop()
        if isinstance(node, nodes.Pipeline):
            first, *rest = node.steps
            count += sum(not isinstance(s.value, nodes.Shape) for s in rest)
            stack.append(first.value)
            stack += [a.value for s in rest if isinstance(s.value, nodes.Call) for a in s.value.arguments]
        elif isinstance(node, nodes.Call):
            count += 1
            stack += [a.value for a in node.arguments]
        elif isinstance(node, nodes.If | nodes.For | nodes.Param | nodes.LayerDecl):
            count = 2
        elif isinstance(node, nodes.Node):
            stack += [getattr(node, name) for name in node._fields if name != "span"]
        elif isinstance(node, tuple):
            stack += node
    return count


def has_label(start: nodes.Node) -> bool:
    """Whether a label stands somewhere inside."""
    stack: list[Any] = [start]
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.StepLabel):
            return True
        if isinstance(node, nodes.Node):
            stack += [getattr(node, name) for name in node._fields if name != "span"]
        elif isinstance(node, tuple):
            stack += node
    return False
