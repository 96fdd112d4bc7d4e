"""A program that trains a spec, kills itself or is killed, and resumes until the run is finished.

    python tests/killing.py SPEC BACKEND FOLDER TRIALS SEED

Prints one line of json a trial: how it was killed, how often, and what differs from a run that was never stopped.
The framework is imported once; every life of a run is a process of its own, forked before anything was computed.
Half of the trials die inside a save, between any two of its calls to the system or in the middle of a write; the
others whenever the signal comes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import nnspec
from nnspec.train import checkpoint as checkpoints
from nnspec.train import resume, train
from nnspec.train.folder import is_run
from nnspec.train.reproduce import compare
from nnspec.train.saving import Every

EVERY = Every(steps=3)
CALLS = ("open", "write", "fsync", "replace", "makedirs")


def main() -> None:
    spec, backend, folder, trials, seed = sys.argv[1:]
    import_module(f"nnspec.backends.{backend}.driver")
    runner = Runner(Path(spec), backend, Path(folder))
    runner.reference()
    chance = random.Random(int(seed))
    for trial in range(int(trials)):
        sys.stdout.write(json.dumps(runner.trial(trial, chance)) + "\n")


class Runner:
    def __init__(self, spec: Path, backend: str, folder: Path) -> None:
        self.spec, self.backend, self.folder = spec, backend, folder
        self.calls, self.seconds = 0, 0.0

    def reference(self) -> None:
        """The run that is never stopped: how long it takes, and how many calls its saves make."""
        started, counted = time.perf_counter(), self.folder / "calls"
        status = in_child(lambda: self.live(self.folder / "whole", 0, counted))
        assert status == 0, status
        self.seconds, self.calls = time.perf_counter() - started, int(counted.read_text())

    def live(self, run: Path, die_at: int, counted: Path | None = None) -> None:
        """Begin the run or go on with it; die at a call inside a save, if `die_at` is one."""
        calls = watch_saves(die_at)
        if is_run(run):
            resume(run, checkpoint_every=EVERY)
        else:
            train(nnspec.load(self.spec), self.backend, run_dir=run, checkpoint_every=EVERY)
        if counted is not None:
            counted.write_text(str(calls[0]))

    def trial(self, number: int, chance: random.Random) -> dict[str, Any]:
        run, kills, inside = self.folder / str(number), 0, number % 2 == 0
        for _ in range(chance.choice([1, 1, 2, 3])):
            die_at = chance.randint(1, self.calls) if inside else 0
            after = None if inside else chance.uniform(0.1, 1.0) * self.seconds
            kills += in_child(lambda die_at=die_at: self.live(run, die_at), after) == signal.SIGKILL  # type: ignore[misc]  # the default binds it
        status = in_child(lambda: self.live(run, 0))
        if status:
            return {"inside": inside, "kills": kills, "different": [f"resuming ended with {status}"]}
        return {"inside": inside, "kills": kills, "different": compare(self.folder / "whole", run)[1]}


def in_child(work: Callable[[], None], kill_after: float | None = None) -> int:
    """The exit code of `work` in a process of its own, or the signal that killed it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def watch_saves(die_at: int) -> list[int]:
    """Count the calls to the system that saves make, and die at one: before it, or with half of a write done."""
    calls, saving = [0], [False]
    write_folder = checkpoints.write_folder

    def watched(*args: Any) -> None:
        saving[0] = True
        try:
            write_folder(*args)
        finally:
            saving[0] = False

    def dying(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if saving[0]:
                calls[0] += 1
                if calls[0] == die_at:
                    if name == "write":
                        function(args[0], bytes(args[1][: len(args[1]) // 2]))
                    os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    checkpoints.write_folder = watched
    for name in CALLS:
        setattr(os, name, dying(name, getattr(os, name)))
    return calls


if __name__ == "__main__":
    main()
