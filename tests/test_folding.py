"""Long lines are split where ruff's formatter splits them: ruff itself is asked."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from random_lines import Lines

from nnspec.backends.folding import WIDTH, fold, split_commas

LONG = "encoder_layers_encoder_layer"
LINES = {
    "the last call of a sum": "y = y * self.w.reshape(self.shape, 1, 1) + self.bias.reshape(self.shape, 1, other)",
    "a chain of entries and calls": f'dx = self.encoder.layers["a"].mlp["4"].backward(dadd_24, {LONG}_0_mlp_4_cache)',
    "a chain whose call is long": f'dx = self.body.a["a"].mlp["4"].backward(d{LONG}_0_mlp_4, {LONG}_0_mlp_4_cache)',
    "one link is no chain": f'dx = self.encoder.layers["a"].backward(d{LONG}_0_mlp_4, {LONG}_0_mlp_4_cache)',
    "targets that fit": f"d{LONG}_1, d{LONG}_2 = concat_backward(dconcat_9, concat_cache_9)",
    "targets that do not fit": f"d{LONG}_1, d{LONG}_2, d{LONG}_3 = concat_backward(dconcat_9, concat_cache_9)",
    "nor what they are given": f"d{LONG}_1, d{LONG}_2, d{LONG}_3 = concat_backward({LONG}_1, {LONG}_2, {LONG}_3)",
    "a return of two values": f"return mean_squared_error_{LONG}, self.encoder({LONG}_1, other_input_of_it)",
    "a return of three": f"return mean_squared_error_{LONG}, self.encoder({LONG}_1, other_input_of_it), c",
    "a chain behind a parenthesis": f"return 0.5 * (prediction - {LONG}[:, None]).square().sum() / len(prediction)",
    "a chain as an entry": f'return {{"top": (logits.topk(5, 1).indices == {LONG}).any(1).to(logits).mean(), "b": c}}',
    "a product as an entry": f'return {{"e": 0.3 * jax.random.normal(key, {LONG}_shape, {LONG}_dtype), "b": c}}',
    "a power": "y = self.p ** 2 + x.mean() ** 2 + (a + b) ** 2 + a ** -b + -a ** 2.5 + f.a.b ** g.c",
    "a long power": f"y = self.{LONG}.power_of_it(x) ** (self.{LONG}_1 + self.{LONG}_2)",
    "an attribute given to an entry": f"x[{LONG}] = self.{LONG}_1.{LONG}_of_2.{LONG}",
    "an annotated value": f"self.{LONG}: dict[str, Any] = {{name: {LONG} for name, {LONG} in items}}",
    "an annotation": "block: list[list[Conv | BatchNorm] | SqueezeExcite | list[Conv | BatchNorm | None] | None]",
    "an augmented value": f"self.{LONG} += {LONG}_1 * {LONG}_2 + {LONG}_3",
    "a function as a value": f"{LONG} = lambda value, gradient: {LONG}_2 * value + gradient * gradient",
    "a function as an argument": f"jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, {LONG}_1, {LONG}_2, others)",
    "a condition as an argument": f"x = call(y, {LONG}_1 if {LONG}_2 else {LONG}_3, key=lambda: {LONG}(1), z=4)",
    "a comparison": f"assert {LONG}_1 == {LONG}_2 and not {LONG}_3 < {LONG}_4, message",
    "several targets": f"{LONG}_1 = {LONG}_2[{LONG}_3] = {LONG}_4(a, b)",
    "a name that is too long": f"{LONG}_{LONG} = {LONG}_{LONG}_of_this_layer",
    "a call whose bracket does not fit": f"        {LONG}_3b_bn = self.{LONG}_3b_b_to_rows.bac(rows)".strip(),
    "wide characters": f'names = ["{"猫" * 20}", "{LONG}", "{"犬" * 10}"]',
}
HEADERS = {
    "a function": f"def forward(self, {LONG}: Array, other_input_of_it: Array | None = None) -> dict[str, Array]:",
    "one that fits": f"def forward(self, {LONG}: Array, other: Array, *, k=1, **rest) -> Array:",
    "a class": f"class Encoder(nn.Module, {LONG}.Mixin, metaclass={LONG}.Registered):",
    "a loop": f"for {LONG}_1, value in zip({LONG}_values, {LONG}_others, strict=True):",
    "a condition": f"if {LONG}_1 == {LONG}_2 and {LONG}_3 not in {LONG}_4:",
    "several contexts": f"with jax.named_scope({LONG}), torch.autocast({LONG}) as cast, other:",
}


def formatted(lines: list[str], tail: str = "") -> tuple[list[str], list[str]]:
    """What `fold` and what ruff make of the bodies of as many functions."""
    heads = [f"def line_{number}(x):" for number in range(len(lines))]
    plain = "".join(f"{head}\n    {line}\n{tail}" for head, line in zip(heads, lines, strict=True))
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "-"], input=plain, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    bodies = [part.rstrip() for part in re.split(r"^def line_\d+\(x\):\n", ran.stdout, flags=re.MULTILINE)[1:]]
    folded = ["\n".join("    " + piece for piece in fold(line, 4)) + "\n" + tail for line in lines]
    return [part.rstrip() for part in folded], bodies


def test_headers_are_split_as_ruff_splits_them() -> None:
    found, wanted = formatted(list(HEADERS.values()), tail="        pass\n")
    assert found == wanted


@pytest.mark.parametrize("seed", range(3))
def test_random_statements_are_split_as_ruff_splits_them(seed: int) -> None:
    draw, statements = Lines(seed), []
    while len(statements) < 150:
        statement = draw.statement()
        if 80 < len(statement) < 1500 and parses(statement):
            statements.append(statement)
    found, wanted = formatted(statements)
    assert sum("\n" in text for text in wanted) > 100
    assert found == wanted


def parses(statement: str) -> bool:
    try:
        ast.parse(statement)
    except SyntaxError:
        return False
    return True


@pytest.mark.parametrize("text", ["x = (" + "a" * WIDTH, "x = " + "a" * WIDTH + " b", "x = " + "?" * WIDTH])
def test_what_is_no_python_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|left over|no token"):
        fold(text, 0)


def test_commas_inside_brackets_and_strings_do_not_split() -> None:
    assert split_commas('a, f(b, c), "d, (", [e, {f: g}],') == ["a", "f(b, c)", '"d, ("', "[e, {f: g}]"]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_lines_are_split_as_ruff_splits_them(depth: int, tmp_path: Path) -> None:
    opened = "".join("    " * k + "if x:\n" for k in range(depth))
    for number, text in enumerate(LINES.values()):
        lines = ["    " * depth + line for line in fold(text, 4 * depth)]
        (tmp_path / f"line_{number}.py").write_text(opened + "\n".join(lines) + "\n")
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "."],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
