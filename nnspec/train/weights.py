"""Weights of another program for a model: names matched, shapes and numbers checked, float32 given.

All that is wrong is said at once; nothing is guessed but a prefix that leaves no doubt.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from nnspec.passes.rates import matches
from nnspec.record import Record
from nnspec.suggest import nearest
from nnspec.train.errors import TrainError
from nnspec.train.files import write
from nnspec.train.tensors import FLOATS, PICKLES, Tensor, read_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nnspec.ir.graph import Graph

    Array = np.ndarray[Any, Any]
    Shapes = Mapping[str, tuple[int, ...]]

COUNTER = "num_batches_tracked"  # PyTorch's batch norm counts batches; nothing here reads the count
SHOWN = 12  # names of a kind that are listed; the rest are counted


class Weights(Record):
    """`state` by path, float32. `missing` are paths that the file lacks; `notes` say what was done on the way."""

    state: dict[str, Array]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def import_weights(
    graph: Graph,
    path: Path,
    *,
    key: str | None = None,
    strip: str | None = None,
    prefix: str = "",
    ignore: Sequence[str] = (),
    allow_missing: bool = False,
) -> Weights:
    """The parameters and buffers of a model from a safetensors, npz or PyTorch file.

    `strip` is taken from the front of the file's names and `prefix` put there instead; without either, a prefix under
    which the file holds the model (`module.`, `model.`) is found if it is the only one. `ignore` are globs of names of
    the file to leave out. Raises TrainError naming every entry that is missing, unexpected, misshapen or no float, or
    the first with numbers that cannot be.
    """
    tensors, notes = read_tensors(path, key)
    shapes = {p.path: tuple(p.shape) for p in graph.root.parameters()}
    held = {n: t for n, t in tensors.items() if not any(matches(n, glob) for glob in ignore)}
    held = {n: t for n, t in held.items() if n in shapes or n.rpartition(".")[2] != COUNTER}
    if strip is None and not prefix:
        strip = _only_prefix(path, shapes, held)
        if strip:
            notes = [*notes, f"names of the file lose their prefix {strip}"]
    named = _renamed(path, held, strip or "", prefix)
    _complain(graph.name, path, _faults(shapes, named, allow_missing))
    state, converted = {}, set()
    for name in shapes:
        if name in named:
            state[name] = single(path, name, named[name])
            converted.update({named[name].dtype} - {"float32"})
    if converted:
        notes = [*notes, f"{_and(sorted(converted))} became float32"]
    return Weights(state, tuple(n for n in shapes if n not in named), tuple(notes))


def read_weights(graph: Graph, path: Path) -> dict[str, Array]:
    """Every parameter and buffer of a model from a file that has its very names. Raises TrainError."""
    return dict(import_weights(graph, importable(path), strip="").state)


def importable(path: Path) -> Path:
    """`path`, if it is of a kind that no framework is needed for. Raises TrainError with the command that helps."""
    if path.suffix.lower() in PICKLES:
        raise TrainError(
            f"{path} is a PyTorch checkpoint, which is imported once",
            help=f"nnspec import-weights SPEC {path} -o {path.with_suffix('.safetensors').name}",
        )
    return path


def save_weights(path: Path, state: Mapping[str, Array]) -> None:
    """A safetensors file, whole or not at all. Raises TrainError where it cannot be written."""
    from safetensors.numpy import save

    try:
        write(path, save({name: np.ascontiguousarray(a).reshape(a.shape) for name, a in state.items()}))
    except OSError as error:
        raise TrainError(f"cannot write {path}: {error.strerror}") from error


def single(path: Path, name: str, tensor: Tensor, dtype: str = "float32") -> Array:
    """The numbers of one entry in a working float. Raises TrainError for what is no float, or not finite in it."""
    if tensor.dtype not in FLOATS:
        raise TrainError(f"{path}, {name}: is {tensor.dtype}, and a parameter is a float")
    array = tensor.read()
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    wrong = int(cast.size - np.isfinite(cast).sum())
    if wrong:
        raise TrainError(f"{path}, {name}: {wrong:,} of {cast.size:,} numbers are not finite in {dtype}")
    if name.endswith("running_var") and (cast < 0).any():
        raise TrainError(f"{path}, {name}: a running variance is negative")
    return cast


# ---------------------------------------------------------------- names


def _only_prefix(path: Path, shapes: Shapes, held: Mapping[str, Tensor]) -> str:
    """The prefix under which most of the model is in the file: "" where that is no prefix.

    Raises TrainError where two prefixes serve equally well, and better than none.
    """
    counts: dict[str, int] = {"": 0}
    for name in held:
        counts[""] += name in shapes
        front, dot, rest = "", ".", name
        while dot:
            head, dot, rest = rest.partition(".")
            front += head + dot
            if rest in shapes:
                counts[front] = counts.get(front, 0) + 1
    most = max(counts.values())
    best = [front for front, count in counts.items() if count == most]
    if "" in best:
        return ""
    if len(best) > 1:
        raise TrainError(
            f"{path} holds the model under {_and(best)}", help=f"say which: --strip {best[0]} --ignore '{best[1]}*'"
        )
    return best[0]


def _renamed(path: Path, held: Mapping[str, Tensor], strip: str, prefix: str) -> dict[str, Tensor]:
    """Entries by the model's names; one without the prefix keeps its own. Raises TrainError where two become one."""
    found: dict[str, Tensor] = {}
    for name, tensor in held.items():
        new = prefix + name.removeprefix(strip) if name.startswith(strip) else name
        if new in found:
            raise TrainError(f"{path} has {new} with and without {strip}", help=f"leave one out: --ignore '{new}'")
        found[new] = tensor
    return found


