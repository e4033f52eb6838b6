"""The ACTG 175 trial: real people, dealt over sites, none lost and none twice."""

from importlib import resources

import pandas as pd
import pytest
from click.testing import CliRunner

from twinpane_hub.data.actg import ARMS, make_actg175, trial_table
from twinpane_hub.data.command import data


def test_the_trial_has_2139_people_in_its_four_published_arms():
    """The trial has its 2139 people in four arms of published size."""
    trial = trial_table().to_pandas()
    assert len(trial) == 2139
    assert trial["arm"].value_counts().to_dict() == dict(zip(ARMS, (532, 522, 524, 561), strict=True))
    assert int(trial["event"].sum()) == 521


def test_the_sites_together_hold_every_person_once(tmp_path):
    folders = make_actg175(tmp_path, 3)
    parts = [pd.read_parquet(folder / "trial.parquet") for folder in folders]
    assert [len(p) for p in parts] == [713, 713, 713]
    for part in parts:
        assert part["person_id"].tolist() == list(range(1, len(part) + 1))
    everyone = pd.concat(parts).drop(columns="person_id").sort_values(["days", "weight", "cd40", "cd80"], ignore_index=True)
    whole = trial_table().to_pandas().drop(columns="person_id").sort_values(["days", "weight", "cd40", "cd80"], ignore_index=True)
    pd.testing.assert_frame_equal(everyone, whole)


def test_the_split_is_the_same_every_time(tmp_path):
    first, second = make_actg175(tmp_path / "a", 4), make_actg175(tmp_path / "b", 4)
    assert [(f / "trial.parquet").read_bytes() for f in first] == [(f / "trial.parquet").read_bytes() for f in second]


def test_missing_counts_stay_missing_and_columns_stay_whole():
    """Missing counts stay missing, and whole columns stay whole."""
    trial = trial_table()
    assert trial["cd496"].null_count == 797
    assert all(trial[name].null_count == 0 for name in trial.column_names if name != "cd496")


def test_the_source_and_its_licence_lie_beside_the_file():
    text = resources.files("twinpane_hub.data").joinpath("actg175.txt").read_text()
    assert "N Engl J Med 1996" in text
    assert "MIT License" in text


def test_the_command_names_each_sites_folder(tmp_path):
    result = CliRunner().invoke(data, ["actg175", str(tmp_path), "--sites", "2"])
    assert result.exit_code == 0
    assert result.output.split() == [str(tmp_path / "site-1"), str(tmp_path / "site-2")]


def test_no_site_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one site"):
        make_actg175(tmp_path, 0)
