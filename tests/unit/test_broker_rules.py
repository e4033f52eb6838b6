"""The disclosure rules on evidence: thresholds, complements, companions, dominance, rounding."""

import pytest
from broker_world import TEN_FIVE, bound_to, evidence
from hypothesis import given
from hypothesis import strategies as st

from twinpane_broker.evidence import CellEvidence, Evidence, Spread
from twinpane_broker.judge import Answer, judge, suppressed_cells
from twinpane_broker.policy import load_rules
from twinpane_broker.rules import complement_rule, count_is_safe, dominance_rule, mean_is_safe, p_percent_rule, rounded_mean
from twinpane_broker.secondary import window

EXACT = load_rules({"preset": "cms-11", "threshold": 11})
SEX = bound_to("select sex, count(*) from person group by sex")
RACE = bound_to("select race, count(*) from person where race is not null group by race")
SEX_RACE = bound_to("select sex, race, count(*) from person where race is not null group by sex, race")


def shown(answer: Answer) -> list[int | None]:
    """Persons per row."""
    return [row.persons for row in answer.rows]


def test_cells_below_the_threshold_are_suppressed_and_the_rest_rounded() -> None:
    """10 is shown, 9 is not."""
    assert shown(judge(RACE, evidence(RACE, {(0,): 103, (1,): 10, (2,): 9}), TEN_FIVE)) == [105, 10, None]


def test_a_cell_that_leaves_out_few_persons_is_suppressed_with_them() -> None:
    """F of 503 with 3 M would tell the 3: nothing is left to release."""
    assert judge(SEX, evidence(SEX, {(0,): 500, (1,): 3}), TEN_FIVE).withheld


def test_nobody_and_few_look_alike() -> None:
    """The answers to 0 and to 4 in a cell are the same bytes where nothing else differs."""
    none = judge(RACE, evidence(RACE, {(0,): 100, (1,): 202}, whole=302), TEN_FIVE)
    few = judge(RACE, evidence(RACE, {(0,): 100, (1,): 202, (2,): 1}, whole=302), TEN_FIVE)
    assert none.canonical() == few.canonical()


def test_zeros_are_shown_where_the_policy_says_so() -> None:
    """CMS: zero is not a small cell."""
    assert shown(judge(RACE, evidence(RACE, {(0,): 100, (1,): 200, (2,): 0}), EXACT)) == [100, 200, 0]


def test_without_rounding_a_lone_suppressed_cell_takes_its_smallest_neighbour_along() -> None:
    """The total minus the others would be it."""
    assert shown(judge(RACE, evidence(RACE, {(0,): 100, (1,): 50, (2,): 7}), EXACT)) == [100, None, None]


def test_with_rounding_a_neighbour_goes_along_where_the_rounded_numbers_still_tell() -> None:
    """112 + 207 + 9: 330 - 110 - 205 leaves at least 9, so the 9 follows exactly."""
    assert shown(judge(RACE, evidence(RACE, {(0,): 112, (1,): 207, (2,): 9}), TEN_FIVE)) == [None, 205, None]


def test_companions_close_over_both_dimensions() -> None:
    """In a crosstab no line keeps a single suppressed cell."""
    counts = {(0, 0): 100, (0, 1): 60, (0, 2): 40, (1, 0): 90, (1, 1): 70, (1, 2): 5}
    hidden = suppressed_cells(SEX_RACE, evidence(SEX_RACE, counts), EXACT)
    for line in ([(i, j) for j in range(3)] for i in range(2)):
        assert sum(cell in hidden for cell in line) != 1
    for line in ([(i, j) for i in range(2)] for j in range(3)):
        assert sum(cell in hidden for cell in line) != 1


def test_a_question_about_few_persons_is_withheld() -> None:
    """Whatever its cells."""
    assert judge(SEX, evidence(SEX, {(0,): 5, (1,): 4}), TEN_FIVE).withheld


def test_a_condition_that_leaves_out_few_persons_is_withheld() -> None:
    """Query set size at both ends: 997 of 1000 is the tracker's first step."""
    cells = {(0,): CellEvidence(500, 500, 1, 1), (1,): CellEvidence(497, 497, 1, 1)}
    assert judge(SEX, Evidence(population=1000, persons=997, cells=cells), TEN_FIVE).withheld
    assert not judge(SEX, Evidence(population=1007, persons=997, cells=cells), TEN_FIVE).withheld


def test_a_sparse_table_is_withheld() -> None:
    """Where more than 40 % of the inhabited cells would be suppressed, of ten at least."""
    bound = bound_to("select race, ward, count(*) from visit join person using (person_id) group by race, ward")
    cells = {cell: 20 if i % 2 else 3 for i, cell in enumerate(bound.cells)}
    assert len(cells) == 12
    assert judge(bound, evidence(bound, cells), TEN_FIVE).withheld


