"""Specs of random models that are valid by construction: every value of one model has the same shape."""

from __future__ import annotations

import random

ACTIVATIONS = ("relu", "tanh", "sigmoid", "silu", "gelu", "leaky_relu(0.1)", "softplus", "elu")
IMAGE_STEPS = (
    "{a} -> conv(3, 3, padding = 1)",
    "{a} -> conv(3, 1)",
    "{a} -> conv(3, 3, padding = same, groups = 3)",
    "{a} -> batch_norm",
    "{a} -> batch_norm -> relu",
    "{a} -> conv(3, 1) -> batch_norm",
    "{a} -> max_pool(3, stride = 1, padding = 1)",
    "{a} -> {f}",
    "{a} + {b}",
    "{a} * {b}",
    "maximum({a}, {b})",
)
ROW_STEPS = (
    "{a} -> dense(4)",
    "{a} -> {f}",
    "{a} + {b}",
    "{a} - {b}",
    "{a} * {b}",
    "{a} -> layer_norm",
    "{a} -> softmax",
    "{a} -> self_attention(2)",
    "attention({a}, {b}, {c}, heads = 2)",
)


def random_spec(seed: int) -> str:
    """A model of 2 to 7 steps over images [3, 5, 4] or rows [5, 4], any value read any number of times, and a loss."""
    draw = random.Random(seed)
    image = draw.random() < 0.6
    values, lines = ["x"], []
    for number in range(draw.randint(2, 7)):
        a, b, c = (draw.choice(values) for _ in range(3))
        step = draw.choice(IMAGE_STEPS if image else ROW_STEPS)
        lines.append(f"v{number} = " + step.format(a=a, b=b, c=c, f=draw.choice(ACTIVATIONS)))
        values.append(f"v{number}")
    read = draw.sample(values[1:], draw.randint(1, min(3, len(values) - 1)))
    lines.append("w = " + " + ".join(read))
    if image:
        fields = "input x: float32[3, 5, 4]; target y: class(3)"
        lines.append(f"output z = w -> {draw.choice(['flatten', 'global_avg_pool'])} -> dense(3)")
        objective = "cross_entropy(z, y) + 0.1 * mse(w, x)"
    else:
        fields = "input x: float32[5, 4]; target y: float32[5, 4]"
        lines.append("output z = w -> dense(4)")
        objective = f"mse(z, y) + {draw.choice(['mae', 'mse'])}(w, y)"
    body = "\n    ".join(lines)
    return (
        f"model N {{ {fields}\n    {body}\n}}\ntrain {{ minimize = {objective}; optimizer = sgd(0.1, momentum = 0.9); "
        "steps = 2 }\n"
    )


IMAGE_BREAKS = (
    "{a} -> conv(3, 9)",
    "{a} -> conv(4, 3, groups = 2)",
    "{a} + ones([3, 5, 5])",
    "{a} -> reshape([61])",
    "{a} -> max_pool(7)",
    "concat({a}, ones([3, 4, 4]))",
    "{a} -> permute([0, 1])",
    "{a} -> split(2)",
)
ROW_BREAKS = (
    "{a} + ones([5, 3])",
    "matmul({a}, ones([5, 4]))",
    "{a} -> self_attention(3)",
    "{a} -> reshape([21])",
    "attention({a}, {a}, ones([5, 3, 2]), heads = 2)",
    "{a} -> take(9)",
)
ANY_BREAKS = (
    "{a} -> dense(0)",
    "{a} -> no_such_layer",
    "{a} + nobody",
    "{a} -> dropout(2)",
    "{a} -> sum(axis = 5)",
    "{a} -> dense(3, no_setting = 1)",
    "{a} -> relu(3, 4)",
    "{a} -> relu + 1 -> dense",
    "{a} -> dense(true)",
    "{a}[9]",
)


def broken_spec(seed: int) -> str:
    """A random model with one line more, `broken = ...`, that no reading can make right."""
    draw = random.Random(-seed - 1)
    spec = random_spec(seed)
    image = "[3, 5, 4]" in spec
    wrong = draw.choice(ANY_BREAKS + (IMAGE_BREAKS if image else ROW_BREAKS))
    lines = spec.split("\n")
    steps = [i for i, line in enumerate(lines) if line.startswith("    v")]
    place = draw.choice(steps)
    named = lines[place].split()[0]
    lines.insert(place + 1, "    broken = " + wrong.format(a=named))
    return "\n".join(lines)
