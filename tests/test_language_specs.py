"""Odd specs that follow the language to the letter: each compiles for every backend, agrees, and is formatted.

Parameter paths stand beside a spec where the page settles them; `JAX` names the specs that JAX is held to here too
(its compilation takes seconds, and most of what it does stands in test_jax_backend.py).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from specs import graph_of

import nnspec
from nnspec.verify.check import verify

SPECS: dict[str, str] = {
    "a tied autoencoder": """
model Auto {
    input x: float32[6]
    layer enc = (dense(4) -> tanh)
    h = x -> enc
    output r = matmul(h, enc.0.weight)
}
train { minimize = squared_error(r, x) + 0.1 * l2(weights)
 optimizer = adam(1e-2)
 steps = 2
 batch = 3 }
""",
    "blocks that the objective alone uses, one in another, given a param and a layer's weight": """
block Energy(v, w, b; scale) { -scale * sum(matmul(v, w) + b -> softplus) - Pull(v, b) }
block Pull(v, b) { sum(b[0] * v) }
model Rbm {
    input x: float32[5]
    param W: float32[5, 4] = normal(0.5)
    param b: float32[4] = zeros
    layer enc = dense(5)
    y = x -> enc
    output h = matmul(x, W) + b -> sigmoid
}
train { minimize = Energy(x, W, b, 2) - Energy(y, W, enc.bias[0:4], 1) + mean(square(x -> enc))
 optimizer = sgd(0.1)
 steps = 2
 batch = 3 }
""",
    "weights of labelled and numbered steps are read": """
model Auto {
    input x: float32[6]
    layer enc = (a: dense(5) -> tanh -> b: dense(4) -> repeat(2, dense(4)))
    h = x -> enc
    output r = matmul(matmul(h, enc.b.weight), enc.a.weight)
    output q = matmul(h, enc.4.weight) + enc.3.bias
}
""",
    "a parameter two modules deeper is read": """
block Inner(x) { x -> fc: dense(4) -> tanh }
block Outer(x) { x -> body: repeat(2, Inner) -> dense(2) }
model M {
    input x: float32[4]
    layer enc = Outer
    output y = x -> enc
    output n = sum(enc.body.1.fc.weight) * sum(enc.body.0.fc.bias)
}
""",
    "a free parameter of an inner block is read": """
block Scale(x) {
  param W: float32[4, 4] = normal(1)
  x -> matmul(W)
}
model M {
    input x: float32[4]
    layer enc = Scale
    output y = x -> enc
    output n = matmul(y, transpose(enc.W))
}
""",
    "a block reads the weight of a layer it is given": """
block Decoder(h; enc) { matmul(h, enc.0.weight) + h -> dense(6) }
model M {
    input x: float32[6]
    layer enc = (dense(6) -> tanh)
    h = x -> enc
    output r = h -> Decoder(enc)
}
""",
    "a weight is read by every copy of a loop": """
model M {
    input x: float32[6]
    layer enc = (dense(6) -> tanh)
    h = x -> enc
    output r = h -> repeat(2, matmul(enc.0.weight) -> tanh)
}
""",
    "a shared layer in loops of blocks": """
block B(x; f, n) { x -> repeat(n, f -> dense(x.features) -> tanh) }
model M {
    input x: float32[4]
    layer enc = dense(4)
    let act = tanh
    output y = x -> B(enc, 2) -> B(dense(4), 2) -> act -> enc
    output z = x -> repeat(3, enc) -> B(enc, 3)
}
""",
    "labels hold the values of two loops": """
block U(x; w) { x -> dense(w) -> relu }
model M {
    input x: float32[4]
    output y = x -> body: for i in 1..2 { stage{i}: for j in 1..3 { unit{i}_{j}: U(4 * i) } }
}
""",
    "for over tensors": """
model M {
    input x: float32[6, 10]
    output y = concat(for k, c in [[3, 2], [4, 3], [5, 4]] { x -> conv(c, k) -> relu -> global_max_pool }) -> dense(2)
    output z = maximum(for k in 1..3 { x -> flatten -> dense(3) })
    output w = stack(x, for k in 1..2 { x -> transpose -> dense(6) -> transpose })
}
""",
    "copies of a loop take different branches with members": """
