"""Layers of the library as one writes them by hand for a model: with the options that it uses, and no others.

What all layers of a kind have in common is no option: a bias that each has or none, an initialiser, an eps. Where their
uses differ in a way that would make the short form long, the kind has no entry here and the file carries the full
definition of `helpers/layers.py`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from nnspec.backends.folding import split_commas
from nnspec.backends.jax.rows import initializer_source
from nnspec.backends.source import Writer, literal
from nnspec.ops.base import GLOROT_UNIFORM, ONES, ZEROS, Initialiser
from nnspec.passes.cost import executed
from nnspec.record import Record

if TYPE_CHECKING:
    from nnspec.ir.graph import Graph
    from nnspec.ir.types import TensorType
    from nnspec.ops.base import Op

_STATIC = ' = field(metadata={"static": True})'
_NORMAL = Initialiser("normal", (("std", 1.0),))
_AXES = ("W", "H, W", "D, H, W")  # of signals, images, volumes
_KERNEL = ("kw", "kh, kw", "kd, kh, kw")


class Written(Record):
    """The text of a definition, and the keyword arguments that its calls need not give."""

    text: str
    dropped: frozenset[str] = frozenset()


class Uses:
    """All layers of a kind, or all uses of a function: their ops, and the ranks of the examples that they are given."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.ranks: set[int] = set()

    def add(self, op: Op, x: TensorType) -> None:
        self.ops.append(op)
        self.ranks.add(x.rank if x.batched else -1)

    def values(self, setting: str) -> list[Any]:
        return [getattr(op, setting) for op in self.ops]

    def common(self, setting: str) -> Any:
        """The value that all uses have; None where they differ."""
        first, *others = self.values(setting)
        return first if all(value == first for value in others) else None

    def always(self, setting: str, value: Any) -> bool:
        """Whether all uses have a value; a tuple has it in every entry."""
        return all(entry == value for found in self.values(setting) for entry in _entries(found))

    def square(self, setting: str) -> bool:
        """Whether the setting is one number for all spatial axes in every use."""
        return all(len(set(_entries(found))) == 1 for found in self.values(setting))

    @property
    def rank(self) -> int:
        """Of the examples; -1 where it differs, or where what is given holds for all examples."""
        return next(iter(self.ranks)) if len(self.ranks) == 1 else -1


