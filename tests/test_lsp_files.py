"""The language server where a declaration is used in several files: definition, references, rename."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsp_client import Client

from nnspec.compiler import check

PARTS = """\
let width = 8
block Part(x; channels, depth = 1) {
    inner = x -> dense(channels)
    inner -> repeat(depth, dense(width))
}
block Other(x) { x -> Part(3) }
"""
MAIN = """\
import "parts.nn"
model Net {
    input x: float32[4]
    output y = x -> Part(2 * width, depth = 2) -> Own
}
block Own(x) { x -> Part(width, depth = 3) }
"""
BEYOND = """\
import "../main.nn"
model Twice { input x: float32[4]; output y = x -> Net -> Part(1) }
"""
PATTERNS = """\
model Net {
    input x: float32[4]
    layer head = dense(3)
    output y = x -> head
}
train { minimize = sum(y); optimizer = sgd(0.1); optimizer("head.*") = frozen; steps = 1; batch = 1 }
"""
APART = "block Part(x) { x -> dense(2) }\nmodel M { input x: float32[4]; output y = x -> Part }\n"
FILES = {
    "parts.nn": PARTS,
    "main.nn": MAIN,
    "inner/beyond.nn": BEYOND,
    "apart.nn": APART,
    "patterns.nn": PATTERNS,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[Client]:
    started = Client(folder=root)
    yield started
    assert started.close() == 0


@pytest.fixture
def folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(root)
    found = root / "project"
    (found / "inner").mkdir(parents=True)
    for name, text in {
        "parts.nn": PARTS,
        "main.nn": MAIN,
        "inner/beyond.nn": BEYOND,
        "apart.nn": APART,
        "patterns.nn": PATTERNS,
    }.items():
        (found / name).write_text(text)
    yield found
    shutil.rmtree(found)


def at(text: str, needle: str) -> tuple[int, int]:
    """Line and character of a text, from 0."""
    before = text[: text.index(needle)]
    return before.count("\n"), len(before) - (before.rfind("\n") + 1)


def after(text: str, edits: list[dict[str, Any]]) -> str:
    """The text with edits made."""
    lines = text.split("\n")
    for edit in sorted(edits, key=lambda e: (e["range"]["start"]["line"], e["range"]["start"]["character"]))[::-1]:
        start, end = edit["range"]["start"], edit["range"]["end"]
        line = lines[start["line"]]
        lines[start["line"]] = line[: start["character"]] + edit["newText"] + line[end["character"] :]
    return "\n".join(lines)


def rename(client: Client, folder: Path, name: str, needle: str, new: str) -> dict[str, str] | None:
    """The texts of the files that a rename changes, asked for at a text of the file `name`; None where refused."""
    text = (folder / name).read_text()
    uri = client.open(folder / name, text)
    found = client.at("rename", uri, *at(text, needle), newName=new)
    client.shut(uri)
    if found is None:
        return None
    changes = {Path(uri.removeprefix("file://")): edits for uri, edits in found["changes"].items()}
    return {path.relative_to(folder).as_posix(): after(path.read_text(), edits) for path, edits in changes.items()}


@pytest.mark.parametrize(
    "file, needle, old, new, changed",
    [
        ("parts.nn", "Part(x", "Part", "Piece", ["inner/beyond.nn", "main.nn", "parts.nn"]),
        ("main.nn", "Part(2", "Part", "Piece", ["inner/beyond.nn", "main.nn", "parts.nn"]),
        ("main.nn", "width, depth", "width", "breadth", ["main.nn", "parts.nn"]),
        ("parts.nn", "depth = 1", "depth", "times", ["main.nn", "parts.nn"]),
        ("main.nn", "depth = 3", "depth", "times", ["main.nn", "parts.nn"]),
        ("main.nn", "Net {", "Net", "Network", ["inner/beyond.nn", "main.nn"]),
        ("parts.nn", "inner =", "inner", "middle", ["parts.nn"]),
        ("apart.nn", "Part(x", "Part", "Piece", ["apart.nn"]),
    ],
)
def test_a_name_changes_in_every_file_that_means_it(
    client: Client, folder: Path, file: str, needle: str, old: str, new: str, changed: list[str]
) -> None:
    texts = rename(client, folder, file, needle, new)
    assert texts is not None
    assert sorted(texts) == changed
    for name, text in texts.items():
        assert text == (folder / name).read_text().replace(old, new)
        (folder / name).write_text(text)
    assert all(check(str(folder / name)).ok for name in ("main.nn", "inner/beyond.nn", "apart.nn"))


@pytest.mark.parametrize(
    "file, needle, new, why",
    [
        ("parts.nn", "Part(x", "Own", "there is a Own already in main.nn"),
        ("parts.nn", "Part(x", "Net", "there is a Net already in main.nn"),
        ("main.nn", "depth = 3", "channels", "there is a channels already in parts.nn"),
        ("main.nn", "Part(2", "conv", "conv is a word of nnspec"),
        ("patterns.nn", "head =", "top", 'the pattern "head.*" (line 6 of patterns.nn) names parameters of head'),
        ("main.nn", "Part(2", "two words", "is not a name"),
    ],
)
def test_a_rename_that_would_change_what_is_meant_is_refused(
    client: Client, folder: Path, file: str, needle: str, new: str, why: str
) -> None:
    assert rename(client, folder, file, needle, new) is None
    assert why in client.await_("window/showMessage")["params"]["message"]


def test_what_stands_in_the_editor_counts_not_what_is_on_the_disk(folder: Path) -> None:
    client = Client(folder=folder)
    main = client.open(folder / "main.nn", MAIN)
    assert client.diagnostics(main) == []
    typed = "# a line\n" + PARTS.replace("Part", "Piece")
    parts = client.open(folder / "parts.nn", PARTS)
    client.diagnostics(main)
    client.change(parts, 2, typed)
    assert [d["code"] for d in client.diagnostics(main)] == ["E0202", "E0202"]
    text = MAIN.replace("Part", "Piece")
    client.change(main, 2, text)
    assert client.diagnostics(main, 2) == []
    found = client.at("definition", main, *at(text, "Piece(2"))
    assert (found["uri"], found["range"]["start"]) == (parts, {"line": 2, "character": 6})
    edits = client.at("rename", main, *at(text, "Piece(2"), newName="Bit")["changes"]
    assert after(typed, edits[parts]) == typed.replace("Piece", "Bit")
    assert after(text, edits[main]) == text.replace("Piece", "Bit")
    assert client.close() == 0


def test_an_import_that_changes_on_the_disk_is_read_again(folder: Path) -> None:
    client = Client(folder=folder, refresh=True)
    uri = client.open(folder / "main.nn", MAIN)
    assert client.diagnostics(uri) == []
    (folder / "parts.nn").write_text(PARTS.replace("let width", "let breadth"))
    changed = {"uri": (folder / "parts.nn").as_uri(), "type": 2}
    client.tell("workspace/didChangeWatchedFiles", changes=[changed])
    assert {d["code"] for d in client.diagnostics(uri)} == {"E0201"}
    client.await_("workspace/semanticTokens/refresh")
    assert client.close() == 0


def test_references_of_all_files(client: Client, folder: Path) -> None:
    uri = client.open(folder / "parts.nn", PARTS)
    found = client.at("references", uri, *at(PARTS, "Part(x"), context={"includeDeclaration": False})
    names = sorted(Path(place["uri"]).name for place in found)
    client.shut(uri)
    assert names == ["beyond.nn", "main.nn", "main.nn", "parts.nn"]
