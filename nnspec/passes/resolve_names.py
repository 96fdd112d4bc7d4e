"""What the static checker knows of names: those of a body, the `let`s of files, blocks, models, the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from nnspec.diagnostics import Label, Reporter, Span
from nnspec.passes import resolve_tables as tables
from nnspec.passes.resolve_lost import Lost, parts
from nnspec.passes.resolve_scope import ANY, INSTANCE, LAYER, LIST, NUMBER, Known, Names
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

if TYPE_CHECKING:
    from nnspec.passes.program import Program


_OF_KINDS = frozenset({"E0207", "E0222", "E0223", "E0224"})
"""Errors that say what kind of value stands where another is expected."""


class NameChecker:
    """Looks names up and reports those that are not there. `visiting` guards against `let`s that need themselves."""

    def __init__(self, program: Program, path: str, reporter: Reporter, lost: Lost) -> None:
        self.program, self.path, self.reporter = program, path, reporter
        self.lets: dict[int, Known] = {}
        self.visiting: list[nodes.Let] = []
        self.kinds: dict[int, str] = {}  # by id of the node: every expression is checked once
        self.depth = 0
        self.lost = lost
        self.inside: nodes.Block | None = None  # in whose body that is
        self.place = "model"  # or "block": what is checked stands in its body
        self.around: tuple[Span, ...] = ()  # the declarations whose names are seen
        self.missed: set[tuple[str, tuple[Span, ...], str]] = set()  # unknown names, by the declaration that reads them
        self.braces = 0  # of `if` and `for` around what is checked

    def error(
        self,
        code: str,
        node: nodes.Node,
        message: str,
        *,
        help: str = "",
        labels: tuple[Label, ...] = (),
        span: Span | None = None,
    ) -> str:
        """Reports and poisons `node`; its kind is ANY from then on."""
        if id(node) not in self.program.poisoned:
            self.program.poisoned.add(id(node))
            if self.lost.broken(span or node.span) or any(isinstance(part, nodes.Poison) for part in parts(node)):
                return ANY
            if code in _OF_KINDS and isinstance(node, nodes.Name) and (let := self.text_let(node.id)):
                if id(let) in self.lost.blamed:
                    return ANY  # its value is what is wrong, wherever it is read
                self.lost.blamed.add(id(let))
                labels = (*labels, Label(let.value.span, f"the value of {node.id}"))
            self.reporter.error(code, span or node.span, message, labels=labels, help=help)
        return ANY

    def text_let(self, name: str) -> nodes.Let | None:
        """The `let` of a name whose value is in quotes: what is wrong with it is wrong wherever it is read."""
        let = self.program.let(self.path, name)
        return let if let is not None and isinstance(let.value, nodes.String) else None

    def wants_a_number(self, expr: nodes.Expr, names: Names) -> str | None:
        """Reports a tensor of the block's head that its body takes for a number: a setting before its `;`.

        That is told once, at its first use, and silences what the uses of the block would say. None for all else.
        """
        places = self.inside.tensors[1:] if self.inside is not None else ()
        read = {part.id for part in parts(expr) if isinstance(part, nodes.Name)}
        wrong = [place for place in places if place.id in read]
        if self.inside is None or len(wrong) != 1 or isinstance(expr, nodes.Pipeline | nodes.Call):
            return None
        name, block = wrong[0], self.inside
        self.program.poisoned.add(id(name))
        [*names.outwards()][-1].known[name.id] = Known(ANY, name.span)
        tensors = ", ".join(place.id for place in block.tensors if place is not name)
        settings = ", ".join([name.id, *(setting.name.id for setting in block.settings)])
        return self.error(
            "E0226",
            expr,
            f"{name.id} is a tensor of {block.name.id}, here stands a number",
            help=f"if {name.id} is a setting: block {block.name.id}({tensors}; {settings})",
            labels=(Label(name.span, "before any `;` stand tensors"),),
        )

    def silence(self, node: nodes.Node) -> str:
        """Poisons without a report: the cause is reported already."""
        self.program.poisoned.add(id(node))
        return ANY

    def look(self, name: str, names: Names) -> Known | None:
        """A name of the body, or a `let` of the file or its imports."""
        known = names.find(name)
        if known is not None:
            return known
        let = self.program.let(self.path, name)
        return None if let is None else self.let(let)

    def known_at_all(self, name: str, names: Names) -> bool:
        """Whether the name stands for anything, also further down or in braces that are closed."""
        if self.look(name, names) is not None or self.signature(name) is not None:
            return True
        return names.made_later(name) is not None or names.left_behind(name) is not None

    def let(self, let: nodes.Let) -> Known:
        """What a `let` of a file names; a value given by `--set` counts instead of the written one."""
        if id(let) in self.lets:
            return self.lets[id(let)]
        if any(let is other for other in self.visiting):
            self.error("E0215", let.value, f"let {let.name.id} needs its own value", span=let.name.span)
            return Known(ANY, let.name.span)
        self.visiting.append(let)
        home = self if let.span.path == self.path else self.elsewhere(let.span.path)
        known = home.known_value(let.value, let.name.span, Names(), free=True)
        self.visiting.pop()
        if let.name.id in self.program.settings:
            known = Known(ANY, let.name.span)
        self.lets[id(let)] = known
        return known

    def elsewhere(self, path: str) -> Self:
        """A checker of another file that shares what is known of lets."""
        home = type(self)(self.program, path, self.reporter, self.lost)
        home.lets, home.visiting = self.lets, self.visiting
        return home

    def known_value(self, value: nodes.Expr, span: Span, names: Names, *, free: bool = False) -> Known:
        kind = self.kind(value, names, free=free)
        if self.lost.broken(value.span):
            return Known(ANY, span)
        return Known(kind, span, self.items(value, names) if kind == LIST else ANY)

    def items(self, e: nodes.Expr, names: Names) -> str:
        """The kind that every item of a list has, ANY when they differ or cannot be told."""
        while isinstance(e, nodes.Paren):
            e = e.value
        if isinstance(e, nodes.Range):
            return NUMBER
        if isinstance(e, nodes.List):
            kinds = {self.kind(item, names, free=True) for item in e.items}
            return kinds.pop() if len(kinds) == 1 else ANY
        if isinstance(e, nodes.Name) and (known := self.look(e.id, names)) is not None:
            return known.items
        return ANY

    def far(self, help: str) -> bool:
        """An unknown name that is near to none, where a part of the text could not be read: it may have stood there."""
        return not help and (self.path in self.lost.unsettled or any(map(self.lost.broken, self.around)))

    def unknown_name(self, e: nodes.Name, names: Names, step: bool) -> str:
        if self.lost.may_hold(self.path, e.id):
            return self.silence(e)
        later, gone = names.made_later(e.id), names.left_behind(e.id)
        if later is not None:
            label = Label(later, "made here, further down")
            return self.error(
                "E0205", e, f"{e.id} is used before it is defined", labels=(label,), help="move its definition up"
            )
        if gone is not None:
            label = Label(gone, "known only inside its braces")
            help = f"make the braces' value what you need: y = if ... {{ {e.id} }} else {{ ... }}"
            return self.error(
                "E0206", e, f"{e.id} is not known outside the braces that made it", labels=(label,), help=help
            )
        if elsewhere := self.stands_elsewhere(e.id, step):
            return self.error("E0202" if step else "E0201", e, elsewhere[0], help=elsewhere[1])
        lets = self.program.names(self.path, nodes.Let)
        layers = self.callables() + names.all_names(LAYER, INSTANCE, ANY)
        if step:
            help = did_you_mean(e.id, layers + lets)
            if self.far(help):
                return self.silence(e)
            return self.error("E0202", e, f"unknown layer {e.id}", help=help or self.own_names(names, e.id))
        help = did_you_mean(e.id, names.all_names() + lets + layers + ["true", "false"])
        if self.far(help):
            return self.silence(e)
        place = (self.path, self.around, e.id)
        if place in self.missed and e.id.lower() not in ("true", "false", "none"):
            return self.silence(e)  # one definition is missing, however often it is read
        self.missed.add(place)
        self.lost.unknown.add(e.id)
        return self.error("E0201", e, f"unknown name {e.id}", help=help or self.own_names(names, e.id))

    def stands_elsewhere(self, name: str, step: bool) -> tuple[str, str] | None:
        """Message and help for a name that means something, but not here."""
        if name == "None":
            return (
                "there is no None",
                "leave it out: what is not said has its default, and the batch axis is never written",
            )
        if kind := tables.other_kind(name):
            uses = {
                "an initialiser": f"as in dense(10, weight_init = {name})",
                "an optimizer": f"as in train {{ optimizer = {name}(...) }}",
                "a schedule": f"in place of a rate: adam({name}(1e-3))",
                "a metric": f"as in train {{ metrics = [{name}] }}",
            }
            return f"{name} is {kind}, not a {'layer' if step else 'value'}", uses[kind]
        if self.place == "block" and (model := self.owner(name)):
            help = f"a block sees its own tensors and settings: its head takes {name}, and each use gives it"
            return f"{name} belongs to the model {model}", help
        return None

    def owner(self, name: str) -> str:
        """The model of this file whose body makes a name, "" for none."""
        file = self.program.files.get(self.path)
        for model in (d for d in (file.declarations if file else ()) if isinstance(d, nodes.Model)):
            for statement in model.body.statements:
                made = [getattr(statement, "name", None), *getattr(statement, "names", ())]
                if any(isinstance(part, nodes.Name) and part.id == name for part in made):
                    return model.name.id
        return ""

    def own_names(self, names: Names, name: str) -> str:
        own = names.all_names()
        return f"known here: {', '.join(own[:12])}" if own else ""

    def callables(self) -> list[str]:
        """Everything that can be called: blocks and models that are seen from here, then the registry."""
        seen = self.program.names(self.path, nodes.Block) + self.program.names(self.path, nodes.Model)
        return seen + list(tables.op_names())

    def has_broken_head(self, name: str) -> bool:
        found = self.program.callable(self.path, name)
        return found is not None and self.lost.head(found)

    def signature(self, name: str) -> tables.Signature | None:
        found = self.program.callable(self.path, name)
        return tables.of_block(found) if found is not None else tables.of_op(name)

    def lacking(self, e: nodes.Expr) -> str:
        """The places that a call of several tensors leaves empty, as in `huber needs its target`; empty for others."""
        if not isinstance(e, nodes.Call) or (signature := self.signature(e.callee.id)) is None:
            return ""
        given = {a.name for a in e.arguments}
        places = [t for t in signature.tensors if t not in given]
        missing = places[sum(not a.name for a in e.arguments) :]
        if len(signature.tensors) < 2 or signature.variadic or not missing or not e.arguments:
            return ""
        return f"{e.callee.id} needs its {' and its '.join(missing)}: {e.callee.id}({', '.join(signature.tensors)})"

    def _excerpt(self, span: Span) -> str:
        """The text of a span, its lines joined; empty when it is long or not known."""
        lines = self.program.sources.get(span.path, "").split("\n")[span.line - 1 : span.end_line]
        if not lines:
            return ""
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        text = " ".join(line.partition("#")[0].strip() for line in lines)
        return text if len(text) <= 60 else ""

    def kind(self, e: nodes.Expr, names: Names, *, free: bool = False) -> str:
        """The kind of an expression; `resolve_expr` tells."""
        raise NotImplementedError
