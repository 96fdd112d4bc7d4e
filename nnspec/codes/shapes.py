"""E03xx: shapes, sizes and numbers; W03xx: layers that fit and are hardly ever meant so."""

from __future__ import annotations

from nnspec.codes.code import TRAIN, Code


def _signal(length: int) -> str:
    """A net for signals of any length, trained on some of this one."""
    return (
        f"model Net {{\n    dim T = {length}\n    input x: float32[1, T]\n    target t: float32[2]\n"
        "    output y = x -> conv(2, 5) -> global_avg_pool\n}\ndata { source = random(8) }\n"
        "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = 8; epochs = 1 }"
    )


def _places(length: int) -> str:
    """A net with eight places for sequences of any length, trained on some of this one."""
    return (
        f"model Net {{\n    dim T = {length}\n    input x: float32[T, 4]\n    target t: float32[4]\n"
        "    output y = x -> positional(8) -> mean(axis = 0)\n}\ndata { source = random(8) }\n"
        "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = 8; epochs = 1 }"
    )


def _symmetric(init: str) -> str:
    """A net whose hidden layer starts with these weights."""
    return (
        "model Net {\n    input x: float32[4]\n    target t: float32[1]\n"
        f"    output y = x -> dense(8, weight_init = {init}) -> tanh -> dense(1)\n}}\n"
        "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = 8; epochs = 3 }"
    )


