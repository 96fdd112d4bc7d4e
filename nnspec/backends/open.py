"""`Spec.build`: a model of emitted text as the framework's own object, with weights that a seed decides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnspec.backends.base import Driver
    from nnspec.ir.graph import Graph

_folders: list[Any] = []  # kept until the process ends, so that tracebacks and inspect find the emitted text


def build_model(
    driver: type[Driver], source: str, graph: Graph, *, name: str, dtype: str, device: str, seed: int
) -> Any:
    """Writes the text to a file, imports it by path and answers with its model.

    Weights are those that `nnspec train --seed` starts from: drawn by (seed, parameter path), in the working float.
    """
    import tempfile

    from nnspec.ops.draw import draw

    folder = tempfile.TemporaryDirectory(prefix="nnspec-")
    _folders.append(folder)
    path = Path(folder.name) / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    opened: Any = driver(path, dtype=dtype, device=device, seed=seed)
    opened.load({p.path: draw(p.init, p.shape, seed, p.path).astype(dtype) for p in graph.root.parameters()})
    return opened.model
