"""One messy hospital in every engine: missing and unapproved codes, NaN, dirty days, persons without rows and rows without persons."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.question.cohort import Aged, Cohort, Entry, Event, Happened, Indexed, Observation, Step
from twinpane_broker.question.predicates import In, Not, Range


def _codes(*values: object) -> tuple[Code, ...]:
    return tuple(Code(value=value, share=round(1 / len(values), 2)) for value in values)


CATALOGUE = Catalogue(
    site="north",
    snapshot="2026-10",
    persons=600,
    tables=(
        Table(name="person", person_key="person_id", columns=(
            Column(name="person_id", type="varchar", role="key"),
            Column(name="sex", type="varchar", role="dimension", codes=_codes("F", "M"), missing=0.05),
            Column(name="region", type="integer", role="dimension", codes=_codes(1, 2, 3, 4), missing=0.05),
            Column(name="smoker", type="boolean", role="dimension", codes=_codes(True, False), missing=0.1),
            Column(name="age", type="integer", role="measure", bounds=(0, 100), missing=0.02),
            Column(name="born", type="date", role="date", days=("1940-01-01", "2000-01-01")),
        )),
        Table(name="visit", person_key="patient", columns=(
            Column(name="visit_id", type="integer", role="key"),
            Column(name="patient", type="varchar", role="key", references="person.person_id"),
            Column(name="start", type="timestamp", role="date", days=("2019-01-01", "2021-12-01"), missing=0.02),
            Column(name="ward", type="varchar", role="dimension", codes=_codes("icu", "er", "day")),
            Column(name="lactate", type="double", role="measure", bounds=(-5, 20), precision=0.1, missing=0.1),
            Column(name="ph", type="double", role="measure", bounds=(6.8, 7.8), precision=0.01),
        )),
        Table(name="drug", person_key="person_id", columns=(
            Column(name="person_id", type="varchar", role="key", references="person.person_id"),
            Column(name="visit_id", type="integer", role="key", references="visit.visit_id"),
            Column(name="name", type="varchar", role="dimension", codes=_codes("x", "y's", "%s")),
            Column(name="dose", type="double", role="measure", bounds=(0, 1000)),
        )),
    ),
)  # fmt: skip

QUESTIONS = (
    "SELECT count(*) FROM person",
    "SELECT count(DISTINCT patient) FROM visit",
    "SELECT sex, region, count(*) FROM person GROUP BY sex, region",
    "SELECT smoker, count(*), avg(age), stddev(age), median(age), sum(age) FROM person GROUP BY smoker",
    "SELECT ward, count(*), count(DISTINCT patient), avg(lactate), sum(lactate) FROM visit GROUP BY ward",
    "SELECT ward, corr(lactate, ph), stddev(lactate), quantile_cont(lactate, 0.25) FROM visit GROUP BY ward",
    "SELECT date_trunc('quarter', start), count(*) FROM visit GROUP BY 1",
    "SELECT date_trunc('month', start), avg(ph) FROM visit WHERE start >= '2020-01-01' AND start < '2021-01-01' GROUP BY 1",
    "SELECT date_trunc('year', born), sex, count(*) FROM person WHERE born >= '1940-01-01' AND born < '2000-01-01' GROUP BY 1, 2",
    "SELECT floor(age / 10) * 10, count(*) FROM person GROUP BY 1",
    "SELECT floor(lactate / 5) * 5, ward, count(*), avg(ph) FROM visit GROUP BY 1, 2",
    "SELECT sex, ward, avg(lactate) FROM visit JOIN person ON visit.patient = person.person_id GROUP BY sex, ward",
    "SELECT drug.name, ward, count(*), avg(dose) FROM drug JOIN visit ON drug.visit_id = visit.visit_id GROUP BY drug.name, ward",
    "SELECT sex, drug.name, avg(dose), avg(lactate) FROM person JOIN visit ON person.person_id = visit.patient "
    "JOIN drug ON drug.visit_id = visit.visit_id WHERE region IN (1, 2) OR NOT (smoker = true) GROUP BY sex, drug.name",
    "SELECT count(*) FROM person WHERE sex IS NULL OR region = 3",
    "SELECT count(*) FROM person WHERE NOT (sex = 'F' AND age >= 40 AND age < 60)",
    "SELECT ward, count(*) FROM visit WHERE lactate >= 0 AND lactate < 4 GROUP BY ward",
    "SELECT drug.name, count(*) FROM drug WHERE drug.name IN ('y''s', '%s') GROUP BY drug.name",
    "SELECT region, count(DISTINCT person.person_id) FROM person JOIN drug ON person.person_id = drug.person_id "
    "WHERE dose >= 100 GROUP BY region",
    "WITH f AS (SELECT patient, min(start) AS day FROM visit WHERE lactate >= 2 AND ward = 'er' GROUP BY patient) "
    "SELECT year(day), count(*) FROM f WHERE day >= '2019-01-01' AND day < '2022-01-01' GROUP BY 1",
    "WITH f AS (SELECT patient, min(start) AS day FROM visit WHERE lactate >= 2 GROUP BY patient) SELECT sex, count(*), "
    "avg(datediff('day', p.born, f.day)), median(datediff('day', p.born, f.day)) FROM person p JOIN f ON f.patient = p.person_id "
    "WHERE f.day >= '2020-01-01' AND age >= 20 GROUP BY sex",
    "SELECT floor((year(v.start) - year(p.born)) / 10) * 10, ward, count(*), avg(year(v.start) - year(p.born)) FROM visit v "
    "JOIN person p ON p.person_id = v.patient WHERE datediff('day', p.born, v.start) >= 10000 GROUP BY 1, 2",
    "SELECT sex, avg(f.v), median(f.v), count(*) FROM person p JOIN (SELECT patient, lactate AS v FROM visit WHERE ward = 'er' QUALIFY "
    "row_number() OVER (PARTITION BY patient ORDER BY start, lactate) = 1) f ON f.patient = p.person_id WHERE f.v >= 0 GROUP BY sex",
    "SELECT n, count(*) FROM (SELECT person_id, count(DISTINCT name) AS n FROM drug WHERE dose >= 100 GROUP BY person_id) k GROUP BY n",
)
"""SQL over all that the grammar can say."""


def _visit(ward: str, **more: object) -> Event:
    return Event(table="visit", where=In(column="visit.ward", codes=(ward,)), **more)


_CALM = Event(table="visit", where=Not(term=Range(column="visit.lactate", low=4)))
COHORTS = {
    "first of two kinds": Cohort(entry=Entry(events=(_visit("er"), _visit("icu", first=True)))),
    "days, counts and ages": Cohort(
        entry=Entry(events=(_visit("er"),), first=False),
        steps=(
            Step(criteria=(Happened(event=_CALM, start=-200, end=-1), Happened(event=_visit("icu"), end=400, times="at_most", count=2))),
            Step(
                criteria=(Aged(low=30, birth="person.born"), Indexed(start=dt.date(2020, 1, 1), end=dt.date(2021, 7, 1))),
                any=True, first=True,
            ),
            Step(criteria=(Happened(event=Event(table="drug", where=In(column="drug.name", codes=("%s",)))),), exclude=True),
        ),
    ),
    "under observation": Cohort(
        entry=Entry(events=(_visit("day"),), observation=Observation(table="visit", start="start", end="start"), first=False),
        steps=(Step(criteria=(Happened(event=Event(table="visit"), times="exactly", count=1, observed=True),)),),
    ),
}  # fmt: skip
"""All that a cohort can say."""


def frames(seed: int = 7, persons: int = 600) -> dict[str, pd.DataFrame]:
    """The tables; equal for equal seeds."""
    rng = np.random.default_rng(seed)
    keys = np.array([str(i) if i % 3 else f"P{i:04}" for i in range(persons)], dtype=object)
    keys[:4] = ["007", "9223372036854775807", "9223372036854775808", "-0"]
    days = pd.to_datetime(rng.integers(-11_000, 11_000, persons), unit="D").date.astype(object)
    days[5] = dt.date(9999, 12, 31)
    person = pd.DataFrame({
        "person_id": keys,
        "sex": rng.choice(np.array(["F", "M", "X", None], object), persons, p=[0.5, 0.4, 0.04, 0.06]),
        "region": pd.array(rng.choice([1, 2, 3, 4, 99, -1], persons, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.05]), "Int64"),
        "smoker": pd.array(rng.random(persons) < 0.3, "boolean"),
        "age": pd.array(rng.integers(-3, 108, persons), "Int64"),
        "born": days,
    })  # fmt: skip
    person.loc[rng.random(persons) < 0.05, ["region", "age"]] = pd.NA
    person.loc[rng.random(persons) < 0.1, "smoker"] = pd.NA
    visits = 4 * persons
    visit = pd.DataFrame({
        "visit_id": np.arange(visits),
        "patient": rng.choice(keys, visits, p=_uneven(rng, persons)),
        "start": pd.Timestamp("2019-01-01") + pd.to_timedelta(rng.integers(0, 1100 * 24, visits), unit="h"),
        "ward": rng.choice(np.array(["icu", "er", "day", "hall"], object), visits, p=[0.1, 0.3, 0.55, 0.05]),
        "lactate": rng.normal(3, 4, visits).round(1),
        "ph": rng.normal(7.35, 0.2, visits).round(2),
    })  # fmt: skip
    visit.loc[rng.random(visits) < 0.1, "lactate"] = np.nan
    visit.loc[rng.random(visits) < 0.02, ["start", "ward"]] = None
    visit.loc[visits - 3 :, "patient"] = None
    drugs = 3 * persons
    of = rng.integers(0, visits - 3, drugs)
    drug = pd.DataFrame({
        "person_id": visit.patient.to_numpy()[of],
        "visit_id": of,
        "name": rng.choice(np.array(["x", "y's", "%s", "z"], object), drugs, p=[0.6, 0.2, 0.15, 0.05]),
        "dose": rng.gamma(2, 80, drugs).round(),
    })  # fmt: skip
    return {"person": person, "visit": visit, "drug": drug}


def parquet(folder: Path, tables: dict[str, pd.DataFrame]) -> Path:
    """The tables as a snapshot's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.to_parquet(folder / f"{name}.parquet", coerce_timestamps="us", allow_truncated_timestamps=True)
    return folder


def _uneven(rng: np.random.Generator, persons: int) -> np.ndarray:
    """Few persons have many visits, some have none."""
    weight = rng.pareto(1.5, persons)
    weight[rng.random(persons) < 0.1] = 0
    return weight / weight.sum()
