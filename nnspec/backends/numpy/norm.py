"""Normalisations: layers where they have parameters, else functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnspec.backends.numpy.rows import TABLE, Step, arguments, given, initialisers, kernel, layer, lent

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnspec.backends.program import OpUse

_AFFINE = {"weight": "ones", "bias": "zeros"}


@layer("BatchNorm", rest=("training",))
def batch_norm(use: OpUse) -> str:
    sizes = arguments(
        use, use.size(0, 0, "channels"), eps=("eps", 1e-5), momentum=("momentum", 0.1), affine=("affine", True)
    )
    return f"BatchNorm({', '.join([sizes, *initialisers(use, **_AFFINE)])})"


@layer("LayerNorm")
def layer_norm(use: OpUse) -> str:
    sizes = arguments(use, use.size(0, -1, "features"), eps=("eps", 1e-5), bias=("bias", True))
    return f"LayerNorm({', '.join([sizes, *initialisers(use, **_AFFINE)])})"


@layer("RmsNorm")
def rms_norm(use: OpUse) -> str:
    sizes = arguments(use, use.size(0, -1, "features"), eps=("eps", 1.1920928955078125e-07))
    return f"RMSNorm({', '.join([sizes, *initialisers(use, weight='ones')])})"


@layer("GroupNorm", whole=True)
def group_norm(use: OpUse) -> str:
    sizes = arguments(use, use.code("groups"), use.size(0, 0, "channels"), eps=("eps", 1e-5))
    return f"GroupNorm({', '.join([sizes, *initialisers(use, **_AFFINE)])})"


@layer("InstanceNorm", whole=True)
def instance_norm(use: OpUse) -> str:
    channels = use.size(0, 0, "channels")
    sizes = arguments(use, channels, channels, eps=("eps", 1e-5))
    return f"GroupNorm({', '.join([sizes, *initialisers(use, **_AFFINE)])})"


def plain(name: str) -> Callable[[Callable[[OpUse, str], Step]], Callable[[OpUse, str], Step]]:
    """Register the form without parameters beside the layer of the same op."""

    def add(make: Callable[[OpUse, str], Step]) -> Callable[[OpUse, str], Step]:
        with_member = TABLE[name].step

        def choose(use: OpUse, member: str, x: str) -> Step:
            if not member:
                return make(use, x)
            assert with_member is not None
            return with_member(use, member, x)

        TABLE[name] = TABLE[name].replace(step=choose)
        return make

    return add


@plain("LayerNorm")
def plain_layer_norm(use: OpUse, x: str) -> Step:
    made = kernel("layer_norm", x, settings=given(use, eps=("eps", 1e-5)))
    return _first(made)


@plain("RmsNorm")
def plain_rms_norm(use: OpUse, x: str) -> Step:
    return _first(kernel("rms_norm", x, settings={"eps": use.code("eps")}))


@plain("GroupNorm")
def plain_group_norm(use: OpUse, x: str) -> Step:
    return lent(use, _first(kernel("group_norm", x, use.code("groups"), settings=given(use, eps=("eps", 1e-5)))), x)


@plain("InstanceNorm")
def plain_instance_norm(use: OpUse, x: str) -> Step:
    made = kernel("group_norm", x, use.size(0, 0, "channels"), settings=given(use, eps=("eps", 1e-5)))
    return lent(use, _first(made), x)


def _first(made: Step) -> Step:
    """The kernel gives gradients of weight and bias too."""
    return made.replace(backward=tuple((places, f"{source}[0]") for places, source in made.backward))


def _window(use: OpUse) -> dict[str, str]:
    return given(use, alpha=("alpha", 1e-4), beta=("beta", 0.75), k=("k", 1.0))


def local_response_norm(use: OpUse, x: str) -> Step:
    return lent(use, kernel("local_response_norm", x, use.code("size"), settings=_window(use)), x)


TABLE["LocalResponseNorm"] = TABLE["LayerNorm"].replace(construct=None, step=local_response_norm, reads_member=False)
