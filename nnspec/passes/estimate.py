"""How many operations a model has at least, read off its text: a few blocks that use each other twice are millions.

Nothing is traced: each block is counted once, loops by their literal lengths, `if` by its smaller branch,
and what cannot be told counts nothing. So a model that is too large is refused before it is built.
"""

from __future__ import annotations

from typing import Any

from nnspec.ops import registry
from nnspec.passes.program import Program
from nnspec.syntax import nodes

Names = dict[str, nodes.Expr | None]  # the lets of a body by name; None for every other name of it


class Estimate:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.blocks: dict[int, int] = {}
        self.lets: dict[int, int] = {}

    def declared(self, declared: nodes.Block | nodes.Model) -> int:
        """The least number of operations of one use."""
        if id(declared) not in self.blocks:
            self.blocks[id(declared)] = 0  # also for a block that uses itself, which is reported elsewhere
            names: Names = {s.name.id: None for s in declared.settings}
            if isinstance(declared, nodes.Block):
                names.update({t.id: None for t in declared.tensors})
            self.blocks[id(declared)] = self._body(declared.body, names, declared.span.path)
        return self.blocks[id(declared)]

    def _body(self, body: nodes.Body | None, names: Names, path: str) -> int:
        if body is None:
            return 0
        names = dict(names)
        total = 0
        for statement in body.statements:
            if isinstance(statement, nodes.Bind | nodes.Output):
                total += self._expr(statement.value, names, path)
                bound = statement.names if isinstance(statement, nodes.Bind) else (statement.name,)
                names.update({n.id: None for n in bound})
            elif isinstance(statement, nodes.Let):
                names[statement.name.id] = statement.value
            elif isinstance(statement, nodes.LayerDecl | nodes.Input | nodes.Target | nodes.Param | nodes.Noise):
                names[statement.name.id] = None
        return total + (self._expr(body.result, names, path) if body.result is not None else 0)

    def _expr(self, expr: Any, names: Names, path: str) -> int:
        if isinstance(expr, nodes.Name):
            return self._name(expr.id, names, path)
        if isinstance(expr, nodes.Call):
            return self._call(expr, names, path)
        if isinstance(expr, nodes.Pipeline):
            return sum(self._expr(step.value, names, path) for step in expr.steps)
        if isinstance(expr, nodes.Binary):
            return self._expr(expr.left, names, path) + self._expr(expr.right, names, path)
        if isinstance(expr, nodes.Paren | nodes.Index):
            return self._expr(expr.value, names, path)
        if isinstance(expr, nodes.Unary):
            return self._expr(expr.operand, names, path)
        if isinstance(expr, nodes.If):
            return min(self._body(expr.then, names, path), self._body(expr.otherwise, names, path))
        if isinstance(expr, nodes.For):
            inner = {**names, **{n.id: None for n in expr.targets}}
            return _length(expr.iterable) * self._body(expr.body, inner, path)
        return 0

    def _name(self, name: str, names: Names, path: str) -> int:
        if name in names:
            let = names[name]
            return 0 if let is None else self._let(let, names, path)
        if (declared := self.program.let(path, name)) is not None:
            return self._let(declared.value, {}, declared.span.path)
        if (block := self.program.callable(path, name)) is not None:
            return self.declared(block)
        return 1 if registry.lookup(name) is not None else 0

    def _let(self, value: nodes.Expr, names: Names, path: str) -> int:
        if id(value) not in self.lets:
            self.lets[id(value)] = 0
            self.lets[id(value)] = self._expr(value, names, path)
        return self.lets[id(value)]

    def _call(self, call: nodes.Call, names: Names, path: str) -> int:
        name, values = call.callee.id, [a.value for a in call.arguments]
        if name not in names and (block := self.program.callable(path, name)) is not None:
            return self.declared(block)
        if name == "repeat" and len(values) == 2:
            count = values[0]
            whole = isinstance(count, nodes.Number) and isinstance(count.value, int)
            return (count.value if whole else 0) * self._expr(values[1], names, path)  # type: ignore[attr-defined]  # a Number
        inside = sum(self._expr(value, names, path) for value in values)
        return inside + (1 if name not in names and registry.lookup(name) is not None else 0)


def _length(iterable: nodes.Expr) -> int:
    """Turns of a `for` whose list or range is written out."""
    if isinstance(iterable, nodes.List):
        return len(iterable.items)
    if isinstance(iterable, nodes.Range):
        ends = (iterable.start, iterable.stop)
        if all(isinstance(e, nodes.Number) and isinstance(e.value, int) for e in ends):
            return max(0, int(ends[1].value) - int(ends[0].value) + 1)  # type: ignore[attr-defined]  # Numbers
    return 0
