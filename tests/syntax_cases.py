"""What the syntax tests share: trees as one line of text, and the examples of the language reference."""

from __future__ import annotations

from nnspec.diagnostics import Reporter
from nnspec.syntax import nodes, parse


def show(value: object) -> str:
    """A node as `(Kind field ...)`: names and numbers bare, strings quoted, None as `-`."""
    if isinstance(value, nodes.Name):
        return value.id
    if isinstance(value, nodes.Number):
        return repr(value.value)
    if isinstance(value, nodes.String):
        return f'"{value.value}"'
    if isinstance(value, nodes.Binary):
        return f"({value.op} {show(value.left)} {show(value.right)})"
    if isinstance(value, nodes.Unary):
        return f"({value.op} {show(value.operand)})"
    if isinstance(value, nodes.Argument) and not value.name:
        return show(value.value)
    if isinstance(value, nodes.Step):
        return f"{show(value.label)}: {show(value.value)}" if value.label else show(value.value)
    if isinstance(value, nodes.StepLabel):
        return "".join(part if isinstance(part, str) else f"{{{show(part)}}}" for part in value.parts)
    if isinstance(value, nodes.Node):
        skipped = {"span", "name_span", "path"} if not isinstance(value, nodes.Import) else {"span"}
        fields = [show(getattr(value, name)) for name in value._fields if name not in skipped]
        return f"({' '.join([type(value).__name__, *fields])})"
    if isinstance(value, tuple):
        return f"[{' '.join(map(show, value))}]"
    return "-" if value is None else str(value)


def parsed(text: str) -> nodes.File:
    """The tree of a text without errors."""
    reporter = Reporter()
    file = parse(text, "t.nn", reporter)
    assert not reporter.diagnostics, places(reporter)
    return file


def errors(text: str) -> tuple[nodes.File, Reporter]:
    """The tree and the reports of a broken text."""
    reporter = Reporter()
    return parse(text, "t.nn", reporter), reporter


def places(reporter: Reporter) -> list[tuple[str, int, int]]:
    """(code, line, column) of every report, in order."""
    return [(d.code, d.span.line, d.span.column) for d in reporter.sorted()]


DIGITS = """\
# digits.nn: a small LeNet on handwritten digits
let width = 6
let lr    = 1e-3 in log_uniform(1e-5, 1e-1)        # a default, and where a search may look

model LeNet(classes = 10) {
    input  image: float32[1, 8, 8]                 # channels, height, width; the batch axis is implicit
    target label: class(classes)

    output logits = image
        -> conv(width, 3, padding = 1) -> tanh     # [6, 8, 8]
        -> avg_pool(2)                             # [6, 4, 4]
        -> conv(16, 3) -> tanh                     # [16, 2, 2]
        -> flatten
        -> dense(84) -> tanh
        -> dense(classes)
}

data {
    source    = sklearn("digits")
    split     = [0.8, 0.1, 0.1]                    # train, validation, test
    normalize = standard                           # fitted on the training part alone
}

train {
    minimize  = cross_entropy(logits, label) + 1e-4 * l2(weights)
    optimizer = adam(lr)
    epochs    = 20
    batch     = 32
    metrics   = [accuracy]
}
"""

RESNET = """\
block Bottleneck(x; width, stride = 1) {
    y = x -> conv1: conv(width, 1, bias = false)                               -> bn1: batch_norm -> relu
          -> conv2: conv(width, 3, stride = stride, padding = 1, bias = false) -> bn2: batch_norm -> relu
          -> conv3: conv(4 * width, 1, bias = false)                           -> bn3: batch_norm
    skip = if stride != 1 or x.channels != 4 * width {
        x -> downsample: (conv(4 * width, 1, stride = stride, bias = false) -> batch_norm)
    } else { x }
    y + skip -> relu
}

model ResNet50(classes = 1000) {
    input  image: float32[3, 224, 224]
    target label: class(classes)
    output logits = image
        -> conv1: conv(64, 7, stride = 2, padding = 3, bias = false) -> bn1: batch_norm -> relu
        -> max_pool(3, stride = 2, padding = 1)
        -> layer1: repeat(3, Bottleneck(64))
        -> layer2: (Bottleneck(128, stride = 2) -> repeat(3, Bottleneck(128)))
        -> layer3: (Bottleneck(256, stride = 2) -> repeat(5, Bottleneck(256)))
        -> layer4: (Bottleneck(512, stride = 2) -> repeat(2, Bottleneck(512)))
        -> global_avg_pool
        -> fc: dense(classes)
}

block Transformer(x; heads, drop = 0.1) {
    h = x + (x -> ln_1: layer_norm -> attn: self_attention(heads, causal = true) -> dropout(drop))
    h + (h -> ln_2: layer_norm -> fc: dense(4 * h.features) -> gelu -> proj: dense(h.features) -> dropout(drop))
}

model Hopfield {                                   # Hebb's rule is one gradient step on the energy
    input pattern: float32[64]                     # entries -1 or +1
    param W: float32[64, 64] = zeros
    links = W * (1 - eye(64))                      # no unit feeds itself
    layer update = matmul(links) -> sign
    output energy = -0.5 * sum(pattern * matmul(pattern, links))
    output recalled = pattern -> repeat(10, update)
}

train {
    minimize  = energy
    optimizer = sgd(2)
    batch     = full
    steps     = 1
}
"""
