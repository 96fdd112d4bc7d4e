"""Arguments and options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from nnspec.backends import BACKENDS

DTYPES = ("float32", "float64")

F = TypeVar("F", bound=Callable[..., Any])


def settings_given(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` pairs as a dict; each value is an expression of the language, checked by the compiler."""
    found: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise click.BadParameter(f"{value!r} is not of the form NAME=VALUE, as in --set width=8", ctx, param)
        name = name.strip()
        if name in found:
            raise click.BadParameter(f"{name} is set twice, to {found[name]} and to {text.strip()}", ctx, param)
        found[name] = text.strip()
    return found


def file_argument(command: F) -> F:
    """The spec; whether it can be read is for the compiler to say."""
    return click.argument("file", type=click.Path(), metavar="FILE")(command)


_OUTSIDE = "nnspec.allow_outside"  # of the context's `meta`: of a whole command, not of one function's signature


def _remember_outside(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[_OUTSIDE] = value


def outside_allowed() -> bool:
    """Whether the command that runs was given `--allow-outside`."""
    return bool(click.get_current_context().meta.get(_OUTSIDE))


def spec_options(command: F) -> F:
    """`--model`, `--set` and `--allow-outside`: which model, with which values, and where imports may lead.

    The last is no argument of the command: `outside_allowed` asks for it.
    """
    command = click.option(
        "--allow-outside",
        is_flag=True,
        expose_value=False,
        callback=_remember_outside,
        help="Let imports read files outside of the project folder.",
    )(command)
    command = click.option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        callback=settings_given,
        help="Override a let, a parameter of the model or a key, as in train.batch=64.",
    )(command)
    return click.option("--model", metavar="NAME", help="The model to take (default: the last of the file).")(command)


def backend_option(*, default: str | None = None) -> Callable[[F], F]:
    """`--backend`: required where there is no default (for `compile`, which only writes)."""
    choice = click.Choice(BACKENDS)
    if default is None:
        return click.option("--backend", type=choice, required=True, help="What to write.")
    return click.option("--backend", type=choice, default=default, show_default=True, help="What runs the model.")


def run_options(command: F) -> F:
    """`--device`, `--dtype`: where and with which floats emitted code runs."""
    command = click.option(
        "--dtype", type=click.Choice(DTYPES), help="The working float (default: the spec's precision)."
    )(command)
    return click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")(command)


def trust_option(command: F) -> F:
    """`--trust-code`: for verbs that go on with a run in the code that its folder keeps."""
    help = "Run the code that RUN keeps even where this nnspec would write other code for its spec."
    return click.option("--trust-code", is_flag=True, help=help)(command)


def weights_option(command: F) -> F:
    """`--weights`: parameters from a file, as `import-weights` and training write them."""
    return click.option(
        "--weights",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Parameters to use: a .safetensors or .npz file with the model's own names.",
    )(command)
