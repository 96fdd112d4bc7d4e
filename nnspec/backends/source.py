"""Python source, built safely: quoted literals, allow-listed identifiers, lines folded as ruff folds them."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from nnspec.backends.folding import WIDTH, fold


def literal(value: Any) -> str:
    """Source text of a plain value: the only way by which data of a spec enters emitted code.

    Raises TypeError for anything but None, bools, numbers, strings and (nested) tuples and lists of them.
    """
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        return _float(float(value))
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    raise TypeError(f"no literal for {type(value).__name__}")


def _float(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return re.sub(r"e([+-]?)0*(\d)", lambda m: f"e{m[1].replace('+', '')}{m[2]}", repr(value))


def _string(value: str) -> str:
    text = "".join(c if c.isprintable() and c not in '"\\' else _escape(c) for c in value)
    return f'"{text}"'


def _escape(char: str) -> str:
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    if char in named:
        return named[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def comment(text: str) -> str:
    """Text of a spec inside a comment or docstring: one line, nothing that could end it."""
    return "".join(c if c.isprintable() else " " for c in text).replace("\\", "/").replace('"', "'").strip()


_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def negated(condition: str) -> str:
    """The opposite of a condition between numbers: `n != 1` for `n == 1`, else with `not`."""
    if condition.replace(".", "").isidentifier():
        return f"not {condition}"
    operators = re.findall(r" (==|!=|<=|>=|<|>|and|or|if|not) ", f" {condition} ")
    if len(operators) == 1 and operators[0] in _OPPOSITE and not any(c in condition for c in "()\"'"):
        return condition.replace(f" {operators[0]} ", f" {_OPPOSITE[operators[0]]} ")
    return f"not ({condition})"


class Names:
    """Identifiers of one scope: every name asked for comes back legal and unique."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.taken = set(reserved)
        self.next: dict[str, int] = {}  # by identifier, a number that those before it are taken of

    def fresh(self, wanted: str) -> str:
        """`wanted` if it is a free legal identifier, else the nearest that is. Always the same for the same calls."""
        base = identifier(wanted)
        name, number = base, self.next.get(base, 2)
        while name in self.taken:
            name, number = f"{base}_{number}", number + 1
            self.next[base] = number
        self.taken.add(name)
        return name


SHADOWED = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "callable",
        "dict",
        "dir",
        "enumerate",
        "eval",
        "exec",
        "filter",
        "float",
        "format",
        "hash",
        "id",
        "input",
        "int",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "object",
        "open",
        "print",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "vars",
        "zip",
        "self",
        "cls",
    ]
)


def identifier(text: str) -> str:
    """A legal Python identifier near `text`: NFKC-normal, no keyword, no built-in, no dunder."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", unicodedata.normalize("NFKC", text)) or "x"
    if name.startswith("_"):
        name = "x" + name
    if name[0].isdigit():
        name = f"layer{name}"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in SHADOWED:
        name += "_"
    return name


def camel(text: str) -> str:
    """`inverted_residual` as a class name: `InvertedResidual`; names that have capitals keep them."""
    parts = [p for p in re.split(r"[_\W]+", text) if p]
    return "".join(p[0].upper() + p[1:] for p in parts) or "Unit"


class Writer:
    """Lines of source with indentation. `line` folds what is too long the way ruff would."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def line(self, text: str = "", note: str = "") -> None:
        """One statement; `note` becomes a trailing comment where the line has room for it."""
        if not text:
            self.lines.append("")
            return
        indent = "    " * self.depth
        folded = fold(text, len(indent))
        if note and len(folded) == 1 and len(indent) + len(text) + len(note) + 4 <= WIDTH:
            folded = [f"{folded[0]}  # {note}"]
        self.lines.extend(indent + piece for piece in folded)

    def block(self, text: str) -> None:
        """Ready source text, indented to here."""
        indent = "    " * self.depth
        self.lines.extend(indent + piece if piece else "" for piece in text.rstrip("\n").split("\n"))

    def blank(self, count: int = 1) -> None:
        """At least `count` empty lines (none at the very start)."""
        while self.lines and not self.lines[-1]:
            self.lines.pop()
        if self.lines:
            self.lines.extend([""] * count)

    @contextmanager
    def indented(self, header: str = "") -> Iterator[None]:
        if header:
            self.line(header)
        self.depth += 1
        yield
        self.depth -= 1

    def docstring(self, text: str) -> None:
        lines = text.strip().split("\n")
        if len(lines) == 1:
            self.block(f'"""{lines[0]}"""')
        else:
            self.block('"""' + lines[0] + "\n" + "\n".join(lines[1:]) + '\n"""')

    def text(self) -> str:
        while self.lines and not self.lines[-1]:
            self.lines.pop()
        return "\n".join(self.lines) + "\n"


def helper_source(backend: str, name: str) -> str:
    """The text of a function or class of `backends/<backend>/helpers.py`, without importing what that imports."""
    import ast
    from pathlib import Path

    text = (Path(__file__).parent / backend / "helpers.py").read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            return "\n".join(text.split("\n")[first - 1 : node.end_lineno])
    raise LookupError(f"no helper {name} for {backend}")
