"""The audit of suppressed cells: a reader with a linear program, and an insider, learn too little. The reader here is written anew."""

import math
import time
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest
from broker_world import CATALOGUE, TEN_FIVE, any_rows, bound_to, codes, evidence, judge
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from twinpane_broker.catalogue.catalogue import Column, Table
from twinpane_broker.disclosure import feasibility
from twinpane_broker.disclosure.feasibility import Audit, Need, Total, window
from twinpane_broker.disclosure.secondary_suppression import SuppressionPattern
from twinpane_broker.evidence.table import table_of
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.release.release import Row
from twinpane_broker.rules.policy import Rules, load_rules

EXACT = load_rules({"preset": "cms-11", "threshold": 11})
Cells = Mapping[tuple[int, int], int]


def crosstab(rows: int, columns: int, by: str = "a, b") -> object:
    """A bound question of so many categories each way, neither dimension sensitive, with nothing missing."""
    person = Table(
        name="person",
        person_key="person_id",
        columns=(
            Column(name="person_id", type="integer", role="key"),
            Column(name="a", type="integer", role="dimension", codes=codes(*range(rows)), sensitive=False),
            Column(name="b", type="integer", role="dimension", codes=codes(*range(columns)), sensitive=False),
        ),
    )
    return bound_to(f"select a, b, count(*) from person group by {by}", CATALOGUE.model_copy(update={"tables": (person,)}))


SMALL = crosstab(5, 5)
WIDE = crosstab(60, 40)
CUBE = crosstab(3, 4, "cube (a, b)")


def holes(bound: object, cells: Cells, rules: Rules) -> SuppressionPattern | None:
    """The closed holes of a table; None where it is not released."""
    made = SuppressionPattern(table_of(bound, evidence(bound, cells)), bound, rules, rules.base)
    return made if made.close() and not made.too_many else None


def interval(cells: Cells, hidden: set, target: tuple, rules: Rules, known: Mapping = {}, small: bool = False) -> range:
    """The counts that a reader of all shown cells and all lines' totals finds possible for a suppressed one."""
    unknown = sorted(hidden)
    lines = [[c for c in cells if c[axis] == at] for axis in (0, 1) for at in {c[axis] for c in cells}]
    whole = sum(cells.values())
    told = [line for line in lines if sum(cells[c] for c in line) >= rules.threshold]
    told = [line for line in told if whole - sum(cells[c] for c in line) >= rules.threshold or whole == sum(cells[c] for c in line)]
    matrix = [[float(c in line) for c in unknown] for line in told] or [[0.0] * len(unknown)]
    least, largest = [], []
    for line in told:
        low, high = window(sum(cells[c] for c in line), rules.base)
        for c in line:
            if c not in hidden:
                below, above = window(cells[c], rules.base)
                low, high = low - above, high - below
        least.append(low)
        largest.append(high)
    floor = 0 if rules.zeros == "hidden" else 1
    most = {c: rules.threshold - 1 for c in unknown if small and cells[c] < rules.threshold}
    bounds = [(known[c], known[c]) if c in known else (floor, most.get(c)) for c in unknown]
    ends = []
    for sign in (1, -1):
        aim = [sign * float(c == target) for c in unknown]
        matrix_ub = np.vstack((matrix, -np.array(matrix)))
        limits = np.array([*largest, *(-low for low in least)]) if told else np.zeros(2)
        found = linprog(aim, A_ub=matrix_ub, b_ub=limits, bounds=bounds, method="highs")
        assert found.status in (0, 3), found.message
        ends.append(10**6 if found.status == 3 else sign * found.fun)
    return range(math.ceil(ends[0] - 1e-6), math.floor(ends[1] + 1e-6) + 1)


def neighbours_left(made: SuppressionPattern, cell: tuple) -> bool:
    """Whether anything shown is in a line of a suppressed cell, or of those beside it, and so on."""
    return made._nearest_open_line(cell) is not None


