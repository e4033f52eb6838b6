"""A name belongs to the subject that had it first."""

from concurrent.futures import ThreadPoolExecutor
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


def test_a_person_whom_the_provider_renames_keeps_the_name_here(tmp_path: Path) -> None:
    """The subject is what stays. Before, whoever was renamed was told that the name belonged to somebody else."""
    subjects = Subjects(tmp_path)
    assert subjects.name_of(ID, "1") is None
    subjects.bind("mia", ID, "1")
    assert subjects.name_of(ID, "1") == "mia"
    assert subjects.name_of("https://other.example.org", "1") is None


def test_names_given_under_a_page_s_address_go_to_the_issuer(tmp_path: Path) -> None:
    """An earlier version took the address of the sign-in page for the issuer."""
    subjects = Subjects(tmp_path)
    subjects.bind("mia", ID, "1")
    subjects.move(ID, "https://id.example.org")
    assert subjects.name_of("https://id.example.org", "1") == "mia"
    with pytest.raises(Taken):
        subjects.bind("mia", "https://id.example.org", "2")


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
    disabled.change(tmp_path, lambda names: names | {"mia", "ben"})
    assert disabled.load(tmp_path) == {"ben", "mia"}


def test_people_who_are_shut_out_at_once_are_all_out(tmp_path: Path) -> None:
    """Before, two commands at the same time lost names: 8 of 30 were shut out."""
    names = [f"mia{n}" for n in range(12)]

    def shut_out(name: str) -> None:
        disabled.change(tmp_path, lambda known: known | {name})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(shut_out, names))
    assert disabled.load(tmp_path) == set(names)


def test_after_a_broken_edit_whoever_was_out_stays_out(tmp_path: Path) -> None:
    """The last good list holds."""
    disabled.change(tmp_path, lambda _: frozenset({"mia"}))
    known = disabled.DisabledList(tmp_path)
    assert known() == {"mia"}
    (tmp_path / disabled.FILE).write_text("names = [")
    assert known() == {"mia"}


def test_whoever_has_no_role_takes_no_name(tmp_path: Path) -> None:
    """A check gives the name to nobody. Before, somebody without a role could take the name of one who was to come."""
    subjects = Subjects(tmp_path)
    subjects.check("newdoc", ID, "90")
    subjects.bind("newdoc", ID, "1")
    with pytest.raises(Taken):
        subjects.check("newdoc", ID, "90")


def test_a_damaged_list_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / disabled.FILE).write_text("names = [1]")
    with pytest.raises(DisabledError, match=r"disabled\.toml"):
        disabled.load(tmp_path)
