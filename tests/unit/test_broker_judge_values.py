"""The numbers of cells: sums, means, spreads, quantiles, correlations, shares and totals, and what is suppressed together."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from broker_world import CATALOGUE, TEN_FIVE, any_rows, evidence, judge, one_row_each, some, spread_of
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_broker.catalogue.edges import grid_of
from twinpane_broker.cells.cell_evidence import Bins, CellEvidence, Pair
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.cells.totals import merged
from twinpane_broker.disclosure.judge import Judged
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.release import Row
from twinpane_broker.rules.policy import load_rules

EXACT = load_rules({"preset": "cms-11", "threshold": 11})
AGE = CATALOGUE.table("person").column("age")
MIDDLE = sum(AGE.bounds) / 2


def everything(_who: PersonSet) -> bool:
    return True


def bound_plan(**parts: object) -> object:
    """A plan over the person table, checked."""
    from twinpane_broker.check.resolve import check

    return check(Plan.model_validate({"table": "person", **parts}), CATALOGUE)


def cell_of(values: dict[int, list[float]]) -> CellEvidence:
    """A cell of persons with values of age, one row per value."""
    spread = spread_of(values, MIDDLE)
    grid = grid_of(AGE)
    place = {v: max(range(len(grid)), key=lambda i, v=v: (-abs(grid[i] - v), i)) for own in values.values() for v in own}
    rows, lowest, highest = ([0] * len(grid) for _ in range(3))
    for own in values.values():
        for value in own:
            rows[place[value]] += 1
        lowest[place[min(own)]] += 1
        highest[place[max(own)]] += 1
    sizes = sorted((len(own) for own in values.values()), reverse=True)
    bins = Bins(tuple(rows), tuple(lowest), tuple(highest))
    spread = type(spread)(**{**spread.__dict__, "bins": bins})
    return CellEvidence(PersonSet(values), sum(sizes), sizes[0], [*sizes, 0][1], (spread,))


def ages(n: int, start: int = 0) -> dict[int, list[float]]:
    """Persons with one age each, from 20 to 79."""
    return {i: [20.0 + i * 7 % 60] for i in range(start, start + n)}


def over(measures: list[dict], cell: CellEvidence, rules: object = TEN_FIVE, admits: Callable = everything) -> Row:
    """One row of measures over everybody."""
    bound = bound_plan(measures=measures)
    judged = judge(bound, Evidence(cell.who, cell.who, {(): cell}), rules, admits, any_rows)
    return judged.answer.rows[0]


def of_age(*kinds: str) -> list[dict]:
    return [{"kind": kind, "column": "person.age"} for kind in kinds]


# ---------------------------------------------------------------- numbers agree with pandas after the rule


def test_sums_means_and_spreads_agree_with_pandas() -> None:
    """One decimal for means of ages, sums made of these and as unsure, two digits for spreads; how many values, rounded."""
    values = ages(203)
    series = pd.Series([v for own in values.values() for v in own])
    row = over(of_age("mean", "sum", "sd", "var"), cell_of(values))
    assert [value.value for value in row.values] == [
        round(series.mean(), 1), round(round(series.mean(), 1) * 205, -2), float(f"{series.std():.1e}"), float(f"{series.var():.1e}"),
    ]  # fmt: skip
    assert {value.n for value in row.values} == {205}


@pytest.mark.parametrize("percent", [5, 10, 25, 50, 75, 90, 95])
def test_quantiles_lie_on_the_grid_beside_the_true_ones(percent: int) -> None:
    """Never further from the true value than a step of the grid."""
    values = ages(400)
    row = over([{"kind": "quantile", "column": "person.age", "percent": percent}], cell_of(values))
    grid = grid_of(AGE)
    assert row.values[0].value in grid
    true = np.percentile([v for own in values.values() for v in own], percent)
    assert abs(row.values[0].value - true) <= max(b - a for a, b in pairwise(grid))


def test_quantiles_of_few_are_suppressed_outer_ones_sooner() -> None:
    """Quantiles of few persons are suppressed, the outer ones sooner: 90 persons have a median, and no 95th percentile."""
    measures = [{"kind": "quantile", "column": "person.age", "percent": percent} for percent in (50, 95)]
    assert [value.suppressed for value in over(measures, cell_of(ages(90))).values] == [False, True]


def pair(x: np.ndarray, y: np.ndarray) -> Pair:
    """One row per person."""
    return Pair(some(len(x)), len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum(), 1)


def test_a_correlation_agrees_with_numpy() -> None:
    """Two digits."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)
    cell = CellEvidence(some(200), 200, 1, 1, (), (pair(x, y),))
    row = over([{"kind": "correlation", "column": "person.age", "other": "person.weight"}], cell)
    assert row.values[0].value == float(f"{np.corrcoef(x, y)[0, 1]:.1e}")


