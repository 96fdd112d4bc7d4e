"""Rows of functions: shape, arithmetic, reductions, constants, losses."""

from __future__ import annotations

from typing import Any

from case import Bad, Case, T
from cases_layers import SHAPES, image, kink, unary

from nnspec.ops.index import Slice

PAIRS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    *(
        ((), ()),
        ((3,), (3,)),
        ((1,), (4,)),
        ((2, 3), (2, 3)),
        ((2, 3), (1, 3)),
        ((2, 1), (1, 3)),
        ((2, 3, 4), (2, 3, 4)),
    ),
    *(
        ((3,), (2, 3)),
        ((2, 3, 4), (4,)),
        ((), (2, 3)),
        ((2, 1, 4), (3, 1)),
        ((1, 1, 1), (2,)),
        ((2, 3, 1, 2), (3, 4, 1)),
    ),
)


def binary(a: Any = {}, b: Any = {}, differentiable: bool = True) -> list[Case]:  # noqa: B006  # never changed
    """Two operands: all ranks and broadcasts, then a param on either side, also one of higher rank."""
    both = [Case((T(p, **a), T(q, **b)), differentiable=differentiable) for p, q in PAIRS]
    some = PAIRS[2:9]
    right = [Case((T(p, **a), T(q, **b, batched=False)), differentiable=differentiable) for p, q in some]
    left = [Case((T(p, **a, batched=False), T(q, **b)), differentiable=differentiable) for p, q in some]
    return both + right + left


def mixed(*dtypes: str) -> list[Case]:
    """Operands of other dtypes than float32."""
    return [Case(tuple(T((3, 4), d, 1, 4) for d in dtypes), why="dtypes", differentiable=False)]


FIRST = {"low": -2.0, "high": -0.1}  # entries that cannot meet those of SECOND
SECOND = {"low": 0.1, "high": 2.0}
INT = T((3,), "int32", 0, 4)
BOOL = {"dtype": "bool"}

OPERATORS: dict[str, list[Case]] = {
    **{name: [*binary(), *mixed("int32", "float32"), *mixed("int32", "int32")] for name in ("+", "-", "*")},
    "/": [*binary(b=SECOND), *mixed("int32", "int32"), *mixed("float32", "int32")],
    "^": [
        *binary(a=SECOND, b={"low": -2.0, "high": 2.0}),
        Case((T((3,), values=(0.0, 2.0, 3.0)), T((3,), values=(2.0, 0.0, 1.0))), why="0^2, x^0", differentiable=False),
        *(case._replace(differentiable=False) for case in mixed("int32", "int32")),  # the base may be negative
    ],
    "neg": [*unary(), *mixed("int32")],
    **{name: [*binary(FIRST, SECOND, False), *mixed("int32", "int32")] for name in ("<", "<=", ">", ">=", "==", "!=")},
    **{name: [Case((T(p, "bool"), T(q, "bool")), differentiable=False) for p, q in PAIRS] for name in ("and", "or")},
    "not": [Case((T(shape, "bool"),), differentiable=False) for shape in SHAPES],
    "[]": [
        *(Case((T(shape),), {"items": (0,)}) for shape in SHAPES if shape),
        *image((4, 5), {"items": (-1,)}, {"items": (1, -2)}, {"items": (Slice(), 2)}, {"items": (Slice(1, 3),)}),
        *image((6, 5), {"items": (Slice(None, None, 2), Slice(1, None, 3))}, {"items": (Slice(-3, -1), 0)}),
        *image((6, 3, 2), {"items": (2, Slice(0, 2), 1)}, {"items": (Slice(4, 99), Slice(-99, 2))}),
    ],
}

