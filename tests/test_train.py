"""The training loop, checkpoints and run folders, on a softmax regression written here in NumPy."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from nnspec.data import load_data
from nnspec.diagnostics import Span
from nnspec.ir.graph import (
    CallValue,
    DataSpec,
    Field,
    Graph,
    Group,
    Layer,
    Metric,
    Module,
    Objective,
    Parameter,
    Training,
    Value,
)
from nnspec.ir.types import TensorType
from nnspec.ops.base import Initialiser
from nnspec.ops.linear import Dense
from nnspec.optim.optimizers import Sgd
from nnspec.optim.schedules import Constant
from nnspec.train import Diverged, Interrupted, TrainError
from nnspec.train import checkpoint as checkpoints
from nnspec.train.checkpoint import Progress
from nnspec.train.initial import from_file, initial_state
from nnspec.train.loop import Epoch, Hooks, Loop, seconds_a_step
from nnspec.train.meaning import Pair, class_of, pairs
from nnspec.train.plan import Plan, plan_run, rates, watch
from nnspec.train.specfile import SpecFiles

HERE = Span("a.nn", 1, 1, 1, 2)
Arrays = dict[str, Any]


class Softmax:
    """A driver: logits = x W^T + b, cross-entropy, sgd with momentum, all in float64."""

    name = "softmax"
    poison: ClassVar[int] = 0  # the step at which the loss is NaN

    def __init__(self) -> None:
        self.weights: Arrays = {}
        self.momentum: Arrays = {}
        self.count = 0
        self.interrupt_at = 0

    def load(self, state: Any) -> None:
        self.weights = {name: np.array(v, np.float64) for name, v in state.items()}
        self.momentum = {name: np.zeros_like(v) for name, v in self.weights.items()}

    def state(self) -> Arrays:
        return self.weights  # not a copy: the loop must make one

    def optimizer_state(self) -> Arrays:
        return {**{f"{n}/momentum_buffer": v for n, v in self.momentum.items()}, "step": np.array(self.count)}

    def load_optimizer(self, state: Any) -> None:
        self.momentum = {name: np.array(state[f"{name}/momentum_buffer"]) for name in self.weights}
        self.count = int(state["step"])

    def outputs(self, batch: Any, *, training: bool = False) -> Arrays:
        return {"logits": batch["x"] @ self.weights["dense1.weight"].T + self.weights["dense1.bias"]}

    def gradients(self, batch: Any, *, step: int = 1, objective: int = 0) -> tuple[float, Arrays]:
        logits, label = self.outputs(batch)["logits"], batch["label"]
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        delta = (np.exp(log_p) - np.eye(logits.shape[1])[label]) / len(label)
        loss = -log_p[np.arange(len(label)), label].mean()
        return float(loss), {"dense1.weight": delta.T @ batch["x"], "dense1.bias": delta.sum(axis=0)}

    def update(self, gradients: Any, lr: tuple[float, ...]) -> None:
        self.count += 1
        for name, gradient in gradients.items():
            self.momentum[name] = 0.9 * self.momentum[name] + gradient
            self.weights[name] -= lr[0] * self.momentum[name]

    def train_steps(self, data: Any, order: Any, lr: Any, *, first_step: int) -> Any:
        losses = []
        for row, rate, step in zip(order, lr, range(first_step, first_step + len(order)), strict=True):
            if step == self.interrupt_at:
                os.kill(os.getpid(), signal.SIGINT)
            loss, gradients = self.gradients({name: array[row] for name, array in data.items()})
            self.update(gradients, tuple(rate))
            losses.append(float("nan") if step == self.poison else loss)
        return np.array(losses)

    def evaluate(self, batch: Any) -> tuple[float, dict[str, float]]:
        loss, _ = self.gradients(batch)
        hit = self.outputs(batch)["logits"].argmax(axis=1) == batch["label"]
        return loss, {"accuracy": float(hit.mean())}


def softmax_graph(**settings: object) -> Graph:
    root = Module("model", "Softmax", None, "", "", None, HERE)
    x = Value(TensorType("float32", (4,)), HERE, "x")
    label = Value(TensorType("class", (), True, 3), HERE, "label")
    logits = Value(TensorType("float32", (3,)), HERE, "logits")
    layer = Layer(Dense(3), "dense1", "dense1", root, HERE)
    glorot, zeros = Initialiser("glorot_uniform"), Initialiser("zeros")
    layer.parameters["weight"] = Parameter("dense1.weight", (3, 4), glorot, "weight", HERE)
    layer.parameters["bias"] = Parameter("dense1.bias", (3,), zeros, "bias", HERE)
    root.layers.append(layer)
    graph = Graph(root)
    graph.fields = [Field("x", x, "input"), Field("label", label, "target")]
    graph.outputs = {"logits": logits}
    objective = Module("objective", "objective", None, "", "", None, HERE)
    groups = (Group("*", Sgd(Constant(0.05), momentum=0.9)), Group("head*", None))
    metrics = (Metric("accuracy", logits, label, {}),)
    minimized = Objective("*", objective, (logits, label), False, HERE)
    graph.training = Training((minimized,), groups, metrics, settings, HERE)
    graph.data = DataSpec({"source": CallValue("sklearn", ("iris",), {}, HERE), "split": [0.7, 0.1, 0.2]}, HERE)
    return graph


class Case:
    """A loop over iris in `folder`, and what it wrote."""

    def __init__(self, folder: Path, chunk: int = 3, progress: Progress | None = None, **settings: object) -> None:
        self.folder = folder
        self.graph = softmax_graph(**{"batch": 16, "epochs": 4, **settings})
        assert self.graph.training is not None
        assert self.graph.data is not None
        self.data = load_data(self.graph.fields, self.graph.data, Path(), 0, dtype="float64")
        self.plan = plan_run(self.graph.training, self.data.size()).replace(chunk=chunk)
        self.driver = Softmax()
        self.driver.load(initial_state(self.graph, 0, "float64"))
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.epochs: list[Epoch] = []
        self.loop = Loop(
            self.driver,
            self.data,
            self.graph.training,
            self.plan,
            watch(self.graph.training, "validation" in self.data.parts),
            folder,
            write=lambda name, record: self.lines.append((name, record)),
            facts={"seed": 0},
            hooks=Hooks(on_epoch=self.epochs.append),
            progress=progress,
        )

    def metrics(self) -> list[dict[str, Any]]:
        return [record for name, record in self.lines if name == "metrics"]


# ---------------------------------------------------------------- the loop


def test_the_loop_makes_the_updates_that_the_spec_says(tmp_path: Path) -> None:
    case = Case(tmp_path)
    end = case.loop.run()
    other = Softmax()
    other.load(initial_state(case.graph, 0, "float64"))
    step, seen = 0, []
    for epoch in range(1, 5):
        order, losses = case.data.order(epoch), []
        for start in range(0, len(order), 16):
            row = order[start : start + 16]
            loss, gradients = other.gradients({name: a[row] for name, a in case.data.train.items()})
            other.update(gradients, (0.05, 0.0))
            step += 1
            losses.append(loss * len(row))
        seen.append(sum(losses) / len(order))
    assert (end.step, end.epoch, end.finished) == (step, 5, "steps")
    for name, array in other.weights.items():
        np.testing.assert_allclose(case.driver.weights[name], array, rtol=1e-13)
    np.testing.assert_allclose([m["train"]["loss"] for m in case.metrics()], seen, rtol=1e-13)
    validation, value = case.data.validation, case.metrics()[-1]["validation"]
    np.testing.assert_allclose(value["loss"], other.gradients(validation)[0], rtol=1e-13)
    assert value["accuracy"] == other.evaluate(validation)[1]["accuracy"]


def test_metrics_hold_no_wall_clock_time(tmp_path: Path) -> None:
    first, second = Case(tmp_path / "a"), Case(tmp_path / "b")
    first.loop.run()
    second.loop.run()
    assert first.metrics() == second.metrics()
    assert [set(r) for n, r in first.lines if n == "timings"] == [{"epoch", "seconds", "examples"}] * 4
    assert [e.epoch for e in first.epochs] == [1, 2, 3, 4]
    assert first.epochs[-1].lr == (0.05, 0.0)


@pytest.mark.parametrize("chunk", [1, 2, 5, 100])
def test_the_size_of_chunks_changes_nothing(tmp_path: Path, chunk: int) -> None:
    one, other = Case(tmp_path / "a", chunk=3), Case(tmp_path / "b", chunk=chunk)
    one.loop.run()
    other.loop.run()
    for name, array in one.driver.weights.items():
        np.testing.assert_array_equal(array, other.driver.weights[name])


def test_the_best_checkpoint_is_that_of_the_best_validation(tmp_path: Path) -> None:
    case = Case(tmp_path, epochs=8)
    case.loop.run()
    values = [m["validation"]["loss"] for m in case.metrics()]
    best = checkpoints.load(tmp_path / "best")
    assert best.progress.best == min(values)
    assert best.progress.best_epoch == 1 + int(np.argmin(values))
    case.driver.load(best.weights)
    np.testing.assert_allclose(case.driver.evaluate(case.data.validation)[0], min(values), rtol=1e-13)


@pytest.mark.parametrize("metric", [(), ("accuracy",)])
def test_patience_ends_a_run_that_no_longer_improves(tmp_path: Path, metric: tuple[str, ...]) -> None:
    case = Case(tmp_path, epochs=500, stop=CallValue("patience", (3, *metric), {}, HERE))
    end = case.loop.run()
    name = metric[0] if metric else "loss"
    values = [m["validation"][name] for m in case.metrics()]
    best = max(values) if metric else min(values)
    assert end.finished == "patience"
    assert end.best_epoch == 1 + values.index(best)
    assert len(values) == end.best_epoch + 3 < 500


def test_gradient_below_ends_a_run_at_a_flat_place(tmp_path: Path) -> None:
    case = Case(tmp_path, epochs=500, batch="full", stop=CallValue("gradient_below", (0.2,), {}, HERE))
    assert case.loop.run().finished == "gradient_below"
    gradients = case.driver.gradients(case.data.train)[1]
    assert sum(float((g**2).sum()) for g in gradients.values()) ** 0.5 < 0.2
    assert len(case.metrics()) < 500


def test_a_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    case = Case(tmp_path, chunk=2)
    case.driver.poison = 11  # type: ignore[misc]  # of this driver alone
    with pytest.raises(Diverged, match=r"the objective is nan at step 11 \(epoch 2\)") as caught:
        case.loop.run()
    assert (caught.value.step, caught.value.exit_code) == (11, 4)
    good = checkpoints.load(tmp_path / "last")
    assert good.progress.step < 11
    assert all(np.isfinite(array).all() for array in good.weights.values())


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnspec.train.saving.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("nnspec.train.saving.SHARE", float("inf"))  # however long a save takes
    case = Case(tmp_path, chunk=100)
    steps = case.driver.train_steps

    def broken(data: Any, order: Any, lr: Any, **kwargs: Any) -> Any:
        losses = steps(data, order, lr, **kwargs)
        if order.shape[1] < 16:  # the last update of the epoch goes wrong: no loss shows it yet
            case.driver.weights["dense1.bias"][0] = np.nan
        return losses

    case.driver.train_steps = broken  # type: ignore[method-assign]
    with pytest.raises(Diverged, match=r"dense1\.bias holds nan"):
        case.loop.run()
    assert np.isfinite(checkpoints.load(tmp_path / "last").weights["dense1.bias"]).all()


def test_ctrl_c_saves_and_the_run_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    whole = Case(tmp_path / "whole")
    whole.loop.run()
    case = Case(tmp_path / "cut")
    case.driver.interrupt_at = 11  # inside epoch 2
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="stopped after step 13") as caught:
        case.loop.run()
    assert caught.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) == before
    saved = checkpoints.load(tmp_path / "cut" / "last")
    assert (saved.progress.step, saved.progress.epoch, saved.progress.done) == (13, 2, 6)
    rest = Case(tmp_path / "rest", progress=saved.progress)
    rest.driver.load(saved.weights)
    rest.driver.load_optimizer(saved.optimizer)
    rest.loop.run()
    assert case.metrics() + rest.metrics() == whole.metrics()
    for name, array in whole.driver.weights.items():
        np.testing.assert_array_equal(rest.driver.weights[name], array)


def test_timing_a_step_leaves_no_trace() -> None:
    case = Case(Path())
    before = {**case.driver.state(), **case.driver.optimizer_state()}
    before = {name: np.array(array) for name, array in before.items()}
    assert case.graph.training is not None
    seconds = seconds_a_step(
        case.driver, case.data.train, np.arange(16), rates(case.graph.training, case.plan, 1, 1, 1)
    )
    assert seconds > 0
    after = {**case.driver.state(), **case.driver.optimizer_state()}
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


# ---------------------------------------------------------------- plans


@pytest.mark.parametrize(
    "settings, examples, expected",
    [
        ({"batch": 32, "epochs": 3}, 100, (32, 12, 3)),
        ({"batch": "full", "epochs": 3}, 100, (100, 3, 3)),
        ({"batch": 1, "epochs": 1}, 7, (1, 7, 1)),
        ({"batch": 500, "epochs": 2}, 100, (100, 2, 2)),
        ({"batch": 32, "steps": 10}, 100, (32, 10, 3)),
        ({"batch": "full", "steps": 1}, 9, (9, 1, 1)),
    ],
)
def test_plans(settings: dict[str, object], examples: int, expected: tuple[int, int, int]) -> None:
    training = softmax_graph(**settings).training
    assert training is not None
    plan = plan_run(training, examples)
    assert (plan.batch, plan.steps, plan.epochs) == expected
    for chunk in (1, 3, 50):
        visited = [
            index
            for epoch in range(1, plan.epochs + 1)
            for part in plan.replace(chunk=chunk).chunks(np.arange(examples), epoch, 0)
            for index in part.reshape(-1).tolist()
        ]
        whole_epochs = plan.steps // plan.steps_per_epoch
        assert visited[: whole_epochs * examples] == list(range(examples)) * whole_epochs
    assert sum(plan.steps_in(e) for e in range(1, plan.epochs + 1)) == plan.steps


def test_epochs_of_the_command_line_win() -> None:
    training = softmax_graph(batch=10, steps=7).training
    assert training is not None
    assert plan_run(training, 20, epochs=2).steps == 4
    with pytest.raises(TrainError, match="neither epochs nor steps"):
        plan_run(softmax_graph(batch=10).training, 20)  # type: ignore[arg-type]  # it has one


@pytest.mark.parametrize("seconds, chunk", [(1e-9, 45), (0.011, 45), (0.02, 23), (0.1, 5), (10.0, 1)])
def test_chunks_take_about_half_a_second(seconds: float, chunk: int) -> None:
    assert Plan(1450, 32, 46, 1).chunked(seconds).chunk == chunk


def test_rates_follow_the_schedule_of_each_group() -> None:
    from nnspec.optim.schedules import StepDecay

    training = softmax_graph(batch=10, epochs=2).training
    assert training is not None
    decayed = training.replace(groups=(Group("*", Sgd(StepDecay(1.0, 2, 0.5))), Group("a", None)))
    np.testing.assert_array_equal(rates(decayed, Plan(20, 10, 4, 2), 1, 1, 4), [[1, 0], [1, 0], [0.5, 0], [0.5, 0]])


def test_stopping_rules_that_cannot_work() -> None:
    stop = CallValue("patience", (5,), {}, HERE)
    with pytest.raises(TrainError, match="validation part"):
        watch(softmax_graph(stop=stop).training, False)  # type: ignore[arg-type]
    with pytest.raises(TrainError, match="no metric"):
        watch(softmax_graph(stop=CallValue("patience", (5, "f1"), {}, HERE)).training, True)  # type: ignore[arg-type]


# ---------------------------------------------------------------- checkpoints and files


def example_checkpoint() -> checkpoints.Checkpoint:
    weights = {"a.weight": np.arange(6.0, dtype=np.float32).reshape(2, 3).T, "n": np.array(3.5)}
    return checkpoints.Checkpoint(
        weights, {"a.weight/exp_avg": np.ones((3, 2)), "step": np.array(7)}, Progress(7, 2, 3, 0.1 + 0.2), {"seed": 1}
    )


def test_a_checkpoint_comes_back_with_every_bit(tmp_path: Path) -> None:
    written = example_checkpoint()
    checkpoints.save(tmp_path / "last", written)
    checkpoints.save(tmp_path / "last", written)  # over the old one
    read = checkpoints.load(tmp_path / "last")
    assert read.progress == written.progress
    assert read.run == written.run
    for name, array in {**written.weights, **written.optimizer}.items():
        back = {**read.weights, **read.optimizer}[name]
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(back, array)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last", "last.previous"]


def test_weights_load_in_torch_by_name(tmp_path: Path) -> None:
    torch_file = pytest.importorskip("safetensors.torch")
    checkpoints.save(tmp_path / "last", example_checkpoint())
    state = torch_file.load_file(tmp_path / "last" / "weights.safetensors")
    assert state["a.weight"].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "checkpoint.json"])
def test_a_flipped_bit_is_noticed(tmp_path: Path, file: str) -> None:
    checkpoints.save(tmp_path / "last", example_checkpoint())
    path = tmp_path / "last" / file
    content = bytearray(path.read_bytes())
    place = content.index(b'"step": 7') + 8 if file.endswith("json") else len(content) - 1
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(TrainError, match="damaged"):
        checkpoints.load(tmp_path / "last")
    with pytest.raises(TrainError, match="no checkpoint"):
        checkpoints.load(tmp_path / "best")


@pytest.mark.parametrize("stop_at", range(1, 8))
def test_a_save_that_is_cut_off_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    """Killed before any of its renames and syncs, a save leaves the old checkpoint or the new one."""
    old = example_checkpoint()
    checkpoints.save(tmp_path / "last", old)
    calls = 0

    def counted(function: Any) -> Any:
        def call(*args: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == stop_at:
                raise OSError("killed")
            return function(*args)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", counted(os.fsync))
        patch.setattr(os, "replace", counted(os.replace))
        with pytest.raises(TrainError, match="after step 8 cannot be written: killed"):
            checkpoints.save(tmp_path / "last", old.replace(progress=Progress(8)))
    assert checkpoints.load(tmp_path / "last").progress.step in (7, 8)
    checkpoints.save(tmp_path / "last", old.replace(progress=Progress(9)))
    assert checkpoints.load(tmp_path / "last").progress.step == 9


def test_initial_weights_come_from_seed_and_path(tmp_path: Path) -> None:
    graph = softmax_graph()
    one, two, other = initial_state(graph, 0), initial_state(graph, 0), initial_state(graph, 1)
    np.testing.assert_array_equal(one["dense1.weight"], two["dense1.weight"])
    assert one["dense1.weight"].dtype == np.float32
    assert (one["dense1.weight"] != other["dense1.weight"]).any()
    np.testing.assert_array_equal(
        initial_state(graph, 0, "float64")["dense1.weight"].astype(np.float32), one["dense1.weight"]
    )


def test_weights_from_a_file(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    state = initial_state(softmax_graph(), 0)
    save_file({"dense1.bias": np.ones(3), "more": np.zeros(1)}, tmp_path / "w.safetensors")
    loaded = from_file(tmp_path / "w.safetensors", state)
    assert loaded["dense1.bias"].tolist() == [1, 1, 1]
    np.testing.assert_array_equal(loaded["dense1.weight"], state["dense1.weight"])
    save_file({"dense1.bias": np.ones(4)}, tmp_path / "shape.safetensors")
    save_file({"fc.bias": np.ones(4)}, tmp_path / "names.safetensors")
    (tmp_path / "text.safetensors").write_text("x")
    for file, text in [
        ("shape", r"\[4\]"),
        ("names", "none of the model's"),
        ("text", "not a safetensors"),
        ("no", "cannot be read"),
    ]:
        with pytest.raises(TrainError, match=text):
            from_file(tmp_path / f"{file}.safetensors", state)


@pytest.mark.parametrize(
    "inits, weight, bias",
    [
        ((("*", "w.safetensors"),), True, True),
        ((("*", "w.safetensors"), ("dense1", Initialiser("zeros"))), False, False),
        ((("*", "w.safetensors"), ("*.bias", Initialiser("zeros"))), True, False),
        ((("*.bias", Initialiser("zeros")), ("dense1", "head.safetensors")), True, True),
    ],
)
def test_the_last_matching_init_counts(tmp_path: Path, inits: Any, weight: bool, bias: bool) -> None:
    from safetensors.numpy import save_file

    ones = {"weight": np.ones((3, 4)), "bias": np.ones(3)}
    save_file({f"dense1.{name}": array for name, array in ones.items()}, tmp_path / "w.safetensors")
    save_file(ones, tmp_path / "head.safetensors")
    state = initial_state(softmax_graph(inits=inits), 0, "float64", tmp_path)
    assert (state["dense1.weight"] == 1).all() == weight
    assert (state["dense1.bias"] == 1).all() == bias


# ---------------------------------------------------------------- what outputs stand for


@pytest.mark.parametrize(
    "pair, output, expected",
    [
        (Pair("o", "t", 3, 0), [[0.1, 0.9, 0.0], [2.0, 1.0, 0.0]], [1, 0]),
        (Pair("o", "t", 2, None), [0.5, -0.5], [1, 0]),
        (Pair("o", "t", 2, None), [[0.5], [-0.5]], [1, 0]),
        (Pair("o", "t", 3, 0), [[[0, 1], [1, 0], [0, 0]]], [[1, 0]]),
        (Pair("o", "t", 0, None), [0.5], None),
    ],
)
def test_classes_of_outputs(pair: Pair, output: Any, expected: Any) -> None:
    found = class_of(pair, np.array(output))
    assert (None if found is None else found.tolist()) == expected


def test_pairs_come_from_metrics() -> None:
    assert pairs(softmax_graph()) == [Pair("logits", "label", 3, 0)]


# ---------------------------------------------------------------- the spec as a run keeps it

SPEC = """\
let width = 6
let lr = 1e-3 in log_uniform(1e-5, 1e-1)   # where a search looks