few = st.dictionaries(st.sampled_from(SMALL.cells), st.integers(0, 10), min_size=1, max_size=3)
lone = st.sets(st.sampled_from(SMALL.cells), min_size=1, max_size=2)
many = st.lists(st.integers(20, 90), min_size=25, max_size=25).map(lambda sizes: dict(zip(SMALL.cells, sizes, strict=True)))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(many, few, st.sampled_from([EXACT, TEN_FIVE]))
def test_a_small_cell_may_have_many_counts_for_a_reader(big: dict, small: dict, rules: Rules) -> None:
    """The reader uses cells, totals and linear programming, and knows that the cell is small if anything around it is shown."""
    cells = big | small
    made = holes(SMALL, cells, rules)
    assume(made is not None and made.reasons)
    hidden = set(made.reasons)
    for cell in hidden:
        if 0 < cells[cell] < rules.threshold:
            assert len(interval(cells, hidden, cell, rules)) >= rules.candidates
            if neighbours_left(made, cell):
                assert len(interval(cells, hidden, cell, rules, small=True)) >= rules.candidates


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(many, few, lone)
def test_an_insider_who_is_alone_in_a_cell_learns_no_other(big: dict, small: dict, single: set) -> None:
    """Singleton rule (attack 6 of docs/disclosure.md): with one lone person's cell known, the others keep their width."""
    cells = big | small | dict.fromkeys(single, 1)
    made = holes(SMALL, cells, EXACT)
    assume(made is not None)
    hidden = set(made.reasons)
    alone = [cell for cell in hidden if cells[cell] == 1]
    for cell in hidden:
        if 0 < cells[cell] < EXACT.threshold and neighbours_left(made, cell):
            known = {other: 1 for other in alone if other != cell}
            assert len(interval(cells, hidden, cell, EXACT, known, small=True)) >= EXACT.candidates


def test_two_holes_in_every_line_are_not_enough() -> None:
    """The classic (attack 5 of docs/disclosure.md): four holes with two in each line, and a total so small that one of them follows."""
    cells = dict.fromkeys(SMALL.cells, 60) | {(0, 0): 10, (0, 1): 1, (1, 0): 1, (1, 1): 10}
    made = holes(SMALL, cells, EXACT)
    for cell in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert cell in made
        assert len(interval(cells, set(made.reasons), cell, EXACT, small=True)) >= EXACT.candidates


def test_two_lone_persons_in_one_line_do_not_tell_each_other() -> None:
    """Attack 6 of docs/disclosure.md as it is in the handbook."""
    cells = dict.fromkeys(SMALL.cells, 60) | {(0, 0): 1, (0, 1): 1}
    made = holes(SMALL, cells, EXACT)
    hidden = set(made.reasons)
    assert len(interval(cells, hidden, (0, 1), EXACT, {(0, 0): 1}, small=True)) >= EXACT.candidates


def test_without_small_cells_nothing_is_suppressed() -> None:
    """The audit costs nothing where there is nothing to protect."""
    assert not holes(SMALL, dict.fromkeys(SMALL.cells, 60), EXACT).reasons


def test_rows_are_audited_where_they_are_other_numbers() -> None:
    """A hole whose persons are safe but whose rows follow is widened."""
    known = {(0,): 3, (1,): 20}
    bound = bound_to("select ward, count(*) from visit where ward is not null group by ward")
    line = next(line for line in table_of(bound, evidence(bound, {**known, (2,): 50})).lines)
    audit = Audit(
        truth={**known, (2,): 50}, hidden={(0,): (1, 10), (1,): (1, None)}, needs={(0,): Need(5)},
        totals=[Total(line, 73)], alone=frozenset(), base=1, floor=1,
    )  # fmt: skip
    assert audit.narrow(frozenset({(0,)})) == []
    follows = Audit(
        truth={(0,): 3, (1,): 2, (2,): 50}, hidden={(0,): (1, 10), (1,): (1, None)}, needs={(0,): Need(5)},
        totals=[Total(line, 55)], alone=frozenset(), base=1, floor=1,
    )  # fmt: skip
    assert follows.narrow(frozenset({(0,), (1,)})) == [(0,)]


