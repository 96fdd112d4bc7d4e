"""What emitted code may import, read and call: no more than nnspec's own sources and the texts that people have read.

The list is read off the goldens, the kernels, and what the backends copy or print; no spec has a part in it. `faults`
holds an emitted text to it: a chain such as `torch.nn.functional.relu` must stand in the list as it is, a module is
never passed on, a bare name is bound in the file or a builtin of the list, and an attribute of anything else has a name
of the list or one that `source.identifier` made of words of the spec.
"""

from __future__ import annotations

import ast
import builtins
import re
from functools import cache

from conftest import ROOT

from nnspec.backends.source import identifier
from nnspec.ops import registry

MODULES = {
    *("__future__", "collections", "collections.abc", "concurrent.futures", "dataclasses", "fnmatch", "functools"),
    *("itertools", "math", "threading", "typing", "numpy", "numpy.typing", "optax", "jax", "jax.lax", "jax.nn"),
    *("jax.nn.initializers", "jax.numpy", "jax.tree_util", "torch", "torch.nn", "torch.nn.functional", "torch.optim"),
    *("torch.nn.utils", "torch.optim.optimizer", "torch.utils.checkpoint", "jax.typing"),
}
BACKENDS = ROOT / "nnspec" / "backends"
COMPUTED = {  # printed from the name of an op or a setting
    *("torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN", "torch.nn.utils.clip_grad_norm_"),
    "torch.nn.utils.clip_grad_value_",
}
READ = (  # whole files of Python that end up in what is emitted, or are examples of it
    *sorted((ROOT / "tests" / "golden").glob("*_*.py")),
    *sorted((ROOT / "nnspec" / "kernels").glob("*.py")),
    *sorted((BACKENDS / "numpy" / "runtime").glob("*.py")),
    *sorted((BACKENDS / "jax" / "helpers").glob("*.py")),
    BACKENDS / "torch" / "helpers.py",
)
PRINTED = sorted(BACKENDS.rglob("*.py"))  # whose strings are pieces of what is emitted
DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
ROOTS = {"np": "numpy", "jnp": "jax.numpy", "F": "torch.nn.functional", "nn": "torch.nn", "lax": "jax.lax"}


class Text:
    """A parsed file: its modules by the names they have there, and everything that it binds."""

    def __init__(self, source: str) -> None:
        self.nodes = list(ast.walk(ast.parse(source)))
        self.modules: dict[str, str] = {}
        self.imported: set[str] = set()
        self.bound: set[str] = set()
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.imported.add(alias.name)
                    whole = alias.name if alias.asname else alias.name.partition(".")[0]
                    self.modules[alias.asname or whole] = whole
            elif isinstance(node, ast.ImportFrom):
                self.imported.add(node.module or "")
                for alias in node.names:
                    name, whole = alias.asname or alias.name, f"{node.module}.{alias.name}"
                    if whole in MODULES:
                        self.modules[name] = whole
                    else:
                        self.bound.add(name)
                        self.imported.add(whole)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
                self.bound.add(node.id)
            elif isinstance(node, ast.arg):
                self.bound.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler) and node.name:
                self.bound.add(node.name)

        inner = {id(n.value) for n in self.nodes if isinstance(n, ast.Attribute)}
        self.chains: set[str] = (
            set()
        )  # `torch.nn.Linear` for what stands there as `nn.Linear`; modules by themselves too
        self.attributes: set[str] = set()  # of what is no module
        for node in self.nodes:
            if id(node) in inner or not isinstance(node, ast.Attribute | ast.Name):
                continue
            parts: list[str] = []
            root: ast.expr = node
            while isinstance(root, ast.Attribute):
                parts.append(root.attr)
                root = root.value
            if isinstance(root, ast.Name) and root.id in self.modules and root.id not in self.bound:
                self.chains.add(".".join([self.modules[root.id], *reversed(parts)]))
            else:
                self.attributes |= set(parts)


class Allowed:
    """The list. `chains`: what is read of modules; `imported`: modules and what is imported from them."""

    def __init__(self) -> None:
        self.chains: set[str] = set(COMPUTED)
        self.imported: set[str] = set()
        self.attributes: set[str] = set()
        self.builtins: set[str] = set()
        self.kinds: set[type[ast.AST]] = set()
        for path in READ:
            text = Text(path.read_text(encoding="utf-8"))
            self.chains |= text.chains
            self.imported |= text.imported
            self.attributes |= text.attributes
            self.builtins |= {n.id for n in text.nodes if isinstance(n, ast.Name)} & set(dir(builtins))
            self.kinds |= {type(node) for node in text.nodes}
        for path in PRINTED:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    self.printed(node.value)
        for name in (*registry.names(), *DTYPES):  # backends print many ops by the library's name for them
            self.chains |= {f"{module}.{name}" for module in MODULES}
        self.words = {part for name in self.attributes for part in _parts(name)}

    def printed(self, piece: str) -> None:
        """Words of a string that is, or becomes part of, emitted code."""
        for chain in re.findall(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", piece):
            root, _, rest = chain.partition(".")
            self.chains.add(f"{ROOTS.get(root, root)}.{rest}")
        self.attributes |= set(re.findall(r"(?<=\.)[A-Za-z_]\w*|^[A-Za-z_]\w*$", piece))
        for module, names in re.findall(r"from ([\w.]+) import ([\w, ]+)", piece):
            self.imported |= {module, *(f"{module}.{name.strip()}" for name in names.split(","))}


@cache
def allowed() -> Allowed:
    return Allowed()


def faults(source: str, spec: str) -> list[str]:
    """What an emitted text holds and may not."""
    known, text = allowed(), Text(source)
    words = known.words | {part for word in re.findall(r"[A-Za-z_]\w*", spec) for part in _parts(identifier(word))}
    found = [f"imports {name}" for name in text.imported if name not in known.imported | MODULES]
    found += [f"reads {chain}" for chain in text.chains if not _known(chain, known)]
    found += [
        f"reads .{name}"
        for name in text.attributes
        if name not in known.attributes
        and (name.startswith("__") or not (_parts(name) <= words or _parts(name.removeprefix("d")) <= words))
    ]
    names = {n.id for n in text.nodes if isinstance(n, ast.Name)}
    found += [f"reads {name}" for name in names - text.bound - text.modules.keys() - known.builtins - {"__name__"}]
    found += [f"has a {type(node).__name__}" for node in text.nodes if type(node) not in known.kinds]
    return sorted(set(found))


def _known(chain: str, known: Allowed) -> bool:
    """Whether a chain, or what it is an attribute of, stands in the list; a module by itself does not."""
    if chain in MODULES:
        return False
    chain = re.sub(r"(?<=[a-z])[123]d$", "", chain) if chain not in known.chains else chain  # f"nn.Conv{rank}d"
    while chain not in known.chains:
        chain, _, last = chain.rpartition(".")
        if chain in MODULES or not chain or last not in known.attributes:
            return False
    return True


def _parts(name: str) -> set[str]:
    """Words of an identifier, without the numbers that tell equal ones apart and the plural of lists."""
    pieces = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {piece.lower().removesuffix("s") for piece in pieces}
