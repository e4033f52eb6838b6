"""A user's inside ``/project``. The agent writes files of the workspace there, and opens files there for the review.

An inside kernel may plant links below it at any time, so no path is followed: the sandbox's own file functions open each folder
separately. While sessions are open, the folder lies in a volume of a fixed size (see ``twinpane_sandbox.volume_holder``). So no kernel can
fill the disk of ledger and inbox. Between sessions the folder lies on the disk.
"""

import asyncio
import base64
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, TypeVarTuple

from twinpane_sandbox.as_user import acting_as
from twinpane_sandbox.copying import restore
from twinpane_sandbox.errors import UnsafePath
from twinpane_sandbox.files import FOLDER, safe_delete, safe_open, safe_write
from twinpane_sandbox.folders import give_all
from twinpane_sandbox.volume_holder import VolumeHolder, hold_image, hold_memory, make_image
from twinpane_wire.messages import WorkspaceFile

from .errors import SiteError
from .project_copier import LocalCopier, ProjectCopier

log = logging.getLogger(__name__)

WAIT_S = 0.02

Given = TypeVarTuple("Given")
Done = TypeVar("Done")


@dataclass(frozen=True)
class Quota:
    """How ``/project`` is kept within a size: in memory, in an image on the disk, or (a folder) not at all. ``size`` in bytes."""

    kind: Literal["memory", "image", "folder"]
    size: int


FOLDER_ONLY = Quota("folder", 0)


