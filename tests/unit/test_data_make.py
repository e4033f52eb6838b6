"""The generated patients: their shape, their size, and that models find in them what medicine would."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from twinpane_hub.data.command import data
from twinpane_hub.data.make import CHUNK, make_data
from twinpane_hub.data.mixes import MIXES
from twinpane_hub.data.vocabulary import RACES

TABLES = {"person", "observation_period", "visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "death", "note"}


@pytest.fixture(scope="module")
def metro(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metro")
    make_data(folder, 6000, seed=1)
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}


def _digests(folder):
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


def test_the_same_number_seed_and_mix_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        make_data(tmp_path / name, 500, seed=3, mix="coast")
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")


@pytest.mark.parametrize("change", [{"seed": 4}, {"mix": "valley"}])
def test_another_seed_or_mix_gives_other_persons(tmp_path, change):
    make_data(tmp_path / "a", 500, seed=3, mix="coast")
    make_data(tmp_path / "b", 500, **({"seed": 3, "mix": "coast"} | change))
    assert _digests(tmp_path / "a")["person.parquet"] != _digests(tmp_path / "b")["person.parquet"]


def test_chunks_go_on_numbering_where_the_last_one_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("twinpane_hub.data.make.CHUNK", 300)
    rows = make_data(tmp_path, 1000, seed=1)
    for table, key in [("person", "person_id"), ("visit_occurrence", "visit_occurrence_id"), ("measurement", "measurement_id")]:
        keys = pq.read_table(tmp_path / f"{table}.parquet")[key].to_pylist()
        assert keys == list(range(1, rows[table] + 1))
    visits = pd.read_parquet(tmp_path / "visit_occurrence.parquet").set_index("visit_occurrence_id")["person_id"]
    labs = pd.read_parquet(tmp_path / "measurement.parquet")
    assert (visits.loc[labs["visit_occurrence_id"]].to_numpy() == labs["person_id"].to_numpy()).all()


def test_memory_is_one_chunk_whatever_the_number_of_persons():
    assert CHUNK <= 100_000


def test_every_table_has_a_person_key_and_only_known_persons(metro):
    """Every table is there with its person key and only known persons."""
    known = set(metro["person"]["person_id"])
    assert len(known) == 6000
    for name, table in metro.items():
        assert set(table["person_id"]) <= known, name


def test_events_happen_within_a_persons_observation(metro):
    period = metro["observation_period"].set_index("person_id")
    visits = metro["visit_occurrence"]
    assert (visits["visit_start_date"] >= period.loc[visits["person_id"], "observation_period_start_date"].to_numpy()).all()
    assert (visits["visit_end_date"] <= period.loc[visits["person_id"], "observation_period_end_date"].to_numpy()).all()
    assert (visits["visit_end_date"] >= visits["visit_start_date"]).all()


def test_age_and_sex_lead_to_disease_drug_and_outcome(metro):
    """Age and sex lead to disease, disease leads to drug, and both lead to outcome."""
    person = metro["person"].set_index("person_id")

    def have(table, column, name):
        return person.index.isin(metro[table].loc[metro[table][column] == name, "person_id"])

    diabetes, metformin = have("condition_occurrence", "condition_name", "type 2 diabetes"), have("drug_exposure", "drug_name", "metformin")
    old, dead = person["age"] >= 65, person.index.isin(metro["death"]["person_id"])
    failing, male = have("condition_occurrence", "condition_name", "heart failure"), person["sex"] == "male"
    assert diabetes[old].mean() > 1.5 * diabetes[~old].mean()
    assert metformin[diabetes].mean() > 20 * metformin[~diabetes].mean()
    assert dead[old].mean() > 3 * dead[~old].mean()
    assert dead[failing].mean() > 2 * dead[~failing].mean()
    assert not have("condition_occurrence", "condition_name", "prostate cancer")[~male].mean() > 0.002

    labs = metro["measurement"]
    a1c = labs[labs["measurement_name"] == "hemoglobin a1c"].groupby("person_id")["value_as_number"].mean().reindex(person.index)
    assert np.nanmean(a1c[diabetes]) - np.nanmean(a1c[~diabetes]) > 1
    assert np.nanmean(a1c[diabetes & metformin]) < np.nanmean(a1c[diabetes & ~metformin]) - 0.4


def test_notes_name_the_patient_so_that_hidden_text_matters(metro):
    note = metro["note"].merge(metro["person"], on="person_id").iloc[0]
    assert note["person_source_value"] in note["note_text"]
    assert f"{note['year_of_birth']}-{note['month_of_birth']:02d}-{note['day_of_birth']:02d}" in note["note_text"]


def test_record_numbers_are_unique(metro):
    assert metro["person"]["person_source_value"].is_unique


def test_three_mixes_differ_and_one_lacks_a_race(tmp_path):
    ages, races = {}, {}
    for mix in MIXES:
        make_data(tmp_path / mix, 3000, seed=1, mix=mix)
        person = pd.read_parquet(tmp_path / mix / "person.parquet")
        ages[mix], races[mix] = person["age"].mean(), set(person["race"])
    assert len(MIXES) == 3
    assert max(ages.values()) - min(ages.values()) > 10
    assert {name for _, name in RACES} - races["coast"] == {"pacific islander"}
    assert races["metro"] == races["valley"] == {name for _, name in RACES}


def test_no_half_written_file_is_left_when_making_stops(tmp_path, monkeypatch):
    make_data(tmp_path, 50, seed=1)
    before = _digests(tmp_path)
    monkeypatch.setattr("twinpane_hub.data.make.CHUNK", 100)

    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_data(tmp_path, 300, seed=2, progress=stop)
    assert _digests(tmp_path) == before


@pytest.mark.parametrize(("persons", "mix", "says"), [(0, "metro", "at least one person"), (5, "moon", "choose one of metro, valley")])
def test_an_impossible_order_is_refused_with_the_remedy(tmp_path, persons, mix, says):
    with pytest.raises(ValueError, match=says):
        make_data(tmp_path, persons, seed=1, mix=mix)


def test_every_concept_of_the_data_is_in_its_vocabulary(tmp_path):
    """Every concept of the data is in the vocabulary, below its group."""
    make_data(tmp_path, 300, 7)
    ancestor = pd.read_parquet(tmp_path / "concept_ancestor.parquet")
    named = set(pd.read_parquet(tmp_path / "concept.parquet").concept_id)
    assert set(ancestor.ancestor_concept_id) | set(ancestor.descendant_concept_id) == named
    for table, column in (("condition_occurrence", "condition_concept_id"), ("drug_exposure", "drug_concept_id")):
        assert set(pd.read_parquet(tmp_path / f"{table}.parquet")[column]) <= named
    assert {201820, 201826} == set(ancestor[ancestor.descendant_concept_id == 201826].ancestor_concept_id)


def test_a_table_alone_has_the_bytes_that_it_has_among_all(tmp_path):
    make_data(tmp_path / "all", 300, 7)
    rows = make_data(tmp_path / "some", 300, 7, tables=("measurement",))
    assert {f.stem for f in (tmp_path / "some").iterdir()} == {"measurement", "concept", "concept_ancestor"} == set(rows)
    assert (tmp_path / "some/measurement.parquet").read_bytes() == (tmp_path / "all/measurement.parquet").read_bytes()
    with pytest.raises(ValueError, match="no table lab"):
        make_data(tmp_path / "none", 300, 7, tables=("lab",))


def test_the_command_makes_the_tables_and_says_how_many_rows(tmp_path):
    result = CliRunner().invoke(data, ["make", str(tmp_path / "site"), "--persons", "200", "--seed", "1", "--mix", "valley"])
    assert result.exit_code == 0, result.output
    assert {f.stem for f in (tmp_path / "site").iterdir()} == TABLES | {"concept", "concept_ancestor"}
    assert "rows in 10 tables" in result.output


@pytest.mark.parametrize("wrong", [["--persons", "0", "--seed", "1"], ["--persons", "5"], ["--persons=5", "--seed=1", "--mix", "moon"]])
def test_the_command_refuses_bad_options(tmp_path, wrong):
    assert CliRunner().invoke(data, ["make", str(tmp_path), *wrong]).exit_code == 2
