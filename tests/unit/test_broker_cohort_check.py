"""Cohorts as plans carry them: closed, bounded, and checked against the catalogue with reasons that say what to write instead."""

from datetime import date

import pytest
from cohort_world import CATALOGUE, CONDITIONS, DRUGS, bound, condition, drug, entered, happened, lab
from pydantic import ValidationError

from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.check.resolve import check
from twinpane_broker.errors import Refused
from twinpane_broker.question.cohort import Aged, Cohort, Entry, Event, Happened, Indexed, Observation, Step
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Not, Range, Window

METFORMIN = DRUGS[0]
PLAIN = Cohort(name="metformin", entry=entered(drug(METFORMIN)), steps=(Step(name="later", criteria=(happened(condition(), 0, 30),)),))


def plan(cohort):
    """How many persons are in it."""
    return Plan(table="person", cohort=cohort, measures=(measure_of("persons"),))


def test_a_cohort_goes_and_comes_as_json():
    """The canonical form reads back as the same cohort, by itself and in a plan."""
    assert Cohort.model_validate_json(PLAIN.canonical()) == PLAIN
    assert Plan.model_validate_json(plan(PLAIN).canonical()) == plan(PLAIN)


def test_names_do_not_make_another_question():
    """Renaming a cohort or a step cannot get a second opinion of the memory."""
    renamed = Cohort(name="other", entry=PLAIN.entry, steps=tuple(step.model_copy(update={"name": "x"}) for step in PLAIN.steps))
    assert plan(renamed).hash != plan(PLAIN).hash
    assert plan(renamed).question.hash == plan(PLAIN).question.hash
    assert bound(renamed).plan.hash == bound(PLAIN).plan.hash


def test_a_cohort_makes_another_question():
    """What is remembered for everybody is not told of a cohort."""
    assert plan(PLAIN).question.hash != plan(None).question.hash


@pytest.mark.parametrize(
    "raw",
    [
        {"entry": {"events": [{"table": "drug", "sql": "1=1"}]}},
        {"entry": {"events": []}},
        {"entry": {"events": [{"table": "drug"}] * 9}},
        {"entry": {"events": [{"table": "drug; drop"}]}},
        {"entry": {"events": [{"table": "drug", "where": {"op": "in", "column": "person.sex", "codes": ["F"]}}]}},
        {"entry": {"events": [{"table": "drug"}], "observation": {"prior_days": 3651}}},
        {"entry": {"events": [{"table": "drug"}], "observation": {"prior_days": -1}}},
        {"entry": {"events": [{"table": "drug"}]}, "exit": 30},
        {"entry": {"events": [{"table": "drug"}]}, "steps": [{"criteria": []}]},
        {"entry": {"events": [{"table": "drug"}]}, "steps": [{"criteria": [{"kind": "aged"}]}]},
        {"entry": {"events": [{"table": "drug"}]}, "steps": [{"criteria": [{"kind": "aged", "low": 1.5}]}]},
        {"entry": {"events": [{"table": "drug"}]}, "steps": [{"criteria": [{"kind": "aged", "low": 60, "high": 50}]}]},
        {"entry": {"events": [{"table": "drug"}]}, "steps": [{"criteria": [{"kind": "aged", "low": 40}]}] * 9},
        {"entry": {"events": [{"table": "drug"}]}, "steps": [{"criteria": [{"kind": "aged", "low": 40}] * 5}] * 2},
    ],
)  # fmt: skip
def test_what_is_no_cohort_is_refused(raw):
    """Unknown fields, empty lists, too many of anything, columns of other tables, numbers out of bounds."""
    with pytest.raises(ValidationError):
        Cohort.model_validate(raw)


@pytest.mark.parametrize("end", [3651, -3651, 0.5, "soon"])
def test_windows_are_whole_days_within_ten_years(end):
    """Nothing finer, nothing further."""
    criterion = {"kind": "happened", "event": {"table": "drug"}, "end": end}
    with pytest.raises(ValidationError):
        Happened.model_validate(criterion)


