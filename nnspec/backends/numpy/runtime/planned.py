"""Optimizers as `-O1` plans them: all parameters are views of one vector, and so are
their gradients and what is remembered of each, so that a step is a few calls without
new arrays; long vectors pass in pieces, each once through the cache.

The rules are those of `optimizers.py`; what is computed is equal up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from nnspec.backends.numpy.runtime.module import Parameter
from nnspec.kernels.planned_rows import numbers, stretches

Array = np.ndarray[Any, Any]


class Optimizer:
    """Some parameters, by path, moved into one vector; `memory` has a vector for each
    slot.
    """

    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: dict[str, Parameter]) -> None:
        self.parameters = parameters
        self.step = 0
        values = [p.value.ravel() for p in parameters.values()]
        self.value = np.concatenate(values) if values else np.zeros(0)
        self.grad = np.zeros_like(self.value)
        for part, parameter in self.parts():
            parameter.value = self.value[part].reshape(parameter.shape)
            parameter.grad = self.grad[part].reshape(parameter.shape)
        self.vectors = {slot: np.zeros_like(self.value) for slot in self.slots}
        parts = stretches(self.value.size)
        work = np.empty(parts[0].stop if parts else 0, self.value.dtype)
        vectors = self.value, self.grad, *self.vectors.values()
        self.pieces = [
            (work[: part.stop - part.start], *(vector[part] for vector in vectors))
            for part in parts
        ]

    def parts(self) -> Iterator[tuple[slice, Parameter]]:
        """Each parameter and where it stands in the vectors."""
        start = 0
        for parameter in self.parameters.values():
            stop = start + int(np.prod(parameter.shape, dtype=np.int64))
            yield slice(start, stop), parameter
            start = stop

    @property
    def memory(self) -> dict[str, dict[str, Array]]:
        """Views of what is remembered, by slot and path."""
        paths = list(self.parameters)
        return {
            slot: {
                path: vector[part].reshape(parameter.shape)
                for path, (part, parameter) in zip(paths, self.parts(), strict=True)
            }
            for slot, vector in self.vectors.items()
        }

    def zero_gradients(self) -> None:
        """Forget the gradients of the last step."""
        self.grad[...] = 0.0

    def gradients(self) -> list[Array]:
        """The gradients themselves, in one vector."""
        return [self.grad]

    def update(self, lr: float) -> None:
        """One step along the gradients."""
        self.step += 1
        factors = numbers(self.value.dtype, *self.factors(lr))
        for vectors in self.pieces:
            self.move(factors, *vectors)

    def factors(self, lr: float) -> tuple[float, ...]:
        """The numbers that a step multiplies with or adds."""
        return (lr,)

    def move(self, factors: list[Array], *vectors: Array) -> None:
        """One step of a piece of all vectors, in place: one to work in, the value, the
        gradient, the memory.
        """
        raise NotImplementedError


class SGD(Optimizer):
    """w -= lr * g."""

    def move(self, factors: list[Array], *vectors: Array) -> None:
        (lr,), (work, value, grad) = factors, vectors
        np.multiply(grad, lr, out=work)
        value -= work


class Momentum(Optimizer):
    """v = m * v + g, w -= lr * v; with `nesterov` w -= lr * (g + m * v)."""

    slots = ("momentum_buffer",)

    def __init__(
        self,
        parameters: dict[str, Parameter],
        momentum: float = 0.9,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters)
        self.momentum = momentum
        self.nesterov = nesterov

    def factors(self, lr: float) -> tuple[float, ...]:
        return lr, self.momentum

    def move(self, factors: list[Array], *vectors: Array) -> None:
        (lr, momentum), (work, value, grad, v) = factors, vectors
        v *= momentum
        v += grad
        if self.nesterov:
            np.multiply(v, momentum, out=work)
            work += grad
            work *= lr
        else:
            np.multiply(v, lr, out=work)
        value -= work


def root(s: Array, eps: Array, eps_inside: bool, out: Array) -> None:
    """sqrt(s) + eps, or sqrt(s + eps)."""
    if eps_inside:
        np.add(s, eps, out=out)
        np.sqrt(out, out=out)
    else:
        np.sqrt(s, out=out)
        out += eps


class Adagrad(Optimizer):
    """s += g^2, w -= lr * g / (sqrt(s) + eps) (Duchi et al., 2011)."""

    slots = ("sum",)

    def __init__(
        self,
        parameters: dict[str, Parameter],
        eps: float = 1e-10,
        eps_inside: bool = False,
    ) -> None:
        super().__init__(parameters)
        self.eps = eps
        self.eps_inside = eps_inside

    def factors(self, lr: float) -> tuple[float, ...]:
        return lr, self.eps

    def move(self, factors: list[Array], *vectors: Array) -> None:
        (lr, eps), (work, value, grad, s) = factors, vectors
        np.multiply(grad, grad, out=work)
        s += work
        root(s, eps, self.eps_inside, work)
        np.divide(grad, work, out=work)
        work *= lr
        value -= work


class RMSprop(Optimizer):
    """s = a * s + (1 - a) * g^2, w -= lr * g / (sqrt(s) + eps) (Hinton, 2012)."""

    slots: ClassVar[tuple[str, ...]] = ("square_avg",)

    def __init__(
        self,
        parameters: dict[str, Parameter],
        alpha: float = 0.99,
        eps: float = 1e-8,
        eps_inside: bool = False,
    ) -> None:
        super().__init__(parameters)
        self.alpha = alpha
        self.eps = eps
        self.eps_inside = eps_inside

    def factors(self, lr: float) -> tuple[float, ...]:
        return lr, self.alpha, 1.0 - self.alpha, self.eps

    def move(self, factors: list[Array], *vectors: Array) -> None:
        work, value, grad, s = vectors
        self.normalise(factors, work, grad, s)
        work *= factors[0]
        value -= work

    def normalise(
        self, factors: list[Array], work: Array, grad: Array, s: Array
    ) -> None:
        """g / (sqrt(s) + eps) into `work`, with the next s."""
        _, alpha, rest, eps, *_ = factors
        np.multiply(grad, grad, out=work)
        work *= rest
        s *= alpha
        s += work
        root(s, eps, self.eps_inside, work)
        np.divide(grad, work, out=work)


class RMSpropMomentum(RMSprop):
    """RMSprop with momentum: v = m * v + g / (sqrt(s) + eps), w -= lr * v."""

    slots: ClassVar[tuple[str, ...]] = ("square_avg", "momentum_buffer")

    def __init__(
        self,
        parameters: dict[str, Parameter],
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.9,
        eps_inside: bool = False,
    ) -> None:
        super().__init__(parameters, alpha, eps, eps_inside)
        self.momentum = momentum

    def factors(self, lr: float) -> tuple[float, ...]:
        return *super().factors(lr), self.momentum

    def move(self, factors: list[Array], *vectors: Array) -> None:
        work, value, grad, s, v = vectors
        self.normalise(factors, work, grad, s)
        v *= factors[-1]
        v += work
        np.multiply(v, factors[0], out=work)
        value -= work


class Adam(Optimizer):
    """w -= lr * m' / (sqrt(v') + eps), the moments m' and v' without their bias to 0.

    m = b1 * m + (1 - b1) * g and v = b2 * v + (1 - b2) * g^2; m' = m / (1 - b1^t) and
    v' = v / (1 - b2^t) at step t (Kingma and Ba, 2015). With r = sqrt(1 - b2^t) that is
    w -= lr * r / (1 - b1^t) * m / (sqrt(v) + eps * r).
    """

    slots = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        parameters: dict[str, Parameter],
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        eps_inside: bool = False,
    ) -> None:
        super().__init__(parameters)
        self.eps = eps
        self.eps_inside = eps_inside
        self.beta1 = beta1
        self.beta2 = beta2
        betas = beta1, 1.0 - beta1, beta2, 1.0 - beta2
        self.betas = numbers(self.value.dtype, *betas)

    def factors(self, lr: float) -> tuple[float, ...]:
        scale = (1.0 - self.beta2**self.step) ** 0.5
        eps = self.eps * scale ** (2 if self.eps_inside else 1)
        return lr * scale / (1.0 - self.beta1**self.step), eps

    def move(self, factors: list[Array], *vectors: Array) -> None:
        (rate, eps, *_), (work, value, grad, m, v) = factors, vectors
        beta1, rest1, beta2, rest2 = self.betas
        np.multiply(grad, rest1, out=work)
        m *= beta1
        m += work
        np.multiply(grad, grad, out=work)
        work *= rest2
        v *= beta2
        v += work
        root(v, eps, self.eps_inside, work)
        np.divide(m, work, out=work)
        work *= rate
        value -= work


class AdamW(Adam):
    """Adam, and apart from it w -= lr * decay * w (Loshchilov and Hutter, 2019)."""

    def __init__(
        self,
        parameters: dict[str, Parameter],
        decay: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        eps_inside: bool = False,
    ) -> None:
        super().__init__(parameters, beta1, beta2, eps, eps_inside)
        self.decay = decay

    def factors(self, lr: float) -> tuple[float, ...]:
        return *super().factors(lr), 1.0 - lr * self.decay

    def move(self, factors: list[Array], *vectors: Array) -> None:
        value = vectors[1]
        value *= factors[-1]
        super().move(factors, *vectors)


class Lion(Optimizer):
    """w -= lr * (sign(b1 * m + (1 - b1) * g) + decay * w) (Chen et al., 2023).

    Then m = b2 * m + (1 - b2) * g.
    """

    slots = ("exp_avg",)

    def __init__(
        self,
        parameters: dict[str, Parameter],
        decay: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.99,
    ) -> None:
        super().__init__(parameters)
        self.decay = decay
        betas = beta1, 1.0 - beta1, beta2, 1.0 - beta2
        self.betas = numbers(self.value.dtype, *betas)

    def factors(self, lr: float) -> tuple[float, ...]:
        return lr, 1.0 - lr * self.decay

    def move(self, factors: list[Array], *vectors: Array) -> None:
        (lr, kept), (work, value, grad, m) = factors, vectors
        beta1, rest1, beta2, rest2 = self.betas
        np.multiply(m, beta1, out=work)
        grad *= rest1
        work += grad
        np.sign(work, out=work)
        work *= lr
        value *= kept
        value -= work
        grad *= rest2 / rest1
        m *= beta2
        m += grad
