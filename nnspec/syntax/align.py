"""What stands under each other: `=` and `in` in runs of lines, arrows of a pipeline, comments at line ends."""

from __future__ import annotations

from collections import Counter

from nnspec.syntax.lines import INDENT, WIDTH, Line

_TYPED = frozenset({"input", "target", "param", "noise"})
WIDEST_KEY = 14  # columns: `optimizer("teacher")` does not push the other keys of its block to the right
_STEP = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_CELL = frozenset({"[", "]", ",", "NUMBER", "NAME", "-", "true", "false"})
_GAP = 2  # least spaces before a comment at the end of a line


def align(lines: list[Line]) -> None:
    """Pads keywords and `=` in runs of neighbouring lines of one kind."""
    depth, blocks = 0, list[str]()  # the words that opened the braces around a line
    run: list[Line] = []
    kind = ""
    for number, line in enumerate(lines):
        if not line.pieces:
            if not line.comment:
                _pad(run, kind)
                run, kind = [], ""
            continue
        first = line.pieces[0]
        if first.starts or first.type == "}":
            found = _kind(line, blocks[-1] if blocks else "", _goes_on(lines, number))
            if found == "wide":
                continue
            if found != kind or not found:
                _pad(run, kind)
                run, kind = [], found
            if found:
                run.append(line)
        for piece in line.pieces:
            if piece.type == "{":
                blocks.append(first.type if depth == 0 else "")
            elif piece.type == "}" and blocks:
                blocks.pop()
            depth += _STEP.get(piece.type, 0)
    _pad(run, kind)


def _goes_on(lines: list[Line], number: int) -> bool:
    """Whether the statement of a line has more lines."""
    after = next((line for line in lines[number + 1 :] if line.pieces), None)
    return after is not None and not (after.pieces[0].starts or after.pieces[0].type == "}")


def _kind(line: Line, block: str, goes_on: bool) -> str:
    """Which run a line may belong to: "entry", "let", "typed", "output", "bind", or none."""
    if sum(p.starts for p in line.pieces) != 1 or _find(line, ";") is not None:
        return ""
    first, at = line.pieces[0].type, _equals(line)
    if first == "NAME" and block in ("data", "train"):
        wide = at is None or line.column_of(at) > WIDEST_KEY
        return "wide" if wide else "entry"
    if first == "let":
        return "let" if at is not None else ""
    if goes_on or _balance(line):
        return ""
    if first in ("NAME", "output", "layer"):
        return first if at is not None else ""
    return "typed" if first in _TYPED else ""


def _balance(line: Line) -> int:
    """How many more brackets a line opens than it closes."""
    return sum(_STEP.get(piece.type, 0) for piece in line.pieces)


def _equals(line: Line) -> int | None:
    """The place of the first `=` outside of brackets."""
    return _find(line, "=")


def _find(line: Line, type: str) -> int | None:
    depth = 0
    for index, piece in enumerate(line.pieces):
        if piece.type == type and not depth and index:
            return index
        depth += _STEP.get(piece.type, 0)
    return None


def _pad(run: list[Line], kind: str) -> None:
    if len(run) < 2:
        return
    if kind == "typed":
        widest = max(len(line.pieces[0].text) for line in run)
        for line in run:
            line.pieces[1].gap = 1 + widest - len(line.pieces[0].text)
    places = [_equals(line) for line in run]
    if kind in ("entry", "let") or _asked(run, places):
        _together(run, places)
    if kind == "let":
        _together(run, [_find(line, "in") for line in run])


def _asked(run: list[Line], places: list[int | None]) -> bool:
    """Whether the author put two spaces before one of these pieces."""
    return any(at is not None and line.pieces[at].written_gap > 1 for line, at in zip(run, places, strict=True))


def _together(run: list[Line], places: list[int | None]) -> None:
    """The pieces at these places in one column, where all lines then fit."""
    found = [(line, at) for line, at in zip(run, places, strict=True) if at is not None]
    if len(found) < 2:
        return
    for line, at in found:
        line.pieces[at].gap = 1
    ends = [line.column_of(at) for line, at in found]
    widths = [line.width() for line, _ in found]
    if any(w <= WIDTH - INDENT < w + max(ends) - end for w, end in zip(widths, ends, strict=True)):
        return
    for (line, at), end in zip(found, ends, strict=True):
        line.pieces[at].gap = 1 + max(ends) - end


