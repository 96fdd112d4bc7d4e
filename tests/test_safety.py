"""Nothing that anyone can write makes the compiler hang, eat the memory, or read what it should not."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Result

import nnspec
from nnspec.compiler import check
from nnspec.diagnostics import SpecError

SECONDS, MEGABYTES = 2.0, 300  # of one bomb, start of the process included


def model(step: str) -> str:
    return f"model M {{ input x: float32[4]; output y = x -> {step} }}\n"


def doubled(first: str, line: str, count: int) -> str:
    """Line after line, each of which names the one before twice."""
    return first + "".join(line.format(i=i, p=i - 1) for i in range(1, count))


def spread(line: str, count: int) -> str:
    return "".join(line.format(i=i) for i in range(count))


LISTS = doubled("let r0 = [1, 1]\n", "let r{i} = [r{p}, r{p}]\n", 60)
SLICES = doubled("let r0 = [1, 1]\n", "let r{i} = [r{p}[0:2], r{p}[0:2]]\n", 60)
OPEN = "model M {{ dim A, B, C, D = 8\n input x: float32[{}]; output y = sum(x) }}\n"
DOUBLE = "block A0(x) {{ x + x }}\n", "block A{i}(x) {{ (x -> A{p}) + (x -> A{p}) }}\n"

# text, code, words of the message
BOMBS = {
    "repeat in repeat": (model("repeat(10000, repeat(10000, relu))"), "E0309", "100,000,000 operations"),
    "repeat of nothing": (model("repeat(10000, repeat(10000, repeat(0, relu)))"), "E0309", "100,000,000 times"),
    "repeat of a let": ("let n = 5000\n" + model("repeat(n * 2, repeat(n, relu))"), "E0309", "50,000,000 operations"),
    "the longest repeat": (model(f"repeat({'9' * 18}, relu)"), "E0309", "999,999,999,999,999,999"),
    "for in for": (model("for i in 1..10000 { for j in 1..10000 { relu } }"), "E0309", "100,000,000 operations"),
    "a range": (model(f"for i in 1..{'9' * 17} {{ for j in 1..i {{ relu }} }}"), "E0309", "at most 100,000"),
    "blocks of blocks": (
        DOUBLE[0].format() + doubled("", DOUBLE[1], 60) + model("A59"),
        "E0309",
        "the most is 100,000",
    ),
    "blocks of a setting": (
        "block A(x; n) { x -> repeat(n, relu) }\n" + model("repeat(400, A(400))"),
        "E0309",
        "160,400 operations",
    ),
    "layers of layers": (
        "block A(x; f) { x -> f -> f }\n" + model("A(" * 30 + "relu" + ")" * 30),
        "E0309",
        "the most is 100,000",
    ),
    "recipes of recipes": (
        doubled("let r0 = relu\n", "let r{i} = (r{p} -> r{p})\n", 60) + model("r59"),
        "E0309",
        "operations",
    ),
    "lists of lists": (LISTS + model("reshape(r59)"), "E0309", "a list has at most"),
    "slices of lists": (SLICES + model("reshape(r59)"), "E0309", "a list has at most"),
    "lists compared": (LISTS + model("if r59 == [r58, r58] { relu } else { tanh }"), "E0309", "a list has at most"),
    "numbers of numbers": (
        doubled("let a0 = 10\n", "let a{i} = a{p} * a{p}\n", 40) + model("dense(a39)"),
        "E0308",
        "too large",
    ),
    "a tower": (model("dense(2^2^2^2^2)"), "E0308", "too large"),
    "a tower of nines": (model("dense(9^9^9^9)"), "E0308", "too large"),
    "a negative tower": (model("dense(2^-2^9999)"), "E0308", "too large"),
    "1e99999": (model("dense(1e" + "9" * 100_000 + ")"), "E0108", "too large"),
    "a power of an open size": (OPEN.format("A^100000"), "E0308", "exponents up to 8"),
    "a product of open sizes": (OPEN.format("*".join(["(A+B+C+D+1)"] * 60)), "E0308", "too long"),
    "axes of open sizes": (OPEN.format(", ".join(["A+B+C+D+1"] * 20)), "E0309", "too long"),
    "ever larger open sizes": (
        "model M { dim A = 8\n input x: float32[1, A, 2]; output y = x -> repeat(400, upsample(2)) }\n",
        "E0309",
        "",
    ),
    "open brackets": ("(" * 100_000, "E0109", "64 deep"),
    "a sum": (model("relu").replace("x ->", "+".join(["x"] * 10_000) + " ->"), "E0109", "200"),
    "else if": (
        model("relu").replace("x -> relu", "if false { x } " + "else if false { x } " * 5000 + "else { x }"),
        "E0109",
        "",
    ),
    "5,000 digits": ("let a = " + "1" * 5000 + "\n" + model("dense(a)"), "E0108", "18 digits"),
    "19 digits": (model("dense(" + "1" * 19 + ")"), "E0108", "18 digits"),
    "more than a mebibyte": ("#" * (1 << 20) + "\n" + model("relu"), "E0514", "1 MiB"),
    "a long import": (f'import "{"a" * 1_000_000}"\n' + model("relu"), "E0501", "1000 characters"),
    "a size": (model(f"dense({2**31})"), "E0309", "2,147,483,647"),
    "an input's size": (f"model M {{ input x: float32[{2**31}]; output y = sum(x) }}\n", "E0309", "2,147,483,647"),
    "a product of sizes": (
        "model M { input x: float32[2147483647, 2147483647]; output y = x -> flatten }\n",
        "E0309",
        "2,147,483,647",
    ),
    "parameters": (model("dense(2000000) -> dense(2000000)"), "E0309", "1,000,000,000,000 parameters"),
    "axes": (f"model M {{ input x: float32[{', '.join('1' * 3000)}]; output y = x }}\n", "E0309", "at most 32 axes"),
    "parts": ("model M { input x: float32[2000000000]; a, b = x -> split(2000000000); output y = a }\n", "E0309", ""),
    "one tensor, many turns": (
        "model M { input x: float32[4]; output y = concat(for i in 1..99999 { concat(for j in 1..99999 { x }) }) }\n",
        "E0309",
        "operations",
    ),
    "a let of itself": ("let a = b\nlet b = a\n" + model("dense(a)"), "E0215", "own value"),
    "a block of itself": ("block A(x) { x -> B }\nblock B(x) { x -> A }\n" + model("A"), "E0215", "itself"),
    "lets of lets": (doubled("let a0 = 1\n", "let a{i} = a{p} + 1\n", 2000) + model("dense(a1999)"), "E0309", "300"),
    "unknown names": (spread("let a{i} = bbb{i}\n", 3000) + model("relu"), "E0201", "unknown name"),
    "unknown layers": (
        "model M { input x: float32[4]\n" + spread("h{i} = x -> dens{i}(3)\n", 3000) + "output y = x }\n",
        "E0202",
        "unknown",
    ),
}

RUN = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from nnspec.compiler import check
from nnspec.rendering import render
found = check("bomb.nn", text=open(sys.argv[1], encoding="utf-8").read())
first = [d for d in found.diagnostics if d.severity == "error"][:1]
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: that of the process which started this one lives on in it.
peak = next(line.split()[1] for line in open("/proc/self/status", encoding="utf-8") if line.startswith("VmHWM"))
print(json.dumps({"code": [d.code for d in first], "message": [d.message for d in first],
    "count": len(found.diagnostics), "shown": len(render(found.diagnostics, found.sources)),
    "seconds": used.ru_utime + used.ru_stime, "megabytes": int(peak) / 1024}))
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_two_seconds_and_300_megabytes(name: str, tmp_path: Path) -> None:
    text, code, words = BOMBS[name]
    (tmp_path / "bomb.nn").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "bomb.nn")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["code"] == [code]
    assert words in found["message"][0]
    assert len(found["message"][0]) < 300
    assert found["count"] <= 102
    assert found["shown"] < 200_000
    assert found["seconds"] < SECONDS
    assert found["megabytes"] < MEGABYTES


@pytest.mark.parametrize("code", sorted({code for _, code, _ in BOMBS.values()} | {"E0120", "E0507", "E0508", "E0514"}))
def test_every_limit_has_its_page(code: str) -> None:
    from nnspec.codes import CODES

    assert CODES[code].title and CODES[code].cause


# ---------------------------------------------------------------- what is large and allowed stays allowed


@pytest.mark.parametrize(
    "text",
    [
        model("repeat(1000, relu)"),
        "let " + "a" * 100_000 + " = 3\n" + model("dense(3)"),
        model("dense(2147483647)"),
        model("dense(900000) -> dense(900000)"),
        model("for i in 1..20 { for j in 1..20 { relu } }"),
        "block A0(x) { x + x }\n" + doubled("", "block A{i}(x) {{ x -> A{p} }}\n", 60) + model("A59"),
        "let big = [" + "1, " * 5000 + "1]\n" + model("if big == big { relu } else { tanh }"),
        "model M { dim T, H = 8\n input x: float32[(T + H)^8, 3]; output y = x -> relu }\n",
        f"model M {{ input x: float32[{', '.join('1' * 32)}]; output y = x }}\n",
    ],
)
def test_large_models_are_no_bombs(text: str) -> None:
    found = check("large.nn", text=text)
    assert [d.message for d in found.diagnostics if d.severity == "error"] == []


def test_an_estimate_never_exceeds_what_is_built() -> None:
    """The models that are near the limit by estimate are refused wrongly if it counts too much."""
    from nnspec.diagnostics import Reporter
    from nnspec.loader import load_program
    from nnspec.passes.estimate import Estimate

    for path in sorted([*ROOT.glob("examples/*.nn"), *ROOT.glob("tests/networks/*.nn")]):
        for spec in check(path).specs.values():
            built = sum(1 for module in spec.graph.root.modules() for _ in module.flat())
            program = load_program(str(path), Reporter(), {})
            assert program is not None
            declared = next(m for m in program.models() if m.name.id == spec.model)
            assert Estimate(program).declared(declared) <= built, path


# ---------------------------------------------------------------- imports


def test_an_import_loop_of_many_files_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for i in range(10):
        Path(f"f{i}.nn").write_text("".join(f'import "f{j}.nn"\n' for j in range(10)) + f"let a{i} = 1\n")
    Path("main.nn").write_text('import "f0.nn"\n' + model("dense(a9)"))
    found = check("main.nn")
    assert {d.code for d in found.diagnostics if d.severity == "error"} == {"E0507"}


def test_layers_of_diamonds_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """15 levels of two files that both import both of the next: 2^15 ways, 30 files."""
    monkeypatch.chdir(tmp_path)
    for i in range(15):
        text = f'import "a{i + 1}.nn"\nimport "b{i + 1}.nn"\n' if i < 14 else ""
        for side in "ab":
            Path(f"{side}{i}.nn").write_text(text + f"let {side}{i} = {i}\n")
    Path("main.nn").write_text('import "a0.nn"\nimport "b0.nn"\n' + model("dense(a14)"))
    assert check("main.nn").ok


@pytest.mark.parametrize("wanted", ["/etc/passwd", "../secret.nn", "link.nn", "folder/secret.nn", "/dev/zero"])
def test_an_import_reads_nothing_outside_of_the_project(
    wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.nn").write_text("let key = 31337\n")
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    Path("link.nn").symlink_to(tmp_path / "secret.nn")
    Path("folder").symlink_to(tmp_path)
    Path("main.nn").write_text(f'import "{wanted}"\n' + model("dense(key)"))
    found = check("main.nn")
    assert [d.code for d in found.diagnostics] == ["E0509"]
    assert set(found.sources) == {"main.nn"}
    assert "31337" not in str(found.diagnostics)


TRAINED = """import "../shared/blocks.nn"
let n = 3 in [2, 3]
model M { input x: float32[3]; target y: float32[3]; output z = x -> Wide -> dense(3) }
data { source = random(40); split = [0.8, 0.2] }
train { minimize = mse(z, y); optimizer = sgd(0.1); epochs = 1; batch = 8 }
"""


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec whose import lies beside its project; the working folder is the project."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "blocks.nn").write_text("block Wide(x; n = 2) { x -> dense(n) }\n")
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    Path("m.nn").write_text(TRAINED)
    return project


@pytest.mark.parametrize(
    "words",
    [
        "check m.nn",
        "check m.nn --fix --format json",
        "summary m.nn",
        "compile m.nn --backend numpy -o model.py",
        "explain m.nn:3",
        "diff m.nn m.nn",
        "verify m.nn --backends numpy --steps 1",
        "train m.nn --run-dir run",
        "tune m.nn --trials 2",
    ],
)
def test_an_import_leaves_the_project_where_that_is_allowed(
    words: str, apart: Path, cli: Callable[..., Result]
) -> None:
    refused = cli(*words.split())
    assert refused.code == 1
    assert "E0509" in refused.out + refused.err and "--allow-outside" in refused.out + refused.err
    assert sorted(path.name for path in apart.iterdir()) == ["m.nn"]
    assert cli(*words.split(), "--allow-outside").code == 0


def test_a_run_keeps_what_was_imported_from_outside(apart: Path, cli: Callable[..., Result]) -> None:
    assert cli("train", "m.nn", "--run-dir", "run", "--allow-outside").code == 0
    (apart.parent / "shared" / "blocks.nn").unlink()
    for words in ("eval run", "reproduce run"):
        assert cli(*words.split()).code == 0, words


def test_every_verb_that_takes_a_model_may_be_allowed_to_import_from_outside() -> None:
    import click

    from nnspec.cli.app import VERBS, app

    context = click.Context(app)
    for verb in VERBS:
        command = app.get_command(context, verb)
        assert command is not None
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--allow-outside" in options) == ("--model" in options), verb


def test_the_import_of_a_folder_that_is_a_link_is_one_file_to_all(tmp_path: Path, cli: Callable[..., Result]) -> None:
    """`link/../blocks.nn` is the file beside the spec, to the compiler and to what a run keeps."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    (tmp_path / 'blo"cks.nn').write_text("block Wide(x; n = 2) { x -> dense(n) }\n")
    (tmp_path / "m.nn").write_text(TRAINED.replace("../shared/blocks.nn", 'link/../blo\\"cks.nn'))
    result = cli("train", tmp_path / "m.nn", "--run-dir", tmp_path / "run")
    assert result.code == 0, result.err
    assert cli("eval", tmp_path / "run").code == 0


