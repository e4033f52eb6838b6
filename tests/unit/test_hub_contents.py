"""The contents API of a researcher's server: what people do with files works, and no operation follows a link, races included."""

import base64
import json
import os
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from tornado.web import HTTPError

from twinpane_kernel.server import contents as module
from twinpane_kernel.server.contents import WorkspaceContents

SECRET = "secret of the hub"
Operation = Callable[[WorkspaceContents], Awaitable[Any]]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.txt").write_text(SECRET)
    (tmp_path / "secret" / "nb.ipynb").write_text(json.dumps(new_notebook(cells=[new_code_cell(SECRET)])))
    (tmp_path / "workspace" / "deep").mkdir(parents=True)
    (tmp_path / "workspace" / "deep" / "a.txt").write_text("text")
    return tmp_path


@pytest.fixture
def workspace(base: Path) -> Path:
    return base / "workspace"


@pytest.fixture
def contents(base: Path) -> WorkspaceContents:
    found = WorkspaceContents(root_dir=str(base / "workspace"), checkpoint_dir=str(base / "checkpoints"))
    (base / "notary").mkdir()
    found.notary.data_dir = str(base / "notary")
    return found


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "file", "format": "text", "content": words, **more}


# ------------------------------------------------------------ what people do


async def test_files_and_folders_are_shown(contents: WorkspaceContents) -> None:
    assert (await contents.get("deep/a.txt"))["content"] == "text"
    assert [entry["name"] for entry in (await contents.get(""))["content"]] == ["deep"]


async def test_a_notebook_is_saved_signed_read_and_gets_a_checkpoint(contents: WorkspaceContents, workspace: Path) -> None:
    nb = new_notebook(cells=[new_code_cell("1 + 1", metadata={"trusted": True})])
    await contents.new({"type": "notebook", "content": nb}, "a.ipynb")
    assert (await contents.get("a.ipynb"))["content"]["cells"][0]["source"] == "1 + 1"
    assert [made["id"] for made in await contents.list_checkpoints("a.ipynb")] == ["checkpoint"]
    assert sorted(path.name for path in workspace.rglob("*")) == ["a.ipynb", "a.txt", "deep"]


async def test_a_checkpoint_is_restored_and_follows_renames(contents: WorkspaceContents, workspace: Path) -> None:
    """A checkpoint is restored, and follows renames of file and folder."""
    await contents.create_checkpoint("deep/a.txt")
    await contents.save(text("changed"), "deep/a.txt")
    await contents.rename("deep/a.txt", "deep/b.txt")
    await contents.rename("deep", "low")
    await contents.restore_checkpoint("checkpoint", "low/b.txt")
    assert (workspace / "low" / "b.txt").read_text() == "text"
    await contents.delete("low")
    assert await contents.list_checkpoints("low/b.txt") == []


async def test_a_file_and_a_folder_of_one_name_share_no_checkpoint(contents: WorkspaceContents) -> None:
    """A file and a folder of one name never share a checkpoint."""
    await contents.save(text("x"), "same")
    await contents.create_checkpoint("same")
    await contents.delete("same")
    await contents.new({"type": "directory"}, "same")
    await contents.save(text("y"), "same/f")
    await contents.create_checkpoint("same/f")
    assert len(await contents.list_checkpoints("same/f")) == 1


async def test_a_large_file_comes_in_pieces(contents: WorkspaceContents, workspace: Path) -> None:
    for chunk, piece in ((1, b"ab"), (2, b"\xff\x00"), (-1, b"cd")):
        await contents.save({"type": "file", "format": "base64", "content": base64.b64encode(piece).decode(), "chunk": chunk}, "big.bin")
    assert (workspace / "big.bin").read_bytes() == b"ab\xff\x00cd"
    assert (await contents.get("big.bin", require_hash=True))["format"] == "base64"


