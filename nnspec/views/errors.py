"""docs/errors.md: every code with its cause, an example and the example put right, printed from `nnspec.codes`."""

from __future__ import annotations

from collections.abc import Iterator

from nnspec.codes import CODES, Code
from nnspec.codes.code import texts

HEAD = """\
# Errors and warnings

Printed from the compiler's own tables by `make docs`; a test brings every example up and holds that its fix mends it.
`nnspec explain E0301` says the same in a terminal. Errors stop a compilation, warnings (`W....`) do not, but for
`nnspec check --strict`. A comment silences a warning: on the line of a step or statement for what begins there, on the
line of a block's head for the block, above the first declaration for the file.

```text
x -> max_pool(2)   # nnspec: allow(W0301)
```

`nnspec check --fix` makes the changes that can only have been meant one way and says which; `--format json` carries
them as edits. Examples without a model stand in one whose only input is `x: float32[1, 8, 8]`.
"""

FAMILIES = {
    "01": "Syntax",
    "02": "Names and kinds",
    "03": "Shapes and sizes",
    "04": "Training and data",
    "05": "Files, data and imports",
    "06": "Backends",
}


def errors() -> str:
    """The whole page as Markdown."""
    return "\n".join([HEAD, *_table(), *_pages()]) + "\n"


def _table() -> Iterator[str]:
    for digits, title in FAMILIES.items():
        yield f"- {title}: " + ", ".join(f"[{code}](#{code.lower()})" for code in _family(digits))


def _pages() -> Iterator[str]:
    for digits, title in FAMILIES.items():
        yield f"\n## {title}"
        for code in _family(digits):
            yield from _page(code, CODES[code])


def _family(digits: str) -> list[str]:
    """Codes of one family, errors before warnings."""
    return sorted(code for code in CODES if code[1:3] == digits)


def _page(code: str, entry: Code) -> Iterator[str]:
    yield f'\n### <a id="{code.lower()}"></a>{code}: {entry.title}\n'
    yield entry.cause.replace("*", r"\*") if "`" not in entry.cause else entry.cause
    for title, text in texts(entry):
        yield f"\n{title.capitalize()}:\n\n```text\n{text}\n```"
