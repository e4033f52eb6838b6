"""What role the draft gives each column, and what it says when the data cannot be drafted from."""

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pytest

from twinpane_broker.catalogue.catalogue import ColumnType, Role
from twinpane_broker.catalogue.edges import grid_of, is_edge, nearest_edges, step_of
from twinpane_broker.check.narrowed import narrowed
from twinpane_broker.question.predicates import In
from twinpane_broker.rules.policy import Rules
from twinpane_hub.data.make import make_data
from twinpane_site.draft import DraftError, draft_catalogue, names
from twinpane_site.errors import ConfigError

RULES = Rules(threshold=10)
N = 400


def _draft(source, key="person_id"):
    return draft_catalogue(source, key, "alder", "Alder", RULES, "s1")


@pytest.fixture(scope="module")
def metro(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metro")
    make_data(folder, 4000, seed=1)
    return _draft(folder)


def _roles(table):
    return {c.name: c.role for c in table.columns}


@pytest.mark.slow
def test_values_decide_a_columns_role(metro):
    """Few distinct values make a dimension, numbers a measure, dates a date."""
    roles = _roles(metro.catalogue.table("person")) | _roles(metro.catalogue.table("measurement"))
    assert roles["sex"] == roles["race_concept_id"] == roles["age_group"] == roles["measurement_name"] == Role.dimension
    assert roles["age"] == roles["year_of_birth"] == roles["value_as_number"] == Role.measure
    assert roles["measurement_date"] == Role.date


def test_identifiers_and_free_text_are_hidden_at_first(metro):
    """Identifiers and free text are hidden until the steward says otherwise."""
    hidden = {f"{t.name}.{c.name}" for t in metro.catalogue.tables for c in t.columns if c.role is Role.hidden}
    assert hidden == {"person.person_source_value", "person.month_of_birth", "person.day_of_birth", "note.note_text"}
    assert all(any(note.startswith(f"{name}: hidden") for note in metro.notes) for name in hidden)


def test_keys_that_join_are_found_by_name(metro):
    visit = metro.catalogue.table("measurement").column("visit_occurrence_id")
    assert (visit.role, visit.references) == (Role.key, "visit_occurrence.visit_occurrence_id")
    assert metro.catalogue.table("measurement").column("person_id").references == "person.person_id"
    assert metro.catalogue.table("person").column("person_id").references is None
    assert metro.catalogue.table("measurement").column("measurement_id").references is None


def test_names_units_and_sources_follow_and_label_their_code(metro):
    """Names, units and source values follow their code and label it."""
    labs = metro.catalogue.table("measurement")
    assert {c.value: c.label for c in labs.column("measurement_concept_id").codes}[3004410] == "hemoglobin a1c"
    assert labs.column("measurement_name").follows == "measurement_concept_id"
    assert {g.code: g.value for g in labs.column("unit_source_value").given}[3004410] == "%"
    assert metro.catalogue.table("person").column("gender_source_value").follows == "gender_concept_id"


def test_a_lab_value_has_knots_for_each_lab_and_bounds_for_all(metro):
    value = metro.catalogue.table("measurement").column("value_as_number")
    knots = {g.code: g.knots for g in value.given}
    assert 4 < knots[3004410][0] < knots[3004410][-1] < 11
    assert 90 < knots[3004249][0] < knots[3004249][-1] < 170
    assert all(value.bounds[0] <= k[0] and k[-1] <= value.bounds[1] for k in knots.values())


def test_an_end_is_after_its_start(metro):
    assert metro.catalogue.table("visit_occurrence").column("visit_end_date").after == "visit_start_date"
    assert metro.catalogue.table("visit_occurrence").column("visit_start_date").after is None


def test_an_end_before_its_start_is_not_said_to_follow_it(tmp_path):
    """If an end comes before its start for enough persons, the catalogue does not say that it follows."""
    start = pd.Series([dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(N)])
    turned = pd.Series([day - dt.timedelta(days=400 if i < 10 else 0) for i, day in enumerate(start)])
    pd.DataFrame({"person_id": range(N), "x_start_date": start, "x_end_date": turned}).to_parquet(tmp_path / "person.parquet")
    assert _draft(tmp_path).catalogue.table("person").column("x_end_date").after is None


@pytest.mark.parametrize(
    "name",
    [
        "first_name",
        "Patient_Name",
        "mrn",
        "patient_mrn",
        "ssn",
        "zip",
        "zip_code",
        "home_address",
        "phone",
        "email",
        "birth_date",
        "dob",
        "day_of_birth",
        "hospital_number",
        "HospitalNo",
        "nhsno",
        "chi_number",
        "pid",
        "PATIENT_NUMBER",
    ],
)
def test_a_column_named_like_an_identifier_is_always_hidden(tmp_path, name):
    """A column named like an identifier is hidden, whatever it holds."""
    pd.DataFrame({"person_id": range(N), name: [1, 2] * (N // 2)}).to_parquet(tmp_path / "person.parquet")
    assert _draft(tmp_path).catalogue.tables[0].columns[1].role is Role.hidden


@pytest.mark.parametrize("name", ["condition_name", "drug_name", "race", "arm", "state"])
def test_a_readable_code_name_is_not_taken_for_an_identifier(tmp_path, name):
    """A readable name of a code is not taken for an identifier."""
    pd.DataFrame({"person_id": range(N), name: ["a", "b"] * (N // 2)}).to_parquet(tmp_path / "person.parquet")
    assert _draft(tmp_path).catalogue.tables[0].columns[1].role is Role.dimension


@pytest.mark.parametrize("name", ["patientid", "ENCOUNTER_KEY", "ward_no", "stay_number", "row_id"])
def test_a_column_named_like_a_number_of_things_is_no_measure(tmp_path, name):
    pd.DataFrame({"person_id": range(N), name: [i % 80 for i in range(N)]}).to_parquet(tmp_path / "person.parquet")
    assert _draft(tmp_path).catalogue.tables[0].columns[1].role is Role.hidden


@pytest.mark.parametrize("name", ["value_as_number", "uric_acid", "fluid", "lipid", "paid", "number_of_visits"])
def test_a_measure_named_a_little_like_one_stays_a_measure(tmp_path, name):
    """A number that ends in the letters of id, or counts things, is a measure."""
    pd.DataFrame({"person_id": range(N), name: [i % 80 for i in range(N)]}).to_parquet(tmp_path / "person.parquet")
    assert _draft(tmp_path).catalogue.tables[0].columns[1].role is Role.measure


def test_few_codes_under_a_numbers_name_are_a_dimension(tmp_path):
    """Wards by number may be counted; their mean says nothing."""
    pd.DataFrame({"person_id": range(N), "ward_no": [i % 5 for i in range(N)]}).to_parquet(tmp_path / "person.parquet")
    assert _draft(tmp_path).catalogue.tables[0].columns[1].role is Role.dimension


def test_types_become_the_catalogues_types(tmp_path):
    """Supported types become the catalogue's types. Other columns are left out with a note."""
    with duckdb.connect() as db:
        db.execute(f"""copy (select i::int as person_id, (i % 2)::utinyint as small, i % 2 = 0 as flag, (i * 1.25)::decimal(9, 2) as money,
            date '2020-01-01' + (i % 300)::int as day, timestamp '2020-01-01' + to_hours(i) as moment, [i] as list,
            'blob'::blob as image from range({N}) t(i)) to '{tmp_path}/person.parquet'""")
    draft = _draft(tmp_path)
    assert {c.name: c.type for c in draft.catalogue.tables[0].columns} == {
        "person_id": ColumnType.integer,
        "small": ColumnType.integer,
        "flag": ColumnType.boolean,
        "money": ColumnType.double,
        "day": ColumnType.date,
        "moment": ColumnType.timestamp,
    }
    assert [n.split(":")[0] for n in draft.notes] == ["person.list", "person.image"]


def test_row_numbers_that_pandas_left_in_a_file_are_no_column(tmp_path):
    pd.DataFrame({"person_id": range(N)}, index=range(7, N + 7)).to_parquet(tmp_path / "person.parquet", index=True)
    frame = pd.DataFrame({"person_id": range(N)}, index=np.arange(N)[::-1])
    frame.to_parquet(tmp_path / "person.parquet")
    assert [c.name for c in _draft(tmp_path).catalogue.tables[0].columns] == ["person_id"]


def test_nan_and_infinity_count_as_missing(tmp_path):
    value = [float("nan")] * 40 + [float("inf")] * 40 + list(np.linspace(0, 100, N - 80))
    pd.DataFrame({"person_id": range(N), "value": value}).to_parquet(tmp_path / "person.parquet")
    column = _draft(tmp_path).catalogue.tables[0].column("value")
    assert column.missing == 0.2
    assert column.bounds[1] <= 120


def test_a_duckdb_file_is_drafted_like_parquet_and_unchanged(tmp_path):
    """A DuckDB file is drafted like Parquet, and is not written to."""
    (tmp_path / "parquet").mkdir()
    frame = pd.DataFrame({"person_id": range(N), "sex": ["f", "m"] * (N // 2), "age": np.arange(N) % 90})
    frame.to_parquet(tmp_path / "parquet" / "person.parquet")
    with duckdb.connect(str(tmp_path / "data.duckdb")) as db:
        db.execute("create table person as select * from frame")
    before = (tmp_path / "data.duckdb").read_bytes()
    assert _draft(tmp_path / "data.duckdb").catalogue == _draft(tmp_path / "parquet").catalogue
    assert (tmp_path / "data.duckdb").read_bytes() == before


def test_text_person_keys_work(tmp_path):
    pd.DataFrame({"pid": [f"p{i}" for i in range(N)], "sex": ["f", "m"] * (N // 2)}).to_parquet(tmp_path / "person.parquet")
    table = _draft(tmp_path, key="pid").catalogue.tables[0]
    assert (table.person_key, table.column("pid").role) == ("pid", Role.key)


def test_rows_of_persons_the_person_table_lacks_are_left_out(tmp_path):
    """Rows of persons that the person table does not know are left out."""
    pd.DataFrame({"person_id": range(N)}).to_parquet(tmp_path / "person.parquet")
    pd.DataFrame({"person_id": range(2 * N), "code": ["in"] * N + ["out"] * N}).to_parquet(tmp_path / "event.parquet")
    event = _draft(tmp_path).catalogue.table("event")
    assert [c.value for c in event.column("code").codes] == ["in"]
    assert event.rows_per_person == (0.0, 1.0)


def test_a_table_without_the_person_key_is_skipped_with_a_note(tmp_path):
    """A table without the person key is skipped with a note, but its concept names are used."""
    pd.DataFrame({"person_id": range(N), "gender_concept_id": [8507, 8532] * (N // 2)}).to_parquet(tmp_path / "person.parquet")
    pd.DataFrame({"concept_id": [8507, 8532], "concept_name": ["MALE", "FEMALE"]}).to_parquet(tmp_path / "concept.parquet")
    draft = _draft(tmp_path)
    assert [t.name for t in draft.catalogue.tables] == ["person"]
    assert "concept: skipped, as it has no column person_id" in draft.notes
    assert [c.label for c in draft.catalogue.tables[0].column("gender_concept_id").codes] == ["MALE", "FEMALE"]


def test_a_person_table_without_the_key_is_an_error(tmp_path):
    """If the person table lacks the key, the error names file and column."""
    pd.DataFrame({"id": range(N), "sex": "f"}).to_parquet(tmp_path / "person.parquet")
    pd.DataFrame({"person_id": range(N)}).to_parquet(tmp_path / "event.parquet")
    with pytest.raises(DraftError, match=r"person\.parquet has no column person_id.*--person-key.*id, sex"):
        _draft(tmp_path)


def test_no_table_with_the_key_is_an_error_too(tmp_path):
    pd.DataFrame({"x": range(N)}).to_parquet(tmp_path / "trial.parquet")
    with pytest.raises(DraftError, match=r"trial\.parquet has no column person_id"):
        _draft(tmp_path)


def test_fewer_persons_than_the_threshold_are_no_data(tmp_path):
    pd.DataFrame({"person_id": [*range(9)] * 50}).to_parquet(tmp_path / "person.parquet")
    with pytest.raises(DraftError, match="fewer than 10 persons"):
        _draft(tmp_path)


def test_a_table_that_few_persons_have_rows_in_is_skipped(tmp_path):
    pd.DataFrame({"person_id": range(N)}).to_parquet(tmp_path / "person.parquet")
    pd.DataFrame({"person_id": [*range(9)] * 30, "code": "x"}).to_parquet(tmp_path / "rare.parquet")
    draft = _draft(tmp_path)
    assert draft.catalogue.table("rare") is None
    assert any(note.startswith("rare: skipped") for note in draft.notes)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p / "nowhere", "there is nothing here"),
        (lambda p: p, "no table found"),
        (lambda p: _file(p / "person.parquet", b"not parquet").parent, r"person\.parquet: cannot be read"),
        (lambda p: _file(p / "data.duckdb", b"neither this"), "not a DuckDB file"),
    ],
)
def test_unreadable_data_gives_a_clear_error(tmp_path, make, says):
    with pytest.raises(DraftError, match=says) as caught:
        _draft(make(tmp_path))
    assert isinstance(caught.value, ConfigError)


def _file(path, content):
    path.write_bytes(content)
    return path


def test_a_file_cut_in_half_is_an_error_not_a_half_draft(tmp_path):
    pd.DataFrame({"person_id": range(N), "v": np.random.default_rng(0).random(N)}).to_parquet(tmp_path / "person.parquet")
    whole = (tmp_path / "person.parquet").read_bytes()
    middle = len(whole) // 3
    (tmp_path / "person.parquet").write_bytes(whole[:50] + b"\xff" * (middle - 50) + whole[middle:])
    with pytest.raises(DraftError, match="Repair"):
        _draft(tmp_path)


def test_every_site_may_cut_ages_at_multiples_of_five_years(metro):
    """Ages may be cut at multiples of five years at every site."""
    assert {40.0, 65.0, 80.0} <= set(metro.catalogue.table("person").column("age").edges)


@pytest.mark.parametrize("name", ["sex", "gender_concept_id", "age_group", "year_of_birth", "visit_concept_id", "visit_name",
                                  "unit_source_value", "drug_type_concept_id", "period_type_concept_id"])  # fmt: skip
def test_sex_age_and_record_origin_are_drafted_not_sensitive(name):
    """Sex, age and how a record came about are drafted as not sensitive."""
    assert not names.sensitive(name)


def test_ages_are_not_sensitive_as_measures_either(metro):
    """The same as an age in groups; other measures are."""
    columns = {c.name: c.sensitive for table in metro.catalogue.tables for c in table.columns if c.role == "measure"}
    assert not columns.pop("age")
    assert not columns.pop("year_of_birth")
    assert columns
    assert all(columns.values())


@pytest.mark.parametrize("name", ["race", "ethnicity_concept_id", "condition_concept_id", "condition_name", "smoker", "measurement_name"])
def test_all_else_is_drafted_as_sensitive(name):
    assert names.sensitive(name)


@pytest.mark.slow
def test_only_tests_that_many_persons_have_are_drafted_routine(tmp_path):
    """A test that one person in five has is routine, under its code and its name; a rarer test, a drug or a diagnosis never is."""
    rows = [(i, code, name) for i in range(N) for code, name, every in ((1, "sodium", 4), (2, "hiv load", 6)) if i % every == 0]
    rows += [(i, 3, "weight") for i in range(0, N, 2)]
    pd.DataFrame({"person_id": range(N), "sex": ["F", "M"] * (N // 2)}).to_parquet(tmp_path / "person.parquet")
    for table in ("measurement", "condition"):
        frame = pd.DataFrame(rows, columns=["person_id", f"{table}_concept_id", f"{table}_name"])
        frame.to_parquet(tmp_path / f"{table}.parquet")
    pd.DataFrame({"concept_id": [1, 2, 3], "concept_name": ["Na", "HIV", "kg"]}).to_parquet(tmp_path / "concept.parquet")
    catalogue = _draft(tmp_path).catalogue

    def routine(table, column):
        return [code.value for code in catalogue.table(table).column(column).codes if code.routine]

    assert routine("measurement", "measurement_concept_id") == [1, 3]
    assert routine("measurement", "measurement_name") == ["sodium", "weight"]
    assert routine("condition", "condition_concept_id") == routine("condition", "condition_name") == routine("person", "sex") == []


AGES = np.where(np.arange(N) < 350, np.arange(N) % 35 + 10, np.arange(N) - 305)
"""Ten persons of each year from 10 to 44, and one of each from 45 to 94."""


def test_a_common_age_may_be_cut_at_any_year(tmp_path):
    """Whether adults begin at 18 or at 21 is for the study to say, where enough persons are of each year."""
    table(tmp_path, age=AGES)
    age = _draft(tmp_path).catalogue.table("person").column("age")
    assert step_of(age) > 1
    assert all(is_edge(age, year) for year in range(11, 45))
    assert not is_edge(age, 46)
    assert nearest_edges(age, 17.5) == (17.0, 18.0)


def test_between_two_cuts_of_age_are_enough_persons(tmp_path):
    """Five persons of 33 and of 34 each: neither is a stretch of its own, and so no range asks about them alone."""
    rare = np.isin(AGES, (33, 34)) & (np.arange(N) < 175)
    table(tmp_path, age=np.where(rare, 31, AGES))
    age = _draft(tmp_path).catalogue.table("person").column("age")
    assert [year for year in range(31, 38) if is_edge(age, year)] == [31, 32, 35, 36, 37]


def test_quantiles_do_not_snap_to_single_years_of_age(tmp_path):
    """A median age on a grid of years would be a person's own."""
    table(tmp_path, age=AGES)
    age = _draft(tmp_path).catalogue.table("person").column("age")
    assert 18 in age.cuts
    assert 18 not in grid_of(age)


def test_clinical_cut_points_are_offered_for_columns_and_tests(tmp_path):
    """Underweight ends at 18.5, diabetes begins at an HbA1c of 6.5: cut points of the field, the same at all sites."""
    rng = np.random.default_rng(1)
    table(tmp_path, bmi=rng.normal(27, 6, N).round(1))
    tests = pd.DataFrame({"person_id": np.arange(2 * N) // 2, "lab_name": ["Hemoglobin A1c/Hemoglobin.total in Blood", "Creatinine"] * N})
    tests["value"] = np.where(tests.lab_name == "Creatinine", rng.normal(80, 20, 2 * N), rng.normal(6, 1, 2 * N)).round(1)
    tests["lab_concept_id"] = np.where(tests.lab_name == "Creatinine", 2, 1)
    tests.to_parquet(tmp_path / "lab.parquet")
    catalogue = _draft(tmp_path).catalogue
    assert is_edge(catalogue.table("person").column("bmi"), 18.5)
    value = catalogue.table("lab").column("value")
    assert {one.code: one.cuts for one in value.given} == {1: (5.7, 6.5), 2: ()}
    assert is_edge(narrowed(catalogue.table("lab"), "value", [In(column="lab.lab_concept_id", codes=(1,))]), 5.7)


def test_few_numbers_of_few_persons_are_a_measure_by_their_codes(tmp_path):
    """Three lengths of supply that 90 persons have are listed, and what is listed bounds them: their mean may be asked for."""
    table(tmp_path, days_supply=np.where(np.arange(N) < 90, np.array([30, 60, 90])[np.arange(N) % 3], np.nan))
    supply = _draft(tmp_path).catalogue.table("person").column("days_supply")
    assert supply.measured
    assert supply.bounds == (30.0, 90.0)
    assert supply.knots == ()


def table(folder, **columns):
    """A table of persons with these columns."""
    pd.DataFrame({"person_id": np.arange(N), **columns}).to_parquet(folder / "person.parquet")