def test_a_criterion_that_says_nothing_is_refused():
    """At least 0 times holds for everybody; a window that ends before it begins for nobody."""
    for fields in ({"count": 0}, {"start": 1, "end": 0}):
        with pytest.raises(ValidationError):
            happened(drug(), **fields)


def test_comparisons_and_codes_are_bounded_over_the_whole_cohort():
    """Eight events cannot smuggle in eight times what one plan may say."""
    many = AnyOf(terms=tuple(Range(column="measurement.value_as_number", low=i) for i in range(8)))
    events = tuple(Event(table="measurement", where=many) for _ in range(4))
    Cohort(entry=Entry(events=events[:3]))
    with pytest.raises(ValidationError, match="comparisons"):
        Cohort(entry=Entry(events=events))
    listed = In(column="measurement.measurement_concept_id", codes=tuple(range(6000)))
    with pytest.raises(ValidationError, match="codes"):
        Cohort(entry=Entry(events=(Event(table="measurement", where=listed),) * 2))


def test_deep_nesting_in_an_event_is_refused_before_recursion():
    """A condition nested too deeply in an event is refused before anything recurses into it.

    Thousands of nested NOTs raise no RecursionError.
    """
    monster = {"op": "in", "column": "drug.name", "codes": ["x"]}
    for _ in range(20_000):
        monster = {"op": "not", "term": monster}
    raw = {"entry": {"events": [{"table": "drug", "where": monster}]}}
    with pytest.raises(ValidationError, match="deep"):
        Cohort.model_validate(raw)
    with pytest.raises(ValidationError, match="deep"):
        Plan.model_validate({"table": "person", "measures": [{"kind": "persons"}], "cohort": raw})


def test_the_first_date_of_a_table_tells_the_day():
    """Where a table has several, the one that follows no other."""
    settled = bound(PLAIN).plan.cohort
    assert settled.entry.events[0].date == "drug_exposure_start_date"
    assert settled.steps[0].criteria[0].event.date == "condition_start_date"


def test_a_table_without_days_can_be_asked_without_a_window():
    """Sex at any time; but not as an entry, nor in a window."""
    sex = Event(table="person", where=In(column="person.gender_concept_id", codes=(8532,)))
    settled = bound(Cohort(entry=entered(drug()), steps=(Step(criteria=(happened(sex),)),))).plan.cohort
    assert settled.steps[0].criteria[0].event.date is None


def without(table, *columns):
    """The catalogue without some columns of a table."""
    tables = [
        t.model_copy(update={"columns": tuple(c for c in t.columns if c.name not in columns)}) if t.name == table else t
        for t in CATALOGUE.tables
    ]
    return CATALOGUE.model_copy(update={"tables": tuple(t for t in tables if t.name != table or columns)})


