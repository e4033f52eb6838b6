"""Means and sums: the digits that they have in every place, and that neither they nor numbers of rows tell how many persons there are."""

from pathlib import Path

import pytest
from broker_world import CATALOGUE, TEN_FIVE, World, bound_to, people, some, spread_of, visits
from hypothesis import given
from hypothesis import strategies as st

from twinpane.tables.pandas_frame import pandas_frame
from twinpane.tables.wording import total
from twinpane_broker.aggregates.mean import Mean
from twinpane_broker.aggregates.sum import Sum
from twinpane_broker.aggregates.sums import least_decimals, mean_decimals
from twinpane_broker.aggregates.value import Value
from twinpane_broker.catalogue.catalogue import Catalogue, Column
from twinpane_broker.disclosure.row_base import Often, row_base
from twinpane_broker.release.pooling import pool
from twinpane_broker.release.release import Release, ReleasedColumn, Row
from twinpane_broker.release.shown import shown_number
from twinpane_broker.rules.cell_key import Counter
from twinpane_broker.rules.policy import Rules, load_rules
from twinpane_broker.rules.rounding import place_of
from twinpane_site.terminal_text import release_text

EXACT = load_rules({"preset": "cms-11", "threshold": 11})
NOISY = load_rules({"preset": "10-5", "threshold": 10, "noise": "cell_key", "noise_bound": 3})
YEAR = Column(name="year", type="integer", role="measure", bounds=(1900, 1990), precision=1)
AGE = Column(name="age", type="integer", role="measure", bounds=(0, 100))
SCORE = Column(name="score", type="double", role="measure", bounds=(0, 20), precision=0.01)
SUPPLY = Column(name="days", type="integer", role="measure", bounds=(0, 9000), precision=1)
UNKNOWN = Column(name="dose", type="double", role="measure", bounds=(0, 200))


