"""`gradients`, `train_step` and `train_steps`: what is done with the objectives and the optimizer, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.choices import value_of
from nnspec.backends.objectives import print_objective_of
from nnspec.backends.source import Writer, literal
from nnspec.backends.values import micro_batch, reference_field, trainable

if TYPE_CHECKING:
    from nnspec.backends.base import Options
    from nnspec.backends.program import Program


class StepPrinter:
    """`kind` is the type of the optimizer, `start` puts the model in training, `seed` starts the noise of a step.

    The text of a run saves what a reader would not miss, and has a form that torch.compile can be given where that
    was chosen. With several objectives a step makes an update for each; with `accumulate` an update follows the mean
    gradient of several batches.
    """

    def __init__(self, program: Program, kind: str, start: str, seed: str, options: Options) -> None:
        assert program.training is not None
        self.program = program
        self.model = program.root.name
        self.kind, self.start, self.seed = kind, start, seed
        self.planned, self.run = bool(options.optimize), bool(options.choices)
        self.trains = bool(trainable(program.graph))  # else there is nothing to differentiate by
        compiled = value_of(options.choices, "step") == "compile" and self.trains
        self.several = len(program.objectives) > 1
        self.listed = kind.startswith(("list", "dict"))
        self.part = micro_batch(program.training)  # examples at a time; 0: the whole batch
        self.whole = compiled and not (self.several or self.part)  # one `backward`, which torch.compile takes whole

    def print(self, out: Writer) -> None:
        if self.several:
            self.print_objectives(out)
        self.print_gradients(out)
        if self.whole:
            self.print_backward(out)
        self.print_step(out)
        self.print_steps(out)

    # ---------------------------------------------------------------- objectives

    def print_objectives(self, out: Writer) -> None:
        pairs = [f"{literal(m.objective.pattern)}: loss{m.suffix}" for m in self.program.objectives]
        out.blank(2)
        out.line(f"OBJECTIVES = {{{', '.join(pairs)}}}")
        print_objective_of(self.program, out)

    def value(self, batch: str, step: str = "step", loss: str = "") -> str:
        loss = loss or ("OBJECTIVES[objective]" if self.several else "loss")
        return f"{loss}(model, {batch}, {step})"

    # ---------------------------------------------------------------- gradients

    def print_gradients(self, out: Writer) -> None:
        out.blank(2)
        first = literal(self.program.objectives[0].objective.pattern)
        given = f"step: int = 1{f', objective: str = {first}' if self.several else ''}"
        results = "tuple[Tensor, Tensors]"
        with out.indented(f"def gradients(model: {self.model}, batch: Tensors, {given}) -> {results}:"):
            if self.several:
                out.docstring("An objective of a batch and its gradient by every parameter that is updated for it.")
            else:
                out.docstring("The loss of a batch and its gradient by every trained parameter.")
            out.line(self.start)
            if self.seed:
                out.line(self.seed)
            out.line(f"value = {self.value('batch')}")
            if not self.trains:
                out.line("return value.detach(), {}")
                return
            own = " and objective_of(n) == objective" if self.several else ""
            out.line(f"named = {{n: p for n, p in model.named_parameters() if p.requires_grad{own}}}")
            out.line("found = torch.autograd.grad(value, list(named.values()), materialize_grads=True)")
            out.line("return value.detach(), dict(zip(named, found))")

    def print_backward(self, out: Writer) -> None:
        out.blank(2)
        with out.indented(f"def backward(model: {self.model}, batch: Tensors, step: int) -> Tensor:"):
            out.docstring("The loss of a batch, its gradient left in the parameters: what torch.compile takes whole.")
            out.line("value = loss(model, batch, step)")
            out.line("value.backward()")
            out.line("return value.detach()")

    # ---------------------------------------------------------------- one step

    def print_step(self, out: Writer) -> None:
        out.blank(2)
        head = f"model: {self.model}, optimizer: {self.kind}"
        with out.indented(f"def train_step({head}, batch: Tensors, lr: list[float], step: int) -> Tensor:"):
            if self.several:
                out.docstring("An update for each objective from one batch, in order; `lr` has a rate for each group.")
            else:
                out.docstring("One update from one batch; `lr` has a rate for each group of parameters.")
            if self.run:  # a walk over all modules is worth saving in a small model
                with out.indented("if not model.training:"):
                    out.line(self.start)
            else:
                out.line(self.start)
            if not self.several:
                self.print_update(out)
                return
            out.line("values = []")
            with out.indented("for objective, loss in OBJECTIVES.items():"):
                self.print_update(out, "loss")
            out.line("return torch.stack(values)")

    def print_update(self, out: Writer, loss: str = "") -> None:
        if self.seed:
            out.line(self.seed)
        self.print_zero(out)
        result = "value.detach()"
        if self.part:
            self.print_parts(out, loss)
            result = "total"
        elif self.whole:
            out.line("value = backward(model, batch, step)")
            result = "value"
        else:
            out.line(f"value = {self.value('batch', loss=loss)}")
            self.print_reverse(out)
        if self.several:
            out.line("update(optimizer, lr, objective)")
            out.line(f"values.append({result})")
        else:
            out.line("update(optimizer, lr)")
            out.line(f"return {result}")

    def print_zero(self, out: Writer) -> None:
        if not self.trains:
            return
        if not self.planned and not self.several:
            out.line("model.zero_grad()")
        elif self.listed:
            own = "optimizer[objective]" if self.several else "optimizer"
            with out.indented(f"for one in {own}:"):
                out.line("one.zero_grad()")
        else:
            out.line("optimizer.zero_grad()")

    def print_reverse(self, out: Writer) -> None:
        """Leave gradients in the parameters of the objective, and in no others."""
        if not self.trains:
            return
        if self.several:
            out.line("value.backward(inputs=[p for one in optimizer[objective] for p in one.params])")
        else:
            out.line("value.backward()")

    def print_parts(self, out: Writer, loss: str = "") -> None:
        """Add up the gradients of `accumulate` batches, each with its share of all examples."""
        first = reference_field(self.program)
        out.line("total = torch.zeros(())")
        out.line(f"size = len(batch[{literal(first)}])")
        with out.indented(f"for start in range(0, size, {self.part}):"):
            out.line(f"part = {{name: values[start : start + {self.part}] for name, values in batch.items()}}")
            out.line(f"value = {self.value('part', loss=loss)} * (len(part[{literal(first)}]) / size)")
            self.print_reverse(out)
            out.line("total = total + value.detach()")

    # ---------------------------------------------------------------- many steps

    def print_steps(self, out: Writer) -> None:
        out.blank(2)
        head = f"model: {self.model}, optimizer: {self.kind}"
        given = "data: Tensors, order: Tensor, lr: list[list[float]], first_step: int = 1"
        with out.indented(f"def train_steps({head}, {given}) -> Tensor:"):
            rows = "batches" if self.part else "a batch"
            out.docstring(
                f"A step for each row of `order`, which holds the examples of {rows}; the losses of each."
                if self.several
                else f"One update for each row of `order`, which holds the examples of {rows}; their losses."
            )
            out.line("losses = []")
            with out.indented("for step, (rows, rates) in enumerate(zip(order, lr), first_step):"):
                taken = "values.index_select(0, rows)" if self.planned else "values[rows]"
                out.line(f"batch = {{name: {taken} for name, values in data.items()}}")
                out.line("losses.append(train_step(model, optimizer, batch, rates, step))")
            out.line("return torch.stack(losses)")
