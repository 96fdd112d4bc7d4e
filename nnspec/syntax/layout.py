"""Raw tokens to the grammar's tokens: ends of statements, keywords against names, brackets that match.

The grammar can rely on three things afterwards. A `_NEWLINE` is the end of a statement and nothing
else. A word has the type of a keyword only where it opens a statement. Every bracket has its partner:
where one was missing or one too many, that is reported here and repaired with a `quiet` token.
"""

from __future__ import annotations

from typing import NamedTuple

from nnspec.syntax.tokens import BODY_WORDS, FILE_WORDS, KEYWORDS, MAX_NESTING, RESERVED, STEP, Problems, Token

PARTNER = {"(": ")", "[": "]", "{": "}", ")": "(", "]": "[", "}": "{"}
_OPENERS, _CLOSERS = frozenset("([{"), frozenset(")]}")
_BINARY = frozenset({"+", "-", "*", "/", "//", "%", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", ".."})
_CONTINUES = _BINARY | {"=", ",", "->", "not"}
"""After these a line goes on."""
_JOINS = _BINARY | {"=", ",", ":", "ATTRIBUTE"}
"""With these a line may not start: it looks like the line above, gone on."""
_OPERAND_END = frozenset({"NAME", "NUMBER", "STRING", "ATTRIBUTE", "true", "false", ")", "]", "}", "POISON"})
_OPERAND_START = frozenset({"WORD", "NUMBER", "STRING", "LABEL_TEXT", "$END"})
_HEADS = frozenset({"block", "model", "data", "train", "if", "for", "else"})
_NAMED = frozenset({"block", "model", "let", "input", "target", "dim", "param", "noise", "layer", "output"})

Places = tuple[tuple[Token, str], ...]


class _Open(NamedTuple):
    """A bracket that waits for its partner."""

    type: str
    token: Token
    indent: int  # column of the first token of its line
    place: int  # where it stands among the tokens put out
    settings: bool = False  # the braces of `data` and `train`


def arrange(raw: list[Token], problems: Problems) -> list[Token]:
    """The tokens that the parser reads. Errors go to `problems`.

    Braces that do not match are looked at twice: where the plain count fails, indentation says which one
    was forgotten.
    """
    plain = _Layout(raw, indented=False)
    plain.run()
    chosen = plain
    if plain.braces_failed:
        indented = _Layout(raw, indented=True)
        indented.run()
        if len(indented.errors) <= len(plain.errors):
            chosen = indented
    for code, token, message, help, because in sorted(chosen.errors, key=lambda e: (e[1].line, e[1].column)):
        problems.error(code, token, message, help, because)
    return chosen.out


class _Layout:
    def __init__(self, raw: list[Token], indented: bool) -> None:
        self.raw, self.indented = raw, indented
        self.out: list[Token] = []
        self.open: list[_Open] = []
        self.errors: list[tuple[str, Token, str, str, Places]] = []
        self.braces_failed = False
        self.too_deep = False
        self.indent = 1  # column of the first token of the line
        self.head: Token | None = None  # the last word of the statement that braces may follow

    # ------------------------------------------------------------ the walk

    def run(self) -> None:
        raw, newline, index = self.raw, None, 0
        while index < len(raw):
            token = raw[index]
            kind = token.type
            if kind == "NEWLINE" or (kind == ";" and not self._inside("([")):
                if newline is None or kind == ";":
                    newline = token
                    semicolon = kind == ";"
                index += 1
                continue
            if newline is not None:
                if token.line != newline.line:
                    self.indent = token.column
                self._line(index, token, newline, semicolon)
                token, newline = raw[index], None
            elif not self.out:
                self.indent = token.column
            if kind == "WORD":
                token = self._word(index, token)
            elif kind in _OPENERS:
                if kind == "{" and self._inside("(") and self.head is not None and self.head.type in ("block", "model"):
                    self._close_until("{", token)
                if len(self.open) >= MAX_NESTING:
                    index = self._skip(index)
                    continue
                settings = kind == "{" and self.head is not None and self.head.type in ("data", "train")
                self.open.append(_Open(kind, token, self.indent, len(self.out), settings))
                self.head = None if kind == "{" else self.head
            elif kind in _CLOSERS:
                index += 1
                self._close(index - 1, token)
                continue
            elif kind == "$END":
                self._end(token)
            self.out.append(token)
            index += 1

    def _inside(self, brackets: str) -> bool:
        return bool(self.open) and self.open[-1].type in brackets

    def _before(self) -> str:
        return self.out[-1].type if self.out else ""

    def _error(self, code: str, token: Token, message: str, help: str = "", because: Places = ()) -> None:
        self.errors.append((code, token, message, help, because))

    # ------------------------------------------------------------ ends of statements

    def _line(self, index: int, token: Token, newline: Token, semicolon: bool) -> None:
        """A newline or `;` stands before `token`: decide whether it ends a statement."""
        declares = self._declares(index) or (self._binds(index) and not self._inside("(["))
        if declares and token.text in FILE_WORDS:
            self._close_braces(token)
        elif self.indented and self._outdented(token):
            self._unclosed([self.open.pop()], token)
        if self._inside("(["):
            if not declares and not self._looks_unclosed(token):
                return
            self._close_until("{", token)
        before = self._before()
        if before in ("", "{", "_NEWLINE") or token.type in ("}", "$END"):
            self.head = None
            return
        kind = token.text if token.type == "WORD" and token.text in RESERVED else token.type
        if not semicolon and not declares:
            if kind in ("->", "else") or before in _CONTINUES:
                return
            if (kind in _JOINS and not self._is_label(index)) or (kind == "{" and self.head is not None):
                help = f"put `{token.text}` at the end of the line above"
                self._error("E0111", token, f"a line may not start with `{token.text}`", help)
                self.raw[index] = token._replace(quiet=True)
                return
        last = self.out[-1]
        self.out.append(Token("_NEWLINE", "", last.line, last.end, last.end, last.quiet))
        self.head = None

    def _looks_unclosed(self, token: Token) -> bool:
        """Inside brackets: a line that goes on with no comma or operator, no deeper than the bracket's own line."""
        return (
            self._before() in _OPERAND_END
            and token.type in _OPERAND_START
            and token.text not in ("and", "or", "in", "else")
            and token.column <= self.open[-1].indent
        )

    def _outdented(self, token: Token) -> bool:
        """Directly inside braces: a line no deeper than the one that opened them."""
        return (
            self._inside("{")
            and token.column <= self.open[-1].indent
            and token.type not in ("}", "->", "$END")
            and token.text != "else"
        )

    def _is_label(self, index: int) -> bool:
        """`in: conv(3)`: a reserved word as a label."""
        return self.raw[index].type == "WORD" and self.raw[index + 1].type == ":"

    # ------------------------------------------------------------ words

    def _word(self, index: int, token: Token) -> Token:
        """Type a word: reserved, keyword or name."""
        text = token.text
        if text in RESERVED:
            if self._names(index):
                return Token("NAME", text, token.line, token.column, token.end, token.quiet)
            if text in ("if", "for", "else"):
                self.head = token
            return Token(text, text, token.line, token.column, token.end, token.quiet)
        if self._before() in ("", "{", "_NEWLINE"):
            word = text if text in KEYWORDS and self._opens(index) else self._misspelt(index)
            if word:
                token = Token(word, text, token.line, token.column, token.end, token.quiet)
                self.head = token if word in _HEADS else None
                return token
        return Token("NAME", text, token.line, token.column, token.end, token.quiet)

    def _names(self, index: int) -> bool:
        """A reserved word that is a setting's name, a key or a label."""
        before, after = self._before(), self.raw[index + 1].type
        if after == "=":
            starts = before in ("{", "_NEWLINE") and self.open[-1].settings if self.open else False
            return starts or (self._inside("(") and before in ("(", ",", ";"))
        return after == ":" and not self._inside("[") and before in ("", "->", "{", "(", "=", ",", "_NEWLINE")

    def _opens(self, index: int) -> bool:
        """Whether the keyword at `index`, first in its statement, opens it; else it is a name (`input = x -> relu`)."""
        word, after = self.raw[index].text, self.raw[index + 1]
        if not self.open:
            return after.type not in ("=", ",") or word not in BODY_WORDS
        if word == "require":
            return after.type in ("NUMBER", "STRING", "(", "-") or (
                after.type == "WORD" and after.text not in ("and", "or", "in", "else")
            )
        if word == "let" and after.type in ("=", "NEWLINE"):
            return True
        return self._declares(index)

    def _binds(self, index: int) -> bool:
        """`name =` at the start of a line: outside of calls nothing but a statement."""
        return self.raw[index].type == "WORD" and self.raw[index + 1].type == "="

    def _misspelt(self, index: int) -> str:
        """The keyword meant by a word that opens a statement and stands before another word or `{`, else ""."""
        token, after = self.raw[index], self.raw[index + 1]
        named = after.type == "WORD" and after.text not in ("and", "or", "in", "else")
        if token.text in KEYWORDS or not (named or (after.type == "{" and not self.open)):
            return ""
        if self.open and self.open[-1].settings:
            return ""
        from nnspec.suggest import nearest

        words = sorted((BODY_WORDS if self.open else FILE_WORDS) | {"let"})
        near = nearest(token.text, words)
        if near:
            self._error("E0101", token, f"no statement begins with `{token.text}`", f"did you mean `{near[0]}`?")
        return near[0] if near else ""

    def _declares(self, index: int) -> bool:
        """Whether a declaration word and what follows it can be nothing but a declaration."""
        token, after = self.raw[index], self.raw[index + 1] if index + 1 < len(self.raw) else self.raw[index]
        if token.type != "WORD" or token.text not in KEYWORDS:
            return False
        named = after.type == "WORD" and after.text not in ("and", "or", "in", "else")
        if token.text in _NAMED:
            return named or (token.text in ("model", "block") and after.type == "{")
        if token.text in ("data", "train"):
            return after.type == "{" or (named and self.raw[index + 2].type == "{")
        return (token.text, after.type) in (("import", "STRING"), ("nnspec", "NUMBER")) or (
            token.text == "require" and named
        )

    # ------------------------------------------------------------ brackets

    def _close(self, index: int, token: Token) -> None:
        """A closing bracket: close its partner, or say what is wrong with it."""
        kind, wanted = token.type, PARTNER[token.type]
        first = self._before() in ("_NEWLINE", "") or self.out[-1].line != token.line
        if kind == "}":
            if not any(o.type == "{" for o in self.open):
                self._stray(token)
                return
            self._close_until("{", token)
            if self.indented and self._misplaced_brace(index, token, first):
                return
        elif not self._inside(wanted):
            if not self._reaches(wanted, token):
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
            self._stray(token)
            return
        due = self.open.pop()
        message, help = f"`{token.text}` does not close `{due.type}`", f"write `{PARTNER[due.type]}`"
        self._error("E0103", token, message, help, ((due.token, "opened here"),))
        self.out.append(token._replace(type=PARTNER[due.type], quiet=True))

    def _partner_follows(self, index: int, bracket: _Open) -> bool:
        """Whether what `bracket` waits for stands later on the line."""
        depth = 0
        for token in self.raw[index + 1 :]:
            if token.type in ("NEWLINE", "$END"):
                return False
            if token.type in _OPENERS:
                depth += 1
            elif token.type in _CLOSERS:
                if depth == 0:
                    return token.type == PARTNER[bracket.type]
                depth -= 1
        return False

    def _stray(self, token: Token) -> None:
        self._error("E0103", token, f"`{token.text}` closes nothing", "leave it out")
        self.braces_failed |= token.type == "}"

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

    def _unclosed(self, lost: list[_Open], token: Token) -> None:
        """Report brackets without partner at the innermost one and put the partners in."""
        if not lost:
            return
        inner, *outer = lost
        self.braces_failed |= any(o.type == "{" for o in lost)
        found = "the file ends" if token.type == "$END" else f"`{token.text}` comes"
        more = f", nor {'is' if len(outer) == 1 else 'are'} {len(outer)} more round it" if outer else ""
        because = tuple((o.token, "nor is this one") for o in outer[:3])
        where = f" before line {token.line}" if token.line > inner.token.line else ""
        help = f"write `{PARTNER[inner.type]}`{where}"
        self._error("E0102", inner.token, f"`{inner.type}` is not closed before {found}{more}", help, because)
        for bracket in lost:
            last = self.out[-1]
            if last.type == "_NEWLINE":
                self.out.pop()
            if bracket.type != "{":  # what it holds may belong outside: errors there are echoes
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
        following = next((t for t in self.raw[index + 1 :] if t.type != "NEWLINE"), token)
        if following.line > token.line and following.column > here.indent and following.type in ("WORD", "LABEL_TEXT"):
            self._stray(token)
            return True
        return False

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
