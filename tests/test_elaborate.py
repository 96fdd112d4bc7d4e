"""What the elaborator makes of a spec: kinds, sizes, sharing, structure of the graph, `train` and `data`."""

from __future__ import annotations

import pytest
from elaborating import attempt, body, graph_of, shapes

from nnspec.ir.flatten import flatten
from nnspec.ir.graph import Call, CallValue, Choice, Graph, Loop, Module, Node, Sequence
from nnspec.ops.base import Initialiser
from nnspec.passes import cost
from nnspec.passes.naming import snake_case

LENET = """
let width = 6
let lr    = 1e-3 in log_uniform(1e-5, 1e-1)
model LeNet(classes = 10) {
    input  image: float32[1, 8, 8]
    target label: class(classes)
    output logits = image
        -> conv(width, 3, padding = 1) -> tanh
        -> avg_pool(2)
        -> conv(16, 3) -> tanh
        -> flatten
        -> dense(84) -> tanh
        -> dense(classes)
}
data {
    source    = sklearn("digits")
    split     = [0.8, 0.1, 0.1]
    normalize = standard
}
train {
    minimize  = cross_entropy(logits, label) + 1e-4 * l2(weights)
    optimizer = adam(lr)
    epochs    = 20
    batch     = 32
    metrics   = [accuracy]
}
"""


def ops(module: Module) -> list[str]:
    return [type(item.op).__name__ if isinstance(item, Node) else item.module.title for item in module.flat()]


def executed(graph: Graph) -> list[str]:
    return [type(step.node.op).__name__ for step in flatten(graph)]


def test_the_first_file() -> None:
    graph = graph_of(LENET)
    assert ops(graph.root) == ["Conv", "Tanh", "AvgPool", "Conv", "Tanh", "Flatten", "Dense", "Tanh", "Dense"]
    assert shapes(graph)["dense1.weight"] == (84, 64)
    assert str(graph.outputs["logits"].type) == "float32[10]"
    assert graph.training is not None and graph.data is not None
    assert ops(graph.training.objective) == ["CrossEntropy", "Penalty", "Constant", "Mul", "Add"]
    (loss, penalty, *_) = graph.training.objective.flat()
    assert isinstance(loss, Node) and loss.op.reduction == "mean"  # type: ignore[attr-defined]
    assert isinstance(penalty, Node)
    assert penalty.op.paths == ("conv1.weight", "conv2.weight", "dense1.weight", "dense2.weight")  # type: ignore[attr-defined]
    assert [v.name for v in graph.training.reads] == ["logits", "label"]
    assert graph.training.settings == {"epochs": 20, "batch": 32}
    assert graph.data.settings["split"] == [0.8, 0.1, 0.1]
    assert graph.data.settings["normalize"] == "standard"
    source = graph.data.settings["source"]
    assert isinstance(source, CallValue) and (source.name, source.args) == ("sklearn", ("digits",))


def test_set_replaces_lets_parameters_sizes_and_keys() -> None:
    settings = {"width": 8, "classes": 3, "lr": 0.5, "train.epochs": 2, "data.seed": 7, "train.batch": 4}
    graph = graph_of(LENET, **settings)
    assert shapes(graph)["conv1.weight"] == (8, 1, 3, 3) and shapes(graph)["dense2.bias"] == (3,)
    assert graph.training is not None and graph.data is not None
    assert graph.training.settings == {"epochs": 2, "batch": 4}
    assert graph.training.groups[0].optimizer.lr.rate(1, 1, 1, 1) == 0.5  # type: ignore[union-attr]
    assert graph.data.settings["seed"] == 7
    steps = graph_of(LENET, **{"train.steps": 9}).training
    assert steps is not None and steps.settings == {"steps": 9, "batch": 32}


# ---------------------------------------------------------------- expressions

