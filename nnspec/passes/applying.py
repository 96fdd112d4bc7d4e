"""From an op and its input values to a node: canonical settings, conversions, types, parameters, limits."""

from __future__ import annotations

from typing import Any

from nnspec.diagnostics import Label, Span
from nnspec.ir.dims import Dim
from nnspec.ir.graph import Layer, Module, Node, Parameter, Value
from nnspec.ir.types import FLOAT, TensorType, show_shape
from nnspec.ops.base import Op, Param, ShapeError, require_fit
from nnspec.passes.context import MAX_PARAMETERS
from nnspec.passes.kinds import Kinds
from nnspec.passes.scope import POISON, At, Several
from nnspec.syntax import nodes

# Ops whose unbatched operands meet batched ones in their own broadcasting.
_BROADCASTS = frozenset({"Matmul"})


def _plain(cls: type[Op]) -> bool:
    """Whether the op takes its inputs as they are."""
    return cls.prepare is Op.prepare and cls.expects is Op.expects


def _outermost(module: Module) -> Module:
    while module.owner is not None:
        module = module.owner
    return module


class Made:
    """What a step of literal settings came to, for the thousands of its copies that loops and blocks make."""

    __slots__ = ("node", "params", "row", "syntax", "type")

    def __init__(self, syntax: nodes.Expr, row: Any, type: TensorType, node: Node, params: dict[str, Param]) -> None:
        self.syntax, self.row, self.type, self.node, self.params = syntax, row, type, node, params

    def fits(self, syntax: nodes.Expr, row: Any, piped: tuple[Any, ...]) -> bool:
        """Whether a use is the one that it was made for: the same step and op, a tensor of the same type."""
        x = piped[0] if len(piped) == 1 else None
        if syntax is not self.syntax or row is not self.row or not isinstance(x, Value):
            return False
        if x.type is not self.type and x.type == self.type:
            self.type = x.type  # the next copy has it from this one: equal types are mostly the same object
        return x.type is self.type