block B(x; w, n = 2) {
    x -> for i in 1..n { if i > 1 { dense(w) -> tanh } else { relu } }
}
model M {
    input x: float32[5]
    output y = x -> B(4) -> B(6, n = 3) -> B(6)
}
""",
    "an if in a for in an if": """
block B(x; w, mode) {
    if mode > 0 {
        x -> for i in 1..2 { if mode == i { a{i}: dense(w) } else { b{i}: dense(w, bias = false) } -> tanh }
    } else { x -> skip: dense(w) }
}
model M {
    input x: float32[5]
    output y = x -> B(4, 0) -> B(4, 1) -> B(4, 2)
}
""",
    "a block nested in itself by a setting": """
block Pre(x; f, norm = layer_norm) { x + (x -> norm -> f) }
model M {
    input x: float32[4]
    let unit = dense(8) -> relu -> dense(4)
    output y = x -> Pre(unit) -> Pre(dense(4), norm = rms_norm) -> Pre(Pre(tanh), norm = identity)
}
""",
    "blocks over two tensors": """
block Gate(a, b; w = 4) { g = a -> dense(w) -> sigmoid; g * (b -> dense(w)) + (1 - g) * a }
model M {
    input x: float32[4]
    input z: float32[3]
    output y = x -> Gate(z) -> Gate(x)
    output q = Gate(x, Gate(y, x), w = 4)
}
""",
    "parts of a split that nobody reads": """
block Two(x) { a, b = x -> split(2); b * tanh(a) }
model M {
    input x: float32[6]
    a, b, c = x -> split([1, 2, 3])
    output y = concat(c, a) -> Two -> dense(3)
    output z = b -> dense(3)
    p, q = y -> dense(4) -> split(2)
    output r = q
}
""",
    "parameters and constants meet batched tensors": """
model M {
    input x: float32[3, 4]
    param cls: float32[1, 4] = normal(0.1)
    param b: float32[4] = ones
    c = constant([[1, 2, 3, 4]])
    output y = concat(cls, x, c, axis = 0)
    output z = matmul(x, stack(b, b, arange(4)) -> transpose)
    output w = where(x > b, x, b) -> matmul(b)
    output v = matmul(b, b) * sum(x)
    output u = x + concat(b, arange(4))[2:6]
    output t = stack(x, ones([3, 4]), axis = -1)
}
""",
    "matrix products with vectors": """
model M {
    input x: float32[4]
    input A: float32[4, 3]
    param w: float32[4] = normal(1)
    param W: float32[3, 4] = normal(1)
    output a = matmul(x, w)
    output b = matmul(x, A)
    output c = matmul(W, x)
    output d = x -> matmul(A) -> matmul(W)
    output e = matmul(A, matmul(W, w))
    output f = matmul(w, A)
    output g = matmul(x, x)
}
""",
    "scalars of every dtype": """
model M {
    input t: float32
    input n: int32
    input c: class(3)
    input m: bool
    output y = t ^ 2 + n * t
    output z = where(m, t, -t)
    output e = c -> embedding(3, 2) -> dense(1)
    output o = one_hot(c, 3) * t
    output q = if true { not m and t > 0 } else { m }
}
""",
    "copies of a loop take different branches without members": """
block B(x; n) {
    x -> for i in 1..n { conv(4, 3, padding = 1) -> if i % 2 == 0 { max_pool(2) } else { identity } -> tanh }
}
model M {
    input x: float32[2, 8, 8]
    output y = x -> B(2) -> B(4)
    output z = x -> f: for i in 1..4 { conv(3, 3, padding = 1) -> if i % 2 == 0 { avg_pool(2) } else { relu } }
        -> flatten
}
""",
    "an if in an if in a for": """
