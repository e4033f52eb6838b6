"""Questions about a cohort: its persons' rows and nobody else's, whichever way the engine takes."""

import pytest
from cohort_world import CATALOGUE, DRUGS, LABS, Clinic, condition, drug, entered, frames, happened, lab, reference

from twinpane_broker.check.resolve import check
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.question.cohort import Cohort, Step
from twinpane_broker.question.plan import Plan
from twinpane_broker.sql import parse_sql

TABLES = frames(n=200, seed=3)
COHORT = Cohort(entry=entered(drug(*DRUGS[:2]), prior=30), steps=(Step(criteria=(happened(condition(), -300, 300),)),))


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A store of 200 persons."""
    return Clinic(tmp_path_factory.mktemp("clinic"), TABLES)


@pytest.fixture(scope="module")
def ask(clinic):
    """The evidence of a SELECT about a cohort, its persons as person ids."""
    engine = DuckEngine(clinic.file)

    def asked(sql, cohort=COHORT):
        plan = Plan.model_validate({**parse_sql(sql, CATALOGUE).model_dump(), "cohort": cohort.model_dump()})
        evidence = engine.measure(check(plan, CATALOGUE))
        return evidence, {index: clinic.ids(cell.who) for index, cell in evidence.cells.items() if cell.who}

    yield asked
    engine.close()


MEMBERS = set(reference(COHORT, TABLES))
PERSON, LAB = TABLES["person"], TABLES["measurement"]


def test_the_question_is_about_the_cohorts_persons(ask, clinic):
    """And what is left out is measured against everybody in the table."""
    evidence, _ = ask("select count(*) from person")
    assert clinic.ids(evidence.who) == MEMBERS
    assert len(evidence.population) == 200
    assert 20 < len(MEMBERS) < 180


def test_persons_are_split_as_without_a_cohort(ask):
    """By the index alone, where nobody has two rows."""
    _, cells = ask("select gender_concept_id, count(*) from person group by 1")
    by_sex = {sex: set(rows.person_id) & MEMBERS for sex, rows in PERSON.groupby("gender_concept_id")}
    assert list(cells.values())[:2] == [by_sex[8507], by_sex[8532]]


def test_events_are_those_of_the_cohorts_persons(ask):
    """Rows, sums and persons of a table of events."""
    evidence, cells = ask("select measurement_concept_id, count(*), avg(value_as_number) from measurement group by 1")
    own = LAB[LAB.person_id.isin(MEMBERS)]
    for index, code in enumerate(LABS):
        rows = own[own.measurement_concept_id == code]
        cell = evidence.cells[(index,)]
        assert (cell.rows, cells[(index,)]) == (len(rows), set(rows.person_id))
        assert cell.spreads[0].total == pytest.approx(rows.value_as_number.sum())


def test_a_cohort_goes_together_with_where_and_joins(ask, clinic):
    """Rows that the predicate holds for, of the cohort's persons."""
    evidence, _ = ask(
        "select count(*) from measurement m join person p on m.person_id = p.person_id "
        f"where gender_concept_id = 8532 and measurement_concept_id = {LABS[0]}"
    )
    women = set(PERSON[PERSON.gender_concept_id == 8532].person_id)
    rows = LAB[LAB.person_id.isin(MEMBERS & women) & (LAB.measurement_concept_id == LABS[0])]
    assert clinic.ids(evidence.who) == set(rows.person_id)
    assert evidence.cells[()].rows == len(rows)


def test_a_cohort_of_nobody_has_nobody(ask):
    """No error, and no cell that anybody is in."""
    nobody = Cohort(entry=entered(drug(DRUGS[0])), steps=(Step(criteria=(happened(drug(DRUGS[0]), 0, 0),), exclude=True),))
    evidence, cells = ask("select gender_concept_id, count(*) from person group by 1", nobody)
    assert (len(evidence.who), cells) == (0, {})


def test_two_cohorts_are_not_taken_for_each_other(ask, clinic):
    """What the engine keeps of one is not used for another of the same shape."""
    found = []
    for low in (2, 4, 6, 8):
        cohort = Cohort(entry=entered(drug()), steps=(Step(criteria=(happened(lab(low=low)),)),))
        evidence, _ = ask("select count(*) from person", cohort)
        assert clinic.ids(evidence.who) == set(reference(cohort, TABLES))
        found.append(frozenset(evidence.who))
    assert len(set(found)) == 4
