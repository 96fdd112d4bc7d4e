"""E04xx: data and train."""

from __future__ import annotations

from nnspec.codes.code import TRAIN, Code

_NET = "model Net { input x: float32[4]; target t: float32[1]; output y = x -> dense(1) }\n"
_DATA = "data { source = random(8) }\n"


def _train(line: str) -> str:
    """A net with a train block in which one line differs."""
    return _NET + f"train {{ minimize = mse(y, t); optimizer = sgd(0.1); batch = 8; {line} }}"


CODES = {
    "E0401": Code(
        "an unknown key",
        "`data { }` and `train { }` have fixed keys, and none is ever ignored.",
        _train("epocs = 3"),
        _train("epochs = 3"),
    ),
    "E0402": Code(
        "a pattern where none can stand",
        'Only optimizer, init, minimize and normalize may differ between parts, as in optimizer("head") = frozen.',
        _train('epochs("dense*") = 3'),
        _train('epochs = 3; optimizer("dense*") = adam(0.1)'),
    ),
    "E0403": Code(
        "a key is given twice",
        "Every key is given once (with each pattern), and `epochs` and `steps` are two ways to say the same.",
        _train("epochs = 3; epochs = 4"),
        _train("epochs = 4"),
    ),
    "E0404": Code(
        "a key is missing",
        "`train` says what to minimize, by which optimizer, in how large batches and how long; `data` has a source.",
        _NET + "train { optimizer = sgd(0.1); batch = 8; epochs = 3 }",
        _train("epochs = 3"),
    ),
    "E0405": Code(
        "a value that the key does not take",
        "Each key takes values of one kind: a number, a word of a few, a call.",
        _train('epochs = "three"'),
        _train("epochs = 3"),
    ),
    "E0406": Code(
        "an unknown optimizer",
        "Where an optimizer is expected, names are looked up among optimizers.",
        _NET + "train { minimize = mse(y, t); optimizer = adm(0.1); batch = 8; epochs = 3 }",
        _NET + "train { minimize = mse(y, t); optimizer = adam(0.1); batch = 8; epochs = 3 }",
    ),
    "E0407": Code(
        "not an optimizer",
        "`optimizer` takes one, as in adam(1e-3). `frozen` is for a part of the model, as in "
        '`optimizer("conv*") = frozen`: the rest is left to the optimizer without a pattern.',
        _NET + "train { minimize = mse(y, t); optimizer = 0.1; batch = 8; epochs = 3 }",
        _NET + "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = 8; epochs = 3 }",
    ),
    "E0408": Code(
        "not a rate",
        "In place of a number of an optimizer may stand a schedule, as in cosine(0.1), or a formula of t and epoch.",
        _train('epochs = 3; optimizer("dense*") = sgd(cosin(0.1))'),
        _train('epochs = 3; optimizer("dense*") = sgd(cosine(0.1))'),
    ),
    "E0409": Code(
        "not a metric",
        "Metrics are named, as in [accuracy], or called with a prediction and a target.",
        _train("epochs = 3; metrics = [acuracy]"),
        _train("epochs = 3; metrics = [mse(y, t)]"),
    ),
    "E0410": Code(
        "a pattern that matches nothing",
        "No parameter of the model has a path that matches. `*` stands for anything, dots included.",
        _train('epochs = 3; optimizer("conv*") = adam(0.1)'),
        _train('epochs = 3; optimizer("dense*") = adam(0.1)'),
    ),
    "E0414": Code(
        "a name that train cannot see",
        "`train` sees inputs, targets, outputs and names of the model's own body, then the `let`s of the file: nothing "
        "inside blocks, `if` or `for`.",
        _NET + "train { minimize = mse(y, hidden); optimizer = sgd(0.1); batch = 8; epochs = 3 }",
        _train("epochs = 3"),
    ),
    "E0420": Code(
        "settings of train that contradict each other",
        "`accumulate = n` makes an update of n batches, so there must be batches: not with `batch = full`, which is "
        "all examples at once, and not in a model without examples.",
        _NET + "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = full; accumulate = 4; epochs = 3 }",
        _NET + "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = 32; accumulate = 4; epochs = 3 }",
    ),
    "E0421": Code(
        "nothing to train",
        "`nnspec train` needs a parameter that an optimizer updates and `minimize` depends on: the model has none, "
        "every one is frozen, or `minimize` reads none. `eval`, `predict` and `verify` take one without parameters.",
        _NET
        + _DATA
        + 'train { minimize = mse(y, t); optimizer("*") = frozen; optimizer = sgd(0.1); batch = 8; epochs = 1 }',
        _NET + _DATA + "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = 8; epochs = 1 }",
        run=TRAIN,
    ),
    "E0422": Code(
        "a domain that cannot be searched",
        "`nnspec tune` starts from the default of a `let` and looks for better values in its domain, so the default "
        "lies in it. `uniform(a, b)` needs a < b, `log_uniform(a, b)` 0 < a < b, a range whole ends, and a list names "
        "each value once.",
        "let rate = 0.5 in log_uniform(0, 0.1)\n" + _train("epochs = 3; clip_norm = rate"),
        "let rate = 0.05 in log_uniform(1e-4, 0.1)\n" + _train("epochs = 3; clip_norm = rate"),
    ),
    "W0401": Code(
        "a loss of logits that reads probabilities",
        "cross_entropy and binary_cross_entropy contain the softmax or sigmoid, nll the logarithm's counterpart: with "
        "another one before them a model trains slowly and never becomes sure.",
        "model M {\n    input x: float32[3]\n    target t: class(3)\n    output y = x -> dense(3) -> softmax\n}\n"
        "train { minimize = cross_entropy(y, t); optimizer = sgd(0.1); epochs = 3; batch = 8 }",
        "model M {\n    input x: float32[3]\n    target t: class(3)\n    output y = x -> dense(3)\n}\n"
        "train { minimize = cross_entropy(y, t); optimizer = sgd(0.1); epochs = 3; batch = 8 }",
    ),
    "W0402": Code(
        "a distance between scores of classes",
        "Squared or absolute distances of probabilities have almost no gradient where a model is sure and wrong; "
        "cross_entropy, the likelihood of the classes, has its largest there.",
        "model M {\n    input x: float32[3]\n    target t: class(3)\n    output y = x -> dense(3) -> softmax\n}\n"
        "train { minimize = mse(y, one_hot(t, 3)); optimizer = sgd(0.1); batch = 8; epochs = 3 }",
        "model M {\n    input x: float32[3]\n    target t: class(3)\n    output y = x -> dense(3)\n}\n"
        "train { minimize = cross_entropy(y, t); optimizer = sgd(0.1); batch = 8; epochs = 3 }",
    ),
    "W0403": Code(
        "relu on an output",
        "A rectified prediction is never negative, and where it is 0 it has no gradient: such a unit may never learn. "
        "A logit or a number to predict takes the plain result of a dense layer; softplus is positive everywhere.",
        "model Net { input x: float32[4]; target t: float32[1]; output y = x -> dense(1) -> relu }\n"
        "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = 8; epochs = 3 }",
        _train("epochs = 3"),
    ),
    "W0404": Code(
        "a learning rate far off",
        "The rate is orders of magnitude from those that the optimizer is used with. Adam and its kin move every "
        "parameter by about the rate at each step, whatever the size of the gradient.",
        _NET + "train { minimize = mse(y, t); optimizer = adam(1); batch = 8; epochs = 3 }",
        _NET + "train { minimize = mse(y, t); optimizer = adam(1e-3); batch = 8; epochs = 3 }",
    ),
    "W0405": Code(
        "training without an end",
        "`epochs` or `steps` says how long to train. `nnspec train` takes `--epochs` in their place.",
        _NET + "train { minimize = mse(y, t); optimizer = sgd(0.1); batch = 8 }",
        _train("epochs = 3"),
    ),
    "W0407": Code(
        "a split that looks like percentages",
        "`split` takes shares that add up to 1, or the numbers of examples in each part. Numbers that add up to 100 "
        "are right for a source of a hundred examples alone.",
        _NET + 'data { source = csv("points.csv"); split = [70, 15, 15] }',
        _NET + 'data { source = csv("points.csv"); split = [0.7, 0.15, 0.15] }',
    ),
    "W0408": Code(
        "training without a batch size",
        "`batch` says how many examples a step reads. Without it a step takes 32. `batch = full` takes all of them.",
        _NET + "train { minimize = mse(y, t); optimizer = sgd(0.1); epochs = 3 }",
        _train("epochs = 3"),
    ),
    "W0409": Code(
        "a warm-up that does not end",
        "The learning rate rises for `warmup` steps, and the run has no more than that: it never gets to what follows.",
        _NET + "train { minimize = mse(y, t); optimizer = sgd(cosine(0.1, warmup = 200)); steps = 100; batch = 8 }",
        _NET + "train { minimize = mse(y, t); optimizer = sgd(cosine(0.1, warmup = 20)); steps = 100; batch = 8 }",
    ),
    "W0406": Code(
        "accuracy of a number",
        "The target is a float, the objective a distance to it: there are no classes to be right about. accuracy then "
        "reads the prediction as a logit and the target as 0 or 1.",
        _train("epochs = 3; metrics = [accuracy]"),
        _train("epochs = 3; metrics = [mae]"),
    ),
}
