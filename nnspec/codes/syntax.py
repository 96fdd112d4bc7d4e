"""E01xx: text that cannot be read."""

from __future__ import annotations

from nnspec.codes.code import Code

CODES = {
    "E0101": Code(
        "something else is expected here",
        "The grammar allows other words or signs at this place than the one that stands there. The message says which.",
        "output y = x -> dense(units 3)",
        "output y = x -> dense(units = 3)",
    ),
    "E0102": Code(
        "a bracket is not closed",
        "A bracket is opened and the statement or the file ends before it is closed.",
        "output y = x -> conv(6, 5",
        "output y = x -> conv(6, 5)",
    ),
    "E0103": Code(
        "brackets do not match",
        "A closing bracket is of another kind than the one that is open, or nothing is open.",
        "output y = x -> conv(6, 5]",
        "output y = x -> conv(6, 5)",
    ),
    "E0104": Code(
        "a sign that is not in the language",
        "Neither an operator nor a name nor a number begins so. Strings stand between double quotes.",
        "output y = x => relu",
        "output y = x -> relu",
    ),
    "E0105": Code(
        "a string is not closed on its line",
        'A string begins with " and ends with " on the same line.',
        'data {\n    source = csv("digits.csv)\n}',
        'data {\n    source = csv("digits.csv")\n}',
    ),
    "E0106": Code(
        "a string holds what it cannot",
        'Control characters cannot stand in a string; after a backslash stand ", \\, n or t alone.',
        'data { source = csv("a\\q.csv") }',
        'data { source = csv("a/q.csv") }',
    ),
    "E0107": Code(
        "a malformed number",
        "Digits run into letters, or underscores stand where no digits are between.",
        "output y = x * 3px",
        "output y = x * 3",
    ),
    "E0108": Code(
        "a number too large",
        "A whole number has at most 18 digits, any other reaches up to 1.7e308.",
        "output y = x * 1e999",
        "output y = x * 1e300",
    ),
    "E0109": Code(
        "nested too deep",
        "Brackets or expressions stand inside each other more often than any reader follows: 64 brackets, 200 terms. "
        "Name the parts.",
        "output y = x * " + "(" * 65 + "3" + ")" * 65,
        "output y = x * 3",
    ),
    "E0111": Code(
        "a line starts with an operator",
        "A newline ends a statement, except after an operator. Only -> and else continue the line above.",
        "output y = x\n    + x",
        "output y = x +\n    x",
    ),
    "E0112": Code(
        "an expression without a name",
        "Between braces an expression that nothing names is the value, so it is the last line.",
        "x -> relu\noutput y = x",
        "h = x -> relu\noutput y = h",
    ),
    "E0113": Code(
        "comparisons do not chain",
        "Mathematics writes a < b < c; the language compares two things at a time.",
        "require 1 < x.size < 100\noutput y = x",
        "require 1 < x.size and x.size < 100\noutput y = x",
    ),
    "E0114": Code(
        "only a name can be called",
        "Parentheses after anything but a name mean nothing. A tensor is piped into a layer.",
        "output y = (x)(3)",
        "output y = x -> dense(3)",
    ),
    "E0115": Code(
        "a statement in the wrong place",
        "`input`, `output`, `h = ...` and the like stand inside a model or block; `model`, `block`, `import`, `data`, "
        "`train` in the file itself.",
        "model M { input x: float32[3]; output y = x -> dense(h) }\nh = 3",
        "model M { input x: float32[3]; output y = x -> dense(h) }\nlet h = 3",
    ),
    "E0116": Code(
        "a reserved word as a name",
        "if, else, for, in, and, or, not, true and false cannot be names.",
        "input not: float32[3]\noutput y = x",
        "input note: float32[3]\noutput y = x",
    ),
    "E0117": Code(
        "a setting among the tensors of a block",
        "In the head of a block its tensors come first; after `;` come its settings, which may have defaults.",
        "block Up(x, width = 3) { x -> dense(width) }",
        "block Up(x; width = 3) { x -> dense(width) }",
    ),
    "E0118": Code(
        "a name with letters beyond ASCII",
        "Names hold A-Z, a-z, digits and _, so that no two names look alike and every name can be one in Python.",
        "größe = x\noutput y = x",
        "groesse = x\noutput y = x",
    ),
    "E0119": Code("a unary plus", "A sign before a number is a minus or nothing.", "output y = +x", "output y = x"),
    "E0120": Code(
        "too many errors to read on",
        "After so many errors the rest of the file would only give echoes. Correct the first ones.",
    ),
    "E0121": Code(
        "a file that is no spec",
        "Hardly a line can be read, and none begins as those of specs do: the file is in another language, such as "
        "Python. nnspec compiles specs to Python; it does not read it.",
        "import torch\nfrom torch import nn\n\nclass model(nn.Module):\n    pass",
        "model Net { input x: float32[4]; output y = x -> dense(1) }",
    ),
    "W0101": Code(
        "a comment that allows nothing",
        "`# nnspec: allow(W0301)` silences a warning: on its line and all that begins there, in the whole file where "
        "it stands above the first declaration. Only warnings have codes that can stand in it.",
        "output y = x -> relu  # nnspec: allow(W9)",
        "output y = x -> relu",
    ),
}
