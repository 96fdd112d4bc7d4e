"""What students write who know Python and have read one example: two specs, and slips in them.

A row holds replacements of text, and for each mistake a text that stands on its line and a pattern of what the first
line of the report says. `test_students.py` scores them.
"""

from __future__ import annotations

IMAGES = """let width = 16
let lr = 1e-3 in log_uniform(1e-5, 1e-1)

block Unit(x; channels, stride = 1) {
    y = x -> conv(channels, 3, stride = stride, padding = 1, bias = false) -> batch_norm -> relu
    y -> conv(channels, 3, padding = 1, bias = false) -> batch_norm -> relu
}

model Net(classes = 10) {
    input  image: float32[3, 32, 32]
    target label: class(classes)
    stem = image -> conv(width, 3, padding = 1) -> relu
    body = stem -> Unit(width) -> Unit(2 * width, stride = 2)
    skip = body -> global_avg_pool
    output logits = skip -> dense(64) -> relu -> dropout(0.2) -> dense(classes)
}

data {
    source = cifar("data")
    split = [0.8, 0.1, 0.1]
    normalize = standard
}

train {
    minimize = cross_entropy(logits, label) + 1e-4 * l2(weights)
    optimizer = adam(lr)
    epochs = 20
    batch = 32
    metrics = [accuracy]
}
"""

SCORES = """model Regressor(hidden = 32) {
    dim T = 16
    input  words: class(500)[T]
    input  extra: float32[4]
    target score: float32
    layer embed = embedding(500, 24)
    let act = gelu
    h = words -> embed -> layer_norm
    for_mean = h -> lstm(hidden) -> take(-1)
    both = concat(for_mean, extra)
    output y = both -> fc1: dense(hidden) -> act -> fc2: dense(1)
    require parameters < 5_000_000
}

data {
    source = csv("reviews.csv", score = "score")
    split = [0.7, 0.15, 0.15]
    window = 16
}

train {
    minimize = huber(y, score)
    optimizer = adamw(cosine(1e-3, warmup = 100), decay = 0.01)
    optimizer("embed") = frozen
    epochs = 5
    batch = 16
    clip_norm = 1.0
    stop = patience(3)
    metrics = [mae]
}
"""

Row = tuple[list[tuple[str, str]], tuple[tuple[str, str], ...]]