block B(x; n) {
    x -> for k, s in [[2, 1], [3, 2], [3, 3]] {
        if s == n { leaky_relu(0.1 * k) -> softmax } else { if k == 3 { tanh } else { relu } }
    }
}
model M {
    input x: float32[4]
    output y = x -> B(1) -> B(2) -> B(1)
}
""",
    "names that Python keeps for itself": """
block Class(x; lambda = 2) { is = x -> dense(lambda) ; is -> while: dense(3) }
model Def {
    input pass: float32[4]
    input import_: float32[4]
    param None: float32[4] = ones
    yield = pass * None + import_
    layer global = dense(4)
    output return = yield -> Class(3) -> lambda: dense(2)
    output assert = yield -> global -> with: (dense(2) -> del: tanh)
    output self = import_ -> x: tanh -> torch: dense(2) -> np: dense(3)
    output print = yield -> sum
    target True: float32[2]
}
train { minimize = mse(return, True) + mean(self) + l2(weights); steps = 2; batch = 3; optimizer = adam(1e-3) }
""",
    "free parameters of copies": """
block Bias(x) {
  param b: float32[4] = normal(1)
  x + b
}
model M {
    input x: float32[4]
    output y = x -> for i in 1..2 { param b: float32[4] = normal(1); tanh -> Add(b) }
    output z = x -> f: (Bias -> repeat(2, Bias) -> tanh)
    output w = x -> repeat(2, (Bias -> tanh))
}
block Add(x, y) { x + y }
""",
    "one label for a layer here and a composition there": """
block B(x; wide = false) {
    h = if wide { x -> body: (dense(8) -> tanh -> dense(4)) } else { x -> body: dense(4) }
    h + (if wide { x -> f: (dense(4) -> g: (relu -> dense(4))) } else { x -> f: (relu -> dense(4)) })
}
model M {
    input x: float32[4]
    output y = x -> B -> B(wide = true)
}
""",
    "branches inside a numbered composition": """
block B(x; n) {
    x -> f: (dense(4) -> if n > 1 { (dense(4) -> relu) } else { tanh } -> dense(4)
        -> if n > 1 { relu } else { dense(4) })
}
model M {
    input x: float32[4]
    output y = x -> B(1) -> B(2)
}
""",
    "steps of a composition that an if chooses once for all": """
let deep = false
model M {
    input x: float32[4]
    layer unit = dense(4) -> (if deep { identity } else { layer_norm }) -> relu
    output y = x -> unit -> repeat(2, dense(4) -> (if deep { relu } else { tanh }) -> relu)
        -> f: (dense(4) -> if deep { dense(4) -> layer_norm } -> relu -> n: if not deep { layer_norm })
        -> g: (for k in 1..2 { dense(3 + k) -> if not deep { tanh } })
        -> repeat(2, if deep { relu } else { dense(5) -> tanh })
}
""",
    "recipes through two blocks": """
block Res(x; f) { x + (x -> f) }
block Wrap(x; f, n) { x -> repeat(n, Res(f)) }
model M {
    input x: float32[4]
    output y = x -> Wrap(dense(4) -> tanh, 2) -> Res(Wrap(layer_norm, 1))
    layer sh = dense(4) -> tanh
    output z = x -> Wrap(sh, 2) -> Res(sh)
}
""",
    "a composition that every use of a block shares": """
block Twice(x; w) {
    layer f = (dense(w) -> tanh -> dense(x.features))
    x -> f -> f
}
model M {
    input x: float32[4]
    output y = x -> Twice(3) -> Twice(5) -> repeat(2, Twice(6))
}
""",
    "a named repeat": """
model M {
    input x: float32[4]
    layer body = repeat(2, dense(4) -> relu)
    layer st = Stack(3)
    output y = x -> body -> body -> st -> st
    output s = sum(body.0.weight) * sum(st.for1.fc2.weight)
}
block Stack(x; n) { x -> for i in 1..n { fc{i}: dense(4) } }
""",
    "one label on both sides of an if": """
