"""Recurrent layers. A call gives the states of all steps and the last one; the first alone is the op's value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnspec.backends.torch.rows import arguments, layer

if TYPE_CHECKING:
    from nnspec.backends.program import OpUse


def _construct(kind: str, use: OpUse, **settings: tuple[str, Any]) -> str:
    sizes = arguments(
        use,
        use.size(0, -1, "in_features"),
        use.code("units"),
        num_layers=("layers", 1),
        **settings,
        bias=("bias", True),
    )
    return f"nn.{kind}({arguments(use, f'{sizes}, batch_first=True', bidirectional=('bidirectional', False))})"


@layer("Rnn", pair=True)
def rnn(use: OpUse) -> str:
    return _construct("RNN", use, nonlinearity=("activation", "tanh"))


@layer("Lstm", pair=True)
def lstm(use: OpUse) -> str:
    return _construct("LSTM", use)


@layer("Gru", pair=True)
def gru(use: OpUse) -> str:
    return _construct("GRU", use)