IN_IMAGES: list[Row] = [
    ([("conv(width, 3, padding = 1)", "Conv2d(width, 3, padding = 1)")], (("Conv2d", r"unknown layer Conv2d"),)),
    (
        [("conv(width, 3, padding = 1)", 'conv(width, 3, padding = "same")')],
        (('"same"', r"padding of conv is .*string"),),
    ),
    ([("conv(width, 3, padding = 1)", "nn.Conv2d(3, 16, 3)")], (("nn.Conv", r"nn|only a name"),)),
    ([("-> relu -> dropout", "-> nn.ReLU() -> dropout")], (("nn.ReLU", r"nn|only a name"),)),
    (
        [
            ("stem = image -> conv", "stem = Conv2d(image, 16, 3)\n    old = image -> conv"),
            ("body = stem", "body = old"),
        ],
        (("Conv2d", r"unknown layer Conv2d"),),
    ),
    ([("-> relu -> dropout", "-> ReLU -> dropout")], (("ReLU", r"unknown layer ReLU"),)),
    ([("-> relu -> dropout", "-> F.relu -> dropout")], (("F.relu", r"F"),)),
    ([("block Unit(x; channels, stride = 1) {", "def Unit(x, channels, stride=1):")], (("def Unit", r"def"),)),
    ([("model Net(classes = 10) {", "class Net(nn.Module):")], (("class Net", r"class"),)),
    ([("model Net(classes = 10) {", "model Net(classes = 10):")], (("model Net", "`\\{`|:"),)),
    ([("train {", "train:")], (("train:", r"train|:"),)),
    ([("-> dense(classes)\n}", "-> dense(classes)\n")], (("model Net", "`\\{` is not closed"),)),
    ([("padding = 1) -> relu", "padding = 1 -> relu")], (("padding = 1 -> relu", "`\\(` is not closed"),)),
    ([("stem -> Unit", "stem Unit")], (("stem Unit", r"expected|found"),)),
    ([("conv(width, 3, padding", "conv(width 3, padding")], (("width 3", r"expected"),)),
    ([("stem -> Unit(width) ->", "stem - > Unit(width) ->")], (("- >", r"expected|`>`"),)),
    ([("dropout(0.2)", "dropout(rate = 0.2)")], (("rate", r"unknown setting rate of dropout"),)),
    ([("dropout(0.2)", "dropout(1.5)")], (("1.5", r"dropout.*1.5|p of dropout"),)),
    ([("dropout(0.2)", "droput(0.2)")], (("droput", r"unknown layer droput"),)),
    ([("dense(64)", "dense(64.5)")], (("64.5", r"64.5"),)),
    ([("dense(64)", "dense(-64)")], (("-64", r"-64"),)),
    ([("dense(64)", 'dense("64")')], (('"64"', r"units of dense is a number, this is a string"),)),
    ([("dense(64)", "dense()")], (("dense()", r"dense needs its units|dense takes"),)),
    ([("dense(64)", "dense")], (("-> dense ->", r"dense needs its units"),)),
    ([("dense(64)", "dense(64, 10)")], (("64, 10", r"dense"),)),
    ([("dense(64)", "dense(64, activation = relu)")], (("activation", r"unknown setting activation of dense"),)),
    ([("dense(64)", "dense(units: 64)")], (("units: 64", r""),)),
    ([("dense(64)", "dense(hidden)")], (("hidden", r"unknown name hidden"),)),
    ([("float32[3, 32, 32]", "float32(3, 32, 32)")], (("float32(3", r""),)),
    ([("float32[3, 32, 32]", "float[3, 32, 32]")], (("float[3", r"unknown type float"),)),
    ([("float32[3, 32, 32]", "Float32[3, 32, 32]")], (("Float32", r"unknown type Float32"),)),
    ([("float32[3, 32, 32]", "[3, 32, 32]")], (("image: [3", r""),)),
    ([("input  image: float32[3, 32, 32]", "input image = float32[3, 32, 32]")], (("input image =", r""),)),
    (
        [("input  image: float32[3, 32, 32]", "input image float32[3, 32, 32]")],
        (("input image float", r"expected `:`"),),
    ),
    (
        [("input  image: float32[3, 32, 32]", "input image: float32[3, 32, 32")],
        (("input image", "`\\[` is not closed"),),
    ),
    (
        [("input  image: float32[3, 32, 32]", "inputs image: float32[3, 32, 32]")],
        (("inputs image", r"no statement begins with `inputs`"),),
    ),
    ([("class(classes)", "class[classes]")], (("class[", r""),)),
    ([("class(classes)", "class")], (("label: class", r"class takes the number of classes"),)),
    ([("output logits = skip", "logits = skip")], (("model Net", r"no output"),)),
    ([("output logits = skip", "return skip")], (("return skip", r""),)),
    ([("output logits = skip", "outptu logits = skip")], (("outptu", r"no statement begins with `outptu`"),)),
    (
        [("Unit(width) -> Unit(2 * width, stride = 2)", "Unit(width) -> Unit(2 * width, strides = 2)")],
        (("strides", r"unknown setting strides of Unit"),),
    ),
    (
        [("Unit(width) -> Unit(2 * width, stride = 2)", "Unit(width) -> unit(2 * width)")],
        (("-> unit(", r"unknown layer unit"),),
    ),
    (
        [("Unit(width) -> Unit(2 * width, stride = 2)", "Unit() -> Unit(2 * width)")],
        (("Unit()", r"Unit needs its channels"),),
    ),
    (
        [("body = stem -> Unit(width) -> Unit(2 * width, stride = 2)", "body = stem -> conv(8, 40)")],
        (("conv(8, 40)", r"kernel 40x40 does not fit"),),
    ),
    (
        [
            (
                "body = stem -> Unit(width) -> Unit(2 * width, stride = 2)",
                "body = stem + (stem -> conv(8, 3, padding = 1))",
            )
        ],
        (("conv(8, 3", r"broadcast"),),
    ),
    (
        [("body = stem -> Unit(width) -> Unit(2 * width, stride = 2)", "body = concat(stem, stem -> max_pool(2))")],
        (("concat(", r"concat"),),
    ),
    (
        [("body = stem -> Unit(width) -> Unit(2 * width, stride = 2)", "body = stem -> reshape([100])")],
        (("reshape", r"reshape cannot make"),),
    ),
    ([("skip = body -> global_avg_pool", "skip = body -> flatten -> conv(3, 3)")], (("flatten -> conv", r"conv"),)),
    (
        [("skip = body -> global_avg_pool", "skip = body.flatten()")],
        (("body.flatten()", r"`body.flatten` cannot be called"),),
    ),
    ([("skip = body -> global_avg_pool", "skip = global_avg_pool")], (("skip = global", r"names a tensor"),)),
    (
        [("skip = body -> global_avg_pool", "body = body -> global_avg_pool"), ("= skip ->", "= body ->")],
        (("body = body", r"body is defined twice"),),
    ),
    ([("skip = body -> global_avg_pool", "skip = bodi -> global_avg_pool")], (("bodi", r"unknown name bodi"),)),
    ([("minimize = cross", "loss = cross")], (("loss = cross", r"unknown key loss of train"),)),
    (
        [("cross_entropy(logits, label)", "crossentropy(logits, label)")],
        (("crossentropy", r"unknown layer crossentropy"),),
    ),
    ([("cross_entropy(logits, label)", "cross_entropy(label, logits)")], (("cross_entropy(label", r""),)),
    ([("cross_entropy(logits, label)", "cross_entropy(logits)")], (("cross_entropy(logits)", r""),)),
    ([("cross_entropy(logits, label)", "mse(logits, label)")], (("mse(logits", r"mse"),)),
    (
        [("cross_entropy(logits, label)", "cross_entropy(output, target)")],
        (
            ("cross_entropy(output", r"train cannot see output"),
            ("cross_entropy(output", r"train cannot see target"),
        ),
    ),
    ([("l2(weights)", "l2")], (("* l2", r"l2"),)),
    ([("adam(lr)", "Adam(lr)")], (("Adam(lr)", r"unknown optimizer Adam"),)),
    ([("adam(lr)", '"adam"')], (('"adam"', r"optimizer takes an optimizer"),)),
    ([("adam(lr)", "adam(learning_rate = lr)")], (("learning_rate", r"unknown setting learning_rate of adam"),)),
    ([("adam(lr)", "adam(lr, momentum = 0.9)")], (("momentum", r"unknown setting momentum of adam"),)),
    ([("adam(lr)", "sgd")], (("optimizer = sgd", r"sgd needs its lr"),)),
    ([("epochs = 20", 'epochs = "20"')], (('"20"', r"epochs takes a number"),)),
    ([("epochs = 20", "epochs: 20")], (("epochs: 20", r""),)),
    ([("epochs = 20", "epochs 20")], (("epochs 20", r"expected"),)),
    ([("epochs = 20", "epochs = 20, batch_size = 8")], (("batch_size", r""),)),
    ([("batch = 32", "batch_size = 32")], (("batch_size", r"unknown key batch_size of train"),)),
    ([("batch = 32", "batch = 0")], (("batch = 0", r"batch takes"),)),
    ([("[accuracy]", "[acc]")], (("[acc]", r"unknown metric acc"),)),
    ([("[accuracy]", "accuracy, top5")], (("top5", r""),)),
    ([("[accuracy]", '["accuracy"]')], (('"accuracy"', r""),)),
    ([("split = [0.8, 0.1, 0.1]", "split = [0.8, 0.1, 0.2]")], (("split", r"add up to"),)),
    ([("split = [0.8, 0.1, 0.1]", "split = 0.8")], (("split = 0.8", r"split is a list"),)),
    ([('cifar("data")', "cifar(data)")], (("cifar(data)", r""),)),
    ([('cifar("data")', 'cifar10("data")')], (("cifar10", r"unknown source cifar10"),)),
    ([('cifar("data")', '"data"')], (('source = "data"', r"source is a source"),)),
    ([("normalize = standard", "normalize = standart")], (("standart", r"normalize cannot be standart"),)),
    ([("normalize = standard", "normalise = standard")], (("normalise", r"unknown key normalise of data"),)),
    ([("normalize = standard", "augment = [flop]")], (("flop", r"flop"),)),
    ([("let width = 16", "width = 16")], (("width = 16", r"belongs inside"),)),
    ([("let width = 16", "let width: int = 16")], (("let width: int", r""),)),
    ([("1e-3 in log_uniform(1e-5, 1e-1)", "1e-3 in loguniform(1e-5, 1e-1)")], (("loguniform", r"loguniform"),)),
    ([("1e-3 in log_uniform(1e-5, 1e-1)", "1 in log_uniform(1e-5, 1e-1)")], (("let lr", r"domain|outside|not in"),)),
    ([("1e-3 in log_uniform(1e-5, 1e-1)", "6 in [relu, 8]")], (("let lr", r"domain|kinds|in "),)),
    ([("(x; channels, stride = 1)", "(x, channels, stride = 1)")], (("block Unit", r""),)),
    (
        [
            (
                "    y -> conv(channels, 3, padding = 1, bias = false) -> batch_norm -> relu\n}",
                "    z = y -> conv(channels, 3, padding = 1, bias = false) -> batch_norm -> relu\n}",
            )
        ],
        (("block Unit", r"Unit has no value"),),
    ),
    (
        [("bias = false) -> batch_norm -> relu\n    y", "bias = False) -> batch_norm -> relu\n    y")],
        (("False", r"unknown name False"),),
    ),
    (
        [("bias = false) -> batch_norm -> relu\n    y", "bias = None) -> batch_norm -> relu\n    y")],
        (("None", r"there is no None"),),
    ),
    (
        [("bias = false) -> batch_norm -> relu\n    y", "bias = 0) -> batch_norm -> relu\n    y")],
        (("bias = 0", r"bias of conv is true or false"),),
    ),
    (
        [
            (
                "padding = 1, bias = false) -> batch_norm -> relu\n    y",
                "padding = 1 bias = false) -> batch_norm -> relu\n    y",
            )
        ],
        (("padding = 1 bias", r"expected"),),
    ),
    (
        [
            ("dropout(0.2)", "droput(0.2)"),
            ("epochs = 20", "epocs = 20"),
            ("float32[3, 32, 32]", "flaot32[3, 32, 32]"),
            ("split = [0.8, 0.1, 0.1]", "split = [0.8, 0.3, 0.1]"),
        ],
        (
            ("droput", r"unknown layer droput"),
            ("epocs", r"unknown key epocs"),
            ("flaot32", r"unknown type flaot32"),
            ("split", r"add up"),
        ),
    ),
    (
        [
            ("conv(width, 3, padding = 1)", "conv(width, 3, padding = 1"),
            ("adam(lr)", "adamm(lr)"),
            ("normalize = standard", "normalize = std"),
        ],
        (
            ("stem =", r"is not closed"),
            ("adamm", r"unknown optimizer"),
            ("= std", r"normalize cannot be std"),
        ),
    ),
    (
        [
            ("y = x -> conv(channels, 3,", "y = x -> conv(channels 3,"),
            ("dense(64)", "dense(sixty)"),
            ("[accuracy]", "[acuracy]"),
        ],
        (
            ("channels 3", r"expected"),
            ("sixty", r"unknown name sixty"),
            ("acuracy", r"unknown metric"),
        ),
    ),
    (
        [("model Net(classes = 10) {", "modle Net(classes = 10) {"), ("adam(lr)", "adamx(lr)")],
        (
            ("modle", r"no statement begins with `modle`"),
            ("adamx", r"unknown optimizer"),
        ),
    ),
    ([("    minimize", "  # minimise the loss\n    minimise")], (("minimise =", r"unknown key minimise"),)),
    (
        [
            ("input  image: float32[3, 32, 32]", "input  image: float32[32, 32, 3]"),
            ("dense(classes)\n", "dense(10.5)\n"),
        ],
        (("10.5", r"10.5"),),
    ),
]

