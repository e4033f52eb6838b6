"""The prefix code of verdicts and reveals."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpane_wire.prefix_code import FAILURES, Outcome, PrefixCode, lines_of, rounded

CODE = PrefixCode()


@given(st.integers(1, 500), st.integers(0, 24))
def test_code_lengths_of_all_verdicts_are_a_prefix_codes(lines: int, tick: int) -> None:
    """The code lengths of all verdicts at a tick are a prefix code's.

    Kraft: the probabilities of everything that a verdict can say add up to at most one.
    """
    one = {o: 2 ** -CODE.verdict_bits(o, tick, lines) for o in Outcome}
    total = one[Outcome.same] + one[Outcome.differs] + one[Outcome.failed] * len(FAILURES) * lines
    assert total <= 2 ** -CODE.tick_bits(tick) * (1 + 1e-9)


def test_ticks_share_out_one() -> None:
    """The last tick takes what remains, so that every time has a code."""
    assert math.isclose(sum(2 ** -CODE.tick_bits(tick) for tick in range(CODE.ticks + 1)), 1)


@given(st.integers(1, 500), st.integers(0, 24), st.sampled_from(list(Outcome)))
def test_the_reserve_covers_whatever_a_verdict_may_say(lines: int, tick: int, outcome: Outcome) -> None:
    """So whether it may leave is decided before looking at it."""
    assert CODE.verdict_bits(outcome, tick, lines) <= CODE.verdict_reserve(lines)


@given(st.floats(0, 1e10))
def test_a_tick_is_never_before_the_end(elapsed: float) -> None:
    """A verdict waits for the grid."""
    tick = CODE.tick(elapsed)
    assert tick == CODE.ticks or CODE.tick_ms(tick) >= elapsed * (1 - 1e-9)
    assert tick == 0 or CODE.tick_ms(tick - 1) < elapsed


@pytest.mark.parametrize("bad", [{"same": 0.95}, {"same": 0}, {"failed": 1}, {"first_tick_ms": 0}, {"ticks": 0, "first_tick_ms": 60_000}])
def test_numbers_that_are_no_prefix_code_are_refused(bad: dict[str, float]) -> None:
    """A steward's slip does not widen the meter."""
    with pytest.raises(ValueError, match=r"greater|less|more than 1"):
        PrefixCode(**bad)


@pytest.mark.parametrize("short", [{"ticks": 9}, {"ticks": 1}, {"first_tick_ms": 1, "ticks": 15}, {"first_tick_ms": 29_999, "ticks": 1}])
def test_a_code_whose_last_tick_is_short_is_refused(short: dict[str, int]) -> None:
    """Nothing can be told of what takes longer: a site whose last tick came after 800 ms would hardly tell anything."""
    with pytest.raises(ValueError, match="raise ticks or first_tick_ms"):
        PrefixCode(**short)


@pytest.mark.parametrize("long", [{}, {"ticks": 10}, {"first_tick_ms": 30_000, "ticks": 1}, {"first_tick_ms": 1, "ticks": 16}])
def test_a_code_whose_last_tick_comes_after_a_minute_is_taken(long: dict[str, int]) -> None:
    code = PrefixCode(**long)
    assert code.tick_ms(code.ticks) >= 60_000


def test_unfinished_is_a_failure_that_a_verdict_may_name() -> None:
    assert {"Unfinished", "KernelDied", "Other"} < set(FAILURES)
    assert len(set(FAILURES)) == len(FAILURES)


@pytest.mark.parametrize(("value", "digits", "shown"), [
    (0.81234, 3, 0.812), (1234567, 2, 1200000.0), (True, 1, 1.0), (False, 3, 0.0), (0, 3, 0.0),
    (-0.0004449, 2, -0.00044),
    (float("nan"), 3, None), (float("inf"), 3, None), ("0.5", 3, None), (None, 3, None), (10**400, 3, None),
    (1e-200, 3, None), (1e200, 3, None),
    ([1], 3, None),
])  # fmt: skip
def test_a_reveal_has_at_most_its_digits(value: object, digits: int, shown: float | None) -> None:
    """What the code cannot say becomes the one value that says so."""
    assert rounded(value, digits) == shown


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 9))
def test_rounding_twice_changes_nothing(value: float, digits: int) -> None:
    """No second look finds further digits."""
    once = rounded(value, digits)
    assert once is None or rounded(once, digits) == once


def test_both_ends_count_lines_alike() -> None:
    """An empty cell has one."""
    assert [lines_of(source) for source in ("", "a", "a\n", "a\nb")] == [1, 1, 2, 2]
