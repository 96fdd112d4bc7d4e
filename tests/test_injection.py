"""A spec cannot make emitted code do anything but its model: payloads in every place that takes text."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest
from allowed import faults
from conftest import EXAMPLES
from random_specs import random_spec

import nnspec
from nnspec.backends.source import Names, comment, identifier, literal
from nnspec.compiler import Spec, check
from nnspec.diagnostics import SpecError

MARK = "pwned"
TARGETS = [(backend, level) for backend in ("numpy", "torch", "jax") for level in (0, 1)]
EVIL = f'__import__("os").system("touch {MARK}")'
TEXTS = [
    EVIL,
    f'"""\n{EVIL}\n"""',
    f'"; {EVIL} #',
    f"'; {EVIL} #",
    f"\n{EVIL}\n",
    f"\r{EVIL}\r",
    f"\u2028{EVIL}\u2029\x0b{EVIL}\x0c\x85{EVIL}",
    f"\\\n{EVIL}",
    f'\\"""\n{EVIL}',
    "{" + EVIL + "}",
    "{{" + EVIL + "}}",
    "%(x)s %s {0.__class__}",
    f"\u202e{EVIL}\u2066",
    f"\uff02\uff02\uff02 {EVIL}",
    f"# coding: utf-7\n+AAo-{EVIL}",
    "\x00",
    "\ud800",
    "*/ --> ]]> <script>",
    "\\N{QUOTATION MARK}\\x22\\u0022\\",
    "fmt: off",
    "@ type: ignore",
]
NAMES = [
    *[
        "np",
        "nn",
        "torch",
        "jax",
        "jnp",
        "F",
        "lax",
        "optax",
        "math",
        "self",
        "cls",
        "Model",
        "loss",
        "gradients",
        "update",
        "train_step",
        "train_steps",
        "evaluate",
    ],
    *[
        "initialise",
        "outputs",
        "make_optimizer",
        "state",
        "params",
        "forward",
        "backward",
        "x",
        "y",
        "z",
        "data",
        "batch",
        "key",
        "rng",
        "cache",
        "new",
    ],
    *[
        "class",
        "def",
        "lambda",
        "import",
        "from",
        "global",
        "None",
        "True",
        "False",
        "async",
        "await",
        "match",
        "case",
        "type",
        "print",
        "eval",
        "exec",
        "open",
    ],
    *[
        "input",
        "int",
        "float",
        "len",
        "range",
        "super",
        "object",
        "Exception",
        "__import__",
        "__init__",
        "__class__",
        "__dict__",
        "__builtins__",
        "__name__",
    ],
    *[
        "_",
        "__",
        "_x",
        "Tensor",
        "nn_Module",
        "dataclass",
        "partial",
        "ClassVar",
        "Array",
        "Self",
        "sys",
        "os",
        "subprocess",
        "annotations",
    ],
]
REACHING = {  # attributes that lead out of the model; `self.exec` of a layer called exec does not
    *[
        "system",
        "popen",
        "Popen",
        "spawn",
        "fork",
        "execv",
        "unlink",
        "rmtree",
        "check_output",
        "run_path",
        "import_module",
        "fromfile",
        "tofile",
    ],
    *[
        "__subclasses__",
        "__globals__",
        "__builtins__",
        "__code__",
        "__bases__",
        "__mro__",
        "__reduce__",
        "__loader__",
        "__spec__",
    ],
    *["__import__", "__getattribute__", "loads", "dumps"],
}


