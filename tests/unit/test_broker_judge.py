"""From evidence to an answer: thresholds, remainders, classes, the memory's word, what follows from it, sparse tables."""

from collections.abc import Callable

import pytest
from broker_world import CATALOGUE, TEN_FIVE, any_rows, bound_to, evidence, judge, one_row_each, some
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.cells.person_sets import PersonSet, near
from twinpane_broker.disclosure.judge import Judged
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.rules.policy import load_rules

EXACT = load_rules({"preset": "cms-11", "threshold": 11})
SEX = bound_to("select sex, count(*) from person group by sex")
RACE = bound_to("select race, count(*) from person where race is not null group by race")
ZEROS = TEN_FIVE.model_copy(update={"zeros": "shown"})
SEX_RACE = bound_to("select sex, race, count(*) from person where race is not null group by sex, race")
WARD = bound_to("select ward, count(*), count(distinct person_id) from visit where ward is not null group by ward")


def everything(_who: PersonSet) -> bool:
    """A memory that never released anything."""
    return True


def but(*refused: PersonSet) -> Callable[[PersonSet], bool]:
    """A memory that refuses these sets."""
    return lambda who: who not in refused


def shown(judged: Judged) -> list[int | str | None]:
    """Persons per row, marked where they are about."""
    return [f"≈ {row.persons}" if row.about else row.persons for row in judged.answer.rows]


# ---------------------------------------------------------------- thresholds and remainders


def test_small_cells_are_suppressed_and_the_rest_rounded() -> None:
    """Cells below the threshold are suppressed, and the rest are rounded.

    10 is shown, 9 is not; the 9 and the 10 nobody can tell apart then.
    """
    assert shown(judge(RACE, evidence(RACE, {(0,): 103, (1,): 9, (2,): 8}), TEN_FIVE, everything, any_rows)) == [100, None, None]
    assert shown(judge(RACE, evidence(RACE, {(0,): 103, (1,): 10, (2,): 37}), TEN_FIVE, everything, any_rows)) == [100, 10, 35]


def test_a_lone_suppressed_cell_takes_its_smallest_neighbour() -> None:
    """A lone suppressed cell takes its smallest neighbour along: of both it is told what is left of the total."""
    for rules, left in ((TEN_FIVE, 55), (EXACT, 57)):
        judged = judge(RACE, evidence(RACE, {(0,): 100, (1,): 50, (2,): 7}), rules, everything, any_rows)
        assert shown(judged) == [100, f"≈ {left}", None]


@pytest.mark.parametrize("few", [0, 1, 9])
def test_a_cell_of_nobody_looks_like_one_of_a_few(few: int) -> None:
    """Where zeros are hidden, neither what is suppressed nor what is marked tells the one from the other."""
    cells = {(0,): 100, (1,): 60 - few, (2,): few}
    assert shown(judge(RACE, evidence(RACE, cells), TEN_FIVE, everything, any_rows)) == [100, "≈ 60", None]
    assert shown(judge(RACE, evidence(RACE, {(0,): 100, (1,): 60}), ZEROS, everything, any_rows)) == [100, 60, 0]
    two = evidence(SEX_RACE, {(0, 0): 100, (0, 1): 60, (0, 2): few, (1, 0): 80, (1, 1): 70, (1, 2): 50})
    assert shown(judge(SEX_RACE, two, TEN_FIVE, everything, any_rows)) == [100, None, None, 80, 70, None]


def test_nothing_but_its_number_is_told_of_what_is_left() -> None:
    """Its rows and values would tell of the few beside it."""
    bound = bound_to("select race, count(*) n, avg(weight) m, count(distinct person_id) p from person group by race")
    cells = {(0,): 100, (1,): 50, (2,): 7}
    row = judge(bound, evidence(bound, cells), TEN_FIVE, everything, any_rows).answer.rows[1]
    assert [value.value for value in row.values] == [None, None, 55]


def test_persons_in_no_shown_category_count_to_the_remainder() -> None:
    """Persons outside the shown categories count to the remainder.

    Nine outside follow from the total as a suppressed cell would; with ten of them it may stay alone.
    """
    for outside, expected in ((9, [100, "≈ 60", 60]), (10, [100, 50, 60])):
        seen = evidence(RACE, {(0,): 100, (1,): 50, (2,): 60, (3,): outside})
        assert shown(judge(RACE, seen, EXACT if outside > 10 else TEN_FIVE, everything, any_rows)) == expected