NUMBERS = [
    ("64 / 2", 32),
    ("7 // 2 + 7 % 4", 6),
    ("2 ^ 3 ^ 2 // 64", 8),
    ("-2 ^ 2 + 5", 1),
    ("min(3, 4) + max(1, 2, 5)", 8),
    ("round(2.6) + floor(2.6) + ceil(2.2)", 8),
    ("abs(-3) + sqrt(16) + exp(0)", 8),
    ("4 * 0.5", 2),
    ("x.channels + x.height * x.width", 23),
    ("x.shape[0] + x.shape[-1] + x.length + x.features + x.size", 76),
    ("[3, 5, 7][1]", 5),
    ("if x.channels == 3 and not false { 4 } else { 9 }", 4),
    ("if x.channels > 3 or x.width < 2 { 4 } else { 9 }", 9),
    ("n + k", 5),
]


@pytest.mark.parametrize("text, value", NUMBERS)
def test_numbers_are_computed_when_the_model_is_compiled(text: str, value: int) -> None:
    graph = graph_of(f"let k = 2\n{body(f'n = k + 1{chr(10)}output y = x -> conv({text}, 1)', 'float32[3, 4, 5]')}")
    assert graph.outputs["y"].type.shape[0] == value


TENSORS = [
    ("x + 1", "float32[8]"),
    ("1 - x * 2 / x ^ 2", "float32[8]"),
    ("-x", "float32[8]"),
    ("x > 0 and not (x >= 1) or x == 2", "bool[8]"),
    ("where(x > 0, x, 0)", "float32[8]"),
    ("maximum(x, 0, 1)", "float32[8]"),
    ("x[2:5]", "float32[3]"),
    ("x[-1]", "float32"),
    ("sum(x)", "float32"),
    ("x -> sum", "float32"),
    ("max(x) + max(2, 3)", "float32"),
    ("eye(8)", "float32[8, 8]"),
    ("matmul(eye(8), x)", "float32[8]"),
    ("x -> matmul(eye(8))", "float32[8]"),
    ("concat(x, zeros([4]))", "float32[12]"),
    ("concat(for k in 1..3 { x -> dense(k) })", "float32[6]"),
    ("stack(for k in 1..3 { x }, axis = 0)", "float32[3, 8]"),
    ("(x -> reshape([2, 4]) -> : [2, 4]) * ones([1, 4])", "float32[2, 4]"),
    ("dense(x, 3)", "float32[3]"),
    ("x -> repeat(0, dense(3)) -> for i in 3..2 { dense(2) }", "float32[8]"),
    ("if x.size > 3 { x } else { x -> dense(2) }", "float32[8]"),
    ("x -> softmax -> cast(int32)", "int32[8]"),
]


@pytest.mark.parametrize("text, type", TENSORS)
def test_a_tensor_expression_has_its_type(text: str, type: str) -> None:
    assert str(graph_of(body(f"output y = {text}")).outputs["y"].type) == type


def test_a_call_without_its_first_tensor_is_a_layer() -> None:
    graph = graph_of("""
        block Up(x, skip; width) { concat(x, skip) -> dense(width) }
        model M {
            input x: float32[8]
            let up = Up(x, 4)
            layer same = Up(x, 8)
            output a = x -> up
            output b = Up(x, x, width = 5)
            output c = x -> Up(x, 6) -> f: (Up(x, 2) -> relu)
            output d = x -> same -> same
            output e = same(x)
        }""")
    assert [v.type.shape[0] for v in graph.outputs.values()] == [4, 5, 2, 8, 8]
    assert shapes(graph)["same.dense1.weight"] == (8, 16)


def test_a_name_of_the_user_wins_over_the_registry_in_calls() -> None:
    graph = graph_of("block relu(x) { x -> dense(3) }\n" + body("mean = x -> mean\noutput y = mean(x -> relu)"))
    assert shapes(graph) == {"relu1.dense1.weight": (3, 8), "relu1.dense1.bias": (3,)}


def test_several_tensors_are_named_apart() -> None:
    graph = graph_of(
        "block Two(x) { x -> split(2) }\n" + body("a, b = x -> Two\nc, d = split(b, [1, 3])\noutput y = d")
    )
    assert graph.outputs["y"].type.shape == (3,)


# ---------------------------------------------------------------- sharing


