"""Texts in the whole language, drawn by its grammar: nearly right, so that every stage has something to look at.

A production is a list of alternatives; `<name>` stands for another production, and its depth is bounded. What comes out
is seldom valid as a whole: names are drawn from a small pool, so most are known, and of a wrong kind now and then.
"""

from __future__ import annotations

import random
import re

DEEPEST = 7
NAMES = ("x", "y", "z", "h", "a", "b", "i", "k", "n", "act", "enc", "body", "T", "H", "label", "weights", "t", "epoch")
RULES: dict[str, tuple[str, ...]] = {
    "file": ("<version><declarations>",),
    "version": ("", "", "", "nnspec 1\n", "nnspec 2\n"),
    "declarations": ("<declaration><model>", "<declaration><declaration><model><train>", "<model><data><train>"),
    "declaration": (
        "<let>",
        "<let>",
        "<block>",
        "<block>",
        "<model>",
        "<import>",
        "<train>",
        "<data>",
        "\n",
        "# note\n",
    ),
    "import": ('import "other.nn"\n', 'import "../up.nn"\n', 'import "fuzz.nn"\n'),
    "let": ("let <name> = <value><domain>\n", "let <name> = <layer>\n", "let <name> = [<value>, <value>]\n"),
    "domain": (
        "",
        "",
        " in [<value>, <value>]",
        " in 1..8",
        " in uniform(0.1, <number>)",
        " in log_uniform(1e-5, 1e-1)",
    ),
    "block": ("block <Name>(<tensors><settings>) {\n<body>}\n",),
    "Name": ("A", "B", "C", "Up", "Net"),
    "tensors": ("x", "x, y", "x", "a, b"),
    "settings": ("", "", "; n", "; n = <number>, act = relu", "; <name> = <value>"),
    "body": ("    <statement>    <expr>\n", "    <statement>    <statement>    <expr>\n", "    <expr>\n"),
    "model": ("model <Name><parameters> {\n<fields><statements>    output <name> = <expr>\n<outputs>}\n",),
    "parameters": ("", "", "(n = <number>)", "(classes = 10, act = tanh)"),
    "fields": (
        "    <input>    <target>",
        "    <input>",
        "    <dim>    <input>    <target>",
        "    <input>    <noise>    <param>",
    ),
    "dim": ("dim T = 8\n", "dim T, H = 128\n", "dim T\n"),
    "input": ("input x: <type>\n", "input x: <type>; input y: <type>\n"),
    "target": ("target label: <type>\n", "target z: <type>\n"),
    "type": (
        "float32[<sizes>]",
        "float32[<sizes>]",
        "float32",
        "class(<size>)",
        "class(<size>)[T]",
        "int32[<sizes>]",
        "bool[3]",
    ),
    "sizes": ("<size>", "<size>, <size>", "3, <size>, <size>", "T, <size>", "2 * H, 4"),
    "size": ("1", "2", "3", "4", "8", "12", "n", "T", "<number>"),
    "noise": ("noise k: float32[<sizes>] = normal(1)\n", "noise k: float32 = uniform(0, 1)\n"),
    "param": ("param a: float32[<sizes>] = <init>\n",),
    "init": (
        "zeros",
        "normal(0.01)",
        "he_uniform",
        "orthogonal",
        "constant(<number>)",
        "glorot_normal",
        "truncated_normal(1)",
    ),
    "statements": (
        "    <statement>",
        "    <statement>    <statement>",
        "    <statement>    <statement>    <statement>",
    ),
    "statement": (
        *("<name> = <expr>\n", "<name> = <expr>\n", "<name>, <name> = <expr> -> split(2)\n", "let <name> = <layer>\n"),
        *("layer <name> = <layer>\n", "<param>", "require parameters < <number>\n", "require memory < 1e9\n"),
        *("if <test> {\n        <name> = <expr>\n    }\n", "require <name>.size == <number>\n", "# a note\n"),
    ),
    "outputs": ("", "", "    output <name> = <expr>\n", "    require macs < 1e12\n"),
    "expr": (
        *(
            "<pipe>",
            "<pipe>",
            "<pipe>",
            "<term>",
            "<term> <op> <term>",
            "-<term>",
            "if <test> { <expr> } else { <expr> }",
        ),
        "if <test> { <expr> } else if <test> { <expr> } else { <expr> }",
    ),
    "term": (
        *("x", "x", "<name>", "(<expr>)", "x[<slice>]", "x.shape", "enc.weight", "<number>", "constant([<number>, 2])"),
        *("sum(<expr>)", "<call>", "gradient(sum(x), x)", "concat(for <name> in [1, 2] { <expr> })", "[<number>, 3]"),
    ),
    "op": ("+", "-", "*", "/", "^", "//", "%", "==", "<", ">=", "and", "or", "!="),
    "slice": ("0", "-1", "1:3", ":2", "0, 1:", "<number>", "1:<number>:2", "n"),
    "call": (
        *(
            "matmul(<expr>, x)",
            "attention(x, x, x, heads = 2)",
            "maximum(x, <expr>)",
            "where(x > 0, x, <expr>)",
            "A(x)",
        ),
        *(
            "A(x; n = 2)",
            "B(x, y, n = 3)",
            "ones([<sizes>])",
            "eye(<size>)",
            "arange(T)",
            "one_hot(x, <size>)",
            "min(2, n)",
        ),
    ),
    "pipe": ("x -> <steps>", "x -> <steps>", "x\n        -> <step>\n        -> <steps>", "<term> -> <steps>"),
    "steps": ("<step>", "<step> -> <step>", "<step> -> <step> -> <step>"),
    "step": ("<label><layer>", "<label><layer>", "<layer>", "<layer>", ": [<sizes>]"),
    "label": ("", "", "", "fc: ", "conv1: ", "fc{i}: ", "<name>: "),
    "layer": (
        *(
            "dense(<size>)",
            "dense(<size>, bias = false)",
            "dense(n, weight_init = <init>)",
            "conv(<size>, 3, padding = same)",
        ),
        *(
            "conv(4, [3, 1], stride = 2, groups = <size>)",
            "relu",
            "tanh",
            "gelu(approximate = tanh)",
            "softmax(axis = 0)",
        ),
        *(
            "batch_norm",
            "layer_norm",
            "group_norm(<size>)",
            "dropout(0.5)",
            "max_pool(2)",
            "global_avg_pool",
            "flatten",
        ),
        *(
            "reshape([<sizes>])",
            "permute([1, 0])",
            "transpose",
            "take(-1)",
            "lstm(<size>, layers = 2)",
            "gru(3)",
            "rnn(4)",
        ),
        *(
            "self_attention(2, causal = true)",
            "embedding(<size>, 4)",
            "positional(T)",
            "rotary",
            "upsample(2)",
            "pad(1)",
        ),
        *("A", "B(n = <number>)", "Up(y, 3)", "C(<layer>)", "act", "enc", "enc", "identity", "sum(axis = 0)", "sign"),
        *("(<steps>)", "repeat(<count>, <layer>)", "repeat(<count>, (<steps>))", "conv_transpose(3, 2, stride = 2)"),
        *(
            "for i in 1..<count> { <steps> }",
            "for a, b in [[1, 2], [3, 4]] { <step> }",
            "if <test> { <layer> } else { <layer> }",
        ),
        *(
            "for k in [3, 5] { <name> = <value>; <layer> }",
            "clip(0, 1)",
            "<name>(<value>)",
            "zeros",
            "adam",
            "cast(int32)",
        ),
    ),
    "count": ("0", "1", "2", "3", "n", "<number>"),
    "test": (
        "true",
        "n == <number>",
        "x.channels > 3",
        "n % 2 == 0 and not false",
        "<name> < <value>",
        "x.shape == [3, 4]",
    ),
    "value": (
        "<number>",
        "<number>",
        "true",
        "n + 1",
        "2 * n",
        "relu",
        "min(n, 4)",
        "x.features // 2",
        '"text"',
        "<name>",
    ),
    "number": ("0", "1", "2", "3", "4", "8", "16", "0.5", "1e-3", "-1", "2^31", "1_000", "999999999999", "7 / 2"),
    "name": NAMES,
    "data": ("data<of> {\n<entries>}\n",),
    "of": ("", "", " Net", " A"),
    "entries": (
        "    source = <source>\n",
        "    source = <source>\n    <entry>",
        "    train = <source>\n    test = <source>\n    <entry>",
    ),
    "source": (
        *('csv("f.csv", x = ["a", "b"], label = "c")', "random(<number>)", 'sklearn("digits")', 'idx("a.gz", "b.gz")'),
        *(
            "table([[1, 2], [3, <number>]])",
            'images("p")',
            'text("t.txt", tokens = bytes)',
            'npz("a.npz")',
            'cifar("c")',
        ),
    ),
    "entry": (
        *(
            "split = [0.8, 0.1, 0.1]\n",
            "split = folds(5, <number>)\n",
            "split = in_order([0.5, 0.5])\n",
            "shuffle = false\n",
        ),
        *(
            "normalize = standard\n",
            'normalize("x") = minmax\n',
            "window = <size>; shift = <number>\n",
            "seed = <number>\n",
        ),
        *("augment = [flip, crop(<number>)]\n", "<name> = <value>\n"),
    ),
    "train": ("train<of> {\n    minimize = <loss>\n    optimizer = <rule>\n<keys>}\n",),
    "loss": (
        *(
            "cross_entropy(y, label)",
            "mse(z, <expr>) + <number> * l2(weights)",
            "<expr>",
            "squared_error(z, x)",
            "sum(x) * t",
        ),
        *('nll(z, label) + l1(weights("conv*"))', "huber(z, y, weight = <value>)", "hinge(z, label)"),
    ),
    "rule": (
        "sgd(<rate>)",
        "sgd(<rate>, momentum = 0.9, nesterov = true)",
        "adam(<rate>)",
        "adamw(1e-3, decay = <number>)",
        "lion",
    ),
    "rate": (
        "0.1",
        "<number>",
        "cosine(1e-3, warmup = 5)",
        "0.1 / t",
        "plateau(0.1, <number>)",
        "one_cycle(1e-2)",
        "<name>",
    ),
    "keys": ("", "    <key>", "    <key>    <key>", "    <key>    <key>    <key>"),
    "key": (
        *("epochs = <number>\n", "steps = <number>\n", "batch = <size>\n", "batch = full\n", "metrics = [accuracy]\n"),
        *(
            'optimizer("fc*") = frozen\n',
            'minimize("enc") = <loss>\n',
            "precision = bfloat16\n",
            "clip_norm = <number>\n",
        ),
        *("stop = patience(<number>)\n", "stop = gradient_below(1e-5)\n", 'init = "w.safetensors"\n', "ema = 0.99\n"),
        *("accumulate = <number>\n", "seed = <number>\n", 'init("fc") = <init>\n', "<name> = <value>\n"),
        "metrics = [accuracy(y, label, top = 5), mae(z, y)]\n",
    ),
}


def random_text(seed: int) -> str:
    """A file in the language, as far as grammar goes; always the same for a seed."""
    draw = random.Random(seed)

    def written(rule: str, depth: int) -> str:
        choices = RULES[rule]
        if depth > DEEPEST:  # what leads no deeper, or as little as there is
            choices = tuple(sorted(choices, key=lambda c: c.count("<"))[: max(1, len(choices) // 3)])
        return re.sub(r"<(\w+)>", lambda m: written(m[1], depth + 1), draw.choice(choices))

    return written("file", 0)
