"""The compiler on one page: text to tree to checked names to typed graph to Python source, one call a stage.

    load_program    files and imports, parsed                         nnspec.loader, nnspec.syntax
    resolve         names and kinds of all code, used or not          nnspec.passes.resolve
    find_domains    what a search may change, and between which ends  nnspec.passes.domains
    elaborate       the typed graph of one model                      nnspec.passes.elaborate
    emit            the source text for a target                      nnspec.backends.<target>.emit

Every stage adds what it finds to one `Reporter`; nothing is printed here. No framework is imported before
a `Spec` is asked for source text or to build.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nnspec.backends import BACKENDS
from nnspec.collecting import paused
from nnspec.diagnostics import Diagnostic, Reporter, SpecError, TooManyErrors
from nnspec.loader import Parse, load_program, whole
from nnspec.passes.allow import check_allowed, without_allowed
from nnspec.passes.domains import Domain, find_domains
from nnspec.passes.elaborate import elaborate
from nnspec.passes.lint_names import lint_names
from nnspec.passes.program import Program
from nnspec.passes.resolve import resolve
from nnspec.suggest import did_you_mean
from nnspec.syntax import nodes, parse

if TYPE_CHECKING:
    from nnspec.backends.choices import Choices
    from nnspec.ir.graph import Graph
    from nnspec.ir.types import Shape

MOST_ERRORS = 100  # of one compilation
TEXT = "<text>"  # how diagnostics name a spec that came as text
Elaborate = Callable[[Program, nodes.Model, None, Reporter], "Graph | None"]


@paused()
def check(
    source: str | os.PathLike[str],
    *,
    text: str | None = None,
    model: str | None = None,
    set: Mapping[str, object] | None = None,
    allow_outside: bool = False,
    parse: Parse = parse,
    elaborate: Elaborate = elaborate,
    unsaved: Mapping[str, str] | None = None,
) -> Check:
    """Checks a file (or `text`): all its models, or the one named. Never raises for what a spec holds.

    `allow_outside` lets imports read files outside of the project folder, which is an error (E0509) otherwise.
    For editors: `parse` and `elaborate` may be replaced by ones that remember what they gave before, and `unsaved` are
    texts that stand in for imported files, by real path.
    """
    reporter, sources = Reporter(MOST_ERRORS), dict[str, str]()
    path, text = _named(source, text)
    program, specs = None, dict[str, Spec]()
    try:
        program = load_program(
            path,
            reporter,
            sources,
            text=text,
            settings=set,
            allow_outside=allow_outside,
            parse=parse,
            unsaved=unsaved,
        )
        if program is not None:
            resolve(program, reporter)
            domains = find_domains(program, reporter)
            for declared in _chosen(program, model, reporter):
                graph = elaborate(program, declared, None, reporter)
                if graph is not None:
                    specs[declared.name.id] = Spec(graph, program, (), set or {}, domains, allow_outside)
    except TooManyErrors:
        _leave(reporter)
    found = _finished(program, reporter, sources)
    for spec in specs.values():
        spec.diagnostics = found
    return Check(path, {} if reporter.failed else specs, found, sources)


@paused()
def load(
    source: str | os.PathLike[str],
    *,
    text: str | None = None,
    model: str | None = None,
    set: Mapping[str, object] | None = None,
    allow_outside: bool = False,
) -> Spec:
    """One compiled model: the one named `model`, or the last of the file.

    `source` is a path; a string with a line break in it is the text of a spec, and `text` gives the text of a
    file that `source` only names. `set` overrides `let`s, parameters of the model, sizes and keys, as in
    `{"width": 8, "train.epochs": 5}`; a string is parsed as an expression of the language. `allow_outside` is that
    of `check`. Raises SpecError with every diagnostic found.
    """
    reporter, sources = Reporter(MOST_ERRORS), dict[str, str]()
    path, text = _named(source, text)
    program, graph, domains = None, None, dict[str, Domain]()
    try:
        program = load_program(path, reporter, sources, text=text, settings=set, allow_outside=allow_outside)
        if program is not None:
            resolve(program, reporter)
            domains = find_domains(program, reporter)
            declared = _one(program, model, reporter)
            graph = elaborate(program, declared, None, reporter) if declared is not None else None
    except TooManyErrors:
        _leave(reporter)
    found = _finished(program, reporter, sources)
    if program is None or graph is None or reporter.failed:
        raise SpecError(found, sources)
    return Spec(graph, program, found, set or {}, domains, allow_outside)


def compile(
    source: str | os.PathLike[str],
    backend: str,
    *,
    model: str | None = None,
    set: Mapping[str, object] | None = None,
    optimize: int = 1,
    allow_outside: bool = False,
) -> str:
    """The Python source of a model for "numpy", "torch" or "jax". Raises as `load` and `Spec.source` do."""
    return load(source, model=model, set=set, allow_outside=allow_outside).source(backend, optimize=optimize)


class Check:
    """What checking a file found: all diagnostics in order; without errors, its compiled models by name."""

    __slots__ = ("diagnostics", "path", "sources", "specs")

    def __init__(
        self, path: str, specs: dict[str, Spec], diagnostics: tuple[Diagnostic, ...], sources: dict[str, str]
    ) -> None:
        self.path = path
        self.specs = specs
        self.diagnostics = diagnostics
        self.sources = sources

    @property
    def ok(self) -> bool:
        """Whether there are no errors (warnings do not count)."""
        return not any(d.severity == "error" for d in self.diagnostics)


class Spec:
    """One compiled model with the files it came from.

    `graph` is the typed graph, `path` the file, `sources` the texts read by path, `imports` what each file imports,
    `settings` the `--set` values as they were given, `diagnostics` the warnings, `domains` what `tune` searches,
    `allow_outside` whether imports might leave the project folder.
    """

    def __init__(
        self,
        graph: Graph,
        program: Program,
        diagnostics: tuple[Diagnostic, ...],
        settings: Mapping[str, object],
        domains: Mapping[str, Domain],
        allow_outside: bool = False,
    ) -> None:
        self.graph = graph
        self.path = program.main.path
        self.sources = {path: text for path, text in program.sources.items() if path in program.files}
        self.imports: dict[str, tuple[str, ...]] = dict(program.imports)
        self.settings: dict[str, object] = dict(settings)
        self.diagnostics = diagnostics
        self.domains: dict[str, Domain] = dict(domains)
        self.allow_outside = allow_outside

    def __repr__(self) -> str:
        return f"<Spec {self.model} of {self.path}>"

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.graph.name

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of one example for every input, named tensor, layer and output, by name or path, in order.

        A layer used several times has the shape of its last use; open sizes are expressions (`nnspec.ir.dims.Dim`).
        """
        from nnspec.ir.graph import Call

        found: dict[str, Shape] = {field.name: field.value.type.shape for field in self.graph.fields}
        for module in self.graph.root.modules():
            for item in module.flat():
                if isinstance(item, Call):
                    path, outputs = item.module.path, item.outputs
                else:
                    path, outputs = item.layer.path if item.layer is not None else "", item.outputs
                for value in outputs:
                    if path and len(outputs) == 1:
                        found[path] = value.type.shape
                    if value.name and module is self.graph.root:
                        found[value.name] = value.type.shape
        return found | {name: value.type.shape for name, value in self.graph.outputs.items()}

    def summary(self) -> str:
        """The table of layers: output shapes, parameters, multiply-adds, memory."""
        from importlib import import_module

        text: str = import_module("nnspec.views.summary").summary(self.graph)
        return text

    def source(self, backend: str, optimize: int = 1, *, verify: bool = False, choices: Choices = ()) -> str:
        """Python source that runs without nnspec. `optimize` 0 is the textbook form, 1 the planned one.

        `choices` fits the text to a device and a length of run (`nnspec.backends.choices.choose`).

        Raises SpecError (E0601) where the backend has no form of an op, ValueError for an unknown backend.
        """
        from nnspec.backends.base import Options, Unsupported

        try:
            options = Options(optimize=optimize, verify=verify, choices=choices)
            text: str = _backend(backend, "emit").emit(self.graph, options)
        except Unsupported as error:
            able = [other for other in BACKENDS if other != backend and self._emits(other, options)]
            help = f"--backend {' or '.join(able)} has it" if able else ""
            found = Diagnostic("E0601", f"{backend}: {error.reason}", error.span, help=help)
            raise SpecError((found,), self.sources) from error
        return text

    def _emits(self, backend: str, options: Any) -> bool:
        """Whether a backend has a form of all that the model does."""
        from nnspec.backends.base import Unsupported

        try:
            _backend(backend, "emit").emit(self.graph, options)
        except Unsupported:
            return False
        return True

    def build(
        self, backend: str, *, dtype: str = "float32", device: str = "auto", seed: int = 0, optimize: int = 1
    ) -> Any:
        """The model itself, for anyone's own loop: a `torch.nn.Module`, a JAX pytree, a NumPy object.

        The emitted text is written to a temporary file and imported by path; nothing else executes. The weights
        are those that `nnspec train --seed` starts from. ModuleNotFoundError when the framework is missing.
        """
        from nnspec.backends.open import build_model

        driver, name = _backend(backend, "driver").Driver, f"{self.model.lower()}_{backend}"
        source = self.source(backend, optimize)
        return build_model(driver, source, self.graph, name=name, dtype=dtype, device=device, seed=seed)