def test_a_correlation_of_few_persons_is_suppressed() -> None:
    """49 by default."""
    x = np.arange(49) % 7.0
    cell = CellEvidence(some(49), 49, 1, 1, (), (pair(x, x[::-1]),))
    assert over([{"kind": "correlation", "column": "person.age", "other": "person.weight"}], cell).values[0].suppressed


# ---------------------------------------------------------------- suppressed together


def test_mean_and_sum_of_one_column_are_suppressed_together() -> None:
    """A mean and a sum over the same values are suppressed together.

    With the number of values either gives the other; so are spreads and the number itself.
    """
    dominated = {0: [100.0] * 30, **{i: [0.5 + i / 1000] for i in range(1, 40)}}
    row = over(of_age("mean", "sum", "sd", "var"), cell_of(dominated))
    assert all(value.suppressed and value.n is None for value in row.values)
    assert row.persons == 40


def test_numbers_of_values_go_with_a_dominated_count() -> None:
    """A mean's n would equal the suppressed number of rows."""
    values = {0: [30.0, 40.0] * 10, 1: [35.0] * 10, **{i: [20.0 + i] for i in range(2, 13)}}
    row = over([{"kind": "count"}, *of_age("mean", "sum")], cell_of(values))
    assert [value.suppressed for value in row.values] == [True, True, True]


def test_an_equal_value_of_all_is_no_mean() -> None:
    """It would be everybody's."""
    assert all(value.suppressed for value in over(of_age("mean", "sum", "sd"), cell_of({i: [40.0] for i in range(200)})).values)


def test_a_dominated_sum_takes_a_companion_along() -> None:
    """The line's total less the other sums would be it; the counts stay."""
    bound = bound_plan(
        group_by=[{"column": "person.race"}], measures=[*of_age("sum", "mean"), {"kind": "persons"}],
        where={"op": "not", "term": {"op": "missing", "column": "person.race"}},
    )  # fmt: skip
    giant = cell_of({0: [100.0], **{i: [0.1 + i / 1000] for i in range(1, 30)}})
    cells = {(0,): giant, (1,): cell_of(ages(50, 100)), (2,): cell_of(ages(90, 300))}
    who = PersonSet.union(*(cell.who for cell in cells.values()))
    rows = judge(bound, Evidence(who, who, cells), TEN_FIVE, everything, any_rows).answer.rows
    assert [[value.suppressed for value in row.values] for row in rows] == [
        [True, True, False], [True, True, False], [False, False, False],
    ]  # fmt: skip


def test_refused_values_suppress_that_measure_in_that_cell() -> None:
    """Values that the memory refuses suppress that measure in that cell. The persons with a value are a set of their own."""
    values = ages(100)
    cell = CellEvidence(some(150), 150, 1, 1, cell_of(values).spreads)
    median = {"kind": "quantile", "column": "person.age", "percent": 50}
    for measure in (*of_age("mean", "sd"), median):
        measures = [{"kind": "persons"}, measure]
        assert not over(measures, cell).values[1].suppressed
        row = over(measures, cell, admits=lambda who: who != some(100))
        assert [value.suppressed for value in row.values] == [False, True]


