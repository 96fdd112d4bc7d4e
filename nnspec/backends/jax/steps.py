"""`gradients`, `train_step` and `train_steps`: what is done with the objectives and the optimizer, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.jax.optimizers import print_optimizer, rate_kind
from nnspec.backends.source import Writer, literal
from nnspec.backends.values import micro_batch, reference_field

if TYPE_CHECKING:
    from nnspec.backends.jax.training import TrainingPrinter

BATCH = "batch: Arrays"


class StepPrinter:
    """`beside` knows how the model and its losses are called.

    With several objectives a step makes an update for each; with `accumulate` an update follows the mean gradient
    of several batches.
    """

    def __init__(self, beside: TrainingPrinter) -> None:
        self.beside = beside
        self.program = beside.program
        self.model = beside.model
        self.own = beside.needs.own
        self.several = beside.several
        self.part = micro_batch(self.program.training) if self.program.training is not None else 0
        self.state = "dict[str, optax.OptState]" if self.several else "optax.OptState"

    def print(self, out: Writer) -> None:
        if self.several:
            pairs = [f"{literal(m.objective.pattern)}: loss{m.suffix}" for m in self.program.objectives]
            out.blank(2)
            out.line(f"OBJECTIVES = {{{', '.join(pairs)}}}")
        self.print_gradients(out)
        print_optimizer(self.program, out)
        self.print_step(out)
        self.print_steps(out)

    # ---------------------------------------------------------------- gradients

    def print_gradients(self, out: Writer) -> None:
        out.blank(2)
        own = self.own
        results = f"tuple[Array, {self.model}, {self.model}]" if own else f"tuple[Array, {self.model}]"
        arguments = self.beside.arguments("step", "key")
        if self.several:
            out.line('@partial(jax.jit, static_argnames="objective")')
            arguments += f", objective: str = {literal(self.program.objectives[0].objective.pattern)}"
        else:
            out.line("@jax.jit")
        with out.indented(f"def gradients(model: {self.model}, {BATCH}{arguments}) -> {results}:"):
            what = "An objective" if self.several else "The loss"
            moved = "; and the model with new statistics" if own else ""
            out.docstring(f"{what} of a batch in training and its gradient, a tree of the model's form{moved}.")
            loss = "OBJECTIVES[objective]" if self.several else "loss"
            beside, given = self.beside, "model, batch"
            given += ", step=step" if beside.uses_step and self.program.training is not None else ""
            given += ", training=True" if beside.needs.training else ""
            given += ", key=key" if beside.has_key else ""
            if own:
                out.line(f"grad = jax.value_and_grad({loss}, has_aux=True)")
                out.line(f"(value, model), grads = grad({given})")
                out.line("return value, grads, model")
            else:
                out.line(f"return jax.value_and_grad({loss})({given})")

    def print_value_and_grad(self, batch: str, out: Writer, grads: str = "grads", key: str = "key") -> None:
        beside = self.beside
        given = f"model, {batch}"
        given += ", step=step" if beside.uses_step else ""
        given += f", key={key}" if beside.has_key else ""
        given += ", objective=objective" if self.several else ""
        out.line(f"value, {grads}{', model' * self.own} = gradients({given})")

    # ---------------------------------------------------------------- one step

    def print_step(self, out: Writer) -> None:
        out.blank(2)
        out.line("@partial(jax.jit, donate_argnums=(0, 1))")
        rest = self.beside.arguments("step", "key")
        arguments = f"model: {self.model}, opt_state: {self.state}, {BATCH}, lr: {rate_kind(self.program)}{rest}"
        with out.indented(f"def train_step({arguments}) -> tuple[{self.model}, {self.state}, Array]:"):
            given_up = "model and opt_state are given up to their successors."
            if not self.several:
                out.docstring(f"One update from one batch; {given_up}")
                self.print_update(out)
                out.line(f"return *update(model, opt_state, grads, lr), {'total' if self.part else 'value'}")
                return
            out.docstring(f"An update for each objective from one batch, in order;\n{given_up}")
            out.line("values = []")
            with out.indented("for objective in OBJECTIVES:"):
                self.print_update(out)
                out.line("model, opt_state = update(model, opt_state, grads, lr, objective)")
                out.line(f"values.append({'total' if self.part else 'value'})")
            out.line("return model, opt_state, jnp.stack(values)")

    def print_update(self, out: Writer) -> None:
        """Loss and gradient of a batch, or the means of its parts, each with its share of all examples."""
        if not self.part:
            self.print_value_and_grad("batch", out)
            return
        first = literal(reference_field(self.program))
        out.line("total, grads = 0.0, jax.tree.map(jnp.zeros_like, model)")
        out.line(f"size = len(batch[{first}])")
        with out.indented(f"for start in range(0, size, {self.part}):"):
            out.line(f"part = {{name: values[start : start + {self.part}] for name, values in batch.items()}}")
            out.line(f"share = len(part[{first}]) / size")
            key = "None if key is None else jax.random.fold_in(key, start)"
            self.print_value_and_grad("part", out, "found", key)
            out.line("total = total + share * value")
            out.line("grads = add_share(grads, found, share)")

    # ---------------------------------------------------------------- many steps

    def print_steps(self, out: Writer) -> None:
        scan = self.beside.facts.steps == "scan"
        counted = self.beside.uses_step or self.beside.has_key
        arguments = f"model: {self.model}, opt_state: {self.state}, data: Arrays"
        arguments += ", order: Array, lr: Array"
        arguments += ", key: Array | None = None" if self.beside.has_key else ""
        arguments += ", first_step: int = 1" if counted else ""
        arguments += ", count: int | None = None" if scan else ""
        out.blank(2)
        if scan:
            out.line("@partial(jax.jit, donate_argnums=(0, 1))")
        result = f"tuple[{self.model}, {self.state}, Array]"
        with out.indented(f"def train_steps({arguments}) -> {result}:"):
            rows = "batches" if self.part else "a batch"
            what = "A step" if self.several else "One update"
            doc = f"{what} for each row of `order`, which holds the examples of {rows}; their losses."
            if scan:
                out.docstring(f"{doc}\n\nOf the rows only the first `count`: one compiled loop serves any number.")
                self.print_scan(counted, out)
            else:
                out.docstring(doc)
                self.print_loop(counted, out)

    def step_arguments(self) -> str:
        given = ", step=step" if self.beside.uses_step else ""
        return given + (", key=None if key is None else jax.random.fold_in(key, step)" if self.beside.has_key else "")

    def print_scan(self, counted: bool, out: Writer) -> None:
        out.blank()
        with out.indented("def one(k: Array, state: Any) -> Any:"):
            out.line("model, opt_state, losses = state")
            if counted:
                out.line("step = first_step + k")
            out.line("batch = select(data, order[k])")
            call = f"train_step(model, opt_state, batch, lr[k]{self.step_arguments()})"
            out.line(f"model, opt_state, value = {call}")
            out.line("return model, opt_state, losses.at[k].set(value)")
        out.blank()
        shape = "(len(order), len(OBJECTIVES))" if self.several else "len(order)"
        out.line(f"start = (model, opt_state, jnp.zeros({shape}))")
        out.line("return lax.fori_loop(0, len(order) if count is None else count, one, start)")

    def print_loop(self, counted: bool, out: Writer) -> None:
        out.line("losses = []")
        rows = "enumerate(zip(order, lr), first_step)" if counted else "zip(order, lr)"
        for_run = self.beside.facts.for_run
        with out.indented(f"for {'step, (rows, rate)' if counted else 'rows, rate'} in {rows}:"):
            batch = "select(data, rows)" if for_run else "{name: values[rows] for name, values in data.items()}"
            out.line(f"batch = {batch}")
            call = f"train_step(model, opt_state, batch, rate{self.step_arguments()})"
            out.line(f"model, opt_state, value = {call}")
            out.line("losses.append(value)")
        out.line(f"return model, opt_state, {'np.array(jax.device_get(losses))' if for_run else 'jnp.stack(losses)'}")
