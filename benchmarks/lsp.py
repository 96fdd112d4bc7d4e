"""How long an editor waits for the language server right after an edit, over stdio, on the file of ResNet-152.

    .venv/bin/python benchmarks/lsp.py [FILE]

Each round makes an edit and sends one request in the same breath: the answer may not wait for the new analysis.
Shown are the median and the 95th percentile in ms of every request after every kind of edit, then how long it
takes until the diagnostics of the new text are out (150 ms of it is the pause for the next keystroke).
Code actions are those that an editor asks for unbidden, to show a lamp.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from lsp_client import Client  # noqa: E402  # the tests' client

from tables import grid  # noqa: E402

ROUNDS = 10
SPEC = ROOT / "examples" / "resnet.nn"
LARGEST = "model ResNet152 {"
EDITS: dict[str, Callable[[str, int], str]] = {
    "nothing": lambda text, n: text,
    "a number of ResNet152": lambda text, n: _inside(text, LARGEST, "conv(64, 7", f"conv({64 + n % 2 * 64}, 7"),
    "a block of three models": lambda text, n: _inside(
        text, "block Bottleneck", "(width, 3", f"({1 + n % 2} * width, 3"
    ),
    "the objective": lambda text, n: text.replace("1e-4 * l2", f"{1 + n % 2}e-4 * l2"),
    "a comment": lambda text, n: text.replace("residual networks", "residual networks" + "!" * (n % 2)),
    "a line more": lambda text, n: text.replace("let size", "\n" * (n % 2) + "let size"),
    "half a word": lambda text, n: _inside(text, LARGEST, "-> global_avg_pool", "-> global_a"[: 11 - n % 2]),
}


def main(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    client = Client(refresh=True, patience=600)
    uri = client.open(path, text)
    client.diagnostics(uri, 1)
    version, rows, settled = 1, [], {}
    for edit, change in EDITS.items():
        times: dict[str, list[float]] = {}
        ready = []
        for number in range(1, ROUNDS + 1):
            for name, ask in requests(client, uri, text).items():
                version += 1
                client.change(uri, version, change(text, number))
                begun = time.perf_counter()
                ask()
                times.setdefault(name, []).append(time.perf_counter() - begun)
                client.diagnostics(uri, version)
                ready.append(time.perf_counter() - begun)
        rows.append([edit, *(shown(found) for found in times.values())])
        settled[edit] = shown(ready)
    print(grid([["after an edit of", *times], *rows]))
    print(grid([["until diagnostics", *settled], ["", *settled.values()]]))
    client.close()


def requests(client: Client, uri: str, text: str) -> dict[str, Callable[[], Any]]:
    """What an editor asks while its user types."""
    last = text.count("\n") + 1
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": last, "character": 0}}
    line = text[: text.index("conv2: conv")].count("\n")
    column = text.split("\n")[line].index("conv2: conv")
    use = text[: text.index("Bottleneck(64)")].count("\n")
    document = {"uri": uri}
    return {
        "hints": lambda: client.ask("textDocument/inlayHint", textDocument=document, range=whole),
        "tokens": lambda: client.ask("textDocument/semanticTokens/full", textDocument=document),
        "completion": lambda: client.at("completion", uri, line, column),
        "signature": lambda: client.at("signatureHelp", uri, line, column + 13),
        "hover": lambda: client.at("hover", uri, line, column + 8),
        "definition": lambda: client.at("definition", uri, use, text.split("\n")[use].index("Bottleneck") + 2),
        "symbols": lambda: client.ask("textDocument/documentSymbol", textDocument=document),
        "formatting": lambda: client.ask(
            "textDocument/formatting", textDocument=document, options={"tabSize": 4, "insertSpaces": True}
        ),
        "actions": lambda: client.ask(
            "textDocument/codeAction", textDocument=document, range=whole, context={"diagnostics": [], "triggerKind": 2}
        ),
    }


def shown(times: list[float]) -> str:
    """Median and 95th percentile in ms."""
    ordered = sorted(times)
    return f"{1000 * statistics.median(ordered):.0f} / {1000 * ordered[int(0.95 * (len(ordered) - 1) + 0.5)]:.0f}"


def _inside(text: str, head: str, old: str, new: str) -> str:
    """The text with a change behind `head`."""
    start = text.index(head)
    return text[:start] + text[start:].replace(old, new, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SPEC)