def test_a_cell_that_leaves_out_few_is_suppressed_with_them() -> None:
    """A cell that leaves out few persons is suppressed with them. F of 503 with 3 M would tell the 3, so nothing is left to release."""
    assert judge(SEX, evidence(SEX, {(0,): 500, (1,): 3}), TEN_FIVE, everything, any_rows).answer.withheld


def test_nobody_and_few_look_alike() -> None:
    """The answers to 0 and to 4 in a cell are the same bytes where nothing else differs."""
    none = judge(RACE, evidence(RACE, {(0,): 100, (1,): 202}, whole=302), TEN_FIVE, everything, any_rows)
    few = judge(RACE, evidence(RACE, {(0,): 100, (1,): 198, (2,): 4}, whole=302), TEN_FIVE, everything, any_rows)
    assert none.answer.rows[2] == few.answer.rows[2]
    assert none.answer.persons == few.answer.persons


def test_zeros_are_shown_where_the_policy_says_so() -> None:
    """CMS: zero is not a small cell."""
    assert shown(judge(RACE, evidence(RACE, {(0,): 100, (1,): 200, (2,): 0}), EXACT, everything, any_rows)) == [100, 200, 0]


def test_a_question_about_few_persons_is_withheld() -> None:
    """Query set size. All but a few look like all: see the tests of known sets."""
    assert judge(SEX, evidence(SEX, {(0,): 5, (1,): 4}), TEN_FIVE, everything, any_rows).answer.withheld
    assert not judge(SEX, evidence(SEX, {(0,): 500, (1,): 497}), TEN_FIVE, everything, any_rows).answer.withheld


def test_sparse_tables_are_withheld() -> None:
    """Where over 40 % of ten inhabited cells or more would be suppressed, or the cells shown have under two thresholds of persons."""
    bound = bound_to("select race, ward, count(*) from visit join person using (person_id) group by race, ward")
    assert len(bound.cells) == 12
    holes = {cell: 60 if i % 2 else 3 for i, cell in enumerate(bound.cells)}
    assert judge(bound, evidence(bound, holes), TEN_FIVE, everything, any_rows).answer.withheld
    for each, withheld in ((19, True), (21, False)):
        assert judge(bound, evidence(bound, dict.fromkeys(bound.cells, each)), TEN_FIVE, everything, any_rows).answer.withheld is withheld


def test_a_group_nearly_all_in_one_category_loses_its_split() -> None:
    """Of 100 persons of a race 95 are women; the column of women would tell it from the totals, so more goes."""
    bound = bound_to("select race, smoker, count(*) from person where race is not null group by race, smoker")
    seen = evidence(bound, {(0, 0): 95, (0, 1): 5, (1, 0): 150, (1, 1): 140, (2, 0): 130, (2, 1): 130})
    judged = judge(bound, seen, EXACT, everything, any_rows)
    assert shown(judged)[:2] == [None, None]
    left = [cell for cell, row in zip(bound.cells, judged.answer.rows, strict=True) if row.persons is not None]
    for column in (0, 1):
        assert sum((race, column) in left for race in (1, 2)) < 2, "the column's total less the others is the cell"


# ---------------------------------------------------------------- contributions


def test_a_count_that_one_person_makes_up_is_suppressed() -> None:
    """(1,50): one person with 500 of 520 rows. The persons of the cell may be told."""
    cells = {
        (0,): CellEvidence(some(20), 520, 500, 2),
        (1,): CellEvidence(some(100, 20), 100, 1, 1),
        (2,): CellEvidence(some(300, 120), 300, 1, 1),
    }
    answer = judge(WARD, Evidence(some(420), some(420), cells), TEN_FIVE, everything, any_rows).answer
    assert [(row.values[0].value, row.values[1].value) for row in answer.rows] == [(None, 20), (None, 100), (300, 300)]


# ---------------------------------------------------------------- the memory


def test_what_the_memory_refuses_of_a_question_withholds_it() -> None:
    """Its own persons first."""
    seen = evidence(RACE, {(0,): 100, (1,): 50, (2,): 60})
    assert judge(RACE, seen, TEN_FIVE, but(seen.who), any_rows) == judge(RACE, evidence(RACE, {(0,): 1}), TEN_FIVE, everything, any_rows)


