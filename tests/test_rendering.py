"""What a reader sees of a diagnostic: text with carets, and the formats for tools."""

from __future__ import annotations

import json

import pytest

from nnspec.diagnostics import Diagnostic, Label, Span
from nnspec.rendering import as_dicts, columns, render, summary, to_github, to_json, to_sarif

LENET = """model LeNet {
    input image: float32[1, 28, 28]
    output logits = image
        -> conv(6, 5)
        -> max_pool(2)
        -> conv(16, 5)
    -> max_pool(2)

    -> conv(16, 7)
}
"""


def at(line: int, column: int, length: int = 1, path: str = "lenet.nn") -> Span:
    return Span(path, line, column, line, column + length)


def shown(source: str, *diagnostics: Diagnostic, path: str = "lenet.nn") -> str:
    return render(diagnostics, {path: source})


def test_the_picture_of_the_design_page() -> None:
    place = at(9, 8, 11)
    detail = "output height (5 + 2*0 - 7)/1 + 1 = -1"
    found = Diagnostic(
        "E0301",
        "kernel 7x7 does not fit its padded input 5x5",
        place,
        (Label(at(7, 8, 11), "gives [6, 5, 5]"), Label(place, detail)),
        "kernel <= 5, or padding >= 1",
    )
    assert shown(LENET, found) == (
        "error[E0301]: kernel 7x7 does not fit its padded input 5x5\n"
        "  --> lenet.nn:9:8\n"
        "   |\n"
        " 7 |     -> max_pool(2)\n"
        "   |        ----------- gives [6, 5, 5]\n"
        " 9 |     -> conv(16, 7)\n"
        "   |        ^^^^^^^^^^^ output height (5 + 2*0 - 7)/1 + 1 = -1\n"
        "   |\n"
        "help: kernel <= 5, or padding >= 1\n"
    )


def test_lines_left_out_between_two_places_are_marked() -> None:
    text = shown(LENET, Diagnostic("E0204", "twice", at(9, 8, 4), (Label(at(2, 11, 5), "first here"),)))
    assert " 2 |     input image: float32[1, 28, 28]\n   |           ----- first here\n ...\n 9 |" in text


def test_one_omitted_line_needs_no_mark_and_neighbours_none() -> None:
    text = shown(
        LENET, Diagnostic("E0204", "twice", at(5, 12, 8), (Label(at(4, 12, 4), "a"), Label(at(6, 12, 4), "b")))
    )
    assert "..." not in text
    assert [line[:2] for line in text.splitlines()[3:]] == [" 4", "  ", " 5", "  ", " 6", "  "]


def test_two_places_in_one_line_have_a_row_each() -> None:
    text = shown("let a = b + cc\n", Diagnostic("E0207", "no", at(1, 13, 2), (Label(at(1, 9), "a tensor"),)))
    assert text.endswith(" 1 | let a = b + cc\n   |         - a tensor\n   |             ^^\n")


@pytest.mark.parametrize(
    "line, column, length, caret",
    [
        ("\tx -> f", 7, 1, "             ^"),  # a tab is four columns
        ("let é = 1", 5, 1, "        ^"),
        ("let 层 = 1", 5, 1, "        ^^"),  # two columns wide
        ("let e\N{COMBINING ACUTE ACCENT}x = 1", 7, 1, "         ^"),  # a combining accent has no width
        ("x", 2, 0, "     ^"),  # just behind the end
        ("", 1, 1, "    ^"),
    ],
)  # fmt: skip
def test_carets_stand_under_what_they_mean(line: str, column: int, length: int, caret: str) -> None:
    text = shown(line + "\nmore", Diagnostic("E0100", "m", at(1, column, length)))
    assert text.splitlines()[-1] == "   |" + caret.removeprefix("   ")


def test_a_position_after_the_last_line_is_shown_at_the_end() -> None:
    text = shown("model M {\n", Diagnostic("E0101", "m", at(2, 1, 0)))
    assert text.endswith(" 2 |\n   | ^\n")
    far = shown("model M {", Diagnostic("E0101", "m", at(7, 3, 1)))
    assert far.endswith(" 1 | model M {\n   |          ^\n")


def test_a_span_over_several_lines_shows_its_ends() -> None:
    source = "a = (\n  1,\n  2,\n  3,\n  4\n) -> f\n"
    text = shown(
        source,
        Diagnostic("E0207", "m", Span("lenet.nn", 1, 5, 6, 2), (Label(Span("lenet.nn", 1, 5, 6, 2), "all this"),)),
    )
    lines = text.splitlines()[3:]
    assert lines == [
        " 1 | a = (",
        "   |     ^",
        " 2 |   1,",
        "   |   ^^",
        " ...",
        " 5 |   4",
        "   |   ^",
        " 6 | ) -> f",
        "   | ^ all this",
    ]