block B(x; wide = false) {
    x -> if wide { a: dense(4, bias = false) } else { a: dense(4) } -> tanh
}
block C(x; wide = false) {
    if wide { x -> a: dense(8) -> relu -> b: dense(4) } else { x -> b: dense(4) -> relu -> a: dense(4) }
}
model M {
    input x: float32[4]
    output y = x -> B -> B(wide = true) -> C -> C(wide = true)
}
""",
    "a transformer over an open length": """
block Tr(x; heads) {
    h = x + (x -> ln_1: layer_norm -> attn: self_attention(heads, causal = true) -> dropout(0.1))
    h + (h -> ln_2: layer_norm -> fc: dense(4 * h.features) -> gelu -> proj: dense(h.features))
}
model G {
    dim T = 5
    input tokens: class(11)[T]
    target next: class(11)[T]
    e = tokens -> wte: embedding(11, 8)
    output logits = e + sinus(e) -> h: repeat(2, Tr(2)) -> ln_f: layer_norm -> head: dense(11)
}
block sinus(x) { sin(arange(x.length) * 1.0 / x.length) -> reshape([x.length, 1]) }
train { minimize = cross_entropy(logits, next) ; optimizer = adamw(1e-3); steps = 2; batch = 3; metrics = [accuracy] }
""",
    "arithmetic with two open sizes": """
block pos(x) { (arange(x.length) * 1.0 / x.length) -> reshape([x.length, 1]) }
model G {
    dim T = 5
    dim S = 4
    input a: float32[T, 3]
    input b: float32[S + 1, 3]
    output y = matmul(a, transpose(b)) -> softmax -> matmul(b)
    output c = concat(a, b) -> : [T + S + 1, 3]
    output d = c[1:-1] -> : [T + S - 1, 3]
    output e = a + pos(a)
    output f = attention(a, b, b, heads = 3)
    output g = where(a > 0, a, 0)[-1, :2]
    output h = sum(a) / a.size + b.length
    output i = zeros([T, 2]) + a[:, 1:]
    output j = a[:, -1] - a[::2, 0][0]
}
""",
    "formulas keep their meaning": """
model M {
    input x: float32[4]
    input y: float32[4]
    param w: float32[4] = ones
    output a = (1 + x) * (y - 2) / (x ^ 2 + 1) - (y - (x - 3))
    output b = -(x + y) ^ 2 + (-2) ^ 2 * x - 2 ^ -x
    output c = x - (y + x) + (x * y) * w - x / (y ^ 2 + 1) / 2 - 3 / (2 + x * x)
    output d = 1 - (x + y) - 1
    output e = (x < y) + (x - y > 0.5) * 2 + (x + 1 == x)
    output f = -(-x) - -y * -2
    output g = (x ^ 2) ^ 3 + 2 ^ x ^ 2 + exp(x) ^ 2 + (x / 3) ^ 2
    output h = exp(-(x - w) ^ 2 / (2 * 0.5 ^ 2)) / (0.5 * sqrt(2 * 3.14))
    output i = (0 - 2) ^ (x * 0 + 2)
    output j = (not (x > 0)) and (y > 0 or x > y)
}
""",
    "long names": """
model Long {
    input first_measurement: float32[4]
    input second_measurement: float32[4]
    output some_long_result_name = first_measurement * second_measurement +
        first_measurement / (second_measurement ^ 2 + 1)
    output another_long_result_name = first_measurement -> dense(8) -> tanh
    output the_third_long_result_name = second_measurement -> dense(8) -> tanh
}
""",
    "steps that nobody reads": """
block U(x) { x -> dense(3) -> tanh }
block V(x) { y = x -> U -> U; z = x -> batch_norm; x -> dense(4) }
model M {
    input x: float32[4]
    target t: float32[2]
    layer never = dense(7)
    h = x -> dense(4)
    k = x -> U -> dense(4)
    n = x -> batch_norm -> dropout
    y2 = x -> V -> repeat(2, V)
    output y = x -> for i in 1..2 { q = x -> dense(i); dense(2) }
    output e = y2
}
train { minimize = mae(y, t) + l2(weights) ; batch = 3; steps = 2; optimizer = adagrad(0.1) }
""",
    "blocks hand on tensors of their caller": """