# ---------------------------------------------------------------- what is written

LINE = "model M { input x: float32[3]; output y = sum(x) }\n"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("m.nn").write_text('import "b.nn"\n' + LINE)
    Path("b.nn").write_text("let unused = 1\n")
    Path("x.csv").write_text("a,b,c\n1,2,3\n")
    Path("link.nn").symlink_to("m.nn")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "compile m.nn --backend numpy -o m.nn",
        "compile m.nn --backend numpy -o b.nn",
        "compile m.nn --backend numpy -o link.nn",
        "compile m.nn --backend numpy -o ./../{name}/m.nn",
        "predict m.nn --input x.csv -o x.csv",
        "predict m.nn --input x.csv -o m.nn",
        "compile m.nn --backend numpy -o no/model.py",
        "compile m.nn --backend numpy -o x.csv/model.py",
        "compile m.nn --backend numpy -o .",
        "compile m.nn --backend numpy -o /dev/full",
        "new mlp m.nn",
        "tune m.nn -o m.nn",
    ],
)
def test_no_file_that_is_read_is_written_over(words: str, written: Path, cli: Callable[..., Result]) -> None:
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    result = cli(*words.format(name=written.name).split())
    assert result.code in (1, 2) and "error" in result.err and "Traceback" not in result.err, result.err
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before  # and nothing half written


