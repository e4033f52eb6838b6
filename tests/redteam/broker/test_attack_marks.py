"""Attacks on what stands beside a mark (≈): order and choice of rows, restarts, projects, snapshots, sites together (7.4, 7.19, 7.21)."""

from pathlib import Path

import pytest

from reference.hospital import EXACT, TEN_FIVE, Hospital
from twinpane_broker import Plan, pool
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.release.release import Release
from twinpane_broker.rules.policy import Rules
from twinpane_broker.sql import parse_sql
from unit.broker_world import CATALOGUE, drugs, people, visits

from .ward import hospital

EARLIER = "select count(*) n from person where race = 'a'"
"""A hundred persons."""


def worlds(folder: Path, rules: Rules = EXACT) -> list[Hospital]:
    """Two that differ in one woman: in one the women are those of race a, in the other there is one more. All were asked about race a."""
    made = []
    for more in (0, 1):
        person = people(race=lambda i: "a" if i < 100 else "b", sex=lambda i, more=more: "F" if i < 100 + more else "M")
        made.append(hospital(folder / str(more), rules, person=person))
        assert made[-1].ask(EARLIER).rows[0].values[0].value == 100
    return made


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) n from person where sex = 'F' having count(*) > 100",
        "select smoker, count(*) n from person where sex = 'F' group by smoker having count(*) >= 20",
        "select smoker, count(*) n from person where sex = 'F' group by smoker having count(*) > 20",
        "select smoker, count(*) n from person where sex = 'F' group by smoker order by n desc limit 1",
        "select smoker, count(*) n, avg(age) m from person where sex = 'F' group by smoker order by n limit 2",
    ],
)
def test_having_order_and_limit_see_shown_numbers(tmp_path: Path, sql: str) -> None:
    """Number 100 smokes. Whether she is a woman decides on no row, and on no place of one."""
    equal, near = (made.ask(sql) for made in worlds(tmp_path))
    assert isinstance(equal, Release)
    assert isinstance(near, Release)
    assert [(row.key, row.persons, row.about, row.values[0]) for row in equal.rows] == [
        (row.key, row.persons, row.about, row.values[0]) for row in near.rows
    ]
    assert (equal.persons, equal.about) == (near.persons, near.about) == (100, True)


CONVERSATION = (
    EARLIER,
    "select count(*) n, avg(weight) m from person where sex = 'F'",
    "select smoker, count(*) n from person where sex = 'F' group by smoker",
    "select count(distinct v.person_id) n, count(*) r, avg(v.lactate) m from visit v join person p on v.person_id = p.person_id "
    "where p.sex = 'F'",
    "select ward, count(distinct person_id) n, count(*) r from visit group by ward",
    "select race, count(*) n, median(age) q, corr(age, weight) c from person where weight >= 60 group by race",
    "select count(*) n from person where race is null",
    "select count(*) n from person where person_id in (select person_id from visit where ward = 'icu')",
    "select count(*) n, avg(weight) m from person where race = 'a' and sex = 'F'",
)


@pytest.mark.parametrize("rules", [TEN_FIVE, EXACT], ids=["10-5", "cms-11"])
def test_a_restart_changes_no_answer(tmp_path: Path, rules: Rules) -> None:
    """A site that is started anew after every question says what one says that runs on; and asked again, the same."""
    made = worlds(tmp_path, rules)
    started = worlds(tmp_path / "started", rules)
    for on, again in zip(made, started, strict=True):
        answers = [on.ask(sql) for sql in CONVERSATION]
        for sql, answer in zip(CONVERSATION, answers, strict=True):
            again.restart()
            assert again.ask(sql).canonical() == answer.canonical(), sql
        again.restart()
        assert [again.ask(sql).canonical() for sql in CONVERSATION] == [answer.canonical() for answer in answers]


def test_another_catalogue_gives_no_second_number(tmp_path: Path) -> None:
    """A project that sees fewer tables, or a new snapshot, gets the earlier number as a stand-in's: for an equal set and a near one."""
    smaller: Catalogue = CATALOGUE.model_copy(update={"tables": CATALOGUE.tables[:1]})
    later: Catalogue = CATALOGUE.model_copy(update={"snapshot": "2026-11"})
    for place, other in enumerate((smaller, later)):
        seen = []
        for more in (0, 1):
            folder = tmp_path / f"{place}-{more}"
            person = people(race=lambda i, more=more: "a" if i < 100 + more else "b")
            frames = {"person": person, "visit": visits(), "drug": drugs()}
            first = hospital(folder / "first", EXACT, person=people(race=lambda i: "a" if i < 100 else "b"))
            assert first.ask(EARLIER).persons == 100
            tables = {table.name: frames[table.name] for table in other.tables}
            memory, register = folder / "first" / "memory.db", None
            second = Hospital(folder / "second", other, tables, EXACT, memory=memory, register=register)
            answer = second.ask(EARLIER)
            assert isinstance(answer, Release)
            seen.append((answer.persons, answer.about, answer.rows))
        assert seen[0] == seen[1]
        assert seen[0][:2] == (100, True)


def test_sites_together_tell_no_more_than_each(tmp_path: Path) -> None:
    """A pooled number is made of the shown ones: about where one is, partial where one is suppressed."""
    plan: Plan = parse_sql("select smoker, count(*) n, avg(weight) m from person where sex = 'F' group by smoker", CATALOGUE)
    equal, near = worlds(tmp_path)
    plain = hospital(tmp_path / "plain", EXACT, person=people(smoker=lambda i: i < 10))
    for marked in (equal, near):
        pooled = pool({"one": marked.run(plan), "two": plain.run(plan)}, plan=plan)
        assert pooled is not None
        cells = {row.key[0].value: row for row in pooled.rows}
        assert [(cells[True].values[0].value, cells[True].values[0].about, cells[True].values[0].partial)] == [(20, True, True)]
        assert [(cells[False].values[0].about, cells[False].values[0].partial)] == [(True, True)]
        assert pooled.persons.about
