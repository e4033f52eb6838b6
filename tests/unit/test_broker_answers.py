"""The broker as a whole: what leaves is a signed release or a refusal, and attacks on it get nothing."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from broker_world import CATALOGUE, KEY, PUBLIC, TEN_FIVE, World, bound_to, one_row_each, people, some, visits

from twinpane_broker.broker import Broker
from twinpane_broker.errors import EngineError, RefusalCode
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.memory import InProcessMemory, SqliteMemory
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.applied_rules import in_words
from twinpane_broker.release.release import FIXED_REASONS, Refusal, Release, sign, verify_release
from twinpane_broker.rules.policy import load_rules
from twinpane_broker.sql import parse_sql
from twinpane_site.terminal_text import release_text


class Hundred:
    """An engine that finds a hundred persons, whatever is asked."""

    def measure(self, _bound: object) -> Evidence:
        return Evidence(some(100), some(100), {(): one_row_each(some(100))})

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("site"))


def test_counts_and_means_agree_with_pandas_after_the_rule(world: World) -> None:
    """Rounded to 5, three digits, by sex."""
    frame = people()
    for (sex,), (n, mean) in world.cells("select sex, count(*) n, avg(age) from person group by sex").items():
        part = frame[frame.sex == sex]
        assert n == len(part)
        assert mean == float(f"{part.age.mean():.3g}")


def test_a_release_is_signed_by_the_site_and_names_its_rules(world: World) -> None:
    """Any change breaks the signature."""
    release = world.ask("select sex, count(*) n from person group by sex")
    assert isinstance(release, Release)
    assert verify_release(release, PUBLIC)
    assert not verify_release(release.model_copy(update={"persons": 5}), PUBLIC)
    assert not verify_release(release, "00" * 32)
    assert not verify_release(release, "no key")
    assert not verify_release(release.model_copy(update={"signature": ""}), PUBLIC)
    assert (release.site, release.snapshot, release.policy) == ("north", "2026-10", TEN_FIVE.version)
    assert any("fewer than 10 persons" in in_words(rule) for rule in release.rules)
    assert [(column.name, column.kind) for column in release.columns] == [("sex", "dimension"), ("n", "count")]


def test_a_release_carries_units_and_labels_of_the_catalogue(world: World) -> None:
    """For people to read."""
    release = world.ask("select sex, avg(age) from person group by sex")
    assert (release.measures[0].unit, release.measures[0].label) == ("years", "age at entry")
    assert release.rows[0].key[0].text == "label of F"
    assert release.rows[0].values[0].n == 500


def test_a_question_gets_the_same_bytes_after_a_restart(tmp_path: Path) -> None:
    """The same question gets the same bytes, also after a restart.

    The memory is durable; the second broker does not even ask its engine.
    """
    sql = "select race, count(*) n, avg(weight) from person group by race"
    first = World(tmp_path, memory=SqliteMemory(tmp_path / "memory.db")).ask(sql)

    class Gone:
        def measure(self, _bound: object) -> Evidence:
            raise AssertionError("asked again")

    memory = SqliteMemory(tmp_path / "memory.db")
    again = Broker(CATALOGUE, TEN_FIVE, Gone(), memory, signer=lambda release: sign(release, KEY))
    assert again.run(parse_sql(sql)).canonical() == first.canonical()


def test_other_labels_and_orders_are_the_same_question(world: World) -> None:
    """The cells are the same; only their presentation differs."""
    one = world.ask("select race, count(*) n from person group by race order by n desc limit 2")
    other = world.ask("select race r, count(*) from person group by race")
    assert set(one.rows) <= set(other.rows)
    assert len(one.rows) == 2
    assert one.id != other.id


def test_an_answer_says_what_limit_and_having_left_out(world: World) -> None:
    """Suppressed rows are not dropped without a word: they come last, and meet no HAVING."""
    plain = world.ask("select race, count(*) n from person group by race order by n desc")
    assert plain.left_out is None
    assert b"left_out" not in plain.content
    for end in ("order by n desc limit 2", "having count(*) >= 100000000"):
        answer = world.ask(f"select race, count(*) n from person group by race {end}")
        gone = answer.left_out
        assert gone is not None
        assert gone.rows == len(plain.rows) - len(answer.rows)
        assert gone.suppressed == 1
        told = f"{gone.rows} rows are left out by LIMIT or HAVING; 1 of them has suppressed numbers"
        assert told in " ".join(release_text(answer).split())
    assert world.ask("select race, count(*) n from person group by race order by n desc limit 4").left_out is None


def test_order_puts_suppressed_cells_last_in_both_directions(world: World) -> None:
    """A place among the others would be a bound."""
    for direction in ("", "desc"):
        rows = world.ask(f"select race, count(*) n from person group by race order by n {direction}").rows
        assert [row.suppressed for row in rows] == [False, False, False, True]


def test_a_different_policy_or_snapshot_is_another_answer(tmp_path: Path) -> None:
    """Keys of the memory hold both."""
    memory = SqliteMemory(tmp_path / "memory.db")
    sql = "select race, count(*) n from person group by race"
    assert World(tmp_path, memory=memory).ask(sql).rows[0].persons in (330, 335)
    exact = load_rules({"preset": "cms-11", "threshold": 11})
    assert World(tmp_path, rules=exact, memory=memory).ask(sql).rows[0].persons == 334


# ---------------------------------------------------------------- attacks


def test_fan_out_does_not_make_a_crowd(tmp_path: Path) -> None:
    """Twelve rows of one person, by table and by join."""
    rows = [{"person_id": 7, "ward": "icu"}] * 12 + [{"person_id": i, "ward": "er" if i < 100 else "day"} for i in range(300)]
    world = World(tmp_path, visit=visits(rows))
    assert world.ask("select count(*) from visit where ward = 'icu'").code is RefusalCode.withheld
    joined = "visit v join drug d on v.person_id = d.patient"
    cells = world.cells(f"select ward, count(*), count(distinct v.person_id) from {joined} group by ward")
    assert cells[("icu",)] == (None, None)


def test_a_tracker_cannot_ask_for_all_but_few(tmp_path: Path) -> None:
    """all, and all but three: the second has the number of the first, so there is no difference to take."""
    world = World(tmp_path, person=people(race=lambda i: "c" if i < 3 else "ab"[i % 2]))
    assert isinstance(world.ask("select count(*) from person"), Release)
    for where in ("race <> 'c'", "not race = 'c'", "race in ('a', 'b')", "race = 'a' or race = 'b'"):
        answer = world.ask(f"select count(*) from person where {where}")
        assert (answer.persons, answer.about, answer.rows[0].values[0].value) == (1000, True, 1000)
        by_sex = world.ask(f"select sex, avg(age) from person where {where} group by sex")
        assert all((row.persons, row.about) == (500, True) for row in by_sex.rows)
    assert world.ask("select count(*) from person where race = 'c'").code is RefusalCode.withheld


def test_how_few_are_in_a_group_tells_nothing(tmp_path: Path) -> None:
    """One person with a code, and nine persons: the same bytes."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    sql = "select race, count(*) n, count(distinct person_id) p from person group by race"
    one = World(tmp_path / "a", person=people(race=lambda i: "c" if i < 1 else "a" if i < 300 else "b"))
    nine = World(tmp_path / "b", person=people(race=lambda i: "c" if i < 9 else "a" if i < 300 else "b"))
    assert one.ask(sql).canonical() == nine.ask(sql).canonical()


