"""What the help of a diagnostic says to do, as edits of the text. Proposals: `nnspec.fixes` tries each.

A rule reads one form of help. It may propose what does not work, as long as what works is among it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nnspec.diagnostics import Diagnostic, Edit, Fix
from nnspec.proposals import names, syntax, values
from nnspec.proposals.source import Source
from nnspec.suggest import meant


def proposals(diagnostic: Diagnostic, text: str) -> Iterator[Fix]:
    """Changes that the help of a diagnostic names, not yet tried."""
    source = Source(text, diagnostic.span)
    for name in meant(diagnostic.help):
        if (place := source.word(name, diagnostic.message)) is not None:
            yield Fix(f"write {name}", (Edit(place, name),))
    for rule in (*_BY_CODE.get(diagnostic.code, ()), *_ALWAYS):
        yield from rule(diagnostic, source)


_BY_CODE: dict[str, tuple[Callable[[Diagnostic, Source], Iterator[Fix]], ...]] = {
    "E0101": (syntax.words,),
    "E0102": (syntax.close,),
    "E0104": (syntax.quote, syntax.words),
    "E0105": (syntax.quote,),
    "E0111": (syntax.operator_up,),
    "E0113": (syntax.chain,),
    "E0114": (syntax.methods,),
    "E0115": (syntax.level,),
    "E0116": (syntax.renamed,),
    "E0117": (syntax.semicolon,),
    "E0118": (syntax.renamed,),
    "E0119": (syntax.unary,),
    "E0202": (names.instead,),
    "E0204": (names.instead,),
    "E0207": (names.plain_word, names.instead),
    "E0210": (names.parentheses,),
    "E0211": (names.declared, names.without_start),
    "E0214": (names.instead,),
    "E0220": (names.type_word,),
    "E0222": (names.without_start,),
    "E0307": (names.instead,),
    "E0308": (names.instead,),
    "E0422": (values.domain,),
    "W0202": (names.underscore,),
    "W0301": (values.setting("ceil = true"),),
    "W0302": (values.setting("bias = false"),),
    "W0304": (values.without_step,),
    "W0401": (values.without_step,),
    "W0403": (values.without_step,),
}

# Codes whose help may be a setting with its value, or a call.
_COMPUTED = ("E0301", "E0302", "E0303", "E0305", "E0306", "E0314", "E0315", "E0316")
_BY_CODE.update({code: (*_BY_CODE.get(code, ()), values.given, values.called, values.left_out) for code in _COMPUTED})
_ALWAYS = (syntax.quoted,)