class Applying(Kinds):
    def apply(self, op: Op, *values: Value) -> Any:
        """Adds one op at the current place: what `lower` and `prepare` of ops call. May raise ShapeError."""
        return self.add(op, values, self.spans[-1])

    def operation(
        self,
        op: Op,
        values: tuple[Value, ...],
        node: nodes.Node,
        at: At | None = None,
        layer: Layer | None = None,
        written: dict[str, nodes.Expr] | None = None,
    ) -> Any:
        """The result of an op at a place of the text: a Value, Several, or POISON after reporting why not."""
        self.spans.append(node.span)
        try:
            if op.lower is not None:
                return op.lower(self, *values)
            return self.add(op, values, node.span, at, layer, written)
        except ShapeError as error:
            self.shape_error(error, node, values)
            return POISON
        finally:
            self.spans.pop()

    def shape_error(self, error: ShapeError, node: nodes.Node, values: tuple[Value, ...]) -> None:
        """The diagnostic of a rule that does not hold, with the place that gave the input its shape."""
        labels: tuple[Label, ...] = ()
        if error.detail:
            labels += (Label(node.span, error.detail),)
        named = [error.input] if 0 <= error.input < len(values) else []
        if error.code == "E0303" and named == [1] and len(values) == 2:
            named = [0, 1]  # the two disagree, and either may be the one that is wrong
        for origin in [values[index] for index in named]:
            if origin.span != node.span and origin.span.path == node.span.path:
                shape = show_shape(origin.type.shape) if origin.type.rank else "a scalar"
                labels += (Label(origin.span, f"gives {shape}"),)
        self.error(error.code, node, error.message, labels=labels, help=error.help)

    def add(
        self,
        op: Op,
        values: tuple[Value, ...],
        span: Span,
        at: At | None = None,
        layer: Layer | None = None,
        written: dict[str, nodes.Expr] | None = None,
    ) -> Any:
        """Binds, converts, aligns, infers and appends the node. Raises ShapeError."""
        if layer is not None:
            bound: Op = layer.op
        else:
            bound = op.bind(*(v.type for v in values))
        if values and not _plain(type(bound)):
            values = bound.prepare(self, *values)
        if len(values) > 1:
            values = self.align(bound, values)
        types = tuple(v.type for v in values)
        found = bound.infer(*types)
        results = found if isinstance(found, tuple) else (found,)
        if not all(self.check_type(t, span) for t in results):
            return POISON
        if layer is None and at is not None:
            layer = self.make_layer(bound, types, at, span)
        outputs = tuple(Value(t, span) for t in results)
        label = at.key or "" if at is not None and at.names.numbered else ""
        self.frame.items.append(Node(bound, values, outputs, span, layer, label, written))
        self.grow(span)
        return Several(outputs) if isinstance(found, tuple) else outputs[0]

    def remember(self, node: nodes.Expr, row: Any, x: Any, result: Any) -> None:
        """Keeps how a step was applied to one tensor, where that was one op, which took it as it is."""
        last = self.frame.items[-1] if self.frame.items else None
        if isinstance(last, Node) and last.inputs == (x,) and last.outputs == (result,) and _plain(type(last.op)):
            self.steps_made[id(node)] = Made(node, row, x.type, last, last.op.params(x.type))

    def again(self, made: Made, x: Value, span: Span, at: At) -> Value:
        """A copy of a step that `remember` kept: the same op with a layer of its own."""
        op = made.node.op
        layer = self.make_layer(op, (x.type,), at, span, made.params) if made.params or op.noisy else None
        output = Value(made.node.outputs[0].type, span)
        label = at.key or "" if at.names.numbered else ""
        self.frame.items.append(Node(op, (x,), (output,), span, layer, label, made.node.written))
        self.grow(span)
        return output

    def make_layer(
        self,
        op: Op,
        types: tuple[TensorType, ...],
        at: At,
        span: Span,
        params: dict[str, Param] | None = None,
    ) -> Layer | None:
        """The layer that owns the op's parameters, or its noise; None when it has neither."""
        params = op.params(*types) if params is None else params
        if not params and not op.noisy:
            return None
        key = at.key if at.key is not None else at.names.running(op.name or type(op).__name__.lower())
        module = at.names.module
        layer = Layer(op, at.names.full(key), at.names.path(key), module, span)
        for name, declared in params.items():
            path = f"{layer.path}.{name}" if name else layer.path
            self.make_parameter(layer, name, Parameter(path, declared.shape, declared.init, declared.role, span))
        module.layers.append(layer)
        return layer

    def make_parameter(self, layer: Layer, name: str, parameter: Parameter) -> None:
        """Raises ShapeError for an initialiser of another shape."""
        if _outermost(layer.owner).kind == "objective":
            help = "make the layer in the model and name its output"
            self.error("E0405", parameter.span, "minimize would have parameters of its own", help=help)
            return
        require_fit(parameter.init, parameter.shape, parameter.path)
        size = 1
        for axis in parameter.shape:
            size *= axis
        self.total += size
        if self.total > MAX_PARAMETERS:
            self.give_up(
                "E0309", parameter.span, f"the model has more than {MAX_PARAMETERS:,} parameters", "smaller layers"
            )
        if parameter.path in self.parameters:
            self.error(
                "E0213",
                parameter.span,
                f"two parameters would be called {parameter.path}",
                labels=(Label(self.parameters[parameter.path].span, "the first"),),
                help="give one of them another label",
            )
        self.parameters[parameter.path] = parameter
        layer.parameters[name] = parameter

    # ------------------------------------------------------------ alignment

    def align(self, op: Op, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """Ranks and batchedness made equal where emitted code would otherwise broadcast wrongly."""
        if len(values) < 2 or not any(v.type.batched for v in values):
            return values
        if op.elementwise:
            rank = max(v.type.rank for v in values)
            return tuple(self._to_rank(v, rank) if v.type.batched and v.type.rank < rank else v for v in values)
        if type(op).__name__ in _BROADCASTS or all(v.type.batched for v in values):
            return values
        like = next(v for v in values if v.type.batched)
        return tuple(v if v.type.batched else self._expanded(v, like) for v in values)

    def _to_rank(self, value: Value, rank: int) -> Value:
        from nnspec.ops.shape import Reshape

        result = self.apply(Reshape((1,) * (rank - value.type.rank) + value.type.shape), value)
        assert isinstance(result, Value)
        return result

    def _expanded(self, value: Value, like: Value) -> Value:
        """Made by hand: the op itself is what equalises the two."""
        from nnspec.ops.shape import ExpandBatch

        span = self.spans[-1] if self.spans else value.span
        output = Value(value.type.replace(batched=True), span)
        self.frame.items.append(Node(ExpandBatch(), (value, like), (output,), span))
        self.grow(span)
        return output

    # ------------------------------------------------------------ numbers as tensors

    def constant(self, number: Any, node: nodes.Node, like: tuple[TensorType, ...] = ()) -> Value:
        """A number that stands for a tensor, in the dtype of what it meets."""
        from nnspec.ops.constant import Constant

        dtype: Any = FLOAT
        if isinstance(number, bool):
            dtype = "bool"
        elif isinstance(number, int | Dim) and like and not any(t.is_float for t in like):
            dtype = next(("int64" if t.dtype == "class" else t.dtype for t in like if t.is_integer), "int32")
        result = self.operation(Constant(number, dtype), (), node)
        assert isinstance(result, Value)
        return result

    def filled(self, number: Any, node: nodes.Node, like: TensorType) -> Value:
        """A number as a tensor of the shape of another: what a loss compares every entry with."""
        from nnspec.ops.arithmetic import Mul
        from nnspec.ops.constant import Ones

        one = self.constant(float(number) if isinstance(number, int) else number, node)
        if all(size == 1 for size in like.shape):
            return one
        ones = self.operation(Ones(like.shape), (), node)
        result = self.operation(Mul(), (ones, one), node)
        assert isinstance(result, Value)
        return result
