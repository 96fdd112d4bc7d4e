"""Lints of names: what is given a name and never read, blocks and `let`s nobody uses, branches never taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nnspec.diagnostics import Label, Reporter, Span
from nnspec.passes.program import Program
from nnspec.syntax import nodes


def lint_names(program: Program, reporter: Reporter) -> None:
    """Warnings about the main file, which has no errors. Other files are there to be used in part."""
    file = program.main
    models = [d for d in file.declarations if isinstance(d, nodes.Model)]
    reads = {id(d): Counter(_names(d)) for d in file.declarations}
    everything, by_train = Counter[str](), Counter[str]()  # `sum` would copy them for each declaration
    for declaration in file.declarations:
        everything.update(reads[id(declaration)])
        if isinstance(declaration, nodes.Train):
            by_train.update(reads[id(declaration)])
    hidden = {s.name.id for model in models for s in model.settings}
    for declaration in file.declarations:
        if isinstance(declaration, nodes.Block):
            _body(declaration, reads[id(declaration)], Counter(), reporter)
        elif isinstance(declaration, nodes.Model):
            _body(declaration, reads[id(declaration)], by_train, reporter, program.train_for(declaration))
        if not models:  # a file of blocks for others
            continue
        elsewhere = everything[declaration.name.id] if isinstance(declaration, nodes.Block | nodes.Let) else 1
        if isinstance(declaration, nodes.Block):
            elsewhere -= reads[id(declaration)][declaration.name.id]
        if not elsewhere and isinstance(declaration, nodes.Block):
            reporter.warning("W0204", declaration.name.span, f"the block {declaration.name.id} is never used")
        elif not elsewhere and isinstance(declaration, nodes.Let):
            message = f"nothing reads {declaration.name.id}"
            reporter.warning("W0205", declaration.name.span, message, help=_near(declaration.name.id, hidden))
    for declaration in file.declarations:
        _branches(declaration, reporter)


# ---------------------------------------------------------------- names of bodies


def _body(
    declared: nodes.Block | nodes.Model,
    read: Counter[str],
    by_train: Counter[str],
    reporter: Reporter,
    train: nodes.Train | None = None,
) -> None:
    """Names that a block or model makes and neither itself nor `train` reads. A leading underscore says: on purpose."""

    def unread(name: nodes.Name) -> bool:
        return not read[name.id] and not by_train[name.id] and not name.id.startswith("_")

    for setting in declared.settings:
        if unread(setting.name):
            message = f"the setting {setting.name.id} of {declared.name.id} changes nothing: its body never reads it"
            reporter.warning("W0206", setting.name.span, message)
    if isinstance(declared, nodes.Block):
        for tensor in declared.tensors:
            if unread(tensor):
                message = f"the tensor {tensor.id} of {declared.name.id} is never used"
                reporter.warning("W0202", tensor.span, message)
    metrics = train is not None and any(e.key.id == "metrics" for e in train.entries)
    for statement in _statements(declared.body):
        if isinstance(statement, nodes.Target) and (train is None or metrics):
            continue  # a metric without arguments finds its target itself
        names = _made(statement)
        if names and all(map(unread, names)):
            _unused(statement, names, reporter)


def _unused(statement: nodes.Statement, names: tuple[nodes.Name, ...], reporter: Reporter) -> None:
    word = " and ".join(n.id for n in names)
    verb = "are" if len(names) > 1 else "is"
    help = ""
    if isinstance(statement, nodes.Bind):
        help = "use it, leave it out, or make it an output"
    elif isinstance(statement, nodes.Target):
        help = "no loss compares with it"
    span = names[0].span.to(names[-1].span)
    reporter.warning("W0202", span, f"{word} {verb} never used", help=help)


def _made(s: nodes.Statement) -> tuple[nodes.Name, ...]:
    match s:
        case nodes.Bind():
            return s.names
        case nodes.Let() | nodes.Input() | nodes.Target() | nodes.Param() | nodes.Noise():
            return (s.name,)
        case nodes.Dim():
            return tuple(name for name, _ in s.entries)
    return ()


def _statements(part: object) -> Iterator[nodes.Statement]:
    """All statements in braces and in the braces inside them."""
    if isinstance(part, tuple):
        for item in part:
            yield from _statements(item)
    elif isinstance(part, nodes.Node):
        if isinstance(part, nodes.Statement):
            yield part
        for field in part._fields:
            if field not in ("span", "name_span"):
                yield from _statements(getattr(part, field))


def _names(part: object) -> Iterator[str]:
    """Every name that is read: in expressions and calls, not where it is made."""
    stack = [part]
    while stack:
        part = stack.pop()
        if isinstance(part, tuple):
            stack += part
        elif isinstance(part, nodes.Name):
            yield part.id
        elif isinstance(part, nodes.Bind):
            stack.append(part.value)
        elif isinstance(part, nodes.For):
            stack += [part.iterable, part.body]
        elif isinstance(part, nodes.Block | nodes.Model):
            stack += [tuple(s.default for s in part.settings), part.body]
        elif isinstance(part, nodes.Data | nodes.Train):
            stack += [entry.value for entry in part.entries]
        elif isinstance(part, nodes.Dim):
            stack += [default for _, default in part.entries]
        elif isinstance(part, nodes.Node):
            stack += [getattr(part, f) for f in part._fields if f not in ("span", "name_span") and not _makes(part, f)]


def _makes(part: nodes.Node, field: str) -> bool:
    return field == "name" and isinstance(part, nodes.Statement)


def _near(name: str, hidden: set[str]) -> str:
    """A parameter of a model of the same name hides a `let`."""
    return f"the model's setting {name} stands for itself" if name in hidden else ""


# ---------------------------------------------------------------- branches


def _branches(part: object, reporter: Reporter) -> None:
    """`if` whose condition is the same whatever the spec is used with, or was asked before; loops over nothing."""
    stack = [part]
    inner: set[int] = set()
    while stack:
        part = stack.pop()
        if isinstance(part, tuple):
            stack += part
            continue
        if not isinstance(part, nodes.Node):
            continue
        stack += [getattr(part, f) for f in part._fields if f not in ("span", "name_span")]
        if isinstance(part, nodes.If) and id(part) not in inner:
            _chain(part, inner, reporter)
        elif isinstance(part, nodes.For) and isinstance(part.iterable, nodes.List) and not part.iterable.items:
            reporter.warning("W0207", part.iterable.span, "this loop has no turns, so its braces are never used")


def _chain(first: nodes.If, inner: set[int], reporter: Reporter) -> None:
    asked: dict[nodes.Expr, Span] = {}
    found: nodes.If | None = first
    while found is not None:
        inner.add(id(found))
        condition = found.condition
        value = _settled(condition)
        if condition in asked:
            label = Label(asked[condition], "already asked here")
            reporter.warning("W0207", condition.span, "this branch is never taken", labels=(label,))
        elif value is not None:
            word = "true" if value else "false"
            lost = "the branch after it is" if not value else "what comes after `else` is"
            if not value or found.otherwise is not None:
                message = f"this is always {word}: {lost} never taken"
                reporter.warning("W0207", condition.span, message)
        asked.setdefault(condition, condition.span)
        otherwise = found.otherwise
        chained = otherwise is not None and not otherwise.statements and isinstance(otherwise.result, nodes.If)
        found = otherwise.result if chained and otherwise is not None else None  # type: ignore[assignment]  # an If


def _settled(condition: nodes.Expr) -> bool | None:
    """The value of a condition without names in it; None for any other."""
    while isinstance(condition, nodes.Paren):
        condition = condition.value
    match condition:
        case nodes.Bool():
            return condition.value
        case nodes.Unary(op="not"):
            inner = _settled(condition.operand)
            return None if inner is None else not inner
        case nodes.Binary(op="==" | "<=" | ">=") if condition.left == condition.right:
            return True
        case nodes.Binary(op="!=" | "<" | ">") if condition.left == condition.right:
            return False
    return None
