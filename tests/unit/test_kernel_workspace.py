"""The workspace folder: what the researcher changed goes inside, what a cell wrote never does, and no link leads anywhere."""

import base64
import os

import pytest

from twinpane_ground import limits
from twinpane_kernel import workspace as module
from twinpane_kernel.workspace import Workspace


@pytest.fixture
def root(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "own"


@pytest.fixture
def files(root, memory):
    made = Workspace(root, memory)
    yield made
    made.close()


def pushed(files):
    """Path -> content of what goes with the next cell; None for what was deleted."""
    found, _ = files.changed()
    return {file.path: None if file.content is None else base64.b64decode(file.content).decode() for file in found}


def cell(files, act):
    """A cell runs and does this."""
    files.cell_begins()
    act()
    return files.cell_ended()


def test_the_first_files_go_with_the_first_cell_and_no_later(files, root):
    """What is there at first goes with the first cell, and then no more."""
    (root / "a.py").write_text("1")
    (root / "sub").mkdir()
    (root / "sub/b.csv").write_text("2")
    assert pushed(files) == {"a.py": "1", "sub/b.csv": "2"}
    assert pushed(files) == {}


def test_what_the_researcher_changes_between_cells_goes_inside(files, root):
    """What the researcher changes or deletes between cells goes inside."""
    (root / "a.py").write_text("1")
    (root / "b.py").write_text("1")
    pushed(files)
    cell(files, lambda: None)
    (root / "a.py").write_text("changed")
    (root / "b.py").unlink()
    assert pushed(files) == {"a.py": "changed", "b.py": None}


def test_what_a_cell_wrote_changed_or_deleted_never_goes_inside(files, root):
    (root / "a.py").write_text("1")
    (root / "gone.py").write_text("1")
    pushed(files)

    def act():
        (root / "twin.csv").write_text("of the twin")
        (root / "a.py").write_text("of the twin")
        (root / "gone.py").unlink()

    cell(files, act)
    assert pushed(files) == {}


def test_nor_in_the_next_session(files, root, memory):
    """Tomorrow's first cell does not carry today's twin inside."""
    pushed(files)
    cell(files, lambda: (root / "twin.csv").write_text("of the twin"))
    (root / "mine.py").write_text("1")
    assert pushed(Workspace(root, memory)) == {"mine.py": "1"}


def test_what_the_researcher_changes_later_is_the_researchers(files, root, memory):
    """A file that a cell wrote and the researcher then changes is the researcher's."""
    pushed(files)
    cell(files, lambda: (root / "both.txt").write_text("of the twin"))
    (root / "both.txt").write_text("the researcher's words")
    assert pushed(files) == {"both.txt": "the researcher's words"}
    assert pushed(Workspace(root, memory)) == {"both.txt": "the researcher's words"}


def test_a_researchers_file_changed_while_a_cell_ran_is_named(files, root):
    """A researcher's file that changed while a cell ran is named.

    It may be the researcher's edit or the cell's: it stays outside, and a sentence says how to send it.
    """
    (root / "helper.py").write_text("1")
    pushed(files)
    [note] = cell(files, lambda: (root / "helper.py").write_text("2"))
    assert "helper.py" in note
    assert "save it again" in note
    assert cell(files, lambda: (root / "helper.py").write_text("3")) == ()
    assert cell(files, lambda: (root / "out.csv").write_text("x")) == ()


def test_nothing_goes_while_another_notebooks_cell_runs(files, root, memory):
    """While another notebook's cell runs, no file is sent and none is lost."""
    other = Workspace(root, memory)
    other.changed()
    other.cell_begins()
    (root / "twin.csv").write_text("of the other's twin")
    (root / "mine.py").write_text("1")
    assert pushed(files) == {}
    (root / "mine.py").write_text("22")
    other.cell_ended()
    assert pushed(files) == {}, "what was written while it ran counts as its own"
    (root / "mine.py").write_text("333")
    assert pushed(files) == {"mine.py": "333"}


def test_a_notebook_that_was_killed_holds_nobody_up(root, memory, files):
    dead = Workspace(root, memory)
    dead.cell_begins()
    os.close(dead._lock)  # as the end of its process does
    (root / "a.py").write_text("1")
    assert pushed(files) == {"a.py": "1"}


def test_a_damaged_memory_is_no_memory_and_stops_nothing(files, root, memory):
    pushed(files)
    cell(files, lambda: (root / "twin.csv").write_text("x"))
    [book] = memory.glob("*.json")
    for damaged in ("", "[]", '{"a": 1}', '{"a": [1]}', "null", '{"a": {"b": 1}}', "\x00"):
        book.write_text(damaged)
        Workspace(root, memory).changed()


def test_a_memory_that_cannot_be_written_stops_nothing(root, tmp_path):
    """Then nothing is pushed, as nobody could tell whose it is."""
    (tmp_path / "file").write_text("")
    files = Workspace(root, tmp_path / "file" / "own")
    (root / "a.py").write_text("1")
    assert pushed(files) == {}
    files.cell_begins()
    files.close()


@pytest.mark.parametrize("name", [
    "note.ipynb", ".hidden", ".git/config", "__pycache__/a.pyc", "releases/x.csv", "node_modules/x.js", "a\\b", "a\nb",
])  # fmt: skip
def test_notebooks_hidden_files_and_releases_stay_outside(files, root, name):
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("x")
    assert pushed(files) == {}
    (root / name).unlink()
    assert pushed(files) == {}


# ---------------------------------------------------------------- links


@pytest.fixture
def host(tmp_path):
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "secret").write_text("of the host")
    return folder