# ---------------------------------------------------------------- faults


def _faults(shapes: Shapes, named: Mapping[str, Tensor], allow_missing: bool) -> list[tuple[str, list[str]]]:
    """Kinds of faults, each with a line for an entry; lines beyond those shown are left empty."""
    theirs = {name: tensor.shape for name, tensor in named.items()}
    missing = {name: shape for name, shape in shapes.items() if name not in named}
    unexpected = {name: shape for name, shape in theirs.items() if name not in shapes}
    shared = [name for name in shapes if name in named]
    return [
        ("missing", [] if allow_missing else _listed(missing, unexpected)),
        ("unexpected", _listed(unexpected, missing or shapes)),
        (
            "of another shape",
            [
                f"{name}: {list(theirs[name])} in the file, {list(shapes[name])} in the model"
                for name in shared
                if theirs[name] != shapes[name]
            ],
        ),
        ("not a float", [f"{name}: {named[name].dtype}" for name in shared if named[name].dtype not in FLOATS]),
    ]


def _listed(names: Shapes, known: Shapes) -> list[str]:
    return [
        f"{name} {list(shape)}{_near(name, shape, known)}" if i < SHOWN else ""
        for i, (name, shape) in enumerate(names.items())
    ]


def _near(name: str, shape: tuple[int, ...], known: Shapes) -> str:
    """The known name meant: of the same shape, if any is, then with the longest end in common, then by spelling."""
    alike = {other for other in known if known[other] == shape}
    ends = {other: _common_end(name, other) for other in alike}
    best = max(ends.values(), default=0)
    same = [other for other in ends if ends[other] == best] if best else []
    close = nearest(name, same, 1) or tuple(same[:1]) or nearest(name, known, 1)
    return f" (nearest: {close[0]})" if close else ""


def _common_end(one: str, other: str) -> int:
    """How many parts two paths share, counted from the end."""
    pairs = zip(reversed(one.split(".")), reversed(other.split(".")), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _complain(model: str, path: Path, faults: list[tuple[str, list[str]]]) -> None:
    found = [(kind, lines) for kind, lines in faults if lines]
    if not found:
        return
    told = [f"{path} does not fit {model}: " + ", ".join(f"{len(lines)} {kind}" for kind, lines in found)]
    for kind, lines in found:
        told.append(f"  {kind}:")
        told += [f"    {line}" for line in lines[:SHOWN]]
        if len(lines) > SHOWN:
            told.append(f"    and {len(lines) - SHOWN} more")
    kinds = {kind for kind, _ in found}
    helps = []
    if "unexpected" in kinds:
        helps.append("--ignore 'GLOB' leaves entries of the file out")
    if "missing" in kinds:
        helps.append("--allow-missing keeps initial values for what the file lacks")
    raise TrainError("\n".join(told), help="; ".join(helps))


def _and(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else ", ".join(names[:-1]) + f" and {names[-1]}"
