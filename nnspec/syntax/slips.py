"""What comes into a file from elsewhere: comments of other languages, conflict markers, fences, look-alike letters.

Where it has an obvious meaning the token that was meant goes on, so that nothing after it is blamed; what has none is
left out, and the next token is marked `quiet`.
"""

from __future__ import annotations

import re

from nnspec.syntax.tokens import RESERVED, Problems, Token

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


ENDS_OPERAND = frozenset({")", "]", "}", "ATTRIBUTE", "NUMBER", "STRING", "POISON"})
_MEANT = {
    "**": "^", "&&": "and", "&": "and", "||": "or", "|": "or", "=>": "->", "|>": "->", ":=": "=", "!": "not",
    ">>": "->", "<<": "->", "~>": "->", "<>": "!=",
    **dict.fromkeys("\u2794\u279c\u279e\u27a1\u27f6\u27f9", "->"), **ENTITIES,
    # arrows, times, middle dot, minus, dash, at most, at least, unequal, divided by
    "\u2192": "->", "\u21d2": "->", "\u00d7": "*", "\u00b7": "*", "\u2212": "-", "\u2013": "-",
    "\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "\u00f7": "/",
}  # fmt: skip
_COMMENTS = {"/*": "`/*`", "<!--": "`<!--`", '"""': '`"""`', "'''": "`'''`", "```": '"```"'}
_JUNK_HELP = {
    "\\": "a line goes on inside brackets and after an operator",
    "@": "write `matmul(a, b)`",
    ".": "a number has digits on both sides of its point; a name follows its point directly",
    "'": 'a string stands between double quotes: `"..."`',
    '"': "a string stands between two double quotes",
    "\u00a0": "put an ordinary space",
}


