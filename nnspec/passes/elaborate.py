"""From the syntax tree of one model to its typed graph: the tree is interpreted with the numbers of this model.

    graph = elaborate(program, model, overrides, reporter)

Blocks, loops and branches are traced with concrete sizes, so every shape is known as soon as a value
exists and `x.channels` is a number. One class grows file by file, each for what it interprets:

    context.py      where items go, what was reported, the limits
    kinds.py        what kind of thing an expression is
    applying.py     an op and its inputs become a node
    settings.py     arguments become settings
    operators.py, indexing.py, expressions.py     values of expressions
    calls.py, blocks.py                           calls of ops and blocks
    skipping.py, layers.py, loops.py, sharing.py  a tensor sent through a layer
    fields.py, bodies.py                          statements
    datablock.py, rates.py, measures.py, training.py   the blocks `data` and `train`
"""

from __future__ import annotations

import gc
import sys
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from nnspec.diagnostics import Reporter
from nnspec.ir.dims import Overlong
from nnspec.ir.graph import Graph, Module
from nnspec.passes import cost
from nnspec.passes.context import MAX_NODES, Frame, GiveUp
from nnspec.passes.estimate import Estimate
from nnspec.passes.lift import lift
from nnspec.passes.lint import lint
from nnspec.passes.naming import NameScope, reserved_names
from nnspec.passes.program import Program
from nnspec.passes.scope import MISSING, Poisoned, ReadingScope, Scope, Thunk
from nnspec.passes.training import TrainBlock
from nnspec.syntax import nodes

COSTS = ("parameters", "macs", "flops", "memory")


def elaborate(
    program: Program, model: nodes.Model, overrides: Mapping[str, object] | None, reporter: Reporter
) -> Graph | None:
    """The typed graph of `model`, or None after reporting why there is none.

    `overrides` are `--set` values by name (syntax trees or plain values); those of the program apply too.
    """
    graph, whole = trace(program, model, overrides, reporter)
    return graph if whole else None


def trace(
    program: Program, model: nodes.Model, overrides: Mapping[str, object] | None, reporter: Reporter
) -> tuple[Graph, bool]:
    """The graph of `model` as far as it goes, and whether that is all of it; as `elaborate` otherwise.

    Raises Abandoned where another thread set `program.abandoned`.
    """
    limit, collecting = sys.getrecursionlimit(), gc.isenabled()
    sys.setrecursionlimit(max(limit, 20_000))
    gc.disable()  # a tree of small objects: collecting while it grows doubles the time
    try:
        elaborator = Elaborator(program, reporter, {**program.settings, **(overrides or {})})
        graph = elaborator.model(model)
        return elaborator.graph, graph is not None
    finally:
        sys.setrecursionlimit(limit)
        if collecting:
            gc.enable()