def test_long_lines_are_cut_round_the_place() -> None:
    source = "x = " + "+ 1 " * 200 + "+ oops" + " + 2" * 200
    text = shown(source, Diagnostic("E0201", "m", at(1, source.index("oops") + 1, 4)))
    excerpt, carets = text.splitlines()[-2:]
    assert len(excerpt) < 160
    assert excerpt[carets.index("^") : carets.rindex("^") + 1] == "oops"
    assert excerpt.startswith(" 1 | ...")
    assert excerpt.endswith("...")


def test_places_in_other_files_have_an_excerpt_of_their_own() -> None:
    found = Diagnostic(
        "E0204", "Up is declared twice", at(1, 7, 2, "main.nn"), (Label(at(2, 7, 2, "lib.nn"), "also here"),)
    )
    text = render([found], {"main.nn": "block Up(x) { x }\n", "lib.nn": "# library\nblock Up(x) { x }\n"})
    assert text == (
        "error[E0204]: Up is declared twice\n"
        "  --> main.nn:1:7\n"
        "   |\n"
        " 1 | block Up(x) { x }\n"
        "   |       ^^\n"
        "  ::: lib.nn:2:7\n"
        "   |\n"
        " 2 | block Up(x) { x }\n"
        "   |       -- also here\n"
    )


def test_a_file_that_could_not_be_read_is_named_without_excerpt() -> None:
    assert shown(
        "", Diagnostic("E0501", "there is no file a.nn", Span("a.nn", 1, 1, 1, 1), help="look"), path="b.nn"
    ) == ("error[E0501]: there is no file a.nn\n  --> a.nn\nhelp: look\n")


def test_wide_line_numbers_keep_the_gutter_straight() -> None:
    source = "\n" * 1233 + "oops\n"
    assert shown(source, Diagnostic("E0201", "m", at(1234, 1, 4))).endswith(
        "    --> lenet.nn:1234:1\n     |\n1234 | oops\n     | ^^^^\n"
    )


def test_diagnostics_come_in_the_order_of_the_text() -> None:
    found = [Diagnostic("E0201", "second", at(3, 1)), Diagnostic("W0201", "first", at(1, 2), severity="warning")]
    text = shown(LENET, *found)
    assert text.index("warning[W0201]: first") < text.index("error[E0201]: second")
    assert "\n\nerror[" in text
    assert summary(found) == "1 error, 1 warning"


def test_a_spec_cannot_drive_the_terminal() -> None:
    text = shown('let a = "\x1b[2J\u202e"\n', Diagnostic("E0201", "bad \x1b]0;name\x07", at(1, 5)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text


def test_colour_is_plain_ansi_and_says_the_same() -> None:
    import re

    found = Diagnostic("E0301", "m", at(2, 5, 5), (Label(at(1, 7, 5), "here"),), "try this")
    coloured = render([found], {"lenet.nn": LENET}, colour=True)
    assert "\x1b[1;31merror[E0301]" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(LENET, found)


def test_long_help_is_indented() -> None:
    assert shown(LENET, Diagnostic("E0210", "m", at(1, 1), help="write\n(x -> f) + x")).endswith(
        "help: write\n      (x -> f) + x\n"
    )


# ---------------------------------------------------------------- formats for tools

FOUND = Diagnostic("E0301", "does not fit", at(9, 8, 11), (Label(at(7, 8, 11), "gives [6, 5, 5]"),), "kernel <= 5")


def test_json_has_the_documented_fields() -> None:
    (entry,) = json.loads(to_json([FOUND]))
    assert list(entry) == [
        "code", "severity", "message", "path", "line", "column", "end_line", "end_column", "labels", "help", "fixes",
    ]  # fmt: skip
    assert entry["code"] == "E0301"
    assert (entry["line"], entry["column"], entry["end_line"], entry["end_column"]) == (9, 8, 9, 19)
    assert entry["labels"] == [
        {"text": "gives [6, 5, 5]", "path": "lenet.nn", "line": 7, "column": 8, "end_line": 7, "end_column": 19}
    ]
    assert to_json([]) == "[]"
    assert as_dicts([FOUND]) == json.loads(to_json([FOUND]))


def test_github_annotations_escape_what_would_end_them() -> None:
    tricky = Diagnostic("E0201", "100%\nnext", at(3, 2, 4, "a,b:c.nn"))
    assert to_github([tricky]) == (
        "::error file=a%2Cb%3Ac.nn,line=3,endLine=3,col=2,endColumn=5,title=E0201::100%25%0Anext"
    )
    assert to_github([FOUND]).endswith("::does not fit%0Ahelp: kernel <= 5")


def test_sarif_is_version_2_1_0_with_rules_and_places() -> None:
    log = json.loads(to_sarif([FOUND], "1.2"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["E0301"]
    (result,) = run["results"]
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 9, "startColumn": 8, "endLine": 9, "endColumn": 19,
    }  # fmt: skip
    assert result["relatedLocations"][0]["message"]["text"] == "gives [6, 5, 5]"


def test_columns_counts_terminal_cells() -> None:
    assert [columns(t) for t in ("abc", "\t", "é", "层", "e\N{COMBINING ACUTE ACCENT}")] == [3, 4, 1, 2, 1]