SHAPE: dict[str, list[Case]] = {
    "flatten": [Case((T(shape),)) for shape in SHAPES],
    "reshape": [
        *image((), {"shape": (1,)}, {"shape": (1, 1)}),
        *image((1,), {"shape": ()}),
        *image((12,), {"shape": (3, 4)}, {"shape": (2, -1)}, {"shape": (-1,)}),
        *image((2, 3, 4), {"shape": (4, 6)}, {"shape": (-1, 2)}, {"shape": (1, 24, 1)}, {"shape": (2, 2, 3, 2)}),
    ],
    "permute": [
        *image((3,), {"axes": (0,)}),
        *image((2, 3), {"axes": (1, 0)}, {"axes": (0, 1)}),
        *image((2, 3, 4), {"axes": (2, 0, 1)}, {"axes": (1, 2, 0)}, {"axes": (-1, 0, -2)}),
        *image((2, 1, 3, 4), {"axes": (3, 1, 0, 2)}, {"axes": (0, 2, 3, 1)}),
    ],
    "transpose": [
        Case((T(s),)) for s in ((2, 3), (1, 4), (4, 1), (1, 1), (2, 3, 4), (3, 1, 2), (2, 3, 4, 5), (2, 1, 2, 1, 3))
    ],
    "concat": [
        Case((T((3,)), T((4,)))),
        Case((T((1,)), T((1,)), T((2,)))),
        Case((T((2, 3)), T((4, 3)))),
        *(Case((T((2, 3)), T((2, 5)), T((2, 1))), {"axis": axis}) for axis in (1, -1)),
        Case((T((2, 3, 4)), T((1, 3, 4)))),
        Case((T((2, 3, 4)), T((2, 1, 4))), {"axis": -2}),
        Case((T((1, 4), batched=False), T((3, 4))), why="a param first"),
        Case((T((3, 4)), T((3, 2), batched=False)), {"axis": 1}, why="a param last"),
        Case((T((2,), "int32", 0, 4), T((3,))), why="dtypes", differentiable=False),
        Case((T((2, 3)),), why="one tensor"),
    ],
    "stack": [
        Case((T(()), T(()))),
        Case((T((3,)), T((3,)))),
        *(Case((T((3,)), T((3,)), T((3,))), {"axis": axis}) for axis in (0, 1, -1, -2)),
        *(Case((T((2, 3)), T((2, 3))), {"axis": axis}) for axis in (0, 1, 2)),
        Case((T((2, 3)), T((2, 3), batched=False)), {"axis": 1}, why="a param"),
    ],
    "split": [
        *image((6,), {"parts": 2}, {"parts": 6}, {"parts": (1, 2, 3)}),
        *image((4, 6), {"parts": 2}, {"parts": 3, "axis": 1}, {"parts": (2, 4), "axis": -1}),
        *image((2, 6, 3), {"parts": 3, "axis": 1}, {"parts": (1, 1), "axis": 0}),
        *image((1, 4, 1), {"parts": 2, "axis": 1}),
    ],
    "take": [
        *image((5,), {"i": 0}, {"i": -1}, {"i": 3}),
        *image((4, 3), {"i": 2}, {"i": -2, "axis": 1}, {"i": 0, "axis": -1}),
        *image((2, 3, 4), {"i": 1, "axis": 1}, {"i": -1, "axis": 2}),
    ],
    "pad": [
        *image((4,), {"amount": 2}, {"amount": ((1, 0),)}),
        *image((2, 3), {"amount": 1}, {"amount": 1, "axis": 0}, {"amount": ((1, 2), (0, 3)), "axis": (0, 1)}),
        *image((2, 3, 4), {"amount": 1}, {"amount": (1, 2)}, {"amount": ((0, 1), (2, 0)), "value": -1.5}),
        *image((2, 2, 3, 2), {"amount": (0, 1, 2)}, {"amount": 0}),
    ],
    "flip": [
        *image((5,), {}),
        *image((3, 4), {}, {"axis": 0}, {"axis": (0, 1)}),
        *image((2, 3, 4), {"axis": 1}, {"axis": (-1, 0)}, {"axis": -2}),
        *image((1, 1), {}),
    ],
    "roll": [
        *image((5,), {"shift": 1}, {"shift": -2}, {"shift": 7}, {"shift": 0}),
        *image((3, 4), {"shift": 1, "axis": 0}, {"shift": -1}),
        *image((2, 3, 4), {"shift": 2, "axis": 1}, {"shift": 1, "axis": -1}),
    ],
    "upsample": [
        *image((2, 3, 4), {"factor": 2}, {"factor": 3}, {"factor": (1, 2)}, {"factor": 2, "mode": "bilinear"}),
        *image((1, 1, 1), {"factor": 2}, {"factor": 3, "mode": "linear"}),
        *image((3, 5), {"factor": 2}, {"factor": 3, "mode": "linear"}),
        *image((2, 2, 3, 2), {"factor": 2}, {"factor": (2, 1, 3), "mode": "trilinear"}),
    ],
    "shuffle_channels": [
        *image((6,), {"groups": 2}, {"groups": 3}, {"groups": 1}, {"groups": 6}),
        *image((4, 3), {"groups": 2}),
        *image((6, 2, 3), {"groups": 3}, {"groups": 2}),
        *image((4, 1, 2, 3), {"groups": 2}),
    ],
}

