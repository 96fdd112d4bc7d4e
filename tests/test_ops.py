"""The meaning of ops without any backend: shapes, dtypes, errors, parameters, cost; on numbers and on open sizes."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
from case import Bad, Case, T
from cases import BAD, CASES

from nnspec.ir.dims import Dim, evaluate
from nnspec.ir.types import TensorType
from nnspec.ops import registry
from nnspec.ops.arithmetic import (
    Add,
    And,
    Div,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Mul,
    Neg,
    Not,
    NotEqual,
    Or,
    Pow,
    Sub,
)
from nnspec.ops.base import CODES, Op, ShapeError
from nnspec.ops.conv import Conv
from nnspec.ops.index import Index, Slice
from nnspec.ops.join import Concat
from nnspec.ops.linear import Dense, Matmul
from nnspec.ops.signature import signature_of

# PyTorch pads an even kernel with `padding = same` in a copy of its own, and says so once a process.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


OPERATORS: dict[str, type[Op]] = {
    "+": Add,
    "-": Sub,
    "*": Mul,
    "/": Div,
    "^": Pow,
    "neg": Neg,
    "not": Not,
    "and": And,
    "or": Or,
    "[]": Index,
    "<": Less,
    "<=": LessEqual,
    ">": Greater,
    ">=": GreaterEqual,
    "==": Equal,
    "!=": NotEqual,
}
BLOCKS = tuple(registry.BLOCKS)


class Value:
    def __init__(self, type: TensorType) -> None:
        self.type = type


class Build:
    """What `lower` and `prepare` are given: binds, converts, checks, and remembers what it added."""

    def __init__(self) -> None:
        self.added: list[Op] = []

    def apply(self, op: Op, *values: Value) -> Any:
        if op.lower is not None:
            return op.lower(self, *values)
        op = op.bind(*(v.type for v in values))
        prepared = op.prepare(self, *values) if values else ()
        found = op.infer(*(v.type for v in prepared))
        self.added.append(op)
        return tuple(map(Value, found)) if isinstance(found, tuple) else Value(found)


def type_of(t: T) -> TensorType:
    found = re.fullmatch(r"class\((\d+)\)", t.dtype)
    return TensorType("class" if found else t.dtype, t.shape, t.batched, int(found[1]) if found else 0)


def op_class(name: str) -> type[Op]:
    if name in OPERATORS:
        return OPERATORS[name]
    row = registry.lookup(name)
    assert row is not None
    return row.op


def run(name: str, row: Case | Bad) -> tuple[Op, TensorType | tuple[TensorType, ...]]:
    """The canonical op of a row and the type of its result, through every step that the elaborator takes."""
    op = op_class(name)(**row.settings)
    types = [type_of(t) for t in row.inputs]
    bound = op.bind(*types)
    build = Build()
    result = build.apply(op, *map(Value, types))
    return bound, tuple(v.type for v in result) if isinstance(result, tuple) else result.type


RECURRENT = ("rnn", "lstm", "gru")
OPS = [name for name in CASES if name not in BLOCKS]


def rows_of(*names: str) -> list[Any]:
    return [pytest.param(name, row, id=f"{name}-{i}") for name in names for i, row in enumerate(CASES[name])]


def test_every_registered_name_has_rows() -> None:
    own = {"gradient"}  # its y must be computed from its x, which a row cannot say: test_gradient.py
    assert set(registry.names()) - own | set(OPERATORS) == set(CASES)
    assert {name: len(rows) for name, rows in CASES.items() if len(rows) < 8} == {}
    assert set(BAD) <= set(CASES)


@pytest.mark.parametrize("name", registry.names())
def test_every_name_documents_its_family_shapes_and_settings(name: str) -> None:
    row = registry.lookup(name)
    assert row is not None
    assert all(s.doc or s.name.endswith("_init") for s in row.signature.settings), "a setting has no line of its own"
    if row.kind == "op":
        assert (row.op.name, row.op.family) == (name, row.family)
        assert "Shapes: " in row.doc or row.family == "activation"
        for constraint in {bad.constraint for bad in BAD.get(name, [])} - {"dtype", "broadcast"}:
            assert constraint in row.doc, f"{constraint} is not in the docstring"


@pytest.mark.torch
@pytest.mark.parametrize("name", OPS)
def test_shape_rule_equals_the_shape_that_torch_gives(name: str) -> None:
    from shapes_torch import TORCH, tensor

    for row in CASES[name]:
        op, result = run(name, row)
        found = TORCH[name](*(tensor(t.shape, t.dtype) for t in row.inputs), op)
        tensors = found if isinstance(found, tuple) else (found,)
        assert [r.shape for r in _types(result)] == [tuple(t.shape) for t in tensors], row
        batched = any(t.batched for t in row.inputs)
        assert all(r.batched == batched for r in _types(result)), row


@pytest.mark.parametrize("name", OPS)
def test_binding_is_idempotent_and_a_canonical_op_says_the_same(name: str) -> None:
    for row in CASES[name]:
        types = [type_of(t) for t in row.inputs]
        op = op_class(name)(**row.settings)
        bound = op.bind(*types)
        assert bound.bind(*types) == bound, row
        if not isinstance(bound, Conv) or not any(bound.extra):
            assert op.infer(*types) == bound.infer(*types), row


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_are_refused_with_their_code_and_constraint(name: str) -> None:
    for row in BAD[name]:
        with pytest.raises(ShapeError) as caught:
            run(name, row)
        error = caught.value
        assert (error.code, error.constraint) == (row.code, row.constraint), (row, error.message)
        assert error.code in CODES
        assert error.message
        assert "\n" not in error.message
        assert 0 <= error.input < max(len(row.inputs), 1)


@pytest.mark.parametrize("name", OPS)
def test_open_sizes_give_the_shapes_that_numbers_give(name: str) -> None:
    """Each size opened in turn: the rule holds as an expression, or says that it cannot be proved."""
    for row in CASES[name]:
        _, expected = run(name, row)
        for size in {n for t in row.inputs for n in t.shape if n > 1}:
            shapes = [tuple(Dim.symbol("N") if n == size else n for n in t.shape) for t in row.inputs]
            opened = tuple(t._replace(shape=shape) for t, shape in zip(row.inputs, shapes, strict=True))
            try:
                _, result = run(name, row._replace(inputs=opened))
            except ShapeError:  # not provable for every N
                continue
            found = [tuple(evaluate(n, {"N": size}) for n in t.shape) for t in _types(result)]
            assert found == [t.shape for t in _types(expected)], (row, size)


# Of these, a size that is open stays open in the result, whatever the row.
KEEP_OPEN = ("relu", "exp", "+", "sum", "batch_norm", "transpose", "stack", "cross_entropy", "mse", "flatten")


@pytest.mark.parametrize("name", KEEP_OPEN)
def test_open_sizes_are_no_obstacle_where_nothing_is_fixed(name: str) -> None:
    for row in CASES[name]:
        if any(n == 4 for t in row.inputs for n in t.shape) and "weight" not in row.settings:
            shapes = [tuple(Dim.symbol("N") if n == 4 else n for n in t.shape) for t in row.inputs]
            inputs = tuple(t._replace(shape=shape) for t, shape in zip(row.inputs, shapes, strict=True))
            run(name, row._replace(inputs=inputs))


def _types(result: TensorType | tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    return result if isinstance(result, tuple) else (result,)


def test_the_lecture_s_convolution() -> None:
    sizes = {stride: Conv(1, 5, stride).infer(TensorType("float32", (1, 32))).shape[1] for stride in (1, 3)}
    assert sizes == {1: 28, 3: 10}


def test_open_sizes_read_as_the_language_writes_them() -> None:
    t, h = Dim.symbol("T"), Dim.symbol("H")
    half = Conv(8, 3, stride=2, padding=1)
    assert str(Conv(8, 5, stride=2).infer(TensorType("float32", (3, t))).shape[1]) == "(T - 5) // 2 + 1"
    assert str(half.infer(TensorType("float32", (3, 16 * h, 16 * h)))) == "float32[8, 8 * H, 8 * H]"


def test_an_equality_that_cannot_be_proved_says_the_form_that_can() -> None:
    h = Dim.symbol("H")
    with pytest.raises(ShapeError) as caught:
        Concat(0).infer(TensorType("float32", (3, h)), TensorType("float32", (3, 2 * (h // 2))))
    assert caught.value.code == "E0304"
    assert "2 * H" in caught.value.help
    twice = 2 * h
    assert Concat(0).infer(TensorType("float32", (3, twice)), TensorType("float32", (3, 2 * (twice // 2)))).shape == (
        6,
        twice,
    )


def test_a_kernel_that_does_not_fit_shows_its_formula() -> None:
    with pytest.raises(ShapeError) as caught:
        Conv(16, 7).infer(TensorType("float32", (6, 5, 5)))
    error = caught.value
    assert error.message == "kernel 7x7 does not fit its padded input 5x5"
    assert error.detail == "output height (5 + 2*0 - 7)/1 + 1 = -1"
    assert error.help == "kernel <= 5, or padding >= 1"


@pytest.mark.parametrize("shape", [(2, 5, 5), (2, 4, 7), (2, 3), (2, 1, 2, 3)])
@pytest.mark.parametrize(
    "settings", [{}, {"stride": 2}, {"dilation": 2}, {"padding": 1}, {"dilation": 3, "padding": 1}]
)
def test_the_fixes_for_a_kernel_work_and_are_the_nearest(shape: tuple[int, ...], settings: dict[str, int]) -> None:
    x = TensorType("float32", shape)
    with pytest.raises(ShapeError) as caught:
        Conv(1, 9, **settings).infer(x)
    fixes = dict(re.findall(r"(kernel|padding) [<>]= (\d+)", caught.value.help))
    padding, kernel = int(fixes["padding"]), int(fixes.get("kernel", 0))
    Conv(1, 9, **{**settings, "padding": padding}).infer(x)
    with pytest.raises(ShapeError):
        Conv(1, 9, **{**settings, "padding": padding - 1}).infer(x)
    if kernel:
        Conv(1, kernel, **settings).infer(x)
        with pytest.raises(ShapeError):
            Conv(1, kernel + 1, **settings).infer(x)


def test_same_padding_with_a_stride_says_the_number_to_write() -> None:
    with pytest.raises(ShapeError) as caught:
        Conv(4, 5, stride=2, padding="same").bind(TensorType("float32", (3, 8, 8)))
    assert caught.value.help == "padding = 2"


def test_dtypes_meet_as_the_language_says() -> None:
    def result(op: Op, *dtypes: str) -> str:
        value = Build().apply(op, *(Value(TensorType(d, (3,), True, 5 if d == "class" else 0)) for d in dtypes))
        return str(value.type.dtype)

    assert result(Add(), "int32", "float32") == "float32"
    assert result(Add(), "int32", "int32") == "int32"
    assert result(Mul(), "bool", "float32") == "float32"
    assert result(Sub(), "bool", "bool") == "int32"
    assert result(Div(), "int32", "int32") == "float32"
    assert result(Equal(), "class", "class") == "bool"
    assert result(Add(), "class", "int32") == "int64"
    build = Build()
    build.apply(Mul(), Value(TensorType("bool", (3,))), Value(TensorType("float32", (3,))))
    assert [type(op).__name__ for op in build.added] == ["Cast", "Mul"]


def test_slices_of_open_axes() -> None:
    t = Dim.symbol("T")
    x = TensorType("float32", (t, 4))

    def length(*items: int | Slice) -> Any:
        return Index(items).infer(x).shape

    assert length(-1) == (4,)
    assert str(length(Slice(1, None))[0]) == "T - 1"
    assert str(length(Slice(None, -1))[0]) == "T - 1"
    assert str(length(Slice(None, 3))[0]) == "min(3, T)"
    assert str(length(Slice(-3, None))[0]) == "min(3, T)"
    assert str(length(Slice(None, None, 2))[0]) == "(T + 1) // 2"
    with pytest.raises(ShapeError, match="need not exist"):
        length(3)
    assert Index((Slice(0, t),)).infer(TensorType("float32", (64, 4))).shape == (t, 4)


@pytest.mark.torch
@pytest.mark.parametrize(("name", "row"), rows_of("dense", "conv", "conv_transpose", "prelu"))
def test_parameters_are_those_of_torch(name: str, row: Case) -> None:
    from torch import nn

    op, _ = run(name, row)
    shape = row.inputs[0].shape
    if isinstance(op, Conv) and any(op.extra):
        pytest.skip("torch spells this padding as a string")
    s: Any = op
    if name == "dense":
        module: nn.Module = nn.Linear(shape[-1], s.units, s.bias)
    elif name == "prelu":
        module = nn.PReLU(s.count)
    else:
        kind = getattr(nn, f"{'Conv' if name == 'conv' else 'ConvTranspose'}{len(shape) - 1}d")
        more = {"output_padding": s.output_padding} if name == "conv_transpose" else {}
        numbers = {"stride": s.stride, "padding": s.padding, "dilation": s.dilation, "groups": s.groups}
        module = kind(shape[0], s.channels, s.kernel, bias=s.bias, **numbers, **more)
    declared = {n: p.shape for n, p in op.params(type_of(row.inputs[0])).items()}
    assert declared == {n: tuple(p.shape) for n, p in module.named_parameters()}
    assert list(declared) == [n for n, _ in module.named_parameters()]


@pytest.mark.torch
def test_state_of_normalisations_is_that_of_torch() -> None:
    from torch import nn

    modules = {"batch_norm": nn.BatchNorm1d(4), "layer_norm": nn.LayerNorm(4), "rms_norm": nn.RMSNorm(4)}
    modules |= {"group_norm": nn.GroupNorm(2, 4), "embedding": nn.Embedding(7, 3)}
    for name, module in modules.items():
        settings = {"group_norm": {"groups": 2}, "embedding": {"vocab": 7, "features": 3}}.get(name, {})
        x = TensorType("int32" if name == "embedding" else "float32", (4,))
        declared = {n: p.shape for n, p in op_class(name)(**settings).params(x).items()}
        assert declared == {n: tuple(p.shape) for n, p in module.state_dict().items() if n != "num_batches_tracked"}


def test_a_parameter_never_has_an_open_size() -> None:
    x = TensorType("float32", (3, Dim.symbol("T")))
    for op in (Dense(4), op_class("layer_norm")()):
        with pytest.raises(ShapeError) as caught:
            op.params(x)
        assert caught.value.code == "E0310"


@pytest.mark.torch
@pytest.mark.parametrize(("name", "row"), rows_of("dense", "conv", "conv_transpose", "matmul", "attention", *RECURRENT))
def test_multiply_adds_are_half_of_the_operations_that_torch_counts(name: str, row: Case) -> None:
    import torch
    from shapes_torch import TORCH, tensor
    from torch.utils.flop_counter import FlopCounterMode

    op, _ = run(name, row)
    types = [type_of(t) for t in row.inputs]
    with torch.device("cpu"), FlopCounterMode(display=False) as counter:
        if name == "attention":
            q, k, v = (
                tensor(t.shape, t.dtype).unflatten(-1, (row.settings["heads"], -1)).transpose(-2, -3)
                for t in row.inputs
            )
            (q @ k.mT).softmax(-1) @ v
        else:
            TORCH[name](*(tensor(t.shape, t.dtype) for t in row.inputs), op)
    if isinstance(op, Conv):
        types = [v.type for v in op.prepare(Build(), *map(Value, types))]
    if counter.get_total_flops():  # torch counts no product of two vectors
        assert 2 * evaluate(op.macs(*types), {}) == counter.get_total_flops()


@pytest.mark.parametrize("name", [n for n in registry.names() if n not in BLOCKS and op_class(n).lower is not None])
def test_a_composite_lowers_to_core_ops_of_the_same_type(name: str) -> None:
    for row in CASES[name]:
        op = op_class(name)(**row.settings)
        build = Build()
        types = [type_of(t) for t in row.inputs]
        assert build.apply(op, *map(Value, types)).type == op.infer(*types)
        assert all(added.lower is None for added in build.added)


def test_huber_s_first_setting_is_its_delta() -> None:
    assert [s.name for s in signature_of(op_class("huber")).settings] == ["delta", "weight"]


def test_signatures_tell_kinds_words_and_defaults() -> None:
    conv = {s.name: s for s in signature_of(Conv).settings}
    assert list(conv)[:7] == ["channels", "kernel", "stride", "padding", "dilation", "groups", "bias"]
    assert conv["channels"].required
    assert not conv["stride"].required
    assert (conv["padding"].kinds, conv["padding"].choices, conv["padding"].default) == (("Sizes",), ("same",), 0)
    pool = signature_of(op_class("max_pool")).setting("stride")
    assert pool is not None
    assert pool.optional
    assert not pool.choices
    assert "int32" in {c for s in signature_of(op_class("cast")).settings for c in s.choices}


def test_looking_a_name_up_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sys; from nnspec.ops import registry; [registry.lookup(n).signature for n in registry.names()]; "
    code += "print(sorted({'numpy', 'torch', 'jax', 'dataclasses'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_matmul_of_three_axes_and_a_batch_keeps_the_batch_apart() -> None:
    build = Build()
    rows = Value(TensorType("float32", (3, 4)))
    weights = Value(TensorType("float32", (2, 4, 5), batched=False))
    result = build.apply(op_class("matmul")(), rows, weights)
    assert result.type == TensorType("float32", (2, 3, 5))
    assert [type(op).__name__ for op in build.added] == ["Reshape", "Matmul"]
    assert isinstance(build.added[-1], Matmul)


def test_modules_of_the_registry_exist() -> None:
    for family in registry.OPS.values():
        for target in family.values():
            module, name = target.split()
            assert hasattr(import_module(f"nnspec.ops.{module}"), name)


def test_the_registry_tells_of_the_prelude_what_stands_in_it() -> None:
    from nnspec.diagnostics import Reporter
    from nnspec.syntax.parser import parse_file

    text = registry.prelude_path().read_text(encoding="utf-8")
    reporter = Reporter()
    found = {d.name.id: d for d in parse_file(text, "prelude.nn", reporter).declarations}
    assert not reporter.diagnostics
    assert set(found) == set(BLOCKS)
    for name, (_, signature) in registry.BLOCKS.items():
        block = found[name]
        assert tuple(t.id for t in block.tensors) == signature.tensors
        assert [(s.name.id, s.default is None) for s in block.settings] == [
            (s.name, s.required) for s in signature.settings
        ]
