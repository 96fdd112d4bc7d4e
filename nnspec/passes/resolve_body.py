"""The static checker of statements: what a body may hold, every name once and before its use."""

from __future__ import annotations

from nnspec.diagnostics import Label, Span
from nnspec.ir.types import DTYPES
from nnspec.passes.keys import COSTS
from nnspec.passes.resolve_call import CallChecker
from nnspec.passes.resolve_lost import poison
from nnspec.passes.resolve_scope import (
    A_KIND,
    ANY,
    BOOL,
    INSTANCE,
    LAYERS,
    LIST,
    NUMBER,
    PLAIN,
    STRING,
    TENSOR,
    Known,
    Names,
)
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes

OTHER_FLOATS = ("float16", "bfloat16", "float64", "float", "double", "half")


class BodyChecker(CallChecker):
    """A CallChecker that knows statements. `place` is "model" or "block" while one is checked."""

    place = ""

    # ------------------------------------------------------------ declarations

    def model(self, declared: nodes.Model) -> Names:
        """Checks a model; answers with the names that `train` can see."""
        self.place, self.around = "model", (declared.span,)
        names = self.head(declared.settings, ())
        self.statements(declared.body, names)
        if declared.body.result is not None:
            kind = self.kind(declared.body.result, names)
            help = "name the result: output y = ..., or join it to the line above with ->"
            message = f"the model {declared.name.id} says its results with `output`"
            if kind in LAYERS:
                message = "a layer on a line of its own gets no tensor"
                help = "join it to the line above with ->"
            if declared.body.statements:  # which this line may be meant to go on
                poison(self.program, declared.body.statements[-1])
            self.error("E0212", declared.body.result, message, help=help)
        elif not (
            _has_output(declared)
            or any(self.lost.word(self.path, w) for w in ("output", "outputs", "return"))
            or self.lost.cut(declared)
        ):
            last = declared.body.statements[-1] if declared.body.statements else None
            help = "add a line such as output y = x -> dense(1)"
            if isinstance(last, nodes.Bind) and len(last.names) == 1:
                help = f"if the last line is one: output {last.names[0].id} = ..."
            if "output" in names.known:
                help = "an output has a name: output y = ..."
            self.error(
                "E0209", declared, f"the model {declared.name.id} has no output", help=help, span=declared.name.span
            )
        return names

    def block(self, declared: nodes.Block) -> None:
        self.place, self.around, self.inside = "block", (declared.span,), declared
        names = self.head(declared.settings, declared.tensors)
        if self.lost.head(declared):  # what is a tensor and what a setting was mixed up
            names.known.update({tensor.id: Known(ANY, tensor.span) for tensor in declared.tensors})
        self.statements(declared.body, names)
        if declared.body.result is None:
            help = "its value is its last line, an expression without a name"
            self.error(
                "E0209", declared, f"the block {declared.name.id} has no value", help=help, span=declared.name.span
            )
            self.program.poisoned.add(id(declared.body))
            return
        kind = self.kind(declared.body.result, names)
        if kind in LAYERS:
            text = declared.tensors[0].id if declared.tensors else "x"
            help = f"start it with a tensor: {text} -> ..."
            self.error(
                "E0223", declared.body.result, f"the value of a block is a tensor, this is {A_KIND[kind]}", help=help
            )

    def head(self, settings: tuple[nodes.Setting, ...], tensors: tuple[nodes.Name, ...]) -> Names:
        """The names of a block's or model's head. A setting may be anything: its uses decide."""
        names = Names()
        for tensor in tensors:
            self.define(tensor, Known(TENSOR, tensor.span), names)
        for setting in settings:
            if setting.default is not None:
                self.kind(setting.default, names, free=True)
            self.define(setting.name, Known(ANY, setting.name.span), names)
        return names

    def define(self, name: nodes.Name, known: Known, names: Names, statement: nodes.Node | None = None) -> None:
        """Every name is given once in its braces."""
        first = names.known.get(name.id)
        if first is None:
            names.known[name.id] = known
            names.later.pop(name.id, None)
            return
        labels = (Label(first.span, "first here"),) if first.span is not None else ()
        help = f"every name stands for one thing: call this one {name.id}2, or join the lines with ->"
        self.error("E0204", name, f"{name.id} is defined twice", labels=labels, help=help)
        names.known[name.id] = Known(ANY, first.span)  # which of the two a later line means cannot be told
        if statement is not None:
            self.program.poisoned.add(id(statement))

    # ------------------------------------------------------------ statements

    def statements(self, body: nodes.Body, names: Names) -> None:
        for statement in body.statements:
            for name in _made_by(statement):
                names.later.setdefault(name.id, name.span)
        for statement in body.statements:
            self.statement(statement, names)
        names.later.clear()

    def statement(self, s: nodes.Statement, names: Names) -> None:
        match s:
            case nodes.Bind():
                self.bind(s, names)
            case nodes.Let():
                self.local_let(s, names)
            case nodes.LayerDecl():
                self.layer(s, names)
            case nodes.Output():
                self.output(s, names)
            case nodes.Input() | nodes.Target():
                self.field(s, names)
            case nodes.Dim():
                self.dims(s, names)
            case nodes.Param() | nodes.Noise():
                self.drawn(s, names)
            case nodes.Require():
                self.require(s, names)

    def bind(self, s: nodes.Bind, names: Names) -> None:
        known = self.known_value(s.value, s.names[0].span, names)
        if known.kind in LAYERS and id(s) not in self.program.poisoned:
            word, text = s.names[0].id, self._excerpt(s.value.span) or "..."
            help = f"let {word} = {text} (a new layer at every use), or layer {word} = {text} (one layer, shared)"
            signature = self.signature(s.value.callee.id) if isinstance(s.value, nodes.Call) else None
            if signature is not None and len(signature.tensors) > 1:
                help = f"{signature.usage()}: a call that lacks its first tensor is a layer"
            self.error("E0211", s.value, f"{word} = ... names a tensor or a number, this is a layer", help=help)
        elif known.kind == LIST and known.items in LAYERS and id(s) not in self.program.poisoned:
            help = "`->` chains layers: x -> dense(10) -> relu"
            message = f"{s.names[0].id} = ... names a tensor or a number, this is a list of layers"
            self.error("E0211", s.value, message, help=help)
            known = Known(ANY, known.span)
        if len(s.names) > 1 and known.kind in (NUMBER, BOOL, STRING):
            self.error("E0227", s.value, f"{len(s.names)} names for one value", help="as in a, b = x -> split(2)")
        for name in s.names:
            kind = known.kind if len(s.names) == 1 or known.kind == TENSOR else ANY
            self.define(name, Known(kind, name.span, known.items), names, s)

    def local_let(self, s: nodes.Let, names: Names) -> None:
        known = self.known_value(s.value, s.name.span, names, free=True)
        if known.kind == TENSOR:
            help = f"without the word let: {s.name.id} = ..."
            self.error("E0211", s.value, f"let {s.name.id} names a recipe or a number, this is a tensor", help=help)
            known = Known(ANY, known.span)
        if s.domain is not None:
            self.domain(s.domain, names)
        self.define(s.name, known, names, s)

    def domain(self, e: nodes.Expr, names: Names) -> None:
        """Where `tune` may look: a list, a range, `uniform(a, b)` or `log_uniform(a, b)`."""
        if isinstance(e, nodes.Call) and e.callee.id in ("uniform", "log_uniform"):
            kinds = self.arguments(e, names)
            if len(kinds) != 2 or len(e.arguments) != 2:
                self.error(
                    "E0208",
                    e,
                    f"{e.callee.id} takes two numbers, the ends of the domain",
                    help=f"{e.callee.id}(1e-4, 1e-1)",
                )
        elif isinstance(e, nodes.Call) and not isinstance(e.callee, nodes.Poison):
            help = did_you_mean(
                e.callee.id, ("uniform", "log_uniform"), "uniform(a, b), log_uniform(a, b), a list or a range"
            )
            self.error("E0202", e, f"unknown domain {e.callee.id}", help=help, span=e.callee.span)
        else:
            help = "uniform(a, b), log_uniform(a, b), a list or a range"
            self.expect(e, names, (LIST,), "the domain of a let", free=True, help=help)

    def layer(self, s: nodes.LayerDecl, names: Names) -> None:
        kind = self.kind(s.value, names)
        if kind == TENSOR:
            help = f"without the word layer: {s.name.id} = ...; or leave out the tensor it starts with"
            self.error("E0211", s.value, f"layer {s.name.id} names a layer, this is a tensor", help=help)
        elif kind in PLAIN:
            self.error(
                "E0211",
                s.value,
                f"layer {s.name.id} names a layer, this is {A_KIND[kind]}",
                help=f"let {s.name.id} = ...",
            )
        self.define(s.name, Known(INSTANCE, s.name.span), names, s)

    def output(self, s: nodes.Output, names: Names) -> None:
        kind = self.kind(s.value, names)
        if self.misplaced(s, "output", "the value of a block is its last line, an expression without a name"):
            kind = ANY
        elif kind in LAYERS:
            help = "start it with a tensor, as in output y = x -> dense(1)"
            kind = self.error("E0223", s.value, f"the output {s.name.id} is a tensor, this is a layer", help=help)
        elif kind in (STRING, LIST, BOOL):
            kind = self.error("E0223", s.value, f"the output {s.name.id} is a tensor, this is {A_KIND[kind]}")
        self.define(s.name, Known(TENSOR if kind != ANY else ANY, s.name.span), names, s)

    def field(self, s: nodes.Input | nodes.Target, names: Names) -> None:
        word = "input" if isinstance(s, nodes.Input) else "target"
        self.type(s.type, names)
        help = f"a block's tensors stand in its head: block Name({s.name.id}; ...)"
        self.misplaced(s, word, help)
        self.define(s.name, Known(TENSOR, s.name.span), names, s)

    def misplaced(self, s: nodes.Statement, word: str, help: str) -> bool:
        """Inputs, targets and outputs belong to a model itself."""
        span = Span(s.span.path, s.span.line, s.span.column, s.span.line, s.span.column + len(word))
        if self.place == "block":
            self.error("E0212", s, f"`{word}` belongs to a model, not to a block", help=help, span=span)
        elif self.braces:
            message = f"`{word}` belongs to the model itself, not between the braces of `if` or `for`"
            self.error("E0212", s, message, help="move it out of the braces", span=span)
        else:
            return False
        return True

    def dims(self, s: nodes.Dim, names: Names) -> None:
        self.misplaced(s, "dim", "the sizes of a block's tensors are read with x.length, x.channels, ...")
        for name, default in s.entries:
            if default is not None:
                self.expect(default, names, (NUMBER,), f"the size {name.id}")
            self.define(name, Known(NUMBER, name.span), names, s)

    def drawn(self, s: nodes.Param | nodes.Noise, names: Names) -> None:
        """`param` and `noise`: a type, and what its values are drawn from."""
        word, value = ("param", s.initialiser) if isinstance(s, nodes.Param) else ("noise", s.distribution)
        self.type(s.type, names)
        if value is None:
            help = f"add one: {word} {s.name.id}: ... = {'zeros' if word == 'param' else 'normal(1)'}"
            what = "an initialiser" if word == "param" else "a distribution"
            self.error("E0209", s, f"{word} {s.name.id} needs {what}", help=help)
        else:
            self.initialiser(value, f"what {word} {s.name.id} is drawn from", names)
        self.define(s.name, Known(TENSOR, s.name.span), names, s)

    def require(self, s: nodes.Require, names: Names) -> None:
        inside = Names(names)
        inside.known.update({cost: Known(NUMBER) for cost in COSTS if names.find(cost) is None})
        kind = self.kind(s.condition, inside)
        if kind not in (ANY, BOOL):
            help = "as in require parameters < 1_000_000"
            self.error(
                "E0224", s.condition, f"`require` takes a comparison of numbers, this is {A_KIND[kind]}", help=help
            )

    def type(self, t: nodes.TypeExpr, names: Names) -> None:
        """`float32[1, 8, 8]`, `class(10)[T]`."""
        if t.dtype and t.dtype not in DTYPES:
            help = did_you_mean(t.dtype, DTYPES, f"known: {', '.join(DTYPES)}")
            if t.dtype in OTHER_FLOATS:
                help = "write float32, the working float; precision = float64 in train chooses another"
            self.error("E0220", t, f"unknown type {t.dtype}", help=help)
        for argument in t.arguments if t.dtype != "class" or len(t.arguments) == 1 else ():
            self.expect(argument, names, (NUMBER,), "a number of classes")
        if t.dtype == "class" and len(t.arguments) != 1:
            self.error("E0220", t, "class takes the number of classes", help="as in class(10)")
        elif t.dtype in DTYPES and t.dtype != "class" and t.arguments:
            self.error("E0220", t, f"sizes stand in brackets: {t.dtype}[...]")
        for size in t.sizes or ():
            if isinstance(size, nodes.Poison):
                continue
            self.expect(size, names, (NUMBER,), "a size")


def _has_output(declared: nodes.Model) -> bool:
    return any(isinstance(s, nodes.Output) for s in declared.body.statements)


def _made_by(s: nodes.Statement) -> tuple[nodes.Name, ...]:
    match s:
        case nodes.Bind():
            return s.names
        case nodes.Dim():
            return tuple(name for name, _ in s.entries)
        case (
            nodes.Let()
            | nodes.LayerDecl()
            | nodes.Output()
            | nodes.Input()
            | nodes.Target()
            | nodes.Param()
            | nodes.Noise()
        ):
            return (s.name,)
    return ()