def quoted(text: str) -> str:
    """A string of the language: only what it can hold."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def harmless(source: str, spec: str) -> None:
    """Imports, reads and calls what is allowed to; the payload is nowhere outside strings and comments."""
    assert faults(source, spec) == []
    reads = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    assert not reads & REACHING
    kept = (tokenize.STRING, tokenize.COMMENT)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        assert token.type in kept or (MARK not in token.string and "system" not in token.string), token
        if token.type == tokenize.COMMENT:
            assert "coding" not in token.string or "utf-7" not in token.string
            assert token.string.isprintable()
    assert "\x00" not in source and "\u202e" not in source and "\u2066" not in source


def emitted(text: str, *, path: str = "evil.nn", targets: list[tuple[str, int]] = TARGETS) -> list[str]:
    """What the emitters write for a spec; nothing where the compiler refuses it, and then with codes."""
    found = check(path, text=text)
    if not found.ok:
        assert all(d.code for d in found.diagnostics)
        return []
    sources = []
    for spec in found.specs.values():
        for backend, level in targets:
            source = written(spec, backend, level)
            sources += [source] if source else []
    return sources


def written(spec: Spec, backend: str, level: int) -> str:
    """The emitted text, empty where the backend refuses with E0601 (any other refusal raises)."""
    try:
        return spec.source(backend, level)
    except SpecError as error:
        if [d.code for d in error.diagnostics] != ["E0601"]:
            raise
        return ""


# ---------------------------------------------------------------- texts

PLACES = {
    "comment at the top": "# {text}\nmodel M {{ input x: float32[3]; output y = x -> dense(2) }}\n",
    "comment at a step": "model M {{ input x: float32[3]\n output y = x -> dense(2) # {text}\n }}\n",
    "pattern": (
        "model M {{ input x: float32[3]; output y = x -> dense(2) }}\n"
        "train {{ minimize = sum(y) + l2(weights({quoted})); optimizer = sgd(0.1); steps = 1 }}\n"
    ),
    "group": (
        "model M {{ input x: float32[3]; output y = x -> dense(2) }}\n"
        "train {{ minimize = sum(y); optimizer = sgd(0.1); optimizer({quoted}) = adam(1e-2); steps = 1 }}\n"
    ),
    "data source": "model M {{ input x: float32[3]; output y = x -> dense(2) }}\ndata {{ source = csv({quoted}) }}\n",
    "file of weights": (
        "model M {{ input x: float32[3]; output y = x -> dense(2) }}\n"
        "train {{ minimize = sum(y); optimizer = sgd(0.1); steps = 1; init = {quoted} }}\n"
    ),
    "import": "import {quoted}\nmodel M {{ input x: float32[3]; output y = x -> dense(2) }}\n",
    "setting": "model M {{ input x: float32[3]; output y = x -> gelu(approximate = {quoted}) }}\n",
    "label": "model M {{ input x: float32[3]; output y = x -> for i in [{quoted}] {{ a{{i}}: dense(2) }} }}\n",
    "as a name": "model M {{ input x: float32[3]; {text} = x -> dense(2); output y = x }}\n",
    "as a step": "model M {{ input x: float32[3]; output y = x -> {text} }}\n",
    "as a label": "model M {{ input x: float32[3]; output y = x -> {text}: dense(2) }}\n",
    "as the model's name": "model {text} {{ input x: float32[3]; output y = x -> dense(2) }}\n",
}


@pytest.mark.parametrize("place", PLACES)
def test_text_of_a_spec_is_refused_or_inert(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    count = 0
    for text in TEXTS:
        spec = PLACES[place].format(text=text, quoted=quoted(text))
        for source in emitted(spec):
            harmless(source, spec)
            count += 1
    assert not list(tmp_path.iterdir())
    if place in ("comment at the top", "data source"):
        assert count


@pytest.mark.parametrize("name", ['"""\nevil\n', "a\nb", "{x}", "\\", "\u202e", '"; import os', "#\n", "\x00"])
def test_the_path_of_a_spec_is_inert(name: str) -> None:
    spec = "model M { input x: float32[3]; output y = x -> dense(2) }\n"
    for source in emitted(spec, path=f"{name}.nn"):
        harmless(source, spec)


# ---------------------------------------------------------------- names


def named(name: str) -> str:
    """A spec that uses one name for whatever may have it."""
    return (
        f"let lr_{name} = 0.1\n"
        f"block B_{name}(h; width = 2) {{ h -> {name}: dense(width) -> tanh }}\n"
        f"model {name.capitalize() or 'M'} {{\n"
        f"    input {name}: float32[3]\n"
        f"    {name}_ = {name} -> B_{name}(width = 3) -> {name}: dense(3)\n"
        f"    layer {name}2 = dense(3)\n"
        f"    output out = {name}_ -> {name}2 -> {name}2\n"
        "}\n"
        f"train {{ minimize = sum(out); optimizer = sgd(lr_{name}); steps = 2 }}\n"
    )


def test_every_name_becomes_code_that_python_reads_and_shadows_nothing() -> None:
    count = 0
    for number, name in enumerate(NAMES):
        for source in emitted(named(name), targets=TARGETS[number % 2 :: 2]):
            harmless(source, named(name))
            count += 1
    assert count > 100


