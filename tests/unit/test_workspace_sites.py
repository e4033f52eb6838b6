"""A site's folder that lies in a workspace stays where it is."""

from pathlib import Path

from twinpane_kernel.workspace import Workspace


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_no_part_of_a_site_folder_goes_to_any_site(tmp_path: Path) -> None:
    """Nothing of a site folder in the workspace goes to any site.

    Not the key, not the database, not the snapshot; a folder beside it does, and so does a site.toml alone.
    """
    root = tmp_path / "work"
    root.mkdir()
    workspace = Workspace(root, tmp_path / "memory")
    put(root / "a" / "site.toml", 'id = "a"')
    put(root / "a" / "site.db", "rows")
    put(root / "a" / "keys" / "site.key", "secret")
    put(root / "a" / "snapshots" / "s" / "person.parquet", "rows")
    put(root / "helpers" / "tools.py", "x = 1")
    put(root / "notes" / "site.toml", "a text of that name")
    files, notes = workspace.changed()
    assert [file.path for file in files] == ["helpers/tools.py", "notes/site.toml"]
    assert notes == ()


def test_a_workspace_that_is_itself_a_site_folder_pushes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "site"
    root.mkdir()
    workspace = Workspace(root, tmp_path / "memory")
    put(root / "site.toml", 'id = "a"')
    put(root / "keys" / "site.key", "secret")
    put(root / "other.txt", "anything")
    assert workspace.changed() == ((), ())
