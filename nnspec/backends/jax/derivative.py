"""`gradient(y, x)` in a class: what leads from x to y, as a function of x, and its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.base import Unsupported
from nnspec.backends.program import Apply, Branch, ForEach, Group, Invoke, Member, Statement, walk

if TYPE_CHECKING:
    from nnspec.backends.jax.module import ClassPrinter
    from nnspec.backends.source import Writer


def print_derivative(printer: ClassPrinter, statement: Apply, before: list[Statement], out: Writer) -> None:
    """A function of x with the lines of the statements `before` that lead to y, then its gradient.

    XLA finds that the lines compute what was computed already. Variables of such a class are never reused, so
    what the function reads from around it is what it was.
    """
    y, x = statement.inputs
    (target,) = statement.targets
    names = {name: key for other in walk(before) for name, key in zip(_targets(other), _outputs(other), strict=False)}
    names.update({name: ("in", k) for k, name in enumerate(printer.definition.inputs)})
    region = _between(y, x, before, names)
    made = {key for other in before for key in _outputs(other)}
    if printer.loops or (y not in made and y != x):
        raise Unsupported("gradient(y, x) in JAX stands in the body that computes y", statement.span)
    for inner in walk(region):
        _require_plain(printer, inner, statement)
    variable, result = statement.arguments[1], statement.arguments[0]
    if not region and y != x:
        out.line(f"{target} = jnp.zeros_like({variable})")
        return
    name = printer.definition.scope.names.fresh(f"{result}_of_{variable}")
    out.blank()
    with out.indented(f"def {name}({variable}: Array) -> Array:"):
        inner_out = type(out)()
        inner_out.depth = out.depth
        known = dict(printer.inlined)
        printer.forward(region, inner_out)
        printer.inlined = known
        out.lines.extend(inner_out.lines)
        out.line(f"return {printer.argument(result)}.sum()")
    out.blank()
    out.line(f"{target} = jax.grad({name})({variable})")


def _between(y: Any, x: Any, before: list[Statement], names: dict[str, Any]) -> list[Statement]:
    """The statements that depend on x and that y depends on, in order."""
    reached = {x}
    depending = []
    for statement in before:
        if any(key in reached for key in _inputs(statement, names)):
            reached.update(_outputs(statement))
            depending.append(statement)
    needed, found = {y}, []
    for statement in reversed(depending):
        if any(key in needed for key in _outputs(statement)):
            needed.update(_inputs(statement, names))
            found.append(statement)
    return found[::-1]


def _inputs(statement: Statement, names: dict[str, Any]) -> list[Any]:
    """All keys that a statement reads, those of statements inside it too."""
    keys: list[Any] = []
    for inner in walk([statement]):
        if isinstance(inner, Apply | Invoke):
            keys += inner.inputs
            passed = inner.passed if isinstance(inner, Invoke) else ()  # by now the names of variables
            keys += [names.get(str(p)) for p in passed if not isinstance(p, Member)]
        elif isinstance(inner, ForEach | Group):
            keys.append(inner.entry)
    return keys


def _targets(statement: Statement) -> tuple[str, ...]:
    return tuple(statement.targets) if isinstance(statement, Apply | Invoke) else ()


def _outputs(statement: Statement) -> list[Any]:
    if isinstance(statement, Apply | Invoke):
        return list(statement.outputs)
    if isinstance(statement, Group):
        return [key for inner in statement.body for key in _outputs(inner)]
    if isinstance(statement, ForEach | Branch):
        return [statement.exit]
    return []


def _require_plain(printer: ClassPrinter, statement: Statement, place: Apply) -> None:
    """What runs a second time must come to the same: no noise, no statistics that move on."""
    reason = ""
    if isinstance(statement, Apply):
        if printer.facts.draws(statement):
            reason = f"what {statement.use.op.name} draws"
        elif printer.facts.is_statistic(statement):
            reason = "batch_norm, which mixes examples"
    elif isinstance(statement, Invoke):
        needs = printer.facts.needs[statement.definition]
        if needs.key or needs.stateful:
            reason = f"{statement.definition.name}, which draws noise or moves statistics on"
    if reason:
        raise Unsupported(f"gradient(y, x) in JAX does not pass through {reason}", place.span)
