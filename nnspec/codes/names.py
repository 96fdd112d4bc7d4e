"""E02xx and W02xx: names, kinds, settings."""

from __future__ import annotations

from nnspec.codes.code import Code

CODES = {
    "E0201": Code(
        "an unknown name",
        "Nothing of that name is known here: not in the body, not as a `let` of the file or its imports.",
        "let width = 8\nmodel M { input x: float32[4]; output y = x -> dense(widht) }",
        "let width = 8\nmodel M { input x: float32[4]; output y = x -> dense(width) }",
    ),
    "E0202": Code(
        "an unknown layer",
        "What is called or piped into is neither a block or model seen from this file nor a layer of nnspec.",
        "output y = x -> flaten",
        "output y = x -> flatten",
    ),
    "E0203": Code(
        "an unknown setting",
        "The layer or block has no setting of that name. Unknown settings are never ignored.",
        "output y = x -> conv(8, 3, strde = 2)",
        "output y = x -> conv(8, 3, stride = 2)",
    ),
    "E0204": Code(
        "a name is given twice",
        "Every name stands for one thing in its braces, and every declaration of a file has a name of its own.",
        "h = x -> relu\nh = x -> tanh\noutput y = h",
        "h = x -> relu\nh2 = x -> tanh\noutput y = h + h2",
    ),
    "E0205": Code(
        "a name is used before it is defined",
        "A body is read from top to bottom. Only blocks, models and `let`s of a file may stand in any order.",
        "output y = h -> relu\nh = x -> tanh",
        "h = x -> tanh\noutput y = h -> relu",
    ),
    "E0206": Code(
        "a name outside its braces",
        "What is named between the braces of `if` or `for` is known only there. The braces' value comes out of them.",
        "a = if x.channels > 3 {\n    h = x -> relu\n    h\n} else { x }\noutput y = h",
        "a = if x.channels > 3 {\n    h = x -> relu\n    h\n} else { x }\noutput y = a",
    ),
    "E0207": Code(
        "the wrong kind of thing",
        "Numbers, true and false, strings, lists, layers and tensors are kinds, known before any shape: a size is a "
        "number, an initialiser a name such as zeros, what `for` goes through a list or a range.",
        'output y = x -> dense("64")',
        "output y = x -> dense(64)",
    ),
    "E0208": Code(
        "the wrong number of arguments",
        "A call has more settings than its layer, or fewer than it must have. Tensors come first, then settings.",
        "output y = x -> relu(3)",
        "output y = x -> relu",
    ),
    "E0209": Code(
        "something that must be given is missing",
        "A setting without default, the initialiser of a `param`, the value of a block or the output of a model.",
        "output y = x -> conv(8)",
        "output y = x -> conv(8, 3)",
    ),
    "E0210": Code(
        "arithmetic on layers",
        "-> binds loosest, so `x -> f + x` would add a tensor to the layer f. Parentheses say what is meant.",
        "output y = x -> tanh + x",
        "output y = (x -> tanh) + x",
    ),
    "E0211": Code(
        "a name for another kind of thing",
        "`h = ...` names a tensor or a number, `let` a recipe or a number, `layer` one layer with shared parameters.",
        "act = relu\noutput y = x -> act",
        "let act = relu\noutput y = x -> act",
    ),
    "E0212": Code(
        "a statement that belongs to models",
        "Inputs, targets, outputs and open sizes belong to a model itself: not to a block, not between the braces of "
        "`if` or `for`. A model has no value of its own but its outputs.",
        "block B(x) { output y = x -> relu; x }",
        "block B(x) { x -> relu }",
    ),
    "E0213": Code(
        "a label is used twice",
        "A label is the name of a layer's parameters, so no two steps of a body have the same.",
        "output y = x -> a: conv(3, 3) -> a: conv(3, 3)",
        "output y = x -> a: conv(3, 3) -> b: conv(3, 3)",
    ),
    "E0214": Code(
        "a label on a named layer",
        "`layer enc = ...` names the layer; its uses share its parameters and cannot call them something else.",
        "layer enc = dense(3)\noutput y = x -> first: enc",
        "layer enc = dense(3)\noutput y = x -> enc",
    ),
    "E0215": Code(
        "something that uses itself",
        "A block that uses itself, also by way of others, would never end; nor would a `let` that needs its own value.",
        "block B(x) { x -> B }",
        "block B(x) { x -> relu }",
    ),
    "E0216": Code(
        "something without that part",
        "A tensor has shape, channels, height, width, length, features and size; a layer named by `layer` has its "
        "parameters; a recipe has none, because every use of it has parameters of its own.",
        "output y = x * x.chanels",
        "output y = x * x.channels",
    ),
    "E0217": Code(
        "a word that the setting does not take",
        "Some settings take one of a few words, such as `same`, and no other.",
        "output y = x -> gelu(approximate = tahn)",
        "output y = x -> gelu(approximate = tanh)",
    ),
    "E0218": Code(
        "an unknown initialiser",
        "Where an initialiser is expected, names are looked up among initialisers.",
        "param w: float32[3] = glorot\noutput y = x * 1",
        "param w: float32[3, 3] = glorot_uniform\noutput y = x * 1",
    ),
    "E0219": Code(
        "a name that cannot be used here",
        "It exists, but not yet, or not for this: a named layer has its parameters from its first use on.",
        "layer enc = dense(3)\nw = enc.weight\noutput y = x -> enc",
        "layer enc = dense(3)\noutput y = x -> enc\nw = enc.weight",
    ),
    "E0220": Code(
        "an unknown type",
        "Types are float32 (the working float), int32, int64, uint8, bool and class(C).",
        "input z: float16[3]\noutput y = z",
        "input z: float32[3]\noutput y = z",
    ),
    "E0221": Code(
        "a data or train block without a model",
        "`train Name { }` and `data Name { }` belong to a model of the same file.",
        "model Net { input x: float32[1]; output y = x }\ntrain Nett { minimize = mean(y); optimizer = sgd(1) }",
        "model Net { input x: float32[1]; output y = x -> dense(1) }\n"
        "train Net { minimize = mean(y); optimizer = sgd(1); steps = 1; batch = 1 }",
    ),
    "E0222": Code(
        "a layer is expected",
        "What follows `->`, is called or is repeated is a layer or a block. Tensors and numbers are piped into them, "
        "not through them.",
        "h = x -> relu\noutput y = x -> h",
        "h = x -> relu\noutput y = x + h",
    ),
    "E0223": Code(
        "a tensor is expected",
        "An output, the value of a block and what a layer computes with are tensors. A layer becomes one when it gets "
        "its tensor.",
        "output y = dense(3)",
        "output y = x -> dense(3)",
    ),
    "E0224": Code(
        "a condition that is not true or false",
        "`if` and `require` decide before the model runs, from numbers: sizes, settings and `let`s. What depends on "
        "entries of a tensor is chosen by where(condition, a, b).",
        "output y = if x > 0 { x } else { -x }",
        "output y = where(x > 0, x, -x)",
    ),
    "E0225": Code(
        "a setting is given twice",
        "A setting stands in its place or with its name, once.",
        "output y = x -> dense(3, units = 4)",
        "output y = x -> dense(units = 4)",
    ),
    "E0226": Code(
        "another number of tensors",
        "A layer or block takes the tensors of its head. As a step it gets the first of them from before the `->`.",
        "output y = x -> matmul",
        "output y = x -> matmul(x)",
    ),
    "E0227": Code(
        "another number of values than names",
        "`a, b = ...` names the tensors that split gives, `for a, b in [[1, 2], [3, 4]]` the entries of each item. "
        "Where one tensor is expected, several are none.",
        "a, b, c = x -> split(2, axis = 1)\noutput y = a + b",
        "a, b = x -> split(2, axis = 1)\noutput y = a + b",
    ),
    "W0201": Code(
        "a block named like a layer of nnspec",
        "In this file the name means the block. That is allowed, so that new layers never break old files.",
        "block tanh(x) { x -> relu }\nmodel M { input x: float32[3]; output y = x -> tanh }",
        "block my_tanh(x) { x -> relu }\nmodel M { input x: float32[3]; output y = x -> my_tanh }",
    ),
    "W0202": Code(
        "a name that nothing reads",
        "Nothing in the model nor in its `train` block reads the name: what is computed for it is thrown away. A name "
        "that begins with an underscore says that this is meant.",
        "h = x -> tanh\noutput y = x -> relu",
        "h = x -> tanh\noutput y = h -> relu",
    ),
    "W0203": Code(
        "a layer that is never used",
        "`layer enc = ...` names a layer, and nothing is piped into it.",
        "layer enc = dense(3)\noutput y = x",
        "layer enc = dense(3)\noutput y = x -> enc",
    ),
    "W0204": Code(
        "a block that is never used",
        "The file compiles models, and none of them uses the block. Files without a model are libraries: nothing is "
        "said of theirs.",
        "block Unit(x) { x -> relu }\nmodel M { input x: float32[3]; output y = x -> dense(2) }",
        "block Unit(x) { x -> relu }\nmodel M { input x: float32[3]; output y = x -> dense(2) -> Unit }",
    ),
    "W0205": Code(
        "a let that nothing reads",
        "The value can be changed, and nothing depends on it.",
        "let width = 8\nmodel M { input x: float32[3]; output y = x -> dense(4) }",
        "let width = 8\nmodel M { input x: float32[3]; output y = x -> dense(width) }",
    ),
    "W0206": Code(
        "a setting that changes nothing",
        "The head of a block or model has a setting that its body never reads.",
        "block Unit(x; width) { x -> dense(3) }\nmodel M { input x: float32[3]; output y = x -> Unit(8) }",
        "block Unit(x; width) { x -> dense(width) }\nmodel M { input x: float32[3]; output y = x -> Unit(8) }",
    ),
    "W0207": Code(
        "a branch that is never taken",
        "The condition is the same whatever the spec is used with, or an earlier branch has asked the same.",
        "output y = if false { x -> relu } else { x -> tanh }",
        "output y = if x.channels > 3 { x -> relu } else { x -> tanh }",
    ),
}
