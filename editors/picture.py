"""docs/img/editor.svg: a spec in neovim with its shapes, drawn from what a headless neovim shows.

`python editors/picture.py` needs nvim on the path and the extra `lsp`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pygments.token import Comment, Keyword, Name, Number, String
from rich.console import Console
from rich.text import Text

from nnspec.pygments_lexer import NnspecLexer

HERE = Path(__file__).resolve().parent
PICTURE = HERE.parent / "docs" / "img" / "editor.svg"
SPEC = HERE.parent / "examples" / "lenet5.nn"
LINES = slice(8, 23)
TYPO = (19, "        -> dens(120) -> tanh")  # changed as if it had been typed, for a second look
COLOURS = {
    Comment: "grey58",
    Keyword: "magenta",
    Name.Builtin: "cyan",
    Name.Class: "yellow",
    Number: "green",
    String: "green",
}


def capture(spec: Path, typed: tuple[int, str] | None = None) -> dict[str, Any]:
    """What neovim shows of a spec: `rows` of text and shape, `problems` by line."""
    with tempfile.TemporaryDirectory() as folder:
        out, init = Path(folder) / "out.json", Path(folder) / "init.lua"
        server = json.dumps([sys.executable, "-m", "nnspec", "lsp"])[1:-1]
        path = json.dumps(f"{HERE / 'neovim'}/?.lua;")
        init.write_text(f'package.path = {path} .. package.path\nrequire("nnspec").setup({{ cmd = {{ {server} }} }})\n')
        shutil.copy(spec, Path(folder) / spec.name)
        environment = dict(os.environ, NNSPEC_CAPTURE=str(out))
        if typed is not None:
            environment |= {"NNSPEC_LINE": str(typed[0]), "NNSPEC_TEXT": typed[1]}
        script = f"luafile {HERE / 'neovim' / 'capture.lua'}"
        command = [
            "nvim",
            "--headless",
            "-n",
            "-u",
            str(init),
            str(Path(folder) / spec.name),
            "-c",
            script,
            "-c",
            "qa!",
        ]
        subprocess.run(command, env=environment, check=True, timeout=90, capture_output=True)
        found: dict[str, Any] = json.loads(out.read_text())
        return found


def coloured(text: str) -> Text:
    """A line of a spec in colours."""
    line = Text()
    for kind, word in NnspecLexer(stripnl=False, ensurenl=False).get_tokens(text):
        style = next((colour for token, colour in COLOURS.items() if kind in token), "white")
        line.append(word, style)
    return line


def draw() -> None:
    """Writes the picture."""
    console = Console(record=True, width=100, file=open(os.devnull, "w"))  # noqa: SIM115  # closed with the process
    rows = capture(SPEC)["rows"]
    for number, row in list(enumerate(rows, 1))[LINES]:
        line = Text(f"{number:>3} ", "grey42") + coloured(row["text"])
        console.print(line + Text(f"  {row['shape']}" if row["shape"] else "", "italic bright_blue"))
    console.print()
    for problem in capture(SPEC, TYPO)["problems"]:
        line = Text(f"{TYPO[0]:>3} ", "grey42") + coloured(TYPO[1])
        console.print(line + Text(f"  {problem['message']}".replace("\n", "  "), "red"))
    PICTURE.write_text(console.export_svg(title="lenet5.nn"), encoding="utf-8")


if __name__ == "__main__":
    draw()
