"""Code sets with descendants: resolved at the site, to approved codes and to those that are too rare to be approved."""

import numpy as np
import pandas as pd
import pytest
from cohort_world import CATALOGUE, CONDITIONS, bound, drug, entered

from harness.gibleed import GIBLEED
from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.catalogue.catalogue import Code, Column
from twinpane_broker.check.resolve import check
from twinpane_broker.check.vocabulary import Vocabulary, codes_of
from twinpane_broker.errors import EngineError, Refused
from twinpane_broker.question.cohort import Cohort, Event
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import Concept, ConceptSet, In

DIABETES, PRESSURE, INFARCTION = CONDITIONS
CARDIAC, EVERYTHING = 134057, 441840
COLUMN = "condition_occurrence.condition_concept_id"


def write(folder, pairs, names=None):
    """The vocabulary's tables as Parquet files."""
    columns = ["ancestor_concept_id", "descendant_concept_id"]
    pd.DataFrame(pairs, columns=columns).astype("int32").to_parquet(folder / "concept_ancestor.parquet")
    if names:
        pd.DataFrame(names, columns=["concept_id", "concept_name"]).to_parquet(folder / "concept.parquet")
    return folder


@pytest.fixture
def vocabulary(tmp_path):
    """Everything, cardiac diseases, and codes that no site approved."""
    pairs = [(EVERYTHING, c) for c in (*CONDITIONS, CARDIAC, 7, EVERYTHING)] + [(CARDIAC, c) for c in (PRESSURE, INFARCTION, 7, CARDIAC)]
    return Vocabulary.load(write(tmp_path, pairs, [(CARDIAC, "Cardiac disease"), (7, "A rare disease")]))


def settled(term, vocabulary=None):
    """What a site makes of a term in WHERE."""
    return check(Plan(table="condition_occurrence", where=term, measures=(measure_of("count"),)), CATALOGUE, vocabulary).plan.where


def test_a_code_stands_for_all_below_it(vocabulary):
    """What is approved of it counts, and what is not; the code itself need not be."""
    assert set(settled(In(column=COLUMN, codes=(CARDIAC,), descendants=True), vocabulary).codes) == {PRESSURE, INFARCTION, CARDIAC, 7}
    assert settled(In(column=COLUMN, codes=(DIABETES,), descendants=True), vocabulary).codes == (DIABETES,)


def test_the_identity_of_a_code_set_does_not_tell_what_is_held(tmp_path, vocabulary):
    """A question with one has the same digest whichever rare codes the data hold: releases carry what follows from it."""
    narrow = Vocabulary.load(tmp_path, only=codes_of(CATALOGUE))
    plan = Plan(table="condition_occurrence", where=In(column=COLUMN, codes=(CARDIAC,), descendants=True), measures=(measure_of("count"),))
    one, other = check(plan, CATALOGUE, vocabulary), check(plan, CATALOGUE, narrow)
    assert one.plan.where != other.plan.where
    assert one.identity == other.identity


def test_a_set_that_the_column_cannot_hold_is_refused_and_named(vocabulary):
    """Statically, with the vocabulary's name for it."""
    items = (Concept(code=7), Concept(code=7, excluded=True))
    with pytest.raises(Refused, match="7 A rare disease"):
        settled(ConceptSet(column=COLUMN, items=items), vocabulary)


def test_without_a_vocabulary_descendants_are_refused():
    """And it says what to do."""
    with pytest.raises(Refused, match="no vocabulary"):
        settled(In(column=COLUMN, codes=(DIABETES,), descendants=True))


def test_columns_without_concepts_have_no_descendants(vocabulary):
    """Texts are not concept ids; measures and dates have no codes."""
    text = Column(name="ward", type="varchar", role="dimension", codes=({"value": "icu", "share": 1},))
    table = CATALOGUE.table("condition_occurrence")
    catalogue = CATALOGUE.model_copy(update={"tables": (table.model_copy(update={"columns": (*table.columns, text)}),)})
    plan = Plan(table=table.name, where=In(column=f"{table.name}.ward", codes=("icu",), descendants=True), measures=(measure_of("count"),))
    with pytest.raises(Refused, match="does not hold concept ids"):
        check(plan, catalogue, vocabulary)


def test_a_concept_set_puts_in_and_takes_out(vocabulary):
    """As ATLAS has them: with and without descendants, included and excluded, approved or not."""
    items = (Concept(code=EVERYTHING, descendants=True), Concept(code=CARDIAC, descendants=True, excluded=True), Concept(code=12345))
    assert set(settled(ConceptSet(column=COLUMN, items=items), vocabulary).codes) == {DIABETES, EVERYTHING, 12345}
    only = ConceptSet(column=COLUMN, items=(Concept(code=CARDIAC), Concept(code=PRESSURE)))
    assert settled(only, vocabulary) == settled(only)
    assert set(settled(only).codes) == {CARDIAC, PRESSURE}
    nothing = (Concept(code=CARDIAC), Concept(code=EVERYTHING, descendants=True, excluded=True))
    with pytest.raises(Refused, match="No approved code"):
        settled(ConceptSet(column=COLUMN, items=nothing), vocabulary)


