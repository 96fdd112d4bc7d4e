"""Did you mean: the known names nearest to one that is not known.

Nearness is the Damerau-Levenshtein distance (optimal string alignment: insert, delete, replace,
swap neighbours), after case and underscores are forgotten. Names that people bring along from
PyTorch, Keras or the literature are translated first (`Linear` is `dense`, `kaiming_normal` is `he_normal`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Words of other frameworks and papers, in lower case without underscores, and what they are called here.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "linear": ("dense",),
    "fc": ("dense",),
    "fullyconnected": ("dense",),
    "lazylinear": ("dense",),
    "convolution": ("conv",),
    "conv1d": ("conv",),
    "conv2d": ("conv",),
    "conv3d": ("conv",),
    "deconv": ("conv_transpose",),
    "convtranspose2d": ("conv_transpose",),
    "conv2dtranspose": ("conv_transpose",),
    "maxpool1d": ("max_pool",),
    "maxpool2d": ("max_pool",),
    "maxpooling2d": ("max_pool",),
    "pool": ("max_pool", "avg_pool"),
    "avgpool2d": ("avg_pool",),
    "averagepool": ("avg_pool",),
    "averagepooling2d": ("avg_pool",),
    "meanpool": ("avg_pool",),
    "adaptiveavgpool2d": ("adaptive_avg_pool",),
    "globalaveragepool": ("global_avg_pool",),
    "globalaveragepooling2d": ("global_avg_pool",),
    "gap": ("global_avg_pool",),
    "bn": ("batch_norm",),
    "batchnorm1d": ("batch_norm",),
    "batchnorm2d": ("batch_norm",),
    "batchnormalization": ("batch_norm",),
    "layernormalization": ("layer_norm",),
    "ln": ("layer_norm",),
    "swish": ("silu",),
    "hardtanh": ("clip",),
    "lrelu": ("leaky_relu",),
    "logistic": ("sigmoid",),
    "heaviside": ("step",),
    "cat": ("concat",),
    "concatenate": ("concat",),
    "view": ("reshape",),
    "chunk": ("split",),
    "interpolate": ("upsample",),
    "upsample2d": ("upsample",),
    "multiheadattention": ("self_attention", "attention"),
    "mha": ("self_attention",),
    "clamp": ("clip",),
    "detach": ("stop_gradient",),
    "mseloss": ("mse",),
    "meansquarederror": ("mse",),
    "l1loss": ("mae",),
    "meanabsoluteerror": ("mae",),
    "crossentropyloss": ("cross_entropy",),
    "softmaxcrossentropy": ("cross_entropy",),
    "categoricalcrossentropy": ("cross_entropy",),
    "bce": ("binary_cross_entropy",),
    "bceloss": ("binary_cross_entropy",),
    "bcewithlogits": ("binary_cross_entropy",),
    "bcewithlogitsloss": ("binary_cross_entropy",),
    "nllloss": ("nll",),
    "smoothl1": ("huber",),
    "kldiv": ("kl_divergence",),
    "kl": ("kl_divergence",),
    "xavieruniform": ("glorot_uniform",),
    "xaviernormal": ("glorot_normal",),
    "xavier": ("glorot_uniform",),
    "glorot": ("glorot_uniform",),
    "kaiminguniform": ("he_uniform",),
    "kaimingnormal": ("he_normal",),
    "kaiming": ("he_normal",),
    "he": ("he_normal",),
    "lecun": ("lecun_normal",),
    "gaussian": ("normal",),
    "momentum": ("sgd",),
    "outfeatures": ("units",),
    "outchannels": ("channels",),
    "filters": ("channels",),
    "kernelsize": ("kernel",),
    "strides": ("stride",),
    "usebias": ("bias",),
    "rate": ("p", "lr"),
    "prob": ("p",),
    "dim": ("axis",),
    "axes": ("axis",),
    "numheads": ("heads",),
    "nheads": ("heads",),
    "negativeslope": ("slope",),
    "weightdecay": ("decay",),
    "learningrate": ("lr",),
    "loss": ("minimize",),
    "objective": ("minimize",),
    "criterion": ("minimize",),
    "src": ("source",),
    "batchsize": ("batch",),
    "validationsplit": ("split",),
    "testsplit": ("split",),
    "trainsplit": ("split",),
    "testsize": ("split",),
    "trainsize": ("split",),
    "valsize": ("split",),
    "splits": ("split",),
    "numembeddings": ("vocab",),
    "vocabsize": ("vocab",),
    "embeddingdim": ("features",),
    "hiddensize": ("units",),
    "infeatures": ("units",),
    "numlayers": ("layers",),
    "padding_mode": ("padding",),
    "numgroups": ("groups",),
    "momemtum": ("momentum",),
    "sequential": ("repeat",),
    "numepochs": ("epochs",),
    "maxsteps": ("steps",),
    "iterations": ("steps",),
    "dataset": ("source",),
    "acc": ("accuracy",),
    "true": ("true",),
    "false": ("false",),
    "none": ("false",),
}


def distance(a: str, b: str, limit: int) -> int:
    """Optimal string alignment distance of two words, or `limit + 1` when it is larger than `limit`."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return min(previous[-1], limit + 1)


MOST_CANDIDATES = 500  # of names that are compared letter by letter: beyond, those that begin alike


def nearest(name: str, known: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """The known names near enough to `name` to be meant by it, nearest first, at most `count`."""
    word = _plain(name)
    candidates = list(dict.fromkeys(known))
    if len(candidates) > MOST_CANDIDATES:
        candidates = [c for c in candidates if c[:1] == name[:1]][:MOST_CANDIDATES]
    meant = [n for n in SYNONYMS.get(word, ()) if n in candidates]
    limit = 1 if len(word) <= 5 else 2 if len(word) <= 8 else 3
    ranked: list[tuple[int, str]] = []
    for candidate in candidates:
        plain = _plain(candidate)
        if (far := distance(word, plain, limit)) <= limit and far < max(len(word), len(plain)):
            ranked.append((far, candidate))
        elif len(word) >= 4 and (plain.startswith(word) or (len(plain) >= 4 and word.startswith(plain))):
            ranked.append((limit + 1, candidate))
    best = min((far for far, _ in ranked), default=0)
    close = [n for far, n in sorted(ranked) if far <= best + (best > 0)]  # in other case, it is that name
    return tuple(dict.fromkeys(meant + close))[:count]


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean dense?` or, when nothing is near, `otherwise`."""
    names = nearest(name, known)
    return f"did you mean {either(names)}?" if names else otherwise


def meant_by(name: str) -> str:
    """What a name of PyTorch or Keras is called here: `Linear` is `dense`, one that is not known keeps its letters."""
    word = _plain(name)
    return SYNONYMS[word][0] if word in SYNONYMS else name.lower()


def meant(help: str) -> tuple[str, ...]:
    """The names that a help made by `did_you_mean` asks for, nearest first; none for any other help."""
    match = re.match(r"did you mean ([^`?]+)\?", help)
    return tuple(re.split(r", | or ", match[1])) if match else ()


def either(names: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *rest, last = names
    return f"{', '.join(rest)} or {last}" if rest else last


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
