"""Every file of examples/: its models check without a warning and agree on all backends; what its head says is so.

A file says in its head how to run it. The lines that begin with `#   nnspec` are commands; they are run in order, in a
folder that holds a copy of `examples/` and takes what they write. Under a command stands what it is expected to print:

    #   nnspec train examples/vit.nn
    #   -> test accuracy >= 0.95          a line has these words, in this order, then a number that is at least that
    #   -> test loss 0.12                 the same, and the number is this one, give or take one in its last digit
    #   -> 1,1,-1                         this is printed (blanks count as one)

A number may also be at most (<=) another. Of several such lines the last counts.

Models are verified on all backends in float64. Where that would take too long, the head has a command that verifies
the model in a smaller size, `nnspec verify examples/vgg19.nn --model VGG11 --set size=32 --steps 2`, which is then the
test of this model. Models of such a file without a command of their own take one step of that size and batch on two
backends.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import EXAMPLES, QUICK_JAX, Result

import nnspec
from nnspec.compiler import Spec
from nnspec.diagnostics import SpecError
from nnspec.passes.cost import totals
from nnspec.verify import verify

FILES = sorted(EXAMPLES.glob("*.nn"))
OPTIMISED = ("digits", "gpt", "mlp", "vae")  # a convolution, attention, products, noise: minutes for all
NUMBER = r"[-+]?\d[\d_,]*(?:\.\d+)?(?:e[-+]?\d+)?"
EXPECTED = re.compile(rf"(?P<words>.*[\w)])\s+(?:(?P<sign>>=|<=)\s*)?(?P<number>{NUMBER})$")


class Expectation(NamedTuple):
    """What a command should print."""

    words: str
    sign: str = ""
    number: str = ""

    def met_by(self, text: str) -> bool:
        """Whether a number as stated follows the words, or, without a number, whether the words are there."""
        if not self.number:
            return self.words in " ".join(text.split())
        words = r"\b.*?\b".join(map(re.escape, self.words.split()))
        found = re.findall(rf"^.*?\b{words}[ :=]+({NUMBER})", text, flags=re.MULTILINE)
        if not found:
            return False
        value, stated = _read(found[-1]), _read(self.number)
        if self.sign:
            return value >= stated if self.sign == ">=" else value <= stated
        return abs(value - stated) <= 10.0 ** -len(self.number.partition(".")[2]) + 1e-12


class Command(NamedTuple):
    """A line of a head: the words after `nnspec`, and what stands under it."""

    words: list[str]
    expected: list[Expectation]


def _read(number: str) -> float:
    return float(number.replace(",", "").replace("_", ""))


def expectation(text: str) -> Expectation:
    """`test accuracy >= 0.95` or `test loss 0.12` as words and number, anything else as words alone."""
    match = EXPECTED.match(text)
    if match and re.search(r"[A-Za-z]", match["words"]):
        return Expectation(" ".join(match["words"].split()), match["sign"] or "", match["number"])
    return Expectation(" ".join(text.split()))


def commands(path: Path) -> list[Command]:
    """The commands of a file's head, in order."""
    found: list[Command] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if line.startswith("#   nnspec "):
            found.append(Command(shlex.split(line[1:], comments=True)[1:], []))
        elif line.startswith("#   -> ") and found:
            found[-1].expected.append(expectation(line.removeprefix("#   -> ")))
    return found


