"""E05xx and W05xx: files, imports, `--set` and data; E06xx: backends."""

from __future__ import annotations

from nnspec.codes.code import Code


def _model(data: str) -> str:
    """A model with this data block."""
    return f"model M {{ input x: class(9)[8]; output y = x -> one_hot(9) }}\ndata {{ {data} }}"


CODES = {
    "E0501": Code(
        "a file that does not exist",
        "There is no file at this path. Imports are relative to the file they stand in.",
    ),
    "E0502": Code("not an ordinary file", "The path leads to a folder, a device or a pipe."),
    "E0503": Code("not UTF-8", "Specs are text in UTF-8. The message says at which byte the file stops being that."),
    "E0504": Code("an empty spec", "The file holds nothing. A spec has at least one model."),
    "E0506": Code("a file that cannot be read", "The system refuses to read it; the message says why."),
    "E0507": Code(
        "imports go round in a circle",
        "A file imports itself, perhaps by way of others. Move what both need into a third.",
    ),
    "E0508": Code(
        "imports nested too deep",
        "The chain of files that import each other is longer than any project needs.",
    ),
    "E0509": Code(
        "an import leaves the project folder",
        "Imports stay below the folder in which nnspec runs, or that of the main file, also behind `..` and "
        "links. `--allow-outside` (in Python `allow_outside=True`) lets them read any file.",
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
    ),
    "E0512": Code(
        "--set with a value that cannot be read",
        "The value is an expression of the language, as after `=` in a file.",
    ),
    "E0513": Code("no model", "The file declares blocks or `let`s for others to import, and no model to compile."),
    "E0514": Code(
        "the file is too large",
        "A spec is written by hand and has at most 1 MiB. Weights and data belong in files of their own.",
    ),
    "E0515": Code(
        "no model of that name",
        "--model names a model of the file itself; imported ones can be used as blocks.",
    ),
    "E0520": Code(
        "a data file that cannot be opened",
        "There is no such file, or the system refuses to read it. Paths are relative to the spec.",
    ),
    "E0521": Code(
        "a data file that cannot be used",
        "It is not of the format its source reads, it is cut short, its rows differ in length, or it holds nothing.",
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
    ),
    "E0525": Code(
        "an unknown data set",
        "scikit-learn carries no data set of that name that nnspec reads, or Hugging Face has none that can be read.",
    ),
    "E0526": Code(
        "a missing extra",
        "Reading this data needs a package that is not installed; the help is the exact command.",
    ),
    "E0527": Code("a model without data", "The model has inputs, and the spec has no `data { }` for it."),
    "E0530": Code(
        "columns and fields do not meet",
        "An input or target has no column of its name, or there are too many or too few columns for it.",
    ),
    "E0531": Code("data of another shape", "The columns cannot be brought into the declared shape."),
    "E0532": Code(
        "a cell that is not what its field takes",
        "Text where numbers are expected, an empty cell, or a number that is not finite.",
    ),
    "E0533": Code(
        "a class out of range",
        "Targets of class(C) are whole numbers in [0, C), or at most C different words.",
    ),
    "E0534": Code("a number that is not whole", "The field holds whole numbers, and the data has others."),
    "E0535": Code(
        "a split that cannot be",
        "Shares add up to 1; folds(n, k) holds out one of n; a part comes from the split or from a source of its own.",
    ),
    "E0536": Code("too few examples for the split", "A part that is asked for would be empty."),
    "E0537": Code(
        "a normalisation that cannot be",
        "normalize is standard, minmax or [mean, std] with as many numbers as there are channels or features.",
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
        _model("source = random(9); augment = [spin]"),
        _model("source = random(9); augment = [flip, crop(2)]"),
    ),
    "E0601": Code(
        "not available on this backend",
        "The backend has no form of this operation; the message says why, and another backend may have one.",
    ),
    "W0501": Code("a file is imported twice", "The second import changes nothing."),
}
