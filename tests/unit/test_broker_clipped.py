"""What is said of values beyond the catalogue's bounds, of quantiles at a bound, and of coarse numbers of rows: nothing that misleads."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import matplotlib
import pandas as pd
import pytest
from broker_world import CATALOGUE, TEN_FIVE, World, any_rows, beside, bound_to, judge, one_row_each, people, some, spread_of, visits
from hypothesis import given
from hypothesis import strategies as st

from twinpane.plots.bars import bars
from twinpane.tables.pandas_frame import pandas_frame
from twinpane.tables.table import Table as Shown
from twinpane.tables.table_text import text
from twinpane_broker.aggregates.mean import Mean
from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.aggregates.value import End, Value
from twinpane_broker.catalogue.catalogue import Code, Column, Table
from twinpane_broker.catalogue.edges import cuts_above, cuts_below
from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.disclosure.clipped_share import STATED, clipped_hides, clipped_share
from twinpane_broker.disclosure.judge import judge as judge_beside
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.memory import ADMITTED, PERSONS, StandIn, Standing, Totals
from twinpane_broker.release.pooling import pool
from twinpane_broker.release.release import Release, ReleasedColumn
from twinpane_broker.release.shown import bounds_means, value_shown, within_of
from twinpane_broker.rules.cell_key import CoarseCounter, Counter
from twinpane_broker.rules.policy import Rules, load_rules
from twinpane_broker.sql import parse_sql
from twinpane_site.terminal_text import release_text

matplotlib.use("agg")
NOISY = load_rules({"preset": "10-5", "threshold": 10, "noise": "cell_key", "noise_bound": 3})
SELECTED = "avg(weight), sum(weight), stddev(weight), variance(weight), quantile_cont(weight, 0.05), quantile_cont(weight, 0.95)"


def heavy(beyond: Callable[[int], bool], n: int = 1000) -> pd.DataFrame:
    """Persons; those beyond the bound of 200 kg weigh 250."""
    return people(n, weight=lambda i: 250.0 if beyond(i) else 50.0 + i % 40)


def clipped(release: object) -> dict[object, tuple[int, int] | None]:
    """By first category, the share of clipped values that stands with the first number."""
    assert isinstance(release, Release)
    return {row.key[0].value if row.key else None: row.values[0].clipped for row in release.rows}


def holds(band: tuple[int, int] | None, share: float, *, fine: bool = True) -> bool:
    """Whether a band says a share, to within ten points or only that it is not small; where it begins is drawn."""
    return band is not None and band[0] <= share <= band[1] and (band[1] - band[0] <= 10 if fine else band == (STATED, 100))


# ---------------------------------------------------------------- the share of clipped values


def test_means_sums_and_spreads_say_what_share_was_clipped(tmp_path: Path) -> None:
    """A drug's mean was 1,430 in place of 1,793, and nothing said why; a spread of 45 said nothing in place of 59."""
    world = World(tmp_path, person=heavy(lambda i: i % 10 == 0))
    (row,) = world.ask(f"SELECT {SELECTED} FROM person").rows
    assert all(holds(value.clipped, 10) for value in row.values[:4])
    assert [value.clipped for value in row.values[4:]] == [None, None]
    assert row.values[0].value == pytest.approx(0.9 * 69.5 + 0.1 * 200, abs=0.5)
    world.engine.close()


@given(st.integers(10, 900), st.integers(0, 100), st.sampled_from([1, 5, 60]), st.booleans())
def test_a_band_holds_the_true_share(n: int, percent: int, base: int, told: bool) -> None:
    """A ratio of two rounded numbers said 50 % where 30 % was true. What is not said is small, or of a few persons."""
    beyond = n * percent // 100
    counter = Counter(TEN_FIVE, row_base=base)
    spread = _spread(n, beyond)
    band, true = clipped_share(spread, counter, told=told), 100 * beyond / n
    if band is None:
        assert true < 2 * STATED or beyond < 20
    else:
        assert band[0] <= true <= band[1]
        assert beyond >= 10
        assert band == (STATED, 100) or band[1] - band[0] <= 10
        assert band == (STATED, 100) or counter.shown_rows(spread.who, n) >= 10 * base


@given(st.integers(10, 900), st.integers(0, 100))
def test_a_band_of_noisy_numbers_holds_the_true_share(n: int, percent: int) -> None:
    """Noise moves both numbers; the band is wider by as much."""
    beyond = n * percent // 100
    band = clipped_share(_spread(n, beyond), Counter(NOISY, b"s" * 16), told=True)
    assert band is None or band[0] <= 100 * beyond / n <= band[1]