def test_a_recipe_is_new_at_every_use_and_an_instance_is_one() -> None:
    graph = graph_of(body("let a = dense(8)\nlayer b = dense(8)\noutput y = x -> a -> a -> b -> b -> repeat(2, b)"))
    assert sorted(shapes(graph)) == [
        "b.bias",
        "b.weight",
        "dense1.bias",
        "dense1.weight",
        "dense2.bias",
        "dense2.weight",
    ]
    uses = [
        item.layer for item in graph.root.flat() if isinstance(item, Node) and item.layer and item.layer.path == "b"
    ]
    assert len(uses) == 4 and len(set(uses)) == 1


def test_a_composition_bound_by_layer_is_one_module_that_captures_what_it_reads() -> None:
    graph = graph_of("""
        model Hopfield {
            input pattern: float32[64]
            param W: float32[64, 64] = zeros
            links = W * (1 - eye(64))
            layer update = matmul(links) -> sign
            output energy = -0.5 * sum(pattern * matmul(pattern, links))
            output recalled = pattern -> repeat(10, update)
        }
        train {
            minimize  = energy
            optimizer = sgd(2)
            batch     = full
            steps     = 1
        }""")
    (update,) = graph.root.children
    assert update.kind == "layer" and [c.name for c in update.captures] == ["links"]  # type: ignore[union-attr]
    (loop,) = [item for item in graph.root.items if isinstance(item, Loop)]
    assert [items[0].module for items in loop.iterations if isinstance(items[0], Call)] == [update] * 10
    assert executed(graph).count("Sign") == 10
    assert graph.training is not None and ops(graph.training.objective) == ["BatchMean"]


def test_a_size_of_a_parameter_is_a_number() -> None:
    graph = graph_of(body("layer f = (dense(4) -> relu)\nh = x -> f\noutput y = h -> dense(f.0.weight.shape[1])"))
    assert str(graph.outputs["y"].type) == "float32[8]" and "ReadParameter" not in ops(graph.root)


def test_a_parameter_of_a_named_layer_can_be_read() -> None:
    graph = graph_of(body("layer f = (dense(4) -> relu)\nh = x -> f\noutput y = matmul(f.0.weight, x) + h + f.0.bias"))
    reads = [item for item in graph.root.flat() if isinstance(item, Node) and type(item.op).__name__ == "ReadParameter"]
    assert [item.layer.path for item in reads if item.layer] == ["f.0", "f.0"]


# ---------------------------------------------------------------- structure


def test_blocks_loops_compositions_and_branches_keep_their_structure() -> None:
    graph = graph_of("""
        block Unit(x; n, wide = false) {
            h = x -> dense(n)
            if wide { h -> f: (dense(2 * n) -> relu) } else { h }
        }
        model M(deep = 2) {
            input x: float32[8]
            output y = x -> body: repeat(deep, Unit(8)) -> Unit(4, wide = true)
        }""")
    loop, call = graph.root.items
    assert isinstance(loop, Loop) and (loop.name, loop.carried, len(loop.iterations)) == ("body", True, 2)
    assert isinstance(call, Call) and (call.module.name, call.module.settings) == ("unit1", {"n": 4, "wide": True})
    choice = call.module.items[-1]
    assert isinstance(choice, Choice) and choice.taken == 0
    sequence, identity = choice.items
    assert isinstance(sequence, Sequence) and sequence.name == "f" and [i.label for i in sequence.items] == ["0", "1"]  # type: ignore[union-attr]
    assert isinstance(identity, Node) and choice.result in identity.outputs
    first = loop.iterations[0][0]
    assert isinstance(first, Call) and first.module.definition is call.module.definition
    other = first.module.items[-1]
    assert isinstance(other, Choice) and (other.taken, other.syntax) == (1, choice.syntax)


