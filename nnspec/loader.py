"""From a path (or a text) to a `Program`: reads files, follows imports, parses `--set` values.

Everything that can be wrong with a file on disk is a diagnostic here, at the import that named it or at
the file as a whole (`whole(path)`). The texts that were read are kept for excerpts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping

from nnspec.diagnostics import Label, Reporter, Span
from nnspec.passes.program import Program
from nnspec.suggest import did_you_mean, either
from nnspec.syntax import nodes, parse, parse_value

LIMIT = 1 << 20  # bytes of one file: a spec is written by hand
LONGEST = 1000  # characters of a path
DEPTH = 16  # files in a chain of imports
VERSION = 1  # of the language
Parse = Callable[[str, str, Reporter], nodes.File]  # as `nnspec.syntax.parse`


def whole(path: str) -> Span:
    """A file as a whole: an empty span at its start, shown without an excerpt."""
    return Span(path, 1, 1, 1, 1)


def load_program(
    path: str,
    reporter: Reporter,
    sources: dict[str, str],
    *,
    text: str | None = None,
    settings: Mapping[str, object] | None = None,
    allow_outside: bool = False,
    parse: Parse = parse,
    unsaved: Mapping[str, str] | None = None,
) -> Program | None:
    """The main file at `path` (or `text`, named by `path`) and all that it imports.

    `sources` is filled with the texts read. `settings` are the `--set` values: a string is parsed as an
    expression of the language, other values are taken as they are. Imports stay in the project folder unless
    `allow_outside`. `unsaved` are texts that stand in for files, by real path. None when there is no main file to read.
    """
    loader = _Loader(path, reporter, sources, allow_outside, parse, unsaved or {})
    main = loader.main(text)
    if main is None:
        return None
    program = Program(main, loader.files, loader.imports)
    program.sources = sources
    for name, value in (settings or {}).items():
        _apply_setting(program, name, value, reporter, sources)
    return program


def read_text(path: str, reporter: Reporter) -> str | None:
    """The text of one file as it stands there, or None after reporting why there is none (E05xx)."""
    return _Loader(path, reporter, {}).read(path, whole(path), path)


def imported(path: str, wanted: str) -> str:
    """The file that `import "wanted"` names in the file `path`: `..` is taken off before links are followed."""
    return os.path.normpath(os.path.join(os.path.dirname(path), wanted))


class _Loader:
    """Reads each file once; a problem of an imported file is reported at the import."""

    def __init__(
        self,
        path: str,
        reporter: Reporter,
        sources: dict[str, str],
        allow_outside: bool = False,
        parse: Parse = parse,
        unsaved: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.reporter, self.sources = path, reporter, sources
        self.allow_outside, self.parser, self.unsaved = allow_outside, parse, unsaved or {}
        self.files: dict[str, nodes.File] = {}
        self.imports: dict[str, tuple[str, ...]] = {}
        self.known: dict[str, str] = {}  # real path -> path as spans name it
        self.root = _project(path)

    def main(self, text: str | None) -> nodes.File | None:
        if text is None:
            text = self.read(self.path, whole(self.path), self.path)
            if text is None:
                return None
            self.known[os.path.realpath(self.path)] = self.path
        elif not text.strip():
            self.reporter.error("E0504", whole(self.path), "the spec is empty", help=_FIRST_SPEC)
            return None
        return self.parse(self.path, text, ())

    def parse(self, path: str, text: str, chain: tuple[tuple[str, nodes.Import], ...]) -> nodes.File:
        """Parse one file and everything it imports. `chain` holds the imports that led here."""
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.sources[path] = text
        file = self.parser(text, path, self.reporter)
        self.files[path] = file
        self.check_version(file)
        found: list[str] = []
        for declaration in file.declarations:
            if isinstance(declaration, nodes.Import):
                target = self.follow(path, declaration, chain)
                if target is None:
                    continue
                if target in found:
                    self.reporter.warning("W0501", declaration.span, f'"{declaration.path.value}" is imported twice')
                found.append(target)
        self.imports[path] = tuple(found)
        return file

    def follow(self, path: str, declaration: nodes.Import, chain: tuple[tuple[str, nodes.Import], ...]) -> str | None:
        """The path of what `declaration` imports, loaded; None when that was not possible (and is reported)."""
        wanted, span = declaration.path.value, declaration.path.span
        target = imported(path, wanted)
        if not wanted or "\0" in wanted or any("\ud800" <= c <= "\udfff" for c in wanted):
            self.reporter.error("E0501", span, "an import names a file", help='as in import "blocks.nn"')
            return None
        if len(wanted) > LONGEST:
            message = f"the path of an import has at most {LONGEST} characters, this has {len(wanted):,}"
            self.reporter.error("E0501", span, message)
            return None
        real = os.path.realpath(target)
        if not self.allow_outside and (os.path.isabs(wanted) or os.path.commonpath([self.root, real]) != self.root):
            message = f'import "{wanted}" leaves the project folder {self.root}'
            help = "move the file beside this one, run nnspec from a folder above both, or say --allow-outside"
            self.reporter.error("E0509", span, message, help=help)
            return None
        chain = (*chain, (path, declaration))
        if real in [os.path.realpath(p) for p, _ in chain]:
            self.report_cycle(target, real, chain)
            return None
        if real in self.known:
            return self.known[real]
        if len(chain) > DEPTH:
            self.reporter.error("E0508", span, f"imports are nested more than {DEPTH} files deep")
            return None
        text = self.read(target, span, wanted)
        self.known[real] = target
        if text is None:
            return None
        self.parse(target, text, chain)
        return target

    def report_cycle(self, target: str, real: str, chain: tuple[tuple[str, nodes.Import], ...]) -> None:
        start = [os.path.realpath(p) for p, _ in chain].index(real)
        round_trip = [path for path, _ in chain[start:]] + [target]
        *others, (_, last) = chain[start:]
        labels = tuple(Label(d.path.span, f"{p} imports it here") for p, d in others)
        names = " -> ".join(os.path.basename(p) for p in round_trip)
        self.reporter.error(
            "E0507",
            last.path.span,
            f"imports go round in a circle: {names}",
            labels=labels,
            help="put what both files need into a third one that imports neither",
        )

    def read(self, path: str, span: Span, shown: str) -> str | None:
        """The text of a file, or None after saying why there is none."""
        if (text := self.unsaved.get(os.path.realpath(path))) is not None and text.strip():
            return text
        try:
            mode = os.stat(path).st_mode
            if stat.S_ISDIR(mode):
                self.reporter.error(
                    "E0502", span, f"{shown} is a folder, not a file", help=_neighbours(path, inside=True)
                )
                return None
            if not stat.S_ISREG(mode):
                self.reporter.error("E0502", span, f"{shown} is not an ordinary file")
                return None
            with open(path, "rb") as stream:
                raw = stream.read(LIMIT + 1)
        except (FileNotFoundError, NotADirectoryError):
            self.reporter.error("E0501", span, f"there is no file {shown}", help=_neighbours(path))
            return None
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self.reporter.error("E0506", span, f"cannot read {shown}: {reason}")
            return None
        if len(raw) > LIMIT:
            self.reporter.error(
                "E0514", span, f"{shown} is larger than 1 MiB", help="weights and data belong in files of their own"
            )
            return None
        return self.decode(raw, path, span, shown)

    def decode(self, raw: bytes, path: str, span: Span, shown: str) -> str | None:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            before = raw[: error.start]
            line = before.count(b"\n") + 1
            if span == whole(path):
                column = len(before.rpartition(b"\n")[2].decode("utf-8")) + 1
                span = Span(path, line, column, line, column + 1)
            message = f"{shown} is not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start} (line {line})"
            self.reporter.error("E0503", span, message, help="save the file in the encoding UTF-8")
            return None
        if not text.removeprefix("\ufeff").strip():
            self.reporter.error("E0504", span, f"{shown} is empty", help=_FIRST_SPEC if span == whole(path) else "")
            return None
        return text

    def check_version(self, file: nodes.File) -> None:
        for index, declaration in enumerate(file.declarations):
            if not isinstance(declaration, nodes.Version):
                continue
            if index:
                self.reporter.error("E0510", declaration.span, "the version of the language stands first in a file")
            elif declaration.number.value != VERSION or not isinstance(declaration.number.value, int):
                message = (
                    f"this file is in version {declaration.number.value} of the language, this nnspec reads version 1"
                )
                self.reporter.error("E0510", declaration.number.span, message, help="update nnspec, or write nnspec 1")


_FIRST_SPEC = "a spec has at least one model, as in model Line { input x: float32[1]; output y = x -> dense(1) }"


def _project(path: str) -> str:
    """The folder that imports may not leave: the working folder if the main file lies in it, else the file's own."""
    here, folder = os.path.realpath(os.getcwd()), os.path.realpath(os.path.dirname(path) or ".")
    inside = here != os.path.dirname(here) and os.path.commonpath([here, folder]) == here
    return here if inside else folder


