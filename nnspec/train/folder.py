"""Run folders: made once, written whole, read back for evaluation and prediction."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from nnspec.record import Record
from nnspec.train.checkpoint import Checkpoint
from nnspec.train.checkpoint import load as load_checkpoint
from nnspec.train.errors import TrainError
from nnspec.train.files import candidates, write_json
from nnspec.train.session import THREADS
from nnspec.version import __version__

PACKAGES = ("numpy", "torch", "jax", "jaxlib", "optax", "safetensors")


def create(model: str, run_dir: str | Path | None) -> Path:
    """A new empty folder: `run_dir`, or the next `runs/<model>/<n>` of the working folder.

    Raises TrainError when `run_dir` holds something already.
    """
    if run_dir is not None:
        folder = Path(run_dir)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise TrainError(
                f"{folder} exists and is not empty", help="every run has a folder of its own: choose another --run-dir"
            )
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    parent = Path("runs") / model
    parent.mkdir(parents=True, exist_ok=True)
    number = max((int(p.name) for p in parent.iterdir() if p.name.isdecimal()), default=0)
    while True:
        number += 1
        try:
            (parent / str(number)).mkdir()
        except FileExistsError:  # another run took the number between the look and the try
            continue
        return parent / str(number)


def append(path: Path, record: dict[str, Any]) -> None:
    """One more line of json."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def environment(backend: str, device: str) -> dict[str, Any]:
    """What the bits and the speed of a run may depend on besides the spec."""
    system, libc = platform.uname(), "".join(platform.libc_ver())  # `platform.platform` runs another program
    with_libc = f"-with-{libc}" if libc else ""
    return {
        "nnspec": __version__,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": f"{system.system}-{system.release}-{system.machine}{with_libc}",
        "machine": system.machine,
        "cpus": os.cpu_count(),
        "backend": backend,
        "device": device,
        "packages": versions(PACKAGES),
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
    }


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those packages that are installed, as the names of their folders of metadata say.

    `importlib.metadata` takes longer to say so than a first training step.
    """
    known = re.compile(r"([\w.]+)-([^-]+)(?:-[^-]+)?\.(?:dist|egg)-info", re.ASCII)
    found: dict[str, str] = {}
    for folder in sys.path:
        try:
            entries = os.listdir(folder)
        except OSError:  # an entry of the path that is an archive, or not there
            continue
        for entry in filter(None, map(known.fullmatch, entries)):
            found.setdefault(entry[1].lower(), entry[2])
    return {name: found[name] for name in packages if name in found}


class Run(Record):
    """A run folder that was read. `resolved` is its resolved.json."""

    folder: Path
    resolved: dict[str, Any]

    @property
    def model(self) -> str:
        return str(self.resolved["model"])

    @property
    def base(self) -> Path:
        """The folder that paths of the spec are relative to."""
        return Path(self.resolved["base"])

    def source(self, backend: str) -> Path:
        """The emitted code that the run kept for a backend."""
        return self.folder / f"model_{backend}.py"

    @property
    def preferred(self) -> str:
        """The checkpoint to use: the best where a validation part chose it, else the last."""
        chosen = "validation" in self.resolved["examples"] and candidates(self.folder / "checkpoints" / "best")
        return "best" if chosen else "last"

    def checkpoint(self, name: str | None = None) -> Checkpoint:
        """`best` or `last`, by default the preferred one. Raises TrainError."""
        return load_checkpoint(self.folder / "checkpoints" / (name or self.preferred))


def is_run(path: str | Path) -> bool:
    return (Path(path) / "resolved.json").is_file()


def read_run(path: str | Path) -> Run:
    """The run in a folder. Raises TrainError when it is none."""
    folder = Path(path)
    if not is_run(folder):
        what = "is not a run folder (it has no resolved.json)" if folder.is_dir() else "is no folder"
        raise TrainError(f"{folder} {what}", help="runs are kept in runs/<model>/<number>")
    try:
        return Run(folder, json.loads((folder / "resolved.json").read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise TrainError(f"{folder / 'resolved.json'} cannot be read: {error}") from error


def write_resolved(folder: Path, resolved: dict[str, Any]) -> None:
    write_json(folder / "resolved.json", resolved)