def test_the_persons_with_values_are_told_to_the_memory() -> None:
    """Where they are others than the cell's."""
    cell = CellEvidence(some(150), 150, 1, 1, cell_of(ages(100)).spreads)
    bound = bound_plan(measures=of_age("mean"))
    assert some(100) in judge(bound, Evidence(cell.who, cell.who, {(): cell}), TEN_FIVE, everything, any_rows).released


# ---------------------------------------------------------------- shares


def by_sex_and_race(cells: dict, measures: list[dict], rules: object = TEN_FIVE, margins: bool = False) -> Judged:
    """A table over everybody whose race is known."""
    bound = bound_plan(
        group_by=[{"column": "person.sex"}, {"column": "person.race"}], measures=measures, margins=margins,
        where={"op": "not", "term": {"op": "missing", "column": "person.race"}},
    )  # fmt: skip
    return judge(bound, evidence(bound, cells), rules, everything, any_rows)


CELLS = {(0, 0): 103, (0, 1): 61, (0, 2): 48, (1, 0): 87, (1, 1): 72, (1, 2): 77}


def test_shares_are_made_from_rounded_numbers() -> None:
    """Of the whole question and of a group, to the digit that rounding leaves sure; both numbers are told."""
    rows = by_sex_and_race(CELLS, [{"kind": "share"}, {"kind": "share", "within": ["person.sex"]}]).answer.rows
    of_all, of_women = rows[0].values
    assert (of_all.n, of_all.of) == (rows[0].persons, 450)
    assert (of_all.value, of_all.of) == (round(100 * of_all.n / 450), 450)
    assert of_women.of in (210, 215)
    assert of_women.value == round(100 * of_all.n / of_women.of)


def test_a_share_is_suppressed_with_its_cell() -> None:
    """In the same rows as the persons."""
    rows = by_sex_and_race({**CELLS, (0, 2): 4}, [{"kind": "share"}]).answer.rows
    assert any(row.persons is None for row in rows)
    assert all((row.persons is None) == row.values[0].suppressed for row in rows)


def test_a_share_is_suppressed_with_what_it_is_of() -> None:
    """A whole that the memory refuses has no shares."""
    bound = bound_plan(group_by=[{"column": "person.sex"}, {"column": "person.race"}],
                       measures=[{"kind": "share", "within": ["person.sex"]}],
                       where={"op": "not", "term": {"op": "missing", "column": "person.race"}})  # fmt: skip
    seen = evidence(bound, CELLS)
    women = PersonSet.union(*(seen.cell((0, race)).who for race in range(3)))
    # Its cells add up to it, so a shown cell of the women goes with it.
    judged = judge(bound, seen, TEN_FIVE, lambda who: who != women, any_rows)
    assert all(row.values[0].suppressed for row in judged.answer.rows[:3])
    assert judged.answer.withheld or all(not row.values[0].suppressed for row in judged.answer.rows[3:] if row.persons is not None)


# ---------------------------------------------------------------- totals


def test_totals_are_rounded_on_their_own() -> None:
    """For every dimension and for all together, after the categories."""
    rows = by_sex_and_race(CELLS, [{"kind": "persons"}], margins=True).answer.rows
    texts = {tuple(category.text for category in row.key): row.persons for row in rows}
    assert len(rows) == 12
    assert texts["label of F", "all"] in (210, 215)
    assert texts["all", "label of a"] == 190
    assert texts["all", "all"] == 450
    assert [row.key[1].kind is CategoryKind.total for row in rows] == [False, False, False, True] * 3