def test_a_cell_the_memory_refuses_is_suppressed_like_others() -> None:
    """A cell that the memory refuses is suppressed like any other, with a neighbour where its number would follow."""
    seen = evidence(SEX_RACE, dict.fromkeys(SEX_RACE.cells, 60))
    refused = seen.cell((0, 1)).who
    judged = judge(SEX_RACE, seen, EXACT, but(refused), any_rows)
    assert judged.answer.rows[1].persons is None
    assert shown(judged).count(None) >= 4, "both of its lines would tell it"
    assert refused not in judged.released


def test_what_follows_from_shown_cells_is_put_to_the_memory_too() -> None:
    """Where the union of a line's shown cells is refused, the smallest of them goes."""
    seen = evidence(RACE, {(0,): 100, (1,): 30, (2,): 60, (3,): 20})
    union = seen.cell((0,)).who | seen.cell((1,)).who | seen.cell((2,)).who
    assert shown(judge(RACE, seen, TEN_FIVE, everything, any_rows)) == [100, 30, 60]
    assert shown(judge(RACE, seen, TEN_FIVE, but(union), any_rows)) == [100, None, 60]


def test_a_memory_that_refuses_every_cell_leaves_nothing() -> None:
    """A memory that refuses everything but the question leaves nothing: the answer is WITHHELD, not an empty table."""
    seen = evidence(RACE, {(0,): 100, (1,): 30, (2,): 60})
    assert judge(RACE, seen, TEN_FIVE, lambda who: who == seen.who, any_rows).answer.withheld


def test_the_memory_is_asked_in_a_fixed_order() -> None:
    """The question, then cells in the order of the table, then what follows: equal questions are decided equally."""
    seen = evidence(RACE, {(0,): 100, (1,): 30, (2,): 60, (3,): 20})
    asked: list[PersonSet] = []
    judge(RACE, seen, TEN_FIVE, lambda who: asked.append(who) is None, any_rows)
    cells = [seen.cell((i,)).who for i in range(3)]
    assert asked == [seen.who, *cells, cells[0] | cells[1] | cells[2]]


def test_every_set_behind_a_shown_number_is_told_to_the_memory() -> None:
    """The question, the shown cells, their unions; no suppressed cell."""
    seen = evidence(RACE, {(0,): 100, (1,): 30, (2,): 60, (3,): 20})
    judged = judge(RACE, seen, TEN_FIVE, everything, any_rows)
    for who in (seen.who, *(seen.cell((i,)).who for i in range(3))):
        assert who in judged.released
    assert seen.cell((3,)).who not in judged.released
    assert judge(RACE, evidence(RACE, {(0,): 1}), TEN_FIVE, everything, any_rows).released == ()


def test_the_union_of_overlapping_cells_is_put_to_the_memory() -> None:
    """It is not if only a few persons of the line are outside the union: the remaining rows belong to enough persons."""
    overlapping = {(0,): 200, (1,): 300, (2,): 250}
    seen = evidence(WARD, overlapping, whole=400)
    assert seen.who in judge(WARD, seen, TEN_FIVE, everything, any_rows).released
    asked: list[PersonSet] = []
    few_outside = Evidence(some(403), some(403), {**seen.cells, (3,): one_row_each(some(12, 391))})
    judge(WARD, few_outside, TEN_FIVE, lambda who: asked.append(who) is None, any_rows)
    assert seen.who not in asked


# ---------------------------------------------------------------- properties

counts = st.dictionaries(st.sampled_from(SEX_RACE.cells), st.integers(0, 60), min_size=1)


@settings(deadline=None)
@given(counts, st.sampled_from([TEN_FIVE, EXACT]))
def test_no_count_or_difference_isolates_too_few_persons(cells: dict, rules: object) -> None:
    """No shown count or difference isolates fewer persons than the threshold.

    Cells, their complements, and what every line and the whole table hide.
    """
    seen = evidence(SEX_RACE, cells)
    judged = judge(SEX_RACE, seen, rules, everything, any_rows)
    if judged.answer.withheld:
        return
    hidden = {cell for cell, row in zip(SEX_RACE.cells, judged.answer.rows, strict=True) if row.persons is None}
    for cell, row in zip(SEX_RACE.cells, judged.answer.rows, strict=True):
        truth = seen.cell(cell).persons
        if row.persons is None:
            assert all(value.value is None for value in row.values)
        elif truth or rules.zeros == "hidden":
            assert truth >= rules.threshold
            assert seen.persons - truth == 0 or seen.persons - truth >= rules.threshold
    lines = [[c for c in SEX_RACE.cells if c[axis] == at] for axis in (0, 1) for at in {c[axis] for c in SEX_RACE.cells}]
    for line in [*lines, list(SEX_RACE.cells)]:
        rest = sum(seen.cell(c).persons for c in line if c in hidden)
        assert rest == 0 or rest >= rules.threshold or all(c in hidden or not seen.cell(c).persons for c in line)


