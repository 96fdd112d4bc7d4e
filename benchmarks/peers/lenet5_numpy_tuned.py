"""LeNet-5 in NumPy by someone who knows the machine: batch-innermost activations [h][c][w][n], columns over the
kernel's width alone with its height as a strided view, planned buffers, flat parameters, half of the batch a thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.lib.stride_tricks import as_strided

BATCH, THREADS = 64, 2
RATE, MOMENTUM = 0.01, 0.9
# Weights of convolutions as (O, kernel height, C, kernel width), of the first dense layer over (h, c, w).
SHAPES = [(6, 5, 1, 5), (6,), (16, 5, 6, 5), (16,), (120, 5, 16, 5), (120,), (84, 120), (84,), (10, 84), (10,)]


def start(data, state):
    w1, b1, w2, b2, w3, *rest = state.values()
    as_kept = [w1.transpose(0, 2, 1, 3), b1, w2.transpose(0, 2, 1, 3), b2]
    as_kept += [w3.reshape(120, 16, 5, 5).transpose(0, 2, 1, 3), *rest]
    flat = np.concatenate([a.ravel() for a in as_kept])
    gradients = np.zeros((THREADS, flat.size), np.float32)
    velocity, change = np.zeros_like(flat), np.zeros_like(flat)
    images, labels = data["image"].reshape(-1, 28 * 28), data["label"]
    shards = {}
    pool = ThreadPoolExecutor(THREADS - 1)

    def step(rows):
        """One update from a batch; each thread takes a part of it and leaves its gradients in its own vector."""
        n = len(rows)
        work = []
        for i, part in enumerate(np.array_split(rows, THREADS)):
            key = i, len(part)
            if key not in shards:
                shards[key] = Shard(len(part), views(flat), views(gradients[i]))
            work.append((shards[key], images, labels, part, n))
        others = [pool.submit(run, *job) for job in work[1:]]
        loss = run(*work[0]) + sum(other.result() for other in others)
        np.add(gradients[0], gradients[1], out=change)
        np.multiply(velocity, MOMENTUM, out=velocity)
        np.add(velocity, change, out=velocity)
        np.multiply(velocity, RATE, out=change)
        np.subtract(flat, change, out=flat)
        return loss

    def epoch(order):
        return [step(order[i : i + BATCH]) for i in range(0, len(order), BATCH)]

    return epoch


def views(flat):
    found, at = [], 0
    for shape in SHAPES:
        size = int(np.prod(shape))
        found.append(flat[at : at + size].reshape(shape))
        at += size
    return found


def run(shard, images, labels, rows, batch):
    return shard.gradients(images[rows], labels[rows], batch)


class Conv:
    """A valid convolution of x [h][c][w][n]; `columns` is [h][c][kw][wo][n], filled by the layer before.

    Row h of the result is one product of the weight (O, kh c kw) with rows h .. h + kh of the columns, which lie in
    one piece: y[h] = W columns[h : h + kh]. Few channels make thin products, so that `lines` rows of the result may
    share one: then the weight stands `lines` times below itself, each time shifted by a row.
    """

    def __init__(self, n, height, channels, width, weight, bias, weight_grad, bias_grad, lines=1, first=False):
        out, k = weight.shape[:2]
        self.k, self.weight, self.bias = k, weight, bias
        self.weight_grad, self.bias_grad = weight_grad, bias_grad
        h, w = height - k + 1, width - k + 1
        self.columns = np.zeros((height, channels, k, w, n), np.float32)
        self.lines = lines
        self.rows = windows(self.columns.reshape(height, channels * k, w * n), k + lines - 1, lines)
        self.stacked = np.zeros((lines, out, k + lines - 1, channels * k), np.float32)
        self.stacked_bias = np.zeros((lines, out), np.float32)
        self.y = np.empty((h, out, w, n), np.float32)
        self.y_rows = self.y.reshape(h // lines, lines * out, w * n)
        self.dy = np.zeros((h + 2 * (k - 1), out, w, n), np.float32)  # with k - 1 empty rows above and below
        self.dy_inner = self.dy[k - 1 : k - 1 + h]
        self.dy_rows = self.dy_inner.reshape(h // lines, lines * out, w * n)
        self.partial = np.empty((h // lines, *self.stacked.shape), np.float32)
        self.total = np.empty(self.stacked.shape, np.float32)
        self.ones = np.ones(w * n, np.float32)
        if not first:
            # dcolumns[h] = sum over i of W[:, i]^T dy[h - i]: again one product with k rows in one piece.
            self.dy_windows = windows(self.dy.reshape(-1, out, w * n), k)
            self.turned = np.empty((channels, k, k, out), np.float32)
            self.dcolumns = np.empty((height, channels, k, w, n), np.float32)
            self.dx = np.empty((height, channels, width, n), np.float32)

    def forward(self):
        """y = tanh(W x + b) as 1 - 2 / (e^(2 (W x + b)) + 1): NumPy's exp is twice as quick as its tanh."""
        weight = self.weight.reshape(len(self.weight), self.k, -1)
        for i in range(self.lines):
            np.multiply(weight, 2, out=self.stacked[i, :, i : i + self.k])
            np.multiply(self.bias, 2, out=self.stacked_bias[i])
        y = self.y_rows
        np.matmul(self.stacked.reshape(y.shape[1], -1), self.rows, out=y)
        np.add(y, self.stacked_bias.reshape(-1, 1), out=y)
        np.exp(y, out=y)
        np.add(y, 1, out=y)
        np.divide(2, y, out=y)
        np.subtract(1, y, out=y)

    def backward_weight(self):
        partial = self.partial.reshape(len(self.partial), self.dy_rows.shape[1], -1)
        np.matmul(self.dy_rows, self.rows.transpose(0, 2, 1), out=partial)
        np.sum(self.partial, axis=0, out=self.total)
        out = self.weight_grad.reshape(len(self.weight), self.k, -1)
        out[...] = self.total[0, :, : self.k]
        for i in range(1, self.lines):
            np.add(out, self.total[i, :, i : i + self.k], out=out)
        lines = np.matmul(self.dy_rows, self.ones).reshape(-1, len(self.bias))
        np.sum(lines, axis=0, out=self.bias_grad)

    def backward_input(self):
        w = self.y.shape[2]
        self.turned[...] = self.weight[:, ::-1].transpose(2, 3, 1, 0)
        turned = self.turned.reshape(-1, self.k * len(self.weight))
        np.matmul(turned, self.dy_windows, out=self.dcolumns.reshape(len(self.dcolumns), len(turned), -1))
        self.dx[...] = 0
        for j in range(self.k):
            part = self.dx[:, :, j : j + w]
            np.add(part, self.dcolumns[:, :, j], out=part)
        return self.dx