def test_rows_of_one_person_are_no_lens_on_the_clipped_persons() -> None:
    """Of ten persons with twelve values each, tens of percent would tell how many of them lie beyond."""
    spread = _spread(120, 96)
    assert clipped_share(spread, Counter(TEN_FIVE, row_base=60), told=True) == (5, 100)
    assert clipped_share(spread, Counter(TEN_FIVE, row_base=5), told=True) == (72, 82)


def test_the_share_that_was_clipped_is_judged_like_a_count(tmp_path: Path) -> None:
    """Of nine persons nothing is said, as of none; of all but a few not how many."""
    for case, (beyond, said) in enumerate([
        (lambda i: i < 9, None), (lambda i: i < 40, None), (lambda i: i < 120, 12), (lambda i: i > 5, 99.4), (lambda i: False, None),
    ]):  # fmt: skip
        folder = tmp_path / str(case)
        folder.mkdir()
        world = World(folder, person=heavy(beyond))
        (band,) = clipped(world.ask("SELECT avg(weight) FROM person")).values()
        assert band is None if said is None else holds(band, said, fine=said < 90)
        world.engine.close()


def test_a_group_of_few_clipped_persons_looks_like_one_of_none(tmp_path: Path) -> None:
    """The four men are not told, and cannot be worked out: all that were clipped are told to within ten points."""
    world = World(tmp_path, person=heavy(lambda i: i < 100 and (i % 2 == 0 or i < 8)))
    told = clipped(world.ask("SELECT sex, avg(weight) FROM person GROUP BY sex"))
    assert holds(told["F"], 10)
    assert told["M"] is None
    world.engine.close()


def test_a_person_with_most_clipped_values_is_not_told(tmp_path: Path) -> None:
    """Of three rows each ninety persons have one that was clipped, and one has 120 of them."""
    rows = [{"person_id": i, "lactate": 50.0 if i < 90 and n == 0 else 1.0 + n} for i in range(400) for n in range(3)]
    many = [{"person_id": 3, "lactate": 40.0}] * 120
    for case, (extra, share) in enumerate([([], 7.5), (many, 15.9)]):
        folder = tmp_path / str(case)
        folder.mkdir()
        world = World(folder, visit=visits([*rows, *extra]))
        (band,) = clipped(world.ask("SELECT avg(lactate) FROM visit")).values()
        assert holds(band, share, fine=not extra)
        world.engine.close()


def test_a_share_is_told_if_everybody_has_a_clipped_value(tmp_path: Path) -> None:
    """Of three rows of each person one was clipped: the persons are those of the mean."""
    rows = [{"person_id": i, "lactate": 50.0 if n == 0 else 1.0 + n} for i in range(400) for n in range(3)]
    world = World(tmp_path, visit=visits(rows))
    assert holds(clipped(world.ask("SELECT avg(lactate) FROM visit"))[None], 33.3)
    world.engine.close()


def test_a_mean_of_few_persons_nearly_all_clipped_is_suppressed() -> None:
    """Eleven of fifteen: to say that many were clipped would tell of nearly all of them."""
    counter = Counter(TEN_FIVE)
    assert any(clipped_hides(_spread(15, 11), TEN_FIVE, Counter(TEN_FIVE, bytes([i]) * 16)) for i in range(20))
    assert not clipped_hides(_spread(15, 9), TEN_FIVE, counter)
    assert not clipped_hides(_spread(30, 20), TEN_FIVE, counter)
    assert not clipped_hides(_spread(30, 25), TEN_FIVE, counter)
    assert clipped_share(_spread(30, 25), counter, told=False) == (5, 100)