class Volume:
    """The folder ``root`` of one user in one project, shared by that user's sessions."""

    def __init__(
        self,
        root: Path,
        quota: Quota = FOLDER_ONLY,
        floor: Callable[[], int] = lambda: 0,
        moves: ProjectCopier | None = None,
        owner: int = 0,
    ) -> None:
        """Make the folder if it is not there. If that fails, no kernel starts in it, and the log says why.

        ``floor`` gives the bytes of the disk to leave free when content is copied there from memory. ``moves`` makes the copies (by
        default in this process). All content belongs to ``owner``, the machine's user that the kernels run under (0: to us).
        """
        self.root = root
        self._quota = quota
        self._floor = floor
        self._moves = moves or LocalCopier()
        self.owner = owner
        self._holder: VolumeHolder | None = None
        self._sessions = 0
        self._moving = threading.Lock()
        """Held while the content moves between disk and volume, and while a session's files are written."""
        self._at_holder = threading.Lock()
        self._mover = ThreadPoolExecutor(1, thread_name_prefix="volume")
        """What is long is done here, so that no other member's work waits for it; it is done to its end before this process ends."""
        try:
            restore(root)
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if owner and root.stat().st_uid != owner:
                give_all(root, owner)
        except OSError as error:
            log.error("%s cannot be made: %s", root, error)

    # ------------------------------------------------------------ a session's life

    async def enter(self) -> int:
        """One more session works here: returns the process that holds the volume, 0 for a folder. Raises SandboxUnavailable, OSError.

        Call it from the main thread's loop: the volume goes with the thread that made it.
        """
        while not self._moving.acquire(blocking=False):
            await asyncio.sleep(WAIT_S)
        try:
            if self._sessions == 0:
                if self._quota.kind == "image":
                    await self._move(make_image, self._image, self._quota.size)
                holder = self.hold()
                if self._quota.kind == "memory":
                    await self._fill_held()
            else:
                holder = self._holder.pid if self._holder else 0
            self._sessions += 1
            return holder
        finally:
            self._moving.release()

    def hold(self) -> int:
        """Mount the volume, empty where it is in memory; returns the process that holds it, 0 for a folder. Raises SandboxUnavailable."""
        if self._quota.kind == "image":
            make_image(self._image, self._quota.size)
            self._holder = hold_image(self.root, self._image)
            if self.owner and os.fstat(self._holder.descriptor).st_uid != self.owner:
                give_all(f"/proc/self/fd/{self._holder.descriptor}/.", self.owner)
        elif self._quota.kind == "memory":
            self._holder = hold_memory(self.root, self._quota.size, self.owner)
        return self._holder.pid if self._holder else 0

    def release(self) -> None:
        """Unmount the volume. Content in memory is lost."""
        with self._at_holder:
            holder, self._holder = self._holder, None
        if holder is not None:
            holder.close()

    def use(self) -> tuple[int, int] | None:
        """How many bytes are used, of how many. None while nothing is held, and for a folder: nobody counts what is in it."""
        with self._at_holder:
            if self._holder is None:
                return None
            try:
                state = os.fstatvfs(self._holder.descriptor)
            except OSError:
                return None
        return (state.f_blocks - state.f_bfree) * state.f_frsize, state.f_blocks * state.f_frsize

    @property
    def _image(self) -> Path:
        return self.root.with_name(f"{self.root.name}.ext4")

    async def _fill_held(self) -> None:
        assert self._holder is not None
        try:
            # Give the thread its own descriptor: it goes on even if we are cancelled.
            left_out = await self._move(self._fill, os.dup(self._holder.descriptor))
        except BaseException:
            self.release()
            raise
        if left_out:
            log.warning("%d files of %s do not fit into its volume, or cannot be read", left_out, self.root)

    async def _move(self, work: Callable[[*Given], Done], *args: *Given) -> Done:
        return await asyncio.get_running_loop().run_in_executor(self._mover, work, *args)

    def _fill(self, target: int) -> int:
        try:
            return self._moves.fill(self.root, target, self._quota.size, self.owner)
        finally:
            os.close(target)

    def leave(self) -> None:
        """Note that a session ended and its kernel is dead. After the last one, a thread that outlasts the caller copies it to the disk."""
        self._mover.submit(self._leave)

    def close(self) -> None:
        """Wait until all copies are finished. Blocks; nobody enters after it."""
        self._mover.shutdown(wait=True)

    def _leave(self) -> None:
        with self._moving:
            self._sessions -= 1
            if self._sessions or self._holder is None:
                return
            try:
                if self._quota.kind == "memory":
                    self._keep(self._holder.descriptor)
            except (OSError, SiteError) as error:
                log.error("what the sessions left in %s is lost, and it is as it was before them: %s", self.root, error)
            finally:
                self.release()

    def _keep(self, content: int) -> None:
        if left_out := self._moves.keep(content, self.root, self._quota.size, self._floor(), self.owner):
            log.warning("%d files of %s were not kept", left_out, self.root)

    @contextmanager
    def _place(self) -> Iterator[str]:
        """A path to the present content, in folder or volume, by a separate descriptor.

        In the block, this thread's file operations run as the kernels' user. It reaches no more than they do, and its files are theirs.
        """
        with self._at_holder:
            descriptor = os.dup(self._holder.descriptor) if self._holder else os.open(self.root, FOLDER)
        try:
            with acting_as(self.owner):
                yield f"/proc/self/fd/{descriptor}/."
        finally:
            os.close(descriptor)

    # ------------------------------------------------------------ files

    def push(self, files: Sequence[WorkspaceFile]) -> None:
        """Write the researcher's changed files, and remove the deleted ones. Log here alone a file that cannot be written; it stays."""
        try:
            with self._moving, self._place() as place:
                for file in files:
                    _push(place, file)
        except OSError as error:
            log.warning("workspace files not written inside: %s", error)

    def open(self, path: str) -> int | None:
        """A descriptor of a file, for others to read; None if there is no such file, or if a link is in the way."""
        try:
            with self._place() as place:
                return safe_open(place, path)
        except (UnsafePath, OSError):
            return None

    def make_folder(self, path: str) -> None:
        """Make a folder, for a kernel to start in; does nothing where something is in the way."""
        marker = f"{path}/.twinpane"
        try:
            with self._place() as place:
                safe_write(place, marker, b"")
                safe_delete(place, marker)
        except (UnsafePath, OSError) as error:
            log.warning("no folder to start in: %s", error)


def _push(place: str, file: WorkspaceFile) -> None:
    try:
        if file.content is None:
            safe_delete(place, file.path)
        else:
            safe_write(place, file.path, base64.b64decode(file.content))
    except (ValueError, OSError) as error:  # what is not base64, too
        log.warning("workspace file not written inside: %s", error)
