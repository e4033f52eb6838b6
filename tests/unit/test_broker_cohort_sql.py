"""Cohorts as SQL: the same persons and index dates as a slow reference that looks at one person after the other."""

from datetime import date

import pytest
from cohort_world import CONDITIONS, DRUGS, LABS, Clinic, both, condition, drug, entered, frames, happened, lab
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinpane_broker.question.cohort import Aged, Cohort, Event, Indexed, Step
from twinpane_broker.question.predicates import In, Missing, Not

METFORMIN, GLIPIZIDE, INSULIN = DRUGS
DIABETES, PRESSURE, INFARCTION = CONDITIONS
HBA1C, CREATININE = LABS
TABLES = frames(n=120, seed=7)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A store of 120 persons."""
    return Clinic(tmp_path_factory.mktemp("clinic"), TABLES)


def step(*criteria, **more):
    """A step without a name."""
    return Step(criteria=criteria, **more)


WOMEN = Event(table="person", where=In(column="person.gender_concept_id", codes=(8532,)))
COHORTS = {
    "first events": Cohort(entry=entered(drug(METFORMIN))),
    "any drug at all": Cohort(entry=entered(drug())),
    "several kinds of entry": Cohort(entry=entered(drug(METFORMIN), condition(INFARCTION))),
    "days of observation before": Cohort(entry=entered(drug(METFORMIN), prior=365)),
    "days of observation around": Cohort(entry=entered(drug(METFORMIN), prior=90, post=180, first=False)),
    "the first ever, under observation": Cohort(entry=entered(drug(METFORMIN, first=True), prior=365)),
    "a diagnosis at any time before": Cohort(entry=entered(drug()), steps=(step(happened(condition(DIABETES), None, 0)),)),
    "not on insulin before": Cohort(entry=entered(drug(METFORMIN)), steps=(step(happened(drug(INSULIN), None, -1), exclude=True),)),
    "at least two labs in a year": Cohort(entry=entered(condition()), steps=(step(happened(lab(HBA1C), -365, 0, count=2)),)),
    "at most one lab around": Cohort(entry=entered(condition()), steps=(step(happened(lab(), -200, 200, count=1, times="at_most")),)),
    "exactly one lab": Cohort(entry=entered(condition()), steps=(step(happened(lab(), None, None, count=1, times="exactly")),)),
    "none afterwards": Cohort(entry=entered(drug()), steps=(step(happened(condition(), 1, None, count=0, times="exactly")),)),
    "a high value on the day itself or later": Cohort(entry=entered(drug()), steps=(step(happened(lab(HBA1C, 7), 0, 365)),)),
    "within the same period of observation": Cohort(
        entry=entered(drug(), prior=0), steps=(step(happened(condition(), None, None, observed=True)),)
    ),
    "women": Cohort(entry=entered(drug()), steps=(step(happened(WOMEN)),)),
    "age by year of birth": Cohort(entry=entered(drug()), steps=(step(Aged(low=40, high=64)),)),
    "age by an approved code": Cohort(entry=entered(drug()), steps=(step(Aged(high=50, birth="person.decade")),)),
    "age by a date of birth": Cohort(entry=entered(drug()), steps=(step(Aged(low=50, birth="person.birth_date")),)),
    "not of an age": Cohort(entry=entered(drug()), steps=(step(Aged(low=50), exclude=True),)),
    "in a window of time": Cohort(entry=entered(drug(), first=False), steps=(step(Indexed(start=date(2016, 1, 1), end=date(2017, 7, 1))),)),
    "one of several": Cohort(entry=entered(drug()), steps=(step(Aged(low=70), happened(condition(DIABETES), -100, 100), any=True),)),
    "none of several": Cohort(
        entry=entered(drug()), steps=(step(Aged(low=70), happened(condition(DIABETES), -100, 100), any=True, exclude=True),)
    ),
    "the earliest that meets all": Cohort(
        entry=entered(drug(), first=False), steps=(step(happened(lab(), -60, 60)), step(happened(condition(), -400, 400)))
    ),
    "the earliest after a step": Cohort(
        entry=entered(drug(), first=False), steps=(step(happened(lab(), -60, 60), first=True), step(happened(condition(), -400, 400)))
    ),
    "the first of a history": Cohort(entry=entered(drug()), steps=(step(happened(condition(DIABETES, first=True), -365, 0)),)),
    "another date of the table": Cohort(
        entry=entered(condition(date="condition_end_date")), steps=(step(happened(lab(), 0, 30)), step(Indexed(end=date(2018, 1, 1))))
    ),
    "what is not known": Cohort(
        entry=entered(Event(table="drug_exposure", where=Missing(column="drug_exposure.drug_concept_id"))),
        steps=(step(happened(Event(table="person", where=Not(term=In(column="person.gender_concept_id", codes=(8507,)))))),),
    ),
}


@pytest.mark.parametrize("name", COHORTS)
def test_the_sql_finds_whom_the_reference_finds(clinic, name):
    """Every part of a cohort, by itself."""
    assert 0 < len(both(clinic, TABLES, COHORTS[name])) < 120


days = st.none() | st.integers(-800, 800)
codes = st.sets(st.sampled_from(DRUGS), max_size=2).map(sorted)
events = st.one_of(
    st.builds(lambda c, f: drug(*c, first=f), codes, st.booleans()),
    st.builds(lambda c, f: condition(*c, first=f), st.sets(st.sampled_from(CONDITIONS), max_size=2).map(sorted), st.booleans()),
    st.builds(lambda c, low: lab(c, low), st.none() | st.sampled_from(LABS), st.none() | st.integers(0, 19)),
)
windows = st.tuples(days, days).filter(lambda ends: None in ends or ends[0] <= ends[1])
happenings = st.builds(
    lambda event, ends, times, count, observed: happened(
        event, *ends, times=times, count=max(count, times == "at_least"), observed=observed
    ),
    events, windows, st.sampled_from(["at_least", "at_most", "exactly"]), st.integers(0, 3), st.booleans(),
)  # fmt: skip
ages = st.builds(lambda low: Aged(low=low), st.integers(20, 90)) | st.builds(lambda high: Aged(high=high), st.integers(20, 90))
indexed = st.builds(lambda y, m: Indexed(start=date(y, m, 1)), st.integers(2015, 2018), st.integers(1, 12))
steps = st.builds(
    lambda criteria, **flags: Step(criteria=tuple(criteria), **flags),
    st.lists(st.one_of(happenings, happenings, ages, indexed), min_size=1, max_size=3),
    any=st.booleans(), exclude=st.booleans(), first=st.booleans(),
)  # fmt: skip
cohorts = st.builds(
    lambda entries, prior, post, first, chosen: Cohort(entry=entered(*entries, prior=prior, post=post, first=first), steps=tuple(chosen)),
    st.lists(events, min_size=1, max_size=2), st.integers(0, 500), st.integers(0, 300), st.booleans(), st.lists(steps, max_size=2),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(cohort=cohorts)
def test_any_cohort_finds_whom_the_reference_finds(clinic, cohort):
    """Random entries, observation, steps, windows and counts."""
    both(clinic, TABLES, cohort)
