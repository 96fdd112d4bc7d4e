"""`gradients`, `train_step` and `train_steps` of the textbook form; of several objectives, and of parts of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.source import Writer, literal
from nnspec.backends.values import micro_batch, reference_field

if TYPE_CHECKING:
    from nnspec.backends.numpy.training import Functions


class StepPrinter:
    """With several objectives a step makes an update for each; with `accumulate` an update follows the mean gradient
    of several batches."""

    def __init__(self, beside: Functions) -> None:
        assert beside.program.training is not None
        self.beside = beside
        self.program = beside.program
        self.several = beside.several
        self.part = micro_batch(beside.program.training)
        self.kind = "dict[str, list[Optimizer]]" if self.several else "list[Optimizer]"
        self.head = f"model: {beside.model}, optimizer: {self.kind}"

    def print(self, out: Writer) -> None:
        out.blank(2)
        given = f"{self.head}, batch: dict[str, Array], lr: Sequence[float], step: int"
        with out.indented(f"def train_step({given}) -> {'list[float]' if self.several else 'float'}:"):
            if not self.several:
                out.docstring("One update from one batch; `lr` has a rate for each group of parameters.")
                self.print_update(out)
            else:
                out.docstring("An update for each objective from one batch, in order; `lr` has a rate for each group.")
                out.line("values = []")
                with out.indented("for objective, (loss, backward) in OBJECTIVES.items():"):
                    self.print_update(out)
                out.line("return values")
        out.blank(2)
        given = f"{self.head}, data: dict[str, Array], order: Array, lr: Array, first_step: int = 1"
        with out.indented(f"def train_steps({given}) -> Array:"):
            what = "A step" if self.several else "One update"
            rows = "batches" if self.part else "a batch"
            out.docstring(f"{what} for each row of `order`, the examples of {rows}; their losses.")
            shape = "(len(order), len(OBJECTIVES))" if self.several else "len(order)"
            out.line(f"losses = np.empty({shape})")
            with out.indented("for k, (rows, rates) in enumerate(zip(order, lr)):"):
                out.line("batch = {name: values[rows] for name, values in data.items()}")
                out.line("losses[k] = train_step(model, optimizer, batch, rates, first_step + k)")
            out.line("return losses")

    def print_update(self, out: Writer) -> None:
        if self.several:  # every gradient is added to, also of what other objectives are for
            with out.indented("for parameter in named_parameters(model).values():"):
                out.line("parameter.grad[...] = 0.0")
        else:
            with out.indented("for one in optimizer:"):
                out.line("one.zero_gradients()")
        result = "value"
        if self.part:
            result = "total"
            first = literal(reference_field(self.program))
            out.line("total = 0.0")
            out.line(f"size = len(batch[{first}])")
            with out.indented(f"for start in range(0, size, {self.part}):"):
                out.line(f"part = {{name: values[start : start + {self.part}] for name, values in batch.items()}}")
                out.line(f"share = len(part[{first}]) / size")
                step = "step + start * 2**32" if self.beside.rng else "step"  # noise of its own
                out.line(f"value, cache = loss(model, part, {step}, training=True)")
                out.line("backward(model, np.full_like(value, share), cache)")
                out.line("total += share * value")
        else:
            out.line("value, cache = loss(model, batch, step, training=True)")
            out.line("backward(model, np.ones_like(value), cache)")
        if self.several:
            out.line("update(optimizer[objective], lr)")
            out.line(f"values.append(float({result}))")
        else:
            out.line("update(optimizer, lr)")
            out.line(f"return float({result})")
