"""Which name means which declaration: scopes of files, blocks, models, braces."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Span
from nnspec.passes.program import Program
from nnspec.record import Record
from nnspec.syntax import nodes


class Binding:
    """One declared name: where, what kind of declaration, and every place that means it (its own first)."""

    def __init__(self, name: str, span: Span, kind: str, node: nodes.Node) -> None:
        self.name, self.span, self.kind, self.node = name, span, kind, node
        self.uses: list[Span] = [span]

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


class Region(Record):
    """A stretch of the text and the names that are seen there."""

    span: Span
    scope: dict[str, Binding]


Scope = dict[str, Binding]


class Names:
    """All bindings that a file sees, its own and those of its imports, with their uses in this file."""

    def __init__(self, program: Program, path: str) -> None:
        self.bindings: list[Binding] = []
        self.regions: list[Region] = []
        self._named: list[tuple[Span, Span]] = []  # a block's setting, and where a call names it
        self.path = path
        main, *imported = program.visible(path)
        outer: Scope = {}
        for file in reversed(imported):  # the nearest counts
            self._declare(file, outer)
            self._settings_of(file)
        scope = dict(outer)
        self._declare(main, scope)
        self.regions.append(Region(main.span, scope))
        self._file(main, scope)
        declared = {binding.span: binding for binding in self.bindings}
        for setting, use in self._named:
            if setting in declared:
                declared[setting].uses.append(use)

    def at(self, line: int, column: int) -> Binding | None:
        """What the name at a place means (lines and columns from 1; the end of a name counts)."""
        for binding in self.bindings:
            for span in binding.uses:
                if span.path == self.path and span.line == line and span.column <= column <= span.end_column:
                    return binding
        return None

    def visible(self, line: int, column: int) -> Scope:
        """The names that are seen at a place; outside of everything, those of the file."""
        inside = [r for r in self.regions if _holds(r.span, line, column)]
        return inside[-1].scope if inside else (self.regions[0].scope if self.regions else {})

    # ------------------------------------------------------------ declarations

    def _bind(self, scope: Scope, name: nodes.Name | None, kind: str, node: nodes.Node) -> None:
        if name is None or not name.id:
            return
        binding = Binding(name.id, name.span, kind, node)
        self.bindings.append(binding)
        scope[name.id] = binding

    def _declare(self, file: nodes.File, scope: Scope) -> None:
        for declaration in file.declarations:
            if isinstance(declaration, nodes.Let | nodes.Block | nodes.Model):
                self._bind(scope, declaration.name, type(declaration).__name__.lower(), declaration)

    def _settings_of(self, file: nodes.File) -> None:
        """The settings of imported blocks, which calls here may name."""
        for declaration in file.declarations:
            if isinstance(declaration, nodes.Block | nodes.Model):
                for setting in declaration.settings:
                    self._bind({}, setting.name, "setting", declaration)

    def _statements(self, body: nodes.Body, scope: Scope) -> None:
        for s in body.statements:
            if isinstance(s, nodes.Bind):
                for name in s.names:
                    self._bind(scope, name, "value", s)
            elif isinstance(s, nodes.Dim):
                for name, _ in s.entries:
                    self._bind(scope, name, "dim", s)
            elif not isinstance(s, nodes.Require):
                self._bind(scope, getattr(s, "name", None), _KINDS.get(type(s).__name__, "value"), s)

    # ------------------------------------------------------------ uses

    def _file(self, file: nodes.File, scope: Scope) -> None:
        bodies: dict[str, Scope] = {}
        for declaration in file.declarations:
            if isinstance(declaration, nodes.Block | nodes.Model):
                inner = dict(scope)
                if isinstance(declaration, nodes.Block):
                    for tensor in declaration.tensors:
                        self._bind(inner, tensor, "tensor", declaration)
                for setting in declaration.settings:
                    self._bind(inner, setting.name, "setting", declaration)
                    self._walk(setting.default, scope)
                bodies[declaration.name.id] = self._body(declaration.body, inner, declaration.span)
            elif isinstance(declaration, nodes.Let):
                self._walk(declaration.value, scope)
                self._walk(declaration.domain, scope)
        default = [d.name.id for d in file.declarations if isinstance(d, nodes.Model)][-1:]
        for declaration in file.declarations:
            if isinstance(declaration, nodes.Train | nodes.Data):
                if declaration.model is not None:
                    self._use(declaration.model, scope)
                names = [declaration.model.id] if declaration.model is not None else default
                inner = bodies.get(names[0], scope) if names else scope
                self.regions.append(Region(declaration.span, inner))
                for entry in declaration.entries:
                    self._walk(entry.value, inner)

    def _body(self, body: nodes.Body, scope: Scope, span: Span) -> Scope:
        """Walks a body whose scope is `scope`, filled with its own names; the scope."""
        self._statements(body, scope)
        self.regions.append(Region(span, scope))
        self._walk(body.statements, scope)
        self._walk(body.result, scope)
        return scope

    def _use(self, name: nodes.Name, scope: Scope) -> None:
        binding = scope.get(name.id)
        if binding is not None and name.span != binding.span:
            binding.uses.append(name.span)

    def _walk(self, node: Any, scope: Scope) -> None:
        """Notes every use of a name in a piece of the tree."""
        if isinstance(node, tuple):
            for item in node:
                self._walk(item, scope)
        elif isinstance(node, nodes.Name):
            self._use(node, scope)
        elif isinstance(node, nodes.For):
            self._walk(node.iterable, scope)
            inner = dict(scope)
            for target in node.targets:
                self._bind(inner, target, "loop value", node)
            self._body(node.body, inner, node.body.span)
        elif isinstance(node, nodes.Body):
            self._body(node, dict(scope), node.span)
        elif isinstance(node, nodes.Call):
            self._use(node.callee, scope)
            self._settings(node, scope)
            self._walk(tuple(a.value for a in node.arguments), scope)
        elif isinstance(node, nodes.StepLabel):
            self._walk(tuple(p for p in node.parts if not isinstance(p, str)), scope)
        elif isinstance(node, nodes.Node):
            for name in node._fields:
                if name != "span" and not (name == "name" and isinstance(node, nodes.Statement)):
                    self._walk(getattr(node, name), scope)

    def _settings(self, call: nodes.Call, scope: Scope) -> None:
        """`stride = 2` in a call of a block means its setting."""
        binding = scope.get(call.callee.id)
        declared = binding.node if binding is not None else None
        if not isinstance(declared, nodes.Block | nodes.Model):
            return
        for argument in call.arguments:
            setting = next((s for s in declared.settings if s.name.id == argument.name), None)
            if setting is not None and argument.name_span is not None:
                self._named.append((setting.name.span, argument.name_span))


_KINDS = {
    "Input": "input",
    "Target": "target",
    "Param": "param",
    "Noise": "noise",
    "Let": "let",
    "LayerDecl": "layer",
    "Output": "output",
}


def _holds(span: Span, line: int, column: int) -> bool:
    return (span.line, span.column) <= (line, column) <= (span.end_line, span.end_column)