def models(smaller: bool | None = None) -> list[object]:
    """Every model of every file, or those of files that are verified `smaller`, or the others. Nothing is compiled."""
    return [
        pytest.param(path, name, id=f"{path.stem}:{name}")
        for path in FILES
        if smaller is None or smaller == bool(_verifying(path))
        for name in re.findall(r"^model (\w+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]


def _verifying(path: Path) -> list[Command]:
    """The commands of a head that verify."""
    return [command for command in commands(path) if command.words[0] == "verify"]


def _options(command: Command, name: str) -> list[str]:
    """What is given for an option, every time that it is given."""
    return [value for option, value in pairwise(command.words) if option == name]


def _able(spec: Spec, backends: tuple[str, ...]) -> tuple[str, ...]:
    """The backends that have a form of every op of the model, as the compiler says. PyTorch and JAX have all."""
    able = []
    for backend in backends:
        try:
            spec.source(backend)
        except SpecError as error:
            codes = {d.code for d in error.diagnostics}
            if backend != "numpy" or codes != {"E0601"}:
                raise
        else:
            able.append(backend)
    return tuple(able)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_it_checks_without_a_warning(path: Path) -> None:
    found = nnspec.check(path)
    assert not found.diagnostics, [f"{d.code} {d.message}" for d in found.diagnostics]
    assert found.specs, "an example has a model"


@pytest.fixture
def _optimised(path: Path) -> Iterator[None]:
    """For some examples XLA with all its optimisations, which other tests do without."""
    if path.stem not in OPTIMISED or importlib.util.find_spec("jax") is None:
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.mark.usefixtures("_optimised")
@pytest.mark.parametrize(("path", "model"), models(smaller=False))
def test_backends_agree_in_float64(path: Path, model: str, backends: tuple[str, ...]) -> None:
    spec = nnspec.load(path, model=model)
    report = verify(spec.graph, _able(spec, backends), steps=20, dtype="float64", batch=4)
    assert report.ok, report.summary()


@pytest.mark.torch
@pytest.mark.parametrize(("path", "model"), models(smaller=False))
def test_numpy_and_torch_agree_in_float32(path: Path, model: str) -> None:
    # Batch norm over 4 examples enlarges what is rounded on the way back: against float64, torch's gradients of the
    # residual network use up to 1.1 of the tolerance over 4 examples and 0.75 over 8 (channels_last, in which torch's
    # batch norm sums in float32; 0.96 and 0.52 contiguous, where it sums in float64).
    spec = nnspec.load(path, model=model)
    if len(able := _able(spec, ("torch", "numpy"))) == 2:
        report = verify(spec.graph, able, steps=3, dtype="float32", batch=8)
        assert report.ok, report.summary()


@pytest.mark.torch
@pytest.mark.parametrize(("path", "model"), models(smaller=False))
def test_the_textbook_form_and_the_planned_form_agree(path: Path, model: str) -> None:
    spec = nnspec.load(path, model=model)
    able = _able(spec, ("torch", "numpy"))
    for optimize in (0, 1):
        report = verify(spec.graph, able, steps=2, dtype="float64", batch=3, optimize=optimize)
        assert report.ok, (optimize, report.summary())


@pytest.mark.torch
@pytest.mark.parametrize(("path", "model"), models(smaller=True))
def test_a_large_network_agrees_in_a_smaller_size(path: Path, model: str, process: Callable[..., Result]) -> None:
    last = nnspec.load(path).model
    commands = _verifying(path)
    own = [command for command in commands if (_options(command, "--model") or [last]) == [model]]
    for command in own:
        result = process(*command.words, env=QUICK_JAX)
        assert result.code == 0, result.err
    if not own:
        settings = dict(setting.split("=", 1) for setting in _options(commands[0], "--set"))
        spec = nnspec.load(path, model=model, set=settings)
        if totals(spec.graph)["parameters"] > 30e6:
            pytest.skip("the same blocks as in its smaller siblings, more often or wider: minutes and gigabytes")
        batch = int(_options(commands[0], "--batch")[-1])
        report = verify(spec.graph, ("torch", "numpy"), steps=1, dtype="float64", batch=batch)
        assert report.ok, report.summary()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_commands_of_its_head_do_what_it_says(path: Path, tmp_path: Path, process: Callable[..., Result]) -> None:
    head = commands(path)
    assert head, "every example says how to run it"
    assert any(f"examples/{path.name}" in command.words for command in head)
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("runs", "__pycache__"))
    for command in head:
        if command.words[0] == "verify":
            continue  # a test of its own
        needed = "optax" if "jax" in command.words else "torch" if "torch" in command.words else "numpy"
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
        result = process(*command.words, cwd=tmp_path)
        assert result.code == 0, f"nnspec {' '.join(command.words)}\n{result.err}"
        for expected in command.expected:
            assert expected.met_by(result.out), f"expected: {expected}\nprinted: {result.out[-2000:]}"


@pytest.mark.parametrize(
    ("text", "printed", "met"),
    [
        ("test accuracy >= 0.95", "test  loss 0.1  accuracy 0.9600\n", True),
        ("test accuracy >= 0.95", "test  loss 0.1\naccuracy 0.9600\n", False),  # of one line
        ("accuracy >= 0.95", "test  loss 0.1  accuracy 0.9600\n", True),
        ("accuracy >= 0.97", "test  loss 0.1  accuracy 0.9600\n", False),
        ("test loss <= 0.2", "validation  loss 0.3\ntest  loss 0.1\n", True),
        ("test loss <= 0.05", "test  loss 0.1\n", False),
        ("test loss 0.1", "test  loss 0.16\n", True),
        ("test loss 0.10", "test  loss 0.16\n", False),
        ("parameters 61_706", "parameters: 61,706\n", True),
        ("1,-1, 1", "head\n1,-1, 1\n", True),
        ("1,-1", "head\n1, 1\n", False),
        ("nothing else", "nothing   else\n", True),
    ],
)
def test_an_expectation_can_fail(text: str, printed: str, met: bool) -> None:
    assert expectation(text).met_by(printed) is met
