"""Optimizers as a lecture writes them: one parameter after the other. Rules are
PyTorch's.

`update(lr)` takes one step from the gradients that the parameters hold; `step` counts
them.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nnspec.backends.numpy.runtime.module import Parameter

Array = np.ndarray[Any, Any]


class Optimizer:
    """Some parameters, by path, and what is remembered of each between steps."""

    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: dict[str, Parameter]) -> None:
        self.parameters = parameters
        self.step = 0
        self.memory: dict[str, dict[str, Array]] = {
            slot: {path: np.zeros_like(p.value) for path, p in parameters.items()}
            for slot in self.slots
        }

    def zero_gradients(self) -> None:
        """Forget the gradients of the last step."""
        for parameter in self.parameters.values():
            parameter.grad[...] = 0.0

    def gradients(self) -> list[Array]:
        """The gradients themselves, not copies."""
        return [parameter.grad for parameter in self.parameters.values()]

    def update(self, lr: float) -> None:
        """One step along the gradients."""
        self.step += 1
        for path, parameter in self.parameters.items():
            memory = [self.memory[slot][path] for slot in self.slots]
            parameter.value -= self.change(parameter, lr, *memory)

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        """What is taken off a parameter; moves its memory on, in place."""
        raise NotImplementedError


class SGD(Optimizer):
    """w -= lr * g."""

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        return lr * parameter.grad


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

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        (v,) = memory
        v[...] = self.momentum * v + parameter.grad
        ahead = parameter.grad + self.momentum * v if self.nesterov else v
        return lr * ahead


def root(s: Array, eps: float, eps_inside: bool) -> Array:
    """sqrt(s) + eps, or sqrt(s + eps)."""
    return np.sqrt(s + eps) if eps_inside else np.sqrt(s) + eps


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

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        (s,) = memory
        s += parameter.grad**2
        return lr * parameter.grad / root(s, self.eps, self.eps_inside)


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

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        (s,) = memory
        s[...] = self.alpha * s + (1.0 - self.alpha) * parameter.grad**2
        return lr * parameter.grad / root(s, self.eps, self.eps_inside)


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

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        s, v = memory
        v[...] = self.momentum * v + super().change(parameter, 1.0, s)
        return lr * v


class Adam(Optimizer):
    """w -= lr * m' / (sqrt(v') + eps), the moments m' and v' without their bias to 0.

    m = b1 * m + (1 - b1) * g and v = b2 * v + (1 - b2) * g^2; m' = m / (1 - b1^t) and
    v' = v / (1 - b2^t) at step t (Kingma and Ba, 2015).
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
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.eps_inside = eps_inside

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        m, v = memory
        m[...] = self.beta1 * m + (1.0 - self.beta1) * parameter.grad
        v[...] = self.beta2 * v + (1.0 - self.beta2) * parameter.grad**2
        unbiased_m = m / (1.0 - self.beta1**self.step)
        unbiased_v = v / (1.0 - self.beta2**self.step)
        return lr * unbiased_m / root(unbiased_v, self.eps, self.eps_inside)


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

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        decayed = lr * self.decay * parameter.value
        return decayed + super().change(parameter, lr, *memory)


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
        self.beta1 = beta1
        self.beta2 = beta2

    def change(self, parameter: Parameter, lr: float, *memory: Array) -> Array:
        (m,) = memory
        ahead = self.beta1 * m + (1.0 - self.beta1) * parameter.grad
        m[...] = self.beta2 * m + (1.0 - self.beta2) * parameter.grad
        return lr * (np.sign(ahead) + self.decay * parameter.value)
