"""A small OMOP clinic for the tests of cohorts, and a slow reference that evaluates a cohort person by person in plain Python."""

import random
import shutil
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.check.resolve import ResolvedPlan, check
from twinpane_broker.check.vocabulary import Vocabulary
from twinpane_broker.engine.sql.cohort_sql import _Candidates, cohort_persons_sql
from twinpane_broker.engine.sql.dialect import PERSON, Dialect
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.question.cohort import Aged, Cohort, Entry, Event, Happened, Indexed, Observation, Times
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Missing, Not, Range, Window

DAY0 = date(2015, 1, 1)
CONDITIONS = (201826, 320128, 4329847)
DRUGS = (1503297, 1516766, 1502905)
LABS = (3004410, 3016723)


def _codes(*values: Any) -> tuple[Code, ...]:
    return tuple(Code(value=value, share=round(1 / len(values), 2)) for value in values)


def _events(name: str, concept: str, day: str, codes: tuple[int, ...], *more: Column) -> Table:
    person = Column(name="person_id", type="integer", role="key", references="person.person_id")
    columns = (
        person,
        Column(name=concept, type="integer", role="dimension", codes=_codes(*codes)),
        Column(name=day, type="date", role="date", days=("2014-01-01", "2019-12-01")),
        *more,
    )
    return Table(name=name, person_key="person_id", columns=columns)


CATALOGUE = Catalogue(
    site="clinic",
    snapshot="2026-10",
    persons=1000,
    tables=(
        Table(
            name="person",
            person_key="person_id",
            columns=(
                Column(name="person_id", type="integer", role="key"),
                Column(name="ref", type="integer", role="key"),
                Column(name="gender_concept_id", type="integer", role="dimension", codes=_codes(8507, 8532)),
                Column(name="year_of_birth", type="integer", role="measure", bounds=(1900, 2020)),
                Column(name="decade", type="integer", role="dimension", codes=_codes(*range(1900, 2020, 10))),
                Column(name="birth_date", type="date", role="date"),
                Column(name="weight", type="double", role="measure", bounds=(0, 200)),
            ),
        ),
        Table(
            name="observation_period",
            person_key="person_id",
            columns=(
                Column(name="person_id", type="integer", role="key", references="person.person_id"),
                Column(name="observation_period_start_date", type="date", role="date"),
                Column(name="observation_period_end_date", type="date", role="date", after="observation_period_start_date"),
            ),
        ),
        _events(
            "condition_occurrence", "condition_concept_id", "condition_start_date", CONDITIONS,
            Column(name="condition_end_date", type="date", role="date", after="condition_start_date"),
        ),
        _events("drug_exposure", "drug_concept_id", "drug_exposure_start_date", DRUGS),
        _events(
            "measurement", "measurement_concept_id", "measurement_date", LABS,
            Column(name="value_as_number", type="double", role="measure", bounds=(0, 20)),
        ),
    ),
)  # fmt: skip
DATE_OF = {
    "condition_occurrence": "condition_start_date", "drug_exposure": "drug_exposure_start_date", "measurement": "measurement_date",
}  # fmt: skip
Frames = dict[str, pd.DataFrame]


def frames(n: int = 60, seed: int = 1, rare: int = 99) -> Frames:
    """Random persons 1 … n with events within five years; some values missing, some codes not approved (``rare``)."""
    rng = random.Random(seed)

    def day() -> date | None:
        return None if rng.random() < 0.03 else DAY0 + timedelta(days=rng.randrange(0, 1500))

    def pick(*codes: int) -> int | None:
        return rng.choice((*codes, *codes, rare, None))

    births = [rng.choice((None, *range(1930, 2000))) for _ in range(n)]
    persons = [
        {"person_id": i, "ref": i, "gender_concept_id": rng.choice((8507, 8532, None)), "year_of_birth": birth,
         "decade": None if birth is None else birth // 10 * 10, "birth_date": None if birth is None else date(birth, 6, 15),
         "weight": rng.uniform(40, 120)}
        for i, birth in enumerate(births, 1)
    ]  # fmt: skip
    periods, conditions, drugs, labs = [], [], [], []
    for i in range(1, n + 1):
        start = DAY0 + timedelta(days=rng.randrange(-400, 300))
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            end = start + timedelta(days=rng.randrange(200, 1200))
            periods.append({"person_id": i, "observation_period_start_date": start, "observation_period_end_date": end})
            start = end + timedelta(days=rng.randrange(1, 100))
        for _ in range(rng.randrange(4)):
            when = day()
            conditions.append(
                {"person_id": i, "condition_concept_id": pick(*CONDITIONS), "condition_start_date": when,
                 "condition_end_date": when and when + timedelta(days=rng.randrange(0, 40))}
            )  # fmt: skip
        drugs += [{"person_id": i, "drug_concept_id": pick(*DRUGS), "drug_exposure_start_date": day()} for _ in range(rng.randrange(5))]
        labs += [
            {"person_id": i, "measurement_concept_id": pick(*LABS), "measurement_date": day(),
             "value_as_number": None if rng.random() < 0.1 else round(rng.uniform(0, 20), 1)}
            for _ in range(rng.randrange(6))
        ]  # fmt: skip
    made = {
        "person": persons, "observation_period": periods, "condition_occurrence": conditions, "drug_exposure": drugs, "measurement": labs,
    }  # fmt: skip
    return {name: pd.DataFrame(rows, columns=[c.name for c in CATALOGUE.table(name).columns]) for name, rows in made.items()}


