"""Texts that nobody would write: damaged, spliced, random. The answer is diagnostics with codes, never a crash.

Locally a tenth of the inputs run; continuous integration runs all 20,000. `pytest -m soak` goes on for much longer.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from conftest import EXAMPLES, ROOT, Result
from random_language import random_text
from random_specs import broken_spec, random_spec
from test_planned_step import examples, opened

import nnspec
from nnspec.compiler import check
from nnspec.diagnostics import Reporter
from nnspec.rendering import render, to_json, to_sarif
from nnspec.syntax.format import format_text
from nnspec.verify import verify

CHUNKS = 20
INPUTS = 1000 if os.environ.get("CI") else 100  # of a chunk
SECONDS = 2.0  # of one input
LONGEST = 2500  # characters of a text to start from: the time of an input is that of its length

TOKEN = re.compile(r'#[^\n]*|[A-Za-z_]\w*|\d[\w.]*|"[^"\n]*"|->|\.\.|[=!<>]=|//|[^\s\w]|\n|[ \t]+')
FILES = [
    *sorted(EXAMPLES.glob("*.nn")),
    *sorted((ROOT / "tests" / "valid").glob("*.nn")),
    *sorted((ROOT / "tests" / "errors").glob("*.nn")),
]
TEXTS = [text for text in (path.read_text(encoding="utf-8") for path in FILES) if len(text) < LONGEST]
POOL = sorted({word for text in TEXTS for word in TOKEN.findall(text) if word.strip() and word[0] != "#"})
WORDS = [word for word in POOL if word.isidentifier()]
NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "5",
    "7",
    "8",
    "64",
    "100",
    "0.5",
    "1e9",
    "1e-3",
    "2147483647",
    "(1-3)",
    "[3,3]",
    "x",
    "true",
    "-1",
    "1e308",
]
STRINGS = ['""', '"*"', '"x"', '"fc*"', '"a.b"', '"../x"', '"\\n"']
ODD = [
    *[
        "0",
        "-1",
        "1e9",
        "2147483648",
        "999999999999999999",
        "0.5",
        "1e-300",
        "1e308",
        "true",
        "[]",
        "()",
        "{}",
        "T",
        "x.shape",
        "x[0]",
        "x[-99]",
        "x[1:0]",
        "2^31",
    ],
    *("[[1, 2], [3]]", '""', "repeat(0, relu)", "for i in 1..3 { relu }", "if true { relu } else { tanh }"),
    *("zeros", "normal(0.1)", "adam", "weights", "gradient(x, x)", "1 / 0", "9^9^9", "9^9^-9", "-0.0"),
    *("\x00", "\u202e", "\ufb01", "\u00e9", "\U0001f600", "\r", "\ufeff", "\\", "'"),
]


def mutated(rng: random.Random, text: str) -> str:
    """Tokens left out, doubled, swapped, replaced, put in; pieces of another file spliced in; bytes overwritten."""
    pieces = TOKEN.findall(text)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 12))):
        if not pieces:
            break
        here, kind = rng.randrange(len(pieces)), rng.randrange(8)
        if kind == 0:
            del pieces[here : here + rng.choice((1, 1, rng.randrange(1, 20)))]
        elif kind == 1:
            pieces.insert(here, pieces[here])
        elif kind == 2:
            there = rng.randrange(len(pieces))
            pieces[here], pieces[there] = pieces[there], pieces[here]
        elif kind in (3, 4):
            pieces[here] = rng.choice(POOL)
        elif kind == 5:
            pieces[here] = f" {rng.choice(ODD)} "
        elif kind == 6:
            pieces.insert(here, f" {rng.choice(POOL)} ")
        else:
            other = TOKEN.findall(rng.choice(TEXTS))
            start = rng.randrange(len(other))
            pieces[here:here] = other[start : start + rng.randrange(1, 30)]
    changed = "".join(pieces)
    if rng.random() < 0.1:
        raw = bytearray(changed.encode("utf-8", "surrogatepass"))
        for _ in range(rng.randrange(1, 6)):
            if raw:
                raw[rng.randrange(len(raw))] = rng.randrange(256)
        changed = raw.decode("utf-8", "replace")
    return changed


def exchanged(rng: random.Random, text: str) -> str:
    """Words for words, numbers for numbers, strings for strings: what passes the grammar and means something else."""
    pieces = TOKEN.findall(text)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = [i for i, piece in enumerate(pieces) if piece[0] == '"' or piece[0].isalnum() or piece[0] == "_"]
        if not places:
            break
        here = rng.choice(places)
        first = pieces[here][0]
        pieces[here] = rng.choice(NUMBERS if first.isdigit() else STRINGS if first == '"' else WORDS)
    return "".join(pieces)


def judged(text: str, name: str) -> None:
    """Checks one input the way a user meets it; the message of a failure holds the input, made smaller."""
    start = time.process_time()
    try:
        found = check("fuzz.nn", text=text)
        shown = render(found.diagnostics, found.sources)
        to_json(found.diagnostics)
        to_sarif(found.diagnostics)
    except Exception as error:
        kind = type(error)
        small = reduced(text, lambda part: _raises(part, kind))
        raise AssertionError(f"{name} raises {error!r}:\n{small}") from error
    seconds = time.process_time() - start
    assert seconds < SECONDS, f"{name} took {seconds:.1f} s:\n{text}"
    assert "\x1b" not in shown
    for diagnostic in found.diagnostics:
        assert re.fullmatch(r"[EW]0\d{3}", diagnostic.code), f"{name}:\n{text}"
        assert diagnostic.message and len(diagnostic.message) < 2000, f"{name}:\n{text}"


def _raises(text: str, kind: type[Exception]) -> bool:
    try:
        check("fuzz.nn", text=text)
    except kind:
        return True
    except Exception:  # another mistake is not the one that is made smaller
        return False
    return False


def reduced(text: str, fails: Callable[[str], bool]) -> str:
    """The text with every line left out that the failure does not need."""
    lines = text.split("\n")
    size = max(1, len(lines) // 2)
    while size:
        start = 0
        while start < len(lines):
            fewer = lines[:start] + lines[start + size :]
            if fails("\n".join(fewer)):
                lines = fewer
            else:
                start += size
        size //= 2
    return "\n".join(lines)


def inputs(seed: int) -> str:
    rng = random.Random(seed)
    if seed % 5 == 0:
        text = random_text(seed)
        return mutated(rng, text) if seed % 3 == 0 else text
    text = rng.choice(TEXTS) if seed % 4 else random_spec(seed)
    return mutated(rng, text) if seed % 2 else exchanged(rng, text)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_input_raises_or_takes_long(chunk: int) -> None:
    for seed in range(chunk * 1000, chunk * 1000 + INPUTS):
        judged(inputs(seed), f"input {seed}")


@pytest.mark.parametrize("chunk", range(4))
def test_texts_in_the_whole_language_have_one_form(chunk: int) -> None:
    """The formatter keeps the meaning (it compares trees by itself) and is idempotent, whatever the text."""
    for seed in range(chunk * 1000, chunk * 1000 + INPUTS // 4):
        text = random_text(seed)
        form = format_text(text, "fuzz.nn", Reporter())
        assert form is None or format_text(form, "fuzz.nn", Reporter()) == form, text


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(200))
def test_no_input_raises_or_takes_long_for_hours(chunk: int) -> None:
    for seed in range(1_000_000 + chunk * 5000, 1_000_000 + (chunk + 1) * 5000):
        judged(inputs(seed), f"input {seed}")


@pytest.mark.parametrize("seed", range(4))
def test_bytes_that_are_no_text(seed: int, tmp_path: Path, cli: Callable[..., Result]) -> None:
    rng = random.Random(seed)
    for number in range(25):
        path = tmp_path / f"{number}.nn"
        raw = bytearray(rng.choice(TEXTS).encode())
        for _ in range(rng.randrange(1, 40)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        path.write_bytes(rng.randbytes(rng.randrange(300)) if number % 3 == 0 else bytes(raw))
        result = cli("check", path, "--format", "json")
        assert result.code in (0, 1, 2)
        assert "Traceback" not in result.err + result.out
        assert all(re.fullmatch(r"[EW]0\d{3}", d["code"]) for d in json.loads(result.out))
        if result.code:
            assert json.loads(result.out)


def test_the_command_line_ends_with_0_or_1(tmp_path: Path, cli: Callable[..., Result]) -> None:
    for seed in range(30):
        path = tmp_path / f"{seed}.nn"
        path.write_text(inputs(seed), encoding="utf-8", newline="")
        result = cli("check", path)
        assert result.code in (0, 1), path.read_text(encoding="utf-8")
        assert (result.code == 1) == ("error[E" in result.out + result.err)
        assert "Traceback" not in result.err + result.out


def test_what_fails_is_made_smaller() -> None:
    lines = "\n".join(str(n) for n in range(100))
    assert reduced(lines, lambda text: {"17", "18", "71"} <= set(text.split("\n"))) == "17\n18\n71"


# ---------------------------------------------------------------- random graphs


@pytest.mark.parametrize("seed", range(1000, 1060, 10))
def test_shapes_that_are_inferred_are_those_that_come_out(seed: int, tmp_path: Path) -> None:
    for number in range(seed, seed + 10):
        spec = random_spec(number)
        graph = nnspec.load(every_value(spec)).graph
        folder = tmp_path / str(number)
        folder.mkdir()
        found = opened(graph, folder, 0).outputs(examples(graph, 3))
        assert len(found) > 1
        for name, value in found.items():
            assert value.shape == (3, *graph.outputs[name].type.shape), f"{name} of\n{spec}"


def every_value(spec: str) -> str:
    """The spec with every named tensor an output."""
    return re.sub(r"^    (v\d+) = ", r"    output \1 = ", spec, flags=re.MULTILINE)


def test_random_broken_graphs_are_refused_before_a_framework_is_imported(tmp_path: Path) -> None:
    count = 150
    (tmp_path / "specs.json").write_text(json.dumps([broken_spec(seed) for seed in range(count)]))
    program = """