_AXES: list[dict[str, Any]] = [
    {},
    {"axis": 0},
    {"axis": -1},
    {"axis": (0, 2)},
    {"axis": 1, "keepdims": True},
    {"keepdims": True},
]
_TIES = T((2, 3), values=(1.0, 1.0, 0.0, 2.0, 2.0, 2.0))


def reduction(distinct: bool = False) -> list[Case]:
    every = [Case((T(shape, distinct=distinct),)) for shape in SHAPES]
    return (
        every
        + image((2, 3, 4), *_AXES, distinct=distinct)
        + image((1, 5), {"axis": 1}, {"axis": (0, 1)}, distinct=distinct)
    )


ARITHMETIC: dict[str, list[Case]] = {
    **{name: [*unary(), *mixed("int32")] for name in ("exp", "sin", "cos", "square")},
    **{name: [*unary(0.1, 3.0), *mixed("int32")] for name in ("log", "sqrt")},
    "abs": [*unary(avoid=(0.0,)), kink(-1.0, 0.0, 1.0), *mixed("int32")],
    **{
        name: [
            *binary(FIRST, SECOND),
            *binary(SECOND, FIRST)[:6],
            Case((T((3,), values=(1.0, 2.0, 3.0)), T((3,), values=(1.0, 3.0, 2.0))), why="tie", differentiable=False),
            Case((T((2, 3), **FIRST), T((3,), **SECOND), T((2, 1), low=3.0, high=4.0)), why="three operands"),
        ]
        for name in ("maximum", "minimum")
    },
    "clip": [
        *(Case((T(shape, avoid=(-1.0, 1.0)),), {"low": -1.0, "high": 1.0}) for shape in SHAPES),
        *image((3, 4), {"low": -9.0}, {"high": 9.0}),
        kink(-1.0, 0.0, 1.0, 2.0, settings={"low": -1.0, "high": 1.0}),
        *(c._replace(settings={"low": 2}) for c in mixed("int32")),
    ],
    "where": [
        *(Case((T(c, "bool"), T(a), T(b))) for c, a, b in [((), (), ()), ((3,), (3,), (3,)), ((2, 3), (2, 3), (2, 3))]),
        *(
            Case((T(c, "bool"), T(a), T(b)))
            for c, a, b in [((2, 1), (3,), ()), ((3,), (2, 3), (2, 1)), ((), (2, 3), (3,))]
        ),
        Case((T((3,), "bool"), T((3,), batched=False), T((3,)))),
        Case((T((3,), "bool"), T((3,)), T((2, 3), batched=False))),
        Case((T((2, 3), "bool"), T((3,), "int32", 0, 4), T((2, 3)))),
    ],
    **{name: [*reduction(), *mixed("int32")] for name in ("sum", "mean")},
    **{
        name: [*reduction(True), Case((_TIES,), {"axis": 1}, "ties", False), Case((_TIES,), {}, "ties", False)]
        for name in ("max", "min")
    },
    "norm": [
        *reduction(),
        Case((T((2, 2), values=(0.0, 0.0, 3.0, 4.0)),), {"axis": 1}, why="kink at 0", differentiable=False),
    ],
    "argmax": [
        *(Case((T(s, distinct=True),), differentiable=False) for s in SHAPES if s),
        *(Case((T((2, 3, 4), distinct=True),), {"axis": a}, differentiable=False) for a in (0, 1, -2)),
        Case((_TIES,), why="the first of ties", differentiable=False),
    ],
    "cast": [
        *(Case((T(s, low=-3, high=3),), {"dtype": "int32"}, differentiable=False) for s in SHAPES[:5]),
        Case((T((3, 2), "int32", -3, 3),), {"dtype": "float32"}, differentiable=False),
        Case((T((3,), "class(4)"),), {"dtype": "float32"}, differentiable=False),
        Case((T((3,), "bool"),), {"dtype": "float32"}, differentiable=False),
        Case((T((3,), "int32", 0, 2),), {"dtype": "bool"}, differentiable=False),
        Case((T((3, 2)),), {"dtype": "float32"}),
    ],
    "one_hot": [
        *(Case((T(s, "class(4)"),), differentiable=False) for s in ((), (1,), (3,), (2, 3), (2, 1, 3))),
        Case((T((3,), "class(4)"),), {"classes": 6}, differentiable=False),
        Case((T((3,), "int32", 0, 5),), {"classes": 5}, differentiable=False),
        Case((T((2, 2), "int32", 0, 1),), {"classes": 1}, differentiable=False),
    ],
    "stop_gradient": unary(differentiable=False),
    "constant": [
        *(Case((), {"value": v}) for v in (2, -1.5, (1, 2, 3), ((1.0, 0.5), (2, 3)), (((1,), (2,)),), ((0.25,),))),
        Case((), {"value": (1, 2), "dtype": "int32"}),
        Case((), {"value": (7,)}),
    ],
    **{
        name: [Case((), {"shape": s}) for s in ((1,), (3,), (2, 3), (1, 1), (2, 3, 4), (4, 1, 2), (2, 1, 2, 1), (8,))]
        for name in ("zeros", "ones")
    },
    "eye": [Case((), {"n": n}) for n in (1, 2, 3, 4, 5, 7, 8, 16)],
    "arange": [*(Case((), {"n": n}) for n in (1, 2, 3, 5, 8, 13, 21)), Case((), {"n": 4, "dtype": "float32"})],
}


