"""Serves the workspace's files to the contents API. It follows no link, serves nothing raw, and tells no path of the machine.

A cell writes the workspace while this server reads it. So each operation, checkpoints included, goes through ``twinpane_sandbox.folders``,
which opens every step of a path from the one before it; nothing here opens a file by its whole name.
"""

import asyncio
import functools
import mimetypes
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import nbformat
from jupyter_server.services.contents.manager import AsyncContentsManager, copy_pat
from tornado.web import HTTPError
from traitlets import Unicode, default

from twinpane_sandbox import folders
from twinpane_sandbox.errors import UnsafePath
from twinpane_sandbox.files import safe_read
from twinpane_sandbox.folders import Entry

from .checkpoints import WorkspaceCheckpoints
from .models import decoded, digest, encoded, file_model, model_of, notebook_bytes

LARGEST = 256 * 2**20
"""Bytes of a file that is shown or saved whole, at most. What is larger is uploaded in pieces, and read by cells."""
COPIED = 200 * 2**20
"""Bytes of a folder that is copied, at most."""
ENTRIES = 10_000
"""Entries of a folder that are listed, and of all folders that are copied, at most."""

P = ParamSpec("P")
T = TypeVar("T")


def on_disk(what: Callable[P, T]) -> Callable[P, T]:
    """Turn a file operation's error into one of HTTP. It names only the path of the API."""

    @functools.wraps(what)
    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return what(*args, **kwargs)
        except FileNotFoundError:
            raise HTTPError(404, "no such file or folder") from None
        except FileExistsError:
            raise HTTPError(409, "there is a file or folder of this name already") from None
        except UnsafePath as error:
            raise HTTPError(404, str(error).replace("%", "%%")) from None
        except (OSError, RecursionError) as error:
            raise HTTPError(400, f"the workspace does not take this ({getattr(error, 'strerror', None) or 'too deep'})") from None

    return told