def align_arrows(lines: list[Line]) -> None:
    """Arrows inside the lines of one pipeline under each other, where two spaces before one of them ask for it."""
    pipelines: dict[tuple[int, int], list[tuple[Line, list[int]]]] = {}
    for line in lines:
        here: dict[tuple[int, int], list[int]] = {}
        for index, piece in enumerate(line.pieces):
            if piece.head is not None:
                here.setdefault((id(piece.head[0]), piece.head[1]), []).append(index)
        for head, places in here.items():
            pipelines.setdefault(head, []).append((line, places))
    for rows in pipelines.values():
        if len(rows) > 1:
            _columns(rows)


def _columns(rows: list[tuple[Line, list[int]]]) -> None:
    """Aligns the second, third, ... arrows of the lines of a pipeline that have them."""
    (first, arrows), (second, below), *_ = rows
    ahead = first.column_of(arrows[0]) != second.column_of(below[0])  # steps are under each other, not arrows
    padded = [(first, [-1, *arrows] if ahead else arrows), *rows[1:]]
    for number in range(1, max(len(found) for _, found in padded)):
        run = [(line, found[number]) for line, found in padded if len(found) > number]
        run = [(line, at) for line, at in run if not _opens_after(line, at)]
        lines, places = [line for line, _ in run], [at for _, at in run]
        if _asked(lines, [*places]):
            _together(lines, [*places])


def _opens_after(line: Line, place: int) -> bool:
    """Whether a bracket behind a piece stays open at the end of its line: what is inside was placed by its column."""
    depth = 0
    for piece in reversed(line.pieces[place:]):
        depth -= _STEP.get(piece.type, 0)
        if depth < 0:
            return True
    return False


def align_cells(lines: list[Line]) -> None:
    """Entries of lists in neighbouring lines in columns, where a space more than needed asks for it."""
    run: list[tuple[Line, list[int]]] = []
    for line in [*lines, Line()]:
        cells = _cells(line)
        if run and len(cells) != len(run[0][1]):
            _right(run)
            run = []
        if cells:
            run.append((line, cells))


def _cells(line: Line) -> list[int]:
    """Places of the first pieces of the entries of a line that holds nothing but brackets and entries."""
    if not line.pieces or any(p.type not in _CELL for p in line.pieces) or line.pieces[-1].type not in (",", "]"):
        return []
    places = [i for i, p in enumerate(line.pieces) if p.type not in ("[", "]", ",")]
    starts = [i for i in places if line.pieces[i].unary or not line.pieces[i - 1].unary or not i]
    alone = all(line.pieces[i - 1].type in ("[", ",") for i in starts if i)
    return starts if len(starts) > 1 and alone else []


def _right(run: list[tuple[Line, list[int]]]) -> None:
    """Aligns entries to the right; the first of a line only behind its bracket."""
    if len(run) < 2 or not any(_is_padded(line, i) for line, cells in run for i in cells if i):
        return
    for number in range(len(run[0][1])):
        here = [(line, cells[number]) for line, cells in run if cells[number]]
        widths = [len(line.pieces[i].text) + _after(line, i) for line, i in here]
        for (line, i), width in zip(here, widths, strict=True):
            line.pieces[i].gap += max(widths) - width


def _after(line: Line, place: int) -> int:
    """Width of what belongs to an entry that begins with a minus."""
    return len(line.pieces[place + 1].text) if line.pieces[place].unary else 0


def _is_padded(line: Line, place: int) -> bool:
    return line.pieces[place].written_gap > line.pieces[place].gap


def comment_columns(lines: list[Line]) -> None:
    """Comments at the ends of neighbouring lines in one column: the author's where the code leaves it free."""
    run: list[Line] = []
    for line in [*lines, Line()]:
        if line.pieces and line.comment:
            run.append(line)
            continue
        _comments(run)
        run = []


def _comments(run: list[Line]) -> None:
    if not run:
        return
    least = max(line.width() for line in run) + _GAP
    written = Counter(line.comment_column for line in run if line.comment_column >= least)
    column = min((-count, place) for place, count in written.items())[1] if written else least
    for line in run:
        line.comment_gap = column - line.width()