async def test_copies_of_files_and_folders_are_numbered(contents: WorkspaceContents, workspace: Path) -> None:
    assert (await contents.copy("deep/a.txt"))["path"].lstrip("/") == "deep/a-Copy1.txt"
    assert (await contents.copy("deep"))["path"] == "deep-Copy1"
    assert (await contents.copy("deep", "deep-Copy1"))["path"] == "deep-Copy1/deep"
    assert sorted(path.name for path in (workspace / "deep-Copy1").iterdir()) == ["a-Copy1.txt", "a.txt", "deep"]


async def test_nothing_is_overwritten_by_a_rename(contents: WorkspaceContents) -> None:
    await contents.save(text("other"), "deep/b.txt")
    with pytest.raises(HTTPError) as refused:
        await contents.rename("deep/a.txt", "deep/b.txt")
    assert refused.value.status_code == 409


async def test_a_folder_is_copied_whole_or_not_at_all(
    contents: WorkspaceContents, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is copied up to a size limit. Of a larger one nothing remains."""
    monkeypatch.setattr(module, "COPIED", 3)
    with pytest.raises(HTTPError):
        await contents.copy("deep")
    assert [path.name for path in workspace.iterdir()] == ["deep"]


async def test_hidden_files_are_neither_shown_nor_written(contents: WorkspaceContents, workspace: Path) -> None:
    (workspace / ".hidden").write_text("x")
    for operation in (contents.get(".hidden"), contents.save(text("y"), ".hidden"), contents.delete_file(".hidden")):
        with pytest.raises(HTTPError):
            await operation
    assert (workspace / ".hidden").read_text() == "x"


@pytest.mark.parametrize("path", ["nowhere.txt", "../secret/key.txt", "deep/../../secret/key.txt", "deep/a.txt/b", "deep/" + "x" * 300])
async def test_no_error_tells_a_path_of_the_machine(contents: WorkspaceContents, base: Path, path: str) -> None:
    """Before, the answer to a path that cannot be was the whole path on the hub's machine."""
    for operation in (contents.get(path), contents.save(text("x"), path), contents.rename_file(path, "b"), contents.delete_file(path)):
        said = ""
        try:
            await operation
        except HTTPError as error:
            said = f"{error} {error.log_message}"
        assert "/workspace" not in said
        assert str(base) not in said


# ------------------------------------------------------------ links

LINKED: dict[str, Operation] = {
    "read a file": lambda c: c.get("link.txt"),
    "read a notebook": lambda c: c.get("link.ipynb"),
    "read as text what is a folder's": lambda c: c.get("folder/key.txt"),
    "list a folder": lambda c: c.get("folder"),
    "save over a link": lambda c: c.save(text("written"), "link.txt"),
    "save a notebook over a link": lambda c: c.save({"type": "notebook", "content": new_notebook()}, "link.ipynb"),
    "save in a linked folder": lambda c: c.save(text("written"), "folder/key.txt"),
    "make a folder in a linked one": lambda c: c.new({"type": "directory"}, "folder/new"),
    "first piece of a large file": lambda c: c.save(text("written", chunk=1), "link.txt"),
    "next piece of a large file": lambda c: c.save(text("written", chunk=2), "link.txt"),
    "last piece in a linked folder": lambda c: c.save(text("written", chunk=-1), "folder/key.txt"),
    "copy a link": lambda c: c.copy("link.txt", "deep"),
    "copy into a linked folder": lambda c: c.copy("deep/a.txt", "folder"),
    "copy a linked folder": lambda c: c.copy("folder"),
    "rename a link": lambda c: c.rename("link.txt", "deep/stolen.txt"),
    "rename out of a linked folder": lambda c: c.rename("folder/key.txt", "deep/stolen.txt"),
    "rename into a linked folder": lambda c: c.rename("deep/a.txt", "folder/planted.txt"),
    "delete in a linked folder": lambda c: c.delete("folder/key.txt"),
    "checkpoint of a link": lambda c: c.create_checkpoint("link.txt"),
    "checkpoint in a linked folder": lambda c: c.create_checkpoint("folder/key.txt"),
    "trust a link": lambda c: c.trust_notebook("link.ipynb"),
    "new untitled in a linked folder": lambda c: c.new_untitled("folder", type="file"),
}


@pytest.mark.parametrize("name", LINKED)
async def test_no_operation_follows_a_link(contents: WorkspaceContents, base: Path, workspace: Path, name: str) -> None:
    """Each was tried with links to a file, a notebook and a folder outside: refused, nothing read, nothing changed there."""
    (workspace / "link.txt").symlink_to("../secret/key.txt")
    (workspace / "link.ipynb").symlink_to("../secret/nb.ipynb")
    (workspace / "folder").symlink_to("../secret")
    with pytest.raises(HTTPError):
        await LINKED[name](contents)
    assert sorted(path.name for path in (base / "secret").iterdir()) == ["key.txt", "nb.ipynb"]
    assert (base / "secret" / "key.txt").read_text() == SECRET
    assert not [path for path in workspace.rglob("*") if path.is_file() and not path.is_symlink() and SECRET in path.read_text()]


async def test_a_folder_is_copied_without_the_links_in_it(contents: WorkspaceContents, workspace: Path) -> None:
    """Before, a copied folder held the secret itself: `shutil.copytree` follows links."""
    (workspace / "deep" / "inner").mkdir()
    (workspace / "deep" / "inner" / "link.txt").symlink_to("../../../secret/key.txt")
    (workspace / "deep" / "folder").symlink_to("../../secret")
    await contents.copy("deep")
    assert sorted(str(path.relative_to(workspace)) for path in (workspace / "deep-Copy1").rglob("*")) == [
        "deep-Copy1/a.txt", "deep-Copy1/inner",
    ]  # fmt: skip


async def test_a_checkpoint_folder_that_a_cell_plants_is_of_no_use(contents: WorkspaceContents, base: Path, workspace: Path) -> None:
    """Before, a link at .ipynb_checkpoints/a-checkpoint.txt was read by a restore and overwritten by a checkpoint."""
    (workspace / "deep" / ".ipynb_checkpoints").mkdir()
    (workspace / "deep" / ".ipynb_checkpoints" / "a-checkpoint.txt").symlink_to("../../../secret/key.txt")
    assert await contents.list_checkpoints("deep/a.txt") == []
    with pytest.raises(HTTPError):
        await contents.restore_checkpoint("checkpoint", "deep/a.txt")
    await contents.create_checkpoint("deep/a.txt")
    assert (base / "secret" / "key.txt").read_text() == SECRET
    assert (workspace / "deep" / "a.txt").read_text() == "text"


@contextmanager
def swapping(workspace: Path, target: Path) -> Iterator[None]:
    """Meanwhile, something takes the folder ``raced`` away and puts a link in its place, and back, as fast as it can."""
    real, folder, over = workspace / "real", workspace / "raced", threading.Event()
    folder.mkdir()

    def swap() -> None:
        while not over.is_set():
            try:
                os.rename(folder, real)
                folder.symlink_to(target)
                folder.unlink()
                os.rename(real, folder)
            except OSError:  # an operation made a folder of that name just then: it is thrown away, and the swapping goes on
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):
                    os.rename(real, folder)
            over.wait(0.001)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def test_a_folder_swapped_for_a_link_is_never_followed(contents: WorkspaceContents, base: Path, workspace: Path) -> None:
    """Before, three tries of a large upload were enough to write outside. Every operation that opens by steps loses no race at all."""
    done = 0
    with swapping(workspace, base / "secret"):
        for _ in range(300):
            for operation in (
                contents.save(text("written", chunk=1), "raced/key.txt"), contents.save(text("written", chunk=2), "raced/key.txt"),
                contents.copy("raced/key.txt", "deep"), contents.create_checkpoint("raced/key.txt"), contents.copy("raced"),
            ):  # fmt: skip
                try:
                    await operation
                    done += 1
                except HTTPError:
                    continue
    assert done > 0, "the race was never open"
    assert (base / "secret" / "key.txt").read_text() == SECRET
    assert sorted(path.name for path in (base / "secret").iterdir()) == ["key.txt", "nb.ipynb"]
    for folder in (workspace, base / "checkpoints"):
        assert not [path for path in folder.rglob("*") if path.is_file() and SECRET in path.read_text()]
