"""ATLAS definitions (OHDSI Circe): the common part is read as the reference implementation means it, everything else is named."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from cohort_world import CATALOGUE, CONDITIONS, DRUGS, Clinic, both, bound, condition, drug, frames
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_broker.check.vocabulary import Vocabulary
from twinpane_broker.errors import Refused
from twinpane_broker.question.circe import read_circe
from twinpane_broker.question.cohort import Aged, Cohort, Ending, Entry, Happened, Indexed, Step
from twinpane_broker.question.predicates import AllOf, ConceptSet, Not, Range, Window

FOLDER = Path(__file__).parent / "circe"
T1, OLD = 201254, 314666
READ = (
    "new_users_of_metformin", "hypertension_in_women", "uncontrolled_diabetes", "infarction_after_hypertension",
    "admitted_with_an_infarction",
)  # fmt: skip
EMPTY = np.array([], dtype=np.int32)
VOCABULARY = Vocabulary(EMPTY, EMPTY)
"""One in which nothing lies below anything."""


def text(name):
    """A definition as ATLAS exports it."""
    return (FOLDER / f"{name}.json").read_text()


def read(name, **changes):
    """The cohort of a definition, some of its parts replaced."""
    return read_circe({**json.loads(text(name)), **changes}).cohort


def metformin(**changes):
    """The first definition with parts replaced: ``entry`` the criteria of its entry, ``rule`` the expression of its only rule."""
    raw = json.loads(text("new_users_of_metformin"))
    if "entry" in changes:
        raw["PrimaryCriteria"]["CriteriaList"] = changes.pop("entry")
    if "rule" in changes:
        raw["InclusionRules"] = [{"name": "rule", "expression": changes.pop("rule")}]
    return {**raw, **changes}


@pytest.mark.parametrize("name", READ)
def test_a_definition_becomes_a_cohort(name):
    """And its text a cohort again that is the same, by the canonical JSON."""
    cohort = read_circe(text(name), name).cohort
    assert cohort.name == name
    assert Cohort.model_validate_json(cohort.canonical()) == cohort


def test_entry_observation_and_rules_are_read():
    """First drug exposures after a year of observation; criteria with windows and counts; age."""
    made = read_circe(text("new_users_of_metformin"))
    entry, steps = made.cohort.entry, made.cohort.steps
    assert entry.first
    assert entry.events[0].first
    assert (entry.observation.prior_days, entry.observation.post_days) == (365, 0)
    assert [step.name for step in steps] == ["T2DM before", "no insulin in the year before", "adults"]
    before, without, adults = (step.criteria[0] for step in steps)
    assert (before.start, before.end, before.times, before.count, before.observed) == (None, 0, "at_least", 1, True)
    assert (without.start, without.end, without.times, without.count) == (-365, -1, "exactly", 0)
    assert adults == Aged(low=18)
    items = [(item.code, item.descendants, item.excluded) for item in before.event.where.items]
    assert items == [(T1, True, True), (CONDITIONS[0], True, False)]
    assert "(EndStrategy, CollapseSettings) is not kept" in made.notes[0]


def test_age_sex_and_date_at_entry_are_a_step():
    """Circe filters the entry events by them, and only then takes the first."""
    cohort = read("hypertension_in_women")
    assert not cohort.entry.first
    assert cohort.entry.events[0].first
    (step,) = cohort.steps
    assert step.first
    assert {type(criterion) for criterion in step.criteria} == {Aged, Happened, Indexed}
    sex = next(criterion for criterion in step.criteria if isinstance(criterion, Happened))
    assert sex.event.where.column == "person.gender_concept_id"


def test_values_and_any_of_several_criteria_are_read():
    """A measurement from 7 on; one of two criteria, anywhere in the data."""
    cohort = read("uncontrolled_diabetes")
    assert isinstance(cohort.entry.events[0].where, AllOf)
    assert cohort.entry.events[0].where.terms[1] == Range(column="measurement.value_as_number", low=7)
    assert not cohort.entry.first
    (step,) = cohort.steps
    assert step.any
    assert [criterion.observed for criterion in step.criteria] == [False, False]
    assert [criterion.count for criterion in step.criteria] == [1, 2]


def test_additional_criteria_come_before_the_rules():
    """And the earliest event that meets them is the one that the rules are asked of."""
    cohort = read("infarction_after_hypertension")
    assert [step.name for step in cohort.steps] == ["additional criteria", "measured within half a year", "few drugs"]
    assert [step.first for step in cohort.steps] == [True, False, False]
    assert str(cohort.steps[1].criteria[1].end) == "2018-06-01"
    assert cohort.steps[2].criteria[0].times == "at_most"
    assert not any(step.first for step in read("infarction_after_hypertension", QualifiedLimit={"Type": "All"}).steps)


def test_inner_groups_eras_and_filters_are_read():
    """ANY inside ALL is a step of its own; at most 0 of several leaves out whoever has any."""
    cohort = read("admitted_with_an_infarction")
    infarction, lisinopril, neither = cohort.steps
    assert infarction.criteria[0].event.table == "condition_era"
    assert (lisinopril.any, lisinopril.exclude, len(lisinopril.criteria)) == (True, False, 2)
    assert (neither.any, neither.exclude) == (True, True)
    columns = {leaf.column for leaf in lisinopril.criteria[1].event.where.terms}
    assert columns == {"drug_exposure.drug_concept_id", "drug_exposure.route_concept_id", "drug_exposure.days_supply"}


def test_all_that_is_not_supported_is_named_in_one_refusal():
    """Everything that is not supported is named by its key path in one refusal, with like things together."""
    with pytest.raises(Refused) as refused:
        read_circe(text("what_is_not_supported"))
    for path in (
        "CensorWindow", "CensoringCriteria", "ConceptSets[…].expression.items[…].includeMapped (2 times)",
        "PrimaryCriteria.CriteriaList[0].DrugExposure.ProviderSpecialty",
        "PrimaryCriteria.CriteriaList[1].PayerPlanPeriod", "PrimaryCriteria.PrimaryCriteriaLimit.Type Last",
        "InclusionRules[0].expression.CriteriaList[0].RestrictVisit",
        "InclusionRules[0].expression.CriteriaList[0].Criteria.ConditionOccurrence.Age", "StartWindow.Start (further than 3,650 days",
        "InclusionRules[1].expression.CriteriaList[0].StartWindow.UseEventEnd", "StartWindow.End (open towards the wrong side)",
        "InclusionRules[1].expression.Type AT_LEAST 2", "InclusionRules[2].expression.CriteriaList[0].Occurrence.IsDistinct",
    ):  # fmt: skip
        assert path in str(refused.value)


def test_where_time_in_the_cohort_ends_is_not_who_is_in_it():
    """An era of drugs is as good as an offset: the cohort is the same, and a note says what is left out."""
    era = {"CustomEra": {"DrugCodesetId": 0, "GapDays": 30, "Offset": 0}}
    plain, made = read_circe(metformin(EndStrategy={}, CollapseSettings={})), read_circe(metformin(EndStrategy=era, CollapseSettings={}))
    assert made.cohort == plain.cohort
    assert [note for note in made.notes if note not in plain.notes] == [
        "Where a person's time in the cohort ends (EndStrategy, CollapseSettings) is not kept: it does not change who is in it."
    ]


def test_a_mark_of_the_encoding_is_no_error():
    """As Windows programs write it, in text and in bytes."""
    assert read_circe("\ufeff" + text(READ[0])) == read_circe(text(READ[0])) == read_circe(b"\xef\xbb\xbf" + text(READ[0]).encode())


def test_a_window_of_last_days_is_read(clinic):
    """An event that also ends around the index date; who it finds is whom the reference finds."""
    window = {"Start": {"Days": 0, "Coeff": -1}, "End": {"Days": 20, "Coeff": 1}, "UseEventEnd": True}
    rule = {"Type": "ALL", "CriteriaList": [{**CRITERION, "EndWindow": window}]}
    made = read_circe(metformin(rule=rule)).cohort
    (happened,) = made.steps[-1].criteria
    assert (happened.ending.date, happened.ending.start, happened.ending.end) == ("condition_end_date", 0, 20)
    for days in ((0, 300), (None, 5), (-3, None)):
        ending = Ending(date="condition_end_date", start=days[0], end=days[1])
        for least in (1, 2):
            near = Happened(event=condition(), start=-900, end=900, ending=ending, count=least)
            cohort = Cohort(entry=Entry(events=(drug(),), first=False), steps=(Step(criteria=(near,)),))
            assert both(clinic, TABLES, cohort)
    with pytest.raises(Refused, match="not of an event's last day"):
        read_circe(metformin(rule={"Type": "ALL", "CriteriaList": [{**CRITERION, "EndWindow": {**window, "UseEventEnd": False}}]}))


def test_criteria_around_an_entry_event_are_a_step():
    """They are counted from its own day, which is the index date; the first entry is the first that meets them."""
    window = {"Start": {"Days": 30, "Coeff": -1}, "End": {"Days": 0, "Coeff": 1}}
    around = {"Type": "ALL", "CriteriaList": [{**CRITERION, "StartWindow": window}]}
    made = read_circe(metformin(entry=[{"DrugExposure": {"CodesetId": 0, "CorrelatedCriteria": around}}])).cohort
    plain = read_circe(metformin(entry=[{"DrugExposure": {"CodesetId": 0}}])).cohort
    (criterion,) = made.steps[0].criteria
    assert (criterion.event.table, criterion.start, criterion.end, criterion.count) == ("condition_occurrence", -30, 0, 1)
    assert criterion.observed
    assert made.steps[0].first
    assert not made.entry.first
    assert made.steps[1:] == plain.steps


CRITERION = {
    "Criteria": {"ConditionOccurrence": {"CodesetId": 1}}, "StartWindow": {"Start": {"Coeff": -1}, "End": {"Coeff": 1}},
    "Occurrence": {"Type": 2, "Count": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"Unheard": {"a": 1}}, "Unheard"),
        ({"entry": [{"DrugExposure": {"CodesetId": 0, "Unheard": 3}}]}, "DrugExposure.Unheard"),
        ({"entry": [{"DrugExposure": {"CodesetId": 0, "First": True, "Quantity": {"Value": 1, "Op": "gt"}}}]}, "together with First"),
        ({"entry": [{"DrugExposure": {"CodesetId": 0, "Age": {"Value": 1, "Op": "gt"}}}, {"DrugExposure": {}}]}, "not the same for all"),
        ({"entry": [{"DrugExposure": {"CodesetId": 0}}] * 9}, "9 entry events, more than 8"),
        ({"entry": [{"DrugExposure": {"CodesetId": 0, "Age": {"Value": 1, "Extent": 2, "Op": "!bt"}}}]}, "Age.Op !bt"),
        ({"rule": {"Type": "ALL", "CriteriaList": [CRITERION] * 9}}, "9 criteria, more than 8"),
        ({"InclusionRules": [{"expression": {"Type": "ALL", "CriteriaList": [CRITERION] * 5}}] * 2}, "10 criteria, more than 8"),
        ({"rule": {"Type": "ANY", "CriteriaList": [CRITERION], "Groups": [{"Type": "ALL", "CriteriaList": [CRITERION] * 2}]}}, "Groups[0]"),
        ({"rule": {"Type": "ANY", "DemographicCriteriaList": [
            {"Age": {"Value": 1, "Op": "gt"}, "Gender": [{"CONCEPT_ID": 8532}]}]}}, "DemographicCriteriaList"),
        ({"rule": {"Type": "ALL", "CriteriaList": [{**CRITERION, "Unheard": 1}]}}, "CriteriaList[0].Unheard"),
        ({"rule": {"Type": "AT_MOST", "Count": 1, "CriteriaList": [CRITERION]}}, "Type AT_MOST 1"),
    ],
)  # fmt: skip
def test_no_part_is_left_out_in_silence(change, names):
    """Unknown keys, and combinations that would mean something else here."""
    with pytest.raises(Refused) as refused:
        read_circe(metformin(**change))
    assert names in str(refused.value)


@pytest.mark.parametrize("nothing", [None, False, "", [], {}])
def test_keys_that_say_nothing_are_no_hindrance(nothing):
    """ATLAS writes empty CensoringCriteria, false flags, and null."""
    read_circe(metformin(CensoringCriteria=nothing, CensorWindow=nothing, Unheard=nothing))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "not JSON"), ("{", "not JSON"), ("[" * 100_000, "not JSON"), ("[]", "not a Circe"), ("{}", "not a Circe"), ('"x"', "not JSON"),
        ("x" * 5_000_001, "larger"), ({"PrimaryCriteria": []}, "PrimaryCriteria is missing"), ({"PrimaryCriteria": {}}, "is empty"),
        ({"PrimaryCriteria": {"CriteriaList": [3]}}, "not a list of objects"), ({"PrimaryCriteria": {"CriteriaList": [{}]}}, "one key"),
        ({"PrimaryCriteria": {"CriteriaList": [{"DrugExposure": {"CodesetId": 7}}]}}, "names the concept set 7"),
        (metformin(entry=[{"Measurement": {"ValueAsNumber": {"Op": "gt"}}}]), "not a range"),
        (metformin(entry=[{"Measurement": {"ValueAsNumber": {"Op": "≈", "Value": 1}}}]), "does not have"),
        (metformin(entry=[{"Measurement": {"Unit": [{"NAME": "x"}]}}]), "CONCEPT_ID"),
        (metformin(ConceptSets=[{"id": 0, "expression": {"items": []}}]), "puts no concept in"),
        (metformin(ConceptSets=[{"id": 0}]), "expression is missing"),
        (metformin(rule={"CriteriaList": [{**CRITERION, "Occurrence": {"Type": 7, "Count": 1}}]}), "0, 1 and 2"),
        (metformin(rule={"CriteriaList": [{**CRITERION, "Occurrence": {"Type": 2, "Count": 1000}}]}), "less than or equal to 100"),
    ],
)  # fmt: skip
def test_what_is_not_circe_is_refused_with_its_place(source, says):
    """Never another error, whatever the text."""
    with pytest.raises(Refused, match=says):
        read_circe(source)


def test_a_definition_as_webapi_gives_it_is_unwrapped():
    """With its name, the expression an object or a text."""
    raw = json.loads(text("new_users_of_metformin"))
    for expression in (raw, json.dumps(raw)):
        assert read_circe(json.dumps({"id": 7, "name": "from WebAPI", "expression": expression})).cohort.name == "from WebAPI"


def test_dates_types_and_exclusions_become_predicates():
    """As columns of the same table."""
    raw = metformin(entry=[{"ConditionOccurrence": {
        "CodesetId": 1, "OccurrenceStartDate": {"Value": "2016-01-01", "Extent": "2016-12-31", "Op": "bt"},
        "OccurrenceEndDate": {"Value": "2017-01-01", "Op": "lt"}, "ConditionType": [{"CONCEPT_ID": 38000177}], "ConditionTypeExclude": True,
        "ConditionStatusCS": {"CodesetId": 2, "IsExclusion": True}, "ConditionSourceConcept": 1,
    }}])  # fmt: skip
    terms = read_circe(raw).cohort.entry.events[0].where.terms
    windows = {term.column: term for term in terms if isinstance(term, Window)}
    assert windows["condition_occurrence.condition_start_date"].through
    assert str(windows["condition_occurrence.condition_end_date"].end) == "2017-01-01"
    assert {term.term.column for term in terms if isinstance(term, Not)} == {
        "condition_occurrence.condition_type_concept_id", "condition_occurrence.condition_status_concept_id",
    }  # fmt: skip
    assert "condition_occurrence.condition_source_concept_id" in {term.column for term in terms if isinstance(term, ConceptSet)}


TABLES = frames(n=150, seed=11)
ON_THE_CLINIC = [name for name in READ if name != "admitted_with_an_infarction"]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """A store with the tables of the clinic."""
    return Clinic(tmp_path_factory.mktemp("clinic"), TABLES)


@pytest.mark.parametrize("name", ON_THE_CLINIC)
def test_a_definition_finds_whom_the_reference_finds(clinic, name):
    """Checked against the catalogue, resolved, run as SQL, and compared person by person."""
    cohort = bound(read_circe(text(name)).cohort, VOCABULARY).plan.cohort
    assert both(clinic, TABLES, cohort)


def test_a_site_without_the_tables_says_which():
    """Statically, before anything is counted."""
    with pytest.raises(Refused, match="no table visit_occurrence"):
        bound(read_circe(text("admitted_with_an_infarction")).cohort, VOCABULARY)
    assert CATALOGUE.table("drug_exposure").column("drug_concept_id").codes[0].value == DRUGS[0]


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-10**9, 10**9), st.floats(), st.text(max_size=5), st.just([]), st.just({}), st.just([1]),
    st.just({"Type": "ALL"}), st.just([{"CONCEPT_ID": 1}]), st.just({"Value": 1, "Op": "bt"}), st.just(10**40), st.just("9" * 400),
)  # fmt: skip


def places(node, path=()):
    """Every place in a definition."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def put(node, path, value):
    """A copy with another value at one place."""
    if not path:
        return value
    copied = dict(node) if isinstance(node, dict) else list(node)
    copied[path[0]] = put(node[path[0]], path[1:], value)
    return copied


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_definition_is_read_or_refused(data):
    """A damaged definition is read as a cohort, or refused with a reason. Nothing else happens, whatever stands at whatever place."""
    raw = json.loads(text(data.draw(st.sampled_from((*READ, "what_is_not_supported")))))
    for _ in range(data.draw(st.integers(1, 3))):
        raw = put(raw, data.draw(st.sampled_from(list(places(raw)))), data.draw(ODD))
    with suppress(Refused):
        made = read_circe(raw).cohort
        assert Cohort.model_validate_json(made.canonical()) == made
