"""Declared tensors: types and open sizes, inputs, targets, noises."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label
from nnspec.ir.dims import Dim, divide_exactly, is_at_least, same
from nnspec.ir.graph import Field, Value
from nnspec.ir.types import DTYPES, TensorType
from nnspec.ops.base import Initialiser
from nnspec.passes import numbers
from nnspec.passes.scope import POISON, Poisoned, Scope, Unavailable
from nnspec.passes.sharing import Sharing
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes


class Fields(Sharing):
    def define(self, name: nodes.Name, value: Any, scope: Scope) -> None:
        """Gives a name its meaning; each name once in its braces."""
        if name.id in scope.names and name.id in scope.spans and scope.spans[name.id] != name.span:
            first = Label(scope.spans[name.id], "first here")
            self.error("E0204", name, f"{name.id} is named twice", labels=(first,), help="each name is given once")
            scope.names[name.id] = POISON  # which of the two a later line means cannot be told
            return
        scope.names[name.id] = value
        scope.spans[name.id] = name.span

    def type_of(self, type: nodes.TypeExpr, scope: Scope, batched: bool = True) -> TensorType | None:
        """A declared type, None after reporting what is wrong with it."""
        if type.dtype not in DTYPES:
            self.error(
                "E0218",
                type,
                f"unknown dtype {type.dtype}",
                help=did_you_mean(type.dtype, DTYPES, f"known: {', '.join(DTYPES)}"),
            )
            return None
        classes = 0
        if type.dtype == "class":
            if len(type.arguments) != 1:
                self.error("E0220", type, "class takes the number of classes", help="as in class(10)")
                return None
            found = self.size(type.arguments[0], scope, "the number of classes")
            if not isinstance(found, int):
                if isinstance(found, Dim):
                    self.error("E0310", type.arguments[0], "the number of classes cannot be an open size")
                return None
            classes = found
        elif type.arguments:
            self.error("E0220", type, f"{type.dtype} takes sizes in brackets", help=f"as in {type.dtype}[10]")
            return None
        shape = [self.size(size, scope, "a size") for size in type.sizes or ()]
        if any(s is None for s in shape):
            return None
        found_type = TensorType(type.dtype, tuple(s for s in shape if s is not None), batched, classes)
        return found_type if self.check_type(found_type, type.span) else None

    def size(self, expr: nodes.Expr, scope: Scope, what: str) -> int | Dim | None:
        """A whole number >= 1 or an open size."""
        value = self.number(expr, scope, what)
        if isinstance(value, Poisoned):
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, float):
            self.error("E0306", expr, f"{what} is a whole number, not {numbers.show(value)}")
            return None
        if not is_at_least(value, 1):
            self.error("E0306", expr, f"{what} is at least 1, not {value}")
            return None
        if isinstance(value, int) and value > 2**31 - 1:
            self.error("E0309", expr, f"a size of {value:,} is beyond the largest, {2**31 - 1:,}")
            return None
        found: int | Dim = value
        return found

    def _input(self, statement: nodes.Input, scope: Scope) -> None:
        if len(self.frames) > 1:
            self._passed(statement, scope)
            return
        type = self.type_of(statement.type, scope)
        if type is None:
            self.define(statement.name, POISON, scope)
            return
        value = Value(type, statement.span, statement.name.id)
        self.define(statement.name, value, scope)
        self.graph.fields.append(Field(statement.name.id, value, "input"))

    def _passed(self, statement: nodes.Input, scope: Scope) -> None:
        """An input of a model used as a block: what it is declared as must be what it was given."""
        value = scope.names.get(statement.name.id)
        if not isinstance(value, Value):
            self.error(
                "E0212",
                statement,
                "an input stands in a model",
                help="a block names its tensors in its head: block B(x) { ... }",
            )
            return
        for size, given in zip(statement.type.sizes or (), value.type.shape, strict=False):
            self._settle(size, given, scope)
        declared = self.type_of(statement.type, scope)
        if declared is None:
            return
        fits = declared.dtype == value.type.dtype and len(declared.shape) == value.type.rank
        if not fits or not all(same(a, b) for a, b in zip(declared.shape, value.type.shape, strict=True)):
            node = self.frame.use or statement.span
            label = Label(statement.span, f"declared as {declared}")
            message = f"{statement.name.id} of {self.frame.module.title} is {declared}, here it gets {value.type}"
            self.error("E0303", node, message, labels=(label,))

    def _settle(self, size: nodes.Expr, given: int | Dim, scope: Scope) -> None:
        """Solves `16 * H` against a given size for an open size that has no value yet."""
        if not any(isinstance(v, Dim) and id(v) in self.unsettled for v in scope.names.values()):
            return
        declared = self.number(size, scope, "a size")
        if not isinstance(declared, Dim) or (form := declared.linear()) is None:
            return
        symbol, factor, offset = form
        name = next(
            (n for n, v in scope.names.items() if isinstance(v, Dim) and id(v) in self.unsettled and str(v) == symbol),
            None,
        )
        if name is not None and (found := divide_exactly(given - offset, factor)) is not None:
            scope.names[name] = found

    unsettled: dict[int, Dim]

    def _target(self, statement: nodes.Target, scope: Scope) -> None:
        if len(self.frames) > 1:
            message = f"{statement.name.id} is a target of {self.frame.module.title}, which is used as a block here"
            self.define(statement.name, Unavailable(message, "only the model that is compiled has targets"), scope)
            return
        type = self.type_of(statement.type, scope)
        if type is None:
            self.define(statement.name, POISON, scope)
            return
        value = Value(type, statement.span, statement.name.id)
        self.define(statement.name, value, scope)
        self.graph.fields.append(Field(statement.name.id, value, "target"))

    def _noise(self, statement: nodes.Noise, scope: Scope) -> None:
        type = self.type_of(statement.type, scope)
        distribution: Any = POISON
        if statement.distribution is None:
            self.error(
                "E0209", statement, "a noise needs its distribution", help="as in noise e: float32[20] = normal(1)"
            )
        else:
            distribution = self.initialiser(statement.distribution, f"the distribution of {statement.name.id}", scope)
        if isinstance(distribution, Initialiser) and distribution.name not in ("normal", "uniform"):
            assert statement.distribution is not None
            help = "noise is drawn from normal(std) or uniform(a, b)"
            self.error("E0217", statement.distribution, f"a noise cannot be {distribution.name}", help=help)
            distribution = POISON
        if type is not None and not type.is_float:
            self.error("E0302", statement.type, f"a noise is float32, not {type.dtype}")
            type = None
        if type is None or not isinstance(distribution, Initialiser):
            self.define(statement.name, POISON, scope)
            return
        value = Value(type, statement.span, statement.name.id)
        self.define(statement.name, value, scope)
        path = self.frame.module.path
        self.graph.fields.append(
            Field(f"{path}.{statement.name.id}" if path else statement.name.id, value, "noise", distribution)
        )

    def _dim(self, statement: nodes.Dim, scope: Scope) -> None:
        for name, default in statement.entries:
            symbol = Dim.symbol(name.id)
            if len(self.frames) > 1:  # settled by what the model is given as a block
                self.unsettled[id(symbol)] = symbol
                self.define(name, symbol, scope)
                continue
            expr = self.overrides.get(name.id, default)
            size: int | Dim | None = None
            if expr is not None:
                size = self.size(expr, scope, f"the size of {name.id}")
                if isinstance(size, Dim):
                    self.error(
                        "E0310",
                        expr,
                        f"the size of {name.id} is a whole number",
                        help="it is what is used where data does not say",
                    )
                    size = None
            self.graph.dims[name.id] = size if isinstance(size, int) else None
            self.define(name, symbol, scope)