block Res(x; f) { (x -> f) + x }
model M {
    input x: float32[4]
    input c: float32[4]
    g = c -> dense(4) -> sigmoid
    let gated = dense(4) -> Mul(g)
    layer shared = Mul(g) -> dense(4)
    output y = x -> Res(gated) -> Res(Mul(g)) -> Res(shared) -> shared
    output z = x -> repeat(2, Mul(c) -> Res(gated))
}
block Mul(x, y) { x * y }
""",
    "an if in the else of an if, with and without members": """
block B(x; mode) {
    y = if mode == 1 { x * 2 } else if mode == 2 { h = x -> dense(4); h + x } else { x }
    z = if mode > 1 { y } else { y -> tanh -> dense(4) }
    z + y
}
model M {
    input x: float32[4]
    output y = x -> B(1) -> B(2) -> B(3) -> B(2)
}
""",
}

# what a spec stores, in short: paths without `.weight` and `.bias`
PATHS: dict[str, list[str]] = {
    "a tied autoencoder": ["enc.0"],
    "weights of labelled and numbered steps are read": ["enc.3", "enc.4", "enc.a", "enc.b"],
    "a free parameter of an inner block is read": ["enc.W"],
    "copies of a loop take different branches with members": [
        "b1.for1.1.0",
        "b2.for1.1.0",
        "b2.for1.2.0",
        "b3.for1.1.0",
    ],
    "labels hold the values of two loops": [f"body.stage{i}.unit{i}_{j}.dense1" for i in (1, 2) for j in (1, 2, 3)],
    "a block nested in itself by a setting": [
        "pre1.dense1",
        "pre1.dense2",
        "pre1.layer_norm1",
        "pre2.dense1",
        "pre2.rms_norm1",
        "pre3.pre1.layer_norm1",
    ],
    "free parameters of copies": ["f.0.b", "f.1.b", "f.2.b", "for1.0.b", "for1.1.b", "repeat1.0.0.b", "repeat1.1.0.b"],
    "one label for a layer here and a composition there": [
        "b1.body",
        "b1.f.1",
        "b2.body.0",
        "b2.body.2",
        "b2.f.0",
        "b2.f.g.1",
    ],
    "a named repeat": ["body.0", "body.2", "st.for1.fc1", "st.for1.fc2", "st.for1.fc3"],
}

JAX = [
    "an if in the else of an if, with and without members",
    "steps that nobody reads",
    "weights of labelled and numbered steps are read",
    "one label for a layer here and a composition there",
    "copies of a loop take different branches without members",
    "names that Python keeps for itself",
    "a transformer over an open length",
]


@pytest.mark.parametrize("name", SPECS)
def test_numpy_and_torch_agree(name: str) -> None:
    report = verify(graph_of(SPECS[name]), ("numpy", "torch"), steps=2, batch=3)
    assert report.ok, [(row.kind, row.name, row.worst) for row in report.rows if not row.ok]


@pytest.mark.parametrize("name", JAX)
def test_jax_agrees(name: str) -> None:
    report = verify(graph_of(SPECS[name]), ("numpy", "jax"), steps=1, batch=3, optimize=0)
    assert report.ok, [(row.kind, row.name, row.worst) for row in report.rows if not row.ok]


@pytest.mark.parametrize("name", PATHS)
def test_parameters_are_called(name: str) -> None:
    stored = [p.path.removesuffix(".weight").removesuffix(".bias") for p in graph_of(SPECS[name]).root.parameters()]
    assert sorted(set(stored)) == sorted(PATHS[name])


def test_emitted_text_is_formatted_and_free_of_lint(tmp_path: Path) -> None:
    for number, text in enumerate(SPECS.values()):
        spec = nnspec.load(text)
        for backend, optimize in (("numpy", 0), ("numpy", 1), ("torch", 1), ("jax", 1)):
            (tmp_path / f"spec{number}_{backend}_{optimize}.py").write_text(spec.source(backend, optimize))
    for command in (["format", "--check", "--diff"], ["check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "."], capture_output=True, text=True, cwd=tmp_path
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