def test_without_a_result_of_the_program_a_cell_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ails the solver, nothing is shown on its word."""
    problem = feasibility._Problem({(0,): 3, (1,): 20}, {(0,): (1, 10), (1,): (1, None)}, (), frozenset())
    monkeypatch.setattr(problem, "_solved", lambda *_: SimpleNamespace(status=4, x=None))
    assert problem.solve((0,), 1) == 3
    assert problem.interval((0,), None) == (3, 3)


def test_windows_hold_all_counts_that_round_alike() -> None:
    """Whichever way the count itself is rounded: 112 is shown as 110, which may be 106, or as 115, which may be 119."""
    assert window(112, 5) == (111, 114)
    assert window(110, 5) == (106, 114)
    assert window(2, 5) == (1, 4)
    assert window(0, 5) == (0, 4)
    assert window(7, 1) == (7, 7)


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize(("median", "rules"), [(60, EXACT), (120, EXACT), (60, TEN_FIVE)])
def test_sixty_by_forty_cells_are_audited_within_a_second(median: int, rules: Rules) -> None:
    """A wide table with over a hundred holes. (Twice the second: other work shares the processor.)"""
    sizes = np.random.default_rng(1).lognormal(np.log(median), 1.0, 2400)
    cells = dict(zip(WIDE.cells, (int(size) for size in sizes), strict=True))
    before = time.process_time()
    made = holes(WIDE, cells, rules)
    assert time.process_time() - before < 2
    primary = sum(size < rules.threshold for size in cells.values())
    assert len(made.reasons) < 2.5 * primary, "suppressing too much is a defect too"


@pytest.mark.slow
def test_a_released_wide_table_holds_against_the_reader() -> None:
    """Four of its holes, looked at one by one."""
    sizes = np.random.default_rng(2).lognormal(np.log(60), 1.0, 2400)
    cells = dict(zip(WIDE.cells, (int(size) for size in sizes), strict=True))
    made = holes(WIDE, cells, EXACT)
    hidden = set(made.reasons)
    small = [cell for cell in sorted(hidden) if 0 < cells[cell] < 11]
    for cell in small[:: len(small) // 4]:
        assert len(interval(cells, hidden, cell, EXACT, small=True)) >= EXACT.candidates


def test_the_answer_shows_what_the_audit_left() -> None:
    """Persons and values of suppressed cells are missing alike."""
    cells = dict.fromkeys(SMALL.cells, 60) | {(0, 0): 3}
    made = holes(SMALL, cells, EXACT)
    answer = judge(SMALL, evidence(SMALL, cells), EXACT, lambda _who: True, any_rows).answer
    for cell, row in zip(SMALL.cells, answer.rows, strict=True):
        assert (row.persons is None) == (cell in made) == row.values[0].suppressed


# ---------------------------------------------------------------- what is left of a line

Line = tuple[int | None, int | None]
"""The categories of a row of the answer; None: all."""


def asked(cells: Cells, rules: Rules) -> dict[Line, Row]:
    """The rows of a table with totals, by their categories."""
    answer = judge(CUBE, evidence(CUBE, cells), rules, lambda _who: True, any_rows).answer
    return {tuple(None if part.kind is CategoryKind.total else part.value for part in row.key): row for row in answer.rows}


def members(line: Line) -> list[tuple[int, int]]:
    """The cells that a row of the answer adds up."""
    return [cell for cell in CUBE.cells if all(own in (None, at) for own, at in zip(line, cell, strict=True))]


def is_own(row: Row) -> bool:
    """Whether a row shows its own number."""
    return row.persons is not None and not row.about


def rest_of(line: Line, axis: int, rows: Mapping[Line, Row]) -> list[tuple[int, int]]:
    """The cells of a row's line along an axis that are in none of its rows with a number of their own."""
    told = (key for key, row in rows.items() if _along(key, line, axis) and is_own(row))
    own = {cell for key in told for cell in members(key)}
    return [cell for cell in members((*line[:axis], None, *line[axis + 1 :])) if cell not in own]


def _along(key: Line, line: Line, axis: int) -> bool:
    return key[axis] is not None and key[:axis] + key[axis + 1 :] == line[:axis] + line[axis + 1 :]


