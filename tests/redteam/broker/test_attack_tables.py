"""Attacks on one table: holes worked out from margins (7.5), insiders (7.6), class disclosure (7.25), missing, rare levels, width."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from reference.hospital import EXACT, TEN_FIVE, Hospital
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.rules.policy import Rules, load_rules

from .ward import hospital, is_withheld, refused

RULES = [pytest.param(TEN_FIVE, id="10-5"), pytest.param(EXACT, id="exact counts")]
ROWS, COLUMNS = tuple("abcd"), tuple("wxyz")


def grid(counts: np.ndarray, sensitive: bool = False) -> tuple[Catalogue, pd.DataFrame]:
    """A hospital whose persons fall into a table of these counts."""
    people = [(r, c) for r, line in zip(ROWS, counts, strict=False) for c, n in zip(COLUMNS, line, strict=False) for _ in range(n)]
    frame = pd.DataFrame({"person_id": range(len(people)), "row": [r for r, _ in people], "col": [c for _, c in people]})
    share = {"row": len(counts), "col": len(counts[0])}
    columns = [
        Column(
            name=name, type="varchar", role="dimension", sensitive=sensitive,
            codes=[Code(value=value, share=round(1 / share[name], 2)) for value in values[: share[name]]],
        )
        for name, values in (("row", ROWS), ("col", COLUMNS))
    ]  # fmt: skip
    key = Column(name="person_id", type="integer", role="key")
    table = Table(name="person", person_key="person_id", columns=(key, *columns))
    return Catalogue(site="north", snapshot="1", persons=len(people) // 5 * 5, tables=(table,)), frame


def suppressed_by_threshold(counts: np.ndarray, k: int) -> np.ndarray:
    """Where a naive table has holes."""
    return (counts < k) & (counts > 0)


Cell = tuple[int, int]
Sum = tuple[list[Cell], float, float]
"""Cells, and the least and most that they add up to."""


def reach(shown: dict[Cell, tuple[float, float]], shape: tuple[int, int], sums: list[Sum]) -> dict[Cell, tuple[float, float]]:
    """The smallest and largest count of every cell that fits what is known: linear programming, two programs a hidden cell."""
    cells = [(r, c) for r in range(shape[0]) for c in range(shape[1])]
    at = {cell: place for place, cell in enumerate(cells)}
    matrix, limit = [], []
    for members, low, high in sums:
        row = np.zeros(len(cells))
        row[[at[cell] for cell in members]] = 1
        matrix += [row, -row]
        limit += [high, -low]
    bounds = [shown.get(cell, (0, None)) for cell in cells]
    found = {}
    for cell in cells:
        if cell in shown:
            continue
        aim = np.zeros(len(cells))
        aim[at[cell]] = 1
        ends = [linprog(sign * aim, A_ub=matrix or None, b_ub=limit or None, bounds=bounds, method="highs") for sign in (1, -1)]
        assert all(end.status in (0, 3) for end in ends)
        found[cell] = tuple(sign * end.fun if end.status == 0 else np.inf for sign, end in zip((1, -1), ends, strict=True))
    return found


def interval(count: int, rules: Rules) -> tuple[int, int]:
    """What a released count stands for."""
    return count - rules.base + 1, count + rules.base - 1


TABLES = {
    # Every line with a hole has two, and yet the holes follow from the margins, to within one or two persons.
    "holes in a square": np.array([[1, 1, 60, 70], [1, 8, 80, 90], [50, 60, 30, 40], [45, 55, 65, 75]]),
    "holes in a ring": np.array([[8, 1, 60, 70], [50, 1, 9, 90], [1, 60, 7, 40], [45, 55, 65, 75]]),
    "holes in a row": np.array([[4, 5, 60, 70], [50, 40, 80, 90], [50, 60, 30, 40], [45, 55, 65, 75]]),
}


# Otherwise the sparse rule would withhold such small tables as a whole.
FULL = [pytest.param(rules.model_copy(update={"sparse": 1.0, "sparse_mean": 0.0}), id=name) for rules, name in
        ((TEN_FIVE, "10-5"), (EXACT, "exact counts"))]  # fmt: skip


@pytest.mark.parametrize("rules", FULL)
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("how", ["margins of its own questions", "totals in the table"])
def test_suppressed_cells_are_not_worked_out_from_the_margins(tmp_path: Path, rules: Rules, name: str, how: str) -> None:
    """A linear program over all that is shown, by three questions, leaves every hole as many candidates as the policy wants."""
    counts, k = TABLES[name], rules.threshold
    catalogue, frame = grid(counts)
    site = Hospital(tmp_path, catalogue, {"person": frame}, rules)
    rows, columns = range(4), range(4)
    lines = [[(r, c) for c in columns] for r in rows] + [[(r, c) for r in rows] for c in columns]
    lines.append([(r, c) for r in rows for c in columns])
    small = suppressed_by_threshold(counts, k)
    naive = reach(
        {(r, c): (int(counts[r, c]),) * 2 for r in rows for c in columns if not small[r, c]},
        (4, 4),
        [(line, sum(int(counts[cell]) for cell in line), sum(int(counts[cell]) for cell in line)) for line in lines],
    )
    assert any(high - low <= 2 for low, high in naive.values()), "the naive table is safe: the example shows nothing"

    names = {**{value: at for at, value in enumerate(ROWS)}, **{value: at for at, value in enumerate(COLUMNS)}}
    if how == "totals in the table":
        answer = site.ask("select row, col, count(distinct person_id) n from person group by cube (row, col)")
    else:
        answer = site.ask("select row, col, count(distinct person_id) n from person group by row, col")
    assert isinstance(answer, Release)
    shown: dict[Cell, tuple[float, float]] = {}
    sums: list[Sum] = []

    def know(key: tuple[str | None, str | None], persons: int | None) -> None:
        if persons is None:
            return
        low, high = interval(persons, rules)
        line = [(r, c) for r in rows for c in columns if key[0] in (None, ROWS[r]) and key[1] in (None, COLUMNS[c])]
        if None in key:
            sums.append((line, low, high))
        else:
            shown[names[key[0]], names[key[1]]] = (low, high)

    for row in answer.rows:
        if not row.about:
            know(tuple(None if each.kind is CategoryKind.total else each.value for each in row.key), row.persons)
    know((None, None), answer.persons)
    for row in (row for row in answer.rows if row.about):
        # What is left of one of the cell's lines by all that are told; the reader knows of which.
        at = (names[row.key[0].value], names[row.key[1].value])
        lefts = ([cell for cell in line if cell not in shown] for line in lines[:-1] if at in line)
        low, high = interval(row.persons, rules)
        sums.append((next(left for left in lefts if len(left) > 1 and low <= sum(int(counts[cell]) for cell in left) <= high), low, high))
    for column, place in (("row", 0), ("col", 1)):
        more = site.ask(f"select {column}, count(*) n from person group by {column}")
        if isinstance(more, Release):
            for row in more.rows:
                know((row.key[0].value, None) if place == 0 else (None, row.key[0].value), row.persons)
    for cell, (low, high) in reach(shown, (4, 4), sums).items():
        if small[cell]:
            assert low <= 1, f"{cell} has at least {low}"
            assert min(high, k - 1) - low + 1 >= rules.candidates, f"{cell} has {low} to {high}"


def test_an_insider_does_not_learn_the_other_lone_one(tmp_path: Path) -> None:
    """A line has two cells of one person each. If the rest of the line were exact, either person would learn the other's cell."""
    counts = np.array([[1, 1, 60, 70], [50, 40, 80, 90], [50, 60, 30, 40], [45, 55, 65, 75]])
    catalogue, frame = grid(counts)
    site = Hospital(tmp_path, catalogue, {"person": frame}, EXACT)
    assert site.naive("select count(*) from person where row = 'a'")[0][0] - 60 - 70 - 1 == 1
    cells = site.cells("select row, col, count(*) n from person group by row, col")
    line = site.one("select count(*) from person where row = 'a'")
    shown = [cells[("a", c)][0] for c in COLUMNS]
    hidden = [int(n) for n, seen in zip(counts[0], shown, strict=True) if seen is None]
    assert line is None or sum(hidden) >= EXACT.threshold
    assert cells[("a", "w")][0] is None
    assert cells[("a", "x")][0] is None


