"""What a study began with (study.json), and why another spec or another search cannot go on with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnspec.diagnostics import Reporter
from nnspec.record import Record
from nnspec.syntax import parse
from nnspec.train.errors import TrainError
from nnspec.train.files import write_json
from nnspec.train.session import plain
from nnspec.version import __version__

if TYPE_CHECKING:
    from nnspec.tune.search import Search

FILE = "study.json"


class Begun(Record):
    """study.json, as it was read. `seed` draws the proposals."""

    model: str
    backend: str
    device: str
    dtype: str | None
    metric: str
    rises: bool
    seed: int
    settings: dict[str, Any]
    domains: dict[str, str]
    texts: dict[str, str]
    files: dict[str, str]


def read(folder: Path) -> Begun | None:
    """The study of a folder, or None where it has none. Raises TrainError for one that cannot be read."""
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Begun(**{name: found[name] for name in Begun._fields})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise TrainError(f"{path} cannot be read: {error}") from error


def written(folder: Path, search: Search, seed: int) -> Begun:
    """The study.json of a new study."""
    begun = _now(search, seed)
    write_json(folder / FILE, {"nnspec": __version__, **{name: getattr(begun, name) for name in Begun._fields}})
    return begun


def hold_to(folder: Path, begun: Begun, search: Search, seed: int | None) -> None:
    """Raise TrainError, which says what differs, unless the study is one of this search."""
    now = _now(search, begun.seed if seed is None else seed)
    differs = next((name for name in Begun._fields if not _same(name, getattr(begun, name), getattr(now, name))), None)
    if differs is not None:
        raise TrainError(
            f"the study in {folder} was begun with {_words(differs, begun, now)}",
            help="a study is of one spec, searched in one way: choose another --study",
        )


def _now(search: Search, seed: int) -> Begun:
    spec = search.spec
    base = os.path.dirname(os.path.abspath(spec.path))
    texts = {
        Path(os.path.relpath(path, base)).as_posix(): text
        for path, text in spec.sources.items()
        if not path.startswith("--set")
    }
    settings = {name: plain(value) for name, value in spec.settings.items()}
    domains = {name: f"{domain.default} in {domain.describe()}" for name, domain in search.domains.items()}
    how = (search.backend, search.device, search.dtype, search.metric, search.rises, seed)
    return Begun(spec.model, *how, settings, domains, texts, search.files)


def _same(name: str, then: Any, now: Any) -> bool:
    """Texts are the same where only comments and layout differ."""
    if name != "texts" or then == now:
        return bool(then == now)
    return then.keys() == now.keys() and all(_tree(then[path]) == _tree(now[path]) for path in then)


def _tree(text: str) -> object:
    return parse(text, "", Reporter())


def _words(name: str, begun: Begun, now: Begun) -> str:
    """In what a study differs from what is asked for now."""
    then, new = getattr(begun, name), getattr(now, name)
    if name == "texts":
        files = [path for path in new if path not in then or _tree(then[path]) != _tree(new[path])]
        return f"another text of {', '.join(files or [path for path in then if path not in new])}"
    if name == "files":
        files = [path for path in {**then, **new} if then.get(path) != new.get(path)]
        return f"another content of {', '.join(files)}"
    if name == "rises":
        return "the direction " + ("maximize" if then else "minimize")
    if name == "domains":
        for let in {**then, **new}:
            if then.get(let) != new.get(let):
                return _let(let, then.get(let), new.get(let))
    if name == "settings":
        said = [f"--set {key}={value}" for key, value in then.items() if new.get(key) != value]
        return ", ".join(said) or "no --set " + ", ".join(key for key in new if key not in then)
    return f"{name} = {then}, and now it is {new}"


def _let(name: str, then: str | None, now: str | None) -> str:
    if then is None:
        return f"no domain of {name}, which now is {now}"
    return f"{name} = {then}" + (f", which now is {now}" if now is not None else ", which is not searched now")
