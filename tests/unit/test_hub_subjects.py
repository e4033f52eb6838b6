"""A name belongs to the subject that had it first."""

from pathlib import Path

import pytest

from twinpane_hub import disabled
from twinpane_hub.disabled import DisabledError
from twinpane_hub.subjects import Subjects, Taken

ID = "https://id.example.org/authorize"


def test_two_subjects_never_become_one_account(tmp_path: Path) -> None:
    """The provider's mia and MIA are two people, and one name here. Before, the second had the first one's notebooks."""
    subjects = Subjects(tmp_path)
    subjects.bind("mia", ID, "1")
    subjects.bind("mia", ID, "1")
    with pytest.raises(Taken):
        subjects.bind("mia", ID, "2")
    with pytest.raises(Taken):
        subjects.bind("mia", "https://other.example.org/authorize", "1")


def test_a_subject_whose_name_changes_is_not_two_people(tmp_path: Path) -> None:
    subjects = Subjects(tmp_path)
    subjects.bind("mia", ID, "1")
    with pytest.raises(Taken):
        subjects.bind("mia.new", ID, "1")


def test_bindings_outlive_a_restart_until_they_are_freed(tmp_path: Path) -> None:
    Subjects(tmp_path).bind("mia", ID, "1")
    again = Subjects(tmp_path)
    with pytest.raises(Taken):
        again.bind("mia", ID, "2")
    assert again.free("mia")
    assert not again.free("mia")
    again.bind("mia", ID, "2")


def test_who_is_shut_out_is_kept(tmp_path: Path) -> None:
    assert disabled.load(tmp_path) == frozenset()
    disabled.save(tmp_path, frozenset({"mia", "ben"}))
    assert disabled.load(tmp_path) == {"ben", "mia"}


def test_a_damaged_list_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / disabled.FILE).write_text("names = [1]")
    with pytest.raises(DisabledError, match=r"disabled\.toml"):
        disabled.load(tmp_path)
