"""First values of parameters: a function of (seed, path) alone, the same on every backend and machine.

Each parameter has a Philox stream of its own, keyed by the seed and a hash of its path, so that adding a
layer leaves the values of all others as they were. Only `Generator`'s 64 random bits are used, and turned
into numbers here: NumPy promises stable bits for Philox, not for its distributions.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from nnspec.ops.base import Initialiser

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]


def draw(init: Initialiser, shape: tuple[int, ...], seed: int, path: str) -> Array:
    """Values of `shape` in float64, drawn as `init` says from the stream of (seed, path).

    Raises KeyError for an initialiser that does not exist.
    """
    values: Array = _RULES[init.name](_Stream(seed, path), shape, dict(init.settings))
    return values


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) as PyTorch counts them."""
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


class _Stream:
    """Uniform and normal numbers from the raw bits of one Philox stream."""

    def __init__(self, seed: int, path: str) -> None:
        import numpy as np

        digest = hashlib.blake2b(f"{seed}/{path}".encode(), digest_size=16).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest, "little"))

    def uniform(self, count: int) -> Array:
        """In [0, 1): 53 random bits each."""
        import numpy as np

        raw = np.asarray(self._bits.random_raw(count), dtype=np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, count: int) -> Array:
        """Standard normal numbers by the method of Box and Muller (1958)."""
        import numpy as np

        pairs = (count + 1) // 2
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(pairs)))
        angle = 2.0 * math.pi * self.uniform(pairs)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


def _uniform(stream: _Stream, shape: tuple[int, ...], low: float, high: float) -> Array:
    return (low + (high - low) * stream.uniform(math.prod(shape))).reshape(shape)


def _normal(stream: _Stream, shape: tuple[int, ...], std: float) -> Array:
    return (std * stream.normal(math.prod(shape))).reshape(shape)


def _truncated_normal(stream: _Stream, shape: tuple[int, ...], std: float) -> Array:
    import numpy as np

    kept: list[Array] = []
    missing = math.prod(shape)
    while missing > 0:
        drawn = stream.normal(missing + missing // 16 + 8)  # 4.6 % lie outside
        drawn = drawn[np.abs(drawn) <= 2.0][:missing]
        kept.append(drawn)
        missing -= len(drawn)
    return (std * np.concatenate([*kept, np.zeros(0)])).reshape(shape)


def _orthogonal(stream: _Stream, shape: tuple[int, ...]) -> Array:
    import numpy as np

    rows = shape[0] if shape else 1
    columns = math.prod(shape[1:])
    tall = _normal(stream, (max(rows, columns), min(rows, columns)), 1.0)
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    result: Array = np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)
    return result


def _filled(shape: tuple[int, ...], value: float | tuple[Any, ...]) -> Array:
    import numpy as np

    return np.full(shape, value, dtype=np.float64)


def _glorot_bound(shape: tuple[int, ...]) -> float:
    return math.sqrt(6.0 / sum(fans(shape)))


def _he_bound(shape: tuple[int, ...]) -> float:
    return math.sqrt(6.0 / fans(shape)[0])


_RULES: dict[str, Any] = {
    "glorot_uniform": lambda g, shape, s: _uniform(g, shape, -_glorot_bound(shape), _glorot_bound(shape)),
    "glorot_normal": lambda g, shape, s: _normal(g, shape, math.sqrt(2.0 / sum(fans(shape)))),
    "he_uniform": lambda g, shape, s: _uniform(g, shape, -_he_bound(shape), _he_bound(shape)),
    "he_normal": lambda g, shape, s: _normal(g, shape, math.sqrt(2.0 / fans(shape)[0])),
    "lecun_normal": lambda g, shape, s: _normal(g, shape, math.sqrt(1.0 / fans(shape)[0])),
    "uniform": lambda g, shape, s: _uniform(g, shape, s["a"], s["b"]),
    "normal": lambda g, shape, s: _normal(g, shape, s["std"]),
    "truncated_normal": lambda g, shape, s: _truncated_normal(g, shape, s["std"]),
    "orthogonal": lambda g, shape, s: _orthogonal(g, shape),
    "zeros": lambda g, shape, s: _filled(shape, 0.0),
    "ones": lambda g, shape, s: _filled(shape, 1.0),
    "constant": lambda g, shape, s: _filled(shape, s["v"]),
}
