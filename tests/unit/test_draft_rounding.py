"""The rounding rules of the catalogue, one by one."""

import math
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpane_site.draft import rounding


@given(st.integers(0, 10**9), st.integers(1, 100))
def test_a_count_rounded_down_is_a_multiple_and_never_more(count, base):
    assert rounding.down(count, base) % base == 0
    assert 0 <= count - rounding.down(count, base) < base


@given(st.floats(1e-9, 1e9))
def test_a_nice_step_is_one_to_two_and_a_half_times_the_size(size):
    """A nice step is not below the size, and at most two and a half times it."""
    assert size * (1 - 1e-6) <= rounding.nice(size) <= size * 2.5 * (1 + 1e-6)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.sampled_from([0.01, 0.1, 1.0]))
def test_bounds_contain_the_quantiles_and_rise(low, width, precision):
    bottom, top = rounding.outward(low, low + width, precision)
    assert bottom < top
    slack = 1e-6 * max(abs(low), width, 1)
    assert bottom <= low + slack
    assert top >= low + width - slack


def test_bounds_of_a_constant_rise_too():
    assert rounding.outward(5, 5, 1.0) == (5.0, 6.0)


@pytest.mark.parametrize(("average", "without", "said"), [(0.5, 9, 0.0), (0.0001, 10, 0.01), (0.999, 50, 0.99), (0.126, 50, 0.13)])
def test_missing_shares(average, without, said):
    assert rounding.missing(average, without, persons=10_000, threshold=10, base=5) == said


def test_a_missing_share_hides_the_exact_number_of_few():
    """A missing share of few persons does not tell their number exactly."""
    assert {rounding.missing(n / 100, n, persons=100, threshold=10, base=5) for n in range(13, 18)} == {0.15}


@pytest.mark.parametrize(("persons", "knots"), [(99, 0), (100, 10), (199, 10), (200, 19)])
def test_knots_leave_the_threshold_of_persons_between_two(persons, knots):
    """There are as many knots as leave the threshold of persons between two."""
    steps = rounding.probabilities(persons, threshold=10)
    assert len(steps) == knots
    assert not steps or (steps[0], steps[-1]) == (0.05, 0.95)


@given(st.integers(100, 10**8), st.integers(3, 10))
def test_bounds_leave_the_threshold_of_persons_beyond_them(persons, threshold):
    assert rounding.tail(persons, threshold) * persons >= threshold - 1e-6


@pytest.mark.parametrize(("persons", "told"), [(100, date(2018, 1, 1)), (10**6, date(2018, 6, 1))])
def test_dates_of_few_persons_are_told_by_longer_steps(persons, told):
    quantiles = [16000.0, 17700.0, 19000.0]  # the middle one is 18 June 2018, the first 22 October 2013
    assert rounding.months(quantiles, persons)[1] == told


def test_a_share_is_made_of_rounded_parts():
    assert rounding.share(12, 1003, base=5) == 0.01
    assert rounding.share(1003, 1003, base=5) == 1.0
    assert rounding.share(1, 2, base=5) == 0.0


STEPS = [0.05 + 0.9 * i / 18 for i in range(19)]


def test_bounds_reach_further_where_a_tail_is_long() -> None:
    """Days of supply: a bound of 9,000 made a mean of 1,430 of 1,793. Ages and other short tails keep theirs."""
    heaped = (*[0.0] * 10, *[15.0] * 8, 360.0)
    assert rounding.reaching(0.0, 2040.0, heaped, 0.005) == (0.0, 2040.0 + 2 * (1680 - 360))
    even = tuple(100 * p for p in STEPS)
    assert rounding.reaching(0.5, 99.5, even, 0.005) == (0.5, 99.5)
    assert rounding.reaching(-50.0, 99.5, (-5.0, *even[1:]), 0.005)[0] == -50.0


def test_a_few_absurd_values_are_no_long_tail() -> None:
    """9999 for a missing weight, of one person in a hundred, bounded weights at 30,000: they end there, and the steward is told."""
    weights = [70 + 25 * (2 * p - 1) for p in STEPS]
    assert rounding.reaching(45.0, 9999.0, weights, 0.005) == (45.0, 9999.0)
    assert rounding.reaching(-9999.0, 95.0, weights, 0.005) == (-9999.0, 95.0)
    assert rounding.astray(45.0, 9999.0, weights)
    assert rounding.astray(-9999.0, 95.0, weights)
    assert not rounding.astray(45.0, 400.0, weights)
    assert not rounding.astray(0.0, 80.0, [0.0] * 19), "where nearly all have 0, any other value is far"


def test_where_most_have_0_the_tail_begins_after_them() -> None:
    """A drug of 101 persons, with 0 days for three in four and up to 7,362, bounded the days of all drugs at 30,000."""
    days = [0.0] * 7 + [2100.0, 6122.0, 6625.0]
    _, high = rounding.reaching(0.0, 6360.8, days, 0.099)
    assert 7362 <= high <= 9000


def test_bounds_of_few_persons_reach_beyond_the_outer_quantile() -> None:
    """Of 200 persons 5 % lie beyond each; the bounds end where an exponential tail has 0.5 %."""
    tails = tuple(-math.log(1 - p) for p in STEPS)
    low, high = rounding.reaching(0.05, -math.log(0.05), tails, 0.05)
    assert low >= 0
    assert high == pytest.approx(-math.log(0.005), rel=0.05)


def test_bounds_move_little_with_the_data() -> None:
    """One person more or less is no jump of a bound."""
    even = tuple(10 * p for p in STEPS)
    ends = [rounding.reaching(0.0, high / 10, even, 0.01)[1] for high in range(100, 300)]
    assert max(after - before for before, after in pairwise(ends)) <= 0.4
