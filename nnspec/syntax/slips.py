"""What comes into a file from elsewhere: comments of other languages, conflict markers, fences, look-alike letters."""

from __future__ import annotations

import re

LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456\u0458\u0455\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u03bf\u03c1\u03bd",
    "aeopcxyijsABEKMHOPCTXopv",
)
"""Cyrillic and Greek letters that look like Latin ones."""
WIDE = {"\u3000": " ", "\u3001": ",", "\u3002": ".", "\u3010": "[", "\u3011": "]"}
"""Wide signs that are not at the usual distance from their ASCII."""
ENTITIES = {"-&gt;": "->", "&gt;": ">", "&lt;": "<", "&amp;": "and"}
STRING_PREFIXES = frozenset({"f", "F", "r", "R", "b", "B", "u", "rb", "br", "fr", "rf"})
_SUPERSCRIPTS = dict(zip("\u00b2\u00b3\u00b9\u2070\u2074\u2075\u2076\u2077\u2078\u2079", "2310456789", strict=True))
_CLOSERS = {"/*": "*/", "<!--": "-->", '"""': '"""', "'''": "'''"}
_CONFLICT = {"<<<<<<<": "\n", "|||||||": "\n=======", "=======": "\n>>>>>>>", ">>>>>>>": "\n"}


def narrow(text: str) -> str:
    """Wide characters in ASCII: the parentheses of East Asian keyboards as `(`."""
    return "".join(WIDE.get(c) or (chr(ord(c) - 0xFEE0) if "\uff01" <= c <= "\uff5e" else c) for c in text)


def skipped(text: str, begin: int, word: str) -> int:
    """The offset after a comment of another language, or after the side of a conflict that is not read.

    One that nothing closes ends with its line.
    """
    if word in _CONFLICT:
        return _after_marker(text, begin, word)
    closer = _CLOSERS.get(word, "")
    found = text.find(closer, begin + len(word)) if closer else -1
    return found + len(closer) if found >= 0 else _line_end(text, begin)


def closes(part: str, word: str) -> bool:
    """Whether the comment that `word` begins ends with `part`."""
    return len(part) > len(word) and part.endswith(_CLOSERS.get(word, "\n"))


def _after_marker(text: str, begin: int, word: str) -> int:
    """The first side of a conflict is read: the rest goes, up to the newline after the last marker."""
    closer = _CONFLICT[word]
    found = text.find(closer, begin)
    if closer == "\n" or found < 0:
        return _line_end(text, begin)
    return found if word == "|||||||" else _line_end(text, found + 1)


def _line_end(text: str, begin: int) -> int:
    found = text.find("\n", begin)
    return found if found >= 0 else len(text)


def choice_end(text: str, begin: int) -> int:
    """The offset where `? a : b` ends: at a comma, the end of the line or a bracket that closes one outside."""
    depth = 0
    for match in re.compile(r"[(){}\[\],;\n#]").finditer(text, begin):
        sign = match.group()
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0 or sign in "\n#" or (depth == 0 and sign in ",;"):
            return match.start()
    return len(text)


def spelled(word: str) -> str:
    """A spelling of `word` in ASCII: `größe` as `grosse`, `λ` as `lambda`, Cyrillic letters as what they look like."""
    import unicodedata

    word = word.translate(LOOK_ALIKES) if any("a" <= c.lower() <= "z" for c in word) else word
    found = []
    for letter in word:
        plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
        name = unicodedata.name(letter, "x").lower()
        greek = name.split()[-1].replace("lamda", "lambda") if name.startswith("greek") else ""
        other = {"ß": "ss", "ø": "o", "æ": "ae"}.get(letter, "_")
        found.append(letter if letter.isascii() else plain or greek or other)
    result = re.sub(r"[^A-Za-z0-9_]", "_", "".join(found))
    return result if not result[:1].isdigit() else "_" + result


def power(word: str) -> str:
    """`x^2` for a name that ends with raised digits, "" for any other."""
    base = word.rstrip("".join(_SUPERSCRIPTS))
    raised = "".join(_SUPERSCRIPTS[c] for c in word[len(base) :])
    return f"{base}^{raised}" if raised and base.isascii() and base else ""


def look_alikes(word: str) -> str:
    """The letters of `word` that only look Latin, for a message; "" where there are none."""
    if not any("a" <= c.lower() <= "z" for c in word):
        return ""
    return ", ".join(dict.fromkeys(f"U+{ord(c):04X}" for c in word if ord(c) in LOOK_ALIKES))