def test_one_giant_does_not_show_in_a_mean(tmp_path: Path) -> None:
    """Values beyond the bounds are clipped, and who still dominates is suppressed."""
    clipped = World(tmp_path, person=people(weight=lambda i: 1e12 if i == 7 else 50.0 + i % 3))
    assert clipped.cells("select avg(weight) from person")[()][0] == pytest.approx(51, abs=1)
    (tmp_path / "b").mkdir()
    dominated = World(tmp_path / "b", person=people(30, weight=lambda i: 200.0 if i == 7 else 0.1))
    assert dominated.ask("select avg(weight) from person").rows[0].values[0].suppressed


def test_a_mean_of_equal_values_is_suppressed(tmp_path: Path) -> None:
    """It would be everybody's value."""
    world = World(tmp_path, person=people(weight=70.0))
    assert world.ask("select avg(weight) from person").rows[0].values[0].suppressed


def test_hidden_and_text_columns_never_show(world: World) -> None:
    """Not in a release, not in a refusal."""
    for sql in ("mrn, count(*) from person group by mrn", "note, count(*) from person group by note", "avg(mrn) from person"):
        refusal = world.ask(f"select {sql}")
        assert isinstance(refusal, Refusal)
        assert refusal.code is RefusalCode.catalogue
        assert "canary" not in refusal.model_dump_json()


def test_two_data_sets_that_both_withhold_give_the_same_bytes(tmp_path: Path) -> None:
    """A refusal by data is one code and one text, whatever the data."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    sql = "select count(*) from person where age >= 75"
    few = World(tmp_path / "a", person=people(age=lambda i: 80 if i < 4 else 30)).ask(sql)
    none = World(tmp_path / "b", person=people(age=30)).ask(sql)
    assert few.canonical() == none.canonical()
    assert few.reason == FIXED_REASONS[RefusalCode.withheld]


def test_neither_engine_errors_nor_their_values_leave(caplog: pytest.LogCaptureFixture) -> None:
    """One code for everything that goes wrong inside, the log alone has more."""

    class Broken:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def measure(self, _bound: object) -> Evidence:
            raise self.error

    plan = parse_sql("select count(*) from person")
    answers = {
        Broker(CATALOGUE, TEN_FIVE, Broken(error), InProcessMemory()).run(plan).canonical()
        for error in (EngineError(), EngineError("canary-7"), ValueError("canary-7"), KeyError("canary-7"), MemoryError("canary-7"))
    }
    assert len(answers) == 1
    assert b"canary" not in answers.pop()
    assert "canary-7" in caplog.text


def test_an_answer_that_cannot_be_remembered_does_not_leave() -> None:
    """Evidence before effect."""

    class Full(InProcessMemory):
        @contextmanager
        def decision(self) -> Iterator[object]:
            with super().decision() as decision:
                yield decision
                raise sqlite3.OperationalError("database or disk is full")

    refusal = Broker(CATALOGUE, TEN_FIVE, Hundred(), Full()).run(parse_sql("select count(*) from person"))
    assert refusal.code is RefusalCode.unavailable
    assert "disk" not in refusal.reason


def test_an_answer_that_cannot_be_signed_does_not_leave() -> None:
    """Nor does the signer's error."""

    def broken(_release: Release) -> Release:
        raise OSError("key file")

    answer = Broker(CATALOGUE, TEN_FIVE, Hundred(), InProcessMemory(), signer=broken).run(parse_sql("select count(*) from person"))
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.unavailable


