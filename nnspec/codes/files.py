"""E05xx and W05xx: files, imports, `--set` and data; E06xx: backends."""

from __future__ import annotations

from nnspec.codes.code import TRAIN, Code

_UNIT = ("blocks.nn", "block Unit(x) { x -> dense(3) -> relu }\n")
_USE = "model M { input x: float32[4]; output y = x -> Unit }"
_NET = "model M { input x: float32[2]; target t: float32[1]; output y = x -> dense(1) }\n"
_LOSS = "\ntrain { minimize = mse(y, t); optimizer = sgd(0.1); batch = 2; epochs = 1 }"
_HOUSES = ("houses.csv", "area,rooms,price\n50,2,1.0\n70,3,1.4\n90,3,1.9\n")
_SLOPE = """\
model M {
    input x: float32[4]
    h = x -> dense(8) -> tanh -> dense(1)
    output slope = gradient(h, x)
}
train { minimize = mean(square(slope)); optimizer = sgd(0.1); batch = 8; epochs = 1 }"""


def _model(data: str) -> str:
    """A model with this data block."""
    return f"model M {{ input x: class(9)[8]; output y = x -> one_hot(9) }}\ndata {{ {data} }}"


def _houses(source: str, rest: str = "") -> str:
    """A net that is trained on this source."""
    return f"{_NET}data {{ source = {source}{rest} }}{_LOSS}"


def _kinds(source: str, classes: int) -> str:
    """A classifier that is trained on this source."""
    return (
        f"model M {{ input x: float32[1]; target t: class({classes}); output y = x -> dense({classes}) }}\n"
        f"data {{ source = {source} }}\n"
        "train { minimize = cross_entropy(y, t); optimizer = sgd(0.1); batch = 2; epochs = 1 }"
    )


_IMAGES = "model M { input x: float32[1, 8, 8]; output y = x -> flatten -> dense(1) }\n"

