"""Files that are no spec at all: one answer for the whole, in place of one for every line."""

from __future__ import annotations

import re

_OURS = re.compile(
    r"^[ \t]*(?:(?:input|target|output|layer|param|noise|dim|let|block|model)[ \t]+[A-Za-z_]"
    r"|(?:train|data)(?:[ \t]+\w+)?[ \t]*(?:\{|$)"
    r'|import[ \t]*"|require\b|nnspec[ \t]+\d)',
    re.MULTILINE,
)
_KINDS = (
    ("Python", re.compile(r"^[ \t]*(?:import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import|(?:async )?def[ \t]+\w+\(|class[ \t]"
                          r"+\w+.*:[ \t]*(?:#.*)?$|return\b|self\.|@\w|print\(|if __name__)", re.MULTILINE), 2),
    ("C or C++", re.compile(r"^[ \t]*#[ \t]*(?:include|define|pragma)\b", re.MULTILINE), 1),
    ("HTML or XML", re.compile(r"\A\s*<[!?A-Za-z]"), 1),
    ("JSON", re.compile(r'\A\s*(?:\{|\[)\s*(?:"|\{|\[|\d|\Z|\}|\])'), 1),
    ("YAML", re.compile(r"^(?:---[ \t]*|[ \t]*(?:- )?[\w-]+:(?:[ \t]+[^\n{]*)?)$", re.MULTILINE), 2),
)  # fmt: skip
_MOST_READ = 1 << 16  # characters: what a file is shows in its beginning


def foreign(text: str, declares: bool) -> str:
    """What a text with errors of syntax is instead of a spec, as "it looks like Python"; "" for a spec.

    `declares`: whether a block, a model or the like was made out in it.
    """
    head = text[:_MOST_READ]
    if _OURS.search(head):
        return ""
    lines = sum(bool(line.strip()) for line in head.split("\n"))
    for name, pattern, least in _KINDS:
        found = len(pattern.findall(head))
        if found >= least and (name != "YAML" or 2 * found > lines):
            return f"it looks like {name}"
    return "no line begins as a declaration does" if lines >= 3 and not declares else ""
