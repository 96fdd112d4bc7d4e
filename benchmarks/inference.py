"""Throughput of convolutional networks in evaluation, batch 1 and 8, beside hand-written PyTorch inference.

    .venv/bin/python benchmarks/inference.py [--model NAME] [--seconds S] [--write-docs]

`nnspec-*` calls what `nnspec predict` calls for a batch: the driver's `outputs`, arrays in and arrays out. By hand:
a module in `eval()`, under `inference_mode`, as it is and with channels last. Turns alternate as in run.py.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import numpy as np

from contestants import HERE, Opened, kept, said
from run import Worker
from tables import between, grid, spread
from workloads import WORKLOADS, Array

TURN = 0.5
BATCHES = (1, 8)
MODELS = {"lenet5": "", "resnet20": "", "resnet": "ResNet50"}  # file, and the model of it
SHAPES = {"lenet5": (1, 28, 28), "resnet20": (3, 32, 32), "resnet": (3, 224, 224)}
CONTESTANTS = ("torch", "torch_channels_last", "nnspec-numpy", "nnspec-torch", "nnspec-jax")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=list(MODELS))
    parser.add_argument("--only", metavar="NAMES", help="contestants")
    parser.add_argument("--seconds", type=float, default=15.0, help="time of all turns at one batch size")
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(CONTESTANTS)
    rows = [["model", "batch", "contestant", "images/s", "times torch", "times the best by hand"]]
    for model in args.model or MODELS:
        for batch in BATCHES:
            rows += compare(model, batch, names, args.seconds)
            print(grid([rows[0], *[r for r in rows[1:] if r[:2] == [model, str(batch)]]]), flush=True)
    if args.write_docs:
        between("inference", grid(rows))


def compare(model: str, batch: int, names: list[str], seconds: float) -> list[list[str]]:
    workers = [Worker(model, name, ("--predict", str(batch))) for name in names]
    workers = [worker for worker in workers if worker.ready()]
    rounds: list[dict[str, float]] = []
    for number in range(max(3, round(seconds / (TURN * len(workers))))):
        order = workers if number % 2 == 0 else workers[::-1]
        rounds.append({worker.name: worker.turn(TURN) for worker in order})
    for worker in workers:
        worker.stop()
    found = [worker.name for worker in workers]
    rates = {name: statistics.median(turn[name] for turn in rounds) for name in found}
    by_hand = max((name for name in found if not name.startswith("nnspec")), key=rates.__getitem__)
    return [
        [
            MODELS[model] or model,
            str(batch),
            name,
            f"{rates[name]:,.0f}" if rates[name] >= 100 else f"{rates[name]:.1f}",
            spread(rounds, name, "torch") if "torch" in found else "",
            spread(rounds, name, by_hand) if name.startswith("nnspec") else "",
        ]
        for name in sorted(found, key=rates.__getitem__, reverse=True)
    ]


# ---------------------------------------------------------------- inside the process that is measured


def open_inference(model: str, name: str, batch: int) -> Opened:
    image = np.random.default_rng(1).standard_normal((batch, *SHAPES[model]), dtype=np.float32)
    call, note = ours(model, name, image) if name.startswith("nnspec-") else by_hand(model, name, image)

    def epoch(number: int) -> Array:
        found: Array = call()
        return found[0]

    return Opened(epoch, batch, 0, note)


def ours(model: str, name: str, image: Array) -> tuple[Any, str]:
    from nnspec.backends.choices import Run, choose, read_wishes
    from nnspec.compiler import load
    from nnspec.train.initial import initial_state
    from nnspec.train.session import device_of, one_blas_thread, open_driver

    backend, _, words = name.removeprefix("nnspec-").partition(":")
    one_blas_thread(backend).__enter__()  # until the process ends
    spec = load(str(HERE / "specs" / f"{model}.nn"), model=MODELS[model] or None)
    run = Run(device=device_of(backend, "auto"), batch=len(image))
    choices = choose(backend, spec.graph, run, read_wishes(backend, words))
    code = kept(f"{model}_{backend}", spec.source(backend, choices=choices))
    driver = open_driver(backend, code, dtype="float32", device="auto", seed=0, choices=choices)
    driver.load(initial_state(spec.graph, 0))
    return lambda: driver.outputs({"image": image})["logits"], said(choices)


def by_hand(model: str, name: str, image: Array) -> tuple[Any, str]:
    import torch

    if model == "resnet":
        from peers.resnet50_inference import ResNet50

        module = ResNet50()
    else:
        from peers.lenet5_torch import LeNet5
        from peers.resnet20_torch import ResNet20
        from peers.torch_state import load

        module = LeNet5() if model == "lenet5" else ResNet20()
        load(module, WORKLOADS[model].state())
    module.eval()
    form = torch.channels_last if name == "torch_channels_last" else torch.contiguous_format
    module = module.to(memory_format=form)

    def call() -> Array:
        with torch.inference_mode():
            return module(torch.from_numpy(image).contiguous(memory_format=form)).numpy()

    return call, ""


if __name__ == "__main__":
    main()