IN_SCORES: list[Row] = [
    ([("lstm(hidden)", "LSTM(hidden)")], (("LSTM", r"unknown layer LSTM"),)),
    ([("lstm(hidden)", "lstm(hidden, num_layers = 2)")], (("num_layers", r"unknown setting num_layers of lstm"),)),
    ([("lstm(hidden)", "lstm(hidden, bidirectional = yes)")], (("= yes", r"yes"),)),
    ([("take(-1)", "take(last)")], (("last", r"unknown name last"),)),
    ([("take(-1)", "[-1]")], (("-> [-1]", r"step is a layer|expected"),)),
    ([("concat(for_mean, extra)", "cat([for_mean, extra])")], (("cat([", r"unknown layer cat"),)),
    ([("concat(for_mean, extra)", "concat([for_mean, extra])")], (("concat([", r"concat"),)),
    ([("concat(for_mean, extra)", "for_mean + extra")], (("for_mean + extra", r"broadcast"),)),
    (
        [("concat(for_mean, extra)", "concat(for_mean, extra, dim = 0)")],
        (("dim = 0", r"unknown setting dim of concat"),),
    ),
    ([("concat(for_mean, extra)", "concat(for_mean, axis = extra)")], (("axis = extra", r"axis of concat"),)),
    ([("concat(for_mean, extra)", "concat(for_mean extra)")], (("for_mean extra", r"expected"),)),
    ([("fc2: dense(1)", "fc1: dense(1)")], (("fc1: dense(1)", r"label fc1 is used twice"),)),
    ([("fc2: dense(1)", "dense(2)")], (("huber(y", r"huber"),)),
    ([("huber(y, score)", "Huber(y, score)")], (("Huber", r"unknown layer Huber"),)),
    ([("huber(y, score)", "huber(y - score)")], (("huber(y - score)", r"huber"),)),
    ([("huber(y, score)", "y - score * 2 ^")], (("2 ^", r"expected"),)),
    ([("huber(y, score)", "cross_entropy(y, score)")], (("cross_entropy", r"cross_entropy"),)),
    (
        [("adamw(cosine(1e-3, warmup = 100), decay = 0.01)", "adamw(cosin(1e-3))")],
        (("cosin(", r"unknown schedule cosin"),),
    ),
    ([("warmup = 100", "warm_up = 100")], (("warm_up", r"unknown setting warm_up of cosine"),)),
    ([("decay = 0.01", "weight_decay = 0.01")], (("weight_decay", r"unknown setting weight_decay of adamw"),)),
    ([("decay = 0.01)", "decay = 0.01")], (("adamw(", r"is not closed"),)),
    ([('optimizer("embed")', 'optimizer("embd")')], (("embd", r"matches no parameter"),)),
    ([('optimizer("embed")', "optimizer(embed)")], (("optimizer(embed)", r"string|expected"),)),
    ([("= frozen", "= freeze")], (("freeze", r"unknown optimizer freeze"),)),
    ([("patience(3)", "3")], (("stop = 3", r"stop"),)),
    ([("patience(3)", "pacience(3)")], (("pacience", r"pacience"),)),
    ([("patience(3)", "patience()")], (("patience()", r"patience"),)),
    ([("clip_norm = 1.0", "clip_grad = 1.0")], (("clip_grad", r"unknown key clip_grad"),)),
    ([("clip_norm = 1.0", "clip_norm = -1")], (("clip_norm = -1", r"clip_norm takes"),)),
    ([("epochs = 5", "epochs = 5.5")], (("5.5", r"epochs takes"),)),
    ([("epochs = 5", "epochs = five")], (("five", r"epochs takes"),)),
    ([("batch = 16", "batch = all")], (("= all", r"batch takes"),)),
    ([("[mae]", "mae, mse")], (("mae, mse", r"expected|found"),)),
    ([("[mae]", "[mea]")], (("[mea]", r"unknown metric mea"),)),
    ([("class(500)[T]", "class(500)[t]")], (("[t]", r"unknown name t"),)),
    ([("class(500)[T]", "int[T]")], (("int[T]", r"unknown type int"),)),
    ([("class(500)[T]", "float32[T]")], (("words -> embed", r"embedding looks up whole"),)),
    ([("class(500)[T]", "class(800)[T]")], (("words -> embed", r"embedding"),)),
    ([("dim T = 16", "dim T == 16")], (("dim T ==", r""),)),
    ([("dim T = 16", "dim T: 16")], (("dim T:", r""),)),
    ([("dim T = 16\n", "\n")], (("[T]", r"unknown name T"),)),
    ([("embedding(500, 24)", "embedding(500)")], (("embedding(500)", r"embedding needs its features"),)),
    ([("embedding(500, 24)", "Embedding(500, 24)")], (("Embedding", r"unknown layer Embedding"),)),
    ([("layer embed = embedding(500, 24)", "layer embed: embedding(500, 24)")], (("layer embed:", r""),)),
    ([("let act = gelu", "act = gelu")], (("act = gelu", r"names a tensor"),)),
    ([("let act = gelu", "let act = gelu()")], ()),
    ([("let act = gelu", "let act = gelo")], (("gelo", r"unknown name gelo|unknown layer gelo"),)),
    ([("h = words -> embed", "h = words >> embed")], ((">>", r""),)),
    ([("h = words -> embed", "h := words -> embed")], ((":=", r""),)),
    ([("h = words -> embed", "h = words | embed")], (("| embed", r""),)),
    ([("h = words -> embed", "h == words -> embed")], (("h ==", r""),)),
    ([("h = words -> embed", "let h = words -> embed")], (("let h", r""),)),
    ([("h = words -> embed", "h words -> embed")], (("h words", r"no statement begins|expected"),)),
    ([("h = words -> embed", "h = embed")], (("h = embed", r""),)),
    ([("h = words -> embed -> layer_norm", "h = words -> embed ->")], (("embed ->", r"expected|twice|assigned"),)),
    ([("require parameters < 5_000_000", "require parameters < 500")], (("< 500", r"breaks this requirement"),)),
    ([("require parameters < 5_000_000", "require params < 500")], (("params", r"unknown name params"),)),
    ([("require parameters < 5_000_000", "assert parameters < 500")], (("assert", r"assert"),)),
    ([('csv("reviews.csv", score = "score")', "csv(reviews.csv)")], (("reviews.csv)", r"reviews"),)),
    ([('csv("reviews.csv", score = "score")', "csv('reviews.csv')")], (("'reviews", r"double quotes"),)),
    ([('csv("reviews.csv", score = "score")', 'csv("reviews.csv)')], (("reviews.csv)", r"not closed"),)),
    ([('csv("reviews.csv", score = "score")', 'csv(path = "reviews.csv")')], (("path =", r""),)),
    ([('csv("reviews.csv", score = "score")', 'load_csv("reviews.csv")')], (("load_csv", r"unknown source load_csv"),)),
    ([("[0.7, 0.15, 0.15]", "random_split(0.7)")], (("random_split", r"split cannot be"),)),
    ([("[0.7, 0.15, 0.15]", "(0.7, 0.15, 0.15)")], (("(0.7", r""),)),
    ([("window = 16", 'window = "16"')], (('"16"', r"window takes"),)),
    ([("window = 16", "windows = 16")], (("windows", r"unknown key windows"),)),
    ([("output y = both", "output: y = both")], (("output:", r""),)),
    ([("output y = both", "output y: float32[1] = both")], (("y: float32", r"type of its own"),)),
    ([("output y = both", "output y both")], (("y both", r"expected"),)),
    ([("output y = both -> fc1", "output y = both\n    -> fc1")], ()),
    ([("output y = both -> fc1", "output y = both ->\n    fc1")], ()),
    ([("input  extra: float32[4]", "input  extra: float32[4],")], (("[4],", r""),)),
    ([("input  extra: float32[4]", "input  extra: float32[0]")], (("float32[0]", r"0"),)),
    (
        [("input  extra: float32[4]", "input  words: float32[4]"), ("for_mean, extra", "for_mean, words")],
        (("words: float32", r"defined twice"),),
    ),
    ([("input  extra: float32[4]", "  input  extra: tensor[4]")], (("tensor[4]", r"unknown type tensor"),)),
    (
        [("model Regressor(hidden = 32) {", "model Regressor(hidden) {")],
        (("model Regressor", r"hidden of Regressor has no value"),),
    ),
    ([("model Regressor(hidden = 32) {", "model (hidden = 32) {")], (("model (", r""),)),
    ([("model Regressor(hidden = 32) {", "model Regressor(hidden: 32) {")], (("hidden: 32", r""),)),
    (
        [("    require parameters < 5_000_000\n}", "    require parameters < 5_000_000\n")],
        (("model Regressor", r"not closed"),),
    ),
    (
        [("    require parameters < 5_000_000\n}", "    require parameters < 5_000_000\n}}")],
        (("}}", r"closes nothing"),),
    ),
    (
        [("train {", "trian {"), ("[mae]", "[mea]")],
        (
            ("trian", r"no statement begins"),
            ("[mea]", r"unknown metric"),
        ),
    ),
    ([("train {", "train Regresor {")], (("Regresor", r"belongs to no model"),)),
    ([("train {", "Train {")], (("Train {", r""),)),
    (
        [
            ("concat(for_mean, extra)", "concat(for_meen, extra)"),
            ("cosine(1e-3", "cosne(1e-3"),
            ("class(500)", "clas(500)"),
            ("clip_norm", "clipnorm"),
            ("0.7, 0.15, 0.15", "0.7, 0.15, 0.25"),
        ],
        (
            ("for_meen", r"unknown name for_meen"),
            ("cosne", r"unknown schedule"),
            ("clas(", r"unknown type clas"),
            ("clipnorm", r"unknown key"),
            ("0.25", r"add up"),
        ),
    ),
    (
        [("lstm(hidden)", "lstm(hidden"), ("huber(y, score)", "huber(y, scor)"), ("batch = 16", "batch 16")],
        (
            ("lstm(hidden", r"not closed"),
            ("scor)", r"train cannot see scor"),
            ("batch 16", r"expected"),
        ),
    ),
]
