"""`import-weights`: state dicts of PyTorch modules written by hand give the same logits on every backend."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Result

import nnspec
from nnspec.train import TrainError, predict
from nnspec.train.weights import import_weights

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
nn = torch.nn
F = torch.nn.functional

RESIDUAL = """
block Unit(x; width, stride = 1) {
    y = x -> conv1: conv(width, 3, stride = stride, padding = 1, bias = false) -> bn1: batch_norm -> relu
          -> conv2: conv(width, 3, padding = 1, bias = false) -> bn2: batch_norm
    skip = if stride != 1 { x -> downsample: (conv(width, 1, stride = stride, bias = false) -> batch_norm) } else { x }
    y + skip -> relu
}
model Net(classes = 5) {
    input image: float32[3, 8, 8]
    target label: class(classes)
    output logits = image -> layer1: Unit(3) -> layer2: Unit(6, stride = 2) -> global_avg_pool -> fc: dense(classes)
}
data { source = random(6) }
train { minimize = cross_entropy(logits, label); optimizer = sgd(0.1); steps = 1; batch = 6; metrics = [accuracy] }
"""

VIT = """
block Block(x; heads) {
    h = x + (x -> ln_1: layer_norm(eps = 1e-6) -> self_attention: self_attention(heads))
    h + (h -> ln_2: layer_norm(eps = 1e-6) -> mlp: (dense(16) -> gelu -> dropout(0.1) -> dense(8)))
}
model ViT {
    input image: float32[1, 8, 8]
    param class_token: float32[1, 8] = zeros
    param pos_embedding: float32[5, 8] = normal(0.02)
    patches = image -> conv_proj: conv(8, 4, stride = 4) -> reshape([8, 4]) -> transpose
    output logits = (concat(class_token, patches) + pos_embedding)
        -> layers: repeat(2, Block(2)) -> ln: layer_norm -> take(0) -> head: dense(3)
}
"""

LSTM = """
model Reader {
    input image: float32[7, 4]
    output logits = image -> rnn: lstm(5, layers = 2, bidirectional = true) -> take(-1) -> fc: dense(3)
}
"""


class Unit(nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Any) -> Any:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Net(nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2, self.fc = Unit(3, 3), Unit(3, 6, 2), nn.Linear(6, 5)

    def forward(self, x: Any) -> Any:
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


class Block(nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(8, 1e-6), nn.LayerNorm(8, 1e-6)
        self.self_attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 8))

    def forward(self, x: Any) -> Any:
        n = self.ln_1(x)
        h = x + self.self_attention(n, n, n, need_weights=False)[0]
        return h + self.mlp(self.ln_2(h))


class ViT(nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.randn(1, 8))
        self.pos_embedding = nn.Parameter(torch.randn(5, 8))
        self.conv_proj = nn.Conv2d(1, 8, 4, 4)
        self.layers = nn.Sequential(Block(), Block())
        self.ln, self.head = nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        patches = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(x), 1, 8), patches], 1) + self.pos_embedding
        return self.head(self.ln(self.layers(x))[:, 0])


class Reader(nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(10, 3)

    def forward(self, x: Any) -> Any:
        return self.fc(self.rnn(x)[0][:, -1])


def seasoned(module: Any) -> Any:
    """A module in evaluation mode of which no parameter and no statistic is what it starts as."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.2 * torch.randn_like(p))
        for name, b in module.named_buffers():
            if b.is_floating_point():
                b.add_(torch.rand_like(b) * (1 if name.endswith("var") else 0.3))
    return module.eval()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def spec(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "net.nn"
        path.write_text(text)
        return path

    return write


def as_safetensors(state: dict[str, Any], path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def as_npz(state: dict[str, Any], path: Path) -> None:
    np.savez(path, **{name: tensor.numpy() for name, tensor in state.items()})


FORMATS: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "w.pt": torch.save,
    "w.safetensors": as_safetensors,
    "w.npz": as_npz,
}


@pytest.mark.jax
@pytest.mark.parametrize(
    "text, make, shape, file",
    [
        (RESIDUAL, Net, (3, 8, 8), "w.pt"),
        (VIT, ViT, (1, 8, 8), "w.safetensors"),
        (LSTM, Reader, (7, 4), "w.npz"),
    ],
    ids=["net", "vit", "lstm"],
)
def test_imported_weights_give_pytorchs_logits_on_every_backend(
    text: str,
    make: Callable[[], Any],
    shape: tuple[int, ...],
    file: str,
    tmp_path: Path,
    cli: Callable[..., Result],
    spec: Callable[[str], Path],
) -> None:
    module = seasoned(make())
    FORMATS[file](module.state_dict(), tmp_path / file)
    out = tmp_path / "out.safetensors"
    done = cli("import-weights", spec(text), tmp_path / file, "-o", out)
    assert done.code == 0, done.err
    image = torch.randn(4, *shape)
    np.savez(tmp_path / "x.npz", image=image.numpy())
    with torch.no_grad():
        wanted = module(image).numpy()
    for backend in ("numpy", "torch", "jax"):
        found = predict(tmp_path / "net.nn", tmp_path / "x.npz", backend, weights=out).outputs["logits"]
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4, err_msg=backend)


