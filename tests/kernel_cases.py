"""Rows for the kernel tests: how each kernel is called, on what, and what PyTorch computes in its place."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnspec.kernels import activation, arithmetic, attention, conv, linear, loss, norm, pool, recurrent, reduce, shape


class Case(NamedTuple):
    """`forward(*arrays, **settings)`, differentiated by the first `wrt` arrays (all of float dtype if None).

    `torch` is an expression over `a` (the tensors) and `F` (torch.nn.functional).
    """

    name: str
    module: Any
    arrays: tuple[Any, ...]
    settings: dict[str, Any]
    torch: str
    kernel: str = ""
    positive: bool = False

    @property
    def forward(self) -> Any:
        return getattr(self.module, f"{self.kernel or self.name}_forward")

    @property
    def backward(self) -> Any:
        return getattr(self.module, f"{self.kernel or self.name}_backward")


class Labels(NamedTuple):
    """An array of whole numbers in [0, classes)."""

    shape: tuple[int, ...]
    classes: int


SHAPES = [(), (1,), (3,), (2, 5), (1, 3, 4), (2, 3, 1, 5)]
PAIRS = [
    *(((), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 3), ()), ((), (2, 3))),
    *(((2, 1, 4), (1, 3, 4)), ((2, 3, 4), (2, 1, 1)), ((1,), (5, 1))),
]
UNARY = [
    (activation, "sigmoid", "torch.sigmoid(a[0])"),
    (activation, "tanh", "torch.tanh(a[0])"),
    (activation, "relu", "F.relu(a[0])"),
    (activation, "relu6", "F.relu6(5 * a[0])"),
    (activation, "leaky_relu", "F.leaky_relu(a[0])"),
    (activation, "elu", "F.elu(a[0])"),
    (activation, "selu", "F.selu(a[0])"),
    (activation, "gelu", "F.gelu(a[0])"),
    (activation, "gelu_tanh", "F.gelu(a[0], approximate='tanh')"),
    (activation, "silu", "F.silu(a[0])"),
    (activation, "mish", "F.mish(a[0])"),
    (activation, "softplus", "F.softplus(a[0], threshold=1000)"),
    # F.hardsigmoid's own gradient in float64 is off by 3e-8: it divides in float32.
    (activation, "hard_sigmoid", "torch.clamp(a[0] / 6 + 0.5, 0, 1)"),
    (activation, "hard_swish", "F.hardswish(a[0])"),
    (arithmetic, "negative", "-a[0]"),
    (arithmetic, "exp", "torch.exp(a[0])"),
    (arithmetic, "log", "torch.log(a[0])"),
    (arithmetic, "sqrt", "torch.sqrt(a[0])"),
    (arithmetic, "abs", "torch.abs(a[0])"),
    (arithmetic, "square", "torch.square(a[0])"),
    (arithmetic, "sin", "torch.sin(a[0])"),
    (arithmetic, "cos", "torch.cos(a[0])"),
]
BINARY = [
    ("add", "a[0] + a[1]"),
    ("subtract", "a[0] - a[1]"),
    ("multiply", "a[0] * a[1]"),
    ("divide", "a[0] / a[1]"),
    ("power", "a[0] ** a[1]"),
    ("maximum", "torch.maximum(a[0], a[1])"),
    ("minimum", "torch.minimum(a[0], a[1])"),
]


def unary() -> list[Case]:
    return [
        Case(name, module, (s,), {}, text.replace("5 * ", ""), positive=name in ("log", "sqrt"))
        for module, name, text in UNARY
        for s in SHAPES
    ]


def binary() -> list[Case]:
    return [
        Case(name, arithmetic, pair, {}, text, positive=name in ("power", "divide"))
        for name, text in BINARY
        for pair in PAIRS
    ]


def elementwise() -> list[Case]:
    rows = []
    for s in SHAPES:
        rows.append(Case("leaky_relu", activation, (s,), {"slope": 0.3}, "F.leaky_relu(a[0], 0.3)"))
        rows.append(Case("elu", activation, (s,), {"alpha": 0.5}, "F.elu(a[0], 0.5)"))
        rows.append(Case("clip", arithmetic, (s,), {"low": -0.5, "high": 0.7}, "torch.clamp(a[0], -0.5, 0.7)"))
        rows.append(Case("clip", arithmetic, (s,), {"low": 0.0}, "torch.clamp(a[0], min=0.0)"))
        for p in (2, 3, 0, 1, -1, 0.5, -1.5):
            rows += [Case("power_scalar", arithmetic, (s,), {"exponent": p}, f"a[0] ** {p}", positive=True)]
    for s in [(2,), (2, 5), (1, 3, 4), (2, 3, 1, 5)]:
        for axis in (-1, 0, len(s) - 2 if len(s) > 1 else 0):
            rows.append(Case("softmax", activation, (s,), {"axis": axis}, f"F.softmax(a[0], {axis})"))
            rows.append(Case("log_softmax", activation, (s,), {"axis": axis}, f"F.log_softmax(a[0], {axis})"))
    for s, w in [((2, 3), (3,)), ((2, 3, 4, 5), (3,)), ((4, 1, 2), (1,)), ((5,), (1,)), ((2, 3, 2), (1,))]:
        rows.append(Case("prelu", activation, (s, w), {}, "F.prelu(a[0], a[1])"))
    return rows


def products() -> list[Case]:
    rows = []
    for lead in [(1,), (3,), (2, 3), (2, 1, 3), ()]:
        rows.append(Case("dense", linear, ((*lead, 4), (5, 4), (5,)), {}, "F.linear(a[0], a[1], a[2])"))
        rows.append(Case("dense", linear, ((*lead, 1), (1, 1), (1,)), {}, "F.linear(a[0], a[1], a[2])"))
    for x, y in [
        *(((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3, 1)), ((2, 3), (5, 3, 1))),
        *(((2, 1, 2, 3), (4, 3, 2)), ((1, 1), (1, 1)), ((1, 2, 3), (4, 3, 2))),
    ]:
        rows.append(Case("matmul", linear, (x, y), {}, "torch.matmul(a[0], a[1])"))
    for s, heads in [((2, 3, 4), 2), ((1, 1, 2), 1), ((3, 5, 6), 3), ((2, 4, 4), 4)]:
        split = f"[t.unflatten(-1, ({heads}, -1)).transpose(1, 2) for t in a]"
        for causal in (False, True):
            text = f"F.scaled_dot_product_attention(*{split}, is_causal={causal}).transpose(1, 2).flatten(2)"
            rows.append(Case("attention", attention, (s, s, s), {"heads": heads, "causal": causal}, text))
    split = "[t.unflatten(-1, (2, -1)).transpose(1, 2) for t in a]"
    text = f"F.scaled_dot_product_attention(*{split}).transpose(1, 2).flatten(2)"
    rows.append(Case("attention", attention, ((2, 3, 4), (2, 5, 4), (2, 5, 6)), {"heads": 2}, text))
    return rows


def sequences() -> list[Case]:
    """Runs over (T, N, I), and rotations as products of complex numbers."""
    rows = []
    for t, n, i, h in [(5, 2, 3, 4), (1, 3, 2, 1), (7, 1, 1, 2)]:
        for name, gates, text in [
            ("rnn", 1, "torch._VF.rnn_tanh(a[0], {z}, a[1:], {more})[0]"),
            ("lstm", 4, "torch._VF.lstm(a[0], ({z}, {z}), a[1:], {more})[0]"),
            ("gru", 3, "torch._VF.gru(a[0], {z}, a[1:], {more})[0]"),
        ]:
            z = f"a[0].new_zeros(1, {n}, {h})"
            expected = text.format(z=z, more="True, 1, 0.0, False, False, False")
            arrays = ((t, n, i), (gates * h, i), (gates * h, h), (gates * h,), (gates * h,))
            rows.append(Case(name, recurrent, arrays, {}, expected))
            if name == "rnn":
                relu = expected.replace("tanh", "relu")
                rows.append(Case(name, recurrent, arrays, {"activation": "relu"}, relu))
    for s, heads, base in [((2, 5, 4), 1, 10000.0), ((3, 8), 2, 100.0), ((2, 1, 3, 6), 3, 10.0), ((1, 2), 1, 1.0)]:
        d = s[-1] // heads
        rate = f"{base} ** (-torch.arange({d // 2}).double() / {d // 2})"
        turn = f"torch.polar(torch.ones(()).double(), torch.outer(torch.arange({s[-2]}).double(), {rate}))[:, None]"
        pairs = f"torch.complex(*a[0].unflatten(-1, ({heads}, 2, -1)).unbind(-2)) * {turn}"
        text = f"(lambda c: torch.stack([c.real, c.imag], -2).flatten(-3))({pairs})"
        rows.append(Case("rotary", attention, (s,), {"heads": heads, "base": base}, text))
    return rows


def convolutions() -> list[Case]:
    rows = []
    for spatial, kernel, s, p, d, g, channels, out in [
        *(
            ((5,), (3,), (1,), (0,), (1,), 1, 1, 1),
            ((8,), (3,), (2,), (1,), (2,), 2, 4, 6),
            ((1,), (1,), (1,), (0,), (1,), 1, 2, 3),
        ),
        *(((6, 6), (3, 3), (1, 1), (0, 0), (1, 1), 1, 3, 4), ((5, 7), (3, 2), (2, 1), (1, 0), (1, 2), 1, 2, 3)),
        *(((8, 8), (1, 1), (2, 2), (0, 0), (1, 1), 1, 2, 2), ((7, 6), (2, 3), (3, 2), (2, 3), (2, 1), 3, 3, 6)),
        *(((4, 4), (4, 4), (1, 1), (0, 0), (1, 1), 1, 1, 2), ((5, 5), (3, 3), (1, 1), (1, 1), (1, 1), 4, 4, 4)),
        *(((6, 6), (3, 3), (4, 4), (0, 0), (1, 1), 1, 1, 1),),
        *(
            ((3, 4, 5), (2, 2, 2), (1, 2, 1), (1, 0, 1), (1, 1, 2), 1, 2, 3),
            ((2, 2, 2), (1, 2, 1), (1,) * 3, (0,) * 3, (1,) * 3, 2, 2, 2),
        ),
    ]:
        settings = {"stride": s, "padding": p, "dilation": d, "groups": g}
        rank = len(spatial)
        shapes = ((2, channels, *spatial), (out, channels // g, *kernel), (out,))
        rows.append(
            Case(
                "conv", conv, shapes, settings, f"F.conv{rank}d(*a, stride={s}, padding={p}, dilation={d}, groups={g})"
            )
        )
    for spatial, kernel, s, p, o, d, g, channels, out in [
        *(((5,), (3,), (1,), (0,), (0,), (1,), 1, 1, 1), ((4,), (3,), (2,), (1,), (1,), (2,), 2, 4, 6)),
        *(
            ((4, 3), (3, 2), (2, 3), (1, 0), (1, 2), (1, 2), 1, 2, 3),
            ((3, 3), (2, 2), (1, 1), (0, 0), (0, 0), (1, 1), 3, 3, 3),
        ),
        *(((2, 3, 2), (2, 2, 3), (2, 1, 2), (0, 1, 1), (1, 0, 0), (1,) * 3, 1, 2, 2),),
    ]:
        settings = {"stride": s, "padding": p, "output_padding": o, "dilation": d, "groups": g}
        shapes = ((2, channels, *spatial), (channels, out // g, *kernel), (out,))
        rest = f"output_padding={o}, groups={g}, dilation={d}"
        text = f"F.conv_transpose{len(spatial)}d(*a, stride={s}, padding={p}, {rest})"
        rows.append(Case("conv_transpose", conv, shapes, settings, text))
    return rows


def pools() -> list[Case]:
    rows = []
    for spatial, k, s, p in [
        *(((6,), (2,), (2,), (0,)), ((7,), (3,), (2,), (1,)), ((1,), (1,), (1,), (0,)), ((5,), (2,), (3,), (1,))),
        *(((6, 6), (2, 2), (2, 2), (0, 0)), ((7, 5), (3, 2), (2, 2), (1, 1)), ((5, 5), (3, 3), (1, 1), (1, 1))),
        *(((4, 7), (2, 2), (3, 3), (0, 1)), ((3, 5, 4), (2, 3, 2), (2, 1, 2), (1, 0, 1))),
    ]:
        rank = len(spatial)
        for ceil in (False, True):
            settings = {"size": k, "stride": s, "padding": p, "ceil": ceil}
            common = f"a[0], {k}, {s}, {p}, ceil_mode={ceil}"
            rows.append(Case("max_pool", pool, ((2, 3, *spatial),), settings, f"F.max_pool{rank}d({common})"))
            for pads in (True, False):
                text = f"F.avg_pool{rank}d({common}, count_include_pad={pads})"
                rows.append(Case("avg_pool", pool, ((2, 3, *spatial),), {**settings, "count_include_pad": pads}, text))
    for spatial, m in [((5,), (3,)), ((1,), (2,)), ((7, 5), (3, 5)), ((4, 6), (1, 2)), ((3, 4, 5), (2, 2, 7))]:
        text = f"F.adaptive_avg_pool{len(m)}d(a[0], {m})"
        rows.append(Case("adaptive_avg_pool", pool, ((2, 3, *spatial),), {"size": m}, text))
        text = "a[0].flatten(2).max(2).values"
        rows.append(Case("global_max_pool", pool, ((2, 3, *spatial),), {}, text))
    return rows


def norms() -> list[Case]:
    rows = []
    for s in [(2, 3), (4, 1), (1, 3, 5), (2, 3, 4, 4), (2, 2, 1, 3, 2)]:
        text = f"F.layer_norm(a[0], ({s[-1]},), a[1], a[2])"
        rows.append(Case("layer_norm", norm, (s, s[-1:], s[-1:]), {}, text))
        rows.append(Case("rms_norm", norm, (s, s[-1:]), {}, f"F.rms_norm(a[0], ({s[-1]},), a[1], 1e-5)"))
        rows.append(
            Case(
                "layer_norm", norm, (s, s[1:], s[1:]), {"axes": len(s) - 1}, f"F.layer_norm(a[0], {s[1:]}, a[1], a[2])"
            )
        )
    for s, g in [((2, 4, 3), 2), ((1, 6, 2, 2), 3), ((3, 4, 5), 4), ((2, 2, 3), 1)]:
        rows.append(
            Case("group_norm", norm, (s, (s[1],), (s[1],)), {"groups": g}, f"F.group_norm(a[0], {g}, a[1], a[2])")
        )
    return rows


def reductions() -> list[Case]:
    names = [("sum", "torch.sum"), ("mean", "torch.mean"), ("max", "torch.amax"), ("min", "torch.amin")]
    names += [("norm", "torch.linalg.vector_norm")]
    rows = []
    for name, function in names:
        order = "2, " if name == "norm" else ""
        for s, axes in [
            ((3,), (0,)),
            ((2, 5), (1,)),
            ((2, 3, 4), (1, 2)),
            ((2, 3, 4), (0,)),
            ((2, 1, 3), (1,)),
            ((2, 3), (0, 1)),
        ]:
            for keep in (False, True):
                settings = {"axis": axes, "keepdims": keep}
                rows.append(Case(name, reduce, (s,), settings, f"{function}(a[0], {order}dim={axes}, keepdim={keep})"))
    return rows


def shapes() -> list[Case]:
    rows = [
        Case("reshape", shape, ((2, 3, 4),), {"shape": (2, 12)}, "a[0].reshape(2, 12)"),
        Case("reshape", shape, ((2, 3, 4),), {"shape": (4, -1)}, "a[0].reshape(4, -1)"),
        Case("flatten", shape, ((2, 3, 4),), {}, "a[0].flatten(1)"),
        Case("flatten", shape, ((3,),), {}, "a[0][:, None]"),
        Case("transpose", shape, ((2, 3, 4),), {}, "a[0].mT"),
        Case("permute", shape, ((2, 3, 4),), {"axes": (0, 2, 1)}, "a[0].permute(0, 2, 1)"),
        Case("permute", shape, ((2, 3, 4, 5),), {"axes": (3, 0, 2, 1)}, "a[0].permute(3, 0, 2, 1)"),
        Case("concat", shape, ((2, 3), (2, 1), (2, 4)), {"axis": 1}, "torch.cat(a, 1)"),
        Case("concat", shape, ((2, 3),), {"axis": 0}, "torch.cat(a, 0)"),
        Case("stack", shape, ((2, 3), (2, 3)), {"axis": 1}, "torch.stack(a, 1)"),
        Case("stack", shape, ((2,), (2,)), {"axis": -1}, "torch.stack(a, -1)"),
        Case("index", shape, ((2, 3, 4),), {"key": (slice(None), 1)}, "a[0][:, 1]"),
        Case(
            "index", shape, ((2, 5, 4),), {"key": (slice(None), slice(1, -1), slice(0, 4, 3))}, "a[0][:, 1:-1, 0:4:3]"
        ),
        Case("index", shape, ((2, 5, 4),), {"key": (..., -1)}, "a[0][..., -1]"),
        Case("expand", shape, ((2, 1, 4),), {"shape": (2, 3, 4)}, "a[0].expand(2, 3, 4)"),
        Case("expand", shape, ((3,),), {"shape": (5, 3)}, "a[0].expand(5, 3)"),
        Case("pad", shape, ((2, 3),), {"widths": ((0, 0), (1, 2))}, "F.pad(a[0], (1, 2))"),
        Case(
            "pad",
            shape,
            ((2, 3, 2),),
            {"widths": ((0, 0), (1, 0), (0, 2)), "value": 1.5},
            "F.pad(a[0], (0, 2, 1, 0), value=1.5)",
        ),
        Case("flip", shape, ((2, 3, 4),), {"axis": (2,)}, "a[0].flip(2)"),
        Case("flip", shape, ((2, 3, 4),), {"axis": (1, 2)}, "a[0].flip(1, 2)"),
        Case("roll", shape, ((2, 5),), {"shift": 2, "axis": 1}, "a[0].roll(2, 1)"),
        Case("roll", shape, ((2, 5, 3),), {"shift": -1, "axis": 2}, "a[0].roll(-1, 2)"),
    ]
    for spatial, f in [((3,), (2,)), ((3, 2), (2, 2)), ((1, 4), (3, 1)), ((2, 2, 3), (2, 1, 3))]:
        kind = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(f)]
        factor = tuple(float(k) for k in f)
        rows.append(
            Case(
                "upsample_nearest",
                shape,
                ((2, 3, *spatial),),
                {"factor": f},
                f"F.interpolate(a[0], scale_factor={factor})",
            )
        )
        text = f"F.interpolate(a[0], scale_factor={factor}, mode='{kind}', align_corners=False)"
        rows.append(Case("upsample_linear", shape, ((2, 3, *spatial),), {"factor": f}, text))
    return rows


def losses() -> list[Case]:
    rows = []
    same = [
        ("squared_error", "0.5 * (a[0] - a[1]) ** 2", "sum"),
        ("mse", "(a[0] - a[1]) ** 2", "mean"),
        ("mae", "(a[0] - a[1]).abs()", "mean"),
        ("huber", "F.huber_loss(a[0], a[1], reduction='none')", "mean"),
        ("hinge", "F.relu(1 - a[0] * a[1])", "mean"),
        ("perceptron_loss", "torch.clamp(-a[0] * a[1], min=0)", "mean"),
    ]
    for name, text, how in same:
        for s in [(4,), (1, 3), (3, 2), (2, 3, 2)]:
            weights = [None, 2.0, tuple(range(1, s[-1] + 1))] if len(s) > 1 else [None, 0.5]
            for mean, weight in [(m, w) for m in (False, True) for w in weights]:
                factor = "" if weight is None else f" * torch.tensor({weight})"
                each = f"({text}{factor}).reshape({s[0]}, -1).{how}(1)"
                rows.append(
                    Case(name, loss, (s, s), {"mean": mean, "weight": weight}, f"{each}.mean()" if mean else each)
                )
    for s, axis in [((4, 3), 1), ((1, 2), -1), ((2, 5, 3), -1), ((2, 4, 3, 2), 1)]:
        labels = Labels(tuple(n for k, n in enumerate(s) if k != axis % len(s)), s[axis])
        moved = f"a[0].movedim({axis}, 1)"
        for mean in (False, True):
            after = f".reshape({s[0]}, -1).mean(1)" + (".mean()" if mean else "")
            common = {"axis": axis, "mean": mean}
            rows += [
                Case(
                    "cross_entropy",
                    loss,
                    (s, labels),
                    common,
                    f"F.cross_entropy({moved}, a[1], reduction='none'){after}",
                ),
                Case(
                    "cross_entropy",
                    loss,
                    (s, labels),
                    {**common, "label_smoothing": 0.2},
                    f"F.cross_entropy({moved}, a[1], reduction='none', label_smoothing=0.2){after}",
                ),
                Case("nll", loss, (s, labels), common, f"F.nll_loss({moved}, a[1], reduction='none'){after}"),
                Case(
                    "soft_cross_entropy",
                    loss,
                    (s, s),
                    {**common, "label_smoothing": 0.1},
                    f"F.cross_entropy({moved}, a[1].movedim({axis}, 1), reduction='none', label_smoothing=0.1){after}",
                ),
            ]
    for s in [(4,), (3, 2), (2, 1, 3)]:
        for mean in (False, True):
            after = f".reshape({s[0]}, -1).mean(1)" + (".mean()" if mean else "")
            text = "F.binary_cross_entropy_with_logits(a[0], a[1], reduction='none')"
            rows.append(Case("binary_cross_entropy", loss, (s, s), {"mean": mean}, text + after))
            if len(s) > 1:
                text = f"F.kl_div(a[0], a[1], reduction='none').sum(-1).reshape({s[0]}, -1).mean(1)" + (
                    ".mean()" if mean else ""
                )
                rows.append(Case("kl_divergence", loss, (s, s), {"mean": mean}, text, positive=True))
    return rows


def lrn() -> list[Case]:
    return [
        Case("local_response_norm", norm, (s,), {"size": n, "alpha": 0.3}, f"F.local_response_norm(a[0], {n}, 0.3)")
        for s, n in [((2, 5, 3), 2), ((1, 4, 2, 2), 3), ((2, 3, 4), 5), ((2, 1, 2), 1)]
    ]


CASES = [
    *(*unary(), *binary(), *elementwise(), *products(), *sequences(), *convolutions(), *pools(), *norms(), *lrn()),
    *(*reductions(), *shapes(), *losses()),
]


def draw(case: Case, rng: np.random.Generator, dtype: str = "float64") -> list[np.ndarray[Any, Any]]:
    """Arrays for a case: normal numbers, or numbers in [0.5, 1.5] where the function wants positive ones."""
    arrays = []
    for entry in case.arrays:
        if isinstance(entry, Labels):
            arrays.append(rng.integers(0, entry.classes, entry.shape))
        elif case.positive:
            arrays.append(np.asarray(rng.uniform(0.5, 1.5, entry), dtype))
        else:
            arrays.append(np.asarray(rng.standard_normal(entry), dtype))
    return arrays