def test_events_of_a_cohort_have_descendants_too(vocabulary):
    """The site resolves the whole plan."""
    event = Event(table="condition_occurrence", where=In(column=COLUMN, codes=(CARDIAC,), descendants=True))
    assert bound(Cohort(entry=entered(event)), vocabulary).plan.cohort.entry.events[0].where.codes == (7, CARDIAC, PRESSURE, INFARCTION)
    with pytest.raises(Refused):
        bound(Cohort(entry=entered(event, drug())))


def test_a_cohort_may_stand_for_more_codes_than_a_plan_lists(tmp_path):
    """A cohort's code sets may stand for more codes than a plan may list.

    Two events of six thousand codes each are two lines in the plan.
    """
    many = tuple(range(10_001, 16_001))
    tables = [
        table.model_copy(update={"columns": tuple(
            c.model_copy(update={"codes": tuple(Code(value=code, share=0) for code in many)}) if c.name == "condition_concept_id" else c
            for c in table.columns)})
        for table in CATALOGUE.tables
    ]  # fmt: skip
    catalogue = CATALOGUE.model_copy(update={"tables": tuple(tables)})
    vocabulary = Vocabulary.load(write(tmp_path, [(EVERYTHING, code) for code in many]))
    event = Event(table="condition_occurrence", where=In(column=COLUMN, codes=(EVERYTHING,), descendants=True))
    plan = Plan(table="person", cohort=Cohort(entry=entered(event, event)), measures=(measure_of("persons"),))
    assert [len(one.where.codes) for one in check(plan, catalogue, vocabulary).plan.cohort.entry.events] == [6001, 6001]


def test_a_vocabulary_can_be_narrowed_to_the_catalogues_codes(tmp_path, vocabulary):
    """Only what lies above approved codes is kept, and gives the same answers."""
    narrow = Vocabulary.load(tmp_path, only=codes_of(CATALOGUE))
    assert len(narrow.below) == 5 < len(vocabulary.below)
    term = In(column=COLUMN, codes=(CARDIAC,), descendants=True)
    assert set(settled(term, narrow).codes) == set(settled(term, vocabulary).codes) - {7}


def test_large_codes_are_kept(tmp_path):
    """Ids beyond 32 bits do not wrap around onto other concepts."""
    big = 2**32 + DIABETES
    frame = pd.DataFrame({"ancestor_concept_id": [big, 5], "descendant_concept_id": [PRESSURE, big]})
    frame.to_parquet(tmp_path / "concept_ancestor.parquet")
    vocabulary = Vocabulary.load(tmp_path)
    assert vocabulary.under(big).tolist() == [PRESSURE]
    assert vocabulary.under(DIABETES).tolist() == []
    assert settled(In(column=COLUMN, codes=(big,), descendants=True), vocabulary).codes == (PRESSURE,)


@pytest.mark.parametrize("code", [2**70, -(2**63), True, 1.5, "201826"])
def test_codes_that_are_no_concepts_are_simply_not_found(vocabulary, code):
    """No overflow, and true is not 1."""
    with pytest.raises(Refused, match="No approved code"):
        settled(In(column=COLUMN, codes=(code,), descendants=True), vocabulary)


def test_a_vocabulary_is_frozen(vocabulary):
    """Threads share it."""
    with pytest.raises(ValueError, match="read-only"):
        vocabulary.below[0] = 1


def test_no_file_is_no_vocabulary_and_another_file_is_an_error(tmp_path):
    """A steward hears what is wrong with it."""
    assert Vocabulary.load(tmp_path) is None
    (tmp_path / "concept_ancestor.parquet").write_bytes(b"not parquet")
    with pytest.raises(EngineError, match="ancestor_concept_id"):
        Vocabulary.load(tmp_path)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "concept_ancestor.parquet")
    with pytest.raises(EngineError, match="ancestor_concept_id"):
        Vocabulary.load(tmp_path)


def test_missing_and_unordered_pairs_are_read(tmp_path):
    """Rows without an ancestor or a descendant are dropped."""
    frame = pd.DataFrame({"ancestor_concept_id": [5, None, 3, 5], "descendant_concept_id": [1, 2, 9, None]}).astype("Int64")
    frame.to_parquet(tmp_path / "concept_ancestor.parquet")
    vocabulary = Vocabulary.load(tmp_path)
    assert vocabulary.ancestors.tolist() == [3, 5]
    assert vocabulary.ancestors.dtype == np.int32


def test_gibleeds_vocabulary_is_read():
    """65,690 pairs; acetaminophen's products lie below the ingredient."""
    vocabulary = Vocabulary.load(GIBLEED)
    assert len(vocabulary.below) == 65_690
    assert {1127433, 40162522} & set(vocabulary.under(1125315).tolist())
    assert vocabulary.name(1125315) == "Acetaminophen"
