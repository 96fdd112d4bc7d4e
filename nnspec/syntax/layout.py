"""Raw tokens to the grammar's tokens: ends of statements, keywords against names, brackets that match.

The grammar can rely on three things afterwards. A `_NEWLINE` is the end of a statement and nothing
else. A word has the type of a keyword only where it opens a statement. Every bracket has its partner:
where one was missing or one too many, that is reported here and repaired with a `quiet` token.
"""

from __future__ import annotations

from itertools import takewhile

from nnspec.syntax.brackets import MOST_KEPT, Open
from nnspec.syntax.habits import FOREIGN_HEADS, Habits, shown
from nnspec.syntax.tokens import BODY_WORDS, FILE_WORDS, KEYWORDS, MAX_NESTING, RESERVED, STEP, Problems, Token

_BINARY = frozenset({"+", "-", "*", "/", "//", "%", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", ".."})
_CONTINUES = _BINARY | {"=", ",", "->", "not"}
"""After these a line goes on."""
_JOINS = _BINARY | {"=", ",", ":", "ATTRIBUTE"}
"""With these a line may not start: it looks like the line above, gone on."""
_OPERAND_END = frozenset({"NAME", "NUMBER", "STRING", "ATTRIBUTE", "true", "false", ")", "]", "}", "POISON"})
_OPERAND_START = frozenset({"WORD", "NUMBER", "STRING", "LABEL_TEXT", "$END"})
_HEADS = frozenset({"block", "model", "data", "train", "if", "for", "else"})
_NAMED = frozenset({"block", "model", "let", "input", "target", "dim", "param", "noise", "layer", "output"})


MOST_ASKED = 2_000
"""Statements that may begin with a misspelt keyword: in a text with more hardly a line is one of a spec."""


def arrange(raw: list[Token], problems: Problems, start: str) -> list[Token]:
    """The tokens that the parser reads for a "file" or a "value". Errors go to `problems`.

    Braces that do not match are looked at twice: where the plain count fails, indentation says which one
    was forgotten.
    """
    plain = _Layout(raw, False, start)
    plain.run()
    chosen = plain
    if plain.braces_failed and len(plain.errors) < MOST_KEPT:
        indented = _Layout(raw, True, start)
        indented.run()
        if len(indented.errors) <= len(plain.errors):
            chosen = indented
    for code, token, message, help, because in sorted(chosen.errors, key=lambda e: (e[1].line, e[1].column)):
        problems.error(code, token, message, help, because)
    return chosen.out


class _Layout(Habits):
    def __init__(self, raw: list[Token], indented: bool, start: str) -> None:
        super().__init__(raw, indented)
        self.words = start == "file"  # whether the outermost level holds declarations
        self.asked = 0  # how often the keyword meant by a word was looked for
        self.indent = 1  # column of the first token of the line

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
            if self._foreign_comment(index, newline is not None):
                while raw[index].type not in ("NEWLINE", "$END"):
                    index += 1
                continue
            if newline is not None and kind in ("+", "-", "*", "/", ">", "<") and self._binds(index + 1):
                help = "leave it out, or put it at the end of the line above"
                self._error("E0111", token, f"a line may not start with `{token.text}`", help)
                index += 1
                continue
            if newline is not None:
                above = self.indent
                if token.line != newline.line:
                    self.indent = token.column
                self._line(index, token, above, semicolon)
                token, newline = raw[index], None
            elif not self.out:
                self.indent = token.column
            if kind == "WORD" and (beyond := self._foreign_statement(index)) > index:
                index = beyond
                continue
            if kind == "WORD":
                token = self._word(index, token)
            elif STEP.get(kind) == 1:
                if kind == "{" and self._inside("(") and self.head is not None and self.head.type in ("block", "model"):
                    self._close_until("{", token)
                if len(self.open) >= MAX_NESTING:
                    index = self._skip(index)
                    continue
                settings = kind == "{" and self.head is not None and self.head.type in ("data", "train")
                self.open.append(Open(kind, token, self.indent, len(self.out), settings))
                self.head = None if kind == "{" else self.head
            elif STEP.get(kind) == -1:
                index += 1
                self._close(index - 1, token)
                continue
            elif kind == "$END":
                self._end(token)
            self.out.append(token)
            index += 1

    # ------------------------------------------------------------ ends of statements

    def _line(self, index: int, token: Token, above: int, semicolon: bool) -> None:
        """A newline or `;` stands before `token`: decide whether it ends a statement.

        `above` is the column in which the line before it begins.
        """
        declares = self._declares(index) or (self._binds(index) and not self._inside("(["))
        if declares and token.text in FILE_WORDS:
            self._close_braces(token)
        elif self.indented and self._outdented(token):
            self._unclosed([self.open.pop()], token)
        if self._inside("(["):
            if not declares and not self._looks_unclosed(token):
                return
            if self._parenthesis_for_brace():
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
        if self.head is not None and token.column > above:
            self._brace_forgotten(self.head, last, above)
        else:
            self.out.append(Token("_NEWLINE", "", last.line, last.end, last.end, last.quiet))
        self.head = None

    def _parenthesis_for_brace(self) -> bool:
        """`model Net (` ends its line, and a declaration follows: a brace was meant."""
        last = self.out[-1]
        if last.type != "(" or self.head is None or self.head.type not in ("model", "data", "train"):
            return False
        help = "write `{` in place of `(`"
        self._error("E0101", last, f"expected `{{` after {shown(self.out[-2])}, found `(`", help)
        brace = last._replace(type="{", text="{", quiet=True)
        settings = self.head.type in ("data", "train")
        self.out[-1] = brace
        self.open[-1] = Open("{", brace, self.open[-1].indent, len(self.out) - 1, settings)
        self.head = None
        return True

    def _brace_forgotten(self, head: Token, last: Token, indent: int) -> None:
        """`train` ends its line without `{`, and the next line is deeper: put the brace in."""
        place = Token("", "", last.line, last.end, last.end + 1)
        if head.text in FOREIGN_HEADS:
            pass  # it is said already
        elif last.type == ":":
            help = "write `{`, and `}` below the last line of the body"
            self._error("E0101", last, f"expected `{{` after {shown(self.out[-2])}, found `:`", help)
        else:
            self._error("E0101", place, f"expected `{{` after `{last.text}`, found the end of the line", "write `{`")
        self.out[self.head_place :] = [t._replace(quiet=True) for t in self.out[self.head_place :]]
        brace = Token("{", "{", last.line, last.end, last.end, True)
        self.open.append(Open("{", brace, indent, len(self.out), head.type in ("data", "train")))
        self.out.append(brace)

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
                self.head, self.head_place = token, len(self.out)
            return Token(text, text, token.line, token.column, token.end, token.quiet)
        if self._before() in ("", "{", "_NEWLINE") and (self.open or self.words):
            word = text if text in KEYWORDS and self._opens(index) else self._misspelt(index)
            if word:
                token = Token(word, text, token.line, token.column, token.end, token.quiet)
                self.head, self.head_place = token if word in _HEADS else None, len(self.out)
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
        """`name =` or `name("pattern") =` at the start of a line: outside of calls nothing but a statement."""
        kinds = [t.type for t in self.raw[index : index + 5]]
        return kinds[:2] == ["WORD", "="] or kinds == ["WORD", "(", "STRING", ")", "="]

    def _misspelt(self, index: int) -> str:
        """The keyword meant by a word that opens a statement and stands before another word or `{`, else ""."""
        token, after = self.raw[index], self.raw[index + 1]
        named = after.type == "WORD" and after.text not in ("and", "or", "in", "else")
        if token.text in KEYWORDS or not (named or (after.type == "{" and not self.open)):
            return ""
        if self.open and self.open[-1].settings:
            return ""
        if token.text in FOREIGN_HEADS and not self.open and self._has_body(index):
            word = FOREIGN_HEADS[token.text]
            self._error("E0101", token, f"no statement begins with `{token.text}`", f"write `{word} Name {{ ... }}`")
            return word
        from nnspec.suggest import nearest

        self.asked += 1
        if self.asked > MOST_ASKED:
            return ""
        words = sorted((BODY_WORDS if self.open else FILE_WORDS) | {"let"})
        near = nearest(token.text, words)
        if near:
            self._error("E0101", token, f"no statement begins with `{token.text}`", f"did you mean `{near[0]}`?")
        return near[0] if near else ""

    def _has_body(self, index: int) -> bool:
        """Whether the line of a token holds `{`, or ends with the `:` that opens a body in Python."""
        line = [t.type for t in takewhile(lambda t: t.type not in ("NEWLINE", "$END"), self.raw[index:])]
        return "{" in line or line[-1:] == [":"]

    def _declares(self, index: int) -> bool:
        """Whether a declaration word and what follows it can be nothing but a declaration."""
        token, after = self.raw[index], self.raw[index + 1] if index + 1 < len(self.raw) else self.raw[index]
        if token.type != "WORD" or token.text not in KEYWORDS:
            return False
        named = after.type == "WORD" and after.text not in ("and", "or", "in", "else")
        if token.text in _NAMED:
            return named or (token.text in ("model", "block") and after.type == "{")
        if token.text in ("data", "train"):
            colon = after.type == ":" and token.column == 1 and self.raw[index + 2].type == "NEWLINE"
            return colon or after.type == "{" or (named and self.raw[index + 2].type == "{")
        return (token.text, after.type) in (("import", "STRING"), ("nnspec", "NUMBER")) or (
            token.text == "require" and named
        )
