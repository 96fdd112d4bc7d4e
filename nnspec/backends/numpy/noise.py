"""What draws random numbers. Where agreement is checked (`use.deterministic`) nothing is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.numpy.rows import TABLE, Step, layer, passes

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnspec.backends.program import OpUse

_RUN = ("training", "rng")


def _still(name: str) -> Callable[[Callable[[OpUse, str], Step]], Callable[[OpUse, str], Step]]:
    """Register what stands in place of the op where nothing may be drawn."""

    def add(make: Callable[[OpUse, str], Step]) -> Callable[[OpUse, str], Step]:
        drawing = TABLE[name].step

        def choose(use: OpUse, member: str, x: str) -> Step:
            assert drawing is not None
            return make(use, x) if use.deterministic else drawing(use, member, x)

        TABLE[name] = TABLE[name].replace(step=choose)
        return make

    return add


@layer("Dropout", rest=_RUN)
def dropout(use: OpUse) -> str:
    return f"Dropout({'' if use.value('p') == 0.5 else use.code('p')})"


@layer("DropPath", rest=_RUN, whole=True)
def drop_path(use: OpUse) -> str:
    return f"DropPath({use.code('p')})"


@layer("GaussianNoise", rest=_RUN)
def gaussian_noise(use: OpUse) -> str:
    return f"GaussianNoise({use.code('std')})"


@layer("Bernoulli", inputs=(), rest=("rng",))
def bernoulli(use: OpUse) -> str:
    return "Bernoulli()"


@_still("Dropout")
def no_dropout(use: OpUse, x: str) -> Step:
    return passes(x)


@_still("DropPath")
def no_drop_path(use: OpUse, x: str) -> Step:
    return passes(x)


@_still("GaussianNoise")
def no_gaussian_noise(use: OpUse, x: str) -> Step:
    return passes(x)


@_still("Bernoulli")
def no_bernoulli(use: OpUse, x: str) -> Step:
    return Step(f"({x} >= 0.5).astype({x}.dtype)")