model Net(classes = 10, depth) {
    dim T, H = 128
    input x: float32[4]
    target label: class(classes)
    output logits = x -> dense(width) -> dense(classes)
}

train {
    minimize = cross_entropy(logits, label)
    optimizer = adam(lr)
    epochs = 20
}
"""


def written(settings: dict[str, object], main: str = SPEC, **files: str) -> dict[str, str]:
    sources = {"a.nn": main, **{f"{name}.nn": text for name, text in files.items()}}
    spec = SpecFiles("a.nn", sources, "Net")
    spec.apply(settings)
    return spec.files()


@pytest.mark.parametrize(
    "name, value, old, new",
    [
        ("width", 12, "let width = 6\n", "let width = 12\n"),
        ("lr", "2e-3", "lr = 1e-3 in", "lr = 2e-3 in"),
        ("classes", "3", "classes = 10", "classes = 3"),
        ("depth", 2, "depth)", "depth = 2)"),
        ("T", 7, "dim T,", "dim T = 7,"),
        ("H", 7, "H = 128", "H = 7"),
        ("train.epochs", 3, "epochs = 20", "epochs = 3"),
        ("train.steps", 3, "epochs = 20", "steps = 3"),
        ("train.optimizer", "sgd(0.1)", "= adam(lr)", "= sgd(0.1)"),
        ("train.batch", "full", "epochs = 20\n}", "epochs = 20\n    batch = full\n}"),
    ],
)
def test_settings_are_written_into_the_spec(name: str, value: object, old: str, new: str) -> None:
    assert old in SPEC
    assert written({name: value}) == {"spec.nn": SPEC.replace(old, new)}


def test_a_key_is_added_to_a_block_of_one_line() -> None:
    main = "model Net { input x: float32[1]; output y = x }\ntrain { minimize = y; epochs = 1 }\n"
    assert written({"train.batch": "full"}, main)["spec.nn"].endswith("epochs = 1\n    batch = full\n}\n")


def test_imports_are_written_in_where_no_name_changes_its_meaning() -> None:
    blocks = (
        'nnspec 1\nimport "base.nn"\nlet slope = 0.1\nblock Up(x; n) { x -> dense(n) -> Act }\ntrain { minimize = 1 }\n'
    )
    base = "block Act(x) { x -> relu }\n"
    main = 'import "blocks.nn"\n' + SPEC.replace("x -> dense(width)", "x -> Up(width)")
    found = written({"slope": 0.3}, main, blocks=blocks, base=base)
    assert list(found) == ["spec.nn"]
    text = found["spec.nn"]
    for gone in ("import", "nnspec 1", "minimize = 1"):
        assert gone not in text
    assert text.index("block Act") < text.index("let slope = 0.3") < text.index("block Up") < text.index("model Net")
    clash = written({}, main, blocks=blocks.replace("slope", "width"), base=base)
    assert sorted(clash) == ["imports/1_blocks.nn", "imports/2_base.nn", "spec.nn"]
    assert 'import "imports/1_blocks.nn"' in clash["spec.nn"]
    assert 'import "2_base.nn"' in clash["imports/1_blocks.nn"]
