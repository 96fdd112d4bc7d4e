"""Which name of the language is which class. Nothing is imported until a name is looked up.

Rows are grouped by family, in the order of the language's table. `lookup` answers for layers and
functions, `initialiser` for what stands where an initialiser is expected, `regulariser` for `l1` and `l2`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnspec.ops.base import GLOROT_UNIFORM, ZEROS, Initialiser
from nnspec.ops.signature import REQUIRED, Setting, Signature, signature_of

if TYPE_CHECKING:
    from pathlib import Path

    from nnspec.ops.base import Op
    from nnspec.record import Record

# family -> name -> "module Class" in nnspec.ops
OPS: dict[str, dict[str, str]] = {
    "linear": {
        "dense": "linear Dense",
        "conv": "conv Conv",
        "conv_transpose": "conv ConvTranspose",
        "embedding": "linear Embedding",
        "matmul": "linear MatmulCall",
    },
    "activation": {
        "identity": "core Identity",
        "sigmoid": "activation Sigmoid",
        "tanh": "activation Tanh",
        "relu": "activation Relu",
        "relu6": "activation Relu6",
        "leaky_relu": "activation LeakyRelu",
        "elu": "activation Elu",
        "selu": "activation Selu",
        "gelu": "activation Gelu",
        "silu": "activation Silu",
        "mish": "activation Mish",
        "softplus": "activation Softplus",
        "hard_sigmoid": "activation HardSigmoid",
        "hard_swish": "activation HardSwish",
        "prelu": "activation Prelu",
        "softmax": "activation Softmax",
        "log_softmax": "activation LogSoftmax",
        "sign": "activation Sign",
        "step": "activation Step",
    },
    "pooling": {
        "max_pool": "pool MaxPool",
        "avg_pool": "pool AvgPool",
        "adaptive_avg_pool": "pool AdaptiveAvgPool",
        "global_avg_pool": "pool GlobalAvgPool",
        "global_max_pool": "pool GlobalMaxPool",
    },
    "normalisation": {
        "batch_norm": "norm BatchNorm",
        "layer_norm": "norm LayerNorm",
        "rms_norm": "norm RmsNorm",
        "group_norm": "norm GroupNorm",
        "instance_norm": "norm InstanceNorm",
        "local_response_norm": "norm LocalResponseNorm",
    },
    "noise": {
        "dropout": "noise Dropout",
        "drop_path": "noise DropPath",
        "gaussian_noise": "noise GaussianNoise",
        "bernoulli": "noise Bernoulli",
    },
    "shape": {
        "flatten": "shape Flatten",
        "reshape": "shape Reshape",
        "permute": "shape Permute",
        "transpose": "shape Transpose",
        "concat": "join Concat",
        "stack": "join Stack",
        "split": "join Split",
        "take": "index Take",
        "pad": "shape Pad",
        "flip": "shape Flip",
        "roll": "shape Roll",
        "upsample": "shape Upsample",
        "shuffle_channels": "shape ShuffleChannels",
    },
    "arithmetic": {
        "exp": "arithmetic Exp",
        "log": "arithmetic Log",
        "sqrt": "arithmetic Sqrt",
        "abs": "arithmetic Abs",
        "square": "arithmetic Square",
        "sin": "arithmetic Sin",
        "cos": "arithmetic Cos",
        "maximum": "arithmetic MaximumCall",
        "minimum": "arithmetic MinimumCall",
        "clip": "arithmetic Clip",
        "where": "arithmetic Where",
        "sum": "reduce Sum",
        "mean": "reduce Mean",
        "max": "reduce Max",
        "min": "reduce Min",
        "norm": "reduce Norm",
        "argmax": "reduce Argmax",
        "cast": "constant Cast",
        "one_hot": "constant OneHot",
        "stop_gradient": "constant StopGradient",
        "gradient": "gradient Gradient",
        "constant": "constant Constant",
        "zeros": "constant Zeros",
        "ones": "constant Ones",
        "eye": "constant Eye",
        "arange": "constant Arange",
    },
    "sequence": {
        "rnn": "recurrent Rnn",
        "lstm": "recurrent Lstm",
        "gru": "recurrent Gru",
        "attention": "attention Attention",
        "sinusoidal": "attention Sinusoidal",
        "rotary": "attention Rotary",
    },
    "loss": {
        "squared_error": "loss SquaredError",
        "mse": "loss Mse",
        "mae": "loss Mae",
        "huber": "loss Huber",
        "cross_entropy": "class_loss CrossEntropy",
        "binary_cross_entropy": "loss BinaryCrossEntropy",
        "nll": "class_loss Nll",
        "hinge": "loss HingeCall",
        "perceptron_loss": "loss PerceptronLossCall",
        "kl_divergence": "class_loss KlDivergence",
    },
}

INITIALISERS = {
    "glorot_uniform": "GlorotUniform",
    "glorot_normal": "GlorotNormal",
    "he_uniform": "HeUniform",
    "he_normal": "HeNormal",
    "lecun_normal": "LecunNormal",
    "uniform": "Uniform",
    "normal": "Normal",
    "truncated_normal": "TruncatedNormal",
    "orthogonal": "Orthogonal",
    "zeros": "Zeros",
    "ones": "Ones",
    "constant": "Constant",
}

REGULARISERS = {"l1": "the sum of |w|", "l2": "half the sum of w^2"}

# Blocks of prelude.nn: family and signature; a test holds them equal to the file.
BLOCKS: dict[str, tuple[str, Signature]] = {
    "self_attention": (
        "sequence",
        Signature(
            ("x",),
            False,
            (
                Setting("heads", "Size", REQUIRED, "how many heads", ("Size",)),
                Setting("causal", "bool", False, "whether a query sees no later key", ("bool",)),
                Setting("bias", "bool", True, "whether the projections have biases", ("bool",)),
                Setting("weight_init", "Init", GLOROT_UNIFORM, "", ("Init",)),
                Setting("bias_init", "Init", ZEROS, "", ("Init",)),
            ),
        ),
    ),
    "positional": (
        "sequence",
        Signature(
            ("x",),
            False,
            (
                Setting("length", "Size", REQUIRED, "the longest sequence", ("Size",)),
                Setting("weight_init", "Init", Initialiser("normal", (("std", 0.02),)), "", ("Init",)),
            ),
        ),
    ),
}


class Row:
    """One name: an op (`kind` "op", `op` its class) or a block of the prelude (`kind` "block")."""

    __slots__ = ("_signature", "_target", "family", "kind", "name")

    def __init__(self, name: str, family: str, kind: str, target: str = "", signature: Signature | None = None) -> None:
        self.name = name
        self.family = family
        self.kind = kind
        self._target = target
        self._signature = signature

    @property
    def op(self) -> type[Op]:
        """The op's class; TypeError for a block."""
        if self.kind != "op":
            raise TypeError(f"{self.name} is a block of the prelude, not an op")
        found: type[Op] = _load(self._target)
        return found

    @property
    def signature(self) -> Signature:
        if self._signature is None:
            self._signature = signature_of(self.op)
        return self._signature

    @property
    def doc(self) -> str:
        """The docstring of an op's class."""
        return (self.op.__doc__ or "") if self.kind == "op" else ""

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


def lookup(name: str) -> Row | None:
    """The layer or function of that name."""
    return _rows().get(name)


def names() -> tuple[str, ...]:
    """Every layer and function, in the order of the language's table."""
    return tuple(_rows())


def initialiser(name: str) -> type[Record] | None:
    """The class that declares an initialiser's numbers."""
    found: type[Record] | None = _load(f"initialiser {INITIALISERS[name]}") if name in INITIALISERS else None
    return found


def initialisers() -> tuple[str, ...]:
    return tuple(INITIALISERS)


def regularisers() -> tuple[str, ...]:
    return tuple(REGULARISERS)


def prelude_path() -> Path:
    """The blocks that every spec sees, as a `.nn` file."""
    from pathlib import Path

    return Path(__file__).with_name("prelude.nn")


@cache
def _rows() -> dict[str, Row]:
    rows = {
        name: Row(name, family, "op", target) for family, targets in OPS.items() for name, target in targets.items()
    }
    blocks = {name: Row(name, family, "block", "", signature) for name, (family, signature) in BLOCKS.items()}
    return rows | blocks


@cache
def _load(target: str) -> Any:
    module, name = target.split()
    return getattr(import_module(f"nnspec.ops.{module}"), name)