class Elaborator(TrainBlock):
    """One elaboration. Use `elaborate`."""

    def model(self, model: nodes.Model) -> Graph | None:
        self.requirements, self.unsettled, self.declared, self.skipped = [], {}, [], {}
        self.lists = {}
        self.damaged = self.is_damaged(model)
        root = Module("model", model.name.id, model, "", "", None, model.span)
        self.graph = Graph(root)
        self.graph.path = self.program.main.path
        scope = Scope(model.span.path, self.file_scope(model.span.path))
        self.active.append((model, model.name.id))
        self.frames.append(Frame(root, NameScope(root, reserved=reserved_names(model.body)), None))
        try:
            least = Estimate(self.program, self.overrides).declared(model)
            if least > self.room:
                message = f"the model has at least {least:,} operations, the most is {MAX_NODES:,}{self.together}"
                self.give_up("E0309", model.name.span, message, "fewer repetitions, or smaller blocks")
            self._settings(model, scope)
            self.statements(model.body, scope)
            if model.body.result is not None:
                self.evaluate(model.body.result, scope)
            self._finish(model, scope)
        except GiveUp:
            return None
        except Overlong as error:
            self.error("E0309", self.now, error.message, help="fewer open sizes, or sizes written as numbers")
            return None
        finally:
            self.program.operations += self.count
        if self.broken:
            return None
        if sys.flags.dev_mode:  # python -X dev: the compiler checks itself
            from nnspec.passes.check import check_graph

            check_graph(self.graph)
        lint(self.graph, self.reporter)
        return self.graph

    def is_damaged(self, model: nodes.Model) -> bool:
        """Whether an earlier report may have taken something from this model: not one that another model keeps."""
        if not self.reporter.failed:
            return False
        own = range(model.span.line, model.span.end_line + 1)
        return any(
            d.code.startswith("E01")
            or d.span.path != model.span.path
            or d.span.line in own
            or not self._of_another(model, d.span.line)
            for d in self.reporter.diagnostics
            if d.severity == "error"
        )

    def _of_another(self, model: nodes.Model, line: int) -> bool:
        """Whether another model, or what belongs to another one, stands on a line of the main file."""
        declarations = self.program.main.declarations
        for declared in declarations[: bisect_right(declarations, line, key=lambda d: d.span.line)][::-1]:
            if declared.span.end_line < line:
                return False
            if isinstance(declared, nodes.Model) and declared is not model:
                return True
            named = declared.model if isinstance(declared, nodes.Train | nodes.Data) else None
            if named is not None and named.id != model.name.id:
                return True
        return False

    def _settings(self, model: nodes.Model, scope: Scope) -> None:
        for setting in model.settings:
            name = setting.name.id
            scope.spans[name] = setting.name.span
            expr = self.overrides.get(name, setting.default)
            if expr is None:
                self.error(
                    "E0209",
                    setting,
                    f"{name} of {model.name.id} has no value",
                    help=f"{name} = ..., or --set {name}=...",
                )
                scope.names[name] = Poisoned()
                continue
            scope.names[name] = Thunk(expr, scope, "setting")
        self.settings_of(self.graph.root, model, scope)

    def _finish(self, model: nodes.Model, scope: Scope) -> None:
        """What is decided when the whole body is known."""
        root, graph = self.graph.root, self.graph
        self._blocks(model, scope)
        self._prune_declares()
        root.outputs = list(graph.outputs.values())
        root.inputs = [f.value for f in graph.fields if f.role == "input"]
        if not graph.outputs and not self.incomplete:
            self.error(
                "E0209",
                model.name,
                f"{model.name.id} has no output",
                help="output y = ... says what the model computes",
            )
        self.frame.items = []  # nothing that follows belongs to the model
        if not self.broken:
            lift(graph)
        self._check_requirements()

    def _blocks(self, model: nodes.Model, scope: Scope) -> None:
        """The `train` and `data` blocks of the model."""
        train, data = self.program.train_for(model), self.program.data_for(model)
        whole = not self.incomplete  # what follows may be broken, the fields are known
        if train is not None:
            self.graph.training = self.train(train, scope)
        if data is not None:
            self.graph.data = self.data(data)
            if self.graph.data is not None:
                self.fits_model(data, self.graph.data, whole)

    def _prune_declares(self) -> None:
        for items, declare, instance in self.declared:
            if instance.bound is None or declare.target is instance.module:
                items[:] = [item for item in items if item is not declare]
            if instance.bound is None and not self.incomplete:
                self.reporter.warning("W0203", instance.span, f"the layer {instance.name} is never used")

    def _check_requirements(self) -> None:
        costs: dict[str, Any] = {}

        def read(name: str) -> Any:
            if name not in COSTS or self.incomplete:
                return MISSING
            if not costs:
                costs.update(cost.totals(self.graph))
            return costs[name]

        for requirement in self.requirements:
            scope = ReadingScope(requirement.scope.path, None, read, lambda: list(COSTS))
            under: Scope = requirement.scope
            chain = Scope(under.path, under)
            for name in COSTS:
                if under.find(name) is MISSING and (found := scope.look(name)) is not MISSING:
                    chain.names[name] = found
            if all(under.find(n) is not MISSING or n in chain.names for n in _cost_names(requirement.condition)):
                self.check_requirement(requirement, chain)


def _cost_names(expr: Any) -> set[str]:
    """Which costs a condition reads."""
    found: set[str] = set()
    stack = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.Name) and node.id in COSTS:
            found.add(node.id)
        elif isinstance(node, nodes.Node):
            stack += [getattr(node, name) for name in node._fields if name != "span"]
        elif isinstance(node, tuple):
            stack += node
    return found
