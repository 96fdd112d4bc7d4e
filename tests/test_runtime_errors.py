"""Exceptions in emitted code, told at the line of the spec whose code was running."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnspec
from nnspec.backends.base import Options, Unsupported
from nnspec.backends.choices import Choice
from nnspec.backends.faults import RunError
from nnspec.backends.marks import SIGN
from nnspec.backends.program import Invoke
from nnspec.backends.tracing import Traced, traced, uses_of
from nnspec.ir.flatten import flatten
from nnspec.ir.graph import Call, Node
from nnspec.ops.registry import prelude_path
from nnspec.rendering import render
from nnspec.train.initial import initial_state
from nnspec.train.session import open_driver
from nnspec.verify import verify

BACKENDS = [
    "numpy",
    pytest.param("torch", marks=pytest.mark.torch),
    pytest.param("jax", marks=pytest.mark.jax),
]
NET = """
block Inner(x; width) {
    x -> dense(width)                            # inner
      -> tanh                                    # tanh of inner
}
block Outer(x) {
    h = x -> Inner(6)                            # use of inner
    h -> dense(6)                                # outer
      -> relu
}
model Net {                                      # model
    input  x: float32[6]
    target t: float32
    layer shared = dense(6)                      # shared
    layer body = dense(7) -> tanh -> dense(6)    # body
    first = x
        -> conv1: dense(6)                       # first
        -> tanh                                  # tanh
        -> shared                                # use of shared
    second = first -> Outer                      # use of outer
        -> repeat(2, Outer)                      # use in repeat
        -> shared                                # second use of shared
    third = second -> body                       # use of body
        -> features: (dense(5)                   # step 0
            -> relu
            -> dense(4))                         # step 2
    output out = third
        -> dense(1)
        -> sigmoid
}
data { source = random(60) }
train {
    minimize = mse(out, t) + mean(exp(out))      # minimize
    optimizer = sgd(0.01); epochs = 2; batch = 8
}
"""


def line_of(comment: str, text: str = NET) -> int:
    return next(k for k, line in enumerate(text.split("\n"), 1) if line.endswith(f"# {comment}"))


class Opened:
    """A driver over the net, and the file that it runs."""

    def __init__(self, folder: Path, backend: str, optimize: int = 1, text: str = NET, **options: Any) -> None:
        """`head` stands above the emitted text, `choices` go into it."""
        (folder / "net.nn").write_text(text)
        self.spec = nnspec.load(folder / "net.nn")
        self.path = folder / "emitted.py"
        choices = options.pop("choices", ())
        self.path.write_text(options.pop("head", "") + self.spec.source(backend, optimize, choices=choices))
        how: dict[str, Any] = {"dtype": "float32", "device": "cpu", "seed": 0, "optimize": optimize}
        self.opened: Callable[[], Any] = lambda: open_driver(backend, self.path, self.spec, choices=choices, **how)
        self.driver: Any = self.open()

    def open(self) -> Any:
        driver = self.opened()
        driver.load(initial_state(self.spec.graph, 0, "float32"))
        return driver

    def misshape(self, path: str) -> None:
        """A weight with a column too many: what multiplies with it stops, in words of its framework."""
        module, model = self.driver.module, self.driver.model
        if self.driver.name == "numpy":
            parameter = module.named_parameters(model)[path]
            parameter.value = np.pad(parameter.value, [(0, 0)] * (parameter.value.ndim - 1) + [(0, 1)])
        elif self.driver.name == "torch":
            import torch

            parameter = model.get_parameter(path)
            parameter.data = torch.nn.functional.pad(parameter.data, (0, 1))
        else:
            state = self.driver.state()
            state[path] = np.pad(state[path], [(0, 0)] * (state[path].ndim - 1) + [(0, 1)])
            self.driver.driver.model = module.from_state(self.driver.driver._form, state)

    def step(self, *sizes: int) -> RunError:
        """The error of a training step on examples of these sizes."""
        batch = {"x": np.ones((8, *(sizes or (6,))), np.float32), "t": np.ones(8, np.float32)}
        with pytest.raises(RunError) as caught:
            self.driver.train_steps(batch, np.arange(8)[None], np.full((1, 1), 0.1), first_step=1)
        return caught.value

    def predict(self, *sizes: int) -> RunError:
        with pytest.raises(RunError) as caught:
            self.driver.outputs({"x": np.ones(sizes, np.float32)})
        return caught.value


def breaking(monkeypatch: pytest.MonkeyPatch, backend: str, name: str, turn: int, error: Exception) -> None:
    """From here on the `turn`-th call of a function of the framework raises, and so do those after it."""
    home: Any = import_module({"numpy": "numpy", "torch": "torch", "jax": "jax.numpy"}[backend])
    home = getattr(home, "Tensor", home) if (backend, name) == ("torch", "exp") else home
    function, calls = getattr(home, name), iter(range(1, 10**6))

    def broken(*arguments: Any, **named: Any) -> Any:
        if next(calls) >= turn:
            raise type(error)(*error.args)  # a new one each time: an exception keeps the frames of all its flights
        return function(*arguments, **named)

    monkeypatch.setattr(home, name, broken)


# ---------------------------------------------------------------- the line of the layer

WEIGHTS = {
    "conv1.weight": "first",
    "shared.weight": "use of shared",
    "outer1.inner1.dense1.weight": "inner",
    "outer1.dense1.weight": "outer",
    "repeat1.1.inner1.dense1.weight": "inner",
    "body.2.weight": "body",
    "features.2.weight": "step 2",
}


@pytest.mark.parametrize("optimize", [0, 1])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_layer_that_stops_is_told_at_its_line(backend: str, optimize: int, tmp_path: Path) -> None:
    opened = Opened(tmp_path, backend, optimize)
    for number, (path, comment) in enumerate(WEIGHTS.items(), optimize):
        opened.driver = opened.open()
        opened.misshape(path)
        error = opened.step() if number % 2 else opened.predict(8, 6)
        (found,) = error.diagnostics
        assert (found.code, found.span.line) == ("E0602", line_of(comment)), (path, str(error))
        assert found.message.startswith("dense"), found.message
        assert str(error.__cause__).split("\n")[0].strip() in found.message


@pytest.mark.parametrize("optimize", [0, 1])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("name", "turn", "comment"),
    [("tanh", 1, "tanh"), ("tanh", 4, "tanh of inner"), ("tanh", 5, "body")],
)
def test_an_activation_is_told_among_the_steps_of_its_line(
    backend: str, optimize: int, name: str, turn: int, comment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(tmp_path, backend, optimize)
    breaking(monkeypatch, backend, name, turn, RuntimeError("the table of hyperbolic functions is lost"))
    (found,) = opened.step().diagnostics
    assert found.span.line == line_of(comment)
    assert f"{name} stopped in" in found.message
    assert found.message.endswith("the table of hyperbolic functions is lost")


@pytest.mark.parametrize("optimize", [0, 1])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_part_of_the_objective_is_told_there(
    backend: str, optimize: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = NET.replace("-> sigmoid", "-> tanh")
    opened = Opened(tmp_path, backend, optimize, text)
    breaking(monkeypatch, backend, "exp", 1, ValueError("no exponent is large enough"))
    (found,) = opened.step().diagnostics
    assert found.span.line == line_of("minimize", text)
    assert found.message.startswith("exp stopped in")


@pytest.mark.parametrize("backend", BACKENDS)
def test_shapes_and_the_uses_on_the_way_are_named(backend: str, tmp_path: Path) -> None:
    opened = Opened(tmp_path, backend)
    error = opened.predict(8, 5)
    (found,) = error.diagnostics
    assert found.span.line == line_of("first")
    assert "x is [8, 5]; an example is [6] in the spec" in {label.text for label in found.labels}
    opened.misshape("outer1.inner1.dense1.weight")
    error = opened.step()
    (found,) = error.diagnostics
    assert found.message.startswith("dense (outer1.inner1.dense1) stopped in")
    uses = [label.span.line for label in found.labels if label.text == "in this use"]
    assert uses == [line_of("use of inner"), line_of("use of outer")]
    shown = render(error.diagnostics, error.sources)
    assert "x -> dense(width)" in shown
    assert "NNSPEC_TRACEBACK=1" in shown


# A step of a block of the prelude, which no user has written, is told at the use of the block.
ATTENTION = """
model Net {
    input  x: float32[6, 4]
    output y = x
        -> dense(4)
        -> self_attention(2)                     # attention
}
"""


@pytest.mark.parametrize("optimize", [0, 1])
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_the_prelude_does_is_told_in_the_users_file(backend: str, optimize: int, tmp_path: Path) -> None:
    opened = Opened(tmp_path, backend, optimize, ATTENTION)
    opened.misshape("self_attention1.in_proj_weight")
    (found,) = opened.predict(2, 6, 4).diagnostics
    assert found.span.line == line_of("attention", ATTENTION)
    assert found.message.startswith("self_attention (self_attention1) stopped in")


# ---------------------------------------------------------------- bprop, threads, memory


@pytest.mark.parametrize("optimize", [0, 1])
def test_bprop_in_numpy_has_lines_of_its_own(optimize: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(tmp_path, "numpy", optimize)

    def broken(*arguments: Any) -> Any:
        raise FloatingPointError("the slope is lost")

    if optimize:
        monkeypatch.setattr(opened.driver.module.PlannedTanh, "backward", broken)
    else:
        monkeypatch.setattr(opened.driver.module, "tanh_backward", broken)
    (found,) = opened.step().diagnostics
    assert found.span.line == line_of("body")  # the last of them comes first
    assert found.message == "tanh stopped in NumPy: the slope is lost"


@pytest.mark.torch
def test_backpropagation_of_a_framework_names_the_model(tmp_path: Path) -> None:
    opened = Opened(tmp_path, "torch")

    def broken(gradient: Any) -> Any:
        raise RuntimeError("the slope is lost somewhere")

    opened.driver.model.outer1.dense1.weight.register_hook(broken)
    (found,) = opened.step().diagnostics
    assert (found.code, found.span.line) == ("E0602", line_of("model"))
    assert found.message == "Net stopped in PyTorch: the slope is lost somewhere"
    assert "in backpropagation (emitted.py:" in found.labels[0].text


@pytest.mark.jax
def test_bprop_in_jax_knows_the_line_of_fprop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jax
    import jax.numpy as jnp

    def broken(x: Any, gradient: Any) -> Any:
        raise RuntimeError("the slope is lost somewhere")

    tanh = jnp.tanh
    lost = jax.custom_vjp(lambda x: tanh(x))
    lost.defvjp(lambda x: (tanh(x), x), broken)
    monkeypatch.setattr(jnp, "tanh", lost)
    (found,) = Opened(tmp_path, "jax").step().diagnostics
    assert found.span.line == line_of("body")
    assert found.message == "tanh stopped in JAX: the slope is lost somewhere"


@pytest.mark.torch
@pytest.mark.filterwarnings("default")  # what torch's compiler says of itself
def test_torchs_compiler_names_the_line_in_its_message(tmp_path: Path) -> None:
    opened = Opened(tmp_path, "torch", choices=(Choice("step", "compile", ""),))
    opened.misshape("outer1.inner1.dense1.weight")
    (found,) = opened.step().diagnostics
    assert found.span.line == line_of("inner")
    assert found.message.startswith("dense stopped in PyTorch: a and b must have same reduction dim")


ALONE = NET.replace("-> sigmoid", "-> batch_norm -> sigmoid # norm")


@pytest.mark.torch
def test_what_one_framework_alone_refuses_has_help_of_its_own(tmp_path: Path) -> None:
    opened = Opened(tmp_path, "torch", text=ALONE)
    with pytest.raises(RunError) as caught:
        opened.driver.gradients({"x": np.ones((1, 6), np.float32), "t": np.ones(1, np.float32)})
    (found,) = caught.value.diagnostics
    assert found.span.line == line_of("norm", ALONE)
    assert found.help == "batches of two examples at least, the last one too"


THREADS = """
model Net {
    input  x: float32[1, 6, 6]
    target t: float32
    output out = x
        -> conv(2, 3)
        -> tanh                                  # tanh
        -> conv(2, 3) -> batch_norm -> flatten   # for which the threads meet
        -> dense(1)
}
data { source = random(60) }
train { minimize = mse(out, t); optimizer = sgd(0.01); epochs = 2; batch = 8 }
"""


def test_a_thread_of_a_planned_step_tells_its_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(tmp_path, "numpy", 1, THREADS, choices=(Choice("step", "planned", ""), Choice("threads", "2", "")))
    tanh, main = np.tanh, threading.main_thread()

    def broken(*arguments: Any, **named: Any) -> Any:
        if threading.current_thread() is not main:
            raise RuntimeError("this thread has lost its table")
        return tanh(*arguments, **named)

    monkeypatch.setattr(np, "tanh", broken)
    (found,) = opened.step(1, 6, 6).diagnostics
    assert found.span.line == line_of("tanh", THREADS)
    assert found.message == "tanh stopped in NumPy: this thread has lost its table"


HUGE = """
model Net {
    input x: float32[6]
    big = ones([1000000, 1000000, 1000])         # big
    output y = x * sum(big)
}
"""


@pytest.mark.parametrize("backend", BACKENDS[:2])
def test_memory_that_runs_out_is_told_as_that(backend: str, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:  # PyTorch makes a constant when the model is made
        Opened(tmp_path, backend, 1, HUGE).driver.outputs({"x": np.ones((2, 6), np.float32)})
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.line) == ("E0603", line_of("big", HUGE))
    assert found.message.startswith("ones ran out of memory in")
    assert "smaller batch" in found.help
    assert caught.value.exit_code == 4


@pytest.mark.jax
def test_compiled_code_without_frames_names_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    opened = Opened(tmp_path, "jax")
    error = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4000000000000 bytes.")

    def broken(*arguments: Any, **named: Any) -> Any:
        raise error

    monkeypatch.setattr(opened.driver.module, "train_steps", broken)
    (found,) = opened.step().diagnostics
    assert (found.code, found.span.line) == ("E0603", line_of("model"))
    assert found.message.startswith("Net ran out of memory in JAX: RESOURCE_EXHAUSTED")


def test_a_file_of_another_version_is_not_explained_by_lines_of_this_one(tmp_path: Path) -> None:
    opened = Opened(tmp_path, "numpy", head="# by hand\n")
    (found,) = opened.predict(8, 5).diagnostics
    assert found.span.line == line_of("model")
    assert "another" not in found.message
    assert "this version of nnspec would write otherwise" in found.labels[0].text


def test_what_emitted_code_has_no_part_in_is_left_as_it_is(tmp_path: Path) -> None:
    opened = Opened(tmp_path, "numpy")
    with pytest.raises(ValueError, match="missing: body"):
        opened.driver.load({name: array for name, array in opened.driver.state().items() if "body" not in name})


# ---------------------------------------------------------------- the commands


def test_every_command_that_runs_a_model_says_where_it_stopped(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "let rate = 0.01 in [0.01, 0.1]\n" + NET.replace("sgd(0.01)", "sgd(rate)").replace(
        "random(60) }", "random(60); split = [0.8, 0.2] }"
    )
    Path("net.nn").write_text(text)
    assert cli("train", "net.nn", "--run-dir", "done").code == 0
    breaking(monkeypatch, "numpy", "tanh", 40, RuntimeError("the table is lost again"))
    wanted = f"net.nn:{line_of('tanh', text)}:"
    broken = cli("train", "net.nn", "--run-dir", "run")
    assert (broken.code, "E0602" in broken.err, "bug" in broken.err) == (4, True, False), broken.err
    for command in (
        ["train", "--resume", "run"],
        ["eval", "done"],
        ["predict", "done"],
        ["doctor", "net.nn"],
        ["verify", "net.nn", "--backends", "numpy"],
    ):
        broken = cli(*command)
        assert broken.code == 4, (command, broken.err)
        assert "error[E0602]: tanh stopped in NumPy: the table is lost again" in broken.err
        place = wanted if "net.nn" in command else wanted.replace("net.nn", "spec.nn")
        assert place in broken.err, (command, broken.err)
        assert "-> tanh " in broken.err  # the line itself
        assert "Traceback" not in broken.err
    broken = cli("tune", "net.nn", "--trials", "1")
    assert f"E0602: tanh stopped in NumPy: the table is lost again (net.nn:{line_of('tanh', text)})" in (
        broken.err + broken.out
    )
    monkeypatch.setenv("NNSPEC_TRACEBACK", "1")
    assert "RuntimeError: the table is lost again" in cli("eval", "done").err


# ---------------------------------------------------------------- before a run

TOKENS = """
model Net {
    dim T = 8
    input  words: int32[T]
    target t: float32[4]
    output y = words
        -> embedding(5, 4)                       # embedding
        -> positional(8)                         # positional
        -> mean(axis = 0)
}
data { source = npz("data.npz") }
train { minimize = mse(y, t); optimizer = sgd(0.1); epochs = 1; batch = 2 }
"""


@pytest.mark.parametrize("command", ["train", "doctor"])
@pytest.mark.parametrize(
    ("words", "code", "comment", "text"),
    [
        ([[0, 1, 4], [2, 5, 6]], "E0604", "embedding", "words holds 5 (example 2), and embedding (embedding1) takes 0"),
        ([[0, 1, 4], [2, -1, 0]], "E0604", "embedding", "words holds -1 (example 2)"),
        ([[0] * 9] * 2, "E0313", "positional", "with T = 9 positional (positional1) needs 9 entries of a table of 8"),
    ],
)
def test_data_that_the_tables_of_a_model_cannot_take(
    command: str,
    words: list[list[int]],
    code: str,
    comment: str,
    text: str,
    cli: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.nn").write_text(TOKENS)
    np.savez("data.npz", words=np.array(words), t=np.zeros((2, 4)))
    found = cli(command, "net.nn")
    assert found.code == 1
    assert f"error[{code}]: {text}" in found.err
    assert f"--> net.nn:{line_of(comment, TOKENS)}:" in found.err


def test_verify_draws_sizes_and_indices_that_the_tables_have(backends: tuple[str, ...]) -> None:
    text = TOKENS.replace("dim T = 8", "dim T")
    report = verify(nnspec.load("net.nn", text=text).graph, backends, steps=1, batch=20)
    assert report.ok


# ---------------------------------------------------------------- the map of emitted files

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.nn"))
SILENT = {"FreeParameter", "ReadParameter", "Constant", "Identity", "Reshape", "ExpandBatch", "Penalty"}


def maps() -> Iterator[Any]:
    """Every example on a backend each, in turn; the shortest of them on all, in both forms."""
    for number, path in enumerate(EXAMPLES):
        for index, backend in enumerate(("numpy", "torch", "jax")):
            for optimize in (0, 1):
                if path.stat().st_size < 900 or number % 6 == 2 * index + optimize:
                    yield pytest.param(path, backend, optimize, id=f"{path.stem}-{backend}-{optimize}")


@pytest.mark.parametrize(("path", "backend", "optimize"), list(maps()))
def test_every_step_of_an_example_has_a_line(path: Path, backend: str, optimize: int) -> None:
    spec = nnspec.load(path)
    try:
        file = traced(spec.graph, backend, Options(optimize=optimize))
    except Unsupported:
        pytest.skip(f"{backend} has no form of it")
    assert file.text == spec.source(backend, optimize)
    assert SIGN not in file.text
    covered = {id(use) for use in uses_in(file)}
    read = {*spec.graph.outputs.values(), *spec.graph.taps.values()}
    for node, inputs, outputs in reversed(flatten(spec.graph)):
        if read.isdisjoint(outputs):
            continue  # nobody reads it: it is not printed
        read.update(inputs)
        kind = type(node.op).__name__
        whole = kind == "Index" and inputs[0].type.shape == outputs[0].type.shape  # nothing is cut
        if kind not in SILENT and not whole:
            assert id(node) in covered, (kind, node.span)
    for use in uses_in(file):
        span = use.span
        if span.path != str(prelude_path()):
            lines = spec.sources[span.path].split("\n")
            assert 1 <= span.line <= len(lines)
            assert 1 <= span.column <= len(lines[span.line - 1])


def uses_in(file: Traced) -> Iterator[Node | Call]:
    """All that the lines of a file stand for, with what stands in compositions that have one line."""
    for parts in file.lines.values():
        for part in parts:
            yield from uses_below(part.item)


def uses_below(item: Any) -> Iterator[Node | Call]:
    yield from uses_of(item)
    inside = item.definition.body if isinstance(item, Invoke) else getattr(item, "body", ())
    for inner in (*inside, *getattr(item, "then", ()), *getattr(item, "otherwise", ())):
        yield from uses_below(inner)
