"""Which names a piece of generated Python reads, found without parsing it: a parse takes longer than the writing."""

from __future__ import annotations

import re

_QUIET = re.compile(r"""["#'](?:(?<=")""[\s\S]*?\"""|(?<=#).*|(?<=")(?:[^"\\\n]|\\.)*"|(?<=')(?:[^'\\\n]|\\.)*')""")
_INSIDE = re.compile(r"\{([^}]*)")
_MADE = re.compile(r"^(?: *(?:def|class) \w+|    \w+: )", re.MULTILINE)
_WORD = re.compile(r"[.\w]+(?:=(?!=))?")


def code_of(text: str) -> str:
    """Formatted Python without docstrings, comments and strings; of an f-string stays what is in braces."""
    return _QUIET.sub(_spoken, text)


def names_read(text: str) -> set[str]:
    """Every name that formatted Python may read, words of the language among them, and names only assigned to.

    Attributes, keyword arguments, fields of a class and names of what is defined here are not among them.
    """
    words = set(_WORD.findall(_MADE.sub("", code_of(text))))
    return {word.partition(".")[0] for word in words if not word.endswith("=")}


def _spoken(found: re.Match[str]) -> str:
    start = found.start()
    if start == 0 or found.string[start - 1] != "f" or found[0][0] == "#":
        return " "
    return " " + " ".join(_INSIDE.findall(found[0].replace("{{", "").replace("}}", "")))
