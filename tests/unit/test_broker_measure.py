"""What an engine measures equals what looking at every row one by one finds, whichever way the engine takes."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from measure_slowly import Slow, bins_of, contributions, measure_slowly, wants

from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Given, Table
from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan, check
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.index import streams
from twinpane_broker.engine.measure import cell_sets, certify, ends, exact, extremes, holders, row_numbers, shares
from twinpane_broker.engine.sql.dialect import Dialect
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.engine.store.frozen import Kept
from twinpane_broker.engine.store.local_runner import LocalRunner
from twinpane_broker.engine.store.register import Register
from twinpane_broker.errors import Refused
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.question.cohort import Cohort, Entry, Event
from twinpane_broker.question.plan import Group, Join, Plan
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Missing, Not, Range, Window


def codes(*values: Any, share: float) -> tuple[Code, ...]:
    return tuple(Code(value=value, share=share) for value in values)


CATALOGUE = Catalogue(
    site="north",
    snapshot="1",
    persons=40,
    tables=(
        Table(
            name="person",
            person_key="id",
            columns=(
                Column(name="id", type="integer", role="key"),
                Column(name="sex", type="varchar", role="dimension", codes=codes("F", "M", share=0.5)),
                Column(name="site", type="integer", role="dimension", codes=codes(3, 1, 2, share=0.2), missing=0.1),
                Column(name="smoker", type="boolean", role="dimension", codes=codes(True, False, share=0.4), missing=0.2),
                Column(name="age", type="integer", role="measure", bounds=(0, 100), missing=0.1),
                Column(
                    name="score",
                    type="double",
                    role="measure",
                    bounds=(-4, 4),
                    edges=(0.13,),
                    follows="site",
                    given=(Given(code=2, knots=(-0.6, 0, 0.4)),),
                ),
                Column(name="born", type="date", role="date", days=("1950-01-01", "1990-01-01"), missing=0.1),
            ),
        ),
        Table(
            name="visit",
            person_key="person_id",
            columns=(
                Column(name="visit_id", type="integer", role="key"),
                Column(name="person_id", type="integer", role="key", references="person.id"),
                Column(name="day", type="date", role="date", days=("2019-03-01", "2020-06-01")),
                Column(name="ward", type="varchar", role="dimension", codes=codes("icu", "er", "day", share=0.3), missing=0.1),
                Column(name="urgent", type="boolean", role="dimension", codes=codes(True, False, share=0.5)),
                Column(
                    name="lactate",
                    type="double",
                    role="measure",
                    bounds=(0, 20),
                    precision=0.1,
                    follows="urgent",
                    given=(Given(code=False, knots=(6, 8, 9)),),
                ),
                Column(name="change", type="double", role="measure", bounds=(-5, 5), missing=0.2),
            ),
        ),
        Table(
            name="drug",
            person_key="patient",
            columns=(
                Column(name="patient", type="integer", role="key", references="person.id"),
                Column(name="visit_id", type="integer", role="key", references="visit.visit_id"),
                Column(name="name", type="varchar", role="dimension", codes=codes("x", "y", share=0.5)),
                Column(name="dose", type="double", role="measure", bounds=(0.3, 900)),
            ),
        ),
    ),
)


def tables(seed: int, persons: int = 40, visits: int = 90, drugs: int = 50) -> dict[str, pd.DataFrame]:
    """Small tables with everything that is awkward: gaps, codes nobody approved, dirty joins, several rows or none of a person."""
    random = np.random.default_rng(seed)

    def some(values: list, n: int, missing: float = 0.15) -> list:
        return [None if random.random() < missing else values[random.integers(len(values))] for _ in range(n)]

    def numbers(low: float, high: float, n: int, missing: float) -> list:
        made = [round(float(v), 2) for v in random.uniform(low, high, n)]
        return [None if random.random() < missing else value for value in made]

    def days(first: str, span: int, n: int, missing: float) -> pd.Series:
        made = pd.to_datetime(first) + pd.to_timedelta(random.integers(0, span, n), unit="D")
        return pd.Series(made).mask(random.random(n) < missing)

    person = pd.DataFrame({
        "id": range(100, 100 + persons),
        "sex": some(["F", "M", "M", "X"], persons),
        "site": pd.array(some([1, 2, 3, 4], persons), dtype="Int64"),
        "smoker": pd.array(some([True, False], persons), dtype="boolean"),
        "age": pd.array([None if v is None else round(v) for v in numbers(-10, 120, persons, 0.1)], dtype="Int64"),
        "score": pd.array(numbers(-6, 6, persons, 0.2 * (seed % 2)), dtype="Float64"),
        "born": days("1940-01-01", 20_000, persons, 0.1),
    })  # fmt: skip
    visit = pd.DataFrame({
        "visit_id": range(visits),
        "person_id": pd.array(some(list(range(102, 102 + persons)), visits, 0.05), dtype="Int64"),
        "day": days("2018-06-01", 1000, visits, 0.1),
        "ward": some(["icu", "er", "day", "attic"], visits),
        "urgent": pd.array(some([True, False], visits), dtype="boolean"),
        "lactate": pd.array(numbers(-2, 25, visits, 0.1), dtype="Float64"),
        "change": pd.array(numbers(-8, 8, visits, 0.2), dtype="Float64"),
    })  # fmt: skip
    drug = pd.DataFrame({
        "patient": [int(v) for v in random.integers(101, 100 + persons, drugs)],
        "visit_id": pd.array(some(list(range(visits)), drugs), dtype="Int64"),
        "name": some(["x", "y", "y"], drugs, 0.0),
        "dose": pd.array(numbers(-50, 1000, drugs, 0.0), dtype="Float64"),
    })  # fmt: skip
    # Most prescriptions are of the visit's own person, as in life.
    known = visit.set_index("visit_id")["person_id"]
    drug["patient"] = [
        int(known[v]) if v is not pd.NA and known[v] is not pd.NA and random.random() < 0.8 else p
        for v, p in zip(drug["visit_id"], drug["patient"], strict=True)
    ]
    if seed % 3 == 0:
        visit.loc[visit.index[:30], "person_id"] = 105
    return {"person": person, "visit": visit, "drug": drug}


@dataclass
class Small:
    """An engine on small tables, with the tables and everybody's number."""

    tables: dict[str, pd.DataFrame]
    engine: DuckEngine
    numbers: dict[int, int]

    def keys(self, who: PersonSet) -> set[int]:
        """The person keys of a set."""
        return {self.numbers[number] for number in who}


