"""Where `nnspec tune` may look: the domains of a file's `let`s with their numbers worked out, and what is wrong with
them (E0422)."""

from __future__ import annotations

import math
from typing import Any

from nnspec.diagnostics import Label, Reporter, Span
from nnspec.ir.dims import Dim
from nnspec.passes.elaborate import Elaborator
from nnspec.passes.numbers import show
from nnspec.passes.program import Program
from nnspec.passes.scope import FileScope, Poisoned
from nnspec.record import Record
from nnspec.syntax import nodes

CHOICE, INT, FLOAT = "choice", "int", "float"
FORMS = "a list, a range a..b, uniform(a, b) or log_uniform(a, b)"
WORKED_OUT = ("number", "bool", "string", "list")


class Domain(Record):
    """What one `let` may be. `span` is the domain's, `value` the default's place in the text, `path` their file.

    A choice has the text of each of its values, and `default` is one of them; numbers have their ends, both included,
    and a default between them.
    """

    name: str
    kind: str
    span: Span
    value: Span
    default: str | int | float
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    log: bool = False

    def describe(self) -> str:
        """The domain as the language writes it."""
        if self.kind == CHOICE:
            return f"[{', '.join(self.choices)}]"
        if self.kind == INT:
            return f"{self.low}..{self.high}"
        return f"{'log_' * self.log}uniform({show(self.low)}, {show(self.high)})"


def find_domains(program: Program, reporter: Reporter) -> dict[str, Domain]:
    """The domains of all `let`s that the main file sees, by name, in its order; each file's are checked.

    A `let` that `--set` gives a value is not searched, and is left out.
    """
    declared = {
        path: [d for d in file.declarations if isinstance(d, nodes.Let) and d.domain is not None]
        for path, file in program.files.items()
    }
    if not any(declared.values()):
        return {}
    reader = _Reader(program, reporter)
    found: dict[str, Domain] = {}
    for lets in declared.values():
        for let in lets:
            domain = reader.read(let)
            seen = program.let(program.main.path, let.name.id) is let
            if domain is not None and seen and let.name.id not in program.settings:
                found[let.name.id] = domain
    return found


