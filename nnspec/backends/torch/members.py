"""How members of a class are spelled in PyTorch: where they live, how they are made, what they are called."""

from __future__ import annotations

from keyword import iskeyword
from typing import TYPE_CHECKING

from nnspec.backends.program import Apply, ForEach, Group, Invoke, LoopKey, Member, Statement, walk
from nnspec.backends.source import literal
from nnspec.backends.torch.rows import row
from nnspec.ir.graph import Choice, Declare, Loop, Node
from nnspec.ir.types import show_shape
from nnspec.ops.core import Identity

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse
    from nnspec.ir.graph import Item

    Path = tuple[str | LoopKey, ...]

# What `nn.Module` calls its own: no member can have such a name, in emitted files or anywhere in PyTorch.
# fmt: off
RESERVED = frozenset([
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu",
    "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state",
    "get_parameter", "get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers",
    "named_children", "named_modules", "named_parameters", "parameters", "register_backward_hook", "register_buffer",
    "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook",
    "register_module", "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
    "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train",
    "training", "type", "xpu", "zero_grad",
    "_apply", "_backward_hooks", "_backward_pre_hooks", "_buffers", "_call_impl", "_compiled_call_impl",
    "_forward_hooks", "_forward_hooks_always_called", "_forward_hooks_with_kwargs", "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs", "_get_backward_hooks", "_get_backward_pre_hooks", "_get_name",
    "_is_full_backward_hook", "_load_from_state_dict", "_load_state_dict_post_hooks", "_load_state_dict_pre_hooks",
    "_maybe_warn_non_full_backward_hook", "_modules", "_named_members", "_non_persistent_buffers_set",
    "_parameters", "_register_load_state_dict_pre_hook", "_register_state_dict_hook",
    "_replicate_for_data_parallel", "_save_to_state_dict", "_slow_forward", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_version", "_wrapped_call_impl",
])
# fmt: on
_OF_CONTAINERS = frozenset(["clear", "items", "keys", "pop", "update", "values"])  # an nn.ModuleDict has these too


def is_numbered(labels: list[str]) -> bool:
    return labels == [str(k) for k in range(len(labels))]


def written(body: list[Statement]) -> list[Statement]:
    """The steps of a composition that its text has: without the ends of `if`s, which only name what the `if` gives."""
    return [s for s in body if not (isinstance(s, Apply) and _is_end(s.use.nodes[0]))]


def _is_end(item: Item) -> bool:
    return isinstance(item, Node) and isinstance(item.op, Identity) and not item.label


def labels_of(statement: Statement) -> list[str]:
    """The keys that a step takes in its Sequential: one, or one for each copy of a loop written out in place."""
    if isinstance(statement, ForEach):
        return [statement.loop.label] if statement.name else copy_labels(statement)
    if isinstance(statement, Group):
        return [statement.label]
    if isinstance(statement, Apply):
        return [statement.use.nodes[0].label]
    assert isinstance(statement, Invoke)
    return [statement.calls[0].label]


def copy_labels(loop: ForEach) -> list[str]:
    """The keys of all copies of a loop, in order."""
    return [label for items in loop.loop.iterations for label in _written_out(items)]


def _written_out(items: list[Item]) -> list[str]:
    """The keys of an iteration's steps, those of loops written out inside it in place."""
    found: list[str] = []
    for item in items:
        if isinstance(item, Loop) and not item.name:
            found.extend(label for iteration in item.iterations for label in _written_out(iteration))
        elif isinstance(item, Choice):
            found.extend(_written_out(item.items))
        elif not isinstance(item, Declare) and not _is_end(item):
            found.append(item.label)
    return found


def member_paths(body: list[Statement]) -> list[Path]:
    """The paths of all members that statements (and those inside them) use."""
    return [s.member.path for s in walk(body) if isinstance(s, Apply | Invoke) and s.member and s.member.path]


def construct(use: OpUse) -> str:
    make = row(use).construct
    assert make is not None
    return make(use)


def build(invoke: Invoke | None) -> str:
    """`Bottleneck(in_channels, 64, stride=2)`: arguments with defaults by name, left out where they hold."""
    assert invoke is not None
    parts = []
    for argument, source in invoke.constructor:
        if argument.default is None:
            parts.append(source)
        elif source != literal(argument.default):
            parts.append(f"{argument.name}={source}")
    return f"{invoke.definition.name}({', '.join(parts)})"


def place(path: Path, free: bool = False) -> str:
    """`self.features["0"]`; inside a loop the varying part is the loop's key variable. `free`: of a parameter."""
    source = "self"
    for position, part in enumerate(path):
        if free and position == len(path) - 1 and not _is_attribute(path):
            source += f".get_parameter({_key(part)})"
        elif position:
            source += f"[{_key(part)}]"
        else:
            source += f".{part}" if _is_attribute((part,)) else f".get_submodule({_key(part)})"
    return source


def stored(path: Path, source: str, free: bool = False) -> str:
    """The line that makes `source` the member at a path."""
    if _is_attribute(path) or (len(path) > 1 and not free):
        return f"{place(path)} = {source}"
    return f"{place(path[:-1])}.{'register_parameter' if free else 'add_module'}({_key(path[-1])}, {source})"


def _is_attribute(path: Path) -> bool:
    """Whether a path is one word that Python takes for an attribute."""
    return len(path) == 1 and isinstance(path[0], str) and path[0].isidentifier() and not iskeyword(path[0])


def _key(part: str | LoopKey) -> str:
    return part.source() if isinstance(part, LoopKey) else literal(part)


def refused(path: Path) -> str:
    """The first part of a path that PyTorch cannot call a member, or nothing."""
    for position, part in enumerate(path):
        for name in part.keys if isinstance(part, LoopKey) else (part,):
            special = name.startswith("__")  # Python's own, or one that a class body would rename
            if special or name in RESERVED or (position and name in _OF_CONTAINERS):
                return name
    return ""


def reference(member: Member | None) -> str:
    assert member is not None
    if member.deep:
        path = literal(".".join(name for _, name in member.deep))
        return f"self.get_{'parameter' if member.free else 'submodule'}({path})"
    return member.captured or place(member.path, member.free)


def note(statement: Apply | Invoke | Group | ForEach) -> str:
    """The shape of the result where it is that of no input and the same in every use."""
    if isinstance(statement, Group | ForEach):
        return ""
    items = statement.use.nodes if isinstance(statement, Apply) else statement.calls
    shapes = {item.outputs[0].type.shape for item in items}
    shape = shapes.pop()
    known = all(shape in [value.type.shape for value in item.inputs] for item in items)
    if shapes or known or not shape or len(items[0].outputs) != 1:
        return ""
    return show_shape(shape)
