"""A study: a folder that any number of processes may work on, at once or one after the other.

    study.json       what is tuned and how; never changes
    journal.log      Optuna's journal of all trials
    trials/N.json    settings and metrics of each trial that is over
    runs/N/          its whole run, where that was asked for

A process that is killed holds nothing: its trial is given to who comes next.
"""

from __future__ import annotations

import time
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from nnspec.passes.domains import CHOICE, INT, Domain
from nnspec.record import Record
from nnspec.train.files import write_json
from nnspec.tune.begun import hold_to, read, written
from nnspec.tune.locks import Lock, lockable
from nnspec.tune.search import Search, as_text
from nnspec.tune.trial import COMPLETE, FAILED, PRUNED, Outcome

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from nnspec.tune.begun import Begun

STARTUP = 6  # trials drawn at random (the first is the spec as it stands) before the sampler learns from them
LEAST = 4  # trials that must be over before one is given up for being behind them
WARM_UP = 3  # no trial is given up in the first third of its epochs
# Optuna's sampler passes over what has failed, and proposes the like again; what was pruned is bad, without any value
# the worst. A trial that Optuna calls failed is one that was stopped, and does not count.
STATES = {COMPLETE: TrialState.COMPLETE, PRUNED: TrialState.PRUNED, FAILED: TrialState.PRUNED}

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Trial(Record):
    """A trial that is over. `settings` are texts of the language, by name; `seconds` is how long it took."""

    number: int
    state: str
    value: float | None
    settings: dict[str, str]
    reason: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields}


class Turn(Record):
    """A trial to be done now: Optuna's, its number among those that count (from 1), and its settings."""

    asked: optuna.Trial
    number: int
    settings: dict[str, str]
    began: float