import json, sys
from nnspec.compiler import check
for number, text in enumerate(json.load(open(sys.argv[1]))):
    found = check("broken.nn", text=text)
    errors = [d for d in found.diagnostics if d.severity == "error"]
    assert errors, f"no error in\\n{text}"
    line = text[:text.index("broken =")].count("\\n") + 1
    assert {d.span.line for d in errors} == {line}, f"{[(d.code, d.span.line, d.message) for d in errors]} in\\n{text}"
assert not {"numpy", "torch", "jax"} & set(sys.modules)
print(number + 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "specs.json")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) == count


def disagreement(spec: str, others: tuple[str, ...]) -> str:
    """How the backends disagree over a model, an empty string where they do not or it means nothing."""
    try:
        graph = nnspec.load(spec).graph
    except nnspec.SpecError:
        return ""
    report = verify(graph, others, steps=1, dtype="float64", batch=3)
    return "" if report.ok else str([row for row in report.rows if not row.ok][:3])


def agree(seed: int, others: tuple[str, ...]) -> None:
    spec = tamed(random_spec(seed))
    if disagreement(spec, others):
        small = reduced(spec, lambda text: bool(disagreement(text, others)))
        raise AssertionError(f"model {seed}: {disagreement(small, others)}\n{small}")


def tamed(spec: str) -> str:
    """Products of products leave the range in which digits agree: sums of bounded values instead."""
    return re.sub(r"= (\w+) \* (\w+)$", r"= (\1 -> tanh) * (\2 -> tanh)", spec, flags=re.MULTILINE)


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(3000, 3024, 6))
def test_random_models_agree_on_numpy_and_torch(seed: int) -> None:
    for number in range(seed, seed + 6):
        agree(number, ("torch", "numpy"))