def write(folder: Path, tables: Frames) -> Path:
    """The tables as Parquet files of the catalogue's types."""
    kinds = {"integer": "Int64", "double": "Float64"}
    for name, frame in tables.items():
        typed = {c.name: kinds[c.type] for c in CATALOGUE.table(name).columns if c.type in kinds}
        dated = {c.name: pd.to_datetime(frame[c.name]).dt.date for c in CATALOGUE.table(name).columns if c.type == "date"}
        frame.assign(**dated).astype(typed).to_parquet(folder / f"{name}.parquet")
    return folder


def bound(cohort: Cohort, vocabulary: Vocabulary | None = None) -> ResolvedPlan:
    """The question of how many persons are in a cohort, checked."""
    return check(Plan(table="person", cohort=cohort, measures=(measure_of("persons"),)), CATALOGUE, vocabulary)


class Clinic:
    """The store of a folder of tables, on which cohorts run as SQL."""

    def __init__(self, folder: Path, tables: Frames) -> None:
        self.file = build_store(write(folder, tables), CATALOGUE)
        # A copy: a process has one way of opening a file, and the engine's is another.
        copied = shutil.copy(self.file, folder / "copy.duckdb")
        self._connection = duckdb.connect(str(copied), read_only=True)
        self._refs = dict(self._connection.execute(f"SELECT {PERSON}, ref FROM person").fetchall())

    def members(self, cohort: Cohort) -> set[int]:
        """Who is in a cohort, by ``cohort_persons_sql``, as person ids."""
        asked = bound(cohort)
        sql, parameters = cohort_persons_sql(asked.plan.cohort, asked, Dialect())
        rows = self._connection.execute(f"SELECT chosen.{PERSON} FROM ({sql}) chosen", parameters).fetchall()
        assert len({row[0] for row in rows}) == len(rows), "a person comes twice"
        return {self._refs[row[0]] for row in rows}

    def ids(self, who: Iterable[int]) -> set[int]:
        """The person ids of persons' numbers."""
        return {self._refs[number] for number in who}

    def index_dates(self, cohort: Cohort) -> dict[int, date]:
        """Persons and their index dates: the earliest that meets every step."""
        asked = bound(cohort)
        candidates = _Candidates(asked.plan.cohort, asked.catalogue, Dialect(), "person")
        sql, parameters = candidates.sql(f"SELECT i.p, min(i.d) FROM {candidates.last} i GROUP BY i.p")
        rows = self._connection.execute(sql, parameters).fetchall()
        return {self._refs[person]: day for person, day in rows}


def code_in(column: str, *codes: int) -> In:
    """One of these codes."""
    return In(column=column, codes=codes)


def drug(*codes: int, **more: Any) -> Event:
    """Drug exposures."""
    return Event(table="drug_exposure", where=code_in("drug_exposure.drug_concept_id", *codes) if codes else None, **more)


def condition(*codes: int, **more: Any) -> Event:
    """Conditions."""
    where = code_in("condition_occurrence.condition_concept_id", *codes) if codes else None
    return Event(table="condition_occurrence", where=where, **more)


def lab(code: int | None = None, low: float | None = None, **more: Any) -> Event:
    """Measurements, of a value from ``low`` on."""
    terms = ([code_in("measurement.measurement_concept_id", code)] if code else []) + (
        [Range(column="measurement.value_as_number", low=low)] if low is not None else []
    )
    return Event(table="measurement", where=AllOf(terms=tuple(terms)) if terms else None, **more)


def entered(*events: Event, prior: int | None = None, post: int = 0, first: bool = True) -> Entry:
    """An entry, under observation where ``prior`` is given."""
    observation = None if prior is None else Observation(prior_days=prior, post_days=post)
    return Entry(events=events, observation=observation, first=first)


# ---------------------------------------------------------------- the reference