def test_a_difference_of_dates_says_what_was_clipped_too(tmp_path: Path) -> None:
    """It is no column of the store: its days are compared with its bounds as they are asked for."""
    days = pd.Timestamp("2019-03-01")
    columns = (
        Column(name="person_id", type="integer", role="key"),
        Column(name="since", type="date", role="date", days=("2019-01-01", "2020-01-01")),
        Column(name="until", type="date", role="date", days=("2019-01-01", "2020-01-01"), after="since", longest=365),
    )
    catalogue = CATALOGUE.model_copy(update={"tables": (Table(name="stay", person_key="person_id", columns=columns),)})
    rows = [(i, days, days + pd.Timedelta(days=40_000 if i < 50 else i % 30)) for i in range(500)]
    stay = pd.DataFrame(rows, columns=["person_id", "since", "until"])
    world = World(tmp_path, catalogue=catalogue, stay=stay)
    difference = "datediff('day', since, until)"
    release = world.ask(f"SELECT avg({difference}), quantile_cont({difference}, 0.5), quantile_cont({difference}, 0.95) FROM stay")
    assert isinstance(release, Release)
    assert holds(release.rows[0].values[0].clipped, 10)
    assert [value.clipped for value in release.rows[0].values[1:]] == [None, None]
    assert [value.end for value in release.rows[0].values] == [None, None, End.or_more]
    assert {column.bounds for column in release.columns} == {(0, 365)}
    assert "363 or more" in release_text(release)  # nearer to 365 than to 360
    assert "p50_days_between, p95_days_between in steps of 1 to" in " ".join(release_text(release).split())
    world.engine.close()


def test_clipped_values_are_counted_by_cell_and_person(tmp_path: Path) -> None:
    """As pandas counts them: how many, whose, and the most of one and of another."""
    rows = [
        {"person_id": i, "ward": ("icu", "er", "day")[i % 3], "lactate": 50.0 if n < i % 7 else 1.0} for i in range(300) for n in range(5)
    ]
    world = World(tmp_path, visit=visits(rows))
    cells = world.engine.measure(bound_to("SELECT ward, avg(lactate) FROM visit GROUP BY ward")).cells
    frame = pd.DataFrame(rows)
    for place, ward in enumerate(("icu", "er", "day")):
        each = frame[(frame.ward == ward) & (frame.lactate > 20)].groupby("person_id").size().sort_values()
        found = cells[(place,)].spreads[0].clipped
        assert (found.rows, found.largest, found.second) == (each.sum(), each.iloc[-1], each.iloc[-2])
        assert found.persons == len(each)
    world.engine.close()


# ---------------------------------------------------------------- quantiles at a bound


def test_a_quantile_at_a_bound_says_that_it_may_lie_beyond(tmp_path: Path) -> None:
    """The 95th percentile was 200 where it is 250, and nothing said so; one within the bounds says nothing."""
    world = World(tmp_path, person=heavy(lambda i: i % 10 == 0))
    (row,) = world.ask(f"SELECT {SELECTED} FROM person").rows
    assert [value.end for value in row.values] == [None] * 5 + [End.or_more]
    beyond = "SELECT quantile_cont(CASE WHEN i % 10 = 0 THEN 250 ELSE 50 + i % 40 END, 0.95) FROM range(1000) t(i)"
    assert duckdb.sql(beyond).fetchall() == [(250,)]
    world.engine.close()


def test_a_bound_that_cuts_off_nothing_marks_nothing() -> None:
    """Most numbers are never negative; all codes of a score are listed; a narrowed grid always ends somewhere."""

    def column(low: float, high: float, **more: object) -> Column:
        return Column(name="x", type="integer", role="measure", bounds=(low, high)).model_copy(update=more)

    score = tuple(Code(value=n, share=0.1) for n in range(1, 11))
    assert not cuts_below(column(0, 9), column(0, 9))
    assert cuts_above(column(0, 9), column(0, 9))
    assert not cuts_above(column(-9, 0), column(-9, 0))
    assert cuts_below(column(-9, 0), column(-9, 0))
    assert cuts_below(column(0, 9), column(-5, 9))
    assert cuts_below(column(3, 9), column(0, 9))
    listed = column(1, 10, codes=score, role="dimension")
    assert not cuts_above(listed, listed)
    assert cuts_above(part := listed.model_copy(update={"bounds": (1, 8)}), part)
    assert cuts_above(rest := listed.model_copy(update={"others": 0.1}), rest)


# ---------------------------------------------------------------- numbers of rows


