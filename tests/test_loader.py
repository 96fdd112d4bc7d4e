"""Files, imports, `--set` and the public interface: what can be wrong with a file is said, never raised."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import nnspec
from nnspec.compiler import Check, check, load
from nnspec.diagnostics import SpecError
from nnspec.rendering import render

LINE = "model Line { input x: float32[3]; output y = x -> dense(2) }\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test stands in an empty folder of its own."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(name: str, text: str) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


def codes(found: Check) -> list[str]:
    return [d.code for d in found.diagnostics]


def one(found: Check, code: str) -> str:
    """The message and help of the only diagnostic."""
    assert codes(found) == [code], [d.message for d in found.diagnostics]
    return f"{found.diagnostics[0].message}; {found.diagnostics[0].help}"


# ---------------------------------------------------------------- the main file


def test_a_missing_file_names_its_neighbours() -> None:
    write("digits.nn", LINE)
    assert one(check("digit.nn"), "E0501") == "there is no file digit.nn; did you mean digits.nn?"
    assert one(check("no/such/folder.nn"), "E0501").startswith("there is no file no/such/folder.nn")
    assert one(check("digits.nn/more.nn"), "E0501").startswith("there is no file")


def test_a_folder_is_not_a_spec() -> None:
    write("specs/net.nn", LINE)
    assert one(check("specs"), "E0502") == "specs is a folder, not a file; it holds net.nn"


@pytest.mark.parametrize(
    "raw, place", [(b"# caf\xe9\n", (1, 6)), (b"let a = 1\n# \xff", (2, 3)), ("# ä\n".encode("utf-16"), (1, 1))]
)
def test_text_that_is_not_utf8_says_where(raw: bytes, place: tuple[int, int]) -> None:
    Path("latin.nn").write_bytes(raw)
    found = check("latin.nn")
    assert "not UTF-8" in one(found, "E0503")
    assert (found.diagnostics[0].span.line, found.diagnostics[0].span.column) == place
    assert (
        f"offset {raw.index(bytes([raw[0]])) if place == (1, 1) else raw.index(max(raw))}"
        in found.diagnostics[0].message
    )


@pytest.mark.parametrize("text", ["", "\n\n", "   ", "\ufeff"])
def test_an_empty_file(text: str) -> None:
    assert "empty" in one(check(write("empty.nn", text)), "E0504")


def test_a_file_of_comments_is_empty() -> None:
    assert [d.code for d in check(write("only.nn", "# nothing yet\n")).diagnostics] == ["E0504"]


def test_a_library_of_blocks_is_a_good_file_with_nothing_to_load() -> None:
    assert check(write("blocks.nn", "block Unit(x) { x -> relu }\n")).ok
    with pytest.raises(SpecError) as raised:
        load("blocks.nn")
    assert [d.code for d in raised.value.diagnostics] == ["E0513"]


def test_a_file_of_more_than_a_mebibyte() -> None:
    Path("big.nn").write_bytes(b"#" * (1 << 20) + b"\n")
    assert "1 MiB" in one(check("big.nn"), "E0514")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_hang() -> None:
    os.mkfifo("pipe.nn")
    assert "not an ordinary file" in one(check("pipe.nn"), "E0502")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission() -> None:
    Path(write("secret.nn", LINE)).chmod(0)
    assert "cannot read secret.nn" in one(check("secret.nn"), "E0506")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    Path("dos.nn").write_bytes(b"\xef\xbb\xbf" + LINE.replace("; ", "\n").replace("\n", "\r\n").encode())
    assert check("dos.nn").diagnostics == ()
    bad = b"model M {\r\n    input x: float32[3]\r\n    output y = x -> dens(2)\r\n}\r\n"
    Path("dos.nn").write_bytes(bad)
    found = check("dos.nn").diagnostics
    assert [(d.code, d.span.line, d.span.column) for d in found] == [("E0202", 3, 21)]


@pytest.mark.parametrize("text, line", [("nnspec 2\n", 1), ("nnspec 1.5\n", 1), ("let a = 1\nnnspec 1\n", 2)])
def test_versions_of_the_language(text: str, line: int) -> None:
    found = check("v.nn", text=text + LINE)
    one(found, "E0510")
    assert found.diagnostics[0].span.line == line
    assert check("v.nn", text="nnspec 1\n" + LINE).diagnostics == ()


# ---------------------------------------------------------------- imports


def test_imports_bring_blocks_models_and_lets() -> None:
    write("parts/blocks.nn", 'import "more.nn"\nlet width = 5\nblock Body(x) { x -> Deep -> dense(width) }\n')
    write(
        "parts/more.nn", "block Deep(x) { x -> dense(7) }\nmodel Inner { input a: float32[5]; output b = a -> relu }\n"
    )
    spec = load(
        write("main.nn", 'import "parts/blocks.nn"\nmodel M { input x: float32[3]; output y = x -> Body -> Inner }\n')
    )
    assert spec.shapes["y"] == (5,)
    assert set(spec.sources) == {"main.nn", "parts/blocks.nn", "parts/more.nn"}
    assert spec.imports["main.nn"] == ("parts/blocks.nn",)


def test_the_nearest_file_wins() -> None:
    write("lib.nn", "let width = 5\nblock Body(x) { x -> dense(width) }\n")
    main = 'import "lib.nn"\nlet width = 9\nblock Body(x) { x -> dense(width) -> dense(2) }\n'
    spec = load(write("main.nn", main + "model M { input x: float32[3]; output y = x -> Body }\n"))
    assert spec.shapes["y"] == (2,)


def test_a_diamond_is_no_circle() -> None:
    write("base.nn", "let n = 4\n")
    write("left.nn", 'import "base.nn"\nblock Left(x) { x -> dense(n) }\n')
    write("right.nn", 'import "base.nn"\nblock Right(x) { x -> dense(n) }\n')
    main = 'import "left.nn"\nimport "right.nn"\nmodel M { input x: float32[3]; output y = x -> Left -> Right }\n'
    assert check(write("main.nn", main)).diagnostics == ()


def test_a_circle_is_shown_whole() -> None:
    write("a.nn", '# first\nimport "b.nn"\n' + LINE)
    write("b.nn", 'import "a.nn"\nblock B(x) { x -> relu }\n')
    found = check("a.nn")
    assert "a.nn -> b.nn -> a.nn" in one(found, "E0507")
    assert found.diagnostics[0].span.path == "b.nn"
    assert [label.span.path for label in found.diagnostics[0].labels] == ["a.nn"]
    assert "a.nn -> a.nn" in one(check(write("a.nn", 'import "a.nn"\n' + LINE)), "E0507")


@pytest.mark.parametrize(
    "wanted, code",
    [
        ("gone.nn", "E0501"),
        ("", "E0501"),
        ("folder", "E0502"),
        ("latin.nn", "E0503"),
        ("empty.nn", "E0504"),
        ("../outside.nn", "E0509"),
        ("/etc/hostname", "E0509"),
        ("link.nn", "E0509"),
        ("folder/../../outside.nn", "E0509"),
    ],
)
def test_what_an_import_cannot_name(here: Path, wanted: str, code: str) -> None:
    Path("folder").mkdir()
    Path("latin.nn").write_bytes(b"\xff")
    write("empty.nn", "")
    (here.parent / "outside.nn").write_text(LINE)
    Path("link.nn").symlink_to(here.parent / "outside.nn")
    text = f'import "{wanted}"\nmodel M {{ input x: float32[3]; output y = x -> Thing(width) }}\n'
    found = check(write("main.nn", text))
    one(found, code)  # and nothing about Thing and width, which it may have held
    assert (found.diagnostics[0].span.path, found.diagnostics[0].span.line) == ("main.nn", 1)


def test_a_file_above_the_spec_may_be_imported_below_the_working_folder() -> None:
    write("common/blocks.nn", "block Body(x) { x -> dense(2) }\n")
    write("models/m.nn", 'import "../common/blocks.nn"\nmodel M { input x: float32[3]; output y = x -> Body }\n')
    assert check("models/m.nn").diagnostics == ()


def test_a_long_chain_of_imports_ends() -> None:
    for n in range(30):
        write(f"f{n}.nn", f'import "f{n + 1}.nn"\nlet a{n} = 1\n')
    write("f30.nn", "let end = 1\n")
    found = check("f0.nn")
    assert codes(found) == ["E0508"]
    for n in range(14):
        write(f"g{n}.nn", f'import "g{n + 1}.nn"\n')
    write("g14.nn", "let end = 1\n")
    assert check("g0.nn").diagnostics == ()


def test_errors_of_an_imported_file_are_shown_in_its_text() -> None:
    write("lib.nn", "block Body(x) { x -> dens(3) }\n")
    found = check(write("main.nn", 'import "lib.nn"\nmodel M { input x: float32[3]; output y = x -> Body }\n'))
    one(found, "E0202")
    assert "lib.nn:1:22" in render(found.diagnostics, found.sources)


def test_an_import_twice_is_a_warning() -> None:
    write("lib.nn", "block Body(x) { x -> dense(3) }\n")
    found = check(write("main.nn", 'import "lib.nn"\nimport "lib.nn"\n' + LINE))
    one(found, "W0501")
    assert found.ok


def test_a_syntax_error_in_an_import_hides_only_what_it_may_have_taken() -> None:
    write("lib.nn", "block Body(x { x -> dense(3) }\nblock Good(x) { x -> relu }\n")
    text = 'import "lib.nn"\nmodel M { input x: float32[3]\n a = x -> Body\n b = x -> Goood\n output y = x }\n'
    found = [(d.span.path, d.span.line, d.code[:3]) for d in check(write("main.nn", text)).diagnostics]
    assert ("main.nn", 4, "E02") in found
    assert ("main.nn", 3, "E02") not in found


# ---------------------------------------------------------------- --set

TUNED = """\
let width = 8
let act = relu in [relu, tanh]
model Net(classes = 10) {
    dim T = 4
    input x: float32[T, 3]
    target t: class(classes)
    output y = x -> dense(width) -> act -> mean(axis = 0) -> dense(classes)
}
data { source = random(20) }
train { minimize = cross_entropy(y, t); optimizer = sgd(0.1); epochs = 3; batch = 4 }
"""


def tuned(**given: object) -> nnspec.Spec:
    return load("tuned.nn", text=TUNED, set={name.replace("__", "."): value for name, value in given.items()})


def test_lets_parameters_sizes_and_keys_can_be_set() -> None:
    assert tuned(width=16).shapes["dense1"] != tuned().shapes["dense1"]
    assert tuned(width="4 * 4").shapes["dense1"][-1] == 16
    assert tuned(classes=3).shapes["y"] == (3,)
    assert tuned(act="tanh").graph.root is not None
    training = tuned(train__epochs=7, train__seed="5").graph.training
    assert training is not None
    assert (training.settings["epochs"], training.settings["seed"]) == (7, 5)
    assert tuned(T=64).graph.dims == {"T": 64}


@pytest.mark.parametrize(
    "name, value, code, says",
    [
        ("widht", "3", "E0511", "did you mean width"),
        ("train.epocs", "3", "E0511", "did you mean train.epochs"),
        ("model", "3", "E0511", "can be set"),
        ("width", "3 +", "E0512", "width"),
        ("width", "3; let b = 4", "E0512", "width"),
        ("width", "", "E0512", "width"),
        ("width", "tanh", "E02", ""),
        ("width", "wdith", "E02", ""),
        ("width", "-3", "E03", ""),
    ],
)
def test_what_cannot_be_set(name: str, value: str, code: str, says: str) -> None:
    found = check("tuned.nn", text=TUNED, set={name: value}).diagnostics
    assert len(found) == 1, [d.message for d in found]
    assert found[0].code.startswith(code)
    assert says in found[0].message + found[0].help


def test_the_place_of_a_bad_value_is_what_was_typed() -> None:
    found = check("tuned.nn", text=TUNED, set={"width": "3 +"})
    assert "--set width" in render(found.diagnostics, found.sources)


# ---------------------------------------------------------------- the public interface


def test_load_takes_a_path_a_text_or_a_named_text() -> None:
    write("line.nn", LINE)
    assert load("line.nn").model == "Line"
    assert load(Path("line.nn")).path == "line.nn"
    assert load(LINE).path == "<text>"
    assert load("named.nn", text=LINE).path == "named.nn"


def test_the_last_model_is_the_default() -> None:
    two = LINE + LINE.replace("Line", "Second").replace("dense(2)", "dense(5)")
    assert load(two).model == "Second"
    assert load(two, model="Line").shapes == {"x": (3,), "dense1": (2,), "y": (2,)}
    with pytest.raises(SpecError, match=r"no model Lin\b"):
        load(two, model="Lin")
    assert set(check("two.nn", text=two).specs) == {"Line", "Second"}
    assert set(check("two.nn", text=two, model="Line").specs) == {"Line"}


def test_errors_carry_their_texts() -> None:
    with pytest.raises(SpecError) as raised:
        load(LINE.replace("dense", "dens"))
    error = raised.value
    assert error.sources["<text>"].startswith("model Line")
    assert "did you mean dense?" in render(error.diagnostics, error.sources)
    assert "E0202" in str(error)


def test_names_of_the_package_are_fetched_on_use() -> None:
    assert set(nnspec.__all__) <= set(dir(nnspec))
    assert all(getattr(nnspec, name) is not None for name in nnspec.__all__)
    with pytest.raises(AttributeError, match="laod"):
        nnspec.laod  # type: ignore[attr-defined]


def test_unknown_backends_are_named() -> None:
    with pytest.raises(ValueError, match="did you mean torch"):
        load(LINE).source("tourch")


def test_a_spec_that_is_not_there_cannot_be_loaded() -> None:
    with pytest.raises(SpecError) as raised:
        nnspec.load("absent.nn")
    assert [d.code for d in raised.value.diagnostics] == ["E0501"]
