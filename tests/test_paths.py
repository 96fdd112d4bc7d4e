"""Names of parameters: those of torchvision's networks, and the rules one by one (decision 6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from elaborating import attempt, body, graph_of, paths, shapes

NAMES = json.loads(Path(__file__).with_name("torchvision_names.json").read_text(encoding="utf-8"))

VGG = """
model VGG(norm = NORM) {
    input image: float32[3, 224, 224]
    output logits = image
        -> features: (for c, n in [[64, N0], [128, N1], [256, N2], [512, N3], [512, N3]] {
               repeat(n, conv(c, 3, padding = 1) BN-> relu) -> max_pool(2)
           })
        -> adaptive_avg_pool(7) -> flatten
        -> classifier: (dense(4096) -> relu -> dropout -> dense(4096) -> relu -> dropout -> dense(1000))
}
"""

ALEXNET = """
let classes = 1000
model AlexNet {
    input image: float32[3, 224, 224]
    output logits = image
        -> features: (conv(64, 11, stride = 4, padding = 2) -> relu -> max_pool(3, stride = 2)
               -> conv(192, 5, padding = 2) -> relu -> max_pool(3, stride = 2)
               -> conv(384, 3, padding = 1) -> relu -> conv(256, 3, padding = 1) -> relu
               -> conv(256, 3, padding = 1) -> relu -> max_pool(3, stride = 2) -> : [256, 6, 6])
        -> avgpool: adaptive_avg_pool(6) -> flatten
        -> classifier: (dropout -> dense(4096) -> relu -> dropout -> dense(4096) -> relu -> dense(classes))
}
"""

RESNET = """
block Bottleneck(x; width, stride = 1) {
    y = x -> conv1: conv(width, 1, bias = false)                               -> bn1: batch_norm -> relu
          -> conv2: conv(width, 3, stride = stride, padding = 1, bias = false) -> bn2: batch_norm -> relu
          -> conv3: conv(4 * width, 1, bias = false)                           -> bn3: batch_norm
    skip = if stride != 1 or x.channels != 4 * width {
        x -> downsample: (conv(4 * width, 1, stride = stride, bias = false) -> batch_norm)
    } else { x }
    y + skip -> relu
}

block Basic(x; width, stride = 1) {
    y = x -> conv1: conv(width, 3, stride = stride, padding = 1, bias = false) -> bn1: batch_norm -> relu
          -> conv2: conv(width, 3, padding = 1, bias = false)                  -> bn2: batch_norm
    skip = if stride != 1 or x.channels != width {
        x -> downsample: (conv(width, 1, stride = stride, bias = false) -> batch_norm)
    } else { x }
    y + skip -> relu
}

model ResNet(classes = 1000) {
    input  image: float32[3, 224, 224]
    target label: class(classes)
    output logits = image
        -> conv1: conv(64, 7, stride = 2, padding = 3, bias = false) -> bn1: batch_norm -> relu
        -> max_pool(3, stride = 2, padding = 1)
        -> layer1: repeat(N0, BLOCK(64))
        -> layer2: (BLOCK(128, stride = 2) -> repeat(N1 - 1, BLOCK(128)))
        -> layer3: (BLOCK(256, stride = 2) -> repeat(N2 - 1, BLOCK(256)))
        -> layer4: (BLOCK(512, stride = 2) -> repeat(N3 - 1, BLOCK(512)))
        -> global_avg_pool
        -> fc: dense(classes)
}
"""

GOOGLENET = """
block BasicConv2d(x; channels, kernel, stride = 1, padding = 0) {
    x -> conv: conv(channels, kernel, stride = stride, padding = padding, bias = false)
      -> bn: batch_norm(eps = 0.001) -> relu
}

block Inception(x; c1, r3, c3, r5, c5, pool) {
    concat(x -> branch1: BasicConv2d(c1, 1),
           x -> branch2: (BasicConv2d(r3, 1) -> BasicConv2d(c3, 3, padding = 1)),
           x -> branch3: (BasicConv2d(r5, 1) -> BasicConv2d(c5, 3, padding = 1)),
           x -> branch4: (max_pool(3, stride = 1, padding = 1, ceil = true) -> BasicConv2d(pool, 1)))
}

