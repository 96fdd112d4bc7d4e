"""E0602 and on: models that stop while they run, or would."""

from __future__ import annotations

from nnspec.codes.code import TRAIN, Code


def _words(rows: int) -> str:
    """A net over words by number, trained on two examples with the numbers 0 to 4."""
    return (
        f"model Net {{\n    input words: int32[3]\n    target t: float32[2]\n"
        f"    output y = words -> embedding({rows}, 2) -> mean(axis = 0)\n}}\n"
        "data { source = table([[0, 1, 2, 0.5, 0.1], [2, 3, 4, 0.1, 0.5]]) }\n"
        "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = 2; epochs = 1 }"
    )


CODES = {
    "E0602": Code(
        "emitted code stopped",
        "An exception was raised while the model ran: the message is that of the framework, the place is the step of "
        "the spec whose code was running, with the shapes that it was given. Weights, data and the spec were checked "
        "before, so this is seldom the spec's fault. Where a framework does not say in which step it stopped, as in "
        "PyTorch's backpropagation or in compiled code, the model is named. `NNSPEC_TRACEBACK=1` in the environment "
        "shows the whole traceback.",
    ),
    "E0603": Code(
        "out of memory",
        "The process or the device has no memory left for what the step makes. A smaller batch takes less, and with "
        "`accumulate = n` an update still sees n of them; `nnspec doctor` says what a run will take.",
    ),
    "E0604": Code(
        "an index without a row",
        "A table has a row for each number from 0 to one below its size, and the data holds another number. PyTorch "
        "would stop in the middle of a run, NumPy and JAX might go on with the wrong row.",
        _words(4),
        _words(5),
        run=TRAIN,
    ),
}