@pytest.mark.torch
def test_a_wrong_gradient_is_found_and_its_model_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail, and what it shows then is little more than the step that is wrong."""
    module = import_module("nnspec.backends.numpy.emit")
    emit = module.emit
    monkeypatch.setattr(module, "emit", lambda *given: emit(*given).replace("dy -= self.work", "dy += self.work"))
    seed = 27  # one in which weights learn through tanh
    lines = tamed(random_spec(seed)).count("\n")
    with pytest.raises(AssertionError, match=rf"model {seed}: ") as raised:
        agree(seed, ("torch", "numpy"))
    small = str(raised.value).partition("\n")[2]
    assert "tanh" in small and small.count("\n") < lines


@pytest.mark.jax
@pytest.mark.torch
@pytest.mark.slow
def test_random_models_agree_on_jax() -> None:
    for number in range(4000, 4003):
        agree(number, ("torch", "jax"))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5000, 6000, 10))
def test_random_models_agree_for_hours(seed: int) -> None:
    for number in range(seed, seed + 10):
        agree(number, ("torch", "numpy", "jax"))


def test_random_numbers_are_drawn_from_the_seed() -> None:
    assert inputs(7) == inputs(7) and random_spec(7) == random_spec(7)
    assert np.unique([inputs(seed) for seed in range(50)]).size > 45
