"""Sizes that are known only when data arrives: exact arithmetic on expressions of open `dim`s.

A `Dim` is a polynomial with whole coefficients over atoms. An atom is a symbol (an open `dim`, at
least 1), a floor division that does not come out, or a maximum or minimum that cannot be decided.
Two expressions that normalise to the same polynomial are equal for every value of their symbols;
the converse holds for all that shape rules produce (floor divisions pull out every multiple of
their divisor, merge when nested, and lose common factors).
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# ("T",) is a symbol; ("//", n, d), ("max", a, b), ("min", a, b) are the other atoms.
_Atom = tuple["str | Size", ...]
_Monomial = tuple[_Atom, ...]  # sorted; () is the constant term
_Terms = dict[_Monomial, int]


class Overlong(Exception):
    """An expression of open sizes grew beyond what anyone could read, or time allows."""

    message = "an expression of open sizes grows too long here"


class Dim:
    """An open size in normal form; an operation whose result is a whole number returns an int.

    Supports + - * // % with ints and Dims, unary -, == (same normal form), hash, and str as the language
    writes it: `(H - 5) // 2 + 1`. `(16*H - 1) // 2 + 1` is `8 * H`. Sizes have no order: see `is_at_least`.
    """

    __slots__ = ("_hash", "_terms", "weight")
    _terms: _Terms
    _hash: int
    weight: int  # how many factors it is written with, those inside of divisions too

    @staticmethod
    def symbol(name: str) -> Dim:
        """The open size called `name`."""
        return _dim({((name,),): 1})

    def __add__(self, other: Size) -> Size:
        if not isinstance(other, int | Dim):
            return NotImplemented
        terms = dict(self._terms)
        for monomial, coefficient in _terms(other).items():
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return _size(terms)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return _dim({monomial: -coefficient for monomial, coefficient in self._terms.items()})

    def __sub__(self, other: Size) -> Size:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return self + -other

    def __rsub__(self, other: int) -> Size:
        return -self + other

    def __mul__(self, other: Size) -> Size:
        if not isinstance(other, int | Dim):
            return NotImplemented
        terms: _Terms = {}
        if len(self._terms) * len(_terms(other)) > _MOST_WEIGHT:
            raise Overlong
        for m1, c1 in self._terms.items():
            for m2, c2 in _terms(other).items():
                monomial = tuple(sorted(m1 + m2, key=_atom_text))
                terms[monomial] = terms.get(monomial, 0) + c1 * c2
        return _size(terms)

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Size:
        if exponent < 0:
            raise ValueError("a size has no negative powers")
        result: Size = 1
        for _ in range(exponent):
            result = result * self
        return result

    def __floordiv__(self, other: Size) -> Size:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return _floordiv(self, other)

    def __rfloordiv__(self, other: int) -> Size:
        return _floordiv(other, self)

    def __mod__(self, other: Size) -> Size:
        if not isinstance(other, int | Dim):
            return NotImplemented
        return self - (self // other) * other

    def __rmod__(self, other: int) -> Size:
        return other - _floordiv(other, self) * self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self._terms == other._terms

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return _text(self, {})

    __repr__ = __str__

    def python(self, names: Mapping[str, str]) -> str:
        """Python source for this size, each symbol written as `names` says (as itself if it is not there)."""
        return _text(self, names)

    def evaluate(self, env: Mapping[str, int]) -> int:
        """Its value when every symbol has the value of `env`. KeyError for a symbol that is not there."""
        total = 0
        for monomial, coefficient in self._terms.items():
            for atom in monomial:
                coefficient *= _atom_value(atom, env)
            total += coefficient
        return total

    def symbols(self) -> frozenset[str]:
        """The open sizes it depends on."""
        return frozenset(name for monomial in self._terms for atom in monomial for name in _atom_symbols(atom))

    def substitute(self, env: Mapping[str, Size]) -> Size:
        """This size with some symbols replaced by sizes."""
        total: Size = 0
        for monomial, coefficient in self._terms.items():
            term: Size = coefficient
            for atom in monomial:
                term = term * _substituted(atom, env)
            total = total + term
        return total

    def linear(self) -> tuple[str, int, int] | None:
        """(symbol, a, b) when this is a * symbol + b, else None: what a reader of data solves for the symbol."""
        symbols = [m for m in self._terms if m]
        if len(symbols) != 1 or len(symbols[0]) != 1 or len(symbols[0][0]) != 1:
            return None
        return str(symbols[0][0][0]), self._terms[symbols[0]], self._terms.get((), 0)


Size = int | Dim


# ---------------------------------------------------------------- what shape rules ask


def same(a: Size, b: Size) -> bool:
    """Whether a equals b for every value of the symbols, as far as it can be proved."""
    return a == b


def differ(a: Size, b: Size) -> bool:
    """Whether a is provably never b. Neither `same` nor `differ` holds of `T` and 5."""
    difference = a - b
    if isinstance(difference, int):
        return difference != 0
    return is_at_least(difference, 1) or is_at_least(-difference, 1)


def is_at_least(size: Size, n: Size) -> bool:
    """Whether size >= n is provable, every symbol being at least 1."""
    difference = size - n
    if isinstance(difference, int):
        return difference >= 0
    return any(_lower_bound(difference, rounding) for rounding in (True, False))


def dim_max(a: Size, b: Size) -> Size:
    """The larger size, decided where it can be."""
    return _extremum("max", a, b)


def dim_min(a: Size, b: Size) -> Size:
    """The smaller size, decided where it can be."""
    return _extremum("min", a, b)


def divide_exactly(a: Size, b: Size) -> Size | None:
    """a / b if that is provably whole, else None."""
    if b == 0:
        return None
    quotient = a // b
    return quotient if quotient * b == a else None


def provable_form(a: Size, b: Size) -> tuple[str, Size] | None:
    """(symbol, multiple): declaring `multiple` in place of the symbol makes a and b equal, if one does.

    `H` against `2 * (H // 2)` gives ("H", 2 * H): the form of the size for which the equality holds.
    """
    difference = a - b
    if isinstance(difference, Dim):
        for symbol in sorted(difference.symbols()):
            for factor in (2, 3, 4, 5, 6, 7, 8, 16, 32, 64):
                multiple = factor * Dim.symbol(symbol)
                if difference.substitute({symbol: multiple}) == 0:
                    return symbol, multiple
    return None


def evaluate(size: Size, env: Mapping[str, int]) -> int:
    """The value of a size, whole or open."""
    return size if isinstance(size, int) else size.evaluate(env)


def python_size(size: Size, names: Mapping[str, str]) -> str:
    """Python source of a size, whole or open."""
    return str(size) if isinstance(size, int) else size.python(names)


# ---------------------------------------------------------------- normal form


def _terms(size: Size) -> _Terms:
    return size._terms if isinstance(size, Dim) else {(): int(size)}


def _dim(terms: _Terms) -> Dim:
    dim = Dim.__new__(Dim)
    dim._terms = terms
    dim._hash = hash(frozenset(terms.items()))
    dim.weight = len(terms)
    for monomial in terms:
        for atom in monomial:
            for part in atom[1:]:
                dim.weight += part.weight if isinstance(part, Dim) else 0
        dim.weight += len(monomial)
    if dim.weight > _MOST_WEIGHT:
        raise Overlong
    return dim


_MOST_WEIGHT = 20_000
_READABLE, _BITS = 500, 128  # of one size: weight, and bits of its coefficients


def overlong(size: Size | float) -> bool:
    """Whether a size is too long an expression to go on with."""
    if not isinstance(size, Dim):
        return False
    return size.weight > _READABLE or any(c.bit_length() > _BITS for c in size._terms.values())


def _size(terms: _Terms) -> Size:
    kept = {monomial: coefficient for monomial, coefficient in terms.items() if coefficient}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return _dim(kept)


def _floordiv(n: Size, d: Size) -> Size:
    if isinstance(d, Dim):
        quotient = _divide(n, d)
        return _size({(("//", n, d),): 1}) if quotient is None else quotient
    if d == 0:
        raise ZeroDivisionError("division of a size by zero")
    if d < 0:
        return _floordiv(-n, -d)
    if isinstance(n, int):
        return n // d
    # floor((d q + r) / d) = q + floor(r / d) for whole q
    whole = _size({monomial: c // d for monomial, c in n._terms.items()})
    rest = _size({monomial: c % d for monomial, c in n._terms.items()})
    if isinstance(rest, int):
        return whole + rest // d
    return whole + _proper_quotient(rest, d)


def _proper_quotient(n: Dim, d: int) -> Size:
    """floor(n / d) where every coefficient of n is in [0, d)."""
    constant = n._terms.get((), 0)
    common = d
    for monomial, coefficient in n._terms.items():
        if monomial:
            common = gcd(common, coefficient)
    if common > 1:  # floor((g p + c) / (g d)) = floor((p + floor(c / g)) / d)
        terms = {monomial: coefficient // common for monomial, coefficient in n._terms.items()}
        return _floordiv(_size(terms), d // common)
    variable = [monomial for monomial in n._terms if monomial]
    if len(variable) == 1 and len(variable[0]) == 1 and n._terms[variable[0]] == 1:
        atom = variable[0][0]
        if atom[0] == "//" and isinstance(atom[2], int):  # floor((floor(x / a) + c) / d) = floor((x + a c) / (a d))
            inner, divisor = atom[1], atom[2]
            return _floordiv(_as_size(inner) + divisor * constant, divisor * d)
    return _dim({(("//", n, d),): 1})


def _divide(n: Size, d: Dim) -> Size | None:
    """n / d by long division of polynomials, None if it leaves a rest."""
    lead = max(d._terms, key=_order)
    quotient: Size = 0
    while n != 0:
        terms = _terms(n)
        top = max(terms, key=_order)
        left = list(top)
        for atom in lead:
            if atom not in left:
                return None
            left.remove(atom)
        if terms[top] % d._terms[lead]:
            return None
        step = _size({tuple(left): terms[top] // d._terms[lead]})
        quotient = quotient + step
        n = n - step * d
    return quotient


def _order(monomial: _Monomial) -> tuple[int, list[str]]:
    return len(monomial), [_atom_text(atom) for atom in monomial]


def _extremum(kind: str, a: Size, b: Size) -> Size:
    if is_at_least(a, b):
        return a if kind == "max" else b
    if is_at_least(b, a):
        return b if kind == "max" else a
    first, second = sorted((a, b), key=str)
    return _dim({((kind, first, second),): 1})


def _as_size(part: str | Size) -> Size:
    assert not isinstance(part, str)
    return part


def _atom_value(atom: _Atom, env: Mapping[str, int]) -> int:
    if len(atom) == 1:
        return env[str(atom[0])]
    a, b = (evaluate(_as_size(part), env) for part in atom[1:])
    return {"//": lambda: a // b, "max": lambda: max(a, b), "min": lambda: min(a, b)}[str(atom[0])]()


def _substituted(atom: _Atom, env: Mapping[str, Size]) -> Size:
    if len(atom) == 1:
        return env.get(str(atom[0]), _dim({(atom,): 1}))
    parts = [_as_size(part) for part in atom[1:]]
    a, b = (part.substitute(env) if isinstance(part, Dim) else part for part in parts)
    return a // b if atom[0] == "//" else _extremum(str(atom[0]), a, b)


def _atom_symbols(atom: _Atom) -> Iterator[str]:
    if len(atom) == 1:
        yield str(atom[0])
    for part in atom[1:]:
        if isinstance(part, Dim):
            yield from part.symbols()


# ---------------------------------------------------------------- bounds


def _lower_bound(size: Dim, rounding: bool) -> bool:
    """Whether size >= 0 is provable.

    Each floor division becomes a rational bound (n/d from above, (n - d + 1)/d from below when `rounding`,
    else its least whole value); what remains is a polynomial of symbols s = 1 + s', nonnegative if no
    coefficient of it in s' is negative. All is scaled by the divisors to stay in whole numbers.
    """
    remaining: Size = size
    for _ in range(64):
        found = _first_composite(remaining)
        if found is None:
            return _nonnegative(remaining)
        monomial, atom = found
        coefficient = _terms(remaining)[monomial]
        if len(monomial) > 1 and not all(_least(a) >= 0 for a in monomial if a != atom):
            return False
        rest = list(monomial)
        rest.remove(atom)
        others = remaining - _size({monomial: coefficient})
        factor = _size({tuple(rest): coefficient})
        bound = _linear_bound(atom, coefficient > 0, rounding)
        if bound is None:
            return False
        value, scale = bound
        remaining = others * scale + factor * value
    return False


def _first_composite(size: Size) -> tuple[_Monomial, _Atom] | None:
    for monomial in _terms(size):
        for atom in monomial:
            if len(atom) > 1:
                return monomial, atom
    return None


def _linear_bound(atom: _Atom, below: bool, rounding: bool) -> tuple[Size, int] | None:
    """(value, scale): value / scale bounds the atom from below, or from above."""
    kind, a, b = str(atom[0]), _as_size(atom[1]), _as_size(atom[2])
    if kind == "//" and isinstance(b, int):
        if not below:
            return a, b
        return (a - (b - 1), b) if rounding else (_least(atom), 1)
    if kind == ("max" if below else "min"):
        return a if rounding else b, 1
    return (_least(atom), 1) if below else None


_UNBOUNDED = -(10**18)


def _least(atom: _Atom) -> int:
    """A whole number that the atom is never below (very negative when none is known)."""
    if len(atom) == 1:
        return 1
    kind, a, b = str(atom[0]), _least_size(_as_size(atom[1])), _least_size(_as_size(atom[2]))
    if kind == "//":
        return a // int(_as_size(atom[2])) if isinstance(atom[2], int) else (0 if a >= 0 and b >= 1 else _UNBOUNDED)  # type: ignore[arg-type]  # narrowed
    return max(a, b) if kind == "max" else min(a, b)


def _least_size(size: Size) -> int:
    total = 0
    for monomial, coefficient in _terms(size).items():
        least = [_least(atom) for atom in monomial]
        if monomial and (coefficient < 0 or any(n < 0 for n in least)):
            return _UNBOUNDED
        for n in least:
            coefficient *= n
        total += coefficient
    return total


def _nonnegative(size: Size) -> bool:
    shifted: Size = 0
    for monomial, coefficient in _terms(size).items():
        term: Size = coefficient
        for atom in monomial:
            term = term * (_dim({(atom,): 1}) + 1)
        shifted = shifted + term
    return all(coefficient >= 0 for coefficient in _terms(shifted).values())


# ---------------------------------------------------------------- text


def _text(size: Size, names: Mapping[str, str]) -> str:
    if isinstance(size, int):
        return str(size)
    window = _as_window(size)
    if window is not None:
        inner, divisor = window
        return f"{_quotient_text(inner, divisor, names)} + 1"
    ordered = sorted(size._terms.items(), key=lambda item: (-len(item[0]), _order(item[0])[1]))
    positive = [item for item in ordered if item[1] > 0]
    text = ""
    for monomial, coefficient in positive + [item for item in ordered if item[1] < 0]:
        term = _term_text(monomial, abs(coefficient), names)
        if text:
            text += (" - " if coefficient < 0 else " + ") + term
        else:
            text = term if coefficient > 0 else f"-({term})" if "//" in term else f"-{term}"
    return text


def _as_window(size: Dim) -> tuple[Size, int] | None:
    """(n, d) when size reads best as the count of windows n // d + 1, as in `(H - 5) // 2 + 1`."""
    constant = size._terms.get((), 0)
    variable = [monomial for monomial in size._terms if monomial]
    if constant >= 0 or len(variable) != 1 or len(variable[0]) != 1 or size._terms[variable[0]] != 1:
        return None
    atom = variable[0][0]
    if atom[0] != "//" or not isinstance(atom[2], int):
        return None
    return _as_size(atom[1]) + (constant - 1) * atom[2], atom[2]


def _term_text(monomial: _Monomial, coefficient: int, names: Mapping[str, str]) -> str:
    if not monomial:
        return str(coefficient)
    factors = [] if coefficient == 1 else [str(coefficient)]
    for atom in monomial:
        text = _atom_text(atom, names)
        alone = len(monomial) == 1 and coefficient == 1
        factors.append(f"({text})" if atom[0] == "//" and not alone else text)
    return " * ".join(factors)


def _atom_text(atom: _Atom, names: Mapping[str, str] | None = None) -> str:
    names = names or {}
    if len(atom) == 1:
        return names.get(str(atom[0]), str(atom[0]))
    if atom[0] == "//":
        return _quotient_text(_as_size(atom[1]), _as_size(atom[2]), names)
    return f"{atom[0]}({_text(_as_size(atom[1]), names)}, {_text(_as_size(atom[2]), names)})"


def _quotient_text(n: Size, d: Size, names: Mapping[str, str]) -> str:
    return f"{_operand_text(n, names)} // {_operand_text(d, names)}"


def _operand_text(size: Size, names: Mapping[str, str]) -> str:
    text = _text(size, names)
    return text if text.isidentifier() or text.isdecimal() else f"({text})"