def ranges(cells: Cells, rows: Mapping[Line, Row], rules: Rules, *, left: bool, alone: tuple[int, int] | None) -> dict[tuple, range]:
    """The counts of small cells that are possible for a reader of all rows and, with ``left``, of what is told to be left of lines."""
    number, sums = dict(zip(CUBE.cells, range(len(CUBE.cells)), strict=True)), []
    for line, row in rows.items():
        if is_own(row):
            sums.append((members(line), window(row.persons, rules.base)))
        elif row.about and left:
            # The reader knows of which line it is what is left.
            lines = [axis for axis in (0, 1) if line[axis] is not None and is_own(rows[(*line[:axis], None, *line[axis + 1 :])])]
            rests = [(rest, sum(cells.get(cell, 0) for cell in rest)) for rest in (rest_of(line, axis, rows) for axis in lines)]
            own = sum(cells.get(cell, 0) for cell in members(line))
            rest, size = next(each for each in rests if len(each[0]) > len(members(line)) and each[1] - own < rules.threshold)
            low, high = window(row.persons, rules.base)
            assert low <= size <= high
            sums.append((rest, (low, high)))
    matrix = np.array([[float(cell in of) for cell in number] for of, _ in sums])
    limits = np.array([high for _, (_, high) in sums] + [-low for _, (low, _) in sums])
    small = [cell for cell in number if cells.get(cell, 0) < rules.threshold and rows[cell].persons is None]
    least = 0 if rules.zeros == "hidden" else 1
    bounds = [(1, 1) if cell == alone else (least, rules.threshold - 1) if cell in small else (0, None) for cell in number]
    found = {}
    for cell in small:
        ends = []
        for sign in (1, -1):
            aim = [sign * float(other == cell) for other in number]
            solved = linprog(aim, A_ub=np.vstack((matrix, -matrix)), b_ub=limits, bounds=bounds, method="highs")
            assert solved.status == 0, solved.message
            ends.append(sign * solved.fun)
        found[cell] = range(math.ceil(ends[0] - 1e-6), math.floor(ends[1] + 1e-6) + 1)
    return found


sizes = st.lists(st.integers(12, 90), min_size=12, max_size=12).map(lambda each: dict(zip(CUBE.cells, each, strict=True)))
holed = st.dictionaries(st.sampled_from(CUBE.cells), st.integers(0, 9), min_size=1, max_size=2)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(sizes, holed, st.sampled_from([EXACT, TEN_FIVE]))
def test_what_is_left_of_a_line_tells_no_more_of_a_small_cell(big: dict, small: dict, rules: Rules) -> None:
    """Nothing follows from it for a small cell that did not follow from the table: for any reader, also for one who is alone in a cell."""
    cells = {cell: size for cell, size in (big | small).items() if size}
    rows = asked(cells, rules)
    assume(any(row.about for row in rows.values()))
    alone = [cell for cell in small if cells.get(cell) == 1 and rows[cell].persons is None]
    for reader in (None, *alone):
        with_rest, without = (ranges(cells, rows, rules, left=left, alone=reader) for left in (True, False))
        for cell, found in with_rest.items():
            assert cell == reader or len(found) >= min(rules.candidates, len(without[cell]))


def test_a_companion_shows_what_is_left_of_its_line() -> None:
    """With totals in the answer any reader subtracts it: from a total, 60 and 70. An empty cell, and one of a few, look alike."""
    for few in (0, 4):
        cells = dict(zip(CUBE.cells, (few, 41, 60, 70, 50, 45, 80, 90, 45, 55, 65, 75), strict=True))
        rows = asked({cell: size for cell, size in cells.items() if size}, TEN_FIVE)
        assert (rows[0, 0].persons, rows[0, 0].about) == (None, False)
        assert (rows[0, 1].persons, rows[0, 1].about) in {(40, True), (45, True)}
        assert (rows[0, 2].persons, rows[0, 2].about, rows[0, None].persons // 5) in {(60, False, 34), (60, False, 35)}


def test_without_totals_nothing_is_left_of_a_line() -> None:
    """The answer does not tell the number that it would be left of."""
    bound = crosstab(3, 4)
    cells = dict(zip(bound.cells, (0, 40, 60, 70, 50, 45, 80, 90, 45, 55, 65, 75), strict=True))
    answer = judge(bound, evidence(bound, cells), TEN_FIVE, lambda _who: True, any_rows).answer
    assert answer.rows
    assert not any(row.about for row in answer.rows)