def test_a_refusal_carries_no_text_of_its_own_where_data_decides() -> None:
    """A refusal cannot carry a text of its own where data decides: its type forbids it."""
    for code in ("withheld", "unavailable"):
        with pytest.raises(ValueError, match="fixed reason"):
            Refusal(site="north", plan_hash="0" * 64, code=code, reason="3 persons")
        assert Refusal(site="north", plan_hash="0" * 64, code=code).reason


def test_many_threads_get_the_same_bytes(tmp_path: Path) -> None:
    """The broker is asked from a pool of threads."""
    world = World(tmp_path)
    sqls = ["select sex, count(*) from person group by sex", "select ward, avg(lactate) from visit group by 1", "select count(*) from drug"]
    seen: dict[str, set[bytes]] = {sql: set() for sql in sqls}

    def ask(sql: str) -> None:
        seen[sql].add(world.ask(sql).canonical())

    threads = [threading.Thread(target=ask, args=(sql,)) for sql in sqls * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(answers) for answers in seen.values()] == [1, 1, 1]


def test_a_plan_from_the_wire_is_judged_again(world: World) -> None:
    """A plan that no parser made: unknown column, unapproved code, a range off the edges."""
    for where in (
        {"op": "in", "column": "person.mrn", "codes": ["mrn-7"]},
        {"op": "in", "column": "person.sex", "codes": ["X"]},
        {"op": "range", "column": "person.age", "low": 41.5, "high": 42.0},
        {"op": "missing", "column": "person.note"},
    ):
        plan = Plan.model_validate({"table": "person", "where": where, "measures": [{"kind": "count"}]})
        assert world.broker.run(plan).code is RefusalCode.catalogue


def test_grids_are_complete_whatever_the_data(tmp_path: Path) -> None:
    """Every approved code has its row even where nobody holds it."""
    world = World(tmp_path, person=people(race=lambda i: "ab"[i % 3 == 0], sex=lambda i: "FM"[i % 2]))
    rows = world.ask("select sex, race, count(*) n from person group by sex, race").rows
    assert len(rows) == len(bound_to("select sex, race, count(*) from person group by sex, race").cells) == 8


@pytest.mark.slow
def test_dates_count_by_their_bins(tmp_path: Path) -> None:
    """By quarter within a window, as pandas counts."""
    frame = visits()
    world = World(tmp_path, visit=frame)
    cells = world.cells(
        "select date_trunc('quarter', day) q, count(*) n from visit where day >= '2019-01-01' and day < '2020-01-01' group by 1"
    )
    expected = frame[frame.day.dt.year == 2019].groupby(frame.day.dt.quarter).size()
    for quarter, n in expected.items():
        assert abs(cells[(f"2019-Q{quarter}",)][0] - n) <= 4
    assert isinstance(frame, pd.DataFrame)


def test_finer_bins_are_told_after_wider_ones(world: World) -> None:
    """A wider bin holds its finer ones whatever the data say, so that they add up to it as to a total."""
    world.ask("select floor(age / 20) * 20 a, count(*) n from person group by a")
    fine = world.ask("select floor(age / 10) * 10 a, count(*) n from person group by a")
    assert isinstance(fine, Release)
    inhabited = [row for row in fine.rows if row.persons]
    assert len(inhabited) >= 5
    assert sum(row.about for row in inhabited) <= 2
    assert not any(row.suppressed for row in fine.rows if row.key[0].value in (20, 30, 40))


def test_an_empty_finer_bin_looks_like_one_of_a_few(tmp_path: Path) -> None:
    """After a wider bin of three, the others are told alike whether the third holds nobody or a few."""
    patterns = []
    for few in (0, 1, 9):
        (tmp_path / str(few)).mkdir()
        ages = [30] * 100 + [40] * (100 - few) + [50] * few + [65] * 100 + [75] * 60
        world = World(tmp_path / str(few), person=people(len(ages), age=lambda i, ages=ages: ages[i]))
        assert isinstance(world.ask("select floor(age / 30) * 30 a, count(*) n from person group by a"), Release)
        fine = world.ask("select floor(age / 10) * 10 a, count(*) n from person group by a")
        rows = fine.rows if isinstance(fine, Release) else ()
        patterns.append([(row.key[0].value, row.suppressed, row.about) for row in rows])
    assert patterns[0] == patterns[1] == patterns[2]
