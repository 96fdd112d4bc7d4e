"""How many operations a model has at least, read off its text: a few blocks that use each other twice are millions.

Nothing is traced: a block is counted once for each combination of settings, loops by their lengths where these are
numbers, `if` by the branch that a known condition takes, else by the smaller one, and what cannot be told counts
nothing. So a model that is too large is refused before it is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nnspec.ops import registry
from nnspec.passes import numbers
from nnspec.passes.program import Program
from nnspec.syntax import nodes

MOST_VISITS = 100_000  # expressions looked at: beyond it the estimate says nothing
DEEPEST = 3000  # expressions inside expressions, blocks inside blocks


class Known(NamedTuple):
    """What is known of a name or an expression."""

    least: int = 0  # operations of one evaluation, or of one use of a layer
    number: Any = None  # its value, where it is a number or bool
    tensor: bool = False  # surely a tensor
    length: int = 0  # entries of a list


UNKNOWN = Known()
TENSOR = Known(tensor=True)
Names = dict[str, Known]


class _Enough(Exception):
    """The text is too large or too deep to be estimated cheaply."""


class Estimate:
    """`overrides` are the `--set` values by name."""

    def __init__(self, program: Program, overrides: Mapping[str, nodes.Expr] | None = None) -> None:
        self.program, self.overrides = program, overrides or {}
        self.blocks: dict[tuple[Any, ...], int] = {}
        self.lets: dict[int, Known] = {}
        self.visits = self.depth = 0

    def declared(self, declared: nodes.Model) -> int:
        """The least number of operations of a model; 0 where that cannot be told cheaply."""
        try:
            given = {n: self._expr(e, {}, declared.span.path) for n, e in self.overrides.items()}
            return self._use(declared, given)
        except _Enough:
            return 0

    def _use(self, declared: nodes.Block | nodes.Model, given: Mapping[str, Known]) -> int:
        """Operations of one use with these settings."""
        path = declared.span.path
        names: Names = {}
        for setting in declared.settings:
            name = setting.name.id
            if name in given:
                names[name] = given[name]
            elif setting.default is not None:
                names[name] = self._expr(setting.default, dict(names), path)
            else:
                names[name] = UNKNOWN
        key = (id(declared), *names.values())
        if key not in self.blocks:
            self.blocks[key] = 0  # also for a block that uses itself, which is reported elsewhere
            if isinstance(declared, nodes.Block):
                names.update({t.id: TENSOR for t in declared.tensors})
            self.blocks[key] = self._body(declared.body, names, path).least
        return self.blocks[key]

    def _body(self, body: nodes.Body | None, names: Names, path: str) -> Known:
        if body is None:
            return UNKNOWN
        names = dict(names)
        total = 0
        for statement in body.statements:
            if isinstance(statement, nodes.Bind | nodes.Output):
                value = self._expr(statement.value, names, path)
                total += value.least
                bound = statement.names if isinstance(statement, nodes.Bind) else (statement.name,)
                names.update({n.id: value._replace(least=0, length=0) for n in bound})
            elif isinstance(statement, nodes.Let):
                names[statement.name.id] = self._expr(statement.value, names, path)
            elif isinstance(statement, nodes.Input | nodes.Target | nodes.Param | nodes.Noise):
                names[statement.name.id] = TENSOR
            elif isinstance(statement, nodes.LayerDecl):
                names[statement.name.id] = UNKNOWN
        result = self._expr(body.result, names, path) if body.result is not None else UNKNOWN
        return result._replace(least=total + result.least)

    def _expr(self, expr: Any, names: Names, path: str) -> Known:
        self.visits += 1
        self.depth += 1
        if self.visits > MOST_VISITS or self.depth > DEEPEST:
            raise _Enough
        count = _COUNT.get(type(expr))
        found = count(self, expr, names, path) if count is not None else UNKNOWN
        self.depth -= 1
        return found

    def _name(self, expr: nodes.Name, names: Names, path: str) -> Known:
        name = expr.id
        if name in names:
            return names[name]
        if (let := self.program.let(path, name)) is not None:
            return self._let(name, let)
        if (block := self.program.callable(path, name)) is not None:
            return Known(1 + self._use(block, {}))
        return Known(1) if registry.lookup(name) is not None else UNKNOWN

    def _let(self, name: str, let: nodes.Let) -> Known:
        if id(let) not in self.lets:
            self.lets[id(let)] = UNKNOWN
            self.lets[id(let)] = self._expr(self.overrides.get(name, let.value), {}, let.span.path)
        return self.lets[id(let)]

    def _call(self, call: nodes.Call, names: Names, path: str) -> Known:
        name = call.callee.id
        given = [(a.name, self._expr(a.value, names, path)) for a in call.arguments]
        if name in names:
            return Known(names[name].least + sum(v.least for _, v in given if v.tensor), tensor=bool(given))
        if (block := self.program.callable(path, name)) is not None:
            settings = [s.name.id for s in block.settings]
            tensors = [v for n, v in given if v.tensor and n not in settings]
            plain = [v for n, v in given if not n and not v.tensor]
            by_name = {n: v for n, v in given if n in settings}
            free = [s for s in settings if s not in by_name]
            count = self._use(block, {**dict(zip(free, plain, strict=False)), **by_name})
            return Known(1 + count + sum(v.least for v in tensors), tensor=bool(tensors))
        if name == "repeat" and len(given) == 2:
            copies = given[0][1].number
            return Known(copies * given[1][1].least if isinstance(copies, int) and copies > 0 else 0)
        several = [isinstance(a.value, nodes.For) for a in call.arguments]  # not `weight_init = zeros`, which is no op
        inside = sum(v.least for (_, v), turns in zip(given, several, strict=True) if v.tensor or turns)
        tensor = any(v.tensor for _, v in given)
        if not tensor and name in numbers.FUNCTIONS and given:
            return Known(inside)
        return Known(inside + (registry.lookup(name) is not None), tensor=tensor)

    def _pipeline(self, expr: nodes.Pipeline, names: Names, path: str) -> Known:
        steps = [self._expr(step.value, names, path) for step in expr.steps]
        return Known(sum(s.least for s in steps), tensor=steps[0].tensor)

    def _binary(self, expr: nodes.Binary, names: Names, path: str) -> Known:
        spine = [expr]
        while isinstance(left := spine[-1].left, nodes.Binary):
            spine.append(left)
        found = self._expr(spine[-1].left, names, path)
        for node in reversed(spine):
            right = self._expr(node.right, names, path)
            tensor = found.tensor or right.tensor
            number = None
            if found.number is not None and right.number is not None:
                try:
                    number = numbers.binary(node.op, found.number, right.number)
                except numbers.NumberError:  # reported where it is computed
                    number = None
            found = Known(found.least + right.least + tensor, number, tensor)
        return found

    def _unary(self, expr: nodes.Unary, names: Names, path: str) -> Known:
        inner = self._expr(expr.operand, names, path)
        number = inner.number
        if number is not None:
            try:
                number = numbers.unary(expr.op, number)
            except numbers.NumberError:  # reported where it is computed
                number = None
        return Known(inner.least + inner.tensor, number, inner.tensor)

    def _if(self, expr: nodes.If, names: Names, path: str) -> Known:
        condition = self._expr(expr.condition, names, path).number
        if isinstance(condition, bool):
            return self._body(expr.then if condition else expr.otherwise, names, path)
        return min(self._body(expr.then, names, path), self._body(expr.otherwise, names, path), key=lambda k: k.least)

    def _for(self, expr: nodes.For, names: Names, path: str) -> Known:
        turns = self._expr(expr.iterable, names, path).length
        body = self._body(expr.body, {**names, **{n.id: UNKNOWN for n in expr.targets}}, path)
        return Known(turns * body.least)

    def _range(self, expr: nodes.Range, names: Names, path: str) -> Known:
        start, stop = (self._expr(end, names, path).number for end in (expr.start, expr.stop))
        whole = isinstance(start, int) and isinstance(stop, int)
        return Known(length=max(0, stop - start + 1) if whole else 0)


_COUNT: dict[type, Any] = {
    nodes.Number: lambda self, expr, names, path: Known(number=expr.value),
    nodes.Bool: lambda self, expr, names, path: Known(number=expr.value),
    nodes.Name: Estimate._name,
    nodes.Call: Estimate._call,
    nodes.Pipeline: Estimate._pipeline,
    nodes.Binary: Estimate._binary,
    nodes.Unary: Estimate._unary,
    nodes.Paren: lambda self, expr, names, path: self._expr(expr.value, names, path),
    nodes.Index: lambda self, expr, names, path: Known(self._expr(expr.value, names, path).least),
    nodes.If: Estimate._if,
    nodes.For: Estimate._for,
    nodes.List: lambda self, expr, names, path: Known(length=len(expr.items)),
    nodes.Range: Estimate._range,
}