# ---------------------------------------------------------------- 7.25 class disclosure


def all_smoke(race: str, nearly: int = 0) -> pd.DataFrame:
    """A thousand persons. All of one race smoke, except for so many."""
    from unit.broker_world import people

    return people(race=lambda i: "abc"[i % 3], smoker=lambda i: i // 3 >= nearly if "abc"[i % 3] == race else i % 2 == 0)


@pytest.mark.parametrize("nearly", [0, 12], ids=["all", "nearly all"])
@pytest.mark.parametrize(
    "sql",
    [
        "select race, smoker, count(*) n from person group by race, smoker",
        "select smoker, race, count(distinct person_id) n from person group by smoker, race",
        "select smoker, count(*) n from person where race = 'a' group by smoker",
        "select race, smoker, 100.0 * count(distinct person_id) / sum(count(distinct person_id)) over (partition by race) pct "
        "from person group by race, smoker",
    ],
    ids=["a table", "turned", "one race", "in percent"],
)
def test_what_nearly_all_of_a_group_hold_is_not_told(tmp_path: Path, sql: str, nearly: int) -> None:
    """Where over 90 % of a race smoke, the count of smokers tells of each of them: no threshold helps."""
    site = hospital(tmp_path, person=all_smoke("a", nearly))
    assert site.naive("select count(*) filter (where smoker) / count(*) from person where race = 'a'")[0][0] > 0.9
    answer = site.ask(sql)
    if not isinstance(answer, Release):
        assert is_withheld(answer)
        return
    names = [column.name for column in answer.dimensions]
    for row in answer.rows:
        held = dict(zip(names, (each.value for each in row.key), strict=True))
        if held.get("race", "a") == "a" and held["smoker"] is not None:
            assert row.persons is None
            assert all(value.suppressed for value in row.values)


@pytest.mark.parametrize("nearly", [0, 12], ids=["all", "nearly all"])
@pytest.mark.parametrize("rules", [TEN_FIVE, EXACT], ids=["10-5", "exact"])
def test_a_histogram_does_not_tell_what_nearly_all_have(tmp_path: Path, rules: Rules, nearly: int) -> None:
    """All women of one race weigh 60 to 70: a band of weights tells it as a code would."""
    from unit.broker_world import people

    site = hospital(tmp_path, rules, person=people(weight=lambda i: 62.0 + i % 7 if i % 3 == 0 and i > 3 * nearly else 50.0 + i % 40))
    for sql in (
        "select race, floor(weight / 10) * 10 band, count(*) from person where race is not null group by 1, 2",
        "select floor(weight / 10) * 10 band, count(distinct person_id) from person where race = 'a' group by 1",
    ):
        answer = site.ask(sql)
        shown = [row for row in answer.rows if row.persons is not None] if isinstance(answer, Release) else []
        assert not any(row.key[-1].value == 60 and row.key[0].value in ("a", 60) for row in shown)


def test_a_mean_of_what_all_share_is_not_told(tmp_path: Path) -> None:
    """Everybody of a group weighs the same: their mean would be each one's weight."""
    from unit.broker_world import people

    site = hospital(tmp_path, person=people(weight=lambda i: 70.0 if i % 2 else 40.0 + i % 30))
    assert site.naive("select avg(weight), stddev(weight) from person where sex = 'M'") == [(70.0, 0.0)]
    sql = "select sex, avg(weight), sum(weight), stddev(weight), median(weight), quantile_cont(weight, 0.1) from person group by sex"
    assert site.cells(sql)[("M",)] == (None,) * 5


def test_a_group_and_its_part_by_two_questions(tmp_path: Path) -> None:
    """How many of race a, and how many of race a who smoke: two counts in place of one table."""
    site = hospital(tmp_path, person=all_smoke("a"))
    both = "select count(*) from person where race = 'a'", "select count(*) from person where race = 'a' and smoker = true"
    assert site.naive(both[0]) == site.naive(both[1])
    assert None in [site.one(sql) for sql in both]


# ---------------------------------------------------------------- missing


def _looks_like_all(answer: Release | Refusal) -> bool:
    """Whether an answer has the number of all thousand persons, marked."""
    return isinstance(answer, Release) and (answer.persons, answer.about) == (1000, True)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("said", [0.1, 0.0], ids=["in the catalogue", "not in the catalogue"])
def test_few_without_a_value_do_not_follow_from_the_others(tmp_path: Path, rules: Rules, said: float) -> None:
    """Three persons of unknown race show neither as a category, nor by a condition, nor as the difference from a total."""
    from unit.broker_world import CATALOGUE, people

    person = CATALOGUE.table("person")
    columns = tuple(c.model_copy(update={"missing": said}) if c.name == "race" else c for c in person.columns)
    catalogue = CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": columns}), *CATALOGUE.tables[1:])})
    site = hospital(tmp_path, rules, catalogue, person=people(race=lambda i: None if i in (7, 77, 777) else "abc"[i % 3]))
    assert site.naive("select count(*) - count(race) from person") == [(3,)]
    assert is_withheld(site.ask("select count(*) from person where race is null"))
    for where in ("race is not null", "race in ('a', 'b', 'c')", "not race is null"):
        assert _looks_like_all(site.ask(f"select count(*) from person where {where}"))
    everybody = site.one("select count(*) from person")
    cells = site.cells("select race, count(*) n from person group by race")
    assert cells.get(("(missing)",), (None,))[0] is None
    if everybody is not None and rules.base == 1:
        rest = everybody - sum(n for (n,) in cells.values() if n is not None)
        assert rest == 0 or rest >= rules.threshold


@pytest.mark.parametrize("rules", RULES)
def test_a_mean_and_a_sum_do_not_tell_few_without_a_measure(tmp_path: Path, rules: Rules) -> None:
    """How few are without a measure does not follow from a mean and a sum.

    sum / avg is the number of values: beside the number of rows it would tell how many have none.
    """
    from unit.broker_world import people

    site = hospital(tmp_path, rules, person=people(weight=lambda i: None if i in (7, 77, 777) else 50.0 + i % 40))
    ((total, mean),) = site.naive("select sum(weight), avg(weight) from person")
    assert round(total / mean) == 997
    assert is_withheld(site.ask("select count(*) from person where weight is null"))
    assert _looks_like_all(site.ask("select count(*) from person where weight >= 0"))
    answer = site.ask("select count(*) n, avg(weight), sum(weight) from person")
    n, mean, total = answer.rows[0].values
    assert not n.suppressed
    if not mean.suppressed:
        assert mean.n == n.value or abs(mean.n - n.value) >= rules.threshold - rules.base, "the weight of the mean tells how many have none"


# ---------------------------------------------------------------- rare levels, wide tables


def test_a_rare_level_has_no_column_of_its_own(tmp_path: Path) -> None:
    """PIVOT turns values into column names: two persons abroad make a column. A release has approved codes only."""
    from unit.broker_world import people

    site = hospital(tmp_path, person=people(race=lambda i: "atlantean" if i in (7, 77) else "abc"[i % 3]))
    import duckdb

    with duckdb.connect() as plain:
        plain.register("person", site.tables["person"])
        pivoted = plain.execute("PIVOT person ON race USING count(*) GROUP BY sex").fetchdf()
    assert "atlantean" in pivoted.columns
    assert "PIVOT" in refused("PIVOT person ON race USING count(*) GROUP BY sex").upper()
    assert refused("select * from person pivot (count(*) for race in ('a', 'atlantean') group by sex)")
    assert "atlantean" not in refused("select count(*) from person where race = 'atlantis'")
    assert refused("select count(*) from person where race = 'atlantean'")
    for rules in (TEN_FIVE, EXACT):
        other = hospital(tmp_path / rules.preset, rules, person=site.tables["person"])
        answer = other.ask("select race, sex, count(*) n from person group by race, sex")
        assert "atlantean" not in answer.model_dump_json()
        everybody = other.one("select count(*) from person")
        shown = [n for (n,) in other.cells("select race, count(*) n from person group by race").values() if n is not None]
        if everybody is not None and rules.base == 1:
            assert everybody - sum(shown) == 0 or everybody - sum(shown) >= rules.threshold


def test_one_person_under_two_keys_is_two_persons(tmp_path: Path) -> None:
    """A limit, not a defence: a register that knows a patient twice makes two persons of them, and no broker can know.

    If each patient is there twice, a threshold of k protects only groups of fewer than k / 2. So a site must link records beforehand.
    """
    from unit.broker_world import people

    once = hospital(tmp_path / "a", person=people(race=lambda i: "c" if i < 7 else "ab"[i % 2]))
    twice = hospital(tmp_path / "b", person=people(race=lambda i: "c" if i < 15 else "ab"[i % 2]))
    sql = "select count(*) from person where race = 'c'"
    assert once.one(sql) is None
    assert twice.one(sql) == 15


def test_a_wide_table_of_small_cells_is_withheld_as_a_whole(tmp_path: Path) -> None:
    """High-cardinality grouping (7.21): which of a thousand cells are inhabited would tell who is there."""
    site = hospital(tmp_path)
    by = "sex, race, smoker, floor(weight / 5) * 5"
    naive = site.naive(f"select {by}, count(*) from person group by all")
    assert sum(row[-1] < 10 for row in naive) > 0.3 * len(naive)
    assert is_withheld(site.ask(f"select {by}, count(*) n from person group by {by}"))
    assert refused("select person_id, count(*) from person group by person_id")
    assert refused("select mrn, count(*) from person group by mrn")
    assert refused("select note, count(*) from person group by note")
    assert refused("select age, count(*) from person group by age")
    assert refused("select sex, race, smoker, age, weight, count(*) from person group by all")


@pytest.mark.parametrize("zeros", ["hidden", "shown"])
def test_a_tables_rows_do_not_tell_who_is_there(tmp_path: Path, zeros: str) -> None:
    """Who is there does not follow from which rows a table has.

    A group of one and a group of nobody: the same rows; where zeros may be shown, a group of one still looks like nine.
    """
    from unit.broker_world import people

    rules = load_rules({"preset": "own", "threshold": 10, "base": 5, "zeros": zeros})
    sql = "select race, count(*) n from person group by race"
    answers = [
        hospital(tmp_path / str(n), rules, person=people(race=lambda i, n=n: "a" if i < 500 else "c" if i < 500 + n else "b")).ask(sql)
        for n in (0, 1, 9)
    ]
    assert [[row.key for row in answer.rows] for answer in answers] == [[row.key for row in answers[0].rows]] * 3
    small = [next(row for row in answer.rows if row.key[0].value == "c") for answer in answers]
    assert small[1] == small[2]
    assert (small[0] == small[1]) is (zeros == "hidden")
