"""The spec as a run keeps it: one text that says what was trained, every `--set` applied, imports written in.

Names are looked up file by file, so a file is written in place of its `import` only where that cannot change
what any name means; otherwise the imported files are kept beside the spec.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from nnspec.diagnostics import Reporter, Span
from nnspec.loader import imported
from nnspec.syntax import nodes, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

Edit = tuple[int, int, str]


class SpecFiles:
    """The texts behind a spec. `sources` maps each file's path, as spans name it, to its text."""

    def __init__(self, main: str, sources: Mapping[str, str], model: str) -> None:
        self.main = main
        self.model = model
        self.texts: dict[str, str] = {}
        self.trees: dict[str, nodes.File] = {}
        self.imports: dict[str, list[str]] = {}
        self._read(main, {os.path.realpath(path): path for path in sources if not path.startswith("--set")}, sources)

    def _read(self, path: str, known: Mapping[str, str], sources: Mapping[str, str]) -> None:
        self.texts[path] = sources[path]
        self.trees[path] = parse(sources[path], path, Reporter())
        self.imports[path] = []
        for declaration in self.trees[path].declarations:
            if isinstance(declaration, nodes.Import):
                target = known[os.path.realpath(imported(path, declaration.path.value))]
                self.imports[path].append(target)
                if target not in self.texts:
                    self._read(target, known, sources)

    def _reachable(self, path: str) -> list[str]:
        found = [path]
        for current in found:
            found += [p for p in dict.fromkeys(self.imports[current]) if p not in found]
        return found

    # ---------------------------------------------------------------- settings

    def apply(self, settings: Mapping[str, object]) -> None:
        """Write each `--set` value where the spec has it."""
        edits: dict[str, list[Edit]] = {}
        for name, value in settings.items():
            path, edit = self._edit(name, literal(value))
            edits.setdefault(path, []).append(edit)
        for path, found in edits.items():
            self.texts[path] = edited(self.texts[path], found)
            self.trees[path] = parse(self.texts[path], path, Reporter())

    def _edit(self, name: str, value: str) -> tuple[str, Edit]:
        block, _, key = name.rpartition(".")
        if block:
            return self.main, self._edit_key(block, key, value)
        for model in self._models():
            for setting in model.settings:
                if setting.name.id == name:
                    return self._replace_or_add(setting.name, setting.default, value)
            for statement in model.body.statements:
                if isinstance(statement, nodes.Dim):
                    for dim, default in statement.entries:
                        if dim.id == name:
                            return self._replace_or_add(dim, default, value)
        for tree in self.trees.values():
            for declaration in tree.declarations:
                if isinstance(declaration, nodes.Let) and declaration.name.id == name:
                    return self._replace_or_add(declaration.name, declaration.value, value)
        raise KeyError(name)

    def _models(self) -> list[nodes.Model]:
        models = [d for d in self.trees[self.main].declarations if isinstance(d, nodes.Model)]
        return sorted(models, key=lambda m: m.name.id != self.model)  # the one that is trained first

    def _replace_or_add(self, name: nodes.Name, old: nodes.Expr | None, value: str) -> tuple[str, Edit]:
        path = name.span.path
        if old is not None:
            start, end = offsets(self.texts[path], old.span)
            return path, (start, end, value)
        _, end = offsets(self.texts[path], name.span)
        return path, (end, end, f" = {value}")

    def _edit_key(self, block: str, key: str, value: str) -> Edit:
        kind: type[nodes.Train] | type[nodes.Data] = nodes.Train if block == "train" else nodes.Data
        found = [d for d in self.trees[self.main].declarations if isinstance(d, kind)]
        own = [d for d in found if d.model is not None and d.model.id == self.model]
        declaration = (own or [d for d in found if d.model is None])[0]
        text = self.texts[self.main]
        for entry in declaration.entries:
            if entry.pattern is None and entry.key.id == key:
                start, end = offsets(text, entry.value.span)
                return start, end, value
        replaced = {"epochs": "steps", "steps": "epochs"}.get(key)
        for entry in declaration.entries:
            if entry.pattern is None and entry.key.id == replaced:
                start, _ = offsets(text, entry.span)
                _, end = offsets(text, entry.value.span)
                return start, end, f"{key} = {value}"
        _, end = offsets(text, declaration.span)
        brace = text.rindex("}", 0, end)
        start = len(text[:brace].rstrip(" \t"))
        lead = "" if text[start - 1] == "\n" else "\n"
        return start, brace, f"{lead}    {key} = {value}\n"

    # ---------------------------------------------------------------- imports

    def files(self) -> dict[str, str]:
        """File names of the run folder and their texts; `spec.nn` is the main one."""
        if len(self.texts) == 1:
            return {"spec.nn": self.texts[self.main]}
        if self._names_are_apart():
            return {"spec.nn": self._inlined(self.main, set())}
        names = {path: f"imports/{i}_{_plain(path)}" for i, path in enumerate(self.texts)}
        names[self.main] = "spec.nn"
        return {names[path]: self._with_imports_at(path, names) for path in self.texts}

    def _names_are_apart(self) -> bool:
        """No file declares a name that another, which does not import it, declares or uses."""
        declared = {path: declared_names(tree) for path, tree in self.trees.items()}
        for path, names in declared.items():
            for other, text in self.texts.items():
                if other == path:
                    continue
                words = set(re.findall(r"[A-Za-z_]\w*", text))
                if names & declared[other] or (path not in self._reachable(other) and names & words):
                    return False
        return True

    def _inlined(self, path: str, written: set[str]) -> str:
        """The text of a file with each import replaced by the blocks, models and lets that it brings."""
        written.add(path)
        text, edits = self.texts[path], []
        wanted = iter(self.imports[path])
        for declaration in self.trees[path].declarations:
            start, end = offsets(text, declaration.span)
            if isinstance(declaration, nodes.Import):
                target = next(wanted)
                new = self._inlined(target, written).strip("\n") if target not in written else ""
                edits.append((start, end, new))
            elif path != self.main and isinstance(declaration, nodes.Version | nodes.Data | nodes.Train):
                edits.append((start, end, ""))
        return edited(text, edits)

    def _with_imports_at(self, path: str, names: Mapping[str, str]) -> str:
        text, edits = self.texts[path], []
        wanted = iter(self.imports[path])
        for declaration in self.trees[path].declarations:
            if isinstance(declaration, nodes.Import):
                target = next(wanted)
                start, end = offsets(text, declaration.path.span)
                relative = posixpath.relpath(names[target], posixpath.dirname(names[path]) or ".")
                edits.append((start, end, f'"{relative}"'))
        return edited(text, edits)


def _plain(path: str) -> str:
    """The end of a path as a file name that every system takes and a string of the language can hold."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", posixpath.basename(path))[-100:]


def declared_names(tree: nodes.File) -> set[str]:
    kinds = nodes.Let | nodes.Block | nodes.Model
    return {d.name.id for d in tree.declarations if isinstance(d, kinds)}


def literal(value: object) -> str:
    """A value as the language writes it; strings are taken to be text of the language already."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    return value if isinstance(value, str) else repr(value)


def offsets(text: str, span: Span) -> tuple[int, int]:
    """Where a span starts and ends in its text."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    return starts[span.line - 1] + span.column - 1, starts[span.end_line - 1] + span.end_column - 1


def edited(text: str, edits: list[Edit]) -> str:
    """The text with stretches replaced; stretches do not overlap."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text
