"""What the registries know of a name, in the one form that the static checker reads: a `Signature`.

Blocks and models of the spec and ops, initialisers, optimizers and schedules of nnspec all have tensor
places and settings; here the difference ends.
"""

from __future__ import annotations

from typing import Any

from nnspec.ops import registry as ops
from nnspec.ops import signature as declared_by
from nnspec.optim import registry as optim
from nnspec.record import Record
from nnspec.syntax import nodes

# Functions of numbers that are no ops, or are arithmetic when all their arguments are numbers.
NUMERIC = ("min", "max", "round", "floor", "ceil", "abs", "sqrt", "exp", "log")
# Selections of parameters, for regularisers.
SELECTIONS = ("weights", "parameters")
# Words that call like a layer and are none.
BUILT_IN = ("repeat",)


class Setting(Record):
    """One setting: the alternatives of its annotation, its bare words, whether it must be given."""

    name: str
    needed: bool
    parts: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def initialiser(self) -> bool:
        return "Init" in self.parts or "Initialiser" in self.parts

    @property
    def only_words(self) -> bool:
        return bool(self.words) and not self.parts


class Signature(Record):
    """What a call of `name` takes. `user` marks blocks and models, `span` is where such a one is declared."""

    name: str
    tensors: tuple[str, ...]
    settings: tuple[Setting, ...]
    variadic: bool = False
    elementwise: bool = False
    user: bool = False
    span: Any = None

    def required(self) -> list[str]:
        return [s.name for s in self.settings if s.needed]

    def takes_word(self, word: str) -> bool:
        """Whether a bare word may fill a setting by position."""
        if any(word in s.words for s in self.settings):
            return True
        return any(s.initialiser for s in self.settings) and of_initialiser(word) is not None and of_op(word) is None

    def usage(self) -> str:
        """`Up(x, skip; width, stride = ...)` in short: what may be given."""
        settings = [s.name if s.needed else f"{s.name} = ..." for s in self.settings][:6]
        tensors = ", ".join(self.tensors) + (", ..." if self.variadic else "")
        inside = "; ".join(part for part in (tensors, ", ".join(settings)) if part)
        return f"it is {self.name}({inside})"

    def example(self) -> str:
        return f"{self.name}({', '.join(self.required())})"


def of_block(declared: nodes.Block | nodes.Model) -> Signature:
    """A block; or a model, whose inputs are its tensors."""
    if isinstance(declared, nodes.Block):
        tensors = tuple(t.id for t in declared.tensors)
    else:
        tensors = tuple(s.name.id for s in declared.body.statements if isinstance(s, nodes.Input))
    settings = tuple(Setting(s.name.id, s.default is None) for s in declared.settings)
    return Signature(declared.name.id, tensors, settings, user=True, span=declared.name.span)


def of_op(name: str) -> Signature | None:
    """A layer or function of the registry, a block of the prelude, or a regulariser."""
    row = ops.lookup(name)
    if row is None:
        return _of_regulariser(name)
    op = row.op if row.kind == "op" else None
    return _signature(name, row.signature, bool(op and (op.elementwise or op.family == "loss")))


def is_op(name: str) -> bool:
    """Without reading the op."""
    return name in ops.names()


def of_initialiser(name: str) -> Signature | None:
    return _of_class(name, ops.initialiser(name))


def of_optimizer(name: str) -> Signature | None:
    return _of_class(name, optim.optimizer(name))


def of_schedule(name: str) -> Signature | None:
    return _of_class(name, optim.schedule(name))


def of_metric(name: str) -> Signature | None:
    return _of_class(name, optim.metric(name))


_signatures: dict[str, Signature] = {}


def _of_class(name: str, cls: type[Record] | None) -> Signature | None:
    return (
        None
        if cls is None
        else _signature(f"{name} of {cls.__module__}", declared_by.signature_of(cls)).replace(name=name)
    )


def _signature(key: str, found: declared_by.Signature, elementwise: bool = False) -> Signature:
    if key not in _signatures:
        settings = tuple(Setting(s.name, s.required, s.kinds, s.choices) for s in found.settings)
        _signatures[key] = Signature(key, found.tensors, settings, found.variadic, elementwise)
    return _signatures[key]


def regularisers() -> tuple[str, ...]:
    return ops.regularisers()


def _of_regulariser(name: str) -> Signature | None:
    """`l2(weights)`: the selection counts as its tensor."""
    return Signature(name, ("weights",), ()) if name in ops.regularisers() else None


def op_names() -> tuple[str, ...]:
    return (*ops.names(), *ops.regularisers(), *BUILT_IN)


def initialiser_names() -> tuple[str, ...]:
    return tuple(ops.initialisers())


def other_kind(name: str) -> str:
    """What a name of another table stands for, as "an initialiser"; "" for one that is in none."""
    tables = (
        ("an initialiser", initialiser_names),
        ("an optimizer", optimizer_names),
        ("a schedule", schedule_names),
        ("a metric", metric_names),
    )
    return next((kind for kind, names in tables if name in names()), "")


def optimizer_names() -> tuple[str, ...]:
    return tuple(optim.optimizers())


def schedule_names() -> tuple[str, ...]:
    return tuple(optim.schedules())


def metric_names() -> tuple[str, ...]:
    return tuple(optim.metrics())


_words: set[str] = set()


def is_word_or_table_name(name: str) -> bool:
    """Whether a name means something in some position: a bare word of a setting, an initialiser, an optimizer.

    Asked only about names that are nothing else, because it reads every op.
    """
    if not _words:
        _words.update(("uniform", "log_uniform", "none", "same", "frozen", "standard", "minmax", "full", "loss"))
        _words.update(initialiser_names(), optimizer_names(), schedule_names(), metric_names())
        for op in ops.names():
            signature = of_op(op)
            _words.update(word for s in (signature.settings if signature else ()) for word in s.words)
    return name in _words