def test_links_are_not_followed(files, root, host):
    (root / "link").symlink_to(host / "secret")
    (root / "folder").symlink_to(host)
    os.mkfifo(root / "pipe")
    assert pushed(files) == {}


def test_a_link_put_in_place_before_reading_is_not_followed(files, root, host, monkeypatch):
    """A link put in place between look and reading is not followed, at any step of the path.

    A cell's process may go on while the pane looks.
    """
    (root / "sub").mkdir()
    (root / "sub/secret").write_text("harmless")
    (root / "plain").write_text("harmless")
    look = files._look

    def swapped():
        found = look()
        (root / "sub/secret").unlink()
        (root / "sub").rmdir()
        (root / "sub").symlink_to(host)
        (root / "plain").unlink()
        (root / "plain").symlink_to(host / "secret")
        return found

    monkeypatch.setattr(files, "_look", swapped)
    assert pushed(files) == {}


# ---------------------------------------------------------------- limits


def test_a_file_over_the_limit_stays_and_is_named_once(files, root):
    (root / "big.bin").write_bytes(b"x" * (limits.FILE + 1))
    found, notes = files.changed()
    assert found == ()
    assert "big.bin is larger than 8 MiB" in notes[0]
    assert files.changed() == ((), ())


def test_more_files_than_go_with_one_cell_go_with_the_next(files, root, monkeypatch):
    monkeypatch.setattr(limits, "FILES", 3)
    for n in range(7):
        (root / f"{n}.py").write_text("x")
    found, notes = files.changed()
    assert len(found) == 3
    assert all("later cell" in note for note in notes)
    cell(files, lambda: (root / "6.py").write_text("of the twin"))
    assert [list(pushed(files)) for _ in range(2)] == [["3.py", "4.py", "5.py"], []]


def test_more_bytes_than_one_message_carries_go_with_the_next(files, root, monkeypatch):
    monkeypatch.setattr(module, "TOTAL", 10)
    for name in ("a", "b", "c"):
        (root / name).write_text("123456")
    assert [sorted(pushed(files)) for _ in range(4)] == [["a"], ["b"], ["c"], []]


def test_what_goes_with_one_cell_fits_the_link():
    """Files as base64, and a cell whose every character is escaped."""
    assert module.TOTAL * 4 / 3 + limits.SOURCE * 6 < limits.FRAME
    assert limits.FILE <= module.TOTAL


def test_too_many_entries_are_said_once_and_delete_nothing(files, root, monkeypatch):
    """Too many entries are said once, and nothing is deleted inside.

    A file that is beyond those looked at is not a file that was deleted.
    """
    for name in ("b", "c", "d"):
        (root / name).write_text("1")
    assert set(pushed(files)) == {"b", "c", "d"}
    monkeypatch.setattr(module, "ENTRIES", 3)
    (root / "a").write_text("1")
    found, notes = files.changed()
    assert [file.path for file in found] == ["a"]
    assert "more than 3 files" in notes[0]
    assert files.changed() == ((), ())


def test_a_cells_files_beyond_those_looked_at_stay_outside(files, root, monkeypatch):
    """What a cell wrote beyond the files looked at never goes inside."""
    monkeypatch.setattr(module, "ENTRIES", 2)
    pushed(files)
    cell(files, lambda: [(root / name).write_text("of the twin") for name in "abcd"])
    (root / "a").unlink()
    (root / "b").unlink()
    assert not [content for content in pushed(files).values() if content]
    (root / "mine").write_text("1")
    (root / "c").unlink()
    (root / "d").unlink()
    assert pushed(files).get("mine") == "1"
