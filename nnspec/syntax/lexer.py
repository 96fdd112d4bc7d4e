"""Characters to tokens. What is not a token is reported here, once, and never stops the rest.

Slips such as `&&`, `**` and `'text'` are read as what was meant (slips.py).
"""

from __future__ import annotations

import re

from nnspec.diagnostics import Span
from nnspec.record import Record
from nnspec.syntax.slips import ENDS_OPERAND, STRING_PREFIXES, Slips
from nnspec.syntax.tokens import MAX_INTEGER_DIGITS, Problems, Token

_MASTER = re.compile(
    r"""[ \t]*(?:
      (?P<word>    [^\W\d]\w*)
    | (?P<slip>    /\*|<!--|\"\"\"|'''|```|(?<![^\n])(?:<{7}|={7}|>{7}|\|{7})(?![<=>|]))
    | (?P<foreign> -?&(?:gt|lt|amp);|~>|[\u2794\u279c\u279e\u27a1\u27f6\u27f9]
                 | \*\*|&&|\|\||=>|\|>|>>>?|<<|\.\.\.|:=|<>|!(?!=)
                 | [&|\u2192\u21d2\u00d7\u00b7\u2212\u2013\u2264\u2265\u2260\u00f7]
                 | '(?:[^'\\\n]++|\\.)*+' | [\u201c-\u201e][^\u201c\u201d"\n]*[\u201c\u201d]
                 | [\u2018\u201a][^\u2018\u2019'\n]*[\u2018\u2019'] | \u00ab[^\u00bb\n]*\u00bb | `[^`\n]*`)
    | (?P<wide>    [\uff10-\uff19]+ | [\uff01-\uff20\uff3b-\uff40\uff5b-\uff5e\u3000-\u3002\u3010\u3011])
    | (?P<op>      ->|\.\.|//|[=!<>]=|[-+*/%^<>=,;:()\[\]{}])
    | (?P<attr>    \.[A-Za-z0-9_]+)
    | (?P<newline> \n)
    | (?P<number>  [0-9][0-9_]*(?:\.[0-9][0-9_]*)?(?:[eE][+\-\u2212\u2013]?[0-9]+)?)
    | (?P<string>  "(?:[^"\\\n]++|\\.)*+")
    | (?P<comment> \#[^\n]*)
    | (?P<open>    "[^\n]*)
    | (?P<end>     \Z)
    | (?P<junk>    [\x00-\x08\x0b-\x1f\x7f]+ | .[^\x00-\x7f\w]*)
    )""",
    re.VERBOSE,
)
_LABEL = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*)?(?:\{[^{}\n\"#]*\}[A-Za-z0-9_]*)+[ \t]*:")
_LABEL_TEXT = re.compile(r"[A-Za-z0-9_]+")
_BARE_POINT = re.compile(r"\.(?![.\w])")
_TAIL = re.compile(r"\w*")
_DIGITS = re.compile(r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+)?")
_AFTER_NUMBER = ",)] \n"
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LABEL_MAY_FOLLOW = frozenset({"->", "(", "{", "=", ",", "[", ";", "NEWLINE", ""})


class Comment(Record):
    """A comment from its `#` to the end of its line; `text` begins with the `#`."""

    span: Span
    text: str


def normalise(text: str) -> str:
    """The text without a byte order mark, every line ended by `\\n`."""
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def comments(text: str, path: str) -> tuple[Comment, ...]:
    """Every comment with its place, in the order of the text."""
    found, line, start, position = [], 1, 0, 0
    text = normalise(text)
    for match in _MASTER.finditer(text):
        if match.lastgroup == "newline":
            line, start = line + 1, match.end()
        elif match.lastgroup == "comment":
            position = match.start("comment")
            words = match["comment"].rstrip()
            column = position - start + 1
            found.append(Comment(Span(path, line, column, line, column + len(words)), words))
    return tuple(found)


def scan(text: str, problems: Problems) -> list[Token]:
    """All tokens of a normalised text, ended by `$END`.

    Words come as type "WORD" (layout.py tells names from keywords), newlines and `;` as they stand;
    `denselayer{i}:` comes as LABEL_TEXT, _LABEL_OPEN, the tokens inside, _LABEL_CLOSE, `:`.
    """
    return _Scanner(text, problems).run()


class _Scanner(Slips):
    def __init__(self, text: str, problems: Problems) -> None:
        super().__init__(text, problems)
        self.braces: set[int] = set()  # offsets of the braces of labels

    def run(self) -> list[Token]:
        text, position, match = self.text, 0, _MASTER.match
        tokens = self.tokens
        append, new, line, start = tokens.append, Token, 1, -1
        while True:
            found = match(text, position)
            assert found is not None  # every character is one alternative's
            kind = found.lastgroup or ""
            begin, position = found.span(kind)
            if kind == "newline":
                append(new("NEWLINE", "", line, begin - start, begin - start, False))
                self.line = line = line + 1
                self.start = start = begin
            elif kind == "op":
                word = text[begin:position]
                if (word == "{" or word == "}") and (begin in self.braces or (word == "{" and self._label(begin))):
                    position = self._brace(begin, word)
                    continue
                append(new(word, word, line, begin - start, position - start, self.quiet))
                self.quiet = False
            elif kind == "word":
                word = text[begin:position]
                if not word.isascii():
                    word = self._foreign_word(begin, word)
                kind = "LABEL_TEXT" if text.startswith("{", position) and self._label(begin) else "WORD"
                append(new(kind, word, line, begin - start, position - start, self.quiet))
                self.quiet = False
            elif kind == "comment":
                continue
            elif kind == "end":
                append(new("$END", "", line, begin - start, begin - start, self.quiet))
                return tokens
            else:
                position = getattr(self, f"_{kind}")(begin, text[begin:position])
                line, start = self.line, self.start

    # ------------------------------------------------------------ kinds of tokens

    def _attr(self, begin: int, word: str) -> int:
        """`.channels`, `.0`; the number `.5` where no operand stands before it."""
        last = self.tokens[-1] if self.tokens else None
        adjacent = last is not None and last.line == self.line and last.end == begin - self.start
        if last is not None and last.type == "NUMBER" and adjacent and word[1].isdigit():
            self._malformed(begin, word, "a number has one point")
        elif word[1:].isdigit() and not (last and (last.type in ENDS_OPERAND or self._is_name(last))):
            self._malformed(begin, word, f"a number begins with a digit: `0{word}`")
            self._put("NUMBER", "0" + word, begin, len(word))
        else:
            if word[1].isdigit() and not word[1:].isdigit():
                self._malformed(begin, word, "what follows a point is a name, or a whole number")
            self._put("ATTRIBUTE", word, begin, len(word))
        return begin + len(word)

    def _malformed(self, begin: int, word: str, help: str) -> None:
        self.problems.error("E0107", self._at(begin, len(word)), f"`{word}` is not a number or a name", help)

    def _number(self, begin: int, word: str) -> int:
        end = begin + len(word)
        if len(word) <= MAX_INTEGER_DIGITS and word.isdigit() and self.text[end : end + 1] in _AFTER_NUMBER:
            self._put("NUMBER", word, begin, len(word))
            return end
        if "\u2212" in word or "\u2013" in word:
            sign = "\u2212" if "\u2212" in word else "\u2013"
            place = self._at(begin + word.index(sign), 1)
            word = word.replace(sign, "-")
            self.problems.error("E0104", place, f"`{sign}` is not an operator", f"write `{word}`")
        rest = _TAIL.match(self.text, end)
        tail = rest.group() if rest else ""
        if tail in ("e", "E") and self.text[end + 1 : end + 2] in ("+", "-", "\u2212", "\u2013"):
            tail += self.text[end + 1]
        if not tail and "." not in word and _BARE_POINT.match(self.text, end):
            place = self._at(begin, len(word) + 1)
            self.problems.error("E0107", place, f"`{word}.` is not a number", f"write `{word}.0`")
            self._put("NUMBER", word, begin, len(word) + 1)
            return end + 1
        digits = word.replace("_", "")
        if tail or not _DIGITS.fullmatch(word):
            shown = word + tail if len(word) < 40 else word[:40] + "..."
            help = "a name begins with a letter" if tail.strip("_") else "write digits, with `_` between them at most"
            help = "an exponent has digits, as in `1e-3`" if tail.rstrip("+-\u2212\u2013") in ("e", "E") else help
            self.problems.error("E0107", self._at(begin, len(word + tail)), f"`{shown}` is not a number", help)
            self.quiet = True  # where a name must stand, that has been said now
            self._put("POISON", word, begin, len(word + tail))
            self.quiet = True
        elif digits.isdigit() and len(digits.lstrip("0")) > MAX_INTEGER_DIGITS:
            message = f"a whole number has at most {MAX_INTEGER_DIGITS} digits, this one has {len(digits)}"
            help = "write it with a point or an exponent if it need not be exact"
            self.problems.error("E0108", self._at(begin, len(word)), message, help)
            self._put("POISON", word, begin, len(word))
        elif float(digits) == float("inf"):
            place = self._at(begin, len(word))
            self.problems.error("E0108", place, "the number is too large", "numbers reach up to 1.7e308")
            self._put("POISON", word, begin, len(word))
        else:
            self._put("NUMBER", digits, begin, len(word))
        return end + len(tail)

    def _string(self, begin: int, word: str) -> int:
        last = self.tokens[-1] if self.tokens else None
        if last and last.line == self.line and last.end == begin - self.start and last.text in STRING_PREFIXES:
            self.tokens.pop()
            place = self._at(begin - len(last.text), len(last.text))
            self.problems.error("E0104", place, f"`{last.text}` before a string means nothing here", f"write {word}")
        self._put("STRING", self._unescape(begin, word[1:-1]), begin, len(word))
        return begin + len(word)

    def _unescape(self, begin: int, inside: str) -> str:
        """The text that a string literal stands for; unknown escapes and control characters are reported."""
        control = _CONTROL.search(inside)
        if control:
            place = self._at(begin + 1 + control.start(), 1)
            message = f"a string cannot hold the character U+{ord(control[0]):04X}"
            self.problems.error("E0106", place, message, "leave it out")
            inside = _CONTROL.sub("", inside)
        if "\\" not in inside:
            return inside

        def replace(match: re.Match[str]) -> str:
            if match[1] in _ESCAPES:
                return _ESCAPES[match[1]]
            place = self._at(begin + 1 + match.start(), 2)
            help = 'there are `\\"`, `\\\\`, `\\n` and `\\t`; a path takes `/`'
            self.problems.error("E0106", place, f"`{match[0]}` stands for nothing in a string", help)
            return match[1]

        return re.sub(r"\\(.)", replace, inside)

    def _open(self, begin: int, word: str) -> int:
        """A string without its closing quote: it ends with the line, before brackets that close others."""
        kept = word.partition("#")[0].rstrip(" \t),]};")
        message = "the string is not closed on its line"
        place = self._first_unclosed() or self._at(begin, len(kept))
        self.problems.error("E0105", place, message, 'end it with `"`')
        self.quiet = True
        self._put("STRING", kept[1:].replace("\\", ""), begin, len(kept))
        return begin + len(kept)

    # ------------------------------------------------------------ labels that hold a value

    def _label(self, begin: int) -> bool:
        """Whether `denselayer{i}:` starts here; its braces are then no brackets."""
        last = self.tokens[-1].type if self.tokens else ""
        whole = _LABEL.match(self.text, begin) if last in _LABEL_MAY_FOLLOW else None
        if whole is None:
            return False
        self.braces.update(i for i in range(*whole.span()) if self.text[i] in "{}")
        return True

    def _brace(self, begin: int, word: str) -> int:
        """A brace of a label, and after a closing one the text that goes on."""
        self._put("_LABEL_OPEN" if word == "{" else "_LABEL_CLOSE", word, begin, 1)
        more = _LABEL_TEXT.match(self.text, begin + 1) if word == "}" else None
        if more is None:
            return begin + 1
        self._put("LABEL_TEXT", more.group(), begin + 1, len(more.group()))
        return more.end()
