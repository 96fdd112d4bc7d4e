"""Which declarations use which, by name alone: a block may not use itself, also not by way of another."""

from __future__ import annotations

from collections.abc import Iterator

from nnspec.passes.program import Program
from nnspec.syntax import nodes


def uses_itself(program: Program, declared: nodes.Block | nodes.Model) -> bool:
    """Whether the declaration reaches itself through blocks, models and the `let`s of files.

    A use inside another that the text nests, as in `Residual(Residual(tanh))`, ends with the text and is none.
    """
    queue: list[nodes.Block | nodes.Model | nodes.Let] = [declared]
    seen: set[int] = set()
    for current in queue:
        for name, _ in uses(current):
            path = current.span.path
            for used in (program.callable(path, name.id), program.let(path, name.id)):
                if used is declared:
                    return True
                if used is not None and id(used) not in seen:
                    seen.add(id(used))
                    queue.append(used)
    return False


def uses(declared: nodes.Block | nodes.Model | nodes.Let) -> Iterator[tuple[nodes.Name, nodes.Node]]:
    """Every name in a body, or in the value of a `let`, that could mean a block, with the node that uses it.

    Names of its own are left out.
    """
    own = set() if isinstance(declared, nodes.Let) else {s.name.id for s in declared.settings}
    if isinstance(declared, nodes.Block):
        own |= {t.id for t in declared.tensors}
    stack: list[object] = [declared.value if isinstance(declared, nodes.Let) else declared.body]
    found: list[tuple[nodes.Name, nodes.Node]] = []
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack += reversed(node)
        elif isinstance(node, nodes.Call):
            found.append((node.callee, node))
            stack += reversed(node.arguments)
        elif isinstance(node, nodes.Name):
            found.append((node, node))
        elif isinstance(node, nodes.Node):
            if isinstance(node, nodes.Bind):
                own |= {n.id for n in node.names}
            elif isinstance(
                node,
                nodes.Let | nodes.LayerDecl | nodes.Output | nodes.Input | nodes.Target | nodes.Param | nodes.Noise,
            ):
                own.add(node.name.id)
            elif isinstance(node, nodes.For):
                own |= {t.id for t in node.targets}
            stack += [
                getattr(node, field)
                for field in reversed(node._fields)
                if field not in ("span", "name", "names", "targets")
            ]
    return ((name, node) for name, node in found if name.id not in own or isinstance(node, nodes.Call))