def _neighbours(path: str, inside: bool = False) -> str:
    """Help for a path that is no file: specs that stand there, or files with a name near to it."""
    folder = path if inside else os.path.dirname(path) or "."
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".nn"))
    except OSError:  # no such folder: there is nothing to propose
        return ""
    if inside:
        return f"it holds {either(names[:3])}" if names else ""
    return did_you_mean(os.path.basename(path), names)


# ---------------------------------------------------------------- --set


def _apply_setting(program: Program, name: str, value: object, reporter: Reporter, sources: dict[str, str]) -> None:
    """Checks that `name` can be set, parses its value, and stores both in the program."""
    path = f"--set {name}"
    shown = f"{name} = {value}" if isinstance(value, str) else f"{name} = {value!r}"
    sources[path] = shown
    span = Span(path, 1, 1, 1, len(name) + 1)
    known = settable(program)
    if name not in known:
        lets = [n for n in known if "." not in n]
        otherwise = f"can be set: {', '.join(lets)}" if lets else ""
        where = f" in {program.main.path}"
        reporter.error("E0511", span, f"there is no {name} to set{where}", help=did_you_mean(name, known, otherwise))
    elif not isinstance(value, str):
        program.settings[name] = value
    elif (expression := _parse_value(name, value, path, reporter, sources)) is not None:
        program.settings[name] = expression