def test_the_emitted_module_takes_the_state_dict_itself_in_the_order_of_pytorch(spec: Callable[[str], Path]) -> None:
    for text, make in ((RESIDUAL, Net), (VIT, ViT)):
        names: dict[str, Any] = {"__name__": "emitted"}
        exec(nnspec.load(spec(text)).source("torch"), names)
        module, model = make(), names["Model"]()
        model.load_state_dict(module.state_dict(), strict=True)
        own = [name for name, _ in module.named_parameters()]
        assert [name for name, _ in model.named_parameters() if "." not in name] == [n for n in own if "." not in n]
        assert {name: tuple(p.shape) for name, p in model.named_parameters()} == {
            name: tuple(p.shape) for name, p in module.named_parameters()
        }


def test_predict_eval_verify_and_init_take_the_file(
    tmp_path: Path, cli: Callable[..., Result], spec: Callable[[str], Path]
) -> None:
    module = seasoned(Net())
    torch.save(module.state_dict(), tmp_path / "w.pth")
    path, out = spec(RESIDUAL), tmp_path / "out.safetensors"
    assert cli("import-weights", path, tmp_path / "w.pth", "-o", out).code == 0
    image = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype("f4")
    np.savez(tmp_path / "x.npz", image=image)
    with torch.no_grad():
        wanted = module(torch.tensor(image)).numpy()
    done = cli("predict", path, "--input", tmp_path / "x.npz", "--weights", out, "--format", "json")
    rows = [json.loads(line) for line in done.out.splitlines()]
    np.testing.assert_allclose([[row[f"logits_{i}"] for i in range(5)] for row in rows], wanted, rtol=1e-4, atol=1e-4)
    assert [row["label"] for row in rows] == wanted.argmax(1).tolist()
    assert cli("eval", path, "--weights", out).out.startswith("train  loss")
    assert cli("verify", path, "--weights", out, "--backends", "numpy,torch", "--steps", 1).code == 0
    path.write_text(RESIDUAL.replace("steps = 1", f'steps = 1; init = "{out.name}"').replace("sgd(0.1)", "sgd(1e-12)"))
    trained = cli("train", path, "--run-dir", tmp_path / "run")
    assert trained.code == 0, trained.err
    kept = predict(tmp_path / "run", tmp_path / "x.npz", weights=out).outputs["logits"]
    np.testing.assert_allclose(kept, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "wrap, options, note",
    [
        (lambda s: {f"module.{n}": t for n, t in s.items()}, (), "prefix module."),
        (lambda s: {"state_dict": {f"model.{n}": t for n, t in s.items()}, "epoch": 3}, (), "under state_dict"),
        (lambda s: {"model": s, "optimizer": {"state": {0: {"step": torch.ones(1)}}}}, (), "under model"),
        (lambda s: {"a": s, "b": s}, ("--key", "b"), "wrote"),
        (lambda s: {**s, "aux.weight": torch.zeros(2)}, ("--ignore", "aux"), "wrote"),
        (lambda s: {**{f"ema.{n}": t for n, t in s.items()}, **{f"net.{n}": t for n, t in s.items()}},
         ("--strip", "net.", "--ignore", "ema"), "wrote"),
        (lambda s: {n: t.double() if t.is_floating_point() else t for n, t in s.items()}, (), "float64 became float32"),
        (lambda s: {n: t for n, t in s.items() if n != "fc.bias"}, ("--allow-missing",), "lacks 1"),
    ],
)  # fmt: skip
def test_what_checkpoints_wrap_weights_in(
    wrap: Callable[..., Any],
    options: tuple[str, ...],
    note: str,
    tmp_path: Path,
    cli: Callable[..., Result],
    spec: Callable[[str], Path],
) -> None:
    from safetensors.numpy import load_file

    state = seasoned(Net()).state_dict()
    torch.save(wrap(state), tmp_path / "w.pt")
    done = cli("import-weights", spec(RESIDUAL), tmp_path / "w.pt", "-o", tmp_path / "out.safetensors", *options)
    assert done.code == 0 and note in done.err, done.err
    found = load_file(tmp_path / "out.safetensors")
    assert all(array.dtype == np.float32 for array in found.values())
    np.testing.assert_array_equal(found["layer2.bn1.running_var"], state["layer2.bn1.running_var"].numpy())


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32_exactly(half: Any, tmp_path: Path, spec: Callable[[str], Path]) -> None:
    state = {n: t.to(half) for n, t in seasoned(Net()).state_dict().items() if t.is_floating_point()}
    for file in ("w.pt", "w.safetensors"):
        FORMATS[file](state, tmp_path / file)
        found = import_weights(nnspec.load(spec(RESIDUAL)).graph, tmp_path / file)
        np.testing.assert_array_equal(found.state["fc.weight"], state["fc.weight"].float().numpy())
        assert found.notes == (f"{str(half).removeprefix('torch.')} became float32",)