def test_a_file_that_is_replaced_is_said_to_be(written: Path, cli: Callable[..., Result]) -> None:
    """A link is followed, and stays one: what it leads to is replaced whole."""
    Path("real.py").write_text("old")
    Path("model.py").symlink_to("real.py")
    assert "in place of" in cli("compile", "m.nn", "--backend", "numpy", "-o", "model.py").err
    assert Path("model.py").is_symlink() and "compiled by nnspec" in Path("real.py").read_text()
    assert "in place of" not in cli("compile", "m.nn", "--backend", "numpy", "-o", "new.py").err


def test_durable_writes_follow_no_link_at_their_temporary_name(tmp_path: Path) -> None:
    """Its name can be foretold, and the folder may be one that others write to."""
    import os

    from nnspec.train.files import write

    (tmp_path / "victim").write_text("mine")
    (tmp_path / f".a.json.{os.getpid()}.tmp").symlink_to(tmp_path / "victim")
    write(tmp_path / "a.json", "{}")
    assert (tmp_path / "victim").read_text() == "mine" and not (tmp_path / "a.json").is_symlink()


# ---------------------------------------------------------------- the package itself

PACKAGE = [p for p in sorted((ROOT / "nnspec").rglob("*.py")) if p.name != "_tables.py"]
NAMES = {"eval", "exec", "__import__", "compile"}
MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "runpy", "code", "pty"}
CALLS = {
    *(
        "os.system",
        "os.popen",
        "yaml.load",
        "tempfile.mktemp",
        "np.load",
        "numpy.load",
        "torch.jit.load",
        "shelve.open",
    ),
    *(
        "shutil.unpack_archive",
        "builtins.eval",
        "builtins.exec",
        "pandas.read_pickle",
        "asyncio.create_subprocess_shell",
    ),
    *(f"os.{name}{end}" for name in ("exec", "spawn") for end in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
}
METHODS = {"extractall", "extract", "unpack_archive"}
ELSEWHERE = {  # what one file alone does, and why
    "subprocess": "tune/workers.py",  # starts this very program
    "exec_module": "backends/loading.py",  # imports what an emitter wrote
}


def forbidden(source: str, name: str) -> list[str]:
    """What a file of the package holds that could run text, unpickle, or start a program."""
    found = []
    for node in ast.walk(ast.parse(source)):
        wrong: set[str] = set()
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            last = called.rpartition(".")[2]
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            wrong |= {called} & (NAMES | CALLS) | {last} & METHODS
            wrong |= {last} & {word for word, file in ELSEWHERE.items() if file != name}
            wrong |= {"shell"} if given.get("shell", "False") != "False" else set()
            wrong |= {"allow_pickle"} if given.get("allow_pickle", "False") != "False" else set()
            wrong |= {called} if called == "torch.load" and given.get("weights_only") != "True" else set()
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            tops = {each.partition(".")[0] for each in names}
            wrong |= tops & MODULES | tops & {word for word, file in ELSEWHERE.items() if file != name}
            wrong |= {a.name for a in node.names} & {"eval", "exec", "system", "popen", "mktemp", "load_module"}
        found += [f"{name}:{getattr(node, 'lineno', 0)}: {word}" for word in sorted(wrong)]
    return found


def test_the_package_runs_no_text_and_unpickles_nothing() -> None:
    found = []
    for path in PACKAGE:
        found += forbidden(path.read_text(encoding="utf-8"), path.relative_to(ROOT / "nnspec").as_posix())
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        *(
            "eval(text)",
            "exec(text)",
            "__import__(name)",
            "compile(text, '', 'exec')",
            "import pickle",
            "import subprocess",
        ),
        *(
            "from marshal import loads",
            "import yaml.reader",
            "import os; os.system(x)",
            "from os import system",
            "import runpy",
        ),
        *(
            "tempfile.mktemp()",
            "archive.extractall()",
            "shutil.unpack_archive(x)",
            "torch.load(x)",
            "np.load(x)",
            "os.execv(a, b)",
        ),
        *(
            "torch.load(x, weights_only=False)",
            "read(x, allow_pickle=True)",
            "run(x, shell=True)",
            "loader.exec_module(m)",
        ),
    ],
)
def test_what_could_run_text_is_found(line: str) -> None:
    assert forbidden(line, "data/new.py")


def test_a_spec_that_is_too_large_raises_what_callers_expect() -> None:
    with pytest.raises(SpecError) as raised:
        nnspec.load(model("repeat(10000, repeat(10000, relu))"))
    assert [d.code for d in raised.value.diagnostics] == ["E0309"]
