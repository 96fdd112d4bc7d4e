"""What a name stands for while a body is elaborated, and the scopes that are searched for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nnspec.diagnostics import Span
from nnspec.ir.graph import Declare, Layer, Module, Value
from nnspec.ir.types import TensorType
from nnspec.passes.program import Program
from nnspec.syntax import nodes

if TYPE_CHECKING:
    from nnspec.passes.naming import NameScope


class Poisoned:
    """The value of whatever failed: everything that touches it stays silent."""

    def __repr__(self) -> str:
        return "<poison>"


POISON = Poisoned()
MISSING = object()


class Thunk:
    """A `let`, a setting: an expression and the scope it means something in, read anew at every use.

    Numbers, strings and lists are kept after the first reading. What a name such as `normal` means
    depends on where the `let` is used (decision 1), so nothing else can be.
    """

    __slots__ = ("busy", "cached", "expr", "kind", "scope", "what")

    def __init__(self, expr: nodes.Expr, scope: Scope, what: str) -> None:
        self.expr = expr
        self.scope = scope
        self.what = what  # "let" or "setting"
        self.busy = False
        self.kind: str | None = None
        self.cached: Any = MISSING


class Recipe:
    """A layer that was not made yet: every use elaborates the expression again, with its own parameters."""

    __slots__ = ("expr", "scope")

    def __init__(self, expr: nodes.Expr, scope: Scope) -> None:
        self.expr = expr
        self.scope = scope


class Instance:
    """What `layer enc = ...` names. It is made at its first use, which settles its shapes; later uses share it."""

    __slots__ = ("bound", "declare", "expr", "extra", "full", "module", "name", "scope", "span", "types", "used")

    def __init__(
        self, name: str, full: str, expr: nodes.Expr, scope: Scope, module: Module, declare: Declare | None, span: Span
    ) -> None:
        self.name = name
        self.full = full  # its name in the module that owns it
        self.expr = expr
        self.scope = scope
        self.module = module
        self.declare = declare
        self.span = span
        self.bound: Any = None  # an `Applied` once made, see passes.layers
        self.types: tuple[TensorType, ...] = ()
        self.extra: tuple[Value, ...] = ()
        self.used: Span | None = None


class Several:
    """The tensors of a `split`, of a block with several results, or of a `for` over tensors."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[Value, ...]) -> None:
        self.values = values


class Unavailable:
    """A name that exists and cannot be used here: the message says why."""

    __slots__ = ("help", "message")

    def __init__(self, message: str, help: str = "") -> None:
        self.message = message
        self.help = help


class Scope:
    """The names of one body or pair of braces. `path` is the file whose declarations come after them."""

    __slots__ = ("names", "parent", "path", "spans")

    def __init__(self, path: str, parent: Scope | None = None) -> None:
        self.path = path
        self.parent = parent
        self.names: dict[str, Any] = {}
        self.spans: dict[str, Span] = {}

    def find(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            found = scope.look(name)
            if found is not MISSING:
                return found
            scope = scope.parent
        return MISSING

    def look(self, name: str) -> Any:
        return self.names.get(name, MISSING)

    def known(self) -> list[str]:
        """Every name that can be seen, nearest first."""
        scope: Scope | None = self
        found: list[str] = []
        while scope is not None:
            found += scope.own()
            scope = scope.parent
        return found

    def own(self) -> list[str]:
        return list(self.names)


class FileScope(Scope):
    """The `let`s of a file and of what it imports. `replaced` are the values of `--set`, by name."""

    __slots__ = ("program", "replaced")

    def __init__(self, program: Program, path: str, replaced: dict[str, nodes.Expr]) -> None:
        super().__init__(path)
        self.program = program
        self.replaced = replaced

    def look(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        let = self.program.let(self.path, name)
        if let is None:
            self.names[name] = MISSING  # remembered
            return MISSING
        own = let.span.path == self.path
        home = self if own else FileScope(self.program, let.span.path, self.replaced)
        expr = self.replaced.get(name, let.value)
        found = Thunk(expr, home, "let")
        self.names[name] = found
        return found

    def own(self) -> list[str]:
        return self.program.names(self.path, nodes.Let)


class ReadingScope(Scope):
    """A scope whose names are made when first read: how `train` sees the names of its model."""

    __slots__ = ("known_names", "read")

    def __init__(
        self, path: str, parent: Scope | None, read: Callable[[str], Any], known_names: Callable[[], list[str]]
    ) -> None:
        super().__init__(path, parent)
        self.read = read
        self.known_names = known_names

    def look(self, name: str) -> Any:
        if name not in self.names:
            found = self.read(name)
            if found is MISSING:
                return MISSING
            self.names[name] = found
        return self.names[name]

    def own(self) -> list[str]:
        return self.known_names()


class At:
    """Where a layer gets its name: a naming scope, and the key that was settled there for it.

    `key` None means that the step is named by what it turns out to be: in a body by its operation and a
    running number; a composition's steps are named in the scope itself, one after the other.
    """

    __slots__ = ("key", "label", "names")

    def __init__(self, names: NameScope, key: str | None = None, label: nodes.StepLabel | None = None) -> None:
        self.names = names
        self.key = key
        self.label = label  # where the key comes from a label


class Made:
    """What an instance became: a layer or op of its own, or a module. `template` is the op before `bind`."""

    __slots__ = ("layer", "module", "template", "written")

    def __init__(self, layer: Layer | None = None, module: Module | None = None, template: Any = None) -> None:
        self.layer = layer
        self.module = module
        self.template = template
        self.written: dict[str, nodes.Expr] = {}