def small(folder: Path, frames: dict[str, pd.DataFrame]) -> Small:
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
    engine = DuckEngine(build_store(folder, CATALOGUE))
    with duckdb.connect() as connection:
        numbers = dict(connection.execute(f"select number, integer from ({Register(folder / 'register').numbers()})").fetchall())
    return Small(frames, engine, numbers)


SEEDS = 4
CLOSE = {"rel": 1e-9, "abs": 1e-9}
"""Sums of doubles depend on their order in the last digits."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Small]]:
    made = [small(tmp_path_factory.mktemp(f"seed{seed}"), tables(seed)) for seed in range(SEEDS)]
    yield made
    for each in made:
        each.engine.close()


PERSON_VISIT = Join(table="visit", left="person.id", right="visit.person_id")
VISIT_PERSON = Join(table="person", left="visit.person_id", right="person.id")
PERSON_DRUG = Join(table="drug", left="person.id", right="drug.patient")
VISIT_DRUG = Join(table="drug", left="visit.visit_id", right="drug.visit_id")
SOURCES = [
    ("person", ()), ("visit", ()), ("person", (PERSON_VISIT,)), ("visit", (VISIT_PERSON,)), ("visit", (VISIT_DRUG,)),
    ("person", (PERSON_VISIT, PERSON_DRUG)), ("person", (PERSON_VISIT, VISIT_DRUG)), ("drug", ()),
]  # fmt: skip
GROUPS = [
    Group(column="person.sex"), Group(column="person.site"), Group(column="person.smoker"), Group(column="person.age", width=10),
    Group(column="person.age", width=30), Group(column="person.score", width=0.4), Group(column="person.born", bin="year"),
    Group(column="visit.ward"), Group(column="visit.urgent"), Group(column="visit.day", bin="month"),
    Group(column="visit.day", bin="quarter"), Group(column="visit.lactate", width=2.5), Group(column="drug.name"),
    Group(column="drug.dose", width=40),
]  # fmt: skip
LEAVES = [
    In(column="person.sex", codes=("F",)), In(column="person.site", codes=(1, 2)), In(column="person.site", codes=(2,)),
    In(column="person.smoker", codes=(True,)), Missing(column="person.smoker"), Missing(column="person.sex"),
    Range(column="person.age", low=40), Range(column="person.age", low=20, high=70), Range(column="person.score", high=0.4),
    Range(column="person.score", low=0.13), Missing(column="person.age"), Window(column="person.born", start=date(1960, 1, 1)),
    In(column="visit.ward", codes=("icu",)), In(column="visit.ward", codes=("er", "day")), Missing(column="visit.ward"),
    In(column="visit.urgent", codes=(False,)), Range(column="visit.lactate", high=10), Missing(column="visit.change"),
    Window(column="visit.day", start=date(2019, 1, 1), end=date(2020, 1, 1)), Window(column="visit.day", end=date(2019, 9, 1)),
    Missing(column="visit.day"), In(column="drug.name", codes=("y",)), Range(column="drug.dose", low=100, high=500),
]  # fmt: skip
VALUES = ["person.age", "person.score", "visit.lactate", "visit.change", "drug.dose"]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Questions of every form that the catalogue above allows."""
    table, joins = draw(st.sampled_from(SOURCES))
    used = {table, *(join.table for join in joins)}

    def of_tables(things: list, column: Any) -> list:
        return [thing for thing in things if column(thing).split(".")[0] in used]

    groups = draw(st.lists(st.sampled_from(of_tables(GROUPS, lambda g: g.column)), max_size=3, unique_by=lambda g: g.column))
    leaf = st.sampled_from(of_tables(LEAVES, lambda leaf: leaf.column))
    inner = st.one_of(leaf, leaf.map(lambda term: Not(term=term)))
    either = st.lists(inner, min_size=2, max_size=3).map(lambda terms: AnyOf(terms=tuple(terms)))
    both = st.lists(inner, min_size=2, max_size=3).map(lambda terms: AllOf(terms=tuple(terms)))
    parts = draw(st.lists(st.one_of(leaf, inner, either, both, both.map(lambda term: Not(term=term))), max_size=2))
    where = None if not parts else parts[0] if len(parts) == 1 else AllOf(terms=tuple(parts))
    values = [name for name in VALUES if name.split(".")[0] in used]
    kinds = st.sampled_from(["mean", "sum", "sd", "var", "quantile"])
    per_value = st.tuples(kinds, st.sampled_from(values)).map(
        lambda both: measure_of(both[0], column=both[1], percent=50 if both[0] == "quantile" else None)
    )
    measure = st.one_of(st.sampled_from([measure_of("count"), measure_of("persons"), measure_of("share")]), per_value)
    measures = draw(st.lists(measure, min_size=1, max_size=3))
    if len(values) > 1 and draw(st.booleans()):
        one, other = draw(st.permutations(values))[:2]
        measures.append(measure_of("correlation", column=one, other=other))
    return Plan(table=table, joins=joins, where=where, group_by=tuple(groups), measures=tuple(measures))


