"""Numbers of merged uses as source: a literal, a constructor argument, a loop variable, or an expression of those.

Each number that differs between the uses of a class is first looked for in what was written
(`4 * width`), then among the settings and the arguments the class already takes, also as a whole
multiple or part of one; only then it becomes an argument of its own. Whatever is chosen was evaluated
for every use and gave the right number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnspec.backends.open_sizes import symbols
from nnspec.backends.source import Names, literal
from nnspec.ir.dims import Dim
from nnspec.syntax import nodes as syntax

if TYPE_CHECKING:
    from nnspec.backends.program import ClassDef
    from nnspec.ir.graph import Loop, Module


class _Varies:
    def __repr__(self) -> str:
        return "VARIES"


VARIES: Any = _Varies()
Coordinate = tuple[int, ...]  # (use, iteration of the outermost loop, ..., of the innermost)


class Argument:
    """A constructor argument: its value for each use of the class; `default` is source, or ""."""

    def __init__(self, name: str, values: dict[Module, Any], default: Any = None, setting: bool = False) -> None:
        self.name = name
        self.values = values
        self.default = default
        self.setting = setting

    @property
    def annotation(self) -> str:
        kinds = {type(v) for v in self.values.values() if v is not None}
        return "bool" if kinds == {bool} else "float" if float in kinds else "int"


class Variable:
    """A loop variable: source for its value in each iteration, over the scope around the loop.

    One that runs through the keys of members has them in `keys`, and no `values`.
    """

    def __init__(
        self, name: str, values: dict[Coordinate, Any], row: Callable[[int], str], keys: list[str] | None = None
    ) -> None:
        self.name = name
        self.values = values
        self.row = row
        self.keys = keys


class Scope:
    """Where an expression stands: a class, or a loop inside one."""

    def __init__(
        self, definition: ClassDef, parent: Scope | None = None, loops: dict[Coordinate, Loop] | None = None
    ) -> None:
        self.definition = definition
        self.parent = parent
        self.loops = loops or {}  # the merged Loop objects by coordinate of the scope around
        self.variables: list[Variable] = []
        self.names: Names = parent.names if parent else Names(("self",))


def express(scope: Scope, coordinates: list[Coordinate], values: list[Any], hint: str, written: Any = None) -> str:
    """Source for a value that is `values[i]` at `coordinates[i]`."""
    if any(isinstance(v, Dim) for v in values):
        return _open_size(scope.definition, coordinates, values)
    first = values[0]
    if all(v == first and type(v) is type(first) for v in values) and not _holds_dim(first):
        if isinstance(written, syntax.Name) and written.id in _numeric_settings(scope.definition):
            found = _Translation(scope, coordinates).find(written, values)  # a branch may see one value of several
            return found or literal(first)
        return literal(first)
    if isinstance(first, tuple):
        parts = [express(scope, coordinates, [v[i] for v in values], hint) for i in range(len(first))]
        return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")"
    if written is not None:
        found = _Translation(scope, coordinates).find(written, values)
        if found:
            return found
    if scope.parent is None:
        return _class_level(scope.definition, coordinates, values, hint)
    return _loop_level(scope, coordinates, values, hint)


def _holds_dim(value: Any) -> bool:
    return isinstance(value, Dim) or (isinstance(value, tuple) and any(map(_holds_dim, value)))


def _class_level(definition: ClassDef, coordinates: list[Coordinate], values: list[Any], hint: str) -> str:
    modules = [definition.modules[c[0]] for c in coordinates]
    if len({(c[0], v) for c, v in zip(coordinates, values, strict=True)}) > len({c[0] for c in coordinates}):
        raise AssertionError("a number that differs within one use of a class stands outside its loops")
    for name in _numeric_settings(definition):
        if all(m.settings[name] == v for m, v in zip(modules, values, strict=True)):
            return setting_argument(definition, name).name
    for argument in definition.arguments:
        if all(argument.values.get(m) == v for m, v in zip(modules, values, strict=True)):
            return argument.name
    for name in _numeric_settings(definition):
        found = _multiple([m.settings[name] for m in modules], values)
        if found:
            return found.format(setting_argument(definition, name).name)
    product = _product(definition, modules, values)
    if product:
        return product
    for argument in definition.arguments:
        if all(m in argument.values for m in modules):
            found = _multiple([argument.values[m] for m in modules], values)
            if found:
                return found.format(argument.name)
    argument = Argument(definition.scope.names.fresh(hint), dict(zip(modules, values, strict=True)))
    definition.arguments.append(argument)
    return argument.name


def _product(definition: ClassDef, modules: list[Module], values: list[Any]) -> str:
    """`expand * in_channels` when the values are the product of a setting and an argument in every use."""
    varying = [n for n in _numeric_settings(definition) if len({m.settings[n] for m in definition.modules}) > 1]
    for name in varying:
        for argument in definition.arguments:
            if argument.name == name or not all(m in argument.values for m in modules):
                continue
            factors = [(m.settings[name], argument.values[m]) for m in modules]
            if all(type(a) is int and type(b) is int and a * b == v for (a, b), v in zip(factors, values, strict=True)):
                return f"{setting_argument(definition, name).name} * {argument.name}"
    return ""


def _multiple(base: list[Any], values: list[Any]) -> str:
    """`4 * {}` or `{} // 4` when the values are that of the base in every use."""
    if not all(type(b) is int and type(v) is int and b > 0 and v > 0 for b, v in zip(base, values, strict=True)):
        return ""
    if values[0] % base[0] == 0 and all(v == b * (values[0] // base[0]) for b, v in zip(base, values, strict=True)):
        return f"{values[0] // base[0]} * {{}}"
    if base[0] % values[0] == 0 and all(b == v * (base[0] // values[0]) for b, v in zip(base, values, strict=True)):
        return f"{{}} // {base[0] // values[0]}"
    return ""


def _numeric_settings(definition: ClassDef) -> list[str]:
    first = definition.module.settings
    return [
        n
        for n, v in first.items()
        if all(isinstance(m.settings.get(n), int | float) for m in definition.modules) and v is not None
    ]


def setting_argument(definition: ClassDef, name: str) -> Argument:
    """The constructor argument for a setting of the block, made on first need."""
    for argument in definition.arguments:
        if argument.setting and argument.name == name:
            return argument
    values = {m: m.settings[name] for m in definition.modules}
    argument = Argument(definition.scope.names.fresh(name), values, _default(definition, name), setting=True)
    definition.arguments.append(argument)
    return argument


def _default(definition: ClassDef, name: str) -> Any:
    for setting in getattr(definition.module.definition, "settings", ()):
        if setting.name.id == name and isinstance(setting.default, syntax.Number | syntax.Bool):
            return setting.default.value
    return None


def _loop_level(scope: Scope, coordinates: list[Coordinate], values: list[Any], hint: str) -> str:
    assert scope.parent is not None
    outer: dict[Coordinate, Any] = {}
    if all(outer.setdefault(c[:-1], v) == v for c, v in zip(coordinates, values, strict=True)):
        return express(scope.parent, list(outer), list(outer.values()), hint)
    for variable in scope.variables:
        if variable.values and all(variable.values.get(c) == v for c, v in zip(coordinates, values, strict=True)):
            return variable.name
    name = _user_variable(scope, coordinates, values) or hint
    return _new_variable(scope, coordinates, values, name).name


def _user_variable(scope: Scope, coordinates: list[Coordinate], values: list[Any]) -> str:
    """The user's loop variable that has these values, if one does."""
    some = next(iter(scope.loops.values()))
    for position, name in enumerate(some.variables):
        if all(scope.loops[c[:-1]].values[c[-1]][position] == v for c, v in zip(coordinates, values, strict=True)):
            return name
    return ""