def entries(target: dict[str, Any], prediction: dict[str, Any] | None = None, **settings: Any) -> list[Case]:
    p = prediction or {}
    rows = [Case((T(shape, **p), T(shape, **target)), settings) for shape in SHAPES]
    rows += [Case((T((1,), **p), T((), **target)), settings), Case((T((), **p), T((1,), **target)), settings)]
    return [*rows, Case((T((2, 3), **p), T((2, 3), **target)), {**settings, "weight": (1.0, 2.0, 0.5)})]


def classes(**settings: Any) -> list[Case]:
    """Logits and classes, on the default class axis of every rank."""
    shapes = [
        ((5,), ()),
        ((4, 5), (4,)),
        ((5, 2, 3), (2, 3)),
        ((5, 1, 4, 2), (1, 4, 2)),
        ((1, 5), (1,)),
        ((5, 3, 1), (3, 1)),
    ]
    return [Case((T(p), T(t, "class(5)")), settings) for p, t in shapes]


_IGNORED = T((4,), "int32", values=(0, -1, 4, -1))
_SIGNED = {"low": -1.0, "high": 1.0, "avoid": (0.0,)}
_FAR = {"low": 1.2, "high": 3.0}  # away from the hinge, on one side or the other

LOSS: dict[str, list[Case]] = {
    **{name: entries({}) for name in ("squared_error", "mse")},
    "mae": [
        *entries(SECOND, FIRST),
        Case((T((3,), values=(1.0, 2.0, 0.0)), T((3,), values=(1.0, 1.0, 1.0))), {}, "kink", False),
    ],
    "huber": [
        *entries({"low": 0.0, "high": 0.4}, {"low": 0.5, "high": 0.9}),
        *entries({"low": -9.0, "high": -3.0}, SECOND),
        Case((T((4,), low=-0.5, high=0.5), T((4,), low=3.0, high=4.0)), {"delta": 2.0}),
        Case((T((3,), values=(0.0, 1.0, -2.0)), T((3,), values=(0.0, 0.0, 0.0))), {"delta": 2.0}, "kink", False),
    ],
    "binary_cross_entropy": [
        *entries({"dtype": "class(2)"}),
        *entries({"low": 0.0, "high": 1.0}),
        Case((T((3,)), T((3,), "bool"))),
        Case((T((2,), values=(100.0, -100.0)), T((2,), values=(0.0, 1.0))), why="large logits", differentiable=False),
    ],
    **{
        name: [
            *entries({"dtype": "class(2)"}, _FAR),
            *(
                Case(
                    (T((4,), **_FAR), T((4,), values=(-1.0, 1.0, 1.0, -1.0))),
                )
                for _ in (0,)
            ),
            Case(
                (T((3,), values=(1.0, 0.0, -1.0)), T((3,), values=(1.0, 1.0, -1.0))), why="kink", differentiable=False
            ),
        ]
        for name in ("hinge", "perceptron_loss")
    },
    "cross_entropy": [
        *classes(),
        *classes(label_smoothing=0.1),
        *classes(weight=(1.0, 2.0, 0.5, 3.0, 0.25)),
        *classes(label_smoothing=0.2, weight=(1.0, 2.0, 0.5, 3.0, 0.25))[:3],
        *(Case((T(s), T(s, low=0.0, high=1.0, simplex=s == (3, 5)))) for s in ((5,), (3, 5), (5, 2, 3))),
        Case((T((3, 5)), T((3, 5), low=0.0, high=1.0)), {"label_smoothing": 0.1, "weight": (1.0, 2.0, 0.5, 3.0, 0.25)}),
        Case((T((5, 3)), T((3,), "class(5)")), {"axis": 0}),
        Case((T((2, 3, 5)), T((2, 3), "class(5)")), {"axis": -1}),
        Case((T((4, 5)), _IGNORED), {"ignore": -1}),
        Case((T((4, 5)), _IGNORED), {"ignore": -1, "label_smoothing": 0.1, "weight": (1.0, 2.0, 0.5, 3.0, 0.25)}),
        Case((T((2, 5)), T((2,), "int32", values=(-1, -1))), {"ignore": -1}, why="all ignored"),
        Case((T((5,)), T((1,), "class(5)")), why="[1] is a scalar"),
        Case((T((3,), values=(1000.0, 0.0, -1000.0)), T((), "class(3)")), why="large logits", differentiable=False),
    ],
    "nll": [
        *classes(),
        *classes(weight=(1.0, 2.0, 0.5, 3.0, 0.25)),
        Case((T((5, 3)), T((3,), "class(5)")), {"axis": 0}),
        Case((T((4, 5)), _IGNORED), {"ignore": -1}),
    ],
    "kl_divergence": [
        *(
            Case((T(s, low=-3.0, high=-0.1), T(s, low=0.1, high=1.0)))
            for s in ((5,), (1,), (3, 5), (1, 4), (5, 2, 3), (4, 1, 2, 2))
        ),
        Case((T((3, 5)), T((3, 5), low=0.1, high=1.0, simplex=True)), {"axis": 0}),
        Case((T((5,)), T((5,), low=0.1, high=1.0)), {"weight": (1.0, 2.0, 0.5, 3.0, 0.25)}),
        Case((T((3,)), T((3,), values=(0.0, 1.0, 0.0))), why="0 log 0", differentiable=False),
    ],
}