NEVER = math.inf
WAYS: dict[str, list[tuple[object, str, object]]] = {
    "as it likes": [],
    "by exact contributions": [(certify, "CERTAIN", NEVER)],
    "by rows": [(certify, "CERTAIN", NEVER), (cell_sets, "_by_index", lambda question, store: None), (extremes, "SURE_PERSONS", NEVER)],
    "in parts": [
        (certify, "CERTAIN", NEVER), (shares, "ROWS_AT_ONCE", 10), (exact, "ROWS_AT_ONCE", 10), (exact, "SAMPLE_ROWS", 40),
        (streams, "AT_ONCE", 10), (holders, "FEW_GAPS", 1.0),
    ],
    "by everybody with a value": [(holders, "FEW_GAPS", -1.0), (cell_sets, "_by_index", lambda question, store: None)],
    "with distinct rows": [(LocalRunner, "dialect", Dialect(spills=True)), (cell_sets, "_by_index", lambda question, store: None)],
    "hastily": [
        (certify, "CERTAIN", 2), (shares, "ROWS_AT_ONCE", 10), (exact, "SAMPLE_ROWS", 40), (extremes, "SURE_PERSONS", 0.01),
        (holders, "FEW_GAPS", 1.0),
    ],
    "with each row counted": [(row_numbers, "ROWS_AT_ONCE", 0)],
    "by one value of a cell": [(ends, "MANY", 0)],
    "by the ends of columns": [(ends, "MANY", 0), (certify, "CERTAIN", 2)],
}  # fmt: skip
"""Ways to the evidence that small data would not take by itself, or would take only by chance."""


