"""Rows of layers: linear, activation, pooling, normalisation, noise, sequence."""

from __future__ import annotations

from typing import Any

from case import Bad, Case, T

SHAPES: tuple[tuple[int, ...], ...] = (
    *((), (1,), (5,), (3, 4), (1, 7), (2, 3, 4), (1, 1, 1), (2, 3, 5, 4), (2, 1, 3, 2, 2)),
)


def unary(
    low: float = -2.0, high: float = 2.0, avoid: tuple[float, ...] = (), differentiable: bool = True
) -> list[Case]:
    """A function of one number, on every rank."""
    return [Case((T(shape, low=low, high=high, avoid=avoid),), differentiable=differentiable) for shape in SHAPES]


def kink(*values: float, settings: dict[str, Any] | None = None) -> Case:
    return Case((T((len(values),), values=values),), settings or {}, why="kink", differentiable=False)


def image(shape: tuple[int, ...], *settings: dict[str, Any], distinct: bool = False) -> list[Case]:
    """One shape, several settings."""
    return [Case((T(shape, distinct=distinct),), s) for s in settings]


INT = T((3,), "int32", 0, 4)
LABEL = T((), "class(5)")

LINEAR: dict[str, list[Case]] = {
    "dense": [
        *(Case((T(shape),), {"units": 4}) for shape in SHAPES if shape),
        Case((T((6,)),), {"units": 1, "bias": False}),
        Case((T((3, 5)),), {"units": 7, "bias": False}),
    ],
    "conv": [
        *image((3, 8, 8), {"channels": 4, "kernel": 3}, {"channels": 4, "kernel": 3, "padding": 1, "bias": False}),
        *image(
            (3, 9, 7),
            {"channels": 2, "kernel": 3, "stride": 2},
            {"channels": 2, "kernel": 3, "stride": 2, "padding": 1},
        ),
        *image(
            (4, 7, 9), {"channels": 6, "kernel": 3, "groups": 2}, {"channels": 8, "kernel": 3, "groups": 4, "stride": 2}
        ),
        *image(
            (2, 9, 9),
            {"channels": 3, "kernel": 3, "dilation": 2},
            {"channels": 3, "kernel": 2, "dilation": 3, "padding": 2},
        ),
        *image(
            (2, 6, 8),
            {"channels": 3, "kernel": (1, 3)},
            {"channels": 3, "kernel": (3, 2), "stride": (2, 1), "padding": (1, 0)},
        ),
        *image(
            (2, 6, 7), {"channels": 3, "kernel": 3, "padding": "same"}, {"channels": 3, "kernel": 4, "padding": "same"}
        ),
        *image(
            (2, 6, 7),
            {"channels": 3, "kernel": (2, 3), "padding": "same", "dilation": (3, 1)},
            {"channels": 5, "kernel": 1},
        ),
        *image((1, 5, 5), {"channels": 1, "kernel": 5}, {"channels": 2, "kernel": 5, "stride": 3, "padding": 2}),
        *image(
            (3, 11),
            {"channels": 4, "kernel": 3},
            {"channels": 2, "kernel": 5, "stride": 2, "padding": 2, "dilation": 2},
        ),
        *image((4, 8), {"channels": 4, "kernel": 3, "groups": 4, "padding": "same"}),
        *image(
            (2, 5, 4, 6),
            {"channels": 3, "kernel": 2},
            {"channels": 2, "kernel": (3, 2, 1), "stride": (1, 2, 3), "padding": 1},
        ),
    ],
    "conv_transpose": [
        *image((3, 4, 5), {"channels": 2, "kernel": 3}, {"channels": 2, "kernel": 3, "stride": 2, "bias": False}),
        *image((3, 4, 5), {"channels": 2, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1}),
        *image((4, 3, 3), {"channels": 6, "kernel": 3, "groups": 2}, {"channels": 4, "kernel": 2, "dilation": 2}),
        *image(
            (2, 4, 4),
            {"channels": 3, "kernel": (2, 3), "stride": (2, 1), "padding": (0, 1)},
            {"channels": 1, "kernel": 1},
        ),
        *image((3, 6), {"channels": 2, "kernel": 4, "stride": 2, "padding": 1}),
        *image((2, 3, 2, 3), {"channels": 3, "kernel": 2, "stride": 2}),
    ],
    "embedding": [
        *(Case((T(s, "class(7)"),), {"vocab": 7, "features": 3}) for s in ((), (1,), (4,), (2, 3), (2, 1, 3))),
        Case((T((5,), "int32", 0, 6),), {"vocab": 6, "features": 1}),
        Case((T((3, 2), "int32", 0, 4),), {"vocab": 9, "features": 4}),
        Case((T((4,), "class(3)"),), {"vocab": 5, "features": 2}),
        Case((T((4,), "int32", values=(1, 1, 1, 2)),), {"vocab": 3, "features": 2}, why="one row read several times"),
    ],
    "matmul": [
        *(
            Case((T(a), T(b)))
            for a, b in [((3, 4), (4, 2)), ((1, 1), (1, 1)), ((4,), (4,)), ((4,), (4, 3)), ((2, 4), (4,))]
        ),
        *(
            Case((T(a), T(b)))
            for a, b in [((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (3, 4, 2)), ((3, 4), (2, 4, 5)), ((5,), (2, 5, 3))]
        ),
        *(
            Case((T(a), T(b, batched=False)))
            for a, b in [((3, 4), (4, 2)), ((4,), (4, 3)), ((3, 4), (2, 4, 5)), ((4,), (4,))]
        ),
        *(
            Case((T(a, batched=False), T(b)))
            for a, b in [((3, 4), (4, 2)), ((3, 4), (4,)), ((2, 3, 4), (4, 5)), ((4,), (2, 4, 3))]
        ),
    ],
}

ACTIVATION: dict[str, list[Case]] = {
    **{name: unary() for name in ("identity", "sigmoid", "tanh", "silu", "mish", "softplus")},
    "selu": [*unary(avoid=(0.0,)), kink(-1.0, 0.0, 1.0)],
    "relu": [*unary(avoid=(0.0,)), kink(-1.0, 0.0, 1.0)],
    "relu6": [*unary(-2.0, 8.0, avoid=(0.0, 6.0)), kink(-1.0, 0.0, 6.0, 7.0)],
    "leaky_relu": [*unary(avoid=(0.0,)), kink(-1.0, 0.0, 1.0), Case((T((3, 4), avoid=(0.0,)),), {"slope": 0.2})],
    "elu": [*unary(avoid=(0.0,)), kink(-1.0, 0.0, 1.0), Case((T((3, 4), avoid=(0.0,)),), {"alpha": 0.5})],
    "gelu": [
        *unary(),
        *(Case((T(s),), {"approximate": "tanh"}) for s in SHAPES),
        Case((T((3,), values=(-9.0, 0.0, 9.0)),)),
    ],
    "hard_sigmoid": [*unary(-4.0, 4.0, avoid=(-3.0, 3.0)), kink(-3.0, 0.0, 3.0)],
    "hard_swish": [*unary(-4.0, 4.0, avoid=(-3.0, 3.0)), kink(-3.0, 0.0, 3.0)],
    "sign": [*unary(avoid=(0.0,), differentiable=False), kink(-1.0, 0.0, 1.0)],
    "step": [*unary(avoid=(0.0,), differentiable=False), kink(-1.0, 0.0, 1.0)],
    "prelu": [
        *unary(avoid=(0.0,)),
        kink(-1.0, 0.0, 1.0),
        *(Case((T(s, avoid=(0.0,)),), {"count": s[0]}) for s in SHAPES if s),
    ],
    **{
        name: [
            *(Case((T(shape),)) for shape in SHAPES if shape),
            *(Case((T((3, 4, 2)),), {"axis": axis}) for axis in (0, 1, 2, -2)),
            Case((T((4,), values=(1000.0, 0.0, -1000.0, 999.0)),), why="large logits", differentiable=False),
        ]
        for name in ("softmax", "log_softmax")
    },
}

_WINDOWS: list[Case] = [
    *image((3, 8, 8), {"size": 2}, {"size": 3, "stride": 2}, {"size": 3, "stride": 2, "padding": 1}, distinct=True),
    *image((2, 7, 9), {"size": 2}, {"size": 2, "ceil": True}, {"size": 3, "stride": 2, "ceil": True}, distinct=True),
    *image(
        (2, 7, 6), {"size": 3, "stride": 2, "padding": 1, "ceil": True}, {"size": (3, 2)}, {"size": 1}, distinct=True
    ),
    *image(
        (1, 5, 5),
        {"size": 5},
        {"size": 2, "stride": 1},
        {"size": (2, 3), "stride": (1, 2), "padding": (1, 0)},
        distinct=True,
    ),
    *image(
        (3, 9),
        {"size": 2},
        {"size": 3, "stride": 2, "padding": 1, "ceil": True},
        {"size": 2, "stride": 3},
        distinct=True,
    ),
    *image((2, 4, 5, 6), {"size": 2}, {"size": (1, 2, 3), "stride": 2, "ceil": True}, distinct=True),
    *image((1, 2, 2), {"size": 3, "stride": 2, "ceil": True}, distinct=True),
]
_SPATIAL = ((3, 4, 4), (1, 5, 3), (2, 1, 1), (3, 7), (1, 1), (2, 3, 2, 4), (4, 1, 6), (2, 2, 5, 1))

POOLING: dict[str, list[Case]] = {
    "max_pool": [*_WINDOWS, Case((T((1, 2, 2), values=(1.0, 1.0, 1.0, 1.0)),), {"size": 2}, "tie", False)],
    "avg_pool": [*_WINDOWS, *(c._replace(settings={**c.settings, "count_include_pad": False}) for c in _WINDOWS)],
    "adaptive_avg_pool": [
        *image((3, 8, 8), {"size": 1}, {"size": 4}, {"size": 3}, {"size": (2, 5)}),
        *image((2, 7, 5), {"size": 3}, {"size": (7, 2)}),
        *image((2, 3, 3), {"size": 5}),
        *image((3, 10), {"size": 4}, {"size": 1}),
        *image((2, 4, 5, 3), {"size": 2}),
    ],
    "global_avg_pool": [Case((T(shape),)) for shape in _SPATIAL],
    "global_max_pool": [
        *(Case((T(shape, distinct=True),)) for shape in _SPATIAL),
        Case((T((1, 2, 2), values=(1.0, 1.0, 0.0, 1.0)),), why="tie", differentiable=False),
    ],
}

NORMALISATION: dict[str, list[Case]] = {
    "batch_norm": [
        *(Case((T(shape),)) for shape in ((1,), (5,), (3, 4), (1, 7), (2, 3, 4), (3, 5, 1), (2, 3, 2, 2))),
        *image((3, 4, 2), {"eps": 1e-3}, {"momentum": 0.5}, {"affine": False}),
    ],
    "layer_norm": [
        *(Case((T(shape),)) for shape in ((5,), (3, 4), (2, 3, 4), (1, 7), (2, 1, 6), (2, 3, 2, 5))),
        *image((3, 6), {"eps": 1e-3}, {"affine": False}, {"bias": False}),
    ],
    "rms_norm": [
        *(Case((T(shape),)) for shape in ((5,), (3, 4), (2, 3, 4), (1, 7), (2, 1, 6), (2, 3, 2, 5))),
        *image((3, 6), {"eps": 1e-3}, {"affine": False}),
    ],
    "group_norm": [
        *(Case((T(shape),), {"groups": 2}) for shape in ((4,), (4, 5), (2, 3, 4), (6, 1, 4), (4, 2, 3, 2))),
        *image((6, 3, 2), {"groups": 1}, {"groups": 6}, {"groups": 3, "eps": 1e-3}, {"groups": 2, "affine": False}),
    ],
    "instance_norm": [
        *(Case((T(shape),)) for shape in ((3, 4), (1, 5), (2, 3, 4), (3, 5, 2), (2, 3, 2, 2), (1, 2, 2))),
        *image((3, 4, 2), {"eps": 1e-3}, {"affine": True}),
    ],
    "local_response_norm": [
        *(Case((T(shape),), {"size": 3}) for shape in ((5, 4), (1, 5), (4, 3, 4), (3, 5, 1), (4, 2, 3, 2))),
        *image((6, 3, 2), {"size": 2}, {"size": 5, "alpha": 0.1}, {"size": 3, "beta": 0.5, "k": 2.0}),
    ],
}

NOISE: dict[str, list[Case]] = {
    "dropout": [*unary(), *image((4, 3), {"p": 0.1}, {"p": 0}, {"p": 1})],
    "drop_path": [Case((T(shape),), {"p": 0.2}) for shape in SHAPES],
    "gaussian_noise": [Case((T(shape),), {"std": 0.1}) for shape in SHAPES],
    "bernoulli": unary(0.0, 1.0, avoid=(0.5,), differentiable=False),
}


def recurrent(*extra: dict[str, Any]) -> list[Case]:
    """One layer, several, both directions, without biases; one step, one feature, one sequence for all examples.

    Few rows: JAX compiles a loop for each run, forward and backward.
    """
    return [
        *image((5, 3), {"units": 4}, {"units": 2, "layers": 2}, {"units": 3, "bidirectional": True}),
        *image((4, 2), {"units": 3, "bias": False}, {"units": 1, "layers": 2, "bidirectional": True, "bias": False}),
        *image((1, 3), {"units": 2}),
        *image((3, 1), {"units": 1}),
        Case((T((4, 3), batched=False),), {"units": 2}),
        *image((6, 2), *extra),
    ]


SEQUENCE: dict[str, list[Case]] = {
    "rnn": recurrent({"units": 3, "activation": "relu"}),
    "lstm": recurrent(),
    "gru": recurrent(),
    "rotary": [
        *(Case((T(shape),)) for shape in ((1, 2), (5, 4), (1, 6), (2, 7, 4), (2, 1, 3, 2))),
        *image((6, 8), {"heads": 2}, {"heads": 4}, {"base": 100.0}, {"base": 1.0, "heads": 2}),
        Case((T((4, 4), batched=False),), {"heads": 2}),
    ],
    "attention": [
        *(Case((T((5, 4)), T((5, 4)), T((5, 4))), {"heads": h, "causal": c}) for h in (1, 2, 4) for c in (False, True)),
        Case((T((3, 4)), T((6, 4)), T((6, 2))), {"heads": 2}),
        Case((T((3, 4)), T((6, 4)), T((6, 2))), {"heads": 1, "causal": True}),
        Case((T((6, 4)), T((3, 4)), T((3, 4))), {"heads": 1, "causal": True}),
        Case((T((1, 2)), T((1, 2)), T((1, 2))), {"heads": 1, "causal": True}),
        Case((T((2, 3, 4)), T((2, 5, 4)), T((2, 5, 6))), {"heads": 2}),
    ],
    "sinusoidal": [
        *(Case((T(shape),)) for shape in ((1, 1), (1, 4), (5, 6), (7, 5), (2, 4, 6), (2, 1, 3, 2))),
        *image((9, 4), {"base": 100.0}, {"base": 1.0}),
    ],
    "self_attention": [
        *image((5, 4), {"heads": 1}, {"heads": 2}, {"heads": 4, "causal": True}, {"heads": 2, "bias": False}),
        *image((1, 2), {"heads": 1}, {"heads": 2, "causal": True}),
        *image((7, 6), {"heads": 3, "causal": True, "bias": False}, {"heads": 1, "causal": True}),
    ],
    "positional": [
        *image((5, 4), {"length": 5}, {"length": 8}),
        *image((1, 4), {"length": 1}, {"length": 3}),
        *image((7, 1), {"length": 7}, {"length": 10}),
        *image((2, 6), {"length": 2}, {"length": 64}),
    ],
}

BAD: dict[str, list[Bad]] = {
    "dense": [
        Bad((T(()),), {"units": 3}, "E0305", "C1"),
        Bad((LABEL._replace(shape=(3,)),), {"units": 3}, "E0302", "dtype"),
    ],
    "conv": [
        Bad((T((16, 5, 5)),), {"channels": 4, "kernel": 7}, "E0301", "C3"),
        Bad((T((16, 5, 5)),), {"channels": 4, "kernel": 3, "dilation": 3}, "E0301", "C3"),
        Bad((T((3,)),), {"channels": 4, "kernel": 3}, "E0305", "C1"),
        Bad((T((1, 2, 3, 4, 5)),), {"channels": 4, "kernel": 3}, "E0305", "C1"),
        Bad((T((3, 8, 8)),), {"channels": 4, "kernel": (3, 3, 3)}, "E0306", "C2"),
        Bad((T((3, 8, 8)),), {"channels": 4, "kernel": 0}, "E0306", "C2"),
        Bad((T((3, 8, 8)),), {"channels": 4, "kernel": 3, "groups": 2}, "E0314", "C4"),
        Bad((T((4, 8, 8)),), {"channels": 3, "kernel": 3, "groups": 2}, "E0314", "C4"),
        Bad((T((4, 8, 8)),), {"channels": 3, "kernel": 3, "stride": 2, "padding": "same"}, "E0306", "C6"),
        Bad((T((4, 8, 8), "int32"),), {"channels": 3, "kernel": 3}, "E0302", "dtype"),
    ],
    "conv_transpose": [
        Bad((T((2, 1, 1)),), {"channels": 2, "kernel": 1, "padding": 1}, "E0301", "C3"),
        Bad((T((3, 4, 4)),), {"channels": 2, "kernel": 3, "groups": 2}, "E0314", "C4"),
        Bad((T((3, 4, 4)),), {"channels": 2, "kernel": 3, "stride": 2, "output_padding": 2}, "E0306", "C6"),
        Bad((T((3,)),), {"channels": 2, "kernel": 3}, "E0305", "C1"),
    ],
    "embedding": [
        Bad((T((3,)),), {"vocab": 5, "features": 2}, "E0302", "C1"),
        Bad((T((3,), "class(9)"),), {"vocab": 5, "features": 2}, "E0315", "C3"),
    ],
    **{
        name: [
            Bad((T((3,)),), {"units": 4}, "E0305", "C1"),
            Bad((T(()),), {"units": 4}, "E0305", "C1"),
            Bad((T((2, 5, 3)),), {"units": 4}, "E0305", "C1"),
            Bad((T((5, 3)),), {"units": 4, "layers": 0}, "E0306", "C3"),
            Bad((T((5, 3), "int32"),), {"units": 4}, "E0302", "dtype"),
        ]
        for name in ("rnn", "lstm", "gru")
    },
    "rotary": [
        Bad((T((4,)),), {}, "E0305", "C1"),
        Bad((T((5, 3)),), {}, "E0314", "C3"),
        Bad((T((5, 6)),), {"heads": 2}, "E0314", "C3"),
        Bad((T((5, 4), "int32"),), {}, "E0302", "dtype"),
    ],
    "matmul": [
        Bad((T((3, 4)), T((3, 4))), {}, "E0303", "C2"),
        Bad((T(()), T((3, 4))), {}, "E0305", "C1"),
        Bad((T((2, 3, 4)), T((3, 4, 5))), {}, "E0303", "broadcast"),
        Bad((T((4,)), T((5,))), {}, "E0303", "C2"),
    ],
    **{
        name: [Bad((INT,), {}, "E0302", "dtype"), Bad((LABEL,), {}, "E0302", "dtype")]
        for name in ("relu", "tanh", "gelu")
    },
    "prelu": [Bad((T((3, 4)),), {"count": 4}, "E0306", "C1")],
    "softmax": [Bad((T(()),), {}, "E0305", "C1"), Bad((T((3, 4)),), {"axis": 2}, "E0305", "C1")],
    "log_softmax": [Bad((T((3, 4)),), {"axis": -3}, "E0305", "C1"), Bad((INT,), {}, "E0302", "dtype")],
    **{
        name: [
            Bad((T((3, 4, 4)),), {"size": 5}, "E0301", "C3"),
            Bad((T((3, 4, 4)),), {"size": 2, "padding": 2}, "E0306", "C4"),
            Bad((T((3,)),), {"size": 2}, "E0305", "C1"),
            Bad((T((3, 4, 4)),), {"size": (2,)}, "E0306", "C2"),
            Bad((T((3, 4, 4), "int32"),), {"size": 2}, "E0302", "dtype"),
        ]
        for name in ("max_pool", "avg_pool")
    },
    "adaptive_avg_pool": [
        Bad((T((3,)),), {"size": 2}, "E0305", "C1"),
        Bad((T((3, 4)),), {"size": (2, 2)}, "E0306", "C2"),
    ],
    "global_avg_pool": [Bad((T((3,)),), {}, "E0305", "C1")],
    "global_max_pool": [Bad((T(()),), {}, "E0305", "C1")],
    "batch_norm": [Bad((T(()),), {}, "E0305", "C1"), Bad((T((3, 4), batched=False),), {}, "E0306", "C3")],
    "layer_norm": [Bad((T(()),), {}, "E0305", "C1"), Bad((INT,), {}, "E0302", "dtype")],
    "rms_norm": [Bad((T(()),), {}, "E0305", "C1")],
    "group_norm": [Bad((T((3, 4)),), {"groups": 2}, "E0314", "C3")],
    "instance_norm": [Bad((T((3,)),), {}, "E0305", "C1")],
    "local_response_norm": [Bad((T((3,)),), {"size": 3}, "E0305", "C1")],
    "dropout": [Bad((INT,), {}, "E0302", "dtype")],
    "gaussian_noise": [Bad((T((3,)),), {"std": -1.0}, "E0306", "C1")],
    "attention": [
        Bad((T((5, 4)), T((5, 4)), T((5, 4))), {"heads": 3}, "E0314", "C3"),
        Bad((T((5, 4)), T((5, 4)), T((5, 3))), {"heads": 2}, "E0314", "C3"),
        Bad((T((5, 4)), T((5, 3)), T((5, 4))), {"heads": 1}, "E0303", "C2"),
        Bad((T((5, 4)), T((6, 4)), T((5, 4))), {"heads": 1}, "E0303", "C2"),
        Bad((T((2, 5, 4)), T((5, 4)), T((5, 4))), {"heads": 1}, "E0303", "C1"),
        Bad((T((5,)), T((5,)), T((5,))), {"heads": 1}, "E0305", "C1"),
    ],
    "sinusoidal": [Bad((T((4,)),), {}, "E0305", "C1")],
}