def _backend(name: str, part: str) -> Any:
    if name not in BACKENDS:
        raise ValueError(
            f"there is no backend {name!r}: {did_you_mean(str(name), BACKENDS, 'it is one of ' + ', '.join(BACKENDS))}"
        )
    from importlib import import_module

    return import_module(f"nnspec.backends.{name}.{part}")


def _leave(reporter: Reporter) -> None:
    """In place of the error that is one too many: says that there may be more."""
    reporter.limit = None
    beyond = reporter.diagnostics.pop()
    if all(d.code != "E0120" for d in reporter.diagnostics):  # the parser may have stopped before
        message = f"more than {MOST_ERRORS} errors: the rest was not checked"
        reporter.error("E0120", beyond.span, message, help="correct the first ones")


def _finished(program: Program | None, reporter: Reporter, sources: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """All diagnostics in order, less what comments silence; unused names are looked for where nothing is wrong."""
    if program is None:
        return reporter.sorted()
    if not reporter.failed:
        lint_names(program, reporter)
        check_allowed(program, reporter)
    return without_allowed(reporter.sorted(), program, sources)


def _named(source: str | os.PathLike[str], text: str | None) -> tuple[str, str | None]:
    """How spans name the spec, and its text where it did not come from a file."""
    if text is None and isinstance(source, str) and "\n" in source:
        return TEXT, source
    return os.fspath(source), text


def _chosen(program: Program, name: str | None, reporter: Reporter) -> list[nodes.Model]:
    """The models to check: all, or the one asked for."""
    if name is None:
        return program.models()
    declared = _one(program, name, reporter)
    return [declared] if declared is not None else []


def _one(program: Program, name: str | None, reporter: Reporter) -> nodes.Model | None:
    """The model called `name`, the last one without a name; None (and reported) where there is none."""
    models = program.models()
    if name is None and models:
        return models[-1]
    found = next((m for m in models if m.name.id == name), None)
    if found is None and not (reporter.failed and not models):
        names = [m.name.id for m in models]
        path = program.main.path
        if not models:
            help = "a model is what is compiled: model Line { input x: float32[1]; output y = x -> dense(1) }"
            reporter.error("E0513", whole(path), f"{path} has no model", help=help)
        else:
            help = did_you_mean(name or "", names, f"it has {', '.join(names)}")
            reporter.error("E0515", whole(path), f"{path} has no model {name}", help=help)
    return found