@settings(deadline=None, max_examples=60)
@given(counts, counts, st.integers(0, 200))
def test_two_questions_release_no_sets_that_differ_by_few(first: dict, second: dict, shift: int) -> None:
    """Two questions in a row release no two sets that differ by few persons with a memory of single sets, whatever the tables are."""
    kept: list[PersonSet] = []

    def admits(who: PersonSet) -> bool:
        fine = not any(near(who, other, TEN_FIVE.threshold) for other in kept + fresh)
        if fine:
            fresh.append(who)
        return fine

    for cells, start in ((first, 0), (second, shift)):
        fresh: list[PersonSet] = []
        made = evidence(SEX_RACE, cells)
        moved = {cell: one_row_each(PersonSet(p + start for p in one.who)) for cell, one in made.cells.items()}
        who = PersonSet(p + start for p in made.who)
        kept += judge(SEX_RACE, Evidence(some(1000), who, moved), TEN_FIVE, admits, any_rows).released
    for i, one in enumerate(kept):
        assert not any(near(one, other, TEN_FIVE.threshold) for other in kept[:i])


@pytest.mark.parametrize("sql", ["select count(*) from person", "select avg(age) from person where sex = 'F'"])
def test_a_question_without_groups_is_one_cell(sql: str) -> None:
    """Its persons are the question's."""
    bound = bound_to(sql, CATALOGUE)
    judged = judge(bound, Evidence(some(1000), some(500), {(): one_row_each(some(500))}), TEN_FIVE, everything, any_rows)
    assert [row.key for row in judged.answer.rows] == [()]
    assert judged.answer.persons == judged.answer.rows[0].persons == 500


# ---------------------------------------------------------------- persons in several cells

PERSON = CATALOGUE.tables[0]
TOLD = CATALOGUE.model_copy(update={"tables": (
    PERSON.model_copy(update={"columns": tuple(c.model_copy(update={"sensitive": c.name != "sex"}) for c in PERSON.columns)}),
    *CATALOGUE.tables[1:],
)})  # fmt: skip
CONDITIONS = bound_to("select sex, ward, count(*) from person join visit using (person_id) where ward is not null group by 1, 2", TOLD)


def sick(men_with_breast_cancer: int = 3, also: int = 200) -> Evidence:
    """Heart failure, diabetes and breast cancer by sex; ``also``: how many of each sex have both of the first two."""
    women = {0: range(661), 1: range(661 - also, 1300), 2: range(1300, 1600)}
    men = {0: range(2000, 2420), 1: range(2420 - also, 2800), 2: range(2800, 2800 + men_with_breast_cancer)}
    cells = {(sex, ward): one_row_each(PersonSet(who)) for sex, of in enumerate((women, men)) for ward, who in of.items()}
    everybody = PersonSet.union(*(cell.who for cell in cells.values()))
    return Evidence(population=everybody, who=everybody, cells=cells)


def test_a_large_cell_is_no_companion_of_one_it_does_not_tell() -> None:
    """Many have several diseases, so the men with breast cancer are not all men less those with others: these stay shown."""
    numbers = shown(judge(CONDITIONS, sick(), TEN_FIVE, everything, any_rows))
    assert [numbers[0], numbers[1], numbers[3], numbers[4]] == [660, 840, 420, 580]
    assert numbers[5] is None


def test_the_companion_that_adds_up_with_a_small_cell_stays() -> None:
    """Nobody is of two sexes: the women with breast cancer and the total of both would tell the men."""
    for rules in (TEN_FIVE, EXACT):
        assert shown(judge(CONDITIONS, sick(), rules, everything, any_rows))[2] is None


def test_persons_in_two_cells_that_are_too_few_blur_nothing() -> None:
    """With three in two of the cells, what remains of the total is still nearly the small cell."""
    numbers = shown(judge(CONDITIONS, sick(also=3), TEN_FIVE, everything, any_rows))
    assert numbers[5] is None
    assert None in numbers[3:5]


def test_rows_add_up_where_persons_do_not() -> None:
    """Where counts are exact, all rows of men less the shown ones are those of the three: another cell of the men goes with them."""
    numbers = shown(judge(CONDITIONS, sick(), EXACT, everything, any_rows))
    assert numbers[5] is None
    assert None in numbers[3:5]
