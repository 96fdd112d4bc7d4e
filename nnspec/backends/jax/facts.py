"""What the classes of a program need when they are called: a key, the training flag, their statistics back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.choices import Run
from nnspec.backends.jax.choose import choose
from nnspec.backends.jax.layout import LAYOUTS
from nnspec.backends.jax.written import written
from nnspec.backends.program import Apply, ClassDef, Invoke, Member
from nnspec.backends.values import group_index
from nnspec.passes.cost import batch_of
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.backends.base import Options
    from nnspec.backends.program import Program, Statement
    from nnspec.ir.graph import Graph, Node


class Needs(Record):
    """`training` and `key` are arguments of a call; `own` and `captured` say whose running statistics it returns.

    `captured` are names of forward arguments: layers of an enclosing class that were passed in.
    """

    training: bool = False
    key: bool = False
    own: bool = False
    captured: tuple[str, ...] = ()

    @property
    def stateful(self) -> bool:
        return self.own or bool(self.captured)


class Facts:
    """Computed once for a program: the needs of every class, and which layers are frozen."""

    def __init__(self, program: Program, options: Options) -> None:
        self.program = program
        self.graph: Graph = program.graph
        self.verify = options.verify
        self.for_run = bool(options.choices)  # a file that is run, not compiled to be read
        self.steps, form = forms(program.graph, options)
        self.layout = LAYOUTS[form]
        self.form = self.layout.name if self.layout is not None else ""  # the helpers that the file carries
        self.written = written(program.graph, self.form)
        self.texts = {name: short.text for name, short in self.written.items()}
        self.needs: dict[ClassDef, Needs] = {}
        for definition in [*program.classes, *(m.definition for m in program.objectives)]:
            self.needs[definition] = self._of(definition)

    def _of(self, definition: ClassDef) -> Needs:
        training = key = own = False
        captured: list[str] = []
        for statement in definition.statements():
            if isinstance(statement, Apply):
                training |= self.is_statistic(statement) or self.draws(statement, in_evaluation=False)
                key |= self.draws(statement)
            elif isinstance(statement, Invoke):
                training |= self.needs[statement.definition].training
                key |= self.needs[statement.definition].key
            for member in self.updated(statement):
                if not member.captured:
                    own = True
                elif member.captured not in captured:
                    captured.append(member.captured)
        return Needs(training, key, own, tuple(captured))

    def updated(self, statement: Statement) -> list[Member]:
        """The members whose running statistics a statement moves on, in the order in which it returns them."""
        if isinstance(statement, Apply):
            return [statement.member] if statement.member is not None and self.is_statistic(statement) else []
        if not isinstance(statement, Invoke):
            return []
        needs = self.needs[statement.definition]
        passed = dict(zip(statement.definition.captures, statement.passed, strict=True))
        members = [passed[name] for name in needs.captured]
        return ([statement.member] if needs.own else []) + [m for m in members if isinstance(m, Member)]

    def is_statistic(self, statement: Apply) -> bool:
        """Whether it is a normalisation with running statistics that training moves on."""
        return _buffered(statement) and not all(map(self.is_frozen, statement.use.nodes))

    def draws(self, statement: Apply, in_evaluation: bool = True) -> bool:
        """Whether it needs a key (without `in_evaluation`: whether it draws in training alone)."""
        if not statement.use.op.noisy or self.verify:
            return False
        always = bool(getattr(statement.use.op, "always", False))
        if not always and all(map(self.is_frozen, statement.use.nodes)):
            return False
        return in_evaluation or not always

    def is_frozen(self, node: Node) -> bool:
        """Whether a layer is held still and runs as in evaluation (`optimizer("teacher") = frozen`)."""
        if self.graph.training is None or node.layer is None:
            return False
        index = group_index(self.graph, f"{node.layer.path}.weight")
        return index is not None and self.graph.training.groups[index].optimizer is None


def forms(graph: Graph, options: Options) -> tuple[str, str]:
    """How steps run and how convolutions are computed: as chosen for a run, else as one reads them best.

    What is verified is what a run on a CPU would take.
    """
    if not options.optimize or not (options.choices or options.verify):
        return "loop", "lax"
    default = choose(graph, Run(batch=batch_of(graph)), {})
    found = {choice.what: choice.value for choice in (*default, *options.choices)}
    return found["steps"], found["convolution"]


def _buffered(statement: Apply) -> bool:
    layer = statement.use.layer
    return layer is not None and any(p.role == "buffer" for p in layer.parameters.values())