def _new_variable(scope: Scope, coordinates: list[Coordinate], values: list[Any], name: str) -> Variable:
    assert scope.parent is not None
    parent, by_place = scope.parent, dict(zip(coordinates, values, strict=True))

    def row(iteration: int) -> str:
        places = [c for c in coordinates if c[-1] == iteration]
        if not places:  # an iteration whose branch does not read the variable
            return "0"
        return express(parent, [c[:-1] for c in places], [by_place[c] for c in places], name)

    variable = Variable(scope.names.fresh(name), by_place, row)
    scope.variables.append(variable)
    return variable


# ---------------------------------------------------------------- expressions as they were written

_PRECEDENCE = {"or": 1, "and": 2, "not": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "==": 4, "!=": 4}
_PRECEDENCE |= {"+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6, "neg": 7, "^": 8, "atom": 9}
_SIZES = {"channels": 0, "height": -2, "width": -1, "length": 0, "features": -1}


class _Unknown(Exception):
    """The expression reads something that emitted code does not have."""


class _Translation:
    """An expression of the spec as Python over constructor arguments and loop variables, checked on every use."""

    def __init__(self, scope: Scope, coordinates: list[Coordinate]) -> None:
        self.scope = scope
        self.coordinates = coordinates

    def find(self, expr: Any, wanted: list[Any]) -> str:
        """The source, or "" when the expression cannot be said here or does not give the wanted values."""
        definition, marks = self.scope.definition, (len(self.scope.definition.arguments), len(self.scope.variables))
        try:
            code, _, values = self.translate(expr)
        except (_Unknown, ArithmeticError, TypeError):
            values, code = [], ""
        if values == wanted and code:
            return code
        for argument in definition.arguments[marks[0] :]:
            definition.scope.names.taken.discard(argument.name)
        for variable in self.scope.variables[marks[1] :]:
            self.scope.names.taken.discard(variable.name)
        del definition.arguments[marks[0] :], self.scope.variables[marks[1] :]
        return ""

    def translate(self, expr: Any) -> tuple[str, int, list[Any]]:
        """Source, its precedence, its value at each coordinate."""
        if isinstance(expr, syntax.Paren):
            return self.translate(expr.value)
        if isinstance(expr, syntax.Number | syntax.Bool):
            return literal(expr.value), _PRECEDENCE["atom"], [expr.value] * len(self.coordinates)
        if isinstance(expr, syntax.Name):
            return self.name(expr.id)
        if isinstance(expr, syntax.Attribute):
            return self.attribute(expr)
        if isinstance(expr, syntax.Unary):
            code, precedence, values = self.translate(expr.operand)
            own = _PRECEDENCE["not" if expr.op == "not" else "neg"]
            code = f"({code})" if precedence < own else code
            if expr.op == "not":
                return f"not {code}", own, [not v for v in values]
            return f"-{code}", own, [-v for v in values]
        if isinstance(expr, syntax.Binary):
            return self.binary(expr)
        raise _Unknown

    def binary(self, expr: syntax.Binary) -> tuple[str, int, list[Any]]:
        left, left_precedence, a = self.translate(expr.left)
        right, right_precedence, b = self.translate(expr.right)
        own, op = _PRECEDENCE[expr.op], expr.op
        if op == "/" and all(type(x) is int and type(y) is int and y and x % y == 0 for x, y in zip(a, b, strict=True)):
            op = "//"
        values = [_OPERATIONS[op](x, y) for x, y in zip(a, b, strict=True)]
        left = f"({left})" if left_precedence < own or (op == "^" and left_precedence <= own) else left
        right = f"({right})" if right_precedence <= own and op != "^" else right
        return f"{left} {'**' if op == '^' else op} {right}", own, values

    def name(self, id: str) -> tuple[str, int, list[Any]]:
        scope: Scope | None = self.scope
        depth = len(self.coordinates[0])
        while scope is not None and scope.parent is not None:
            loop = next(iter(scope.loops.values()))
            if id in loop.variables:
                return self.loop_variable(scope, depth, loop.variables.index(id), id)
            scope, depth = scope.parent, depth - 1
        definition = self.scope.definition
        if id not in _numeric_settings(definition):
            raise _Unknown
        values = [definition.modules[c[0]].settings[id] for c in self.coordinates]
        if len({m.settings[id] for m in definition.modules}) == 1:
            return literal(values[0]), _PRECEDENCE["atom"], values
        return setting_argument(definition, id).name, _PRECEDENCE["atom"], values

    def loop_variable(self, scope: Scope, depth: int, position: int, id: str) -> tuple[str, int, list[Any]]:
        values = [scope.loops[c[: depth - 1]].values[c[depth - 1]][position] for c in self.coordinates]
        if not all(isinstance(v, int | float) for v in values):
            raise _Unknown
        places = [c[:depth] for c in self.coordinates]
        for variable in scope.variables:
            if variable.values and all(variable.values.get(c) == v for c, v in zip(places, values, strict=True)):
                return variable.name, _PRECEDENCE["atom"], values
        unique = dict(zip(places, values, strict=True))
        return _new_variable(scope, list(unique), list(unique.values()), id).name, _PRECEDENCE["atom"], values

    def attribute(self, expr: syntax.Attribute) -> tuple[str, int, list[Any]]:
        definition = self.scope.definition
        axis = _SIZES.get(expr.name)
        if axis is None or not isinstance(expr.value, syntax.Name):
            raise _Unknown
        formals = [v.name for v in definition.module.inputs]
        if expr.value.id not in formals:
            raise _Unknown
        index = formals.index(expr.value.id)
        values = [definition.modules[c[0]].inputs[index].type.shape[axis] for c in self.coordinates]
        uses: list[Coordinate] = [(i,) for i in range(len(definition.modules))]
        every = [m.inputs[index].type.shape[axis] for m in definition.modules]
        if not all(isinstance(v, int) for v in every):
            raise _Unknown
        code = express(definition.scope, uses, every, f"in_{expr.name}")
        return code, _PRECEDENCE["atom" if code.isidentifier() or code.isdigit() else "*"], values


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "^": lambda a, b: a**b if abs(b) < 64 else _refuse(),
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}