def _entries(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def written(graph: Graph, form: str) -> dict[str, Written]:
    """The short form of each definition that has one; another `form` has images of its own in `helpers/`."""
    found: dict[str, Uses] = defaultdict(Uses)
    for _, node in executed(graph.root):
        kind = type(node.op).__name__
        pool = kind.endswith("Pool")
        if kind in _WRITERS and node.inputs and (pool or (node.layer is not None and node.layer.parameters)):
            found[kind].add(node.op, node.inputs[0].type)
    made = {}
    for kind, uses in found.items():
        name, write, is_image = _WRITERS[kind]
        text = write(uses) if not (form and is_image) else None
        if text is not None:
            made[name] = text
    return made


def trimmed(call: str, known: dict[str, Written]) -> str:
    """`Conv.init(key, shape, bias=False)` without the arguments that its short definition does not take."""
    name = call.partition(".")[0]
    if name not in known or not known[name].dropped:
        return call
    start = call.index("(") + 1
    parts = [p for p in split_commas(call[start:-1]) if p.partition("=")[0] not in known[name].dropped]
    return f"{call[:start]}{', '.join(parts)})"


# ---------------------------------------------------------------- with weight and bias


class Parameters:
    """How `weight` and `bias` of a kind come to be, and what of it is an option."""

    def __init__(self, uses: Uses, default: Initialiser) -> None:
        biased = [op.bias for op in uses.ops]  # type: ignore[attr-defined]  # dense and convolution
        self.bias = all(biased) or (None if any(biased) else False)
        self.dropped = {"bias"} if self.bias is not None else set()
        self.options = [] if self.bias is not None else ["bias: bool = True"]
        with_bias = Uses()
        with_bias.ops = [op for op, has in zip(uses.ops, biased, strict=True) if has]
        self.weight_init = self.option(uses, "weight_init", default)
        self.bias_init = self.option(with_bias, "bias_init", ZEROS) if with_bias.ops else ZEROS
        if not with_bias.ops:
            self.dropped.add("bias_init")

    def option(self, uses: Uses, setting: str, default: Initialiser) -> Initialiser | None:
        init: Initialiser | None = uses.common(setting)
        if init is not None:
            self.dropped.add(setting)
        else:
            self.options.append(f"{setting}: Initializer = {initializer_source(default)}")
        return init

    @property
    def fields(self) -> list[str]:
        return ["weight: Array", *{True: ["bias: Array"], None: ["bias: Array | None"], False: []}[self.bias]]

    def print(self, out: Writer) -> list[str]:
        """The lines before `return cls(...)`, and what it is given."""
        drawn = self.bias is not False and (self.bias_init is None or self.bias_init.name not in _FILLED)
        if drawn:
            out.line("k1, k2 = jax.random.split(key)")
        weight = f"{initializer_source(self.weight_init) if self.weight_init is not None else 'weight_init'}"
        found = [f"{weight}({'k1' if drawn else 'key'}, shape)"]
        if self.bias is False:
            return found
        bias = "bias_init(k2, shape[:1])" if self.bias_init is None else _filled(self.bias_init, "shape[0]")
        bias = bias or f"{initializer_source(self.bias_init)}(k2, shape[:1])"  # type: ignore[arg-type]  # None has a source
        return [*found, bias if self.bias else f"{bias} if bias else None"]

    def result(self, y: str, out: Writer, bias: str = "self.bias", name: bool = False) -> None:
        """`return y + bias`, where there is one."""
        if self.bias is False:
            out.line(f"return {y}")
            return
        if name or self.bias is None:
            out.line(f"y = {y}")
            y = "y"
        out.line(f"return {y} + {bias}" if self.bias else f"return y if self.bias is None else y + {bias}")


_FILLED = ("zeros", "ones", "constant")


def _filled(init: Initialiser, size: str) -> str:
    """`jnp.zeros(size)`; empty for what is drawn or listed."""
    if init.name in ("zeros", "ones"):
        return f"jnp.{init.name}({size})"
    value = dict(init.settings).get("v") if init.name == "constant" else None
    return f"jnp.full({size}, {literal(float(value))})" if isinstance(value, int | float) else ""


def _begin(name: str, doc: str, fields: list[str], signature: str) -> Writer:
    """A class up to the body of its `init`."""
    out = Writer()
    out.line(f"class {name}(Module):")
    out.depth = 1
    out.docstring(doc)
    out.blank()
    for field in fields:
        out.line(field)
    out.blank()
    out.line("@classmethod")
    out.line(f"def init(cls, {signature}) -> Self:")
    out.depth = 2
    return out


def _call(out: Writer, header: str = "def __call__(self, x: Array) -> Array:") -> None:
    out.depth = 1
    out.blank()
    out.line(header)
    out.depth = 2


def _text(out: Writer) -> str:
    return out.text().rstrip("\n")


def _dense(uses: Uses) -> Written | None:
    own = Parameters(uses, GLOROT_UNIFORM)
    bias = (" + b", ", bias (O)") if own.bias is not False else ("", "")
    doc = f"y = x W^T{bias[0]} over the last axis: x (..., I), weight (O, I){bias[1]}."
    out = _begin("Dense", doc, own.fields, ", ".join(["key: Array", "shape: tuple[int, int]", *own.options]))
    out.line(f"return cls({', '.join(own.print(out))})")
    _call(out)
    own.result("x @ self.weight.T", out)
    return Written(_text(out), frozenset(own.dropped))


def _embedding(uses: Uses) -> Written | None:
    init: Initialiser | None = uses.common("weight_init")
    options = ["weight_init: Initializer = STANDARD_NORMAL"] if init is None else []
    signature = ", ".join(["key: Array", "shape: tuple[int, int]", *options])
    doc = "Row i of weight (V, E) for every index i of x (...)."
    out = _begin("Embedding", doc, ["weight: Array"], signature)
    draw = "weight_init" if init is None else "jax.random.normal" if init == _NORMAL else initializer_source(init)
    out.line(f"return cls({draw}(key, shape))")
    _call(out)
    out.line("return self.weight[x]")
    return Written(_text(out), frozenset() if init is None else frozenset({"weight_init"}))


# ---------------------------------------------------------------- images


def _conv(uses: Uses) -> Written | None:
    if uses.rank < 2:
        return None
    axes, own = uses.rank - 1, Parameters(uses, GLOROT_UNIFORM)
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    used = [name for name, default in defaults.items() if not uses.always(name, default)]
    kinds = {name: "int" if uses.square(name) else "int | tuple[int, ...]" for name in used}
    fields = [*own.fields, *(f"{name}: {kind}{_STATIC}" for name, kind in kinds.items())]
    options = [f"{name}: {kind} = {defaults[name]}" for name, kind in kinds.items()]
    signature = ", ".join(["key: Array", "shape: tuple[int, ...]", *options, *own.options])
    inside = f"I{' / groups' * ('groups' in used)}, {_KERNEL[axes - 1]}"
    bias = ", bias (O)" * (own.bias is not False)
    doc = f"Cross-correlation: x (N, I, {_AXES[axes - 1]}), weight (O, {inside}){bias}."
    out = _begin("Conv", doc, fields, signature)
    out.line(f"return cls({', '.join([*own.print(out), *used])})")
    _call(out)

    def each(name: str) -> str:
        return f"(self.{name},) * {axes}" if kinds[name] == "int" else f"spread(self.{name}, {axes})"

    strides = each("stride") if "stride" in used else literal((1,) * axes)
    padding, named = literal("VALID"), {}
    if "stride" in used:
        named["strides"], strides = strides, "strides"
    if "padding" in used:
        square = kinds["padding"] == "int"
        named["padding"] = f"[(self.padding,) * 2] * {axes}" if square else f"[(p, p) for p in {each('padding')}]"
        padding = "padding"
    if named:
        out.line(f"{', '.join(named)} = {', '.join(named.values())}")
    more = [f"rhs_dilation={each('dilation')}"] if "dilation" in used else []
    more += ["feature_group_count=self.groups"] if "groups" in used else []
    y = f"lax.conv_general_dilated({', '.join(['x', 'self.weight', strides, padding, *more])})"
    own.result(y, out, f"self.bias[:{', None' * axes}]", name=True)
    return Written(_text(out), frozenset(own.dropped))


def _batch_norm(uses: Uses) -> Written | None:
    plain = uses.always("affine", True) and uses.always("weight_init", ONES) and uses.always("bias_init", ZEROS)
    if uses.rank < 1 or not plain:
        return None
    spatial = uses.rank - 1
    shape = f"(N, C{', ' * bool(spatial)}{_AXES[spatial - 1] if spatial else ''})"
    doc = f"""Normalises each channel of x {shape}, in training over the batch.

A call returns y, and the layer with its running statistics moved on if training."""
    numbers = {name: uses.common(name) for name in ("eps", "momentum")}
    kept = [name for name, value in numbers.items() if value is None]
    fields = ["weight: Array", "bias: Array", "running_mean: Array", "running_var: Array"]
    options = [f"{name}: float = {literal(_NUMBERS[name])}" for name in kept]
    fields += [f"{name}: float{_STATIC}" for name in kept]
    out = _begin("BatchNorm", doc, fields, ", ".join(["size: int", *options]))
    made = ["jnp.ones(size)", "jnp.zeros(size)", "jnp.zeros(size)", "jnp.ones(size)"]  # no two leaves are one array
    out.line(f"return cls({', '.join([*made, *kept])})")
    _call(out, "def __call__(self, x: Array, training: bool) -> tuple[Array, Self]:")
    eps, momentum = (f"self.{name}" if name in kept else literal(value) for name, value in numbers.items())
    rest = "1 - self.momentum" if "momentum" in kept else literal(round(1 - numbers["momentum"], 12))
    rest = f"({rest})" if "momentum" in kept else rest
    axes = literal((0, *range(2, uses.rank + 1)) if spatial else 0)
    out.line("mean, var, new = self.running_mean, self.running_var, self")
    with out.indented("if training:"):
        out.line(f"mean, var = x.mean({axes}), x.var({axes})")
        out.line("count = x[:, 0].size")
        out.line(f"running_mean = {rest} * self.running_mean + {momentum} * mean")
        out.line("unbiased = var * count / max(count - 1, 1)")
        out.line(f"running_var = {rest} * self.running_var + {momentum} * unbiased")
        out.line("new = replace(self, running_mean=running_mean, running_var=running_var)")
    out.line(f"scale = self.weight / jnp.sqrt(var + {eps})")
    if spatial:
        spread = f"[:{', None' * spatial}]"
        out.line(f"mean, scale, bias = (v{spread} for v in (mean, scale, self.bias))")
    out.line(f"return (x - mean) * scale + {'bias' if spatial else 'self.bias'}, new")
    return Written(_text(out), frozenset(numbers) - frozenset(kept))


_NUMBERS = {"eps": 1e-5, "momentum": 0.1}


def _layer_norm(uses: Uses) -> Written | None:
    if not (uses.always("weight_init", ONES) and uses.always("bias_init", ZEROS)):
        return None
    biased, eps = uses.common("bias"), uses.common("eps")
    fields = ["weight: Array", *{True: ["bias: Array"], None: ["bias: Array | None"], False: []}[biased]]
    fields += [f"eps: float{_STATIC}"] * (eps is None)
    options = ["bias: bool = True"] * (biased is None) + ["eps: float = 1e-5"] * (eps is None)
    doc = f"Normalises x (..., F) over its last axis: weight (F){', bias (F)' * (biased is not False)}."
    out = _begin("LayerNorm", doc, fields, ", ".join(["size: int", *options]))
    shift = {True: ["jnp.zeros(size)"], None: ["jnp.zeros(size) if bias else None"], False: []}[biased]
    out.line(f"return cls({', '.join(['jnp.ones(size)', *shift, *['eps'] * (eps is None)])})")
    _call(out)
    out.line("mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)")
    y = f"(x - mean) * lax.rsqrt(var + {'self.eps' if eps is None else literal(eps)}) * self.weight"
    if biased is None:
        out.line(f"y = {y}")
        out.line("return y if self.bias is None else y + self.bias")
    else:
        out.line(f"return {y}{' + self.bias' * biased}")
    common = {"bias": biased, "eps": eps}
    return Written(_text(out), frozenset(name for name, value in common.items() if value is not None))


def _max_pool(uses: Uses) -> Written | None:
    return _pool(uses, "max_pool", "The largest entry", "; a tie goes to the first", "-jnp.inf, lax.max")


def _avg_pool(uses: Uses) -> Written | None:
    if not uses.always("padding", 0):
        return None  # what is divided by differs between windows
    return _pool(uses, "avg_pool", "The mean", "", "0.0, lax.add")


def _pool(uses: Uses, name: str, what: str, more: str, reduce: str) -> Written | None:
    """A pool over windows as wide as high, none of which hangs over."""
    if uses.rank < 2 or not uses.always("ceil", False) or not all(map(uses.square, ("size", "stride", "padding"))):
        return None
    axes = uses.rank - 1
    same = [op.stride == op.size for op in uses.ops]  # type: ignore[attr-defined]  # pools have both
    signature = ["x: Array", "size: int"]
    signature += [] if all(same) else ["stride: int | None = None" if any(same) else "stride: int"]
    padded = not uses.always("padding", 0)
    signature += ["padding: int = 0"] * padded
    out = Writer()
    out.line(f"def {name}({', '.join(signature)}) -> Array:")
    out.depth = 1
    out.docstring(f"{what} of each window of x (N, C, {_AXES[axes - 1]}){more}.")
    window = f"(1, 1{', size' * axes})"
    if all(same):
        out.line(f"window = {window}")
    else:
        if any(same):
            out.line("stride = stride or size")
        out.line(f"window, strides = {window}, (1, 1{', stride' * axes})")
    strides = "window" if all(same) else "strides"
    if padded:
        out.line(f"around = [(0, 0)] * 2 + [(padding, padding)] * {axes}")
    source = f"lax.reduce_window(x, {reduce}, window, {strides}, {'around' if padded else literal('VALID')})"
    out.line(f"return {source}" + (f" / size**{axes}" if name == "avg_pool" else ""))
    return Written(_text(out))


_WRITERS = {
    "Dense": ("Dense", _dense, False),
    "Embedding": ("Embedding", _embedding, False),
    "LayerNorm": ("LayerNorm", _layer_norm, False),
    "Conv": ("Conv", _conv, True),
    "BatchNorm": ("BatchNorm", _batch_norm, True),
    "MaxPool": ("max_pool", _max_pool, True),
    "AvgPool": ("avg_pool", _avg_pool, True),
}