def test_a_count_that_one_person_makes_up_is_suppressed_and_does_not_follow_from_the_others() -> None:
    """(1,50): one person with 500 of 520 rows. The persons of the cell may be told."""
    cells = {(0,): CellEvidence(20, 520, 500, 2), (1,): CellEvidence(100, 100, 1, 1), (2,): CellEvidence(300, 300, 1, 1)}
    bound = bound_to("select ward, count(*), count(distinct person_id) from visit group by ward")
    answer = judge(bound, Evidence(420, 420, cells), TEN_FIVE)
    assert [(row.values[0].value, row.values[1].value) for row in answer.rows] == [(None, 20), (None, 100), (300, 300)]


def spread(**change: float) -> Spread:
    """Twenty persons with one value each, well spread."""
    plain = {"persons": 20, "values": 20, "total": 400.0, "absolute": 400.0, "largest": 30.0, "second": 30.0, "low": 10.0, "high": 30.0}
    return Spread(**{**plain, "most_values": 1, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"persons": 9},
        {"largest": 250.0},
        {"largest": 150.0, "second": 140.0},
        {"low": 30.0},
        {"most_values": 11},
        {"total": 0.0, "absolute": 400.0, "largest": 250.0},
    ],
)
def test_means_need_persons_without_dominance_and_not_all_alike(change: dict) -> None:
    """Threshold, (1,50), (2,67), one value for all, one person's many values, and signs that cancel."""
    assert mean_is_safe(spread(), TEN_FIVE)
    assert not mean_is_safe(spread(**change), TEN_FIVE)
    assert not mean_is_safe(None, TEN_FIVE)


def test_the_dominance_rules_by_the_handbook() -> None:
    """p% with p = 10, (1,50), (2,67)."""
    assert not p_percent_rule(100, 80, 15, 10)
    assert p_percent_rule(100, 50, 40, 10)
    assert not dominance_rule(100, 51, 0, 50, 67)
    assert not dominance_rule(100, 40, 28, 50, 67)
    assert dominance_rule(100, 40, 27, 50, 67)
    assert not count_is_safe(CellEvidence(12, 1000, 900, 5), TEN_FIVE)


def test_means_have_three_digits_or_the_catalogue_s_precision() -> None:
    """Whichever is coarser."""
    assert rounded_mean(61.2345, TEN_FIVE, None) == 61.2
    assert rounded_mean(1957.3, TEN_FIVE, None) == 1960
    assert rounded_mean(1.2345, TEN_FIVE, 0.5) == 1.0
    assert rounded_mean(-0.0001, TEN_FIVE, 0.1) == 0.0


def test_the_complement_may_be_nobody() -> None:
    """Everybody, or all but ten."""
    assert complement_rule(100, 100, 10)
    assert complement_rule(90, 100, 10)
    assert not complement_rule(91, 100, 10)


counts = st.dictionaries(st.sampled_from(SEX_RACE.cells), st.integers(0, 60), min_size=1)


@given(counts, st.sampled_from([TEN_FIVE, EXACT]))
def test_no_released_count_is_under_the_threshold_nor_leaves_out_fewer(cells: dict, rules: object) -> None:
    """For every table: persons of a released cell, and of the question without it."""
    seen = evidence(SEX_RACE, cells)
    answer = judge(SEX_RACE, seen, rules)
    for cell, row in zip(SEX_RACE.cells, answer.rows, strict=False):
        truth = seen.cell(cell).persons
        if row.persons is not None and not (truth == 0 and rules.zeros == "shown"):
            assert truth >= rules.threshold
            assert seen.persons - truth == 0 or seen.persons - truth >= rules.threshold
            low, high = window(truth, rules.base)
            assert low <= truth <= high
        if row.persons is None:
            assert all(value.value is None for value in row.values)


@given(counts)
def test_without_rounding_no_line_keeps_a_single_suppressed_cell(cells: dict) -> None:
    """Every suppressed cell shares its row and its column with another, or with nobody released."""
    seen = evidence(SEX_RACE, cells)
    hidden = suppressed_cells(SEX_RACE, seen, EXACT)
    for axis in (0, 1):
        for place in {cell[axis] for cell in SEX_RACE.cells}:
            line = [cell for cell in SEX_RACE.cells if cell[axis] == place]
            released = [cell for cell in line if cell not in hidden and seen.cell(cell).persons]
            assert sum(cell in hidden for cell in line) != 1 or not released


@given(st.lists(st.integers(0, 80), min_size=3, max_size=3))
def test_with_rounding_a_reader_cannot_rule_out_that_a_lone_suppressed_cell_is_empty(numbers: list[int]) -> None:
    """From the rounded total and the rounded cells, nobody and at least three candidates stay possible."""
    seen = evidence(RACE, {(i,): n for i, n in enumerate(numbers)})
    answer = judge(RACE, seen, TEN_FIVE)
    if answer.withheld or shown(answer).count(None) != 1:
        return
    released = [row.persons for row in answer.rows if row.persons is not None]
    low = answer.persons - 2 - sum(n + 2 for n in released)
    high = answer.persons + 2 - sum(n - 2 for n in released)
    candidates = range(max(low, 0), min(high, 9) + 1)
    assert 0 in candidates
    assert len(candidates) >= 3