def test_a_coarse_number_of_rows_says_by_how_much_it_may_be_off(tmp_path: Path) -> None:
    """60 persons have 300 rows, of others' 25 each; 60 are shown: that is 56 to 999; their sum is as uncertain."""
    tables = [t.model_copy(update={"rows_per_person": (0.0,) * 25 + (1.0,)}) if t.name == "visit" else t for t in CATALOGUE.tables]
    rows = [{"person_id": i, "ward": "icu", "lactate": 1.0 + i % 3} for i in [*range(60)] * 5]
    rows += [{"person_id": i, "ward": "er" if i < 500 else "day"} for i in range(100, 700) for _ in range(25)]
    world = World(tmp_path, catalogue=CATALOGUE.model_copy(update={"tables": tuple(tables)}), visit=visits(rows))
    release = world.ask("SELECT ward, count(distinct person_id), count(*), avg(lactate), sum(lactate) FROM visit GROUP BY ward")
    assert isinstance(release, Release)
    few, many = (next(row.values for row in release.rows if row.key[0].value == ward) for ward in ("icu", "er"))
    assert [few[0].within, few[1].value, few[1].within] == [None, 60, (56, 999)]
    assert few[1].within[0] <= 300 <= few[1].within[1]
    persons, count, mean, total = (value_shown(value, column, 0) for value, column in zip(few, release.measures, strict=True))
    assert [persons, count] == ["60", "60 (56–999)"]
    true = sum(row["lactate"] for row in rows[:300])
    low, high = within_of(few[3], MeasureKind.sum, 0)
    assert low <= true <= high
    assert " (" in total
    assert mean == "2.00"
    assert "(n 56–999)" in release_text(release)
    # Of ten thousand rows it is little, and the rule alone says it.
    assert value_shown(many[1], release.measures[1], 0) == "10,000"
    assert any("off by nearly that" in rule.sentence for rule in release.rules)
    world.engine.close()


def test_rows_as_fine_as_persons_say_nothing(tmp_path: Path) -> None:
    """A release of one row each has the bytes that it had."""
    world = World(tmp_path)
    release = world.ask("SELECT count(*), avg(age) FROM person")
    assert all("within" not in value.model_dump(mode="json") for row in release.rows for value in row.values)
    assert Value(value=1.5, n=10).model_dump(mode="json") == {"value": 1.5, "n": 10, "of": None}
    assert "bounds" not in ReleasedColumn(name="n", kind="count").model_dump(mode="json")
    world.engine.close()


# ---------------------------------------------------------------- every place that shows a value


@pytest.fixture
def shown(tmp_path: Path):
    """A release with all marks, and the table of it in a notebook, of one site and of two."""
    world = World(tmp_path, person=heavy(lambda i: i % 10 == 0))
    sql = f"SELECT sex, {SELECTED} FROM person GROUP BY sex"
    release = world.ask(sql)
    assert isinstance(release, Release)
    plan = parse_sql(sql, CATALOGUE)

    def table(**releases: Release) -> Shown:
        sites = {site: of.model_dump(mode="json") for site, of in releases.items()}
        return Shown.of(plan, {"sites": sites, "titles": [[site, site] for site in sites]})

    yield release, table(north=release), table(north=release, south=release.model_copy(update={"site": "south"}))
    world.engine.close()


def test_the_tables_say_it_beside_the_number(shown) -> None:
    """In the notebook and on the command line; the bounds are named once."""
    release, table, _ = shown
    for said in (text(table), release_text(release)):
        assert "197.5 or more" in said  # nearer to 200 than to 195
        assert "uantiles are the nearest edges of a grid: p5_weight, p95_weight in steps of 5 kg" in " ".join(said.split())
        assert "(16–26 % clipped)" in said
        assert "mean_weight, sum_weight, sd_weight" in said
        assert " 0 to 200 kg" in said


def test_frames_and_files_say_it_in_a_column(shown) -> None:
    """So that it is not lost in a CSV file."""
    _, table, two = shown
    frame = pandas_frame(table.cells)
    notes = dict(zip(frame["sex"] + " " + frame["site"], frame["note"], strict=True))
    assert "mean_weight: 16–26 % clipped" in notes["F north"]
    assert "p95_weight: or more" in notes["F north"]
    assert pd.isna(notes["M north"])
    assert "p95_weight: or more" in frame.to_csv(index=False)
    pooled = pandas_frame(two.cells)
    assert "mean_weight: clipped at a site" in pooled[pooled["site"] == "pooled"]["note"].iloc[0]


def test_pooled_numbers_and_pictures_bear_a_mark(shown) -> None:
    """With a line that says what it means."""
    _, table, two = shown
    assert "‡" in text(two)
    assert "‡ many of a site's values were clipped" in text(two)
    drawn = bars(table, [0], None)
    marks = [one.get_text() for one in drawn.texts]
    assert any("‡" in mark for mark in marks)
    assert "‡ values beyond bounds" in drawn.figure.get_supxlabel()