def test_all_that_does_not_fit_is_said_at_once(
    tmp_path: Path, cli: Callable[..., Result], spec: Callable[[str], Path]
) -> None:
    state = Net().state_dict()
    state["layer1.conv_1.weight"] = state.pop("layer1.conv1.weight")
    state["classifier.weight"] = state.pop("fc.weight")
    state["fc.bias"] = torch.zeros(7)
    state["layer2.bn2.bias"] = torch.zeros(6, dtype=torch.int64)
    torch.save(state, tmp_path / "w.pt")
    out = tmp_path / "out.safetensors"
    done = cli("import-weights", spec(RESIDUAL), tmp_path / "w.pt", "-o", out)
    assert done.code == 2 and not out.exists()
    for text in (
        "2 missing, 2 unexpected, 1 of another shape, 1 not a float",
        "layer1.conv1.weight [3, 3, 3, 3] (nearest: layer1.conv_1.weight)",
        "classifier.weight [5, 6] (nearest: fc.weight)",
        "fc.bias: [7] in the file, [5] in the model",
        "layer2.bn2.bias: int64",
    ):
        assert text in done.err, done.err
    assert not list(tmp_path.glob(".*"))  # nothing half written


# ---------------------------------------------------------------- files that mean harm, or were cut


def header(entries: str, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(entries)) + entries.encode() + data


def entry(name: str = "dense1.weight", dtype: str = "F32", shape: str = "[2,2]", at: str = "[0,16]") -> str:
    return f'"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{at}}}'


