"""The static checker of calls: places and settings, by the rules of decision 1.

Tensors fill tensor places, then the rest fills settings. A step gets its first tensor from the pipe;
elsewhere a call whose first place alone is empty is a layer. Where the kind of an argument cannot be
told, the count that is kindest to the author is assumed: the elaborator knows better.
"""

from __future__ import annotations

from nnspec.diagnostics import Label, Span
from nnspec.passes import resolve_tables as tables
from nnspec.passes.resolve_expr import Checker
from nnspec.passes.resolve_scope import (
    A_KIND,
    ANY,
    BOOL,
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
from nnspec.passes.resolve_tables import Setting, Signature
from nnspec.suggest import did_you_mean, either
from nnspec.syntax import nodes

# Which kinds a setting takes, by the name of its annotation (see nnspec.ops.base); others take anything.
TAKES: dict[str, tuple[str, ...]] = {
    "bool": (BOOL,),
    "Size": (NUMBER,),
    "Whole": (NUMBER,),
    "Integer": (NUMBER,),
    "Real": (NUMBER,),
    "Probability": (NUMBER,),
    "Positive": (NUMBER,),
    "Axis": (NUMBER,),
    "int": (NUMBER,),
    "float": (NUMBER,),
    "Sizes": (NUMBER, LIST),
    "Axes": (NUMBER, LIST),
    "Parts": (NUMBER, LIST),
    "Shape": (LIST, NUMBER),
    "Numbers": (NUMBER, LIST),
    "Reals": (NUMBER, LIST),
}


# What other languages call things that have no near name here.
_FOREIGN = {
    "range": "a range is written 0..2, both ends included",
    "len": "x.length is the size of the first axis, x.size counts all entries",
    "print": "nnspec summary shows every layer with its shape",
}


class CallChecker(Checker):
    """A Checker that knows calls."""

    def call(self, e: nodes.Call, names: Names, *, step: bool = False, free: bool = False) -> str:
        if id(e) in self.program.poisoned:
            return ANY
        if not step or id(e) not in self.kinds:
            self.kinds[id(e)] = self._call(e, names, step, free)
        return self.kinds[id(e)]

    def _call(self, e: nodes.Call, names: Names, step: bool, free: bool) -> str:
        name = e.callee.id
        local = names.find(name)
        if local is not None and local.kind in (*LAYERS, ANY):
            return self.named_layer(e, local, names, step)
        if name == "repeat" and self.program.callable(self.path, name) is None:
            return self.repeat(e, names, step)
        if name in tables.NUMERIC and not step and (kind := self.arithmetic(e, names)):
            return kind
        signature = self.signature(name)
        if signature is not None and signature.user and self.has_broken_head(name):
            self.arguments(e, names, free=True)
            return self.silence(e)
        if signature is not None:
            return self.apply(e, signature, names, step)
        if local is None and (let := self.program.let(self.path, name)) is not None:
            local = self.let(let)
        if local is not None and local.kind in (*LAYERS, ANY):
            return self.named_layer(e, local, names, step)
        if local is not None:
            return self.not_callable(e, local, names)
        if name in tables.SELECTIONS or (free and tables.is_word_or_table_name(name)):
            self.arguments(e, names, free=True)
            return ANY
        self.arguments(e, names, free=True)
        if self.lost.may_hold(self.path, name):
            return self.silence(e)
        help = _FOREIGN.get(name) or did_you_mean(name, self.callables() + names.all_names(*LAYERS))
        if self.far(help):
            return self.silence(e)
        return self.error("E0202", e, f"unknown layer {name}", help=help, span=e.callee.span)

    def not_callable(self, e: nodes.Call, known: Known, names: Names) -> str:
        self.arguments(e, names)
        help = f"{e.callee.id}[...] reads a part of it" if known.kind in (TENSOR, LIST) else ""
        labels = (Label(known.span, "made here"),) if known.span is not None else ()
        message = f"{e.callee.id} is {A_KIND[known.kind]}, it cannot be called"
        return self.error("E0222", e, message, help=help, labels=labels, span=e.callee.span)

    def arguments(self, e: nodes.Call, names: Names, *, free: bool = False) -> list[str]:
        """The kinds of the positional arguments; the others are checked too."""
        kinds = [(a.name, self.kind(a.value, names, free=free)) for a in e.arguments]
        return [kind for name, kind in kinds if not name]

    def named_layer(self, e: nodes.Call, known: Known, names: Names, step: bool) -> str:
        """`enc(x)` is `x -> enc`; a layer that has a name has its settings already."""
        kinds = self.arguments(e, names, free=True)
        if known.kind in LAYERS and any(kind in (NUMBER, BOOL, LIST) for kind in kinds):
            labels = (Label(known.span, "made here"),) if known.span is not None else ()
            message = f"{e.callee.id} is a layer with its settings, a use gives it tensors only"
            return self.error(
                "E0208", e, message, labels=labels, help=f"a block takes settings: block {e.callee.id}(x; n) {{ ... }}"
            )
        return TENSOR if TENSOR in kinds and known.kind in LAYERS else ANY

    def repeat(self, e: nodes.Call, names: Names, step: bool) -> str:
        positional = [a for a in e.arguments if not a.name]
        if len(positional) != 2 or len(e.arguments) != 2:
            self.arguments(e, names)
            return self.error(
                "E0208", e, "repeat takes a number and a layer", help="as in repeat(3, dense(10) -> relu)"
            )
        count, layer = positional
        if self.kind(count.value, names) in LAYERS and self.kind(layer.value, names) in (NUMBER, ANY):
            help = f"repeat({self._excerpt(layer.value.span) or 'n'}, {self._excerpt(count.value.span) or '...'})"
            return self.error("E0207", e, "repeat takes the number first, then the layer", help=help)
        self.expect(
            count.value, names, (NUMBER,), "the first argument of repeat", help="as in repeat(3, dense(10) -> relu)"
        )
        kind = self.kind(layer.value, names)
        if kind in (TENSOR, *PLAIN):
            help = "leave out the tensor that it starts with: x -> repeat(3, dense(10))" if kind == TENSOR else ""
            self.error("E0222", layer.value, f"repeat chains copies of a layer, this is {A_KIND[kind]}", help=help)
        return LAYER

    def arithmetic(self, e: nodes.Call, names: Names) -> str:
        """NUMBER for `max(a, b)` of numbers; an empty string where the op of that name is meant."""
        if any(a.name for a in e.arguments):
            return ""
        kinds = self.arguments(e, names)
        if kinds and all(kind == NUMBER for kind in kinds):
            return NUMBER
        if tables.of_op(e.callee.id) is None:
            wrong = next((a for a, kind in zip(e.arguments, kinds, strict=True) if kind not in (NUMBER, ANY)), None)
            if wrong is not None:
                kind = kinds[e.arguments.index(wrong)]
                self.error("E0207", wrong.value, f"{e.callee.id} takes numbers, this is {A_KIND[kind]}")
            return ANY if kinds else self.error("E0208", e, f"{e.callee.id} needs a number")
        return ANY if ANY in kinds and TENSOR not in kinds else ""

    # ------------------------------------------------------------ places and settings

    def apply(self, e: nodes.Call, signature: Signature, names: Names, step: bool) -> str:
        """A call of a block, a model or an op."""
        positional = [a.value for a in e.arguments if not a.name]
        if e.callee.id in tables.regularisers() and any(isinstance(value, nodes.String) for value in positional):
            pattern = next(value.value for value in positional if isinstance(value, nodes.String))
            message = f"{e.callee.id} takes the parameters it is of, this is a string"
            return self.error("E0207", e, message, help=f'{e.callee.id}(weights("{pattern}"))')
        kinds = [self.positional(value, signature, names) for value in positional]
        named = self.named(e, signature, names)
        places = [t for t in signature.tensors[1 if step else 0 :] if t not in named]
        tensors, unknown = kinds.count(TENSOR), kinds.count(ANY)
        count = len(positional)
        if signature.variadic:
            return self.variadic(e, signature, kinds, named, step)
        if tensors > len(places):
            extra = [v for v, kind in zip(positional, kinds, strict=True) if kind == TENSOR][len(places)]
            if signature.settings and self.wants_a_number(extra, names) is not None:
                return self.silence(e)
            return self.too_many_tensors(e, signature, extra, tensors, len(places), step)
        if (late := _late_tensor(kinds, signature)) is not None:
            message = f"a tensor of {signature.name} stands after a setting"
            texts = [self._excerpt(value.span) or "..." for value in positional]
            ordered = [t for _, t in sorted(zip(kinds, texts, strict=True), key=lambda pair: pair[0] != TENSOR)]
            help = f"tensors come first: {signature.name}({', '.join(ordered)})"
            return self.miscounted(e, message, help, signature, positional[late].span)
        if count > len(places) + len(signature.settings):
            return self.too_many(e, signature, count, len(places))
        # A number may stand for a tensor in elementwise ops: there only an upper count of settings is known.
        numbers = kinds.count(NUMBER) if signature.elementwise or len(signature.tensors) > 1 else 0
        present = tensors + unknown + numbers
        least = len(places) if step else len(places) - 1
        if present < least:
            return self.lacks_tensors(e, signature, tensors + unknown, step)
        at_most = [s.name for s in signature.settings[: count - tensors]]
        surely = count - tensors if not unknown and not numbers else max(0, count - len(places))
        at_least = [s.name for s in signature.settings[:surely]]
        for argument in e.arguments:
            if argument.name in at_least:
                message = f"{argument.name} of {signature.name} is given twice, by position and by name"
                return self.miscounted(e, message, signature.usage(), signature, argument.span, "E0225")
        missing = [s for s in signature.required() if s not in at_most and s not in named]
        if missing:
            return self.lacks_settings(e, signature, missing)
        if not unknown and not numbers:
            self.kinds_of_settings(e, signature, positional, kinds)
        if step:
            return TENSOR
        if not signature.tensors or tensors >= len(places):
            return TENSOR
        if unknown or numbers:
            return ANY
        return LAYER

    def positional(self, value: nodes.Expr, signature: Signature, names: Names) -> str:
        """The kind of a positional argument; a bare word or an initialiser may fill a setting that takes one."""
        word = value.callee.id if isinstance(value, nodes.Call) else value.id if isinstance(value, nodes.Name) else ""
        if word and names.find(word) is None and signature.takes_word(word):
            if isinstance(value, nodes.Call):
                self.arguments(value, names, free=True)
            return ANY
        choices = [s for s in signature.settings if s.only_words]
        if len(choices) == 1 and isinstance(value, nodes.Name) and not self.known_at_all(value.id, names):
            self.unknown_word(value, choices[0], f"{choices[0].name} of {signature.name}", names)
            return ANY
        return self.kind(value, names, free=signature.user)

    def named(self, e: nodes.Call, signature: Signature, names: Names) -> set[str]:
        """Checks the arguments with a name, and answers which names are filled."""
        known = {s.name: s for s in signature.settings}
        found: set[str] = set()
        for argument in e.arguments:
            if not argument.name:
                continue
            if argument.name in found:
                self.error(
                    "E0225", argument, f"{argument.name} is given twice", span=argument.name_span or argument.span
                )
            elif argument.name in known:
                self.setting(argument.value, known[argument.name], signature, names)
            elif argument.name in signature.tensors:
                self.expect(argument.value, names, (TENSOR, NUMBER), f"{argument.name} of {signature.name}")
            else:
                self.unknown_setting(argument, signature, names)
                if argument.name_span is not None:
                    self.program.poisoned.add(id(e))
            found.add(argument.name)
        return found

    def unknown_setting(self, argument: nodes.Argument, signature: Signature, names: Names) -> None:
        self.kind(argument.value, names, free=True)
        known = [s.name for s in signature.settings]
        accepted = f"{signature.name} takes {', '.join(known)}" if known else f"{signature.name} has no settings"
        meant = did_you_mean(argument.name, known)
        help = f"{meant} {accepted}" if meant else accepted
        span = argument.name_span or argument.span
        self.error("E0203", argument, f"unknown setting {argument.name} of {signature.name}", help=help, span=span)

    def setting(self, value: nodes.Expr, setting: Setting, signature: Signature, names: Names) -> None:
        """Checks the value of one setting against its declared kind."""
        what = f"{setting.name} of {signature.name}"
        if setting.initialiser:
            self.initialiser(value, what, names)
            return
        if isinstance(value, nodes.Name) and value.id in setting.words and names.find(value.id) is None:
            return
        if isinstance(value, nodes.Name) and setting.words and not self.known_at_all(value.id, names):
            self.unknown_word(value, setting, what, names)
            return
        kind = self.kind(value, names, free=signature.user or not setting.parts)
        self.kind_of_setting(value, kind, setting, signature)

    def unknown_word(self, value: nodes.Name, setting: Setting, what: str, names: Names) -> None:
        if self.lost.may_hold(self.path, value.id):
            self.silence(value)
            return
        known = (*setting.words, *(() if setting.only_words else names.all_names(NUMBER, LIST, ANY)))
        help = did_you_mean(value.id, known, f"one of {', '.join(setting.words)}" if setting.only_words else "")
        self.error("E0217", value, f"{what} cannot be {value.id}", help=help)

    def kind_of_setting(self, value: nodes.Expr, kind: str, setting: Setting, signature: Signature) -> None:
        allowed = [k for part in setting.parts for k in TAKES.get(part, (kind,))]
        if kind == ANY or kind in allowed or not (setting.parts or setting.words):
            return
        what = f"{setting.name} of {signature.name}"
        if setting.only_words:
            self.error("E0217", value, f"{what} is {either(setting.words)}, this is {A_KIND[kind]}")
            return
        wanted = either(dict.fromkeys([*setting.words, *(A_KIND[k] for k in allowed)]))
        help = (
            f"write {setting.name} = {value.value}, without quotes"
            if isinstance(value, nodes.String) and setting.words
            else ""
        )
        self.error("E0207", value, f"{what} is {wanted}, this is {A_KIND[kind]}", help=help)

    def kinds_of_settings(
        self, e: nodes.Call, signature: Signature, positional: list[nodes.Expr], kinds: list[str]
    ) -> None:
        """Positional settings, where it is certain which argument fills which."""
        rest = [(value, kind) for value, kind in zip(positional, kinds, strict=True) if kind != TENSOR]
        for (value, kind), setting in zip(rest, signature.settings, strict=False):
            if not setting.initialiser:
                self.kind_of_setting(value, kind, setting, signature)

    def initialiser(self, e: nodes.Expr, what: str, names: Names) -> str:
        """`glorot_uniform`, `normal(0.01)`, or a name that stands for one."""
        name = e.id if isinstance(e, nodes.Name) else e.callee.id if isinstance(e, nodes.Call) else ""
        if not name or names.find(name) is not None:
            kind = self.kind(e, names, free=True)
            if kind in (NUMBER, BOOL, LIST, STRING):
                help = f"constant({e.value})" if isinstance(e, nodes.Number) else ""
                return self.error("E0207", e, f"{what} is an initialiser, this is {A_KIND[kind]}", help=help)
            return ANY
        signature = tables.of_initialiser(name)
        if signature is None and self.program.let(self.path, name) is not None:
            return self.kind(e, names, free=True)
        if signature is None:
            help = did_you_mean(name, tables.initialiser_names(), f"known: {', '.join(tables.initialiser_names())}")
            message = (
                f"{name} is a layer, not an initialiser" if self.signature(name) else f"unknown initialiser {name}"
            )
            return self.error("E0218", e, message, help=help)
        if isinstance(e, nodes.Call):
            self.apply(e, signature, names, False)
        elif signature.required():
            missing = ", ".join(signature.required())
            return self.error("E0209", e, f"{name} needs its {missing}", help=f"as in {signature.example()}")
        return ANY

    # ------------------------------------------------------------ what a call lacks or has too much of

    def variadic(self, e: nodes.Call, signature: Signature, kinds: list[str], named: set[str], step: bool) -> str:
        """A call that takes any number of tensors: a layer only as a step."""
        missing = [s for s in signature.required() if s not in named]
        if missing and not any(kind in (NUMBER, BOOL, LIST, ANY) for kind in kinds):
            return self.lacks_settings(e, signature, missing)
        if not kinds and not step:
            return self.error("E0226", e, f"{signature.name} needs tensors", help=f"{signature.name}(a, b)")
        return TENSOR

    def too_many_tensors(
        self,
        e: nodes.Call,
        signature: Signature,
        extra: nodes.Expr,
        tensors: int,
        places: int,
        step: bool,
    ) -> str:
        given = tensors + step
        message = f"{signature.name} takes {_count(len(signature.tensors), 'tensor')}, this gives it {given}"
        help = "the step already gets the tensor before ->" if step and places == 0 else signature.usage()
        return self.miscounted(e, message, help, signature, extra.span, "E0226")

    def miscounted(
        self,
        e: nodes.Call,
        message: str,
        help: str,
        signature: Signature,
        span: Span | None = None,
        code: str = "E0208",
    ) -> str:
        """A wrong number of arguments: nothing is said about the single ones."""
        for argument in e.arguments:
            self.program.poisoned.update((id(argument), id(argument.value)))
        return self.error(code, e, message, help=help, labels=_origin(signature), span=span)

    def too_many(self, e: nodes.Call, signature: Signature, count: int, places: int) -> str:
        most = places + len(signature.settings)
        message = f"{signature.name} takes {'at most ' if most else ''}{_count(most, 'argument')} here, got {count}"
        return self.miscounted(e, message, signature.usage(), signature)

    def lacks_tensors(self, e: nodes.Call, signature: Signature, present: int, step: bool) -> str:
        here = present + (1 if step else 0)
        message = f"{signature.name} takes {_count(len(signature.tensors), 'tensor')}, this gives it {here}"
        return self.error("E0226", e, message, help=signature.usage(), labels=_origin(signature))

    def lacks_settings(self, e: nodes.Call, signature: Signature, missing: list[str]) -> str:
        *rest, last = missing
        names = f"{', '.join(rest)} and {last}" if rest else last
        help = signature.usage()
        return self.error("E0209", e, f"{signature.name} needs its {names}", help=help, labels=_origin(signature))


def _origin(signature: Signature) -> tuple[Label, ...]:
    return (Label(signature.span, "declared here"),) if signature.span is not None else ()


def _late_tensor(kinds: list[str], signature: Signature) -> int | None:
    """The first tensor behind what can only be a setting."""
    settings = (
        (BOOL, LIST, STRING) if signature.elementwise or len(signature.tensors) > 1 else (NUMBER, BOOL, LIST, STRING)
    )
    first = next((i for i, kind in enumerate(kinds) if kind in settings), len(kinds))
    return next((i for i, kind in enumerate(kinds) if kind == TENSOR and i > first), None)


def _count(n: int, word: str) -> str:
    return f"{n or 'no'} {word}{'' if n == 1 else 's'}"
