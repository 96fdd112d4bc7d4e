"""best.nn: the spec as it was written, with the values found in place of the defaults."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from nnspec.diagnostics import Reporter
from nnspec.syntax import nodes, parse
from nnspec.train.errors import TrainError
from nnspec.train.files import write
from nnspec.train.specfile import Edit, SpecFiles, edited, offsets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nnspec.compiler import Spec


def refuse_to_replace(spec: Spec, path: Path) -> None:
    """Raise TrainError where `path` is a file of the spec, or holds something else than such a result."""
    if any(path.resolve() == Path(known).resolve() for known in spec.sources):
        raise TrainError(f"{path} is the spec itself, which stays as it is", help="choose another --output")
    if path.is_dir():
        raise TrainError(f"{path} is a folder", help="choose another --output")
    if not path.exists():
        return
    known = texts(spec, {}, path.parent)["spec.nn"]
    try:
        there = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        there = ""
    if _kernel(there) != _kernel(known):
        raise TrainError(f"{path} holds another spec", help="move it away, or choose another --output")


def _kernel(text: str) -> list[object]:
    """What all results of one spec have in common: its blocks and models, and the names of its `let`s."""
    tree = parse(text, "", Reporter())
    kinds = nodes.Let | nodes.Block | nodes.Model
    return [d.name if isinstance(d, nodes.Let) else d for d in tree.declarations if isinstance(d, kinds)]


def write_best(spec: Spec, values: Mapping[str, str], path: Path) -> None:
    """Write the spec with `values` (and what `--set` gave) to `path`, and beside it what it imports, where the
    search changed that. Paths in it are made relative to its folder. Every file is replaced whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, text in texts(spec, values, path.parent).items():
        target = path if name == "spec.nn" else path.parent / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write(target, text)


def texts(spec: Spec, values: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The texts of the spec with values in place, by file name; "spec.nn" is the main one, to stand in `folder`."""
    files = SpecFiles(spec.path, spec.sources, spec.model)
    files.apply(spec.settings)
    before = dict(files.texts)
    for path, tree in files.trees.items():
        edits: list[Edit] = []
        for let in tree.declarations:
            if isinstance(let, nodes.Let) and let.domain is not None and let.name.id in values:
                edits += _in_place(files.texts[path], let, values[let.name.id])
        _replace(files, path, edits)
    base = Path(spec.path).resolve().parent
    _replace(files, spec.path, list(_moved(files, spec.path, base, folder.resolve())))
    if all(files.texts[path] == before[path] for path in files.texts if path != spec.path):
        return {"spec.nn": _with_imports(files, spec.path, base, folder.resolve())}
    return files.files()


def _in_place(text: str, let: nodes.Let, value: str) -> list[Edit]:
    """A new value of a `let`; the comment behind it stays in its column where there is room."""
    start, end = offsets(text, let.value.span)
    if _same_number(text[start:end], value):
        return []
    rest = text[end:].split("\n")[0]
    comment = re.search(r"(?<=\S)( {2,})#", rest) if '"' not in rest else None
    edits = [(start, end, value)]
    if comment is not None and "\n" not in text[start:end]:
        gap = len(comment[1]) - (len(value) - (end - start))
        edits.append((end + comment.start(1), end + comment.end(1), " " * max(gap, 1)))
    return edits


def _same_number(old: str, new: str) -> bool:
    """Whether a literal already says the value, perhaps in other digits."""
    try:
        return float(old) == float(new)
    except ValueError:
        return old == new


def _replace(files: SpecFiles, path: str, edits: list[Edit]) -> None:
    files.texts[path] = edited(files.texts[path], edits)
    files.trees[path] = parse(files.texts[path], path, Reporter())


def _with_imports(files: SpecFiles, path: str, base: Path, folder: Path) -> str:
    """The main text with its imports where they are, seen from `folder`."""
    text = files.texts[path]
    edits = [
        (*offsets(text, d.path.span), f'"{_seen_from(folder, base / d.path.value)}"')
        for d in files.trees[path].declarations
        if isinstance(d, nodes.Import) and not os.path.isabs(d.path.value)
    ]
    return edited(text, edits)


def _moved(files: SpecFiles, path: str, base: Path, folder: Path) -> Iterator[Edit]:
    """Paths of data and weights that are relative to the spec, as seen from `folder`."""
    if base == folder:
        return
    for declaration in files.trees[path].declarations:
        values: list[nodes.Node] = []
        if isinstance(declaration, nodes.Data | nodes.Train):
            values = [entry.value for entry in declaration.entries]
        elif isinstance(declaration, nodes.Let):
            values = [declaration.value]
        for value in values:
            for string in _paths(value):
                there = base / string.value
                if string.value and not os.path.isabs(string.value) and there.exists():
                    yield (*offsets(files.texts[path], string.span), f'"{_seen_from(folder, there)}"')


def _paths(expr: nodes.Node) -> Iterator[nodes.String]:
    """The strings of a value that may be paths: no names of columns, of bundled data, of patterns."""
    if isinstance(expr, nodes.String):
        yield expr
    elif isinstance(expr, nodes.Paren):
        yield from _paths(expr.value)
    elif isinstance(expr, nodes.List):
        for item in expr.items:
            yield from _paths(item)
    elif isinstance(expr, nodes.Call) and expr.callee.id not in ("sklearn", "weights", "parameters"):
        for argument in expr.arguments:
            if not argument.name:
                yield from _paths(argument.value)


def _seen_from(folder: Path, there: Path) -> str:
    return Path(os.path.relpath(there, folder)).as_posix()