def settable(program: Program) -> list[str]:
    """What `--set` may name: `let`s, parameters of models, open sizes, keys of `data` and `train`."""
    from nnspec.passes.keys import DATA_KEYS, TRAIN_KEYS

    names = program.names(program.main.path, nodes.Let)
    for model in program.models():
        names += [setting.name.id for setting in model.settings]
        names += [n.id for s in model.body.statements if isinstance(s, nodes.Dim) for n, _ in s.entries]
    declarations = program.main.declarations
    if any(isinstance(d, nodes.Train) for d in declarations):
        names += [f"train.{key}" for key in TRAIN_KEYS]
    if any(isinstance(d, nodes.Data) for d in declarations):
        names += [f"data.{key}" for key in DATA_KEYS]
    return list(dict.fromkeys(names))


def _parse_value(name: str, value: str, path: str, reporter: Reporter, sources: dict[str, str]) -> nodes.Expr | None:
    """The one expression that `value` is, by the language's own grammar; None (and reported) if it is none."""
    own = Reporter()
    expression = parse_value(value, path, own)
    if not own.failed:
        sources[path] = value
        return expression
    reason = own.sorted()[0].message
    span = Span(path, 1, len(name) + 4, 1, len(name) + 4 + max(1, len(value.split("\n")[0])))
    reporter.error("E0512", span, f"`{value}` is no value for {name}: {reason}", help=f"as in --set {name}=3")
    return None
