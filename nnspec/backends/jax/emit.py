"""From a graph to the text of a JAX file: dataclass pytrees, pure functions, optax."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nnspec.backends.base import Options
from nnspec.backends.build import build
from nnspec.backends.describe import class_doc, file_doc
from nnspec.backends.jax import activation, arithmetic, linear, loss, noise, norm, pool, recurrent, shape  # noqa: F401  # fill the table
from nnspec.backends.jax.facts import Facts
from nnspec.backends.jax.init import ClassInit
from nnspec.backends.jax.library import IMPORTED, carried, imports
from nnspec.backends.jax.library import definitions as definitions_of
from nnspec.backends.jax.module import RESERVED_FIELDS, ClassPrinter
from nnspec.backends.jax.training import TrainingPrinter
from nnspec.backends.source import Names, Writer, identifier, literal
from nnspec.backends.values import sample_batch

if TYPE_CHECKING:
    from nnspec.backends.program import ClassDef, Program
    from nnspec.ir.graph import Graph


def emit(graph: Graph, options: Options = Options()) -> str:  # noqa: B008  # an immutable record
    """The whole file. Raises `Unsupported` at an op that has no row."""
    text, facts = _print(graph, options, frozenset())
    clashes = _clashes(facts, text)
    return text if not clashes else _print(graph, options, clashes)[0]


def _print(graph: Graph, options: Options, reserved: frozenset[str]) -> tuple[str, Facts]:
    """The file, and what is known of the program whose names it has."""
    program = build(graph, reserved=reserved)
    facts = Facts(program, options)
    printed: dict[ClassDef, ClassInit] = {}
    attributes, renamed = _field_names(program)
    body = Writer()
    for definition in program.classes:
        body.blank(2)
        ClassPrinter(definition, facts, printed, attributes).print(body, class_doc(definition, program))
    if program.root.name != "Model":
        body.blank(2)
        body.line(f"Model = {program.root.name}")
    training = TrainingPrinter(program, options, facts, printed)
    training.print(renamed, body)
    _print_main(program, training, body)
    return _assemble(facts, body.text()), facts


def _clashes(facts: Facts, text: str) -> frozenset[str]:
    """Names of the spec that the file needs for something else: functions that it carries or defines, imports."""
    program = facts.program
    definitions = [*program.classes, *(m.definition for m in program.objectives)]
    own = {d.name for d in program.classes}
    variables: set[str] = set()
    for definition in definitions:
        variables.update(definition.inputs, definition.captures, definition.scope.names.taken - RESERVED_FIELDS)
    carried_names = {d.name for d in carried(text, facts.form, facts.texts)}
    defined = set(re.findall(r"^(?:def|class) (\w+)", text, re.MULTILINE))
    known = set(definitions_of(facts.form))
    return frozenset((variables & (carried_names | IMPORTED | defined)) | (own & (known | IMPORTED)))


def _assemble(facts: Facts, body: str) -> str:
    """The file from its own text: imports and carried definitions are those that it uses."""
    library = Writer()
    for definition in carried(body, facts.form, facts.texts):
        if not definition.is_constant:
            library.blank(2)
        library.block(definition.text)
    text = library.text().strip("\n")
    out = Writer()
    out.docstring(file_doc(facts.graph, "JAX"))
    out.blank()
    if any(d.captures for d in facts.program.classes):  # annotated with classes that stand further down
        out.line("from __future__ import annotations")
        out.blank()
    out.block(imports(f"{text}\n{body}"))
    if text:
        out.blank(2 if text.startswith(("@", "class ", "def ")) else 1)
        out.block(text)
    out.blank(2)
    out.block(body)
    return out.text()


def _field_names(program: Program) -> tuple[dict[str, str], dict[str, str]]:
    """Parts of paths that cannot be fields, with the fields that stand for them; and back."""
    parts = {part for p in program.graph.root.parameters() for part in p.path.split(".")}
    parts |= {part for module in program.graph.root.modules() for part in module.path.split(".") if part}
    taken = Names(parts | RESERVED_FIELDS | IMPORTED)
    attributes = {}
    for part in sorted(parts):
        if identifier(part) != part or part in RESERVED_FIELDS:
            attributes[part] = taken.fresh(f"{identifier(part)}")
    used = {k: v for k, v in attributes.items() if not k.isdigit() or _is_field(program, k)}
    return used, {field: part for part, field in used.items()}


def _is_field(program: Program, part: str) -> bool:
    """Whether a number is the first part of a path in some class: a composition bound by `layer`."""
    for module in program.graph.root.modules():
        names = [layer.name for layer in module.layers] + [child.name for child in module.children]
        if any(name.split(".")[0] == part for name in names):
            return True
    return False


def _print_main(program: Program, training: TrainingPrinter, out: Writer) -> None:
    """Three steps on random data, so that the file can be tried by running it."""
    out.blank(2)
    with out.indented('if __name__ == "__main__":'):
        out.line("key = jax.random.key(0)")
        out.line(f"model = {program.root.name}.init({training.init_arguments()})")
        entries = ", ".join(f"{literal(name)}: {_random(kind)}" for name, kind in sample_batch(program, 4).items())
        out.line(f"batch = {{{entries}}}")
        key = ", key=key" if training.has_key else ""
        if program.training is None:
            with out.indented(f"for name, value in outputs(model, batch{key}).items():"):
                out.line("print(name, value.shape)")
            return
        groups = program.training.groups
        rates = [g.optimizer.lr.rate(1, 1, 3, 1) if g.optimizer is not None else 0.0 for g in groups]
        out.line(f"lr = {literal(rates[0]) if len(rates) == 1 else f'jnp.array({literal(rates)})'}")
        if training.several:
            out.line("opt_state = {name: optimizer(lr, name).init(model) for name in OBJECTIVES}")
        else:
            out.line("opt_state = optimizer(lr).init(model)")
        with out.indented("for step in range(1, 4):"):
            given = ", step=step" if training.uses_step else ""
            given += ", key=jax.random.fold_in(key, step)" if training.has_key else ""
            out.line(f"model, opt_state, value = train_step(model, opt_state, batch, lr{given})")
            shown = "value.tolist()" if training.several else "value:.4f"
            out.line(f'print(f"step {{step}}: loss {{{shown}}}")')


def _random(kind: tuple[str, tuple[int, ...], int]) -> str:
    dtype, sizes, classes = kind
    inside = literal(sizes)
    if dtype == "float32":
        return f"jax.random.uniform(key, {inside})"
    if dtype == "bool":
        return f"jax.random.bernoulli(key, shape={inside})"
    return f"jax.random.randint(key, {inside}, 0, {classes or 2})"