def _refuse() -> Any:
    raise _Unknown


# ---------------------------------------------------------------- open sizes, read from the inputs of forward


def _open_size(definition: ClassDef, coordinates: list[Coordinate], values: list[Any]) -> str:
    """Source that reads an open size from the shapes of the class's inputs."""
    modules = [definition.modules[c[0]] for c in coordinates]
    for index, formal in enumerate(definition.module.inputs):
        for axis in range(formal.type.rank):
            if all(m.inputs[index].type.shape[axis] == v for m, v in zip(modules, values, strict=True)):
                return _shape_of(definition, index, axis)
    codes = {
        v.python(_symbols(definition, m)) if isinstance(v, Dim) else literal(v)
        for m, v in zip(modules, values, strict=True)
    }
    if len(codes) != 1:
        raise AssertionError(f"no common source for the sizes {', '.join(map(str, values))}")
    return codes.pop()


def _shape_of(definition: ClassDef, index: int, axis: int) -> str:
    return f"{definition.inputs[index]}.shape[{axis + definition.module.inputs[index].type.batched}]"


def _symbols(definition: ClassDef, module: Module) -> dict[str, str]:
    """Source for every open size that can be read off the inputs."""
    return symbols(
        (size, _shape_of(definition, index, axis))
        for index, formal in enumerate(module.inputs)
        for axis, size in enumerate(formal.type.shape)
    )
