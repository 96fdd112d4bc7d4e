"""Open sizes: the normal form, its text, and what is proved about it, against whole numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnspec.ir.dims import Dim, Size, differ, dim_max, dim_min, divide_exactly, evaluate, is_at_least, python_size, same

T, H = Dim.symbol("T"), Dim.symbol("H")

TEXTS: list[tuple[Size, str]] = [
    ((16 * H - 1) // 2 + 1, "8 * H"),
    ((T - 5) // 2 + 1, "(T - 5) // 2 + 1"),
    ((T - 3) // 2 + 1, "(T - 3) // 2 + 1"),
    ((T - 2) // 2 + 1, "T // 2"),
    (T // 2 // 2, "T // 4"),
    ((4 * T + 2) // 6, "(2 * T + 1) // 3"),
    (T * H * 3 // (3 * H), "T"),
    ((T * T - 1) // (T - 1), "T + 1"),
    (3 * T // 2, "T + T // 2"),
    (-(T // 2), "-(T // 2)"),
    (8 - T, "8 - T"),
    (T * (T // 2) - 4 * (H // 3), "T * (T // 2) - 4 * (H // 3)"),
    (dim_max(T, 5), "max(5, T)"),
    (dim_min(T + H, H), "H"),
    (T - T, "0"),
    ((2 * T) % 2, "0"),
]


@pytest.mark.parametrize(("size", "text"), TEXTS)
def test_normal_form_prints_as_the_language_writes_it(size: Size, text: str) -> None:
    assert str(size) == text


def test_whole_results_are_ints() -> None:
    assert type(T - T + 3) is int
    assert type((2 * T + 6) // 2 - T) is int
    assert same((2 * T + 6) // 2, T + 3)


def test_what_can_be_proved() -> None:
    assert is_at_least(T, 1) and not is_at_least(T, 2) and is_at_least(T + H, 2)
    assert is_at_least(T - T // 2, 0) and is_at_least((T + 1) // 2, 1) and not is_at_least(T // 2, 1)
    assert differ(T, 0) and differ(T, T + 1) and not differ(T, 5)
    assert divide_exactly(6 * T, 3) == 2 * T and divide_exactly(T, 2) is None and divide_exactly(T, 0) is None


def test_python_renames_symbols() -> None:
    assert python_size((T - 5) // 2 + 1, {"T": "tokens.shape[1]"}) == "(tokens.shape[1] - 5) // 2 + 1"
    assert ((T + H) // 2).symbols() == frozenset({"T", "H"})
    assert (16 * H + 3).linear() == ("H", 16, 3) and (H * T).linear() is None


def test_dividing_by_zero_is_refused() -> None:
    with pytest.raises(ZeroDivisionError):
        T // 0


def expressions(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["T", "H"]) | st.integers(-6, 9).map(str)
    if not depth:
        return leaf
    inner = expressions(depth - 1)
    divisors = st.sampled_from(["T", "(T + 1)", "2", "3", "6", "-3"])
    return (
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner)
        | st.builds("({} {} {})".format, inner, st.sampled_from(["//", "%"]), divisors)
        | st.builds("{}({}, {})".format, st.sampled_from(["max", "min"]), inner, inner)
        | leaf
    )


@settings(max_examples=300, deadline=None)
@given(expressions(3), st.integers(1, 9), st.integers(1, 9))
def test_arithmetic_text_and_proofs_agree_with_whole_numbers(source: str, t: int, h: int) -> None:
    size: Size = eval(source, {"T": T, "H": H, "max": dim_max, "min": dim_min})
    expected = eval(source, {"T": t, "H": h})
    assert evaluate(size, {"T": t, "H": h}) == expected
    assert eval(python_size(size, {"T": "t", "H": "h"}), {"t": t, "h": h}) == expected
    assert not is_at_least(size, expected + 1), f"{source} is {expected} at T={t}, H={h}"