CODES = {
    "E0301": Code(
        "sizes do not fit",
        "A kernel is larger than its padded input, or a count of entries is not the shape's. An axis of N becomes "
        "floor((N + 2*padding - dilation*(F - 1) - 1) / stride) + 1, which must be at least 1.",
        "output y = x -> conv(4, 9)",
        "output y = x -> conv(4, 9, padding = 4)",
    ),
    "E0302": Code(
        "a type that means nothing here",
        "Layers compute with floats; embedding and one_hot take whole numbers. cast(float32) converts.",
        "output y = x -> embedding(10, 3)",
        "input token: class(10)\noutput y = token -> embedding(10, 3)",
    ),
    "E0303": Code(
        "shapes do not agree",
        "Sizes broadcast as in NumPy: from the right, equal or 1. A loss takes a prediction and a target of equal "
        "shape, a matrix product equal inner sizes.",
        "output y = x + (x -> conv(3, 3))",
        "output y = x + (x -> conv(3, 3, padding = 1))",
    ),
    "E0304": Code(
        "equality of open sizes that cannot be proved",
        "A `dim` may be any number the data brings, so sizes must be equal for all of them.",
        "dim A, B\ninput p: float32[A]\ninput q: float32[B]\noutput y = p + q",
        "dim A\ninput p: float32[A]\ninput q: float32[A]\noutput y = p + q",
    ),
    "E0305": Code(
        "an axis or index that is not there",
        "The tensor has too few or too many axes for the layer, or an axis or index is beyond its end. Axes are those "
        "of one example, from 0, or from -1 at the end.",
        "output y = x -> softmax(axis = 3)",
        "output y = x -> softmax(axis = 2)",
    ),
    "E0306": Code(
        "an impossible setting",
        "The value is of the right kind and cannot be: a size that is not whole, a probability above 1, a padding that "
        "is wider than its window.",
        "output y = x -> dense(10 / 4)",
        "output y = x -> dense(10 / 5)",
    ),
    "E0307": Code(
        "a shape assertion that does not hold",
        "`-> : [16, 5, 5]` says which shape a tensor has; it has another.",
        "output y = x -> : [3, 8, 8] -> relu",
        "output y = x -> : [1, 8, 8] -> relu",
    ),
    "E0308": Code(
        "a number that cannot be computed",
        "Division by zero, a root of a negative number, a result beyond bounds, an open size where it cannot be.",
        "output y = x * (3 / 0)",
        "output y = x * (3 / 1)",
    ),
    "E0309": Code(
        "a model beyond the limits",
        "More operations, parameters or entries than any machine holds: nearly always a slip in a number.",
        "output y = x -> dense(3000000000000)",
        "output y = x -> dense(3000)",
    ),
    "E0310": Code(
        "a parameter of open size",
        "Parameters are made before data is seen, so none may depend on a `dim`. Pool or reduce open axes away first.",
        "dim T\ninput s: float32[3, T]\noutput y = s -> dense(2)",
        "dim T\ninput s: float32[T, 3]\noutput y = s -> dense(2)",
    ),
    "E0311": Code(
        "a named layer meets another shape",
        "A layer named by `layer` has one set of parameters, whose shape its first use settles.",
        "layer enc = dense(8)\noutput y = x -> enc\noutput z = x -> flatten -> enc",
        "let enc = dense(8)\noutput y = x -> enc\noutput z = x -> flatten -> enc",
    ),
    "E0312": Code(
        "examples too small for the model",
        "Open sizes take what the data brings, and with these examples a tensor of the model would have no entries: a "
        "kernel that is longer than the sequence, say. The size in general stands beside the step.",
        _signal(3),
        _signal(8),
        run=TRAIN,
    ),
    "E0313": Code(
        "examples too long for a table",
        "Open sizes take what the data brings, and a slice with an open end asks a tensor for more entries than it "
        "has: a sequence longer than the places that `positional` has learned, say.",
        _places(12),
        _places(8),
        run=TRAIN,
    ),
    "E0314": Code(
        "parts that are not equal",
        "Groups divide the channels, heads the features, split(n) the axis: each part has equally many.",
        "output y = x -> reshape([8, 8]) -> group_norm(3)",
        "output y = x -> reshape([8, 8]) -> group_norm(4)",
    ),
    "E0315": Code(
        "another number of classes",
        "A target or input of class(C) has C classes, and what counts them agrees: one_hot, rows of an embedding, "
        "weights of classes.",
        "input token: class(20)\noutput y = token -> embedding(10, 4)",
        "input token: class(20)\noutput y = token -> embedding(20, 4)",
    ),
    "E0316": Code(
        "a constant of another shape",
        "Lists in constant(...) have the shape of what they fill, each axis a list and the last axis innermost. One "
        "number fills any shape.",
        "output y = x -> dense(2, bias_init = constant([1, 2, 3]))",
        "output y = x -> dense(2, bias_init = constant([1, 2]))",
    ),
    "E0320": Code(
        "a broken requirement",
        "`require` says what must hold of the model, and it does not.",
        "output y = x -> dense(100)\nrequire parameters < 10",
        "output y = x -> dense(100)\nrequire parameters < 1000",
    ),
    "W0301": Code(
        "rows that no window sees",
        "The stride does not divide what is left of the input after the first window, so the last window ends before "
        "the input does, and no output depends on the entries behind it.",
        "output y = x -> conv(4, 2) -> max_pool(2)",
        "output y = x -> conv(4, 3, padding = 1) -> max_pool(2)",
    ),
    "W0302": Code(
        "a bias before batch_norm",
        "batch_norm subtracts the mean of every channel, and with it any bias that was added before: the parameter "
        "does nothing. Published checkpoints may have one all the same.",
        "output y = x -> conv(4, 3) -> batch_norm -> relu",
        "output y = x -> conv(4, 3, bias = false) -> batch_norm -> relu",
    ),
    "W0303": Code(
        "two linear layers that are one",
        "Without an activation between them W2 (W1 x + b1) + b2 is one linear map, so the first layer adds nothing "
        "that the second could not do alone. Bottlenecks, whose middle is narrower than both ends, are not meant.",
        "output y = x -> flatten -> dense(32) -> dense(10)",
        "output y = x -> flatten -> dense(32) -> relu -> dense(10)",
    ),
    "W0304": Code(
        "dropout right before an output",
        "In training, results themselves are set to zero at random, and a loss that reads them cannot be met.",
        "output y = x -> flatten -> dense(10) -> dropout(0.5)",
        "output y = x -> flatten -> dropout(0.5) -> dense(10)",
    ),
    "W0305": Code(
        "units that start equal",
        "Units with the same initial weights compute the same and get the same gradient, so that they stay one unit "
        "(behind relu, whose gradient at 0 is 0, zeros never change at all). Random weights break the symmetry; biases "
        "and the last layer may start at zero.",
        _symmetric("zeros"),
        _symmetric("glorot_uniform"),
    ),
}
