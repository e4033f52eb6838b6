"""JSON of a hostile sender is bounded in bytes, depth and values, and means one thing."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpane_sandbox import strict_json
from twinpane_sandbox.strict_json import DEPTH, VALUES, TooLarge, Unfit, loads

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5),
)


@given(plain, st.booleans())
def test_ordinary_json_is_read_as_it_was_written(value: object, ascii_only: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=ascii_only).encode(), 10**6) == value


@given(st.binary())
def test_no_bytes_raise_anything_but_unfit(raw: bytes) -> None:
    try:
        loads(raw, 10**6)
    except Unfit:
        return


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", "[1e999]", '{"a":1,"a":1}', '[{"a":1,"\\u0061":2}]', "\ufeff1", "1 2", "", "9" * 5000]
)
def test_what_means_nothing_or_two_things_is_unfit(text: str) -> None:
    with pytest.raises(Unfit) as raised:
        loads(text.encode(), 10**6)
    assert not isinstance(raised.value, TooLarge)


def test_a_text_that_is_too_long_is_unfit() -> None:
    assert loads(b'"xx"', 4) == "xx"
    with pytest.raises(TooLarge):
        loads(b'"xxx"', 4)


def test_depth_ends_where_it_is_said_to_end() -> None:
    assert loads(b"[" * DEPTH + b"]" * DEPTH, 10**6) is not None
    with pytest.raises(TooLarge):
        loads(b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), 10**6)


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"1,", b'"",'])
def test_very_many_small_values_are_unfit_before_they_are_made(unit: bytes) -> None:
    raw = b"[" + unit * (VALUES + 1) + b"0]"
    with pytest.raises(TooLarge, match="values"):
        loads(raw, 10**8)


def test_commas_and_brackets_within_strings_are_not_values() -> None:
    text = ',[{\\"' * 50_000 + "x" * 10
    raw = json.dumps([text] * 3).encode()
    assert raw.count(b",") > VALUES // 3
    assert loads(raw.replace(b"x", b"," * 20_000), 10**8)[0].startswith(",[{")


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize("raw", [b'"' + b'\\"' * 2_000_000, b'"' * 2_000_001, b'"' + b"\\" * 2_000_001, b"," * 500_000 + b'"' * 2_000_001])
def test_counting_values_takes_time_in_proportion_to_the_text(raw: bytes) -> None:
    start = time.perf_counter()
    strict_json._STRING.sub(b"", raw)
    with pytest.raises(Unfit):
        loads(raw, 10**8)
    assert time.perf_counter() - start < 5