def reference(cohort: Cohort, tables: Frames) -> dict[int, date]:
    """Persons and index dates of a checked cohort, one person after the other."""
    rows: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for name, frame in tables.items():
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
            rows.setdefault(name, {}).setdefault(row["person_id"], []).append(row)
    found = {}
    for person in sorted({p for by_person in rows.values() for p in by_person}):
        own = {name: by_person.get(person, []) for name, by_person in rows.items()}
        days = _candidates(cohort, own)
        if days:
            found[person] = min(day for day, _ in days)
    return found


Candidate = tuple[date, tuple[date, date] | None]


def _candidates(cohort: Cohort, own: dict[str, list[dict[str, Any]]]) -> list[Candidate]:
    days = sorted({day for event in cohort.entry.events for day in _days(event, own)})
    candidates: list[Candidate] = [(day, None) for day in days]
    if (watch := cohort.entry.observation) is not None:
        periods = [(row[watch.start], row[watch.end]) for row in own[watch.table]]
        candidates = [
            (day, (start, end)) for day in days for start, end in periods
            if (day - start).days >= watch.prior_days and (end - day).days >= watch.post_days
        ]  # fmt: skip
    if cohort.entry.first:
        candidates = _earliest(candidates)
    for step in cohort.steps:
        together = any if step.any else all
        candidates = [c for c in candidates if together(_meets(x, c, own) for x in step.criteria) != step.exclude]
        if step.first:
            candidates = _earliest(candidates)
    return candidates


def _earliest(candidates: list[Candidate]) -> list[Candidate]:
    return [c for c in candidates if c[0] == min(day for day, _ in candidates)]


def _days(event: Event, own: dict[str, list[dict[str, Any]]]) -> list[date]:
    name = event.date or DATE_OF[event.table]
    days = [row[name] for row in own[event.table] if row[name] is not None and _holds(event.where, row) is True]
    return [min(days)] if event.first and days else days


def _meets(criterion: Any, candidate: Candidate, own: dict[str, list[dict[str, Any]]]) -> bool:
    day, period = candidate
    if isinstance(criterion, Indexed):
        return (criterion.start is None or criterion.start <= day) and (criterion.end is None or day < criterion.end)
    if isinstance(criterion, Aged):
        births = [row[criterion.birth.partition(".")[2]] for row in own["person"]]
        ages = [day.year - (b.year if isinstance(b, date) else b) for b in births if b is not None]
        return any((criterion.low is None or age >= criterion.low) and (criterion.high is None or age <= criterion.high) for age in ages)
    event = criterion.event
    if criterion.start is None and criterion.end is None and not criterion.observed and not event.first and event.date is None:
        n = sum(_holds(event.where, row) is True for row in own[event.table])
    else:
        ending = criterion.ending
        rows = own if ending is None else {**own, event.table: [row for row in own[event.table] if _ends_in(ending, row, event, day)]}
        dated = _days(event, rows)
        apart = [(other - day).days for other in dated if not criterion.observed or period[0] <= other <= period[1]]
        n = sum((criterion.start is None or a >= criterion.start) and (criterion.end is None or a <= criterion.end) for a in apart)
    return {Times.at_least: n >= criterion.count, Times.at_most: n <= criterion.count, Times.exactly: n == criterion.count}[criterion.times]


def _ends_in(ending: Any, row: dict[str, Any], event: Event, day: date) -> bool:
    """The last day in its window; the day after the first where there is none."""
    first = row[event.date or DATE_OF[event.table]]
    if first is None:
        return False
    last = row[ending.date] or first + timedelta(days=1)
    apart = (last - day).days
    return (ending.start is None or apart >= ending.start) and (ending.end is None or apart <= ending.end)


def _holds(predicate: Any, row: dict[str, Any]) -> bool | None:
    """SQL's three values."""
    match predicate:
        case None:
            return True
        case Not():
            inner = _holds(predicate.term, row)
            return None if inner is None else not inner
        case AllOf() | AnyOf():
            inner = [_holds(term, row) for term in predicate.terms]
            decisive = isinstance(predicate, AnyOf)
            return decisive if decisive in inner else (None if None in inner else not decisive)
    value = row[predicate.column.partition(".")[2]]
    match predicate:
        case Missing():
            return value is None
        case In():
            return None if value is None else value in predicate.codes
        case Range() | Window():
            low, high = (predicate.low, predicate.high) if isinstance(predicate, Range) else (predicate.start, predicate.end)
            return None if value is None else (low is None or value >= low) and (high is None or value < high)
    raise AssertionError(predicate)


def both(clinic: Clinic, tables: Frames, cohort: Cohort) -> set[int]:
    """The members, after the SQL and the reference agreed on them and their index dates."""
    expected = reference(cohort, tables)
    assert clinic.members(cohort) == set(expected)
    assert clinic.index_dates(cohort) == expected
    return set(expected)


def happened(event: Event, start: int | None = None, end: int | None = None, **more: Any) -> Happened:
    """A criterion of events."""
    return Happened(event=event, start=start, end=end, **more)
