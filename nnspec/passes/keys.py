"""The keys of `data { }` and `train { }` and the words that stand in them, for the checker and for completion."""

from __future__ import annotations

from nnspec.record import Record


class Key(Record):
    """What a key takes: its kind in words, whether `key("pattern")` is allowed, and bare words that are values."""

    takes: str
    pattern: bool = False
    words: tuple[str, ...] = ()


TRAIN_KEYS: dict[str, Key] = {
    "minimize": Key("a scalar expression", pattern=True),
    "optimizer": Key("an optimizer", pattern=True, words=("frozen",)),
    "epochs": Key("a number"),
    "steps": Key("a number"),
    "batch": Key("a number, or full", words=("full",)),
    "seed": Key("a number"),
    "metrics": Key("a list of metrics"),
    "precision": Key("float32, float64 or bfloat16", words=("float32", "float64", "bfloat16")),
    "clip_norm": Key("a number"),
    "clip_value": Key("a number"),
    "accumulate": Key("a number"),
    "ema": Key("a number"),
    "init": Key("an initialiser, or a file of weights", pattern=True),
    "stop": Key("patience(n) or gradient_below(x)"),
}

DATA_KEYS: dict[str, Key] = {
    "source": Key("a source"),
    "split": Key("a list of parts, in_order([..]) or folds(n, k)"),
    "train": Key("a source"),
    "validation": Key("a source"),
    "test": Key("a source"),
    "window": Key("a number"),
    "shift": Key("a number"),
    "normalize": Key("standard, minmax or [mean, std]", pattern=True, words=("standard", "minmax")),
    "augment": Key("a list of augmentations"),
    "shuffle": Key("true or false"),
    "seed": Key("a number"),
}

SOURCES = ("sklearn", "csv", "parquet", "npz", "idx", "cifar", "images", "text", "table", "huggingface", "random")
PATHS = {  # how many paths a source may have in quotes; files may also be given by the names of their fields
    **dict.fromkeys(("csv", "parquet", "images", "cifar", "text", "huggingface"), (1,)),
    **dict.fromkeys(("npz", "idx"), range(17)),
}


class Bundled(Record):
    """A data set in scikit-learn's wheel: examples, numbers in each, classes of its target (0: a number)."""

    rows: int
    numbers: int
    classes: int


SKLEARN = {
    "digits": Bundled(1797, 64, 10),
    "iris": Bundled(150, 4, 3),
    "wine": Bundled(178, 13, 3),
    "breast_cancer": Bundled(569, 30, 2),
    "diabetes": Bundled(442, 10, 0),
}
OPTIONS = {"csv": ("header",), "cifar": ("part",), "huggingface": ("part", "config"), "text": ("tokens",)}
"""Settings of sources; every other name in their calls is one of an input or target."""
EXAMPLES = {
    "sklearn": 'sklearn("digits")',
    "table": "table([[0, 1], [1, 0]])",
    "random": "random(100)",
    "idx": 'idx("images.idx.gz", "labels.idx.gz")',
    "npz": 'npz("file.npz")',
    "csv": 'csv("file.csv")',
    "parquet": 'parquet("file.parquet")',
    "text": 'text("file.txt", tokens = characters)',
    "images": 'images("folder")',
    "cifar": 'cifar("folder")',
    "huggingface": 'huggingface("name")',
}
SPLITS = ("in_order", "folds")
STOPS = ("patience", "gradient_below")
WORDS_OF_SOURCES = ("bytes", "characters")

# Quantities that `require` can bound besides sizes.
COSTS = ("parameters", "macs", "flops", "memory")
