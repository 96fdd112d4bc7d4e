"""What a study searches, by which measure, and what must hold before its first trial."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnspec.backends.metrics import key
from nnspec.diagnostics import Reporter
from nnspec.passes.domains import CHOICE
from nnspec.record import Record
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes, parse
from nnspec.train.errors import TrainError
from nnspec.train.job import Job
from nnspec.train.plan import higher_is_better
from nnspec.train.session import needs_data

if TYPE_CHECKING:
    from nnspec.compiler import Spec
    from nnspec.passes.domains import Domain

DIGITS = 4  # of a number that a trial tries: what best.nn shows is what was trained
DIRECTIONS = ("minimize", "maximize")


class Search(Record):
    """A spec, how its trials run, and what they are compared by: `metric` of the validation part, larger is better
    where `rises`. `files` are the data, by path, with the hash of each."""

    spec: Spec
    backend: str
    device: str
    dtype: str | None
    metric: str
    rises: bool
    files: dict[str, str]

    @property
    def domains(self) -> dict[str, Domain]:
        return self.spec.domains

    def better(self, value: float, than: float) -> bool:
        return value > than if self.rises else value < than

    def notes(self) -> list[str]:
        """What a reader of the results should know."""
        spec, training = self.spec, self.spec.graph.training
        inside = [f"the domain of {name} is not searched: a let of a body cannot be set" for name in _inside(spec)]
        if training is None or self.metric != "loss":
            return inside
        text = " ".join(_excerpt(spec, objective.span) for objective in training.objectives)
        return inside + [
            f"{name} is a part of minimize, so the loss that trials are compared by changes with it: "
            "--metric compares by something else"
            for name in self.domains
            if re.search(rf"\b{name}\b", text)
        ]


def _inside(spec: Spec) -> list[str]:
    """The `let`s with a domain that stand in models and blocks."""
    files = [parse(text, path, Reporter()) for path, text in spec.sources.items() if not path.startswith("--set")]
    bodies = [d.body for file in files for d in file.declarations if isinstance(d, nodes.Block | nodes.Model)]
    lets = [s for body in bodies for s in body.statements if isinstance(s, nodes.Let)]
    return [let.name.id for let in lets if let.domain is not None]


def _excerpt(spec: Spec, span: Any) -> str:
    lines = spec.sources.get(span.path, "").split("\n")[span.line - 1 : span.end_line]
    if lines:
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
    return " ".join(line.split("#")[0] for line in lines)


def prepare(
    spec: Spec,
    backend: str = "numpy",
    *,
    device: str = "auto",
    dtype: str | None = None,
    metric: str = "loss",
    direction: str | None = None,
) -> Search:
    """A search that can begin: the spec as it stands compiles for the backend, and its data are there.

    Raises TrainError where there is nothing to search or nothing to compare by; SpecError, DataError and
    ModuleNotFoundError as training does.
    """
    if not spec.domains:
        raise TrainError(f"{spec.path} has no domain to search", help=_a_domain(spec))
    _independent(spec)
    job = Job(spec, backend, device=device, dtype=dtype)
    if "validation" not in job.examples.parts:
        raise TrainError(
            "trials are compared on the validation part, and the data has none", help=_a_validation_part(spec)
        )
    known = ["loss", *(key(m, job.training.metrics) for m in job.training.metrics)]
    if metric not in known:
        raise TrainError(f"there is no metric {metric}", help=did_you_mean(metric, known, f"known: {', '.join(known)}"))
    measure = next((m.name for m in job.training.metrics if key(m, job.training.metrics) == metric), "")
    rises = direction == "maximize" if direction else bool(measure) and higher_is_better(measure)
    return Search(spec, backend, device, dtype, metric, rises, job.data_files())


def _independent(spec: Spec) -> None:
    """Raise TrainError where the ends of a domain would move with a value that is searched too."""
    for name, domain in spec.domains.items():
        text = _excerpt(spec, domain.span)
        for other in spec.domains:
            if domain.kind != CHOICE and re.search(rf"\b{other}\b", text):
                message = f"the domain of {name} depends on {other}, which is searched too"
                raise TrainError(message, help=f"write its ends as numbers: {domain.describe()}")


def _a_domain(spec: Spec) -> str:
    """Help for a spec without a domain, in its own names where it has some."""
    given = [name for name in spec.settings if "." not in name]
    if given:
        return f"what --set gives a value is not searched ({', '.join(given)})"
    return "say where to look: let lr = 1e-3 in log_uniform(1e-5, 1e-1), or [relu, tanh], 1..8, uniform(0, 0.5)"


def _a_validation_part(spec: Spec) -> str:
    data = spec.graph.data
    if not needs_data(spec.graph):
        return f"{spec.model} reads no data, so no part of it can be held back"
    if data is None or not data.settings:
        return "the model needs data { source = ...; split = [0.8, 0.1, 0.1] }"
    if "train" in data.settings and "source" not in data.settings:
        return "add validation = ... beside train = ... in data { }"
    return "give it a share in data { }: split = [0.8, 0.1, 0.1]"


def as_text(domain: Domain, value: str | int | float) -> str:
    """A proposed value as the spec will have it: real numbers are rounded to few digits, inside their domain."""
    if isinstance(value, str | int):
        return str(value)
    if value == domain.default:
        return _written(repr(domain.default))
    rounded = float(f"{value:.{DIGITS}g}")
    return _written(f"{rounded:.{DIGITS}g}" if domain.low <= rounded <= domain.high else repr(value))


def _written(number: str) -> str:
    """A number as one writes it: 2e-5, not 2e-05."""
    return re.sub(r"e([-+]?)0*(\d)", r"e\1\2", number).replace("e+", "e")


def spec_name(spec: Spec) -> str:
    """What a study is called where nobody says."""
    return Path(spec.path).stem