async def aside(what: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do a file operation in a thread."""
    return await asyncio.to_thread(on_disk(what), *args, **kwargs)


class WorkspaceContents(AsyncContentsManager):
    """The contents manager of a workspace folder."""

    root_dir = Unicode(config=True)
    checkpoint_dir = Unicode(config=True, help="Where checkpoints lie: outside everything that a cell can write.")

    @default("root_dir")
    def _root_dir_default(self) -> str:
        assert self.parent is not None
        return str(self.parent.root_dir)

    @default("checkpoints_class")
    def _checkpoints_class_default(self) -> type[WorkspaceCheckpoints]:
        return WorkspaceCheckpoints

    @property
    def root(self) -> Path:
        """The workspace folder."""
        return Path(self.root_dir)

    def get_extra_handlers(self) -> list[Any]:
        """Called by the web application: the base class would serve ``/files/…`` raw."""
        return []

    def info_string(self) -> str:
        """Called at start, for the log."""
        return "Serving the workspace"

    def get_kernel_path(self, path: str, model: Any = None) -> str:
        """Called when a session starts: the folder of its notebook, or the folder itself."""
        path = path.strip("/")
        found = self._found(path)
        return path if found is not None and found.is_folder else path.rpartition("/")[0]

    # ------------------------------------------------------------ looking

    def shown(self, path: str) -> str:
        """The path as the file functions take it; raises HTTPError for a hidden one."""
        path = path.strip("/")
        if self._hidden(path):
            raise HTTPError(404, "no such file or folder")
        return path

    def _hidden(self, path: str) -> bool:
        return not self.allow_hidden and any(part.startswith(".") for part in path.split("/"))

    async def is_hidden(self, path: str) -> bool:
        """See the base class."""
        return self._hidden(path.strip("/"))

    async def file_exists(self, path: str) -> bool:
        """See the base class."""
        found = self._found(path)
        return found is not None and not found.is_folder

    async def dir_exists(self, path: str) -> bool:
        """See the base class."""
        found = self._found(path)
        return found is not None and found.is_folder

    def _found(self, path: str) -> Entry | None:
        try:
            return folders.look(self.root, path.strip("/"))
        except (OSError, UnsafePath):
            return None

    async def get(
        self, path: str, content: bool = True, type: str | None = None, format: str | None = None, require_hash: bool = False
    ) -> dict[str, Any]:
        """See the base class."""
        path = self.shown(path)
        model = await aside(self._get, path, content, type, format, require_hash)
        if content and model["type"] == "notebook":
            invalid: dict[str, Any] = {}
            try:
                nb = await asyncio.to_thread(nbformat.reads, model["content"], 4, capture_validation_error=invalid)
            except Exception as error:
                raise HTTPError(400, f"{path} is no notebook that can be read ({error.__class__.__name__})".replace("%", "%%")) from None
            self.mark_trusted_cells(nb, path)
            model |= {"content": nb, "format": "json"}
            self.validate_notebook_model(model, invalid)
        self.emit(data={"action": "get", "path": path})
        return model

    def _get(self, path: str, content: bool, kind: str | None, form: str | None, require_hash: bool) -> dict[str, Any]:
        entry = folders.look(self.root, path)
        if entry.is_folder:
            if kind not in (None, "directory"):
                raise HTTPError(400, "this is a folder", reason="bad type")
            return self._folder(path, entry, content)
        if kind == "directory":
            raise HTTPError(400, "this is no folder", reason="bad type")
        model = file_model(path, entry, kind)
        if content or require_hash:
            raw = safe_read(self.root, path, LARGEST)
            if content and model["type"] == "notebook":
                model["content"] = raw.decode("utf-8", "replace")
            elif content:
                model["content"], model["format"] = encoded(raw, form)
                model["mimetype"] = mimetypes.guess_type(path)[0] or (
                    "text/plain" if model["format"] == "text" else "application/octet-stream"
                )
            if require_hash:
                model |= digest(raw)
        return model

    def _folder(self, path: str, entry: Entry, content: bool) -> dict[str, Any]:
        model = model_of(path, entry) | {"type": "directory", "size": None}
        if content:
            model["format"] = "json"
            model["content"] = [
                model_of(below, found) | {"type": "directory", "size": None} if found.is_folder else file_model(below, found)
                for found in folders.listed(self.root, path, ENTRIES)
                if self.should_list(found.name) and not self._hidden(found.name)
                for below in [f"{path}/{found.name}".lstrip("/")]
            ]
        return model

    # ------------------------------------------------------------ changing

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """See the base class; pieces of a large file come with ``chunk``: 1, 2, …, and -1 for the last."""
        path = self.shown(path)
        kind, chunk = model.get("type"), model.get("chunk")
        if kind not in ("notebook", "file", "directory") or (chunk is not None and kind != "file"):
            raise HTTPError(400, "a file, a notebook or a folder can be saved, and only a file in pieces")
        if kind != "directory" and "content" not in model:
            raise HTTPError(400, "no content was sent")
        invalid: dict[str, Any] = {}
        if kind == "directory":
            await aside(self._make_folder, path)
        elif kind == "notebook":
            nb = nbformat.from_dict(model["content"])
            self.check_and_sign(nb, path)
            raw = await asyncio.to_thread(notebook_bytes, nb, invalid)
            await aside(self._put, path, raw)
            if not await self.checkpoints.list_checkpoints(path):
                await self.create_checkpoint(path)
        else:
            raw = decoded(model["content"], model.get("format"))
            await aside(self._put if chunk in (None, 1) else self._append, path, raw)
        saved = await aside(self._get, path, False, kind, None, False)
        if kind == "notebook":
            self.validate_notebook_model(saved, invalid)
        self.emit(data={"action": "save", "path": path})
        return saved

    def _make_folder(self, path: str) -> None:
        found = self._found(path)
        if found is None:
            folders.make_folder(self.root, path)
        elif not found.is_folder:
            raise HTTPError(400, "there is a file of this name")

    def _put(self, path: str, raw: bytes) -> None:
        with suppress(FileNotFoundError):
            found = folders.look(self.root, path)
            if found.is_folder:
                raise HTTPError(400, "there is a folder of this name")
            if not found.writable:
                raise HTTPError(403, "the file may not be written")
        folders.put(self.root, path, raw)

    def _append(self, path: str, raw: bytes) -> None:
        folders.append(self.root, path, raw)

    async def delete_file(self, path: str) -> None:
        """See the base class."""
        await aside(folders.remove, self.root, self.shown(path))

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """See the base class."""
        old, new = self.shown(old_path), self.shown(new_path)
        if old != new:
            await aside(folders.move, self.root, old, new)

    async def copy(self, from_path: str, to_path: str | None = None) -> dict[str, Any]:
        """See the base class, which copies files; a folder is copied without links, and up to a size."""
        path = self.shown(from_path)
        if not await self.dir_exists(path):
            copied: dict[str, Any] = await super().copy(path, to_path)
            return copied
        above, _, name = path.rpartition("/")
        target = above if to_path is None else self.shown(to_path)
        if not await self.dir_exists(target):
            raise HTTPError(404, "no such folder to copy into")
        name = await self.increment_filename(copy_pat.sub(".", name), target, insert="-Copy")
        new = f"{target}/{name}".lstrip("/")
        await aside(folders.copy_folder, self.root, path, new, COPIED, ENTRIES)
        self.emit(data={"action": "copy", "path": new, "source_path": path})
        return await self.get(new, content=False)
