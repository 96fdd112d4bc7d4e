"""The set of files that one compilation reads, and who is seen from where.

The loader fills a `Program`; the static checker and the elaborator read it. Look-up is nearest
first: the names of a body are the elaborator's own, then come the file's declarations, then those
of the files it imports (in the order of the imports, theirs after them), and last the registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from nnspec.diagnostics import Span
from nnspec.syntax import nodes

D = TypeVar("D", nodes.Block, nodes.Model, nodes.Let)
T = TypeVar("T", nodes.Train, nodes.Data)


class Abandoned(Exception):
    """Whoever asked no longer wants to know."""


class Program:
    """Loaded files by path (as spans name it), and who imports whom.

    `imports` maps a file's path to the paths it imports, in order; files that failed to load are absent.
    `poisoned` holds `id(node)` of every syntax node whose problem is already reported: what depends
    on it stays silent. `settings` are the `--set` values by name (`width`, `train.epochs`): syntax
    trees of what was written, or plain numbers, bools, strings and lists.
    """

    def __init__(
        self,
        main: nodes.File,
        files: Mapping[str, nodes.File] | None = None,
        imports: Mapping[str, tuple[str, ...]] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.main = main
        self.files: dict[str, nodes.File] = {main.path: main, **(files or {})}
        self.imports: dict[str, tuple[str, ...]] = dict(imports or {})
        self.settings: dict[str, object] = dict(settings or {})
        self.poisoned: set[int] = set()
        self.reported: set[tuple[str, Span]] = set()  # (code, place) of what the models of the file said so far
        self.operations = 0  # of the models elaborated so far
        self.steps = 0  # expressions evaluated so far
        self.abandoned = False  # set by another thread: what works on the program gives up
        self.untrained: set[int] = set()  # ids of models whose names an unnamed `train` of their file does not mean
        self.sources: Mapping[str, str] = {}  # texts by path, for help that quotes what was written
        self._tables: dict[str, dict[type, dict[str, object]]] = {}
        self._blocks: dict[str, dict[tuple[type, str], nodes.Train | nodes.Data]] = {}
        self._found: dict[tuple[str, str, type], object] = {}

    def visible(self, path: str) -> Iterator[nodes.File]:
        """The file itself, then the files it imports, nearest first; each once."""
        queue, seen = [path], {path}
        for current in queue:
            if current not in self.files:
                continue
            yield self.files[current]
            for imported in self.imports.get(current, ()):
                if imported not in seen:
                    seen.add(imported)
                    queue.append(imported)

    def block(self, path: str, name: str) -> nodes.Block | None:
        return self._find(path, name, nodes.Block)

    def model(self, path: str, name: str) -> nodes.Model | None:
        return self._find(path, name, nodes.Model)

    def let(self, path: str, name: str) -> nodes.Let | None:
        return self._find(path, name, nodes.Let)

    def callable(self, path: str, name: str) -> nodes.Block | nodes.Model | None:
        """The block or model called `name`, whichever stands in the nearer file."""
        key = (path, name, nodes.Node)
        if key not in self._found:
            tables = (self._table(file) for file in self.visible(path))
            found = (table[nodes.Block].get(name) or table[nodes.Model].get(name) for table in tables)
            self._found[key] = next((f for f in found if f is not None), None)
        declared = self._found[key]
        return declared if isinstance(declared, nodes.Block | nodes.Model) else None

    def names(self, path: str, kind: type[nodes.Block] | type[nodes.Model] | type[nodes.Let]) -> list[str]:
        """Every name of that kind seen from the file, for suggestions."""
        return [name for file in self.visible(path) for name in self._table(file)[kind]]

    def models(self) -> list[nodes.Model]:
        """The models of the main file, in order; the last is the default."""
        return [d for d in self.main.declarations if isinstance(d, nodes.Model)]

    def train_for(self, model: nodes.Model) -> nodes.Train | None:
        """`train Name { }` of that model, else the unnamed `train { }` of its file.

        Where a file has several models, an unnamed block belongs to those that have the names it reads: a model
        that is only used inside another one is not trained.
        """
        found = self._attached(model, nodes.Train)
        return None if found is not None and found.model is None and id(model) in self.untrained else found

    def data_for(self, model: nodes.Model) -> nodes.Data | None:
        return self._attached(model, nodes.Data)

    def _attached(self, model: nodes.Model, kind: type[T]) -> T | None:
        table = self._block_table(self.files.get(model.span.path, self.main))
        found = table.get((kind, model.name.id)) or table.get((kind, ""))
        return found if isinstance(found, kind) else None

    def _block_table(self, file: nodes.File) -> dict[tuple[type, str], nodes.Train | nodes.Data]:
        """`data` and `train` blocks of a file by the model they name ("" for none), the first of two with one name."""
        if file.path not in self._blocks:
            table: dict[tuple[type, str], nodes.Train | nodes.Data] = {}
            for d in file.declarations:
                if isinstance(d, nodes.Train | nodes.Data):
                    table.setdefault((type(d), d.model.id if d.model is not None else ""), d)
            self._blocks[file.path] = table
        return self._blocks[file.path]

    def _find(self, path: str, name: str, kind: type[D]) -> D | None:
        key = (path, name, kind)
        if key not in self._found:
            found = (self._table(file)[kind].get(name) for file in self.visible(path))
            self._found[key] = next((f for f in found if f is not None), None)
        declared = self._found[key]
        return declared if isinstance(declared, kind) else None

    def _table(self, file: nodes.File) -> dict[type, dict[str, object]]:
        """Declarations by kind and name; the first of two with one name counts (the second is reported)."""
        if file.path not in self._tables:
            table: dict[type, dict[str, object]] = {nodes.Block: {}, nodes.Model: {}, nodes.Let: {}}
            for declaration in file.declarations:
                if isinstance(declaration, nodes.Block | nodes.Model | nodes.Let):
                    table[type(declaration)].setdefault(declaration.name.id, declaration)
            self._tables[file.path] = table
        return self._tables[file.path]