CODES = {
    "E0501": Code(
        "a file that does not exist",
        "There is no file at this path. Imports are relative to the file they stand in.",
        'import "block.nn"\n' + _USE,
        'import "blocks.nn"\n' + _USE,
        (_UNIT,),
    ),
    "E0502": Code(
        "not an ordinary file",
        "The path leads to a folder, a device or a pipe.",
        'import "blocks"\n' + _USE,
        'import "blocks/unit.nn"\n' + _USE,
        (("blocks/unit.nn", _UNIT[1]),),
    ),
    "E0503": Code("not UTF-8", "Specs are text in UTF-8. The message says at which byte the file stops being that."),
    "E0504": Code(
        "an empty spec",
        "The file holds nothing. A spec has at least one model.",
        'import "empty.nn"\nimport "blocks.nn"\n' + _USE,
        'import "blocks.nn"\n' + _USE,
        (("empty.nn", ""), _UNIT),
    ),
    "E0506": Code("a file that cannot be read", "The system refuses to read it; the message says why."),
    "E0507": Code(
        "imports go round in a circle",
        "A file imports itself, perhaps by way of others. Move what both need into a third.",
        'import "blocks.nn"\n' + _USE,
        'import "unit.nn"\n' + _USE,
        (("blocks.nn", 'import "example.nn"\n' + _UNIT[1]), ("unit.nn", _UNIT[1])),
    ),
    "E0508": Code(
        "imports nested too deep",
        "The chain of files that import each other is longer than any project needs.",
    ),
    "E0509": Code(
        "an import leaves the project folder",
        "Imports stay below the folder in which nnspec runs, or that of the main file, also behind `..` and "
        "links. `--allow-outside` (in Python `allow_outside=True`) lets them read any file.",
        'import "../blocks.nn"\n' + _USE,
        'import "blocks.nn"\n' + _USE,
        (_UNIT,),
    ),
    "E0510": Code(
        "the version of the language",
        "`nnspec 1` says which version a file is written in. It stands first, and this nnspec reads version 1.",
        "nnspec 2\nmodel M { input x: float32[1]; output y = x }",
        "nnspec 1\nmodel M { input x: float32[1]; output y = x }",
    ),
    "E0511": Code(
        "--set of what does not exist",
        "Only what exists can be set: a `let`, a parameter or open size of the model, a key of `data` or `train`.",
        "let width = 8\nmodel M { input x: float32[4]; output y = x -> dense(width) }",
        "let width = 8\nmodel M { input x: float32[4]; output y = x -> dense(width) }",
        run="nnspec check example.nn --set widht=16",
        fixed_run="nnspec check example.nn --set width=16",
    ),
    "E0512": Code(
        "--set with a value that cannot be read",
        "The value is an expression of the language, as after `=` in a file.",
        "let width = 8\nmodel M { input x: float32[4]; output y = x -> dense(width) }",
        "let width = 8\nmodel M { input x: float32[4]; output y = x -> dense(width) }",
        run="nnspec check example.nn --set width=8px",
        fixed_run="nnspec check example.nn --set width=8",
    ),
    "E0513": Code(
        "no model",
        "The file declares blocks or `let`s for others to import, and no model to compile.",
        "block Unit(x) { x -> dense(3) -> relu }",
        "block Unit(x) { x -> dense(3) -> relu }\n" + _USE,
        run="nnspec summary example.nn",
    ),
    "E0514": Code(
        "a spec that is too large",
        "A spec is written by hand and has at most 1 MiB. Weights and data belong in files of their own.",
    ),
    "E0515": Code(
        "no model of that name",
        "--model names a model of the file itself; imported ones can be used as blocks.",
        "model Net { input x: float32[4]; output y = x -> dense(1) }",
        "model Net { input x: float32[4]; output y = x -> dense(1) }",
        run="nnspec check example.nn --model Nett",
        fixed_run="nnspec check example.nn --model Net",
    ),
    "E0520": Code(
        "a data file that cannot be opened",
        "There is no such file, or the system refuses to read it. Paths are relative to the spec.",
        _houses('csv("house.csv", t = "price")'),
        _houses('csv("houses.csv", t = "price")'),
        (_HOUSES,),
        run=TRAIN,
    ),
    "E0521": Code(
        "a data file that cannot be read",
        "It is not of the format that its source reads, it is cut short, or its bytes are damaged.",
        _houses('npz("houses.csv")'),
        _houses('csv("houses.csv", t = "price")'),
        (_HOUSES,),
        run=TRAIN,
    ),
    "E0522": Code(
        "data whose rows do not line up",
        "Every example has the same columns: rows and lists of one length, arrays with equally many entries, names "
        "that differ.",
        _houses("table([[50, 2, 1.0], [70, 3]])"),
        _houses("table([[50, 2, 1.0], [70, 3, 1.4]])"),
        run=TRAIN,
    ),
    "E0523": Code(
        "not a source of data",
        'A source is a call, as in csv("file.csv") or sklearn("digits").',
        'data { source = cvs("a.csv") }',
        'data { source = csv("a.csv") }',
    ),
    "E0524": Code(
        "arguments that the source does not take",
        "Sources take paths in quotes first, then columns by the name of their input or target.",
        'data { source = csv("a.csv", "b.csv") }',
        'data { train = csv("a.csv"); test = csv("b.csv") }',
    ),
    "E0525": Code(
        "an unknown data set",
        "scikit-learn carries no data set of that name that nnspec reads, or Hugging Face has none that can be read.",
        'data { source = sklearn("digit") }',
        'data { source = sklearn("digits") }',
    ),
    "E0526": Code(
        "a missing extra",
        "Reading this data needs a package that is not installed; the help is the exact command.",
    ),
    "E0527": Code(
        "a model without data",
        "The model has inputs, and the spec has no `data { }` for it.",
        _NET + _LOSS[1:],
        _houses("random(8)"),
        run=TRAIN,
    ),
    "E0528": Code(
        "data that holds nothing",
        "The file, folder or table is in order, and there is no example in it.",
        _houses("table([[], []])"),
        _houses("table([[50, 2, 1.0], [70, 3, 1.4]])"),
        run=TRAIN,
    ),
    "E0529": Code(
        "values that nnspec does not read",
        "Data is numbers, words, truth values and pictures of 8 bits: no Python objects (reading them can run code), "
        "no complex numbers, no records, no single number in place of one for each example.",
    ),
    "E0530": Code(
        "columns and fields do not meet",
        "An input or target has no column of its name, or there are too many or too few columns for it.",
        _houses('csv("houses.csv", x = ["area", "room"], t = "price")'),
        _houses('csv("houses.csv", x = ["area", "rooms"], t = "price")'),
        (_HOUSES,),
        run=TRAIN,
    ),
    "E0531": Code(
        "data of another shape",
        "The columns cannot be brought into the declared shape.",
        _houses('csv("houses.csv", x = "area", t = "price")'),
        _houses('csv("houses.csv", x = ["area", "rooms"], t = "price")'),
        (_HOUSES,),
        run=TRAIN,
    ),
    "E0532": Code(
        "a cell that is not what its field takes",
        "Text where numbers are expected, an empty cell, or a number that is not finite.",
        _houses('csv("kinds.csv", x = ["kind", "rooms"], t = "price")'),
        _houses('csv("kinds.csv", x = ["area", "rooms"], t = "price")'),
        (("kinds.csv", "kind,area,rooms,price\nflat,50,2,1.0\nhouse,70,3,1.4\n"),),
        run=TRAIN,
    ),
    "E0533": Code(
        "a class out of range",
        "Targets of class(C) are whole numbers in [0, C), or at most C different words.",
        _kinds('csv("kinds.csv", t = "kind")', 2),
        _kinds('csv("kinds.csv", t = "kind")', 3),
        (("kinds.csv", "area,kind\n50,flat\n70,house\n90,barn\n"),),
        run=TRAIN,
    ),
    "E0534": Code(
        "a number that is not whole",
        "The field holds whole numbers, and the data has others.",
        _kinds('csv("levels.csv", x = "area", t = "level")', 3),
        _kinds('csv("levels.csv", x = "area", t = "floor")', 3),
        (("levels.csv", "area,level,floor\n50,0.5,0\n70,1,1\n"),),
        run=TRAIN,
    ),
    "E0535": Code(
        "a split that cannot be",
        "Shares add up to 1; folds(n, k) holds out one of n; a part comes from the split or from a source of its own.",
        _model("source = random(9); split = [0.8, 0.1]"),
        _model("source = random(9); split = [0.8, 0.2]"),
    ),
    "E0536": Code(
        "too few examples for the split",
        "A part that is asked for would be empty.",
        _houses("random(8)", "; split = [0.98, 0.01, 0.01]"),
        _houses("random(8)", "; split = [0.5, 0.25, 0.25]"),
        (),
        run=TRAIN,
    ),
    "E0537": Code(
        "a normalisation that cannot be",
        "normalize is standard, minmax or [mean, std] with as many numbers as there are channels or features.",
        _houses("random(8)", "; normalize = [1, 0]"),
        _houses("random(8)", "; normalize = [0, 1]"),
        (),
        run=TRAIN,
    ),
    "E0538": Code(
        "a window that does not fit",
        "A part has fewer rows than a window and what follows it, an input takes windows of another length, or a text "
        "has no window to cut it into examples.",
        _model('source = text("book.txt", tokens = characters)'),
        _model('source = text("book.txt", tokens = characters); window = 8'),
    ),
    "E0539": Code(
        "an unknown augmentation",
        "augment takes flip and crop(pixels), and changes inputs that are images.",
        _IMAGES + "data { source = random(9); augment = [spin] }",
        _IMAGES + "data { source = random(9); augment = [flip, crop(2)] }",
    ),
    "E0601": Code(
        "not available on this backend",
        "The backend has no form of this operation; the message says why, and another backend may have one.",
        _SLOPE,
        _SLOPE,
        run="nnspec compile example.nn --backend numpy",
        fixed_run="nnspec compile example.nn --backend torch",
    ),
    "W0501": Code(
        "a file is imported twice",
        "The second import changes nothing.",
        'import "blocks.nn"\nimport "blocks.nn"\n' + _USE,
        'import "blocks.nn"\n' + _USE,
        (_UNIT,),
    ),
}
