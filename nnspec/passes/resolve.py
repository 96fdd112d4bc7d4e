"""The static checker: names and kinds of all code, whether it is used or not.

It never reports what a valid program could do: where a kind depends on how a block is used it stays
silent, and the elaborator decides. What it reports it marks in `program.poisoned`, so that one
cause is one report.
"""

from __future__ import annotations

from nnspec.diagnostics import Label, Reporter, Span
from nnspec.passes import resolve_tables as tables
from nnspec.passes.cycles import uses
from nnspec.passes.keys import DATA_KEYS, TRAIN_KEYS
from nnspec.passes.program import Program
from nnspec.passes.resolve_body import BodyChecker
from nnspec.passes.resolve_lost import Lost, lost_by, poison_broken
from nnspec.passes.resolve_scope import ANY, Known, Names
from nnspec.passes.resolve_train import SettingsChecker
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

_FIRST_SPEC = "a spec has at least one model, as in model Line { input x: float32[1]; output y = x -> dense(1) }"
Declared = nodes.Let | nodes.Block | nodes.Model


def resolve(program: Program, reporter: Reporter) -> None:
    """Checks every file of the program, adds what is wrong to `reporter` and marks it as poisoned."""
    lost = lost_by(program, reporter)
    for file in program.files.values():
        _File(program, file, reporter, lost).check()
    poison_broken(program, lost)
    if not (program.main.declarations or reporter.failed):
        path = program.main.path
        reporter.error("E0504", Span(path, 1, 1, 1, 1), "the spec is empty", help=_FIRST_SPEC)