def test_pooled_coarse_numbers_add_up_how_far_they_may_be_off() -> None:
    """Two sites' 58 to 187 are 116 to 374."""
    column = ReleasedColumn(name="n", kind="count")
    release = Release.model_validate({
        "id": "0" * 32, "site": "north", "plan_hash": "0" * 64, "snapshot": "s", "policy": "p", "rules": [], "persons": 60,
        "columns": [column.model_dump(mode="json")], "rows": [{"key": [], "persons": 60, "values": [{"value": 125, "within": [58, 187]}]}],
    })  # fmt: skip
    made = pool({"north": release, "south": release.model_copy(update={"site": "south"})})
    assert made is not None
    assert (made.rows[0].values[0].value, made.rows[0].values[0].within) == (250, (116, 374))


def test_the_bounds_are_named_with_their_unit() -> None:
    """Once for all columns that have the same."""
    columns = [ReleasedColumn(name="days", kind="mean", unit="days", bounds=(0, 10000)), ReleasedColumn(name="n", kind="count")]
    assert bounds_means(columns) == "values beyond the bounds count as lying on them: days 0 to 10,000 days"
    assert bounds_means([*columns, columns[0].model_copy(update={"name": "p95"})]).endswith(": days, p95 0 to 10,000 days")
    assert bounds_means(columns[1:]) == ""


def _spread(n: int, beyond: int):
    """The values of so many persons, one each, of whom the first lie beyond a bound."""
    cell = CellEvidence(some(beyond), beyond, min(beyond, 1), int(beyond > 1)) if beyond else None
    values = [100.0] * beyond + [float(i % 7) for i in range(n - beyond)]
    spread = spread_of(values)
    return type(spread)(**{**{name: getattr(spread, name) for name in spread.__dataclass_fields__}, "clipped": cell})


MEAN = bound_to("select avg(weight) m from person")


def _of_one_cell(n: int, beyond: int) -> Evidence:
    """Sixty persons, so many of them with a value, of whom so many lie beyond a bound."""
    return Evidence(some(60), some(60), {(): one_row_each(some(60), (_spread(n, beyond),))})


def test_beside_a_mark_a_mean_of_clipped_values_is_not_told() -> None:
    """As beside the group's own number."""

    def places(_who: PersonSet, _name: bytes, kind: str, _totals: Totals) -> Standing:
        return ADMITTED if kind != PERSONS else Standing(False, StandIn(some(65), 65, b""))

    def shown(beyond: int, secret: bytes) -> bool:
        seen = _of_one_cell(15, beyond)
        around = beside(lambda _who: True, any_rows, seen)
        (row,) = judge_beside(MEAN, seen, TEN_FIVE, replace(around, places=places), secret).answer.rows
        return not row.values[0].suppressed

    secrets = [bytes([i]) * 16 for i in range(20)]
    assert all(shown(0, secret) for secret in secrets)
    # Where saying begins is drawn.
    assert not all(shown(11, secret) for secret in secrets)


def test_a_clipped_share_is_held_against_earlier_rows() -> None:
    """The memory holds the rows of clipped values against others about the same persons."""
    seen = Evidence(some(200), some(200), {(): one_row_each(some(200), (_spread(200, 50),))})
    for admitted in (True, False):
        answer = judge(MEAN, seen, TEN_FIVE, lambda _who: True, lambda who, _rows, _most, admitted=admitted: admitted or len(who) != 50)
        value = answer.answer.rows[0].values[0]
        assert holds(value.clipped, 25, fine=admitted), value


@given(st.integers(10, 500), st.integers(0, 900), st.sampled_from([10, 60, 95, 125]), st.sampled_from([TEN_FIVE, NOISY]))
def test_the_true_number_of_rows_lies_within_what_is_said(persons: int, more: int, base: int, rules: Rules) -> None:
    """However few rows there are; also where they are shown as many as the persons, and with noise."""
    rows, who = persons + more, some(persons)
    for counter in (Counter(rules, b"s" * 16, base), CoarseCounter(rules, b"s" * 16, base)):
        if within := counter.within(who, rows):
            assert within[0] <= rows <= within[1]


def test_noise_moves_a_mean_little_however_wide_the_bounds_are() -> None:
    """Days between dates have bounds of a hundred years: the noise of three values moved a mean stay of 5 days by hundreds."""
    spread = spread_of([float(i % 11) for i in range(110)])
    for knots in ((0.0,), (1.0, 3.0, 5.0, 8.0, 9.0)):
        column = Column(name="days", type="integer", role="measure", bounds=(0, 40_000), knots=knots)
        for secret in (b"s" * 16, b"t" * 16, b"u" * 16):
            assert Mean(column="t.days").number(spread, column, Counter(NOISY, secret)) == pytest.approx(5, abs=0.3)
