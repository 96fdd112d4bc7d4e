"""E0602 and on: emitted code that stops while it runs."""

from __future__ import annotations

from nnspec.codes.code import Code

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
}
