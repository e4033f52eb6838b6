"""The draft of GiBleed, a public OMOP data set: what a steward gets on the first try."""

import duckdb
import pytest

from harness.gibleed import GIBLEED
from twinpane_broker.catalogue.catalogue import Role
from twinpane_broker.rules.policy import Rules
from twinpane_kernel.twin import make_twin
from twinpane_site.draft import draft_catalogue


@pytest.fixture(scope="module")
def draft():
    return draft_catalogue(GIBLEED, "person_id", "alder", "GiBleed", Rules(threshold=10), "s1")


def test_sex_and_conditions_can_be_counted_at_once(draft):
    person, condition = draft.catalogue.table("person"), draft.catalogue.table("condition_occurrence")
    assert [c.value for c in person.column("gender_source_value").codes] == ["F", "M"]
    assert condition.column("condition_concept_id").role is Role.dimension
    assert "Osteoarthritis" in {c.label for c in condition.column("condition_concept_id").codes}


def test_every_code_is_held_by_ten_persons(draft):
    with duckdb.connect() as db:
        for table in draft.catalogue.tables:
            for column in table.visible:
                if column.role is not Role.dimension:
                    continue
                file = f"{GIBLEED}/{table.name}.parquet"
                held = dict(db.sql(f"select {column.name}, count(distinct person_id) from '{file}' group by 1").fetchall())
                assert all(held[c.value] >= 10 for c in column.codes), f"{table.name}.{column.name}"


def test_vocabulary_tables_are_skipped_with_a_note(draft):
    assert {t.name for t in draft.catalogue.tables} == {
        "condition_era",
        "condition_occurrence",
        "drug_era",
        "drug_exposure",
        "measurement",
        "observation",
        "observation_period",
        "person",
        "procedure_occurrence",
        "visit_occurrence",
    }
    assert any(note.startswith("concept: skipped") for note in draft.notes)


def test_persons_are_rounded_down(draft):
    assert draft.catalogue.persons == 2690


def test_its_twin_has_the_same_tables_and_visible_columns(draft):
    twin = make_twin([draft.catalogue], persons=200)
    assert {n: t.column_names for n, t in twin.items()} == {t.name: [c.name for c in t.visible] for t in draft.catalogue.tables}