@contextmanager
def the_way(way: str, world: Small) -> Iterator[None]:
    """Have the engine take one way, as if nothing had been asked before."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, value in WAYS[way]:
            patch.setattr(owner, name, value)
        patch.setattr(world.engine, "_store", replace(world.engine._store, kept=Kept()))
        yield


@pytest.mark.parametrize("way", [pytest.param(way, marks=pytest.mark.slow if changed else ()) for way, changed in WAYS.items()])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, SEEDS - 1), plan=plans())
def test_evidence_is_what_every_row_says(stores: list[Small], way: str, seed: int, plan: Plan) -> None:
    """Person sets, rows, sums, spreads, bins, pairs, and what single persons contribute, for questions of every form."""
    try:
        bound = check(plan, CATALOGUE)
    except Refused:
        reject()
    with the_way(way, stores[seed]):
        seen = stores[seed].engine.measure(bound)
        same_evidence(bound, seen, measure_slowly(bound, stores[seed].tables), stores[seed])


IN_ICU = Cohort(entry=Entry(events=(Event(table="visit", where=In(column="visit.ward", codes=("icu",)), date="day"),)))


@pytest.mark.parametrize("way", ["as it likes", "by rows"])
@pytest.mark.parametrize(
    "plan",
    [
        Plan(table="person", group_by=(Group(column="person.sex"),), measures=(measure_of("persons"),)),
        Plan(
            table="person", joins=(PERSON_VISIT,), group_by=(Group(column="visit.ward"),),
            measures=(measure_of("mean", column="person.age"),),
        ),
        Plan(
            table="drug", where=In(column="drug.name", codes=("y",)),
            measures=(measure_of("quantile", column="drug.dose", percent=50),),
        ),
    ],
)  # fmt: skip
def test_a_cohort_restricts_the_question_and_not_its_population(stores: list[Small], way: str, plan: Plan) -> None:
    """Whichever table the question is about; only its persons are looked at, all their rows count."""
    world = stores[1]
    bound = check(plan.model_copy(update={"cohort": IN_ICU}), CATALOGUE)
    visits = world.tables["visit"]
    in_icu = visits[(visits["ward"] == "icu") & visits["day"].notna() & visits["person_id"].notna()]
    with the_way(way, world):
        seen = world.engine.measure(bound)
        same_evidence(bound, seen, measure_slowly(bound, world.tables, cohort=set(in_icu["person_id"])), world)
    assert seen.who < seen.population


def test_comparisons_are_asked_once_of_a_frozen_snapshot(stores: list[Small]) -> None:
    """The second question of the kind asks the engine nothing: sets do the rest."""
    world = stores[0]
    question = Plan(
        table="person", where=Range(column="person.age", low=40), group_by=(Group(column="person.born", bin="year"),),
        measures=(measure_of("count"),),
    )  # fmt: skip
    asked = []
    with the_way("as it likes", world), pytest.MonkeyPatch.context() as patch:
        batches = LocalRunner.batches
        patch.setattr(LocalRunner, "batches", lambda self, sql, parameters: asked.append(sql) or batches(self, sql, parameters))
        patch.setattr(LocalRunner, "rows", lambda self, sql, parameters: pytest.fail(sql))
        first = world.engine.measure(check(question, CATALOGUE))
        assert asked
        asked.clear()
        other = question.model_copy(update={"where": Not(term=question.where)})
        second = world.engine.measure(check(other, CATALOGUE))
    assert len(asked) == 1  # those without an age, who are in neither
    assert "IS NULL" in asked[0]
    assert not first.who & second.who


def test_rows_are_counted_once_for_many_questions(stores: list[Small]) -> None:
    """Whoever is asked about beside: how many rows persons have of a ward is kept as a few sets."""
    world, asked = stores[0], []
    with the_way("as it likes", world), pytest.MonkeyPatch.context() as patch:
        batches = LocalRunner.batches
        patch.setattr(LocalRunner, "batches", lambda self, sql, parameters: asked.append(sql) or batches(self, sql, parameters))
        patch.setattr(LocalRunner, "rows", lambda self, sql, parameters: pytest.fail(sql))
        for column in ("person.sex", "person.site"):
            plan = Plan(
                table="person", joins=(PERSON_VISIT,), where=In(column="visit.ward", codes=("icu",)), group_by=(Group(column=column),),
                measures=(measure_of("count"),),
            )  # fmt: skip
            bound = check(plan, CATALOGUE)
            same_evidence(bound, world.engine.measure(bound), measure_slowly(bound, world.tables), world)
    assert len(asked) == 1


@given(rows=st.lists(st.integers(0, 20)), who=st.sets(st.integers(0, 20)))
def test_the_two_largest_are_those_of_the_persons(rows: list[int], who: set[int]) -> None:
    """Whatever digits their numbers have; 0 of nobody."""
    digits = streams.digits_of([(np.array(rows[:3], np.int64),), (np.array(rows[3:], np.int64),)])
    numbers = sorted((rows.count(person) for person in who), reverse=True)
    assert row_numbers.two_largest(PersonSet(who), digits) == tuple([*numbers, 0, 0][:2])


def same_evidence(bound: ResolvedPlan, seen: Evidence, slow: Slow, world: Small) -> None:
    assert world.keys(seen.population) == slow.population
    assert world.keys(seen.who) == slow.who
    assert set(seen.cells) == {cell for cell, rows in slow.cells.items() if rows}
    for index, cell in seen.cells.items():
        same_cell(bound, cell, slow, index, world)


def same_cell(bound: ResolvedPlan, cell: CellEvidence, slow: Slow, index: tuple[int, ...], world: Small) -> None:
    rows, persons = slow.cells[index], slow.persons(index)
    assert world.keys(cell.who) == set(persons)
    assert cell.rows == len(rows)
    same_top((cell.largest, cell.second), [len(own) for own in persons.values()], cell.rows)
    for name, spread in zip(bound.value_columns, cell.spreads, strict=True):
        by_person = contributions(rows, name)
        values = [value for own in by_person.values() for value in own]
        if not values:
            assert spread is None
            continue
        middle = sum(bound.column(name).bounds) / 2
        assert world.keys(spread.who) == set(by_person)
        assert spread.values == len(values)
        same_range((spread.low, spread.high), values)
        assert spread.total == pytest.approx(math.fsum(values), **CLOSE)
        same_top((spread.most_values,), [len(own) for own in by_person.values()], spread.values)
        absolute = math.fsum(abs(math.fsum(own)) for own in by_person.values())
        assert spread.absolute == pytest.approx(absolute, **CLOSE) or (certify.CERTAIN is not NEVER and spread.absolute < absolute)
        same_top((spread.largest, spread.second), [abs(math.fsum(own)) for own in by_person.values()], spread.absolute)
        if wants(bound, name, "sd", "var"):
            assert spread.squares == pytest.approx(math.fsum((value - middle) ** 2 for value in values))
        if wants(bound, name, "quantile"):
            assert list(spread.bins.rows) == bins_of(bound, name, values)
            same_ends(spread.bins.lowest, bins_of(bound, name, [min(own) for own in by_person.values()]))
            same_ends(spread.bins.highest[::-1], bins_of(bound, name, [max(own) for own in by_person.values()])[::-1])
    for (one, other), pair in zip(bound.value_pairs, cell.pairs, strict=True):
        both = [row for row in rows if row[one] is not None and row[other] is not None]
        if not both:
            assert pair is None
            continue
        x = [row[one] - sum(bound.column(one).bounds) / 2 for row in both]
        y = [row[other] - sum(bound.column(other).bounds) / 2 for row in both]
        sums = (x, y, [a * a for a in x], [a * a for a in y], [a * b for a, b in zip(x, y, strict=True)])
        assert world.keys(pair.who) == {row["person"] for row in both}
        assert pair.values == len(both)
        assert (pair.x, pair.y, pair.xx, pair.yy, pair.xy) == pytest.approx([math.fsum(part) for part in sums], **CLOSE)
        same_top((pair.most_values,), [sum(row["person"] == person for row in both) for person in persons], len(both))


def same_top(seen: tuple[float, ...], numbers: list[float], total: float) -> None:
    """The largest numbers; or, where the engine may use bounds, numbers above them that are a small share of the total."""
    true = [*sorted(numbers, reverse=True), 0][: len(seen)]
    if certify.CERTAIN is NEVER or seen == pytest.approx(true, **CLOSE):
        assert seen == pytest.approx(true, **CLOSE)
    else:
        assert all(bound >= number - 1e-9 for bound, number in zip(seen, true, strict=True))
        assert max(seen) * certify.CERTAIN <= total + 1e-9


def same_range(seen: tuple[float, float], values: list[float]) -> None:
    """The smallest and largest value; or, where the engine may use bounds and the values differ, numbers beyond them of the same sign."""
    low, high = min(values), max(values)
    if ends.MANY == 0 and seen != (low, high):
        assert low < high
        assert seen[0] <= low < high <= seen[1]
        assert seen[0] >= 0 or seen[1] <= 0
    else:
        assert seen == (low, high)


def same_ends(seen: Sequence[int], true: list[int]) -> None:
    """Persons by the bin of their smallest value; or, where the engine may use bounds, no more up to any bin."""
    assert all(persons >= 0 for persons in seen)
    if extremes.SURE_PERSONS >= 1:
        assert list(seen) == true
    else:
        assert all(sure <= up_to for sure, up_to in zip(accumulate(seen), accumulate(true), strict=True))
