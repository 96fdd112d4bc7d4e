"""Brackets that match: who closes whom, and what is said and put in where nobody does."""

from __future__ import annotations

from typing import NamedTuple

from nnspec.syntax.tokens import MAX_NESTING, STEP, Token

PARTNER = {"(": ")", "[": "]", "{": "}", ")": "(", "]": "[", "}": "{"}
MOST_KEPT = 1_000
"""Errors of layout: far fewer are reported, and a text with more is read once and not again by its indentation."""
Places = tuple[tuple[Token, str], ...]


class Open(NamedTuple):
    """A bracket that waits for its partner."""

    type: str
    token: Token
    indent: int  # column of the first token of its line
    place: int  # where it stands among the tokens put out
    settings: bool = False  # the braces of `data` and `train`


class Brackets:
    """Tokens put out so far and the brackets that stand open among them.

    `indented` makes the indentation of lines say which brace was forgotten, or is one too many.
    """

    def __init__(self, raw: list[Token], indented: bool) -> None:
        self.raw, self.indented = list(raw), indented
        self.out: list[Token] = []
        self.open: list[Open] = []
        self.errors: list[tuple[str, Token, str, str, Places]] = []
        self.braces_failed = False
        self.too_deep = False
        self.head: Token | None = None  # the last word of the statement that braces must follow
        self.below: list[Token] = []  # of each token, see _below

    def _inside(self, brackets: str) -> bool:
        return bool(self.open) and self.open[-1].type in brackets

    def _before(self) -> str:
        return self.out[-1].type if self.out else ""

    def _error(self, code: str, token: Token, message: str, help: str = "", because: Places = ()) -> None:
        if len(self.errors) < MOST_KEPT:
            self.errors.append((code, token, message, help, because))

    def _close(self, index: int, token: Token) -> None:
        """A closing bracket: close its partner, or say what is wrong with it."""
        kind, wanted = token.type, PARTNER[token.type]
        first = self._before() in ("_NEWLINE", "") or self.out[-1].line != token.line
        if kind == "}":
            if not any(o.type == "{" for o in self.open):
                self._stray(index, token)
                return
            if self._inside("([") and not first and self._partner_follows(index, self.open[-1]):
                self._stray(index, token)
                return
            self._close_until("{", token)
            if self.indented and self._misplaced_brace(index, token, first):
                return
        elif not self._inside(wanted):
            if not self._reaches(wanted, token) or (self._inside("([") and self._partner_follows(index, self.open[-1])):
                self._wrong(index, token)
                return
            self._close_until(wanted, token)
        if self._before() == "_NEWLINE":
            self.out.pop()
        self.open.pop()
        self.out.append(token)

    def _reaches(self, wanted: str, token: Token) -> bool:
        """Whether `token` can close a bracket further out: past braces only of its own line."""
        for bracket in reversed(self.open):
            if bracket.type == wanted:
                return True
            if bracket.type == "{" and bracket.token.line != token.line:
                return False
        return False

    def _wrong(self, index: int, token: Token) -> None:
        """`)` where `]` is due, or a bracket that closes nothing."""
        if not self._inside("([") or self._partner_follows(index, self.open[-1]):
            self._stray(index, token)
            return
        due = self.open.pop()
        message, help = f"`{token.text}` does not close `{due.type}`", f"write `{PARTNER[due.type]}`"
        self._error("E0103", token, message, help, ((due.token, "opened here"),))
        self.out.append(token._replace(type=PARTNER[due.type], quiet=True))

    def _partner_follows(self, index: int, bracket: Open) -> bool:
        """Whether what `bracket` waits for stands later on the line."""
        depth = 0
        for token in self.raw[index + 1 :]:
            if token.type in ("NEWLINE", "$END"):
                return False
            if STEP.get(token.type) == 1:
                depth += 1
            elif STEP.get(token.type) == -1:
                if depth == 0:
                    return token.type == PARTNER[bracket.type]
                depth -= 1
        return False

    def _stray(self, index: int, token: Token) -> None:
        """Leave a closing bracket out; an error right after it would be its echo."""
        if token.type == ")" and len(self.errors) < MOST_KEPT and self._parenthesis_forgotten(token):
            return
        unopened = token.type == "}" and self.head is not None and self.head.line == token.line
        if not unopened:  # else the parser says that `{` is missing on this line
            self._error("E0103", token, f"`{token.text}` closes nothing", "leave it out")
        self.raw[index + 1] = self.raw[index + 1]._replace(quiet=True)
        self.braces_failed |= token.type == "}"

    def _parenthesis_forgotten(self, token: Token) -> bool:
        """`max_pool 2)`: put in the `(` between a name and the value right after it."""
        for place in range(len(self.out) - 1, max(0, len(self.out) - 9), -1):
            name, value = self.out[place - 1 : place + 1]
            if name.line != token.line or name.type in ("{", "_NEWLINE"):
                return False
            if name.type == "NAME" and value.type in ("NAME", "NUMBER", "STRING", "["):
                message = f"expected `(` after `{name.text}`, found `{value.text}`"
                self._error("E0101", value, message, f"write `{name.text}({value.text})`")
                self.out.insert(place, Token("(", "(", name.line, name.end, name.end, True))
                self.out.append(token)
                return True
        return False

    def _close_until(self, wanted: str, token: Token) -> None:
        """Close whatever stands open inside the nearest `wanted` (or at the level of the file), reporting it once."""
        lost = []
        while self.open and self.open[-1].type != wanted:
            lost.append(self.open.pop())
        self._unclosed(lost, token)

    def _close_braces(self, token: Token) -> None:
        """A declaration of the file begins: braces that stand open, no less indented than it, lack their `}`."""
        lost = []
        while any(o.type == "{" and o.indent >= token.column for o in self.open):
            lost.append(self.open.pop())
        self._unclosed(lost, token)

    def _unclosed(self, lost: list[Open], token: Token) -> None:
        """Report brackets without partner at the innermost one and put the partners in."""
        if not lost:
            return
        inner, *outer = lost
        swallowed = any(t.type == "STRING" and t.quiet for t in self.out[inner.place :]) and inner.type in "(["
        if swallowed and outer:  # by the string without its end, of which is told
            self._put_closers([inner])
            self._unclosed(outer, token)
            return
        if (inner.token.quiet or swallowed) and not outer:  # it was put in, and that was said
            self._put_closers(lost)
            return
        self.braces_failed |= any(o.type == "{" for o in lost)
        found = "the file ends" if token.type == "$END" else f"`{token.text}` comes"
        more = f", nor {'is' if len(outer) == 1 else 'are'} {len(outer)} more round it" if outer else ""
        because = tuple((o.token, "nor is this one") for o in outer[:3])
        where = f" before line {token.line}" if token.line > inner.token.line else ""
        help = f"write `{PARTNER[inner.type]}`{where}"
        self._error("E0102", inner.token, f"`{inner.type}` is not closed before {found}{more}", help, because)
        self._put_closers(lost)

    def _put_closers(self, lost: list[Open]) -> None:
        for bracket in lost:
            last = self.out[-1]
            if last.type == "_NEWLINE":
                self.out.pop()
            if (
                bracket.type != "{" or bracket.token.line == last.line
            ):  # what it holds may belong outside: errors there are echoes
                held = self.out[bracket.place :]
                self.out[bracket.place :] = [t._replace(quiet=True) for t in held]
            kind = PARTNER[bracket.type]
            self.out.append(Token(kind, kind, last.line, last.end, last.end, True))

    def _misplaced_brace(self, index: int, token: Token, first: bool) -> bool:
        """By indentation: `}` belongs to a brace further out, or closes its own too early."""
        here = self.open[-1]
        if first and token.column < here.indent and any(o.type == "{" and o.indent == token.column for o in self.open):
            lost = []
            while self.open[-1].type != "{" or self.open[-1].indent != token.column:
                lost.append(self.open.pop())
            self._unclosed(lost, token)
            return False
        if here.token.line == token.line or (first and token.column == here.indent):
            return False
        following = self._below(index)
        if following.column > here.indent and following.type in ("WORD", "LABEL_TEXT", "->"):
            self._stray(index, token)
            return True
        return False

    def _below(self, index: int) -> Token:
        """The first token of the next line that has any."""
        if not self.below:
            first = token = self.raw[-1]
            for t in reversed(self.raw):
                if t.type != "NEWLINE":
                    first, token = (token, t) if t.line < token.line else (first, t)
                self.below.append(first)
            self.below.reverse()
        return self.below[index]

    def _end(self, token: Token) -> None:
        """The file ends: close what stands open, unless nesting was too deep to tell."""
        if self.too_deep:
            while self.open:
                kind = PARTNER[self.open.pop().type]
                self.out.append(Token(kind, kind, token.line, token.column, token.column, True))
        lost = self.open[::-1]
        self.open = []
        self._unclosed(lost, token)

    def _skip(self, index: int) -> int:
        """Nesting is too deep at `index`: say so once and put POISON in place of the whole bracket."""
        token, depth = self.raw[index], 0
        if not self.too_deep:
            help = "name parts of it on lines of their own"
            self._error("E0109", token, f"brackets are nested more than {MAX_NESTING} deep", help)
        while self.raw[index].type != "$END":
            kind = self.raw[index].type
            depth += STEP.get(kind, 0)
            index += 1
            if depth == 0:
                break
        self.too_deep |= depth > 0
        self.out.append(token._replace(type="POISON", quiet=True))
        return index