_UNEQUAL = [
    Bad((T((3,)), T((4,))), {}, "E0303", "C1"),
    Bad((T((3,)), T(())), {}, "E0303", "C1"),
    Bad((T((3, 1)), T((3,))), {}, "E0303", "C1"),
    Bad((T((3,), "int32"), T((3,))), {}, "E0302", "dtype"),
    Bad((T((2, 3)), T((2, 3))), {"weight": (1.0, 2.0)}, "E0303", "C3"),
]

BAD: dict[str, list[Bad]] = {
    **{name: [Bad((T((2, 3)), T((2, 4))), {}, "E0303", "broadcast")] for name in ("+", "/", "<")},
    "and": [Bad((T((3,)), T((3,), "bool")), {}, "E0302", "C2")],
    "not": [Bad((T((3,), "int32"),), {}, "E0302", "C2")],
    "[]": [
        Bad((T((3,)),), {"items": (3,)}, "E0305", "C2"),
        Bad((T((3,)),), {"items": (-4,)}, "E0305", "C2"),
        Bad((T((3,)),), {"items": (0, 0)}, "E0305", "C1"),
        Bad((T((3,)),), {"items": (Slice(2, 2),)}, "E0305", "C3"),
        Bad((T((3,)),), {"items": (Slice(0, 2, 0),)}, "E0306", "C3"),
        Bad((T(()),), {"items": (0,)}, "E0305", "C1"),
    ],
    "reshape": [
        Bad((T((3, 4)),), {"shape": (5, 2)}, "E0301", "C1"),
        Bad((T((3, 4)),), {"shape": (5, -1)}, "E0301", "C1"),
        Bad((T((3, 4)),), {"shape": (-1, -1)}, "E0306", "C2"),
    ],
    "permute": [Bad((T((2, 3)),), {"axes": (0, 0)}, "E0305", "C1"), Bad((T((2, 3)),), {"axes": (0,)}, "E0305", "C1")],
    "transpose": [Bad((T((3,)),), {}, "E0305", "C1")],
    "concat": [
        Bad((T((2, 3)), T((2, 4))), {}, "E0303", "C2"),
        Bad((T((2, 3)), T((3,))), {}, "E0303", "C1"),
        Bad((T(()), T(())), {}, "E0305", "C1"),
    ],
    "stack": [Bad((T((2, 3)), T((2, 4))), {}, "E0303", "C2"), Bad((T((2,)), T((2,))), {"axis": 2}, "E0305", "C1")],
    "split": [
        Bad((T((7,)),), {"parts": 2}, "E0314", "C2"),
        Bad((T((7,)),), {"parts": (3, 3)}, "E0303", "C2"),
        Bad((T(()),), {"parts": 2}, "E0305", "C1"),
    ],
    "take": [Bad((T((3,)),), {"i": 3}, "E0305", "C2"), Bad((T((3,)),), {"i": 0, "axis": 1}, "E0305", "C1")],
    "pad": [Bad((T((2, 3)),), {"amount": (1, 2)}, "E0306", "C1"), Bad((T(()),), {"amount": 1}, "E0305", "C2")],
    "flip": [Bad((T((3,)),), {"axis": (0, -1)}, "E0305", "C1")],
    "roll": [Bad((T(()),), {"shift": 1}, "E0305", "C1")],
    "upsample": [
        Bad((T((2, 3)),), {"factor": 2, "mode": "bilinear"}, "E0306", "C3"),
        Bad((T((3,)),), {"factor": 2}, "E0305", "C1"),
    ],
    "shuffle_channels": [Bad((T((5, 2)),), {"groups": 2}, "E0314", "C1")],
    "maximum": [Bad((T((3,)),), {}, "E0306", "C1"), Bad((T((3,)), T((2,))), {}, "E0303", "broadcast")],
    "minimum": [Bad((T((3,)),), {}, "E0306", "C1")],
    "clip": [Bad((T((3,)),), {}, "E0306", "C1"), Bad((T((3,)),), {"low": 1.0, "high": -1.0}, "E0306", "C1")],
    "where": [Bad((T((3,)), T((3,)), T((3,))), {}, "E0302", "C2")],
    "sum": [Bad((T((3,)),), {"axis": 1}, "E0305", "C1"), Bad((T((3, 2)),), {"axis": (0, 0)}, "E0305", "C1")],
    "max": [Bad((T(()),), {"axis": 0}, "E0305", "C1")],
    "argmax": [Bad((T(()),), {}, "E0305", "C1")],
    "one_hot": [
        Bad((T((3,)),), {"classes": 3}, "E0302", "C1"),
        Bad((INT,), {}, "E0315", "C2"),
        Bad((T((3,), "class(5)"),), {"classes": 4}, "E0315", "C2"),
    ],
    "constant": [Bad((), {"value": ((1, 2), (3,))}, "E0316", "C1"), Bad((), {"value": ()}, "E0316", "C1")],
    **dict.fromkeys(("squared_error", "mse", "mae", "huber"), _UNEQUAL),
    "binary_cross_entropy": [*_UNEQUAL, Bad((T((3,)), T((3,), "class(3)")), {}, "E0315", "C4")],
    "hinge": [*_UNEQUAL[:3], Bad((T((3,)), T((3,), "class(3)")), {}, "E0315", "C4")],
    "perceptron_loss": [*_UNEQUAL[:3], Bad((T((3,)), T((3,), "class(3)")), {}, "E0315", "C4")],
    "cross_entropy": [
        Bad((T(()), T((), "class(2)")), {}, "E0305", "C1"),
        Bad((T((5,)), T((), "class(4)")), {}, "E0303", "C3"),
        Bad((T((5,)), T((3,), "class(5)")), {}, "E0303", "C2"),
        Bad((T((3, 5)), T((4,), "class(5)")), {}, "E0303", "C2"),
        Bad((T((3, 5, 5)), T((3, 5), "class(5)")), {}, "E0303", "C2"),
        Bad((T((5,)), T((4,))), {}, "E0303", "C2"),
        Bad((T((5,)), T(())), {}, "E0302", "C2"),
        Bad((T((5,)), T((), "class(5)")), {"weight": (1.0, 2.0)}, "E0315", "C4"),
        Bad((T((5,)), T((5,))), {"ignore": -1}, "E0306", "C4"),
        Bad((T((5,), "int32"), T((), "class(5)")), {}, "E0302", "dtype"),
    ],
    "nll": [Bad((T((5,)), T((5,))), {}, "E0302", "C2"), Bad((T((5,)), T((), "class(4)")), {}, "E0303", "C3")],
    "kl_divergence": [
        Bad((T((5,)), T((4,))), {}, "E0303", "C2"),
        Bad((T((5,)), T((), "class(5)")), {}, "E0302", "dtype"),
    ],
}
