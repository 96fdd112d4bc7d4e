"""The definitions that emitted JAX files carry: which ones a text uses, and the imports it needs.

The modules in `helpers/` are read as text, never imported: a spec compiles without JAX installed.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from nnspec.backends.folding import WIDTH
from nnspec.backends.reading import names_read
from nnspec.record import Record

_FILES = ("layers.py", "recurrent.py", "functions.py", "losses.py", "training.py")
_IMAGES = "images.py"  # what every form with its own layout of images has in common

# What an emitted file may import: the name it binds, and the line that binds it.
_STANDARD = {
    "itertools": "import itertools",
    "math": "import math",
    "fnmatchcase": "from fnmatch import fnmatchcase",
    "Callable": "from collections.abc import Callable",
    "Iterator": "from collections.abc import Iterator",
    "dataclass": "from dataclasses import dataclass",
    "field": "from dataclasses import field",
    "replace": "from dataclasses import replace",
    "partial": "from functools import partial",
    "Any": "from typing import Any",
    "ClassVar": "from typing import ClassVar",
    "NamedTuple": "from typing import NamedTuple",
    "Self": "from typing import Self",
    "dataclass_transform": "from typing import dataclass_transform",
    "Iterable": "from collections.abc import Iterable",
}
_THIRD_PARTY = {
    "jax": "import jax",
    "jnp": "import jax.numpy as jnp",
    "np": "import numpy as np",
    "optax": "import optax",
    "Array": "from jax import Array",
    "lax": "from jax import lax",
    "initializers": "from jax.nn import initializers",
    "Initializer": "from jax.nn.initializers import Initializer",
    "GetAttrKey": "from jax.tree_util import GetAttrKey",
    "keystr": "from jax.tree_util import keystr",
    "register_dataclass": "from jax.tree_util import register_dataclass",
    "register_pytree_with_keys_class": "from jax.tree_util import register_pytree_with_keys_class",
    "tree_leaves_with_path": "from jax.tree_util import tree_leaves_with_path",
    "tree_map_with_path": "from jax.tree_util import tree_map_with_path",
}
IMPORTED = frozenset(_STANDARD) | frozenset(_THIRD_PARTY)


class Definition(Record):
    """One class, function or constant of `helpers/`: its text and the other definitions it needs."""

    name: str
    text: str
    needs: frozenset[str]

    @property
    def is_constant(self) -> bool:
        return not self.text.startswith(("@", "class ", "def "))


@lru_cache
def definitions(form: str = "") -> dict[str, Definition]:
    """Every definition by name, in the order of the files.

    A `form` is a further file of `helpers/`: its functions stand in for those of the same name, and of its classes
    the methods and the docstring for those of the class of the same name.
    """
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for name in (*_FILES, *((_IMAGES, f"{form}.py") if form else ())):
        text = (Path(__file__).parent / "helpers" / name).read_text("utf-8")
        last = ""
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and node.name in found:
                source = _spliced(found[node.name][0], text, node)
                found[node.name] = source, names(ast.parse(source))
            elif isinstance(node, ast.ClassDef | ast.FunctionDef):
                found[node.name] = _segment(text, node), names(node)
                last = node.name
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = _segment(text, node), names(node)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                # `convolve.defvjp(...)` stands below the last function it names, and comes with each of them
                found[last] = f"{found[last][0]}\n\n\n{_segment(text, node)}", found[last][1]
                for owner in names(node):
                    found[owner] = found[owner][0], found[owner][1] | names(node)
    return {
        name: Definition(name, text, frozenset((reads & found.keys()) - {name}))
        for name, (text, reads) in found.items()
    }


def _spliced(base: str, text: str, form: ast.ClassDef) -> str:
    """The text of a class with those members that `form` has in another form."""
    lines = base.splitlines()
    members = {_member(node): _segment(text, node) for node in form.body}
    (definition,) = ast.parse(base).body
    assert isinstance(definition, ast.ClassDef)
    for node in reversed(definition.body):
        if _member(node) in members:
            lines[node.lineno - 1 : node.end_lineno] = members[_member(node)].splitlines()
    return "\n".join(lines)


def _member(node: ast.stmt) -> str:
    """What a member of a class is called; the docstring is the one expression."""
    if isinstance(node, ast.FunctionDef):
        return node.name
    return '"""' if isinstance(node, ast.Expr) else ast.dump(node)


def _segment(text: str, node: ast.stmt) -> str:
    decorators = getattr(node, "decorator_list", [])
    start = min([node.lineno, *(d.lineno for d in decorators)])
    return "\n".join(text.splitlines()[start - 1 : node.end_lineno])


def names(tree: ast.AST) -> frozenset[str]:
    """Every name that a piece of source reads."""
    found = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    return frozenset(found)


def carried(body: str, form: str = "", written: Mapping[str, str] = MappingProxyType({})) -> list[Definition]:
    """The definitions that a text uses, and all that those use: constants, then the others in the order of the files.

    A `written` text stands in for the definition of its name.
    """
    table = dict(definitions(form))
    for name, text in written.items():
        table[name] = Definition(name, text, frozenset((names_read(text) & table.keys()) - {name}))
    wanted: set[str] = set()
    queue = [name for name in names_read(body) if name in table]
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted.add(name)
            queue.extend(table[name].needs)
    found = [definition for name, definition in table.items() if name in wanted]
    return sorted(found, key=lambda definition: not definition.is_constant)


def imports(body: str) -> str:
    """The import lines of a text, sorted as ruff sorts them."""
    used = names_read(body)
    sections = [_section(table, used) for table in (_STANDARD, _THIRD_PARTY)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _section(table: dict[str, str], used: set[str]) -> list[str]:
    plain = sorted(line for name, line in table.items() if name in used and line.startswith("import"))
    grouped: dict[str, list[str]] = {}
    for name, line in table.items():
        if name in used and line.startswith("from"):
            grouped.setdefault(line.split()[1], []).append(name)
    ordered = {module: sorted(found, key=_import_order) for module, found in sorted(grouped.items())}
    return plain + [_from(module, found) for module, found in ordered.items()]


def _from(module: str, found: list[str]) -> str:
    line = f"from {module} import {', '.join(found)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in found), ")"])


def _import_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: isort's order within a line."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name
