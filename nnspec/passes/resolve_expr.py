"""The static checker of expressions: every name is known, every operator and step gets a kind it can work with.

A `Checker` walks the code of one file. It reports what is wrong in any world (also in branches that are
never taken and blocks that are never used) and answers with the kind of each expression; where the kind
depends on how a block is used the answer is ANY and the elaborator decides. Every reported node is
put into `program.poisoned`, so that its cause is reported once.
"""

from __future__ import annotations

from nnspec.diagnostics import Label
from nnspec.passes import resolve_tables as tables
from nnspec.passes.resolve_names import NameChecker
from nnspec.passes.resolve_scope import (
    A_KIND,
    ANY,
    BOOL,
    INSTANCE,
    LAYER,
    LAYERS,
    LIST,
    NUMBER,
    PLAIN,
    STRING,
    TENSOR,
    Known,
    Names,
)
from nnspec.suggest import did_you_mean, either
from nnspec.syntax import nodes

SHAPE_NUMBERS = ("channels", "height", "width", "length", "features", "size")
ATTRIBUTES = ("shape", *SHAPE_NUMBERS)
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
DEEPEST = 150  # nesting of expressions that is followed, well inside Python's own limit


class Checker(NameChecker):
    """Walks expressions of one file."""

    # ------------------------------------------------------------ expressions

    def kind(self, e: nodes.Expr, names: Names, *, free: bool = False) -> str:
        """The kind of an expression. `free` allows initialisers, optimizers, schedules and bare words as well:
        the value of a `let` or of a block's setting means what it means where it is used."""
        if id(e) in self.program.poisoned or self.depth > DEEPEST:
            return ANY
        if id(e) not in self.kinds:
            self.depth += 1
            self.kinds[id(e)] = self._kind(e, names, free)
            self.depth -= 1
        return self.kinds[id(e)]

    def _kind(self, e: nodes.Expr, names: Names, free: bool) -> str:
        match e:
            case nodes.Number():
                return NUMBER
            case nodes.Bool():
                return BOOL
            case nodes.String():
                return STRING
            case nodes.Name():
                return self.name(e, names, free=free)
            case nodes.Call():
                return self.call(e, names, free=free)
            case nodes.Pipeline():
                return self.pipeline(e, names, free)
            case nodes.Paren():
                return self.kind(e.value, names, free=free)
            case nodes.Binary():
                return self.binary(e, names)
            case nodes.Unary():
                return self.unary(e, names)
            case nodes.List():
                for item in e.items:
                    self.kind(item, names, free=free)
                return LIST
            case nodes.Range():
                for end in (e.start, e.stop):
                    self.expect(end, names, (NUMBER,), "an end of a range")
                return LIST
            case nodes.Attribute():
                return self.attribute(e, names)
            case nodes.Index():
                return self.index(e, names)
            case nodes.If():
                return self.choice(e, names, free)
            case nodes.For():
                return self.loop(e, names)
        return ANY  # what could not be parsed is reported already

    def expect(
        self, e: nodes.Expr, names: Names, kinds: tuple[str, ...], what: str, *, free: bool = False, help: str = ""
    ) -> str:
        """The kind of `e`, which must be one of `kinds` (or unknown)."""
        kind = self.kind(e, names, free=free)
        if kind == ANY or kind in kinds or (kind == INSTANCE and LAYER in kinds):
            return kind
        wanted = either(dict.fromkeys(A_KIND[k] for k in kinds))
        return self.error("E0207", e, f"{what} is {wanted}, this is {A_KIND[kind]}", help=help)

    # ------------------------------------------------------------ names

    def name(self, e: nodes.Name, names: Names, *, free: bool = False, step: bool = False) -> str:
        known = self.look(e.id, names)
        if known is not None:
            return known.kind
        found = self.program.callable(self.path, e.id)
        signature = tables.of_block(found) if found is not None else tables.of_op(e.id)
        if signature is not None:
            missing = signature.required()
            if missing and not (free and tables.is_word_or_table_name(e.id)):
                return self.error(
                    "E0209", e, f"{e.id} needs its {_names(missing)}", help=f"as in {signature.example()}"
                )
            return LAYER if signature.tensors or signature.variadic else ANY
        if e.id in tables.NUMERIC or e.id in tables.SELECTIONS or (free and tables.is_word_or_table_name(e.id)):
            return ANY
        return self.unknown_name(e, names, step)

    # ------------------------------------------------------------ pipelines

    def pipeline(self, e: nodes.Pipeline, names: Names, free: bool) -> str:
        first = e.steps[0]
        kind = self.kind(first.value, names, free=free and len(e.steps) == 1)
        composition = kind in LAYERS
        self.label(first, names, composition, kind)
        if len(e.steps) > 1 and kind in (STRING, BOOL, LIST):
            self.error("E0207", first.value, f"a pipeline starts with a tensor or a layer, this is {A_KIND[kind]}")
            kind = ANY
        for step in e.steps[1:]:
            found = self.step(step, names, e)
            self.label(step, names, composition, found)
        if len(e.steps) == 1:
            return kind
        return LAYER if composition else TENSOR if kind in (TENSOR, NUMBER) else ANY

    def step(self, step: nodes.Step, names: Names, pipeline: nodes.Pipeline) -> str:
        """Checks what stands after `->`: it must be a layer."""
        value = step.value
        if id(value) in self.program.poisoned:
            return ANY
        if isinstance(value, nodes.Shape):
            for size in value.sizes:
                self.expect(size, names, (NUMBER,), "a size")
            return LAYER
        if isinstance(value, nodes.Call):
            self.call(value, names, step=True)
            return LAYER
        if isinstance(value, nodes.Binary):
            return self.arithmetic_step(value, names, pipeline)
        kind = self.name(value, names, step=True) if isinstance(value, nodes.Name) else self.kind(value, names)
        if kind in LAYERS or kind == ANY:
            if kind == LAYER and isinstance(value, nodes.Name):
                self.needs_one_tensor(value)
            return kind
        return self.not_a_layer(value, kind)

    def needs_one_tensor(self, e: nodes.Name) -> None:
        """A layer named without parentheses gets the piped tensor alone."""
        signature = self.signature(e.id)
        if signature is not None and not signature.variadic and len(signature.tensors) > 1:
            others = _names(signature.tensors[1:])
            self.error(
                "E0226",
                e,
                f"{e.id} takes {len(signature.tensors)} tensors, this step gives it one",
                help=f"{e.id}({others})",
            )

    def not_a_layer(self, value: nodes.Expr, kind: str) -> str:
        text = value.id if isinstance(value, nodes.Name) else ""
        help = ""
        if kind == TENSOR:
            help = f"+ adds tensors, concat joins them: concat({text or 'a'}, b)"
            if isinstance(value, nodes.If | nodes.For | nodes.Paren):
                help = "a step is a layer: leave out the tensor that it starts with"
        return self.error("E0222", value, f"a step is a layer, {text or 'this'} is {A_KIND[kind]}", help=help)

    def arithmetic_step(self, e: nodes.Binary, names: Names, pipeline: nodes.Pipeline) -> str:
        """`x -> f + x` means `x -> (f + x)`; what is meant is nearly always `(x -> f) + x`."""
        left, right = self.operand(e.left, names, True), self.operand(e.right, names)
        if ANY in (left, right) and not {left, right} & LAYERS:
            return ANY
        if not {left, right} & LAYERS:
            return self.error("E0222", e, f"a step is a layer, this is {A_KIND[_joined(left, right)]}")
        start, source = pipeline.steps[0].span, self._excerpt
        begin = source(start.to(e.left.span))
        end = source(e.right.span)
        help = f"({begin}) {e.op} {end}" if begin and end else f"parentheses: (x -> f) {e.op} x"
        return self.error("E0210", e, "there is no arithmetic on layers: -> binds looser than " + e.op, help=help)

    def operand(self, e: nodes.Expr, names: Names, step: bool = False) -> str:
        if step and isinstance(e, nodes.Call):
            self.call(e, names, step=True)
            return LAYER
        if step and isinstance(e, nodes.Binary) and id(e) not in self.program.poisoned:
            kinds = {self.operand(e.left, names, True), self.operand(e.right, names)}
            return LAYER if kinds & LAYERS else ANY
        return self.kind(e, names)

    # ------------------------------------------------------------ labels

    def label(self, step: nodes.Step, names: Names, composition: bool, kind: str) -> None:
        label = step.label
        if label is None:
            return
        for part in label.parts:
            if isinstance(part, nodes.Expr):
                self.expect(part, names, (NUMBER, STRING, BOOL), "what stands in a label")
        text = "".join(part if isinstance(part, str) else "{}" for part in label.parts)
        if kind == INSTANCE:
            help = f"the declaration names it: layer {text} = ..."
            self.error(
                "E0214",
                label,
                f"a named layer takes no label: {text} would be a second name of its parameters",
                help=help,
            )
        elif not composition and all(isinstance(part, str) for part in label.parts):
            self.claim(label, text, names)

    def claim(self, label: nodes.StepLabel, text: str, names: Names) -> None:
        """Labels of tensors' steps share one name space a body; branches see those around them, not each other."""
        first = None
        for scope in names.outwards():
            first = first or scope.labels.get(text)
            if scope.repeated:
                break  # the copies of a loop have names of their own
        if first is None:
            names.labels[text] = label.span
            return
        help = "every label of a body is another one; for i in 1..2 { ... } numbers steps with name{i}:"
        self.error("E0213", label, f"the label {text} is used twice", labels=(Label(first, "first here"),), help=help)

    # ------------------------------------------------------------ operators

    def binary(self, e: nodes.Binary, names: Names) -> str:
        """Walks down a long sum by hand: its left operands nest as deep as it has terms."""
        chain = [e]
        while isinstance(chain[-1].left, nodes.Binary) and id(chain[-1].left) not in self.program.poisoned:
            chain.append(chain[-1].left)
        left = self.kind(chain[-1].left, names)
        for node in reversed(chain):
            left = self.kinds[id(node)] = self.operator(node, left, names)
        return left

    def operator(self, e: nodes.Binary, left: str, names: Names) -> str:
        right = self.compared(e, names)
        if e.op in ("==", "!="):
            return TENSOR if TENSOR in (left, right) else ANY if ANY in (left, right) else BOOL
        for operand, kind in ((e.left, left), (e.right, right)):
            if kind in LAYERS and (lacking := self.lacking(operand)):
                return self.error("E0209", e, lacking, span=operand.span)
            if kind in LAYERS:
                what = f"{operand.id} is a layer" if isinstance(operand, nodes.Name) else "this is a layer"
                help = "give it its tensor first: (x -> f) " + e.op + " y"
                if isinstance(operand, nodes.Name) and operand.id in tables.regularisers():
                    help = f"{operand.id}(weights) is the sum over all weights"
                return self.error("E0210", e, f"there is no arithmetic on layers: {what}", help=help, span=operand.span)
            if kind in (STRING, LIST):
                self.error("E0207", operand, f"{e.op} takes numbers and tensors, this is {A_KIND[kind]}")
                return ANY
        if TENSOR in (left, right):
            return TENSOR
        if ANY in (left, right):
            return ANY
        return BOOL if e.op in COMPARISONS or e.op in ("and", "or") else NUMBER

    def compared(self, e: nodes.Binary, names: Names) -> str:
        """The right operand; after `==` it may be a bare word, as in `padding == same`."""
        return self.kind(e.right, names, free=e.op in ("==", "!="))

    def unary(self, e: nodes.Unary, names: Names) -> str:
        kind = self.kind(e.operand, names)
        if kind in LAYERS:
            return self.error(
                "E0210", e, "there is no arithmetic on layers", help=f"give it its tensor first: {e.op} (x -> f)"
            )
        if kind in (STRING, LIST):
            return self.error("E0207", e.operand, f"{e.op} takes a number or a tensor, this is {A_KIND[kind]}")
        return kind

    # ------------------------------------------------------------ parts of values

    def attribute(self, e: nodes.Attribute, names: Names) -> str:
        kind = self.kind(e.value, names)
        text = e.value.id if isinstance(e.value, nodes.Name) else "this"
        if kind == TENSOR and e.name not in ATTRIBUTES:
            help = did_you_mean(e.name, ATTRIBUTES, f"a tensor has {', '.join(ATTRIBUTES)}")
            return self.error("E0216", e, f"a tensor has no {e.name}", help=help)
        if kind == TENSOR:
            return LIST if e.name == "shape" else NUMBER
        if kind == LAYER and isinstance(e.value, nodes.Name):
            help = f"layer {text} = ... names one layer, whose parameters can be read"
            return self.error("E0216", e, f"{text} is a recipe: every use of it has parameters of its own", help=help)
        if kind in PLAIN:
            return self.error("E0216", e, f"{text} is {A_KIND[kind]}, it has no {e.name}")
        return ANY

    def index(self, e: nodes.Index, names: Names) -> str:
        kind = self.kind(e.value, names)
        for item in e.items:
            if isinstance(item, nodes.Slice):
                for end in (item.lower, item.upper, item.step):
                    if end is not None:
                        self.expect(end, names, (NUMBER,), "an end of a slice")
            else:
                self.expect(item, names, (NUMBER, TENSOR), "an index")
        if kind in LAYERS or kind in (NUMBER, BOOL, STRING):
            plain = kind in LAYERS and len(e.items) == 1 and isinstance(e.items[0], nodes.Number | nodes.Unary)
            layer, index = self._excerpt(e.value.span), self._excerpt(e.items[0].span)
            help = f"as a step of its own: {layer} -> take({index})" if plain and layer and index else ""
            return self.error(
                "E0207", e.value, f"[...] reads parts of a tensor or a list, this is {A_KIND[kind]}", help=help
            )
        return TENSOR if kind == TENSOR else ANY

    # ------------------------------------------------------------ if and for

    def choice(self, e: nodes.If, names: Names, free: bool) -> str:
        help = "where(c, a, b) chooses between tensors, entry by entry"
        self.condition(e.condition, names, "`if` chooses before the model runs: its condition", help)
        kinds = [self.body_value(body, names, free) for body in (e.then, e.otherwise) if body is not None]
        return kinds[0] if len(set(kinds)) == 1 else ANY

    def condition(self, e: nodes.Expr, names: Names, what: str, help: str = "") -> None:
        kind = self.kind(e, names)
        if kind not in (ANY, BOOL):
            self.error(
                "E0224", e, f"{what} is true or false, this is {A_KIND[kind]}", help=help if kind == TENSOR else ""
            )

    def body_value(
        self, body: nodes.Body, names: Names, free: bool = False, loop: dict[str, Known] | None = None
    ) -> str:
        """The kind of the last expression between braces."""
        inside = Names(names, repeated=loop is not None)
        inside.known.update(loop or {})
        self.braces += 1
        self.statements(body, inside)
        self.braces -= 1
        kind = ANY if body.result is None else self.kind(body.result, inside, free=free)
        inside.close()
        return kind

    def statements(self, body: nodes.Body, names: Names) -> None:
        """Checks the statements of braces; `resolve_body` does it."""
        raise NotImplementedError

    def loop(self, e: nodes.For, names: Names) -> str:
        kind = self.expect(e.iterable, names, (LIST,), "what `for` runs over", help="as in for i in 1..4 { ... }")
        targets = self.loop_kinds(e, names, kind)
        loop = {t.id: Known(k, t.span) for t, k in zip(e.targets, targets, strict=True)}
        if len(loop) < len(e.targets):
            twice = next(t for i, t in enumerate(e.targets) if t.id in [o.id for o in e.targets[:i]])
            self.error("E0204", twice, f"{twice.id} stands twice among the names of this `for`")
        found = self.body_value(e.body, names, loop=loop)
        return LAYER if found in LAYERS else ANY

    def loop_kinds(self, e: nodes.For, names: Names, kind: str) -> list[str]:
        """The kinds of the loop's names, from what it runs over."""
        count, values = len(e.targets), e.iterable
        if kind != LIST:
            return [ANY] * count
        if count == 1:
            return [self.items(values, names)]
        if self.items(values, names) in (NUMBER, STRING, BOOL):
            message = f"`for` unpacks {count} names from every item, its items are single ones"
            self.error("E0227", values, message, help="as in for c, s in [[64, 1], [128, 2]] { ... }")
            return [ANY] * count
        rows = [item for item in values.items if isinstance(item, nodes.List)] if isinstance(values, nodes.List) else []
        for row in rows:
            if len(row.items) != count:
                self.error("E0227", row, f"`for` unpacks {count} names, this item has {len(row.items)}")
                return [ANY] * count
        columns = [{self.kind(row.items[i], names, free=True) for row in rows} for i in range(count)]
        return [column.pop() if len(column) == 1 else ANY for column in columns]

    def call(self, e: nodes.Call, names: Names, *, step: bool = False, free: bool = False) -> str:
        """Checks a call; `resolve_call` does it."""
        raise NotImplementedError


def _joined(left: str, right: str) -> str:
    return TENSOR if TENSOR in (left, right) else left


def _names(names: tuple[str, ...] | list[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
