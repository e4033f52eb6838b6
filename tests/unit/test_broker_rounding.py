"""Counts are rounded up or down as the site's secret draws for their persons: nobody knows where a number turns."""

from statistics import mean

import pytest
from broker_world import CATALOGUE, SECRET, TEN_FIVE, World, some
from hypothesis import given
from hypothesis import strategies as st

from twinpane_broker.release.release import Release
from twinpane_broker.release.shown import about_off
from twinpane_broker.rules.cell_key import CoarseCounter, Counter
from twinpane_broker.rules.policy import load_rules

BY_RACE = "select race, count(*) from person group by race"


@given(st.integers(10, 5000), st.integers(0, 100), st.sampled_from([5, 10]), st.sampled_from([5, 35]))
def test_a_number_is_less_than_a_base_off(count: int, first: int, base: int, row_base: int) -> None:
    """A number is the multiple below the count or the one above it.

    Of persons and of rows; the bounds that go with rows hold the true number.
    """
    rules = TEN_FIVE.model_copy(update={"base": base})
    counter, who = Counter(rules, SECRET, max(base, row_base)), some(count, first)
    shown = counter.shown(who, count)
    assert shown % base == 0
    assert abs(shown - count) <= counter.off_persons == base - 1
    for rows in (count, 3 * count):
        told, within = counter.shown_rows(who, rows), counter.within(who, rows) or (0, 10**9)
        assert abs(told - rows) <= counter.off
        assert within[0] <= rows <= within[1]
    coarse = CoarseCounter(rules, SECRET, 40)
    told, between = coarse.rows_beside(shown, 18, who, 2 * count)
    assert between[0] <= 2 * count <= between[1]


def test_numbers_are_right_on_average() -> None:
    """Of groups of 13 persons three in five are shown as 15, and two in five as 10; so it is with each other number."""
    counter = Counter(TEN_FIVE, SECRET)
    for count in range(20, 30):
        shown = [counter.shown(some(count, first), count) for first in range(2000)]
        assert len(set(shown)) == (1 if count % 5 == 0 else 2)
        assert mean(shown) == pytest.approx(count, abs=0.25)


def test_the_same_persons_have_the_same_number() -> None:
    """In every question and after a restart. With another secret it is another."""
    who = some(12)
    assert Counter(TEN_FIVE, SECRET).shown(who, 12) == Counter(TEN_FIVE, SECRET).shown(some(12), 12)
    assert {Counter(TEN_FIVE, bytes([i]) * 16).shown(who, 12) for i in range(50)} == {10, 15}


def test_rows_are_drawn_as_their_persons_are() -> None:
    """Where everybody has twelve, rows go up where persons do: two draws bounded from both sides how many there are."""
    counter = Counter(TEN_FIVE, SECRET, 60)
    for first in range(200):
        who = some(52, first)
        assert counter.shown_rows(who, 12 * 52) == 12 * counter.shown(who, 52)


def test_the_least_number_stands_for_as_many_as_any_other() -> None:
    """With a threshold of 13, a 10 would be 13 or 14: both are shown as 15. Of nobody the number is 0."""
    rules = load_rules({"threshold": 13, "base": 5})
    assert {Counter(rules, SECRET).shown(some(n, first), n) for n in (13, 14, 15) for first in range(50)} == {15}
    assert Counter(rules, SECRET).shown(some(0), 0) == 0


def test_exact_counts_are_exact() -> None:
    """Nothing is drawn where the base is 1."""
    counter = Counter(load_rules({"preset": "cms-11", "threshold": 11}), SECRET)
    assert [counter.shown(some(n), n) for n in (11, 12, 13)] == [11, 12, 13]
    assert counter.off == counter.off_persons == 0


def test_a_broker_draws_by_its_secret(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two sites with the same persons show other numbers; without a secret, each start does."""

    def shown(secret: bytes) -> list[int | None]:
        world = World(tmp_path_factory.mktemp("site"), catalogue=CATALOGUE, secret=secret)
        release = world.ask(BY_RACE)
        assert isinstance(release, Release)
        return [row.persons for row in release.rows]

    assert shown(SECRET) == shown(SECRET)
    assert len({tuple(shown(bytes([i]) * 16)) for i in range(6)}) > 1
    assert len({tuple(shown(b"")) for _ in range(6)}) > 1


def test_a_reader_is_told_that_it_is_drawn(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The answer's rules say so, and how far off a number that is about may be counts the draw."""
    release = World(tmp_path_factory.mktemp("site")).ask(BY_RACE)
    assert isinstance(release, Release)
    assert any("up or down by a secret draw" in rule.sentence for rule in release.rules)
    assert about_off(release.rules) == 4 * 10 - 1 + 4