class Study:
    """A study that is open. `seed` draws its proposals: those of the n-th trial depend on it and what is over by then.

    Raises TrainError where the folder holds a study of something else.
    """

    def __init__(self, folder: Path, search: Search, seed: int | None = None) -> None:
        self.folder, self.search = folder, search
        self.turns = Lock(folder / "turns.lock")
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        (folder / "workers").mkdir(exist_ok=True)
        with self.turns.held():
            begun = read(folder)
            if begun is None:
                begun = written(folder, search, seed or 0)
            self.begun: Begun = begun
            hold_to(folder, begun, search, seed)
            self.optuna = self._open()
            if not self.optuna.get_trials(deepcopy=False):
                self.optuna.enqueue_trial({name: domain.default for name, domain in search.domains.items()})
            # Under the lock, so that nobody takes the file for that of a process that is gone.
            self.name = uuid.uuid4().hex
            self.presence = Lock(folder / "workers" / self.name)
            self.presence.acquire()
        self.tells = lockable(folder)  # whether a lock that is free says that a process is gone

    def close(self) -> None:
        self.presence.release()
        self.presence.path.unlink(missing_ok=True)

    def _open(self) -> optuna.Study:
        path = self.folder.resolve() / "journal.log"
        lock = Lock(path.with_suffix(".lock"))
        with lock.held():
            _whole_lines(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))  # type: ignore[arg-type]  # a protocol
            return optuna.create_study(
                storage=storage,
                study_name="nnspec",
                load_if_exists=True,
                direction="maximize" if self.search.rises else "minimize",
            )

    # ---------------------------------------------------------------- whose turn it is

    def ask(self, most: int) -> Turn | None:
        """The next trial of a study of `most`, or None where all were given out."""
        with self.turns.held():
            self._reclaim()
            begun = [t for t in self.optuna.get_trials(deepcopy=False) if _counts(t)]
            if len(begun) >= most:
                return None
            taken = {t.user_attrs.get("number") for t in begun}
            number = next(n for n in range(1, len(begun) + 2) if n not in taken)
            self.optuna.sampler = self._sampler(number)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                asked = self.optuna.ask({name: _distribution(d) for name, d in self.search.domains.items()})
            settings = {name: as_text(d, asked.params[name]) for name, d in self.search.domains.items()}
            asked.set_user_attr("settings", settings)
            asked.set_user_attr("worker", self.name)
            asked.set_user_attr("number", number)
        return Turn(asked, number, settings, time.monotonic())

    def tell(self, turn: Turn, outcome: Outcome) -> Trial:
        """Write down what came of a trial."""
        seconds = round(time.monotonic() - turn.began, 3)
        trial = Trial(turn.number, outcome.state, outcome.value, turn.settings, outcome.reason, seconds)
        record = {**trial.to_json(), "history": outcome.history}
        write_json(self.folder / "trials" / f"{turn.number}.json", record)
        turn.asked.set_user_attr("state", outcome.state)
        turn.asked.set_user_attr("reason", outcome.reason)
        turn.asked.set_user_attr("seconds", seconds)
        value = outcome.value if outcome.state == COMPLETE else None
        self.optuna.tell(turn.asked, value, state=STATES[outcome.state])
        return trial

    def give_back(self, turn: Turn) -> None:
        """A trial that was stopped: who comes next does it."""
        with self.turns.held():
            known = self.optuna.get_trials(deepcopy=False)[turn.asked.number]
            if not known.state.is_finished():  # a signal may come when it is over
                self._again(turn.asked.number, turn.asked.params)

    def _again(self, number: int, params: dict[str, Any]) -> None:
        """A trial that was stopped; its settings are tried again, before any others."""
        self.optuna.enqueue_trial(params)
        self.optuna.tell(number, state=TrialState.FAIL)

    def _reclaim(self) -> None:
        """Give back what processes that are gone were at."""
        if not self.tells:
            return
        for path in (self.folder / "workers").iterdir():
            lock = Lock(path)
            if lock.try_acquire():
                path.unlink(missing_ok=True)
                lock.release()
        for trial in self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not (self.folder / "workers" / trial.user_attrs.get("worker", "?")).is_file():
                self._again(trial.number, trial.params)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """A sampler of its own for each trial, so that a study that was stopped goes on as it would have."""
        import numpy as np

        seed = int(np.random.SeedSequence((self.begun.seed, number)).generate_state(1)[0])
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)

    # ---------------------------------------------------------------- between epochs

    def behind(self, turn: Turn, value: float, epoch: int, epochs: int) -> bool:
        """Whether a trial is worse, at this epoch, than the median of the others were."""
        self.optuna.pruner = optuna.pruners.MedianPruner(
            n_startup_trials=LEAST, n_warmup_steps=epochs // WARM_UP + 1, n_min_trials=LEAST
        )
        turn.asked.report(value, epoch)
        return turn.asked.should_prune()

    # ---------------------------------------------------------------- what is known

    def trials(self) -> list[Trial]:
        """Every trial that is over, in the order of their numbers."""
        found = [_over(t) for t in self.optuna.get_trials(deepcopy=False) if _counts(t) and t.state.is_finished()]
        return sorted(found, key=lambda t: t.number)

    def best(self) -> Trial | None:
        """The first of the best."""
        best: Trial | None = None
        for trial in self.trials():
            if trial.value is None or trial.state != COMPLETE:
                continue
            if best is None or best.value is None or self.search.better(trial.value, best.value):
                best = trial
        return best

    def importances(self) -> dict[str, float]:
        """The share that each setting had in what the better trials have in common (PED-ANOVA, Watanabe et al. 2023).

        Empty where too few trials came to their end to say.
        """
        complete = [t for t in self.trials() if t.state == COMPLETE]
        varied = [name for name in self.search.domains if len({t.settings[name] for t in complete}) > 1]
        if len(complete) < LEAST or not varied:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            found = optuna.importance.get_param_importances(self.optuna, evaluator=evaluator, params=varied)
        return {name: float(found.get(name, 0.0)) for name in self.search.domains}


def _counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for: not one that was stopped, nor one that only waits."""
    return trial.state not in (TrialState.FAIL, TrialState.WAITING)


def _over(trial: FrozenTrial) -> Trial:
    known = trial.user_attrs
    value = trial.value if known["state"] != FAILED else None
    return Trial(known["number"], known["state"], value, known["settings"], known["reason"], known["seconds"])


def _distribution(domain: Domain) -> BaseDistribution:
    if domain.kind == CHOICE:
        return CategoricalDistribution(domain.choices)
    if domain.kind == INT:
        return IntDistribution(int(domain.low), int(domain.high))
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _whole_lines(path: Path) -> None:
    """Cut what a process that was killed has written of a last line; the caller holds the journal's lock."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
