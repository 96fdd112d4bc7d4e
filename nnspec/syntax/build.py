"""One function a rule of the grammar: children to nodes, and the refusals that need more than a grammar.

A name that had to be made up while recovering is the empty `Name("")`; what needs it is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnspec.diagnostics import Span
from nnspec.syntax import nodes
from nnspec.syntax.tokens import Problems, Token

Kids = list[Any]

_DECLARATIONS = (nodes.Version, nodes.Import, nodes.Block, nodes.Model, nodes.Data, nodes.Train)


class Builder:
    """Makes the nodes of one file. `misplaced` collects declarations that stood inside a body."""

    def __init__(self, path: str, problems: Problems) -> None:
        self.path, self.problems = path, problems
        self.misplaced: list[nodes.Declaration] = []
        names = {n[5:]: getattr(self, n) for n in dir(self) if n.startswith("rule_")}
        self.rules: dict[str, Callable[[Span, Kids], Any]] = names

    def name(self, token: Token) -> nodes.Name:
        return nodes.Name(token.span(self.path), token.text)

    # ------------------------------------------------------------ files and bodies

    def rule_file(self, span: Span, kids: Kids) -> nodes.File:
        declarations: list[nodes.Declaration] = []
        for item in kids:
            if isinstance(item, (*_DECLARATIONS, nodes.Let)):
                declarations.append(item)
            elif item is not None:
                self.outside(item)
                if isinstance(item, nodes.Bind) and len(item.names) == 1:  # read as the `let` that was meant
                    declarations.append(nodes.Let(item.span, item.names[0], item.value))
        declarations += self.misplaced
        declarations.sort(key=lambda d: (d.span.line, d.span.column))
        return nodes.File(span, self.path, tuple(declarations))

    def outside(self, item: nodes.Node) -> None:
        """A statement at the level of the file."""
        if isinstance(item, nodes.Poison) or self.problems.inside(item.span):
            return
        if isinstance(item, nodes.Bind):
            name = item.names[0]
            message = f"`{name.id} = ...` belongs inside a model or block"
            self.problems.error("E0115", item.span, message, f"at the level of the file write `let {name.id} = ...`")
        elif isinstance(item, nodes.Statement):
            word = {"LayerDecl": "layer"}.get(type(item).__name__, type(item).__name__.lower())
            help = "move it between the braces of one"
            self.problems.error("E0115", _first(item.span, word), f"`{word}` belongs inside a model or block", help)
        else:
            help = "a file holds `let`, `import`, `block`, `model`, `data` and `train`"
            self.problems.error("E0115", item.span, "an expression belongs inside a model or block", help)

    def rule_body(self, span: Span, kids: Kids) -> nodes.Body:
        if kids and isinstance(kids[0], Token):
            return nodes.Body(span, (), nodes.Poison(span))
        statements: list[nodes.Statement] = []
        result: nodes.Expr | None = None
        items = [k for k in kids if k is not None]
        for position, item in enumerate(items):
            if isinstance(item, nodes.Statement):
                statements.append(item)
            elif isinstance(item, _DECLARATIONS):
                self.inside(item)
            elif position == len(items) - 1:
                result = item
            elif not isinstance(item, nodes.Poison) and not self.problems.inside(item.span):
                help = "name it (`h = ...`), or join it to the next line with an operator or `->`"
                if isinstance(item, nodes.For):
                    help = (
                        "a `for` is a layer that is written several times: h = x -> for i in 1..3 { dense(8) -> relu }"
                    )
                elif isinstance(item, nodes.If):
                    help = "an `if` is a value: h = if ... { ... } else { ... }"
                self.problems.error("E0112", item.span, "a bare expression is the last line of its body", help)
        return nodes.Body(span, tuple(statements), result)

    def inside(self, item: nodes.Declaration) -> None:
        """A declaration of the file in a body: refused, and kept as if it stood in the file."""
        word = {"Version": "nnspec"}.get(type(item).__name__, type(item).__name__.lower())
        message = f"`{word}` belongs at the level of the file, not inside braces"
        self.problems.error("E0115", _first(item.span, word), message, "move it out of the braces")
        if not isinstance(item, nodes.Version):
            self.misplaced.append(item)

    def rule_value(self, span: Span, kids: Kids) -> nodes.Expr:
        value: nodes.Expr = kids[0]
        return value

    # ------------------------------------------------------------ declarations

    def rule_version(self, span: Span, kids: Kids) -> nodes.Version | None:
        number = self.rule_number(kids[0].span(self.path), kids)
        return nodes.Version(span, number) if isinstance(number, nodes.Number) else None

    def rule_import(self, span: Span, kids: Kids) -> nodes.Import | None:
        path = self.rule_string(kids[0].span(self.path), kids)
        return None if kids[0].quiet else nodes.Import(span, path)

    def rule_block(self, span: Span, kids: Kids) -> nodes.Block:
        token, (before, after, _), body = kids
        for setting in before:
            if setting.default is not None:
                name = setting.name.id
                message = f"`{name}` has a default, so it is a setting, and settings come after `;`"
                self.problems.error("E0117", setting.span, message, f"write `;` before `{name}`, in place of `,`")
        tensors = tuple(s.name for s in before if s.default is None)
        settings = tuple(s for s in before if s.default is not None) + after
        return nodes.Block(span, self.name(token), tensors, settings, body)

    def rule_model(self, span: Span, kids: Kids) -> nodes.Model:
        name, *head, body = kids
        before, after, _ = head[0] if head else ((), (), None)
        return nodes.Model(span, self.name(name), before + after, body)

    def rule_head(self, span: Span, kids: Kids) -> tuple[tuple[nodes.Setting, ...], tuple[nodes.Setting, ...], None]:
        """What stands before `;` and after it; the third place only makes the value unlike a list of settings."""
        cut = next((i for i, k in enumerate(kids) if isinstance(k, Token)), len(kids))
        kept = [tuple(k for k in part if isinstance(k, nodes.Setting)) for part in (kids[:cut], kids[cut + 1 :])]
        return kept[0], kept[1], None

    def rule_setting(self, span: Span, kids: Kids) -> nodes.Setting | None:
        if kids[0].type == "POISON" or not kids[0].text:
            return None
        return nodes.Setting(span, self.name(kids[0]), kids[1] if len(kids) > 1 else None)

    def rule_data(self, span: Span, kids: Kids) -> nodes.Data:
        return nodes.Data(span, *self.entries(kids))

    def rule_train(self, span: Span, kids: Kids) -> nodes.Train:
        return nodes.Train(span, *self.entries(kids))

    def entries(self, kids: Kids) -> tuple[nodes.Name | None, tuple[nodes.Entry, ...]]:
        name = self.name(kids[0]) if kids and isinstance(kids[0], Token) else None
        return name, tuple(k for k in kids if isinstance(k, nodes.Entry))

    def rule_entry(self, span: Span, kids: Kids) -> nodes.Entry | None:
        if len(kids) == 1:
            return None
        key, *pattern, value = kids
        if not key.text or (pattern and pattern[0].quiet):
            return None
        string = self.rule_string(pattern[0].span(self.path), pattern) if pattern else None
        return nodes.Entry(span, self.name(key), string, value)

    # ------------------------------------------------------------ statements

    def declared(self, kind: Callable[..., nodes.Node], span: Span, kids: Kids, places: int) -> Any:
        """A node `kind(span, name, *rest)` with `places` fields after the name, None where nothing stands."""
        if not kids[0].text:
            return None
        rest = kids[1:] + [None] * (places - len(kids) + 1)
        return kind(span, self.name(kids[0]), *rest)

    def rule_let(self, span: Span, kids: Kids) -> Any:
        return self.declared(nodes.Let, span, kids, 2)

    def rule_input(self, span: Span, kids: Kids) -> Any:
        return self.declared(nodes.Input, span, kids, 1)

    def rule_target(self, span: Span, kids: Kids) -> Any:
        return self.declared(nodes.Target, span, kids, 1)

    def rule_param(self, span: Span, kids: Kids) -> Any:
        return self.declared(nodes.Param, span, kids, 2)

    def rule_noise(self, span: Span, kids: Kids) -> Any:
        return self.declared(nodes.Noise, span, kids, 2)

    def rule_layer(self, span: Span, kids: Kids) -> Any:
        return self.declared(nodes.LayerDecl, span, kids, 1)

    def rule_output(self, span: Span, kids: Kids) -> Any:
        return self.declared(nodes.Output, span, kids, 1)

    def rule_dim(self, span: Span, kids: Kids) -> nodes.Dim | None:
        entries = tuple(k for k in kids if k is not None)
        return nodes.Dim(span, entries) if entries else None

    def rule_size(self, span: Span, kids: Kids) -> tuple[nodes.Name, nodes.Expr | None] | None:
        if not kids[0].text:
            return None
        return self.name(kids[0]), kids[1] if len(kids) > 1 else None

    def rule_require(self, span: Span, kids: Kids) -> nodes.Require:
        return nodes.Require(span, kids[0])

    def rule_bind(self, span: Span, kids: Kids) -> nodes.Bind | None:
        *names, value = kids
        kept = tuple(self.name(n) for n in names if n.text)
        return nodes.Bind(span, kept, value) if kept else None

    def rule_type(self, span: Span, kids: Kids) -> nodes.TypeExpr:
        first, *rest = kids
        if first.type == "POISON" or not first.text:
            return nodes.TypeExpr(span, "", (), (nodes.Poison(span),))
        parts = dict(rest)
        return nodes.TypeExpr(span, first.text, parts.get("(", ()), parts.get("["))

    def rule_type_arguments(self, span: Span, kids: Kids) -> tuple[str, tuple[nodes.Expr, ...]]:
        return "(", tuple(kids)

    def rule_type_sizes(self, span: Span, kids: Kids) -> tuple[str, tuple[nodes.Expr, ...]]:
        return "[", tuple(kids)

    # ------------------------------------------------------------ pipelines

    def rule_pipeline(self, span: Span, kids: Kids) -> nodes.Pipeline:
        return nodes.Pipeline(span, tuple(self.step(k) for k in kids))

    def step(self, kid: nodes.Expr | nodes.Step) -> nodes.Step:
        """A step as it came: a pipeline in a pipeline is one labelled step (others are held by a `Paren`)."""
        if isinstance(kid, nodes.Step):
            return kid
        if isinstance(kid, nodes.Pipeline):
            return kid.steps[0]
        return nodes.Step(kid.span, kid)

    def rule_labelled(self, span: Span, kids: Kids) -> nodes.Pipeline:
        return nodes.Pipeline(span, (nodes.Step(span, kids[1], kids[0]),))

    def rule_shape(self, span: Span, kids: Kids) -> nodes.Step:
        return nodes.Step(span, nodes.Shape(span, tuple(kids[1:])))

    def rule_label(self, span: Span, kids: Kids) -> nodes.StepLabel:
        *parts, colon = kids
        until = Span(span.path, span.line, span.column, colon.line, colon.column)
        return nodes.StepLabel(until, tuple(p.text if isinstance(p, Token) else p for p in parts))

    # ------------------------------------------------------------ expressions

    def rule_binary(self, span: Span, kids: Kids) -> nodes.Binary:
        return nodes.Binary(span, kids[1].text, kids[0], kids[2])

    def rule_unary(self, span: Span, kids: Kids) -> nodes.Unary:
        return nodes.Unary(span, kids[0].text, kids[1])

    def rule_range(self, span: Span, kids: Kids) -> nodes.Range:
        return nodes.Range(span, kids[0], kids[-1])

    def rule_attribute(self, span: Span, kids: Kids) -> nodes.Attribute:
        return nodes.Attribute(span, kids[0], kids[1].text[1:])

    def rule_index(self, span: Span, kids: Kids) -> nodes.Index:
        return nodes.Index(span, kids[0], tuple(kids[1:]))

    def rule_slice(self, span: Span, kids: Kids) -> nodes.Slice:
        ends: list[nodes.Expr | None] = [None]
        for kid in kids:
            if isinstance(kid, Token):
                ends.append(None)
            else:
                ends[-1] = kid
        return nodes.Slice(span, *ends)

    def rule_name(self, span: Span, kids: Kids) -> nodes.Expr:
        return nodes.Name(span, kids[0].text)

    def rule_number(self, span: Span, kids: Kids) -> nodes.Expr:
        text = kids[0].text
        if not text:
            return nodes.Poison(span)
        return nodes.Number(span, int(text) if text.isdigit() else float(text))

    def rule_string(self, span: Span, kids: Kids) -> nodes.String:
        return nodes.String(span, kids[0].text)

    def rule_true(self, span: Span, kids: Kids) -> nodes.Bool:
        return nodes.Bool(span, True)

    def rule_false(self, span: Span, kids: Kids) -> nodes.Bool:
        return nodes.Bool(span, False)

    def rule_poison(self, span: Span, kids: Kids) -> nodes.Poison:
        return nodes.Poison(span)

    def rule_call(self, span: Span, kids: Kids) -> nodes.Call:
        callee, *arguments = kids
        given = [k if isinstance(k, nodes.Argument) else nodes.Argument(k.span, k) for k in arguments]
        return nodes.Call(span, self.name(callee), tuple(given))

    def rule_setting_of(self, span: Span, kids: Kids) -> nodes.Argument:
        return nodes.Argument(span, kids[1], kids[0].text, kids[0].span(self.path))

    def rule_list(self, span: Span, kids: Kids) -> nodes.List:
        return nodes.List(span, tuple(kids))

    def rule_paren(self, span: Span, kids: Kids) -> nodes.Paren:
        return nodes.Paren(span, kids[0])

    def rule_if(self, span: Span, kids: Kids) -> nodes.If:
        condition, then, *rest = kids
        otherwise = rest[0] if rest else None
        if isinstance(otherwise, nodes.If | nodes.Poison):  # `else if`, and one that was nested too deep
            otherwise = nodes.Body(otherwise.span, (), otherwise)
        return nodes.If(span, condition, then, otherwise)

    def rule_for(self, span: Span, kids: Kids) -> nodes.For:
        *names, iterable, body = kids
        return nodes.For(span, tuple(self.name(n) for n in names), iterable, body)


def _first(span: Span, word: str) -> Span:
    """The place of the word with which `span` begins."""
    return Span(span.path, span.line, span.column, span.line, span.column + len(word))
