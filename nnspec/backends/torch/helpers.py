"""Small functions and classes that emitted PyTorch files carry when they use them. Their source is copied as it stands.

The optimizers are the planned form (-O1): torch.optim's own functional kernels, handed lists of tensors. An object of
torch.optim imports torch's compiler when it is made (1.2 to 1.8 s) and spends 60 us a step on hooks and groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.adagrad import adagrad
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int, causal: bool) -> Tensor:
    """Scaled dot-product attention, the heads side by side on the last axis."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1).transpose(-3, -2) for x in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return y.transpose(-3, -2).flatten(-2)


def rotary(x: Tensor, heads: int = 1, base: float = 10000.0) -> Tensor:
    """Features i and i + d/2 of each head of d, turned by t * base^(-2i / d)."""
    length, size = x.shape[-2], x.shape[-1] // heads
    rate = base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.arange(length, dtype=torch.float64)[:, None, None] * rate
    cos, sin = angle.cos().to(x), angle.sin().to(x)  # (T, 1, d / 2)
    a, b = x.reshape(*x.shape[:-1], heads, size).chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).flatten(-2)


def tracked(x: Tensor) -> Tensor:
    """The same numbers, by which a derivative can be taken of all that is computed from them."""
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def derivative(y: Tensor, x: Tensor) -> Tensor:
    """The gradient of the sum of y by x, which may be trained through."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    (dx,) = torch.autograd.grad(y.sum(), x, create_graph=True, materialize_grads=True)
    return dx


def in_bfloat16(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """In bfloat16 what torch.autocast finds fit for it; parameters and gradients stay in float32."""

    def run(model: torch.nn.Module, batch: dict[str, Tensor], step: int = 1) -> Tensor:
        device = next(model.parameters()).device.type
        with torch.autocast(device, dtype=torch.bfloat16):
            return loss(model, batch, step).float()

    return run


def sinusoid(length: int, features: int, base: float = 10000.0) -> Tensor:
    """P[t, 2i] = sin(t / base^(2i / F)), P[t, 2i + 1] the cosine (Vaswani et al., 2017)."""
    position = torch.arange(length, dtype=torch.float64).unsqueeze(1)
    power = torch.arange(0, features, 2, dtype=torch.float64) / features
    angle = position / base**power
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)[:, :features]


class SGD:
    """torch.optim.SGD as its fused kernel alone, without an import of torch's compiler."""

    def __init__(
        self,
        params: Iterable[Tensor],
        momentum: float = 0,
        nesterov: bool = False,
    ) -> None:
        self.params = list(params)
        self.momentum, self.nesterov = momentum, nesterov
        slots = ("momentum_buffer",) if momentum else ()
        self.state = {s: [torch.zeros_like(p) for p in self.params] for s in slots}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        unused: list[Tensor | None] = [None] * len(grads)
        sgd(
            self.params,
            grads,
            [*self.state.get("momentum_buffer", unused)],
            fused=True,
            lr=lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            dampening=0,
            weight_decay=0,
            maximize=False,
        )

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class Adam:
    """torch.optim.Adam as its fused kernel alone, without an import of torch's compiler."""

    def __init__(
        self,
        params: Iterable[Tensor],
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.params = list(params)
        self.betas, self.eps = betas, eps
        slots = ("exp_avg", "exp_avg_sq")
        self.state = {s: [torch.zeros_like(p) for p in self.params] for s in slots}
        self.steps = [torch.zeros((), device=p.device).float() for p in self.params]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        adam(
            self.params,
            grads,
            self.state["exp_avg"],
            self.state["exp_avg_sq"],
            [],
            self.steps,
            fused=True,
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            eps=self.eps,
            weight_decay=0,
            amsgrad=False,
            maximize=False,
        )

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class AdamW:
    """torch.optim.AdamW as its fused kernel alone, without an import of torch's compiler."""

    def __init__(
        self,
        params: Iterable[Tensor],
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        self.params = list(params)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        slots = ("exp_avg", "exp_avg_sq")
        self.state = {s: [torch.zeros_like(p) for p in self.params] for s in slots}
        self.steps = [torch.zeros((), device=p.device).float() for p in self.params]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        adamw(
            self.params,
            grads,
            self.state["exp_avg"],
            self.state["exp_avg_sq"],
            [],
            self.steps,
            fused=True,
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            eps=self.eps,
            weight_decay=self.weight_decay,
            amsgrad=False,
            maximize=False,
        )

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class Adagrad:
    """torch.optim.Adagrad as its kernel alone, without an import of torch's compiler."""

    def __init__(
        self,
        params: Iterable[Tensor],
        eps: float = 1e-10,
    ) -> None:
        self.params = list(params)
        self.eps = eps
        self.state = {"sum": [torch.zeros_like(p) for p in self.params]}
        self.steps = [torch.zeros((), device=p.device).float() for p in self.params]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        fused = all(p.is_cpu for p in self.params)  # there is no such kernel for CUDA
        adagrad(
            self.params,
            grads,
            self.state["sum"],
            self.steps,
            fused=fused,
            foreach=not fused,
            lr=lr,
            eps=self.eps,
            lr_decay=0,
            weight_decay=0,
            maximize=False,
        )

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class RMSprop:
    """torch.optim.RMSprop as its kernel alone, without an import of torch's compiler."""

    def __init__(
        self,
        params: Iterable[Tensor],
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0,
    ) -> None:
        self.params = list(params)
        self.alpha, self.eps, self.momentum = alpha, eps, momentum
        slots = ("square_avg", "momentum_buffer") if momentum else ("square_avg",)
        self.state = {s: [torch.zeros_like(p) for p in self.params] for s in slots}
        self.steps = [torch.zeros((), device=p.device).float() for p in self.params]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        rmsprop(
            self.params,
            grads,
            self.state["square_avg"],
            [],
            self.state.get("momentum_buffer", []),
            self.steps,
            foreach=True,
            lr=lr,
            alpha=self.alpha,
            eps=self.eps,
            momentum=self.momentum,
            weight_decay=0,
            centered=False,
        )

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class Lion:
    """w -= lr * (sign(b1 m + (1 - b1) g) + decay w), m = b2 m + (1 - b2) g (Chen et al., 2023)."""

    def __init__(
        self,
        params: Iterable[Tensor],
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        self.params = list(params)
        self.betas, self.weight_decay = betas, weight_decay
        self.state = {"exp_avg": [torch.zeros_like(p) for p in self.params]}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        beta1, beta2 = self.betas
        for p, g, m in zip(self.params, grads, self.state["exp_avg"], strict=True):
            direction = torch.sign(beta1 * m + (1 - beta1) * g)
            p.mul_(1 - lr * self.weight_decay).sub_(direction, alpha=lr)
            m.mul_(beta2).add_(g, alpha=1 - beta2)

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class RootAdagrad:
    """s += g^2, w -= lr * g / sqrt(s + eps): torch.optim.Adagrad with eps under the root."""

    def __init__(
        self,
        params: Iterable[Tensor],
        eps: float = 1e-10,
    ) -> None:
        self.params = list(params)
        self.eps = eps
        self.state = {"sum": [torch.zeros_like(p) for p in self.params]}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        for p, g, s in zip(self.params, grads, self.state["sum"], strict=True):
            s.addcmul_(g, g)
            p.addcdiv_(g, (s + self.eps).sqrt_(), value=-lr)

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class RootRMSprop:
    """s = a s + (1 - a) g^2, w -= lr * g / sqrt(s + eps): torch.optim.RMSprop with eps under the root."""

    def __init__(
        self,
        params: Iterable[Tensor],
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0,
    ) -> None:
        self.params = list(params)
        self.alpha, self.eps, self.momentum = alpha, eps, momentum
        slots = ("square_avg", "momentum_buffer") if momentum else ("square_avg",)
        self.state = {s: [torch.zeros_like(p) for p in self.params] for s in slots}

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        for k, (p, g) in enumerate(zip(self.params, grads, strict=True)):
            s = self.state["square_avg"][k]
            s.mul_(self.alpha).addcmul_(g, g, value=1 - self.alpha)
            v = g / (s + self.eps).sqrt_()
            if self.momentum:
                v = self.state["momentum_buffer"][k].mul_(self.momentum).add_(v)
            p.sub_(v, alpha=lr)

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class RootAdam:
    """w -= lr * m' / sqrt(v' + eps): torch.optim.Adam (or AdamW) with eps under the root."""

    def __init__(
        self,
        params: Iterable[Tensor],
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.params = list(params)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        slots = ("exp_avg", "exp_avg_sq")
        self.state = {s: [torch.zeros_like(p) for p in self.params] for s in slots}
        self.steps = [torch.zeros(())]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        self.steps[0] += 1
        t, (beta1, beta2) = int(self.steps[0]), self.betas
        moments = zip(self.state["exp_avg"], self.state["exp_avg_sq"], strict=True)
        for p, g, (m, v) in zip(self.params, grads, moments, strict=True):
            m.lerp_(g, 1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            root = (v / (1 - beta2**t) + self.eps).sqrt_()
            p.mul_(1 - lr * self.weight_decay)
            p.addcdiv_(m, root, value=-lr / (1 - beta1**t))

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None


class Average:
    """The moving average of parameters: a = w after the first step, then d * a + (1 - d) * w."""

    def __init__(
        self,
        params: Iterable[Tensor],
        decay: float,
    ) -> None:
        self.params = list(params)
        self.decay = decay
        self.state = {"ema": [p.detach().clone() for p in self.params]}
        self.steps = [torch.zeros(()).float()]

    @torch.no_grad()
    def step(self, lr: float = 0) -> None:
        share = 1 - self.decay if self.steps[0] else 1.0
        self.steps[0] += 1
        for average, p in zip(self.state["ema"], self.params, strict=True):
            average.lerp_(p, share)

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None