class _File:
    """One file: its declarations, then the code in them."""

    def __init__(self, program: Program, file: nodes.File, reporter: Reporter, lost: Lost) -> None:
        self.program, self.file, self.reporter, self.lost = program, file, reporter, lost
        self.shown: dict[int, Names] = {}  # by id of a model: what its train block sees
        self.twice: set[tuple[str, str]] = set()  # data and train blocks of which there are two, with their model
        self.models = [d for d in file.declarations if isinstance(d, nodes.Model)]
        self.named: dict[str, list[nodes.Model]] = {}
        for model in self.models:
            self.named.setdefault(model.name.id, []).append(model)

    def checker(self) -> BodyChecker:
        return BodyChecker(self.program, self.file.path, self.reporter, self.lost)

    def check(self) -> None:
        self.duplicates()
        self.recursion()
        lets = self.checker()
        for declaration in self.file.declarations:
            match declaration:
                case nodes.Let():
                    lets.let(declaration)
                    if declaration.domain is not None:
                        lets.domain(declaration.domain, Names())
                case nodes.Block():
                    self.checker().block(declaration)
                case nodes.Model():
                    self.shown[id(declaration)] = self.checker().model(declaration)
        for declaration in self.file.declarations:
            if isinstance(declaration, nodes.Data | nodes.Train):
                self.settings(declaration)

    # ------------------------------------------------------------ declarations

    def duplicates(self) -> None:
        """Two declarations of one name in a file. Lets live beside blocks and models: one name, one meaning."""
        seen: dict[str, nodes.Name] = {}
        attached: dict[tuple[str, str], Span] = {}
        for declaration in self.file.declarations:
            if isinstance(declaration, nodes.Let | nodes.Block | nodes.Model):
                self.declare(declaration, seen)
            elif isinstance(declaration, nodes.Data | nodes.Train):
                word = "data" if isinstance(declaration, nodes.Data) else "train"
                name = declaration.model.id if declaration.model is not None else ""
                span = declaration.model.span if declaration.model is not None else _start(declaration, word)
                if (word, name) in attached:
                    title = f"{word} {name}".strip()
                    help = "join them, or say which model each is for: " + f"{word} Name {{ ... }}"
                    label = Label(attached[word, name], "first here")
                    self.twice.add((word, name))
                    self.error("E0204", declaration, f"there are two {title} blocks", span, help, label)
                attached.setdefault((word, name), span)

    def declare(self, declaration: Declared, seen: dict[str, nodes.Name]) -> None:
        name = declaration.name
        if name.id in seen:
            label = Label(seen[name.id].span, "first here")
            self.error(
                "E0204", declaration, f"{name.id} is declared twice", name.span, "give one of them another name", label
            )
            return
        seen[name.id] = name
        if not isinstance(declaration, nodes.Let) and (name.id in tables.BUILT_IN or tables.is_op(name.id)):
            message = f"{name.id} is also a layer of nnspec: in this file the name means yours"
            self.reporter.warning("W0201", name.span, message, help="another name says which is meant")

    def error(self, code: str, node: nodes.Node, message: str, span: Span, help: str = "", *labels: Label) -> None:
        self.program.poisoned.add(id(node))
        self.reporter.error(code, span, message, labels=labels, help=help)

    def recursion(self) -> None:
        """A block may not use itself, also not by way of others."""
        done: set[int] = set()
        for declaration in self.file.declarations:
            if isinstance(declaration, nodes.Block | nodes.Model):
                self.visit(declaration, [], done)

    def visit(self, declared: nodes.Block | nodes.Model, path: list[nodes.Block | nodes.Model], done: set[int]) -> None:
        if id(declared) in done or len(path) > 100:
            return
        path.append(declared)
        for name, node in uses(declared):
            used = self.program.callable(declared.span.path, name.id)
            if used is None:
                continue
            if any(used is other for other in path):
                start = next(i for i, other in enumerate(path) if other is used)
                self.circle(path[start:], name, node)
            else:
                self.visit(used, path, done)
        path.pop()
        done.add(id(declared))

    def circle(self, path: list[nodes.Block | nodes.Model], name: nodes.Name, node: nodes.Node) -> None:
        if id(node) in self.program.poisoned:
            return
        names = [d.name.id for d in path]
        word = "model" if isinstance(path[0], nodes.Model) else "block"
        message = f"the {word} {names[0]} uses itself"
        if len(names) > 1:
            message += f": {' -> '.join([*names, names[0]])}"
        help = "repeat(n, Block(...)) chains copies"
        self.error("E0215", node, message, name.span, help, Label(path[0].name.span, "declared here"))

    # ------------------------------------------------------------ data and train

    def settings(self, declaration: nodes.Data | nodes.Train) -> None:
        checker = SettingsChecker(self.program, self.file.path, self.reporter, self.lost)
        models = self.models
        word = "train" if isinstance(declaration, nodes.Train) else "data"
        if declaration.model is not None:
            named = self.named.get(declaration.model.id, [])
            if not named:
                help = did_you_mean(declaration.model.id, [m.name.id for m in models], _list_models(models))
                message = f"{word} {declaration.model.id} belongs to no model of this file"
                self.error("E0221", declaration, message, declaration.model.span, help)
            models = named
        elif len(models) > 1:
            own = {
                d.model.id for d in self.file.declarations if isinstance(d, type(declaration)) and d.model is not None
            }
            models = [m for m in models if m.name.id not in own] or models
        own_name = declaration.model.id if declaration.model is not None else ""
        checker.twice = (word, own_name) in self.twice
        if isinstance(declaration, nodes.Data):
            checker.data(declaration)
        elif declaration.model is not None and not models:
            checker.known_entries(declaration, TRAIN_KEYS, DATA_KEYS)
        elif not self.models:
            if not self.lost.words.get(self.file.path):
                message = "train has no model: this file declares none"
                self.error(
                    "E0221",
                    declaration,
                    message,
                    _start(declaration, "train"),
                    "train belongs to a model of its own file",
                )
        else:
            if len(models) > 1:
                models = self.meant_by(declaration, models)
            checker.train(declaration, self.seen_by_train(models), models)

    def meant_by(self, train: nodes.Train, models: list[nodes.Model]) -> list[nodes.Model]:
        """The models that have every name which an unnamed `train` reads in any of them; the last if none has."""
        known = {id(m): self.shown[id(m)].known.keys() for m in models}
        read = _names_in(tuple(e.value for e in train.entries)) & set().union(*known.values())
        meant = [m for m in models if read <= known[id(m)]] or models[-1:]
        self.program.untrained |= {id(m) for m in models} - {id(m) for m in meant}
        return meant

    def seen_by_train(self, models: list[nodes.Model]) -> Names:
        """Inputs, targets, outputs and top-level names. One block for several models sees the names of all:
        which of them it is used with is settled when that model is compiled."""
        if len(models) == 1:
            return self.shown[id(models[0])]
        together = Names()
        for shown in (self.shown[id(m)] for m in models):
            for name, known in shown.known.items():
                before = together.known.setdefault(name, known)
                if before.kind != known.kind:
                    together.known[name] = Known(ANY, known.span)
            for name, span in shown.gone.items():
                together.gone.setdefault(name, span)
        return together


def _list_models(models: list[nodes.Model]) -> str:
    return f"models: {', '.join(m.name.id for m in models)}" if models else "this file declares no model"


def _start(node: nodes.Node, word: str) -> Span:
    """The word that opens a declaration."""
    span = node.span
    return Span(span.path, span.line, span.column, span.line, span.column + len(word))


def _names_in(start: tuple[nodes.Expr, ...]) -> set[str]:
    """Every name that stands for a value."""
    found: set[str] = set()
    stack: list[object] = [start]
    while stack:
        part = stack.pop()
        if isinstance(part, tuple):
            stack += part
        elif isinstance(part, nodes.Name):
            found.add(part.id)
        elif isinstance(part, nodes.Call):
            stack += part.arguments
        elif isinstance(part, nodes.Node):
            stack += [getattr(part, field) for field in part._fields if field != "span"]
    return found