model GoogLeNet {
    input image: float32[3, 224, 224]
    output logits = image
        -> conv1: BasicConv2d(64, 7, stride = 2, padding = 3) -> max_pool(3, stride = 2, ceil = true)
        -> conv2: BasicConv2d(64, 1) -> conv3: BasicConv2d(192, 3, padding = 1)
        -> max_pool(3, stride = 2, ceil = true)
        -> inception3a: Inception(64, 96, 128, 16, 32, 32) -> inception3b: Inception(128, 128, 192, 32, 96, 64)
        -> max_pool(3, stride = 2, ceil = true)
        -> inception4a: Inception(192, 96, 208, 16, 48, 64)  -> inception4b: Inception(160, 112, 224, 24, 64, 64)
        -> inception4c: Inception(128, 128, 256, 24, 64, 64) -> inception4d: Inception(112, 144, 288, 32, 64, 64)
        -> inception4e: Inception(256, 160, 320, 32, 128, 128)
        -> max_pool(2, stride = 2, ceil = true)
        -> inception5a: Inception(256, 160, 320, 32, 128, 128)
        -> inception5b: Inception(384, 192, 384, 48, 128, 128)
        -> global_avg_pool -> dropout(0.2) -> fc: dense(1000)
}
"""


def _filled(text: str, counts: tuple[int, ...], **words: str) -> str:
    for index, count in enumerate(counts):
        text = text.replace(f"N{index}", str(count))
    for word, value in words.items():
        text = text.replace(word, value)
    return text


NETWORKS = {
    "alexnet": ALEXNET,
    "vgg11": _filled(VGG, (1, 1, 2, 2), NORM="false", BN=""),
    "vgg19_bn": _filled(VGG, (2, 2, 4, 4), NORM="true", BN="-> batch_norm "),
    "resnet18": _filled(RESNET, (2, 2, 2, 2), BLOCK="Basic"),
    "resnet50": _filled(RESNET, (3, 4, 6, 3), BLOCK="Bottleneck"),
    "googlenet": GOOGLENET,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_torchvision_has_its_names_and_shapes(name: str) -> None:
    expected = {path: tuple(shape) for path, shape in NAMES[name].items()}
    assert shapes(graph_of(NETWORKS[name])) == expected


def test_a_transformer_has_the_names_of_its_checkpoint() -> None:
    graph = graph_of("""
        block Transformer(x; heads, drop = 0.1) {
            h = x + (x -> ln_1: layer_norm -> attn: self_attention(heads, causal = true) -> dropout(drop))
            h + (h -> ln_2: layer_norm -> fc: dense(4 * h.features) -> gelu -> proj: dense(h.features))
        }
        model GPT(vocab = 65, width = 32) {
            dim T = 16
            input tokens: class(vocab)[T]
            output logits = tokens -> wte: embedding(vocab, width) -> h: repeat(2, Transformer(4)) -> head: dense(vocab)
        }""")
    expected = {"wte.weight": (65, 32), "head.weight": (65, 32), "head.bias": (65,)}
    for k in (0, 1):
        expected |= {
            f"h.{k}.ln_1.weight": (32,),
            f"h.{k}.ln_1.bias": (32,),
            f"h.{k}.attn.in_proj_weight": (96, 32),
            f"h.{k}.attn.in_proj_bias": (96,),
            f"h.{k}.attn.out_proj.weight": (32, 32),
            f"h.{k}.attn.out_proj.bias": (32,),
            f"h.{k}.ln_2.weight": (32,),
            f"h.{k}.ln_2.bias": (32,),
            f"h.{k}.fc.weight": (128, 32),
            f"h.{k}.fc.bias": (128,),
            f"h.{k}.proj.weight": (32, 128),
            f"h.{k}.proj.bias": (32,),
        }
    assert shapes(graph) == expected


def test_a_densenet_labels_its_layers_by_loop_values() -> None:
    graph = graph_of("""
        block DenseLayer(x; growth) {
            concat(x, x -> norm1: batch_norm -> relu -> conv1: conv(4 * growth, 1, bias = false)
                        -> norm2: batch_norm -> relu -> conv2: conv(growth, 3, padding = 1, bias = false))
        }
        block Transition(x) {
            x -> norm: batch_norm -> relu -> conv: conv(x.channels / 2, 1, bias = false) -> avg_pool(2)
        }
        model DenseNet {
            input image: float32[3, 64, 64]
            output logits = image
                -> features: (conv0: conv(64, 7, stride = 2, padding = 3, bias = false) -> norm0: batch_norm
                       -> relu0: relu -> pool0: max_pool(3, stride = 2, padding = 1)
                       -> denseblock1: for i in 1..2 { denselayer{i}: DenseLayer(32) }
                       -> transition1: Transition
                       -> denseblock2: for i in 1..2 { denselayer{i}: DenseLayer(32) } -> norm5: batch_norm)
                -> relu -> global_avg_pool -> classifier: dense(10)
        }""")
    layers = [
        f"denseblock{b}.denselayer{i}.{n}" for b in (1, 2) for i in (1, 2) for n in ("norm1", "conv1", "norm2", "conv2")
    ]
    owned = ["conv0", "norm0", *layers, "transition1.norm", "transition1.conv", "norm5"]
    assert paths(graph) == sorted([*(f"features.{name}" for name in owned), "classifier"])
    assert shapes(graph)["features.denseblock2.denselayer2.conv1.weight"] == (128, 96, 1, 1)


# what stands after `output y = x`, and every path that has a weight
RULES: dict[str, tuple[str, list[str]]] = {
    "running numbers count each operation apart": (
        "-> dense(8) -> layer_norm -> dense(8)",
        ["dense1", "dense2", "layer_norm1"],
    ),
    "a running number steps over a label": (
        "-> dense(8) -> dense2: dense(8) -> dense(8)",
        ["dense1", "dense2", "dense3"],
    ),
    "parentheses in a body add nothing": ("-> (dense(8) -> relu) -> (dense(8))", ["dense1", "dense2"]),
    "a composition counts every step from 0": ("-> f: (dense(8) -> relu -> dense(8))", ["f.0", "f.2"]),
    "a shape assertion is no step": ("-> f: (dense(8) -> : [8] -> dense(8))", ["f.0", "f.1"]),
    "a label replaces a number and consumes it": ("-> f: (dense(8) -> a: dense(8) -> dense(8))", ["f.0", "f.2", "f.a"]),
    "parentheses in a composition are one step": (
        "-> f: (dense(8) -> (dense(8) -> dense(8)))",
        ["f.0", "f.1.0", "f.1.1"],
    ),
    "parentheses round one step are that step": ("-> f: (dense(8) -> (dense(8)))", ["f.0", "f.1"]),
    "a label of one layer is its name": ("-> f: (dense(8))", ["f"]),
    "copies are numbered on in a composition": (
        "-> f: (dense(8) -> repeat(2, dense(8)) -> dense(8))",
        ["f.0", "f.1", "f.2", "f.3"],
    ),
    "steps of copies are numbered on": ("-> f: repeat(2, dense(8) -> relu)", ["f.0", "f.2"]),
    "parentheses make each copy one step": ("-> f: repeat(2, (dense(8) -> relu))", ["f.0.0", "f.1.0"]),
    "a repeat of a body has a name": ("-> repeat(2, dense(8))", ["repeat1.0", "repeat1.1"]),
    "a longer copy of a body is a sequence": ("-> repeat(2, dense(8) -> relu)", ["repeat1.0.0", "repeat1.1.0"]),
    "a for of a body has a name": (
        "-> for n in [4, 8] { dense(n) } -> for n in [4] { dense(n) }",
        ["for1.0", "for1.1", "for2.0"],
    ),
    "a label in a loop holds its value": ("-> for i in 3..4 { unit{i}: dense(8) }", ["for1.unit3", "for1.unit4"]),
    "loops in loops are written out": ("-> f: for n in [4, 8] { repeat(2, dense(n)) }", ["f.0", "f.1", "f.2", "f.3"]),
    "a recipe in a composition is one step": ("-> f: (dense(8) -> unit -> dense(8))", ["f.0", "f.1.0", "f.2"]),
    "a recipe in a body adds nothing": ("-> unit -> dense(8) -> unit", ["dense1", "dense2", "dense3"]),
    "an if in a composition is one step": (
        "-> f: (if true { relu } else { dense(8) } -> dense(8) -> if true { dense(8) -> relu } else { relu })",
        ["f.1", "f.2.0"],
    ),
    "the untaken branch is counted": (
        "-> if false { dense(8) -> dense(8) } else { dense(8) } -> dense(8)",
        ["dense3", "dense4"],
    ),
    "a block goes by its name": ("-> TwoPart -> TwoPart", ["two_part1.dense1", "two_part2.dense1"]),
    "names in a call follow the text": ("-> Join(dense(x, 3), 4) -> dense(5)", ["dense1", "dense2", "join1.dense1"]),
    "a for over tensors has copies": (
        "-> Cat(concat(for k in 1..2 { x -> dense(k) }))",
        ["cat1.dense1", "for1.0", "for1.1"],
    ),
    "a longer turn over tensors is numbered": (
        "-> Cat(concat(for k in 1..2 { x -> dense(k) -> relu -> dense(1) }))",
        ["cat1.dense1", "for1.0.0", "for1.0.2", "for1.1.0", "for1.1.2"],
    ),
    "a label on a tensor with one layer is its name": ("+ (skip: (x -> dense(8)))", ["skip"]),
    "a label on a tensor keeps the labels under it": ("+ (skip: (x -> a: dense(8)))", ["skip.a"]),
    "a tensor inside a loop over layers counts in the body": (
        "-> for i in 1..2 { g = x -> dense(i); Cat(g) }",
        ["dense1", "dense2", "for1.0.dense1", "for1.1.dense1"],
    ),
    "a label on a tensor numbers what is under it": ("+ (skip: (x -> dense(4) -> dense(8)))", ["skip.0", "skip.1"]),
}

DECLARED = """
let unit = dense(8) -> relu
block TwoPart(x) { x -> dense(8) }
block Join(x, y; n) { concat(x, y) -> dense(n) }
block Cat(x, y) { concat(x, y) -> dense(3) }
"""


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_names(rule: str) -> None:
    text, expected = RULES[rule]
    assert paths(graph_of(DECLARED + body(f"output y = x {text}"))) == sorted(expected)


def test_a_shared_layer_is_stored_at_its_declaration() -> None:
    graph = graph_of("""
        block Use(x; f) { x -> f -> repeat(2, f) }
        model M {
            input x: float32[8]
            layer enc = dense(8) -> tanh
            layer one = dense(8)
            output y = x -> Use(enc) -> Use(dense(8)) -> inner: (one -> enc -> dense(8))
        }""")
    expected = ["enc.0", "inner.2", "one", "use2.dense1", "use2.repeat1.0", "use2.repeat1.1"]
    assert paths(graph) == expected


def test_a_named_layer_is_what_its_if_or_recipe_gives() -> None:
    lines = "layer e = if x.size == 8 { unit } else { relu }\nlayer f = wide\noutput y = x -> e -> f -> f"
    graph = graph_of("let wide = dense(8)\nlet unit = (dense(8))\n" + body(lines))
    assert paths(graph) == ["e", "f"]


def test_a_param_is_named_by_its_scope() -> None:
    graph = graph_of("""
        block Scale(x) {
            param g: float32[8] = ones
            x * g
        }
        model M {
            input x: float32[8]
            param W: float32[8, 8] = zeros
            output y = x -> matmul(W) -> Scale -> for i in 1..2 { param b: float32[8] = zeros; Add(b) }
        }
        block Add(x, y) { x + y }
        """)
    assert sorted(shapes(graph)) == ["W", "for1.0.b", "for1.1.b", "scale1.g"]


@pytest.mark.parametrize(
    "lines, code",
    [
        ("output y = x -> a: dense(8) -> a: dense(8)", "E0213"),
        ("output y = x -> repeat(2, a: dense(8))", "E0213"),
        ("layer a = dense(8)\noutput y = x -> a -> a: dense(8)", "E0213"),
        ("param W: float32[8] = zeros\noutput y = x -> W: dense(8)", "E0213"),
        ("layer enc = dense(8)\noutput y = x -> a: enc", "E0214"),
        ("output y = a: x -> dense(8)", "E0214"),
    ],
)
def test_a_name_is_given_once(lines: str, code: str) -> None:
    graph, diagnostics = attempt(body(lines))
    assert graph is None and [d.code for d in diagnostics] == [code]
