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
SKLEARN = ("digits", "iris", "wine", "breast_cancer", "diabetes")  # the data sets in scikit-learn's wheel
SPLITS = ("in_order", "folds")
STOPS = ("patience", "gradient_below")
WORDS_OF_SOURCES = ("bytes", "characters")

# Quantities that `require` can bound besides sizes.
COSTS = ("parameters", "macs", "flops", "memory")