def windows(rows, k, step=1):
    """k consecutive rows as one matrix, every `step` rows: (h, r, c) -> ((h - k) // step + 1, k r, c), no copy."""
    h, r, c = rows.shape
    one, inner, last = rows.strides
    return as_strided(rows, ((h - k) // step + 1, k * r, c), (step * one, inner, last))


class Shard:
    """Loss and gradients of n examples, in buffers of its own."""

    def __init__(self, n, parameters, grads):
        w1, b1, w2, b2, *dense = parameters
        g1, h1, g2, h2, *dense_grads = grads
        self.n = n
        self.conv1 = Conv(n, 32, 1, 32, w1, b1, g1, h1, lines=2, first=True)
        self.conv2 = Conv(n, 14, 6, 14, w2, b2, g2, h2)
        self.w3, self.b3, self.w4, self.b4, self.w5, self.b5 = (p.reshape(len(p), -1) for p in dense)
        self.g3, self.h3, self.g4, self.h4, self.g5, self.h5 = (g.reshape(len(g), -1) for g in dense_grads)
        self.x = np.empty((28, 28, n), np.float32)
        self.half1, self.pool1 = np.empty((14, 6, 28, n), np.float32), np.empty((14, 6, 14, n), np.float32)
        self.half2, self.pool2 = np.empty((5, 16, 10, n), np.float32), np.empty((5, 16, 5, n), np.float32)
        self.a3, self.a4, self.q = (np.empty((rows, n), np.float32) for rows in (120, 84, 10))
        self.d3, self.d4 = np.empty_like(self.a3), np.empty_like(self.a4)
        self.s3, self.s4 = np.empty_like(self.a3), np.empty_like(self.a4)
        self.dpool2 = np.empty((400, n), np.float32)
        self.each = np.arange(n)

    def gradients(self, images, labels, batch):
        x, n = self.x, self.n
        conv1, conv2 = self.conv1, self.conv2
        x.reshape(-1, n)[...] = images.T
        for j in range(5):  # what the padding of two columns on either side leaves of each shift
            low, high = max(0, 2 - j), min(28, 30 - j)
            conv1.columns[2:30, 0, j, low:high] = x[:, low + j - 2 : high + j - 2]
        conv1.forward()
        pool(conv1.y, self.half1, self.pool1)
        for j in range(5):
            np.multiply(self.pool1[:, :, j : j + 10], 0.25, out=conv2.columns[:, :, j])
        conv2.forward()
        pool(conv2.y, self.half2, self.pool2)
        x3 = self.pool2.reshape(400, n)
        np.multiply(x3, 0.25, out=x3)
        dense(x3, self.w3, self.b3, self.a3)
        np.tanh(self.a3, out=self.a3)
        dense(self.a3, self.w4, self.b4, self.a4)
        np.tanh(self.a4, out=self.a4)
        q = self.q
        dense(self.a4, self.w5, self.b5, q)

        np.subtract(q, q.max(axis=0), out=q)
        hit = q[labels, self.each].sum()
        np.exp(q, out=q)
        total = q.sum(axis=0)
        np.divide(q, total * batch, out=q)
        q[labels, self.each] -= 1 / batch
        loss = (np.log(total).sum() - hit) / batch

        dense_weight(q, self.a4, self.g5, self.h5)
        np.matmul(self.w5.T, q, out=self.d4)
        through_tanh(self.a4, self.d4, self.s4)
        dense_weight(self.d4, self.a3, self.g4, self.h4)
        np.matmul(self.w4.T, self.d4, out=self.d3)
        through_tanh(self.a3, self.d3, self.s3)
        dense_weight(self.d3, x3, self.g3, self.h3)
        np.matmul(self.w3.T, self.d3, out=self.dpool2)
        through_pool_and_tanh(self.dpool2.reshape(5, 16, 5, n), conv2)
        conv2.backward_weight()
        through_pool_and_tanh(conv2.backward_input(), conv1)
        conv1.backward_weight()
        return float(loss)


def pool(y, half, out):
    """Sums of 2 x 2 places; the quarter is taken where the sums are read."""
    np.add(y[0::2], y[1::2], out=half)
    np.add(half[:, :, 0::2], half[:, :, 1::2], out=out)


def dense(x, w, b, out):
    np.matmul(w, x, out=out)
    np.add(out, b, out=out)


def dense_weight(dy, x, weight_grad, bias_grad):
    np.matmul(dy, x.T, out=weight_grad)
    np.sum(dy, axis=1, keepdims=True, out=bias_grad)


def through_tanh(y, dy, scratch):
    """dy <- dy (1 - y^2)."""
    np.multiply(y, y, out=scratch)
    np.subtract(1, scratch, out=scratch)
    np.multiply(dy, scratch, out=dy)


def through_pool_and_tanh(dpool, conv):
    """The gradient before tanh and pooling, from the gradient of the pooled map, into the rows of `conv.dy`."""
    np.multiply(dpool, 0.25, out=dpool)
    y, dy = conv.y, conv.dy_inner
    np.multiply(y, y, out=y)
    np.subtract(1, y, out=y)
    for i in (0, 1):
        for j in (0, 1):
            np.multiply(y[i::2, :, j::2], dpool, out=dy[i::2, :, j::2])