def test_loops_hand_a_tensor_on_with_the_values_of_each_turn() -> None:
    graph = graph_of(body("output y = x -> for n, act in [[4, relu], [2, tanh]] { dense(n) -> act }"))
    (loop,) = graph.root.items
    assert isinstance(loop, Loop) and loop.variables == ("n", "act")
    assert [v[0] for v in loop.values] == [4, 2]
    assert loop.inputs[1] is loop.results[0] and loop.results[-1] is graph.outputs["y"]
    assert ops(graph.root) == ["Dense", "Relu", "Dense", "Tanh"]


def test_what_a_setting_was_written_as_is_kept() -> None:
    graph = graph_of("block B(x; w) { x -> dense(4 * w, bias = false) }\n" + body("output y = x -> B(2)"))
    (node,) = graph.root.children[0].flat()
    assert list(node.written) == ["units"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name, expected",
    [("DenseLayer", "dense_layer"), ("ConvBN", "conv_bn"), ("MLP", "mlp"), ("ResNet50", "res_net50"), ("x", "x")],
)
def test_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


# ---------------------------------------------------------------- batches and shapes


def test_ranks_and_batches_are_aligned() -> None:
    graph = graph_of("""
        model M {
            input image: float32[3, 4, 4]
            input gain: float32[4]
            param token: float32[1, 4] = zeros
            output a = image * gain
            output b = concat(token, image -> reshape([12, 4])) -> : [13, 4]
            output c = token + 1
        }""")
    kinds = ops(graph.root)
    assert kinds.index("Reshape") < kinds.index("Mul") and "ExpandBatch" in kinds
    assert [v.type.batched for v in graph.outputs.values()] == [True, True, False]


def test_open_sizes_are_carried_as_expressions() -> None:
    text = """
        model M {
            dim H, W = 4
            input image: float32[3, 16 * H, 16 * W]
            h = image -> conv(8, 3, stride = 2, padding = 1) -> : [8, 8 * H, 8 * W]
            output y = h -> global_avg_pool -> dense(2)
        }"""
    graph = graph_of(text)
    assert graph.dims == {"H": None, "W": 4}
    assert graph_of(text, H=6).dims == {"H": 6, "W": 4}


def test_a_model_is_used_as_a_block_and_settles_its_open_sizes() -> None:
    graph = graph_of("""
        model Encoder(width = 16) {
            dim T
            input a: float32[T, 4]
            input b: float32[2 * T]
            target unused: class(3)
            output e = (a -> dense(width)) + (b -> reshape([T, 2]) -> dense(width))
        }
        model M {
            input x: float32[6, 4]
            input z: float32[12]
            output y = Encoder(x, z, width = 8) -> : [6, 8]
        }""")
    assert [f.name for f in graph.fields] == ["x", "z"] and graph.dims == {}
    assert shapes(graph)["encoder1.dense2.weight"] == (8, 2)


def test_noise_is_a_field_wherever_it_stands() -> None:
    graph = graph_of("block V(x) {\n noise e: float32[8] = normal(1)\n x + e\n}\n" + body("output y = x -> V -> V"))
    assert [(f.name, f.role) for f in graph.fields] == [("x", "input"), ("v1.e", "noise"), ("v2.e", "noise")]
    assert graph.root.inputs == [f.value for f in graph.fields]
    assert [m.captures for m in graph.root.children] == [[f.value] for f in graph.fields[1:]]


# ---------------------------------------------------------------- train

TRAINED = """
model M {{
    input x: float32[8]
    target label: class(4)
    layer enc = dense(6)
    h = x -> enc -> tanh
    output logits = h -> head: dense(4)
}}
train {{
    minimize = {minimize}
    optimizer = {optimizer}
    {more}
}}
"""


def trained(minimize: str = "cross_entropy(logits, label)", optimizer: str = "sgd(0.1)", more: str = "") -> Graph:
    return graph_of(TRAINED.format(minimize=minimize, optimizer=optimizer, more=more))