class Slips:
    """What comes from elsewhere amid the tokens of `lexer.scan`. A method takes an offset and answers with the next."""

    def __init__(self, text: str, problems: Problems) -> None:
        self.text, self.problems = text, problems
        self.tokens: list[Token] = []
        self.line, self.start = 1, -1  # the line, and the offset before its first character: columns are offset - start
        self.quiet = False
        self.reported_words: set[str] = set()
        self.wide_line = 0  # the last line in which wide characters were reported
        self.bars: list[tuple[str, int]] = []  # `|` and `||` that stand open, with their lines
        self.questions = 0  # sizes that are `?`
        self.endless: set[str] = set()  # signs of other languages that nothing closes
        self.conflicts = False  # whether a conflict marker was reported

    def _put(self, type: str, text: str, begin: int, length: int) -> Token:
        token = Token(type, text, self.line, begin - self.start, begin - self.start + length, self.quiet)
        self.tokens.append(token)
        self.quiet = False
        return token

    def _at(self, begin: int, length: int) -> Token:
        """A place to report at."""
        return Token("", "", self.line, begin - self.start, begin - self.start + length)

    @staticmethod
    def _is_name(token: Token) -> bool:
        return token.type == "WORD" and token.text not in RESERVED

    def _first_unclosed(self) -> Token | None:
        """With an odd number of quotes on a line: the string that runs into a word is the one without its end.

        What follows it is quiet, for text and strings have changed places.
        """
        places = [i for i, token in enumerate(self.tokens) if token.line == self.line]
        for i in places[:-1]:
            token, after = self.tokens[i], self.tokens[i + 1]
            if token.type == "STRING" and after.type == "WORD" and after.column == token.end:
                self.tokens[i + 1 :] = [t._replace(quiet=True) for t in self.tokens[i + 1 :]]
                self.quiet = True
                return token
        return None

    def _slip(self, begin: int, word: str) -> int:
        """Comments of other languages, and markers that a merge or Markdown left behind: passed over."""
        fresh = not self.text[self.start + 1 : begin].strip()
        place = self._at(begin, len(word))
        if word in ('"""', "'''") and not fresh and (end := self.text.find(word, begin + 3)) >= 0:
            inside = self.text[begin + 3 : end]
            if "\n" not in inside:
                self.problems.error("E0104", place, "a string stands between double quotes", f'write "{inside}"')
                self._put("STRING", inside.replace("\\", ""), begin, end + 3 - begin)
                return end + 3
        if word in _COMMENTS:
            if word != "```" or not self.conflicts:
                help = "leave it out" if word == "```" else "a comment begins with `#`"
                verb = "means nothing here" if word == "```" else "begins no comment"
                self.problems.error("E0104", place, f"{_COMMENTS[word]} {verb}", help)
            self.conflicts |= word == "```"
        elif not self.conflicts:
            help = "keep one of the two versions, and delete the lines of `<<<<<<<`, `=======` and `>>>>>>>`"
            self.problems.error("E0104", place, f"`{word}` is left over from a merge", help)
            self.conflicts = True
        end = skipped(self.text, begin, word) if word not in self.endless else self.text.find("\n", begin)
        end = end if end >= 0 else len(self.text)
        if "\n" not in self.text[begin:end] and not closes(self.text[begin:end], word):
            self.endless.add(word)  # nothing below closes it either: it is not looked for again
        lines = self.text.count("\n", begin, end)
        if lines:
            self.line, self.start = self.line + lines, self.text.rindex("\n", begin, end)
        return end

    def _wide(self, begin: int, word: str) -> int:
        """Wide characters of East Asian keyboards, read as the ASCII they stand for; said once a line."""
        meant = narrow(word)
        if self.wide_line != self.line:
            self.wide_line = self.line
            end = self.text.find("\n", begin)
            found = re.sub(r"[\x00-\x7f]+", "", self.text[begin : end if end >= 0 else None])
            wide = dict.fromkeys(c for c in found if narrow(c) != c)
            shown = ", ".join(f"`{c}`" for c in list(wide)[:4])
            message = f"{shown} {'is a wide character' if len(wide) == 1 else 'are wide characters'}"
            help = f"write {', '.join(f'`{narrow(c)}`' for c in list(wide)[:4])}"
            self.problems.error("E0104", self._at(begin, len(word)), message, help)
        if meant.isdigit():
            self._put("NUMBER", meant, begin, len(word))
        elif meant in "-+*/%^<>=,;:()[]{}":
            self._put(meant, meant, begin, len(word))
        return begin + len(word)

    def _foreign(self, begin: int, word: str) -> int:
        """Spellings of other languages, read as what was meant."""
        place = self._at(begin, len(word))
        if word == "...":
            self.problems.error("E0104", place, "`...` stands for nothing", "write what belongs here")
            self._put("POISON", word, begin, 3)
            self.quiet = True
        elif word in (">>>", ">>") and not self.text[self.start + 1 : begin].strip():
            self.problems.error("E0104", place, f"`{word}` is no part of a spec", "leave it out")
        elif word in ("|", "||") and (end := self._bars(begin, word)):
            return end
        elif word == "|":
            help = "write `->` between steps, `or` between conditions"
            self.problems.error("E0104", place, "`|` is not an operator", help)
            self._put("WORD", "or", begin, 1)
        elif word[0] in "'`\u00ab\u2018\u201a\u201c\u201d\u201e":
            self.problems.error("E0104", place, "a string stands between double quotes", f'write "{word[1:-1]}"')
            self._put("STRING", word[1:-1].replace("\\", ""), begin, len(word))
        else:
            meant = _MEANT[word.replace(">>>", ">>")]
            self.problems.error("E0104", place, f"`{word}` is not an operator", f"write `{meant}`")
            self._put("WORD" if meant.isalpha() else meant, meant, begin, len(word))
        return begin + len(word)

    def _junk(self, begin: int, word: str) -> int:
        """Characters that mean nothing; the token after them is quiet."""
        if word[0] == "?":
            return self._question(begin)
        if word[0] == "@" and not self.text[self.start + 1 : begin].strip():
            self.problems.error("E0104", self._at(begin, 1), "`@` means nothing here", "leave the line out")
            end = self.text.find("\n", begin)
            return end if end >= 0 else len(self.text)
        shown = " ".join(f"U+{ord(c):04X}" for c in word[:4])
        if word.isprintable() and word.strip():
            shown = f"`{word}`" if word != "`" else f'"{word}"'
        many = len(word) > 1
        message = f"the character{'s' if many else ''} {shown} mean{'' if many else 's'} nothing here"
        self.problems.error("E0104", self._at(begin, len(word)), message, _JUNK_HELP.get(word[0], "leave it out"))
        self.quiet = True
        return begin + len(word)

    def _bars(self, begin: int, word: str) -> int:
        """`|x|` and `||x||` of mathematics: the offset to go on from, 0 where the sign stands between operands."""
        last = self.tokens[-1] if self.tokens else None
        open_here = self.bars.pop() if self.bars and self.bars[-1] == (word, self.line) else None
        if open_here is not None:
            self.quiet = True
            self._put(")", ")", begin, len(word))
            return begin + len(word)
        operand = last is not None and (last.type in ENDS_OPERAND or self._is_name(last))
        end = self.text.find("\n", begin)
        if operand or last is None or word not in self.text[begin + len(word) : end if end >= 0 else None]:
            return 0
        name = "abs" if word == "|" else "norm"
        self.problems.error("E0104", self._at(begin, len(word)), f"`{word}` is no bracket", f"write `{name}(...)`")
        self.bars.append((word, self.line))
        self._put("WORD", name, begin, len(word))
        self.quiet = True
        self._put("(", "(", begin, len(word))
        return begin + len(word)

    def _question(self, begin: int) -> int:
        """`c ? a : b`, or a size that is left open in another language."""
        after = self.text[begin + 1 : begin + 40].lstrip(" \t")[:1]
        if self.tokens and self.tokens[-1].type in (",", "[") and after in (",", "]"):
            help = "an open size has a name: `dim H`, then float32[3, H, H]"
            self.questions += 1
            again = any(t.text == "?" and t.line == self.line for t in self.tokens[-3:])
            if not again or self.questions % 64 == 0:  # so that a text of nothing else is not read to its end
                self.problems.error("E0104", self._at(begin, 1), "`?` is no size", help)
            self.quiet = True
            self._put("POISON", "?", begin, 1)
            self.quiet = True
            return begin + 1
        self.problems.error("E0104", self._at(begin, 1), "`?` is not an operator", "write `if c { a } else { b }`")
        end = choice_end(self.text, begin)
        self.quiet = True
        self._put("POISON", "?", begin, end - begin)
        self.quiet = True
        return end

    def _foreign_word(self, begin: int, word: str) -> str:
        """A name with letters that are not ASCII, as it is spelled with those that are."""
        meant = spelled(word) if len(word) <= 40 else word
        if word in self.reported_words:
            return meant
        self.reported_words.add(word)
        shown = word if len(word) <= 40 else word[:37] + "..."
        message = f"the name `{shown}` holds letters other than A-Z, a-z, digits and `_`"
        help = f"write `{power(shown) or spelled(shown)}`"
        if letters := look_alikes(shown):
            help += f": {letters} only look{'' if ',' in letters else 's'} like a Latin letter"
        self.problems.error("E0118", self._at(begin, len(word)), message, help)
        return meant