@pytest.mark.parametrize(
    "name", ["np", "self", "torch", "nn", "F", "jnp", "class_", "lambda", "print", "len", "Model", "x"]
)
def test_models_with_such_names_run(name: str, tmp_path: Path) -> None:
    """The textbook file of NumPy as a process would run it: three steps on random data."""
    import subprocess
    import sys

    found = check("names.nn", text=named(name))
    if not found.ok:  # a reserved word
        assert name == "lambda" or found.diagnostics
        return
    spec = next(iter(found.specs.values()))
    for backend in ("numpy", "torch") if name in ("torch", "nn", "F") else ("numpy",):
        file = tmp_path / f"{backend}_model.py"
        file.write_text(spec.source(backend), encoding="utf-8")
        done = subprocess.run([sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]


def test_confusable_names_are_no_names() -> None:
    """`\ufb01` and `fi` are one identifier to Python; the language takes ASCII alone."""
    for name in ("\ufb01", "\u212b", "\u0430", "x\u0301", "\uff4e\uff50", "a\u200d"):
        found = check("m.nn", text=f"model M {{ input {name}: float32[3]; output y = {name} -> relu }}\n")
        assert not found.ok


@pytest.mark.torch
def test_no_label_replaces_what_a_module_of_pytorch_needs() -> None:
    from torch import nn

    from nnspec.backends.torch.members import refused

    own = {*dir(nn.Module), *vars(nn.Module())} - {"T_destination"}
    assert [name for name in sorted(own) if not refused((name,))] == []
    assert not refused(("_conv_stem",))  # of existing checkpoints


def test_identifiers_are_legal_and_unique() -> None:
    names = Names()
    given = [names.fresh(wanted) for wanted in [*NAMES, *TEXTS, *NAMES]]
    assert len(set(given)) == len(given)
    for name in given:
        assert name.isidentifier() and name.isascii() and not name.startswith("_"), name
        ast.parse(f"{name} = 1")
    assert identifier("\ufb01") == identifier("fi")


# ---------------------------------------------------------------- literals and comments


@pytest.mark.parametrize(
    "value", [*TEXTS, 0, -1, 10**18, 0.1, -0.0, 1e-300, 5e-324, 1.7e308, True, None, (), (1,), [1, (2.5, "a")]]
)
def test_literals_round_trip(value: object) -> None:
    source = literal(value)
    assert repr(ast.literal_eval(source)) == repr(value)
    assert source.isprintable()


def test_infinities_are_calls_of_float() -> None:
    assert [literal(float(word)) for word in ("inf", "-inf", "nan")] == [
        'float("inf")',
        'float("-inf")',
        'float("nan")',
    ]


@pytest.mark.parametrize("value", [object(), {1}, {"a": 1}, b"bytes", 1j, [object()]])
def test_nothing_else_is_a_literal(value: object) -> None:
    with pytest.raises(TypeError):
        literal(value)


@pytest.mark.parametrize("text", TEXTS)
def test_a_comment_ends_neither_its_line_nor_its_docstring(text: str) -> None:
    safe = comment(text)
    assert len(safe.splitlines()) <= 1
    tree = ast.parse(f'"""{safe}"""\nx = 1  # {safe}\n')
    assert len(tree.body) == 2


# ---------------------------------------------------------------- the whole of what is emitted


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.nn"))[::4], ids=lambda path: path.stem)
def test_examples_import_and_call_what_is_allowed(path: Path) -> None:
    for spec in check(path).specs.values():
        for backend, level in TARGETS:
            if source := written(spec, backend, level):
                harmless(source, "\n".join(spec.sources.values()))


def test_random_models_import_and_call_what_is_allowed() -> None:
    for seed in range(8):
        text = random_spec(seed)
        spec = nnspec.load(text)
        for backend, level in TARGETS:
            harmless(spec.source(backend, level), text)


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "from os import path",
        "from torch import load",
        "eval('1')",
        "print(open('x'))",
        "np.load('x')",
        "np.memmap('x')",
        "np.lib.format.open_memmap('x')",
        "x = np",
        "getattr(np, 'load')('x')",
        "print(np.ones(3).tofile)",
        "print(().__class__.__subclasses__())",
        "async def f() -> None: ...",
        "async def f() -> None:\n    await g()",
        "print(np.core.os)",
        "f = lambda: exec('1')",
        "globals()['x'] = 1",
    ],
)
def test_what_is_not_allowed_is_found(line: str) -> None:
    spec = "model M { input x: float32[3]; output y = x -> dense(2) }\n"
    source = nnspec.load(spec).source("numpy")
    assert faults(source, spec) == []
    assert faults(f"{source}\n{line}\n", spec)