OBJECTIVES = [
    ("cross_entropy(logits, label)", ["CrossEntropy"]),
    (
        "2 * cross_entropy(logits, label) - mean(square(h))",
        ["CrossEntropy", "Constant", "Mul", "Square", "Mean", "BatchMean", "Sub"],
    ),
    ("-cross_entropy(logits, label) / 2", ["CrossEntropy", "Neg", "Constant", "Div"]),
    ("cross_entropy(logits, label) * sum(h)", ["CrossEntropy", "Sum", "Mul", "BatchMean"]),
    ("exp(cross_entropy(logits, label))", ["CrossEntropy", "Exp", "BatchMean"]),
    (
        "sum(h) + 0.1 * l1(enc.weight) + t",
        ["Sum", "BatchMean", "ReadParameter", "Abs", "Sum", "Constant", "Mul", "Add", "Add"],
    ),
]


@pytest.mark.parametrize("minimize, expected", OBJECTIVES)
def test_the_batch_is_averaged_as_deep_as_the_objective_allows(minimize: str, expected: list[str]) -> None:
    training = trained(minimize).training
    assert training is not None and ops(training.objective) == expected
    fused = [n.op.reduction for n in training.objective.flat() if "reduction" in n.op._fields]  # type: ignore[union-attr]
    assert fused == (["mean"] * len(fused) if "* sum" not in minimize and "exp" not in minimize else ["none"])
    assert training.uses_step == minimize.endswith(" t")


def test_what_only_the_objective_reads_is_tapped() -> None:
    graph = trained("cross_entropy(logits, label) + mean(h)")
    assert list(graph.taps) == ["h"] and graph.training is not None
    assert [v.name for v in graph.training.reads] == ["logits", "label", "h"]


RATES = [
    ("sgd(0.1)", 0.1, 0.1),
    ("sgd(cosine(1))", 1.0, 0.5),
    ("sgd(exponential(1, 0.5))", 1.0, 0.5**5),
    ("sgd(0.1 / t)", 0.1, 0.1 / 6),
    ("sgd(lr = if t < 3 { 1 } else { min(0.5, 1 / sqrt(t)) })", 1.0, 6**-0.5),
    ("sgd(0.1 * 0.5 ^ epoch)", 0.05, 0.05),
]


@pytest.mark.parametrize("optimizer, first, sixth", RATES)
def test_a_rate_is_a_number_a_schedule_or_a_formula(optimizer: str, first: float, sixth: float) -> None:
    training = trained(optimizer=optimizer).training
    assert training is not None and training.groups[0].optimizer is not None
    rate = training.groups[0].optimizer.lr.rate
    assert (rate(1, 1, 10, 1), rate(6, 1, 10, 1)) == (pytest.approx(first), pytest.approx(sixth))


def test_groups_freeze_and_select() -> None:
    graph = trained(
        'l2(weights) + l1(parameters("head"))', more='optimizer("enc") = frozen\noptimizer("*.bias") = adam(0.1)'
    )
    assert graph.training is not None
    assert [(g.pattern, type(g.optimizer).__name__) for g in graph.training.groups] == [
        ("*", "Sgd"),
        ("enc", "NoneType"),
        ("*.bias", "Adam"),
    ]
    assert {p.path: p.trainable for p in graph.root.parameters()} == {
        "enc.weight": False,
        "enc.bias": True,  # the last match wins
        "head.weight": True,
        "head.bias": True,
    }
    penalties = [n.op.paths for n in graph.training.objective.flat() if "paths" in n.op._fields]  # type: ignore[union-attr]
    assert penalties == [("head.weight",), ("head.weight", "head.bias")]


def test_init_replaces_the_initialisers_of_what_it_matches() -> None:
    graph = trained(more='init = he_normal\ninit("head") = normal(0.5)')
    inits = {p.path: p.init for p in graph.root.parameters()}
    assert inits["enc.weight"] == Initialiser("he_normal")
    assert inits["head.weight"] == Initialiser("normal", (("std", 0.5),))
    assert inits["head.bias"] == Initialiser("zeros")


def test_metrics_find_what_they_compare() -> None:
    training = trained(more="metrics = [accuracy, accuracy(logits, label, top = 2)]").training
    assert training is not None
    assert [(m.prediction.name, m.target.name, m.settings["top"]) for m in training.metrics] == [
        ("logits", "label", 1),
        ("logits", "label", 2),
    ]