ONE = "model M { input x: float32[2]; output y = x -> dense(2, bias = false) }"
GOOD = np.ones(4, "f4").tobytes()
HOSTILE = {
    "empty": (b"", "not a safetensors"),
    "text": (b"hello, world", "not a safetensors"),
    "cut": (header("{" + entry() + "}", GOOD[:-1]), "not a safetensors"),
    "long": (header("{" + entry() + "}", GOOD + b"more"), "not a safetensors"),
    "huge header": (struct.pack("<Q", 2**63) + b"{}", "not a safetensors"),
    "large header": (struct.pack("<Q", 99_000_000) + b"{}", "not a safetensors"),
    "overlap": (header("{" + entry() + "," + entry("b", at="[8,24]") + "}", GOOD + GOOD[:8]), "not a safetensors"),
    "hole": (header("{" + entry(at="[4,20]") + "}", GOOD + GOOD[:4]), "not a safetensors"),
    "outside": (header("{" + entry(at="[0,1600]", shape="[20,20]") + "}", GOOD), "not a safetensors"),
    "overflow": (header("{" + entry(shape="[4611686018427387904,4]") + "}", GOOD), "not a safetensors"),
    "negative": (header("{" + entry(shape="[-2,-2]") + "}", GOOD), "not a safetensors"),
    "deep": (header("[" * 100_000), "not a safetensors"),
    "twice": (header("{" + entry() + "," + entry() + "}", GOOD), "more than once"),
    "integers": (header("{" + entry(dtype="I32") + "}", GOOD), "not a float"),
    "unknown dtype": (header("{" + entry(dtype="F8_E4M3", at="[0,4]") + "}", GOOD[:4]), "not a float"),
    "nan": (header("{" + entry() + "}", np.array([1, np.nan, 1, np.inf], "f4").tobytes()), "2 of 4 numbers"),
    "too large": (header("{" + entry(dtype="F64", at="[0,32]") + "}", np.full(4, 1e300).tobytes()), "not finite"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_safetensors_file_is_refused(
    case: str, tmp_path: Path, cli: Callable[..., Result], spec: Callable[[str], Path]
) -> None:
    content, text = HOSTILE[case]
    (tmp_path / "w.safetensors").write_bytes(content)
    path = spec(ONE)
    done = cli("import-weights", path, tmp_path / "w.safetensors", "-o", tmp_path / "out.safetensors")
    assert done.code == 2 and text in done.err, done.err
    assert not (tmp_path / "out.safetensors").exists()
    np.savez(tmp_path / "x.npz", x=np.ones((1, 2), "f4"))
    used = cli("predict", path, "--weights", tmp_path / "w.safetensors", "--input", tmp_path / "x.npz")
    assert used.code == 2 and text in used.err, used.err


class Evil:
    def __reduce__(self) -> Any:
        return (Path.write_text, (Path("pwned"), "x"))


def test_pickles_never_run(
    tmp_path: Path, cli: Callable[..., Result], spec: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle
    import zipfile

    monkeypatch.chdir(tmp_path)
    path = spec(ONE)
    torch.save({"dense1.weight": torch.ones(2, 2), "x": Evil()}, tmp_path / "evil.pt")
    torch.save(Net(), tmp_path / "module.pt")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "cut.pt").write_bytes((tmp_path / "evil.pt").read_bytes()[:300])
    (tmp_path / "empty.pt").write_bytes(b"")
    np.savez(tmp_path / "objects.npz", **{"dense1.weight": np.array([Evil()], dtype=object)})
    np.savez(tmp_path / "whole.npz", **{"dense1.weight": np.ones((2, 2))})
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:100])
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive, archive.open("dense1.weight.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (2**40, 2**10)})
    torch.save(torch.ones(2, 2), tmp_path / "tensor.pt")
    torch.save({"dense1.weight": torch.ones(2, 2).to_sparse()}, tmp_path / "sparse.pt")
    for file in ("evil.pt", "module.pt", "bare.pth", "cut.pt", "empty.pt", "objects.npz", "cut.npz", "bomb.npz",
                 "tensor.pt", "sparse.pt", "no.pt", "no.safetensors", "no.npz", "net.nn"):  # fmt: skip
        done = cli("import-weights", path, tmp_path / file, "-o", tmp_path / "out.safetensors")
        assert done.code == 2 and done.err.startswith("error: ") and "bug" not in done.err, (file, done.err)
        assert not (tmp_path / "out.safetensors").exists() and not (tmp_path / "pwned").exists()
    assert cli("import-weights", path, tmp_path / "whole.npz", "-o", tmp_path / "out.safetensors").code == 0


def test_two_models_in_one_file_are_not_guessed_between(tmp_path: Path, spec: Callable[[str], Path]) -> None:
    graph = nnspec.load(spec(ONE)).graph
    both = {"a.dense1.weight": torch.ones(2, 2), "b.dense1.weight": torch.zeros(2, 2)}
    torch.save(both, tmp_path / "w.pt")
    with pytest.raises(TrainError, match=r"under a\. and b\."):
        import_weights(graph, tmp_path / "w.pt")
    assert import_weights(graph, tmp_path / "w.pt", strip="b.", ignore=["a"]).state["dense1.weight"].sum() == 0
    torch.save({"dense1": both["a.dense1.weight"]}, tmp_path / "w.pt")
    with pytest.raises(TrainError, match="1 missing, 1 unexpected"):
        import_weights(graph, tmp_path / "w.pt")


def test_a_checkpoint_is_imported_before_it_is_used(
    tmp_path: Path, cli: Callable[..., Result], spec: Callable[[str], Path]
) -> None:
    torch.save({"dense1.weight": torch.ones(2, 2)}, tmp_path / "w.pt")
    done = cli("predict", spec(ONE), "--weights", tmp_path / "w.pt")
    assert done.code == 2 and "nnspec import-weights SPEC" in done.err
    assert cli("predict", spec(RESIDUAL)).err.rstrip().endswith("--weights FILE")
