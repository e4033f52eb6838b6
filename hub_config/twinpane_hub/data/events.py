"""The event tables of a chunk of persons, in OMOP's columns and with readable names beside the concepts."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .arrays import Ints, constant, days, integers, strings
from .people import People
from .vocabulary import AGE_GROUP_STARTS, AGE_GROUPS, CONDITION, CONDITIONS, DRUGS, ETHNICITIES, LAB, LABS, RACES, SEXES, VISITS

_EHR = 32817  # OMOP: the record comes from an electronic health record


@dataclass(frozen=True)
class Visits:
    """The visits of a chunk, sorted by person. ``person`` is a row number in the chunk. Per person: ``first`` visit, and how ``many``."""

    ids: Ints
    person: Ints
    kind: Ints
    start: Ints
    end: Ints
    first: Ints
    many: Ints

    def of(self, person: Ints, rng: np.random.Generator) -> Ints:
        """For each row of ``person`` the index of one of that person's visits."""
        return self.first[person] + (rng.random(len(person)) * self.many[person]).astype(np.int64)


def draw_visits(people: People, per_person: float, first_id: int, rng: np.random.Generator) -> Visits:
    """Visits within each person's observation period. Sick persons come more often, and every person at least once."""
    burden = people.has.sum(axis=1)
    many = 1 + np.minimum(rng.poisson(per_person * (0.6 + 0.5 * burden)), 14)
    person = np.repeat(np.arange(len(people)), many)
    start = people.start[person] + (rng.random(len(person)) * (people.end - people.start)[person]).astype(np.int64)
    inpatient = 0.05 + 0.04 * np.minimum(burden[person], 6)
    draw = rng.random(len(person))
    kind = np.where(draw < inpatient, 2, np.where(draw < inpatient + 0.12, 1, 0))
    stay = np.where(kind == 2, rng.geometric(0.22, len(person)), 0)
    return Visits(
        ids=np.arange(first_id, first_id + len(person)),
        person=person,
        kind=kind,
        start=start,
        end=np.minimum(start + stay, people.end[person]),
        first=np.cumsum(many) - many,
        many=many,
    )


def person_table(people: People) -> pa.Table:
    """OMOP's person, with ``sex``, ``race``, ``age`` in years and ``age_group``."""
    born = people.born.astype("datetime64[D]")
    months = born.astype("datetime64[M]")
    years = born.astype("datetime64[Y]").astype(np.int64) + 1970
    male, hispanic = people.male.astype(np.int64), 1 - people.hispanic.astype(np.int64)
    group = np.searchsorted(AGE_GROUP_STARTS, people.age, side="right")
    return pa.table(
        {
            "person_id": pa.array(people.ids),
            "gender_concept_id": integers([s[0] for s in SEXES], male),
            "year_of_birth": pa.array(years),
            "month_of_birth": pa.array(months.astype(np.int64) % 12 + 1),
            "day_of_birth": pa.array((born - months).astype(np.int64) + 1),
            "race_concept_id": integers([r[0] for r in RACES], people.race),
            "ethnicity_concept_id": integers([e[0] for e in ETHNICITIES], hispanic),
            "person_source_value": record_numbers(people.ids),
            "gender_source_value": strings([s[2] for s in SEXES], male),
            "sex": strings([s[1] for s in SEXES], male),
            "race": strings([r[1] for r in RACES], people.race),
            "ethnicity": strings([e[1] for e in ETHNICITIES], hispanic),
            "age": pa.array(people.age),
            "age_group": strings(AGE_GROUPS, group),
        }
    )


def record_numbers(ids: Ints) -> pa.Array:
    """The medical record number of each person: an identifier that must stay hidden."""
    # A bijection of the numbers below 10^9, so that the results look unordered and never collide.
    return pc.binary_join_element_wise(pa.scalar("MRN"), pa.array((ids * 387420489 + 12345) % 1_000_000_007).cast(pa.string()), "-")


def observation_period_table(people: People) -> pa.Table:
    """One period per person."""
    return pa.table(
        {
            "observation_period_id": pa.array(people.ids),
            "person_id": pa.array(people.ids),
            "observation_period_start_date": days(people.start),
            "observation_period_end_date": days(people.end),
            "period_type_concept_id": constant(_EHR, len(people)),
        }
    )


def visit_table(people: People, visits: Visits) -> pa.Table:
    """OMOP's visit_occurrence with ``visit_name``."""
    return pa.table(
        {
            "visit_occurrence_id": pa.array(visits.ids),
            "person_id": pa.array(people.ids[visits.person]),
            "visit_concept_id": integers([v[0] for v in VISITS], visits.kind),
            "visit_start_date": days(visits.start),
            "visit_end_date": days(visits.end),
            "visit_type_concept_id": constant(_EHR, len(visits.ids)),
            "visit_name": strings([v[1] for v in VISITS], visits.kind),
        }
    )