def shown(column: Column, mean: float, n: int = 200, rules: Rules = TEN_FIVE) -> float:
    """A mean of so many values, all near it, as it is shown."""
    spread = spread_of([mean - 0.5, mean + 0.5] * (n // 2))
    return Mean(column="t.x").number(spread, column, Counter(rules, b"s" * 16))


@pytest.mark.parametrize(
    ("column", "mean", "expected"),
    [
        (AGE, 42.5, 42.5), (AGE, 42.9, 42.9), (AGE, 42.87, 42.9), (YEAR, 1958.11, 1958.1), (SCORE, 14.37, 14.37), (SUPPLY, 17.54, 17.5),
        (SUPPLY, 1792.8, 1790), (UNKNOWN, 72.44, 72.4), (UNKNOWN, 0.733, 0.7),
    ],
)  # fmt: skip
def test_a_mean_has_the_digits_that_its_bounds_ask_for(column: Column, mean: float, expected: float) -> None:
    """Ages were shown as 43.0 for 42.5, years of birth as 1960, a score of 14.37 as 14."""
    assert shown(column, mean) == pytest.approx(expected, abs=1e-9)


def test_means_of_few_whole_numbers_have_one_decimal() -> None:
    """Ten and eleven values have means a tenth apart or nearer: two decimals would tell which of them there are."""
    assert mean_decimals(7.3636, AGE, 3, 10) == 1
    assert mean_decimals(7.3636, AGE, 3, 98) == 1
    assert mean_decimals(7.3636, AGE, 3, 100) == 2
    assert shown(SUPPLY, 7.36, n=12) == 7.4


@given(st.integers(10, 400), st.integers(0, 100), st.sampled_from([(1, 5), (5, 5), (0.1, 5), (1, 60)]))
def test_any_number_of_values_could_have_the_shown_mean(n: int, at: int, steps: tuple[float, int]) -> None:
    """The GRIM test (Brown and Heathers 2017) finds no number of values impossible, of all that are shown alike."""
    step, base = steps
    column = Column(name="x", type="double", role="measure", bounds=(0, 100 * step), precision=step)
    counter = Counter(TEN_FIVE, row_base=base)
    total_steps = at * n // 100 + at % 7
    mean = min(100 * step, total_steps * step / n)
    count = counter.shown_rows(some(n), n)
    fewest = counter.fewest(count)
    assert fewest is not None
    assert fewest <= n
    decimals = mean_decimals(mean, column, 3, fewest)
    told, half = round(mean, decimals), 0.5 * 10.0**-decimals
    alike = [m for m in range(10, 2 * n + base) if counter.shown_rows(some(min(m, n)), m) == count and m >= fewest]
    for other in alike:
        nearest = round(told * other / step) * step / other
        assert abs(nearest - told) <= half + 1e-9, other


def test_where_counts_are_exact_a_mean_need_not_hide_them() -> None:
    """cms-11 shows how many there are."""
    assert shown(AGE, 7.36, n=12, rules=EXACT) == 7.36


def test_every_place_shows_the_same_digits(tmp_path: Path) -> None:
    """The release, the frame (and so CSV), the page, the pooled number and the command line."""
    world = World(tmp_path, person=people(age=lambda i: 42 + i % 2))
    release = world.ask("SELECT avg(age) FROM person")
    assert isinstance(release, Release)
    assert [release.rows[0].values[0].value, release.columns[0].decimals] == [42.5, 1]
    pooled = pool({"north": release, "south": release.model_copy(update={"site": "south"})})
    assert pooled is not None
    assert [pooled.rows[0].values[0].value, total(pooled, pooled.rows[0], 0)] == [42.5, "42.5"]
    assert pandas_frame(pooled)["mean_age"].unique().tolist() == [42.5]
    assert "42.5 (n 1,000)" in release_text(release)
    assert shown_number(43.0, release.columns[0], 1) == "43.0"
    world.engine.close()


def test_a_pooled_mean_year_keeps_its_decimals() -> None:
    """Three significant digits made 1960 of 1958.1 and 1961.0."""
    from twinpane_broker.aggregates.pooled import Part

    parts = {"north": Part(1958.0, 300, None, None, 1), "south": Part(1961.0, 200, None, None, 1)}
    assert Mean.pool(parts, ()).value == 1959.2
    assert Mean.pool({"north": Part(17.5, 300, decimals=1), "south": Part(18.3, 300, decimals=1)}, ()).value == 17.9


def test_a_pooled_mean_is_no_finer_than_its_least_exact_part() -> None:
    """1,430 to the ten and 326 to the whole are 1,100: nobody knows whether 1,098."""
    from twinpane_broker.aggregates.pooled import Part

    parts = {"north": Part(1430.0, 700, decimals=-1), "south": Part(326.0, 300, decimals=0)}
    assert (Mean.pool(parts, ()).value, Mean.pool(parts, ()).decimals) == (1100.0, -1)
    parts = {"north": Part(6.17, 500, decimals=2), "south": Part(6.4, 500, decimals=1)}
    assert Mean.pool(parts, ()).value == 6.3


def test_each_site_says_its_own_decimals_in_a_pool() -> None:
    """One site has wider bounds, and so coarser means; the first site's decimals are not both's."""
    pooled = pool({"north": mean_of("north", 410.0, 1), "south": mean_of("south", 520.0, -1)})
    assert pooled is not None
    assert [pooled.rows[0].values[0].value, total(pooled, pooled.rows[0], 0)] == [460.0, "460"]


def mean_of(site: str, mean: float, decimals: int) -> Release:
    """A release of one mean of 100 values: 410 and 520 pool to 465."""
    column = ReleasedColumn(name="mean_supply", kind="mean", decimals=decimals)
    rows = (Row(persons=100, values=(Value(value=mean, n=100),)),)
    return Release(
        id="0" * 32, site=site, plan_hash="0" * 64, snapshot="s", policy="10-5/x", rules=(), persons=100, columns=(column,), rows=rows
    )


def test_a_mean_that_ends_in_zero_says_how_exact_it_is(tmp_path: Path) -> None:
    """6.10 is written 6.1 in a release: beside 6.17 it would make a pooled mean of one decimal."""
    world = World(tmp_path, person=people(age=lambda i: 6 + (i % 10 == 0)))
    release = world.ask("SELECT avg(age) FROM person")
    assert isinstance(release, Release)
    told = release.rows[0].values[0]
    assert (told.value, told.decimals, release.columns[0].decimals_of(told)) == (6.1, 2, 2)
    world.engine.close()


def test_a_mean_says_the_decimals_that_it_has_at_least() -> None:
    """So that 1958.0 is not 1958 beside 1958.1."""
    assert [least_decimals(column, TEN_FIVE) for column in (YEAR, AGE, SCORE, SUPPLY)] == [1, 1, 2, -1]


@pytest.mark.parametrize("rules", [TEN_FIVE, EXACT, NOISY])
def test_sum_by_mean_tells_the_shown_number_alone(rules: Rules) -> None:
    """An exact sum over a rounded mean told how many there are, in 100 of 100 cells. It follows from mean and number as they are shown."""
    told: dict[tuple[float, int], set[float]] = {}
    for n in range(20, 60):
        spread = spread_of([40 + i % 17 for i in range(n)])
        counter = Counter(rules, b"s" * 16)
        mean, added = (kind(column="t.x").number(spread, AGE, counter) for kind in (Mean, Sum))
        number = counter.shown_rows(spread.who, n)
        told.setdefault((mean, number), set()).add(added)
        assert abs(added - mean * number) <= mean * counter.off + number * 0.05
    assert all(len(sums) == 1 for sums in told.values())


@pytest.mark.parametrize(("mean", "n", "rules", "expected"), [
    (45.3, 120, TEN_FIVE, 5400), (45.3, 20_000, TEN_FIVE, 906_000), (45.3, 120, EXACT, 5436), (0.4, 50, TEN_FIVE, 20),
])  # fmt: skip
def test_a_sum_shows_no_digit_that_nobody_knows(mean: float, n: int, rules: Rules, expected: float) -> None:
    """45.3 times 120, of which the one may be off by 0.05 and the other by 4, is 5,436, give or take 187: 5,400."""
    spread = spread_of([mean - 0.2, mean + 0.2] * (n // 2))
    assert Sum(column="t.x").number(spread, AGE, Counter(rules, b"s" * 16)) == expected


@given(st.lists(st.integers(0, 100), min_size=20, max_size=400))
def test_a_sum_is_off_by_no_more_than_its_last_digits_say(values: list[int]) -> None:
    """The true sum lies within the uncertainty of mean and number, and half of the place of the last digit."""
    spread, counter = spread_of(values), Counter(TEN_FIVE)
    mean, added = (kind(column="t.x").number(spread, AGE, counter) for kind in (Mean, Sum))
    number = counter.shown_rows(spread.who, len(values))
    unsure = mean * counter.off + number * 10.0 ** -mean_decimals(mean, AGE, 3, counter.fewest(number)) / 2
    assert abs(added - sum(values)) <= unsure + place_of(unsure) / 2 + counter.off * 0.5 + 1e-6


def _many(rows: tuple[float, ...]) -> Catalogue:
    tables = [table.model_copy(update={"rows_per_person": rows}) if table.name == "visit" else table for table in CATALOGUE.tables]
    return CATALOGUE.model_copy(update={"tables": tuple(tables)})


TWELVE = (0.0,) * 12 + (1.0,)


def test_rows_are_no_lens_on_the_number_of_persons(tmp_path: Path) -> None:
    """12 rows a person, rounded to 5, told every number of persons exactly."""
    rows = [{"person_id": i, "ward": ("icu", "er", "day")[min(i // 33, 2)]} for i in range(100) for _ in range(12)]
    world = World(tmp_path, catalogue=_many(TWELVE), visit=visits(rows))
    release = world.ask("SELECT ward, count(*), avg(lactate), count(distinct person_id) FROM visit GROUP BY ward")
    assert isinstance(release, Release)
    found = {row.key[0].value: row.values for row in release.rows}
    # 33 persons are 30 or 35, and their rows go the same way.
    assert (found["icu"][0].value, found["icu"][1].n, found["icu"][2].value) in [(420, 420, 35), (360, 360, 30)]
    assert found["day"][0].value == 12 * found["day"][2].value
    assert any("rounded to 60" in getattr(rule, "sentence", "") for rule in release.rules)
    world.engine.close()


def test_fewer_rows_than_the_base_are_shown_as_many_as_persons() -> None:
    """Each person has a row."""
    for secret in (bytes([i]) * 16 for i in range(20)):
        counter = Counter(TEN_FIVE, secret, row_base=60)
        assert counter.shown_rows(some(22), 23) in (counter.shown(some(22), 22), 60)
        assert counter.shown_rows(some(10), 11) == 10


@pytest.mark.parametrize(
    ("rows", "sql", "base"),
    [
        ((0.0, 1.0), "SELECT count(*) FROM visit", 5),
        ((0.0, 0.96, 0.04), "SELECT count(*) FROM visit", 5),
        ((0.5, 0.0, 0.5), "SELECT count(*) FROM visit", 10),
        (TWELVE, "SELECT count(*) FROM person JOIN visit USING (person_id)", 60),
        (TWELVE, "SELECT count(*) FROM visit JOIN drug ON visit.visit_id = drug.visit_id", 60),
        (TWELVE, "SELECT count(*) FROM person", 5),
    ],
)
def test_the_base_of_rows_grows_with_rows_per_person(rows: tuple[float, ...], sql: str, base: int) -> None:
    """By the catalogue, which everybody knows; always a multiple of the policy's base."""
    assert row_base(bound_to(sql, _many(rows)), TEN_FIVE) == base
    assert row_base(bound_to(sql, _many(rows)), EXACT) == 1


@pytest.mark.parametrize(
    ("rules", "often", "base"),
    [
        (TEN_FIVE, Often(24, False), 250),
        (TEN_FIVE, Often(24, True), 500),
        (TEN_FIVE, Often(1, True), 5),
        (EXACT, Often(24, False), 1),
        (EXACT, Often(15, True), 220),
    ],
)
def test_the_base_of_rows_is_no_finer_than_a_groups_rows(rules: Rules, often: Often, base: int) -> None:
    """All of a place come 24 times, or as many as the threshold do: rows tell no number of persons that is not told of persons too."""
    assert row_base(bound_to("SELECT count(*) FROM visit"), rules, often) == base