def test_totals_are_judged_as_tables_of_their_own() -> None:
    """A race of seven persons is no total, nor is what the others leave the number of a second race alone."""
    rows = by_sex_and_race({**CELLS, (0, 2): 4, (1, 2): 3}, [{"kind": "persons"}], rules=EXACT, margins=True).answer.rows
    totals = [row for row in rows if row.key[0].kind is CategoryKind.total][:3]
    assert totals[2].persons is None
    assert [row.about for row in totals].count(True) == 1
    assert sum(row.persons for row in totals[:2]) == 7 + sum(CELLS[cell] for cell in CELLS if cell[1] < 2)


def test_totals_hold_what_lies_outside_the_shown_categories_too() -> None:
    """All rows, whatever they hold."""
    rows = by_sex_and_race({**CELLS, (0, 3): 40}, [{"kind": "persons"}], margins=True).answer.rows
    assert abs(rows[3].persons - 252) < 5
    assert abs(rows[-1].persons - 488) < 5


def test_totals_with_means_merge_their_cells() -> None:
    """The mean over everybody is that of all values."""
    bound = bound_plan(group_by=[{"column": "person.sex"}], measures=of_age("mean", "sd"), margins=True)
    cells = {(0,): cell_of(ages(100)), (1,): cell_of(ages(120, 100))}
    who = PersonSet.union(*(cell.who for cell in cells.values()))
    rows = judge(bound, Evidence(who, who, cells), TEN_FIVE, everything, any_rows).answer.rows
    series = pd.Series([v for own in ages(220).values() for v in own])
    assert [value.value for value in rows[-1].values] == [float(f"{series.mean():.2e}"), float(f"{series.std():.1e}")]


persons = st.dictionaries(st.integers(0, 30), st.lists(st.integers(0, 100).map(float), min_size=1, max_size=4), min_size=1)


@settings(deadline=None, max_examples=60)
@given(persons, persons, st.sampled_from([0, 100]))
def test_merged_evidence_is_exact_or_errs_on_the_safe_side(one: dict, other: dict, apart: int) -> None:
    """Against the evidence of all rows at once, whether persons are in both cells or not."""
    moved = {person + apart: own for person, own in other.items()}
    together = {person: one.get(person, []) + moved.get(person, []) for person in {*one, *moved}}
    made, true = merged([cell_of(one), cell_of(moved)]), cell_of(together)
    assert (made.who, made.rows) == (true.who, true.rows)
    assert made.largest >= true.largest
    spread, exact = made.spreads[0], true.spreads[0]
    assert math.isclose(spread.total, exact.total)
    assert math.isclose(spread.squares, exact.squares)
    assert (spread.values, spread.low, spread.high, spread.bins.rows) == (exact.values, exact.low, exact.high, exact.bins.rows)
    assert spread.most_values >= exact.most_values
    assert spread.largest >= exact.largest - 1e-9
    assert spread.absolute <= exact.absolute + 1e-9
    for at in range(len(spread.bins.rows)):
        assert sum(spread.bins.lowest[: at + 1]) <= sum(exact.bins.lowest[: at + 1])
        assert sum(spread.bins.highest[at:]) <= sum(exact.bins.highest[at:])
    if apart:
        assert (made.largest, made.second, spread.most_values) == (true.largest, true.second, exact.most_values)
        assert spread.bins == exact.bins


def test_nobody_has_no_numbers_but_counts() -> None:
    """Where zeros are shown, an empty cell says 0 and no mean."""
    bound = bound_plan(group_by=[{"column": "person.sex"}], measures=[{"kind": "count"}, {"kind": "share"}, *of_age("mean")])
    cells = {(0,): cell_of(ages(100))}
    who = cells[(0,)].who
    rows = judge(bound, Evidence(who, who, cells), load_rules({"preset": "cms-11", "threshold": 11}), everything, any_rows).answer.rows
    assert [value.value for value in rows[1].values] == [0, 0.0, None]
    assert one_row_each(who).rows == 100
