"""ResNet-20 in JAX: a jitted step with donated state, channels last, called once a batch.

The weight's gradient is taken from patches of a few images at a time: XLA's own is a convolution with a kernel as
large as the image, which is slow on a CPU."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

BATCH = 128
RATE, MOMENTUM = 0.05, 0.9
CACHE = 2**18  # entries of the patches taken at a time: 1 MB
BLOCKS = [(f"layer{i}.{j}", 2 if i > 1 and j == 0 else 1) for i in (1, 2, 3) for j in range(3)]


def correlate(x, w, stride=1):
    """x (N, H, W, C), w (O, C, K, K) -> (N, H, W, O)."""
    pads = [(w.shape[-1] // 2,) * 2] * 2
    return lax.conv_general_dilated(x, w, (stride, stride), pads, dimension_numbers=("NHWC", "OIHW", "NHWC"))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv(x, w, stride=1):
    return correlate(x, w, stride)


def conv_forward(x, w, stride):
    return correlate(x, w, stride), (x, w)


def conv_backward(stride, saved, dy):
    x, w = saved
    (dx,) = jax.linear_transpose(lambda x: correlate(x, w, stride), x)(dy)
    out, channels, k, _ = w.shape
    n, height, width, _ = dy.shape
    pad = k // 2
    x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows, columns = stride * height, stride * width

    def add(total, part):
        x, dy = part
        places = [(i, j) for i in range(k) for j in range(k)]
        shifted = [x[:, i : i + rows : stride, j : j + columns : stride] for i, j in places]
        patches = jnp.concatenate(shifted, axis=-1).reshape(-1, k * k * channels)
        return total + dy.reshape(-1, out).T @ patches, None

    few = next(f for f in range(max(1, CACHE // (height * width * channels * k * k)), 0, -1) if n % f == 0)
    parts = [a.reshape(-1, few, *a.shape[1:]) for a in (x, dy)]
    dw, _ = lax.scan(add, jnp.zeros((out, k * k * channels)), parts)
    return dx, dw.reshape(out, k, k, channels).transpose(0, 3, 1, 2)


conv.defvjp(conv_forward, conv_backward)


def norm(x, p, running, path):
    """Normalised over batch and space; `running` is moved on in place (a dictionary of the trace)."""
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    count = x.size // x.shape[-1]
    for name, value in (("mean", mean), ("var", var * (count / (count - 1)))):
        running[f"{path}.running_{name}"] = 0.9 * running[f"{path}.running_{name}"] + 0.1 * value
    scale = p[f"{path}.weight"] * lax.rsqrt(var + 1e-5)
    return (x - mean) * scale + p[f"{path}.bias"]


def loss_of(p, running, x, y, conv):
    running = dict(running)
    x = jax.nn.relu(norm(conv(x, p["conv1.weight"]), p, running, "bn1"))
    for path, stride in BLOCKS:
        h = jax.nn.relu(norm(conv(x, p[f"{path}.conv1.weight"], stride), p, running, f"{path}.bn1"))
        h = norm(conv(h, p[f"{path}.conv2.weight"]), p, running, f"{path}.bn2")
        if f"{path}.downsample.0.weight" in p:
            x = norm(conv(x, p[f"{path}.downsample.0.weight"], stride), p, running, f"{path}.downsample.1")
        x = jax.nn.relu(h + x)
    logits = x.mean((1, 2)) @ p["fc.weight"].T + p["fc.bias"]
    hit = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return (jax.nn.logsumexp(logits, axis=1) - hit).mean(), running


@partial(jax.jit, donate_argnums=(0, 1, 2), static_argnames="conv")
def train_step(p, running, m, x, y, conv):
    (loss, running), g = jax.value_and_grad(loss_of, has_aux=True)(p, running, x, y, conv)
    m = jax.tree.map(lambda m, g: MOMENTUM * m + g, m, g)
    return jax.tree.map(lambda p, m: p - RATE * m, p, m), running, m, loss


def start(data, state, conv=conv):
    arrays = {name: jnp.array(array) for name, array in state.items()}
    running = {name: arrays.pop(name) for name in state if "running" in name}
    p, m = arrays, jax.tree.map(jnp.zeros_like, arrays)
    images, labels = data["image"].transpose(0, 2, 3, 1).copy(), data["label"].astype("int32")

    def epoch(order):
        nonlocal p, running, m
        losses = []
        for i in range(0, len(order), BATCH):
            rows = order[i : i + BATCH]
            p, running, m, loss = train_step(p, running, m, images[rows], labels[rows], conv)
            losses.append(loss)
        return jax.device_get(losses)

    return epoch
