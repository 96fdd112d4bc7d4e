"""Recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.numpy.rows import arguments, initialiser, layer

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


def _construct(kind: str, use: OpUse, **settings: tuple[str, Any]) -> str:
    sizes = arguments(
        use,
        use.size(0, -1, "in_features"),
        use.code("units"),
        layers=("layers", 1),
        bidirectional=("bidirectional", False),
        bias=("bias", True),
        **settings,
    )
    return f"{kind}({', '.join([sizes, *_initialisers(use)])})"


def _initialisers(use: OpUse) -> list[str]:
    """One for all weights and one for all biases, where they are not the defaults of the emitted class."""
    found = []
    for name, default in (("weight", "glorot_uniform"), ("bias", "zeros")):
        layers = [n.layer for n in use.nodes if n.layer is not None]
        inits = {p.init for held in layers for local, p in held.parameters.items() if local.startswith(name)}
        if len(inits) > 1:  # `init("path")` tells parameters apart; the class says the same for all
            inits = {getattr(use.op, f"{name}_init")}
        found += [f"{name}_init={initialiser(init)}" for init in inits if initialiser(init) != default]
    return found


@layer("Rnn")
def rnn(use: OpUse) -> str:
    return _construct("RNN", use, activation=("activation", "tanh"))


@layer("Lstm")
def lstm(use: OpUse) -> str:
    return _construct("LSTM", use)


@layer("Gru")
def gru(use: OpUse) -> str:
    return _construct("GRU", use)