def condition_table(people: People, visits: Visits, first_id: int, rng: np.random.Generator) -> pa.Table:
    """OMOP's condition_occurrence with ``condition_name``: each disease once or a few times, at one of the person's visits."""
    person, what = np.nonzero(people.has)
    times = 1 + np.minimum(rng.poisson(0.5, len(person)), 4)
    person, what = np.repeat(person, times), np.repeat(what, times)
    visit = visits.of(person, rng)
    return pa.table(
        {
            "condition_occurrence_id": pa.array(np.arange(first_id, first_id + len(person))),
            "person_id": pa.array(people.ids[person]),
            "condition_concept_id": integers([c.concept for c in CONDITIONS], what),
            "condition_start_date": days(visits.start[visit]),
            "condition_type_concept_id": constant(_EHR, len(person)),
            "visit_occurrence_id": pa.array(visits.ids[visit]),
            "condition_name": strings([c.name for c in CONDITIONS], what),
        }
    )


def drug_table(people: People, visits: Visits, first_id: int, rng: np.random.Generator) -> pa.Table:
    """OMOP's drug_exposure with ``drug_name``; a supply of 30 or 90 days from one of the person's visits."""
    person, what = np.nonzero(people.takes)
    times = 1 + np.minimum(rng.poisson(0.8, len(person)), 5)
    person, what = np.repeat(person, times), np.repeat(what, times)
    visit = visits.of(person, rng)
    supply = np.where(rng.random(len(person)) < 0.6, 30, 90)
    return pa.table(
        {
            "drug_exposure_id": pa.array(np.arange(first_id, first_id + len(person))),
            "person_id": pa.array(people.ids[person]),
            "drug_concept_id": integers([d.concept for d in DRUGS], what),
            "drug_exposure_start_date": days(visits.start[visit]),
            "drug_exposure_end_date": days(visits.start[visit] + supply),
            "drug_type_concept_id": constant(_EHR, len(person)),
            "days_supply": pa.array(supply),
            "visit_occurrence_id": pa.array(visits.ids[visit]),
            "drug_name": strings([d.name for d in DRUGS], what),
        }
    )


def measurement_table(people: People, visits: Visits, first_id: int, rng: np.random.Generator) -> pa.Table:
    """OMOP's measurement with values, ``unit_source_value`` and ``measurement_name``; 2 % of the values are missing."""
    chance = np.tile(np.array([0.12, 0.6, 0.25, 0.2, 0.4, 0.25]), (len(people), 1))
    chance[:, LAB["hemoglobin a1c"]] += 0.55 * people.has[:, CONDITION["type 2 diabetes"]]
    visit, what = np.nonzero(rng.random((len(visits.ids), len(LABS))) < chance[visits.person])
    person = visits.person[visit]
    spread = np.array([0.25, 6.0, 0.06, 9.0, 0.5, 0.35])[what]
    raw = people.level[person, what] + spread * rng.standard_normal(len(person))
    raw = np.clip(raw, np.array([lab.low for lab in LABS])[what], np.array([lab.high for lab in LABS])[what])
    scale = np.array([10.0**lab.decimals for lab in LABS])[what]
    value = np.rint(raw * scale) / scale
    return pa.table(
        {
            "measurement_id": pa.array(np.arange(first_id, first_id + len(person))),
            "person_id": pa.array(people.ids[person]),
            "measurement_concept_id": integers([lab.concept for lab in LABS], what),
            "measurement_date": days(visits.start[visit]),
            "measurement_type_concept_id": constant(_EHR, len(person)),
            "value_as_number": pa.array(value, mask=rng.random(len(person)) < 0.02),
            "unit_concept_id": integers([lab.unit_concept for lab in LABS], what),
            "visit_occurrence_id": pa.array(visits.ids[visit]),
            "unit_source_value": strings([lab.unit for lab in LABS], what),
            "measurement_name": strings([lab.name for lab in LABS], what),
        }
    )


def death_table(people: People) -> pa.Table:
    """OMOP's death with ``cause_name``: the gravest of the person's diseases, missing where there was none."""
    gravest = [
        CONDITION[name]
        for name in (
            "heart failure",
            "coronary heart disease",
            "chronic obstructive lung disease",
            "chronic kidney disease",
            "breast cancer",
            "prostate cancer",
            "type 2 diabetes",
        )
    ]
    dead = np.nonzero(people.dead)[0]
    ill = people.has[dead][:, gravest]
    cause = np.where(ill.any(axis=1), np.asarray(gravest)[ill.argmax(axis=1)], len(CONDITIONS))
    return pa.table(
        {
            "person_id": pa.array(people.ids[dead]),
            "death_date": days(people.end[dead]),
            "death_type_concept_id": constant(_EHR, len(dead)),
            "cause_concept_id": integers([*(c.concept for c in CONDITIONS), 0], cause),
            "cause_name": strings([*(c.name for c in CONDITIONS), None], cause),
        }
    )