@pytest.mark.parametrize(
    ("cohort", "says"),
    [
        (Cohort(entry=entered(Event(table="drug_exposures"))), "no table drug_exposures. Did you mean"),
        (Cohort(entry=entered(drug(999))), "999 is not an approved code"),
        (Cohort(entry=entered(drug(date="ref"))), "no column ref"),
        (Cohort(entry=entered(drug(date="drug_concept_id"))), "is a dimension, not a date"),
        (Cohort(entry=entered(Event(table="measurement", where=Range(column="measurement.value_as_number", low=6.51)))), "not an edge"),
        (Cohort(entry=entered(Event(table="drug_exposure", where=Window(
            column="drug_exposure.drug_exposure_start_date", start=date(2016, 1, 15))))), "begin and end with months"),
        (Cohort(entry=entered(drug()), steps=(Step(criteria=(happened(Event(
            table="person", where=Not(term=In(column="person.gender_concept_id", codes=(1,))))),)),)), "not an approved"),
        (Cohort(entry=entered(drug()), steps=(Step(name="age", criteria=(Aged(low=40, birth="person.weight"),)),)), r"Step 1 .*\(age\)"),
        (Cohort(entry=entered(drug()), steps=(Step(criteria=(Aged(low=40, birth="person.gender_concept_id"),)),)), "neither"),
        (Cohort(entry=entered(drug()), steps=(Step(criteria=(Aged(low=40, birth="person.ref"),)),)), "neither"),
        (Cohort(entry=entered(drug()), steps=(Step(criteria=(Indexed(start=date(2016, 1, 2)),)),)), "first of one. Write 2016-01-01"),
        (Cohort(entry=entered(drug()), steps=(Step(criteria=(Indexed(start=date(2016, 1, 1), end=date(2016, 1, 1)),)),)), "empty"),
        (Cohort(entry=Entry(events=(drug(),), observation=Observation(table="payer_plan_period"))), "no table payer_plan_period"),
    ],
)  # fmt: skip
def test_what_the_catalogue_forbids_is_refused_with_a_remedy(cohort, says):
    """What the catalogue does not allow is refused with what to write instead. The checks are those of WHERE, and the step is named."""
    with pytest.raises(Refused, match=says):
        bound(cohort)


def test_days_of_observation_need_their_table():
    """A site that has not approved observation_period says so, and what to do."""
    cohort = Cohort(entry=entered(drug(), prior=365))
    with pytest.raises(Refused, match="leave out prior_days"):
        check(plan(cohort), without("observation_period"))


def test_several_dates_without_an_order_must_be_named():
    """Nothing is guessed between two dates."""
    tables = tuple(
        t.model_copy(update={"columns": tuple(
            c.model_copy(update={"after": None, "name": c.name.replace("start_date", "onset")}) for c in t.columns)})
        if t.name == "condition_occurrence" else t
        for t in CATALOGUE.tables
    )  # fmt: skip
    cohort = Cohort(entry=entered(Event(table="condition_occurrence")))
    with pytest.raises(Refused, match="condition_onset, condition_end_date"):
        check(plan(cohort), CATALOGUE.model_copy(update={"tables": tables}))


def test_hidden_columns_do_not_exist_for_cohorts():
    """Not as a day, not in a predicate, not as a birth."""
    tables = tuple(
        t.model_copy(update={"columns": tuple(
            c.model_copy(update={"role": "hidden"}) if c.name in ("value_as_number", "measurement_date", "birth_date") else c
            for c in t.columns)})
        for t in CATALOGUE.tables
    )  # fmt: skip
    hidden = CATALOGUE.model_copy(update={"tables": tables})
    for cohort in (
        Cohort(entry=entered(Event(table="measurement", date="measurement_date"))),
        Cohort(entry=entered(Event(table="measurement"))),
        Cohort(entry=entered(drug()), steps=(Step(criteria=(happened(lab(low=5)),)),)),
        Cohort(entry=entered(drug()), steps=(Step(criteria=(Aged(low=5, birth="person.birth_date"),)),)),
    ):
        with pytest.raises(Refused):
            check(plan(cohort), hidden)


def test_a_cohort_until_a_step_has_the_steps_before_it():
    """What an attrition table asks."""
    assert PLAIN.until(0).steps == ()
    assert PLAIN.until(1) == PLAIN


def test_predicates_of_a_cohort_are_settled_as_where_is():
    """Ranges half-open, codes typed: equal questions in two spellings are one."""
    through = Event(table="person", where=AllOf(terms=(Range(column="person.year_of_birth", low=1940, high=1959, through=True),)))
    below = Event(table="person", where=AllOf(terms=(Range(column="person.year_of_birth", low=1940, high=1960),)))
    cohorts = [Cohort(entry=entered(condition(CONDITIONS[0])), steps=(Step(criteria=(happened(e),)),)) for e in (through, below)]
    assert len({bound(cohort).plan.hash for cohort in cohorts}) == 1