class _Reader:
    """Works out one domain after the other, with the numbers that other `let`s stand for."""

    def __init__(self, program: Program, reporter: Reporter) -> None:
        self.program, self.reporter = program, reporter
        self.numbers = Elaborator(program, reporter, program.settings)

    def read(self, let: nodes.Let) -> Domain | None:
        assert let.domain is not None
        scope = self.numbers.file_scope(let.span.path)
        domain, scope = self.written(let.domain, scope)
        if self.poisoned(domain) or self.poisoned(let.value):
            return None
        if isinstance(domain, nodes.Range):
            return self.range(let, domain, scope)
        if isinstance(domain, nodes.List):
            return self.choice(let, domain, scope)
        if isinstance(domain, nodes.Call) and domain.callee.id in ("uniform", "log_uniform"):
            return self.interval(let, domain, scope)
        self.error(let.domain, f"the domain of {let.name.id} is not written out", help=f"a domain is {FORMS}")
        return None

    def written(self, expr: nodes.Expr, scope: FileScope) -> tuple[nodes.Expr, FileScope]:
        """A domain that another `let` names, as it stands there."""
        for _ in range(len(self.program.files) * 1000):
            if isinstance(expr, nodes.Paren):
                expr = expr.value
            elif isinstance(expr, nodes.Name) and (named := self.program.let(scope.path, expr.id)) is not None:
                expr, scope = named.value, self.numbers.file_scope(named.span.path)
            else:
                break
        return expr, scope

    # ------------------------------------------------------------ the forms

    def choice(self, let: nodes.Let, domain: nodes.List, scope: FileScope) -> Domain | None:
        name = let.name.id
        if not domain.items:
            return self.error(domain, f"the domain of {name} is empty", help=f"as in [{self.text(let.value)}, ...]")
        if any(map(self.poisoned, domain.items)):
            return None
        texts = tuple(self.text(item) for item in domain.items)
        values = [self.meaning(item, scope) for item in domain.items]
        for index, value in enumerate(values):
            if value in values[:index]:
                return self.error(domain.items[index], f"{texts[index]} stands twice in the domain of {name}")
        default = self.meaning(let.value, self.numbers.file_scope(let.span.path))
        if default in values:
            text = texts[values.index(default)]
            return Domain(name, CHOICE, domain.span, let.value.span, text, texts)
        return self.outside(let, f"[{', '.join(texts)}]", f"[{self.text(let.value)}, {', '.join(texts)}]", texts[0])

    def range(self, let: nodes.Let, domain: nodes.Range, scope: FileScope) -> Domain | None:
        low, high = self.number(domain.start, scope), self.number(domain.stop, scope)
        if low is None or high is None:
            return None
        text = f"{show(low)}..{show(high)}"
        if not (isinstance(low, int) and isinstance(high, int)):
            help = f"uniform({show(low)}, {show(high)}) holds every number between them"
            return self.error(domain, f"the range {text} has whole ends only", help=help)
        if low > high:
            return self.error(domain, f"the range {text} is empty", help=f"{high}..{low}")
        return self.numeric(let, domain.span, Domain("", INT, domain.span, domain.span, 0, (), low, high))

    def interval(self, let: nodes.Let, domain: nodes.Call, scope: FileScope) -> Domain | None:
        log, form = domain.callee.id == "log_uniform", domain.callee.id
        if len(domain.arguments) != 2:
            return None  # said where names are looked up
        low, high = (self.number(argument.value, scope) for argument in domain.arguments)
        if low is None or high is None:
            return None
        text = f"{form}({show(low)}, {show(high)})"
        if low >= high:
            help = f"{form}({show(high)}, {show(low)})" if low > high else "its first end is below its second"
            return self.error(domain, f"the domain {text} is empty", help=help)
        if log and low <= 0:
            help = f"{form}({show(high / 1000)}, {show(high)})" if high > 0 else f"uniform({show(low)}, {show(high)})"
            return self.error(domain, f"the ends of {text} have logarithms only above 0", help=help)
        return self.numeric(let, domain.span, Domain("", FLOAT, domain.span, domain.span, 0, (), low, high, log))

    def numeric(self, let: nodes.Let, span: Span, domain: Domain) -> Domain | None:
        """A domain of numbers, if the default lies in it."""
        if let.name.id in self.program.settings:
            return None
        value = self.number(let.value, self.numbers.file_scope(let.span.path))
        if value is None:
            return None
        if domain.kind == INT and not isinstance(value, int):
            help = f"uniform({domain.low}, {domain.high}) holds such numbers"
            place = Label(domain.span, "whole numbers only")
            return self.error(let.value, f"{let.name.id} = {show(value)} is no whole number", help=help, label=place)
        if not domain.low <= value <= domain.high:
            form = {"low": min(domain.low, value), "high": max(domain.high, value)}
            nearest = show(domain.low if value < domain.low else domain.high)
            return self.outside(let, domain.describe(), domain.replace(**form).describe(), nearest)
        return domain.replace(name=let.name.id, value=let.value.span, default=value)

    # ------------------------------------------------------------ parts

    def meaning(self, expr: nodes.Expr, scope: FileScope) -> object:
        """What makes two values of a choice the same one: what it comes to, or, for layers and such, its form."""
        while isinstance(expr, nodes.Paren):
            expr = expr.value
        if self.numbers.kind(expr, scope) in WORKED_OUT:
            value = self.numbers.evaluate(expr, scope)
            if not isinstance(value, Poisoned):
                return ("value", isinstance(value, bool), value)
        return ("form", expr)

    def number(self, expr: nodes.Expr, scope: FileScope) -> int | float | None:
        """A number, or None (and reported) if it is something else."""
        value: Any = self.numbers.evaluate(expr, scope) if self.numbers.kind(expr, scope) in WORKED_OUT else None
        if isinstance(value, Poisoned):
            return None
        if isinstance(value, bool | Dim) or not isinstance(value, int | float) or not math.isfinite(value):
            self.error(
                expr, f"{self.text(expr)} is no number, as such a domain takes them", help="a list: [relu, tanh]"
            )
            return None
        return value

    def outside(self, let: nodes.Let, domain: str, wider: str, nearest: str) -> Domain | None:
        if let.name.id in self.program.settings:
            return None
        assert let.domain is not None
        name = let.name.id
        message = f"the default {name} = {self.text(let.value)} is outside its domain {domain}"
        help = f"in {wider}, or {name} = {nearest}"
        return self.error(let.value, message, help=help, label=Label(let.domain.span, "domain"))

    def text(self, node: nodes.Node) -> str:
        """An expression as it is written, on one line."""
        span = node.span
        lines = self.program.sources[span.path].split("\n")[span.line - 1 : span.end_line]
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        return " ".join(line.split("#")[0].strip() if len(lines) > 1 else line for line in lines)

    def poisoned(self, node: nodes.Node) -> bool:
        return id(node) in self.program.poisoned

    def error(self, node: nodes.Node, message: str, *, help: str = "", label: Label | None = None) -> Domain | None:
        """Reports; there is no domain then."""
        labels = (label,) if label is not None else ()
        self.reporter.error("E0422", node.span, message, labels=labels, help=help)
        return None
