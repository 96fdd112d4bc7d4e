"""Run folders: made once, written whole, read back for evaluation and prediction."""

from __future__ import annotations

import ast
import errno
import os
import platform
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnspec.backends.choices import Choice
from nnspec.record import Record
from nnspec.train.checkpoint import Checkpoint, previous
from nnspec.train.checkpoint import load as load_checkpoint
from nnspec.train.errors import TrainError
from nnspec.train.files import candidates, sha256
from nnspec.train.logs import record
from nnspec.train.session import THREADS
from nnspec.train.stored import ENVIRONMENT, RESOLVED, read_stored
from nnspec.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nnspec.backends.choices import Choices

if sys.platform != "win32":
    import fcntl

RESULT = "result.json"  # what a run came to; written last of all, so that it says that the run is over
PACKAGES = ("numpy", "torch", "jax", "jaxlib", "optax", "safetensors")


def create(model: str, run_dir: str | Path | None, code: str, text: str) -> Path:
    """A new empty folder: `run_dir`, or the next `runs/<model>/<n>` of the working folder.

    Raises TrainError when `run_dir` holds something already, unless that is this very run, whose code is `text` in the
    file `code`, killed before it was written down.
    """
    if run_dir is not None:
        folder = Path(run_dir)
        if folder.exists() and not (folder.is_dir() and _is_barely_begun(folder, code, text)):
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


def _is_barely_begun(folder: Path, code: str, text: str) -> bool:
    """Whether a folder holds nothing, or no more than a run with this code writes before it is one."""
    names = {path.name for path in folder.iterdir()} - {"__pycache__"}
    known = {code, "spec.nn", "imports", "environment.json"}
    if any(name not in known and not re.fullmatch(r"\..*\.\d+\.tmp", name) for name in names):
        return False
    if not names & known:
        return True
    path = folder / code
    return path.is_file() and path.read_bytes() == text.encode()


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


def same_program(one: str, other: str) -> bool:
    """Whether two files are one program, whatever its numbers are: a seed of the command line stands in one alone.

    Comments and docstrings, which name the spec and its lines, are none of it.
    """
    try:
        return ast.dump(_bare(ast.parse(one))) == ast.dump(_bare(ast.parse(other)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # of a file that is no Python
        return False


def _bare(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, False) is not None:
            del node.body[0]
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            node.value = 0
    return tree


class Run(Record):
    """A run folder that was read. `resolved` is its resolved.json."""

    folder: Path
    resolved: dict[str, Any]

    @property
    def model(self) -> str:
        return str(self.resolved["model"])

    @property
    def backend(self) -> str:
        return str(self.resolved["backend"])

    @property
    def base(self) -> Path:
        """The folder that paths of the spec are relative to."""
        return self._path("base")

    @property
    def spec(self) -> Path:
        """The file that was trained; the run keeps its text as spec.nn."""
        return self._path("spec")

    def _path(self, key: str) -> Path:
        return Path(os.path.normpath(self.folder.resolve() / self.resolved[key]))

    @property
    def settings(self) -> dict[str, Any]:
        """What a driver is opened with."""
        return {name: self.resolved[name] for name in ("device", "dtype", "seed")}

    def source(self, backend: str) -> Path:
        """The emitted code that the run kept for a backend."""
        return self.folder / f"model_{backend}.py"

    def choices(self) -> Choices:
        """What was chosen for the run beyond its spec."""
        chosen = self.resolved["choices"].items()
        return tuple(Choice(what, value, "chosen when the run was begun") for what, value in chosen)

    def code(self) -> str:
        """The text that the run trains. Raises TrainError where it was changed."""
        return self._unchanged(f"model_{self.backend}.py")

    def texts(self) -> dict[str, str]:
        """The spec as the run keeps it, by file name. Raises TrainError where it was changed."""
        names = [name for name in self.resolved["hashes"] if name.endswith(".nn")]
        return {name: self._unchanged(name) for name in names}

    def _unchanged(self, name: str) -> str:
        content = (self.folder / name).read_bytes()
        if sha256(content) != self.resolved["hashes"][name]:
            raise TrainError(f"{self.folder / name} was changed after the run was begun")
        return content.decode()

    def changed(self, now: Mapping[str, str]) -> list[str]:
        """The files that the run read and whose content is none of those read `now`, by their paths in the run."""
        known: dict[str, str] = {**self.resolved["data"]["files"], **self.resolved["init"]}
        return [path for path, digest in known.items() if digest not in now.values()]

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last one that is not whole is left out."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return [record(line, path) for line in lines if line.endswith(b"\n")]

    @property
    def finished(self) -> bool:
        return (self.folder / RESULT).is_file()

    @property
    def preferred(self) -> str:
        """The checkpoint to use: the best where a validation part chose it, else the last."""
        best = self.folder / "checkpoints" / "best"
        chosen = "validation" in self.resolved["examples"] and candidates(best, previous(best))
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
    resolved = read_stored(folder / "resolved.json", RESOLVED)
    for name in resolved["hashes"]:
        if os.path.isabs(name) or ".." in Path(name).parts:
            raise TrainError(f"{folder / 'resolved.json'}: hashes name {name}, which is no file of the run")
    return Run(folder, resolved)


def run_folders(folder: Path) -> list[Path]:
    """Every run folder in a folder or below it, the one begun last at the end."""
    paths = [Path(place) for place, _, names in os.walk(folder) if "resolved.json" in names]
    return sorted(paths, key=lambda p: ((p / "resolved.json").stat().st_mtime_ns, p))


def near(path: Path, folder: Path) -> str:
    """A path as `folder` keeps it: relative, so that both can be moved together; absolute where they share nothing."""
    inside, outside = os.path.realpath(path), os.path.realpath(folder)
    try:
        shared = os.path.commonpath([inside, outside])
    except ValueError:  # other drives
        return inside
    return inside if os.path.dirname(shared) == shared else Path(os.path.relpath(inside, outside)).as_posix()


def differences(folder: Path, backend: str, device: str) -> list[str]:
    """In what this machine differs from the one that began a run, as far as bits may depend on it."""
    path = folder / "environment.json"
    try:
        known = read_stored(path, ENVIRONMENT)
    except TrainError as error:
        return [error.message]
    now = environment(backend, device)
    then, here = {**known, **known["packages"]}, {**now, **now["packages"]}
    watched = [
        "nnspec",
        "machine",
        "numpy",
        *({"torch": ["torch"], "jax": ["jax", "jaxlib", "optax"]}.get(backend, [])),
    ]
    if backend != "numpy":
        watched.append("cpus")
    return [
        f"{name} was {then.get(name)} when the run was begun and is {here.get(name)}: bits may differ"
        for name in watched
        if then.get(name) != here.get(name)
    ]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from the run while one is at work on it. The system lets go where the process ends.

    Raises TrainError where another holds it. File systems without locks, and Windows, are left alone.
    """
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainError(f"another process is at work on {folder}") from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.EBADF):
                raise
        yield
    finally:
        os.close(handle)