def test_settings_of_later_use_are_checked_and_kept() -> None:
    more = "clip_norm = 1.0; ema = 0.99; accumulate = 4; precision = float64; seed = 3; steps = 9"
    training = trained(more=more + "; metrics = [accuracy]; stop = patience(5, accuracy)").training
    assert training is not None
    stop = training.settings.pop("stop")
    assert isinstance(stop, CallValue) and stop.args == (5, "accuracy")
    assert training.settings == {
        "clip_norm": 1.0, "ema": 0.99, "accumulate": 4, "precision": "float64", "seed": 3, "steps": 9,
    }  # fmt: skip


# ---------------------------------------------------------------- cost


def test_costs_count_shared_parameters_once_and_work_every_time() -> None:
    graph = graph_of(body("layer f = dense(8)\noutput y = x -> repeat(3, f) -> batch_norm"))
    totals = cost.totals(graph, batch=2)
    assert totals["parameters"] == 8 * 8 + 8 + 2 * 8
    assert totals["macs"] == 3 * 64 and totals["flops"] == 2 * totals["macs"]
    state = 4 * (2 * totals["parameters"] + 2 * 8)  # parameters, gradients, running statistics
    assert totals["memory"] == state + 2 * 4 * 8 * 5  # the input and four outputs of two examples


def test_a_requirement_holds_or_says_its_numbers() -> None:
    graph_of(body("h = x -> dense(3)\nrequire parameters == 27 and macs <= 24\nrequire h.size == 3\noutput y = h"))
    graph, (found,) = attempt(body("h = x -> dense(3)\nrequire parameters < 10\noutput y = h"))
    assert graph is None
    assert (found.code, found.span.line, found.labels[0].text) == ("E0320", 4, "27 < 10 is false")


def test_several_objectives_each_have_a_module() -> None:
    graph = graph_of("""
        model GAN {
            input real: float32[8]
            noise z: float32[4] = normal(1)
            layer G = (dense(16) -> relu -> dense(8))
            layer D = (dense(16) -> relu -> dense(1))
            fake = z -> G
            output p_fake = fake -> D
            output p_real = real -> D
        }
        train {
            minimize("D") = binary_cross_entropy(p_real, 1) + binary_cross_entropy(p_fake, 0)
            minimize("G") = binary_cross_entropy(p_fake, 1) + mse(fake, 0.5)
            optimizer = adam(2e-4)
            steps = 10
        }""")
    assert graph.training is not None
    objectives = graph.training.objectives
    assert [(o.pattern, [v.name for v in o.reads]) for o in objectives] == [
        ("D", ["p_real", "p_fake"]),
        ("G", ["p_fake", "fake"]),
    ]
    kinds = [[kind for kind in ops(o.module) if kind != "Constant"] for o in objectives]
    assert kinds[0].count("BinaryCrossEntropy") == 2 and kinds[1].count("BinaryCrossEntropy") == 1
    assert objectives[0].module is not objectives[1].module and not any(o.uses_step for o in objectives)


def test_blocks_and_branches_in_an_objective_are_averaged_after_them() -> None:
    graph = graph_of("""
        block Weighted(y, t; w) { w * mse(y, t) }
        model M {
            input x: float32[8]
            mu, s = x -> dense(4) -> split(2)
            output y = mu + s -> dense(8)
        }
        train {
            minimize = Weighted(y, x, 2) - 0.5 * sum(1 + s - mu ^ 2) + (if 1 > 2 { sum(s) } else { sum(mu) })
            optimizer = adam(1e-3)
        }""")
    assert graph.training is not None
    kinds = ops(graph.training.objective)
    assert kinds.count("BatchMean") == 3
    assert kinds[:4] == ["Mse", "Constant", "Mul", "BatchMean"]  # the block is written out, its mean comes after it
    assert kinds[-4:] == ["Sum", "Identity", "BatchMean", "Add"]  # and that of the branch after the one taken
    assert list(graph.taps) == ["s", "mu"] or list(graph.taps) == ["mu", "s"]
