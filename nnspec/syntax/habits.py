"""Lines written out of habit from other languages: their comments, `return`, `pass`, `then`, `model: Net`.

Each is told once, and reading goes on behind it. A word that a file uses as a name is a name.
"""

from __future__ import annotations

from collections import Counter

from nnspec.syntax.brackets import Brackets
from nnspec.syntax.tokens import BODY_WORDS, FILE_WORDS, Token

FOREIGN_HEADS = {"def": "block", "fn": "block", "func": "block", "function": "block", "class": "model"}
"""Words that begin a block or a model elsewhere."""
_TYPES = frozenset({"float32", "int32", "int64", "uint8", "bool", "class"})


def shown(token: Token) -> str:
    return f"`{token.text}`"


class Habits(Brackets):
    """What the walk over the lines of a file asks before it reads one."""

    def __init__(self, raw: list[Token], indented: bool) -> None:
        super().__init__(raw, indented)
        self.head_place = 0  # where the head of the statement stands in `out`
        self.counts: Counter[str] = Counter()  # how often each word stands in the file, once that is asked
        self.bound: set[str] = set()  # words before `=`, and parameters, once that is asked

    def _foreign_comment(self, index: int, fresh: bool) -> bool:
        """Whether a line begins with `//`, `--` or, at the level of the file, `%`: reported here, and passed over."""
        token, after = self.raw[index], self.raw[min(index + 1, len(self.raw) - 1)]
        if token.type == "//" and self._lone_word(index + 1):
            self._error("E0104", token, "`//` begins no comment", "a comment begins with `#`")
            return True
        if not (fresh or not self.out) or self._inside("([") or token.type not in ("//", "-", "%"):
            return False
        if (token.type == "-" and (after.type != "-" or after.column != token.end)) or (
            token.type == "%" and self.open
        ):
            return False
        text = "--" if token.type == "-" else token.text
        self._error("E0104", token, f"`{text}` begins no comment", "a comment begins with `#`")
        return True

    def _lone_word(self, index: int) -> bool:
        """A word that ends its line and stands nowhere else: behind `//` a comment, for it cannot name a number."""
        words = self.raw[index : index + 2]
        if [t.type for t in words] not in (["WORD", "NEWLINE"], ["WORD", "$END"]):
            return False
        if not self.counts:
            self.counts = Counter(t.text for t in self.raw if t.type == "WORD")
        return self.counts[words[0].text] == 1

    def _foreign_statement(self, index: int) -> int:
        """Where reading goes on behind a statement of another language, reported here; `index` for anything else."""
        token, after = self.raw[index], self.raw[index + 1]
        if token.text == "then":
            return self._then(index, token, after)
        if self._before() not in ("", "{", "_NEWLINE"):
            return index
        if not self.open:
            return self._headed_by_colon(index, token, after)
        if token.text in BODY_WORDS:
            return self._unnamed(index, token, after)
        return self._step_of_python(index, token, after)

    def _then(self, index: int, token: Token, after: Token) -> int:
        """`if c then a else b`."""
        if self.head is None or self.head.text != "if" or after.type == "=" or self._is_bound("then"):
            return index
        message = f"expected `{{` after {shown(self.out[-1])}, found `then`"
        self._error("E0101", token, message, "write `if c { a } else { b }`")
        del self.out[self.head_place :]
        self.out.append(self.head._replace(type="POISON", quiet=True))
        self.head = None
        return self._next_line(index)

    def _step_of_python(self, index: int, token: Token, after: Token) -> int:
        """`pass`, `return y`, `def forward(x):` inside a body."""
        if token.text in FOREIGN_HEADS and after.type == "WORD":
            help = "a body holds its steps directly: leave the line out"
            self._error("E0101", token, f"there is no `{token.text}`", help)
            return self._next_line(index)
        if token.text == "pass" and after.type in ("NEWLINE", "}", ";") and not self._is_bound("pass"):
            self._error("E0101", token, "there is no `pass`", "leave it out")
            return index + 1
        if token.text == "return" and after.type not in ("=", ":") and not self._is_bound("return"):
            blocks = self._owner() == "block"
            help = "the value of a block is its last line" if blocks else "a result has a name: `output y = ...`"
            self._error("E0101", token, "there is no `return`", help)
            return index + 1 if blocks and after.type not in ("NEWLINE", "$END") else self._next_line(index)
        return index

    def _unnamed(self, index: int, token: Token, after: Token) -> int:
        """`input = float32[3]` and `output: y = ...`: declarations whose name is missing, or stands behind a colon."""
        value, beyond = self._ahead(index + 2), self._ahead(index + 3)
        typed = after.type == "=" and value.text in _TYPES and beyond.type in ("[", "(", "NEWLINE")
        if token.text in ("input", "target", "param", "noise") and typed:
            help = f"write `{token.text} name: {value.text}...`"
            self._error("E0101", after, f"expected a name and `:` after `{token.text}`, found `=`", help)
            return self._next_line(index)
        if after.type == ":" and value.type == "WORD" and beyond.type in ("WORD", ":", "="):
            form = f"{token.text} {value.text} = ..." if token.text == "output" else f"{token.text} {value.text}: ..."
            self._error("E0101", after, f"expected a name after `{token.text}`, found `:`", f"write `{form}`")
            return self._next_line(index)
        return index

    def _headed_by_colon(self, index: int, token: Token, after: Token) -> int:
        """`model: Net`, and the deeper lines below it."""
        name = self._ahead(index + 2)
        if token.text not in ("model", "block") or after.type != ":" or name.type != "WORD":
            return index
        help = f"write `{token.text} {name.text} {{ ... }}`"
        self._error("E0101", after, f"expected a name after `{token.text}`, found `:`", help)
        end = self._next_line(index)
        while self.raw[end].type == "NEWLINE" or (self.raw[end].column > token.column and self.raw[end].type != "$END"):
            end = self._next_line(end) if self.raw[end].type != "NEWLINE" else end + 1
        return end

    def _ahead(self, index: int) -> Token:
        return self.raw[min(index, len(self.raw) - 1)]

    def _is_bound(self, name: str) -> bool:
        """Whether the file uses a word of other languages as a name of its own: before `=`, or as a parameter."""
        if not self.bound:
            self.bound = {""}
            for before, word, after in zip(self.raw, self.raw[1:], self.raw[2:], strict=False):
                listed = before.type in ("(", ",", ";") and after.type in (",", ";", ")")
                if word.type == "WORD" and (after.type == "=" or listed):
                    self.bound.add(word.text)
        return name in self.bound

    def _next_line(self, index: int) -> int:
        """The index of the newline, or of the end, that ends the line of a token."""
        while self.raw[index].type not in ("NEWLINE", "$END"):
            index += 1
        return index

    def _owner(self) -> str:
        """The word of the declaration whose braces stand open outermost."""
        words = (t.type for t in reversed(self.out[: self.open[0].place]) if t.type in FILE_WORDS)
        return next(words, "")
