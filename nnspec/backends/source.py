"""Python source, built safely: quoted literals, allow-listed identifiers, lines folded as ruff folds them."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

WIDTH = 88  # ruff's default, so that a user's formatter leaves emitted files alone


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


class Names:
    """Identifiers of one scope: every name asked for comes back legal and unique."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.taken = set(reserved)

    def fresh(self, wanted: str) -> str:
        """`wanted` if it is a free legal identifier, else the nearest that is. Always the same for the same calls."""
        base = identifier(wanted)
        name, number = base, 2
        while name in self.taken:
            name, number = f"{base}_{number}", number + 1
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
            folded = [f"{text}  # {note}"]
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


def fold(text: str, indent: int) -> list[str]:
    """The lines of one logical line, split at brackets as ruff's formatter does when it exceeds `WIDTH`."""
    if indent + len(text) <= WIDTH:
        return [text]
    split = _last_bracket(text)
    if split is None:
        return [text]
    head, body, tail = split
    items = split_commas(body)
    joined = ", ".join(items)
    if indent + 4 + len(joined) <= WIDTH:
        return [head, "    " + joined, tail]
    lines = [head]
    clause = _for_clause(body)
    if clause:
        for piece in (body[:clause].rstrip(), body[clause:].strip()):
            lines.extend("    " + part for part in fold(piece, indent + 4))
        return [*lines, tail]
    for item in items:
        lines.extend("    " + piece for piece in fold(item + ",", indent + 4))
    return [*lines, tail]


def _for_clause(body: str) -> int:
    """Where the `for` of a comprehension starts in the text between its brackets; 0 if it is none."""
    depth = 0
    for position, char in enumerate(body):
        depth += (char in "([{") - (char in ")]}")
        if not depth and body.startswith(" for ", position):
            return position
    return 0


def _last_bracket(text: str) -> tuple[str, str, str] | None:
    """Split at the last outermost bracket pair: head with the opener, what is inside, tail with the closer."""
    stack: list[int] = []
    best: tuple[int, int] | None = None
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        if quote:
            if char == "\\":
                position += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "([{":
            stack.append(position)
        elif char in ")]}":
            start = stack.pop()
            if not stack and position > start + 1:
                best = (start, position)
        position += 1
    if best is None:
        return None
    start, end = best
    return text[: start + 1], text[start + 1 : end], text[end:]


def split_commas(body: str) -> list[str]:
    """The parts between top-level commas, trailing comma dropped."""
    parts, depth, current, quote = [], 0, "", ""
    position = 0
    while position < len(body):
        char = body[position]
        current += char
        if quote:
            if char == "\\":
                position += 1
                current += body[position]
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and not depth:
            parts.append(current[:-1].strip())
            current = ""
        position += 1
    if current.strip():
        parts.append(current.strip())
    return parts


def helper_source(backend: str, name: str) -> str:
    """The text of a top-level function of `backends/<backend>/helpers.py`, without importing what it imports."""
    import ast
    from pathlib import Path

    text = (Path(__file__).parent / backend / "helpers.py").read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            return "\n".join(text.split("\n")[first - 1 : node.end_lineno])
    raise LookupError(f"no helper {name} for {backend}")
