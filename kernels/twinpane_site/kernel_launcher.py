"""Starts inside kernels: the project's frozen data, the user's volume, a private folder for sockets, the sandbox around them, a reader."""

import asyncio
import hashlib
import logging
import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from twinpane_sandbox.bubblewrap import PROJECT, Sandbox
from twinpane_sandbox.errors import SandboxError
from twinpane_sandbox.launch import KernelProcess, launch, listen
from twinpane_sandbox.leftovers import remove_leftovers
from twinpane_sandbox.limits import MIB
from twinpane_sandbox.machine_check import check
from twinpane_sandbox.own_users import user_from
from twinpane_sandbox.self_test import self_test
from twinpane_wire import messages as wire

from .config import SessionPolicy
from .errors import ConfigError, SiteError
from .inside_kernel import InsideKernel
from .own_users import OF_READERS, let_read, of_member
from .parts.fork_server import ForkServer
from .project_copier import ForkedCopier
from .reader import READER_MODULE
from .snapshot import ProjectData
from .volume import Volume

log = logging.getLogger(__name__)

READER_NICENESS = 5
"""Readers do not keep the agent from the processor."""
CALLS = "calls.sock"
PROJECTS = "projects"
"""The folder of the users' volumes in the site's, by project."""
READER = {"RLIMIT_DATA": 1024 * MIB, "RLIMIT_FSIZE": 512 * MIB}
"""Bounds of a reader, beside ``OF_READERS``. Its memory is what an endless message of a kernel can fill; then it ends, and with it its
session's kernel."""
PREFIX = "tpi-"
"""Of the names of inside kernels' private folders."""
TRIAL = 8 * MIB
"""Bytes of the volume that the sandbox is proved with."""


class KernelLauncher:
    """Starts the inside kernels of one site.

    ``data``: the folders shown at /data. ``floor``: see `Volume`. ``users``: the first user id of the kernels if the agent is
    root (0: kernels run as the agent's user).
    """

    def __init__(
        self, folder: Path, data: ProjectData, session: SessionPolicy, fork_server: "ForkServer | None" = None,
        floor: Callable[[], int] = lambda: 0, users: int = 0,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._data = data
        self._session = session
        self._fork_server = fork_server
        self._floor = floor
        self._users = users
        self._volumes: dict[wire.Principal, Volume] = {}

    def volume(self, principal: wire.Principal) -> Volume:
        """The user's inside /project in this project: kept from session to session."""
        if principal not in self._volumes:
            user = hashlib.sha256(principal.user.encode()).hexdigest()[:24]  # names may hold what folders may not
            root = self._folder / PROJECTS / principal.project / user
            moves = ForkedCopier(self._fork_server) if self._fork_server is not None else None
            self._volumes[principal] = Volume(root, self._session.quota, self._floor, moves, of_member(root, self._users))
        return self._volumes[principal]

    def close(self) -> None:
        """Wait until all volumes are where they belong; every kernel is dead. Blocks."""
        for volume in self._volumes.values():
            volume.close()

    def prove(self) -> None:
        """End leftovers of an earlier life, and prove from within that the sandbox holds on this machine, with /project's volume.

        Raises ConfigError, with reason and remedy, if it does not hold.
        """
        removed = remove_leftovers(PREFIX)
        if removed:
            log.warning("%d folders of kernels of a past life were removed", removed)
        data = self._data.whole
        owner = user_from(self._users, None, ())
        if owner:
            let_read(data, self._folder)
        with tempfile.TemporaryDirectory(prefix=PREFIX) as trial:
            place = Path(trial)
            volume = Volume(place / "project", replace(self._session.quota, size=TRIAL), owner=owner)
            try:
                check()
                holder = volume.hold()
                try:
                    sandbox = Sandbox(
                        data=data, project=volume.root, private=place / "k", seed=0, limits=self._session.limits, holder=holder,
                        owner=owner,
                    )  # fmt: skip
                    report = self_test(sandbox)
                finally:
                    volume.release()
            except (SandboxError, OSError) as error:
                raise ConfigError(f"No kernel is started here: {error}") from None
        for note in report.notes:
            log.warning("sandbox: %s", note)

    async def start(self, opened: wire.Open, principal: wire.Principal, volume: Volume) -> InsideKernel | None:
        """Start an inside kernel; None if it does not come up. Outside its cells then show as failed; the reason is in the log here."""
        try:
            private = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp" if os.access("/tmp", os.W_OK) else None))  # noqa: S108
        except OSError as error:
            log.error("no inside kernel for session %s: %s", opened.session, error)
            return None
        calls = listen(private / CALLS)
        try:
            process = await self._launch(opened, principal, volume, private)
        except BaseException as error:
            calls.close()
            shutil.rmtree(private, ignore_errors=True)
            if not isinstance(error, SandboxError | SiteError | OSError):
                raise
            log.error("no inside kernel for session %s: %s", opened.session, error)
            return None
        try:
            kernel = await self._read(process, calls, private, opened.session)
        except OSError as error:
            log.error("no reader for session %s: %s", opened.session, error)
            await _to_its_end(asyncio.to_thread(process.close))
            return None
        except BaseException:  # closed before it had a reader: nobody else would end the kernel
            await _to_its_end(asyncio.to_thread(process.close))
            raise
        finally:
            calls.close()
        try:
            if await kernel.start():
                return kernel
        except BaseException:  # usually the session was closed meanwhile: its kernel must not stay behind
            await _to_its_end(kernel.close())
            raise
        log.error("the inside kernel of session %s did not come up", opened.session)
        await _to_its_end(kernel.close())
        return None

    async def _read(self, process: KernelProcess, calls: socket.socket, private: Path, session: str) -> InsideKernel:
        """Fork the session's reader on the kernel's sockets and its stdout; raises OSError if that fails."""
        said = process.process.stdout
        if self._fork_server is None or said is None:
            raise OSError("there is nothing to fork a reader from")
        fork_server, settings = self._fork_server, {"connection": process.connection, "private": str(private), "session": session}
        given = (calls.fileno(), said.fileno())
        bounds = READER | {"RLIMIT_NOFILE": min(OF_READERS, resource.getrlimit(resource.RLIMIT_NOFILE)[0])}
        pid, end = await asyncio.to_thread(fork_server.fork, READER_MODULE, settings, given, bounds, READER_NICENESS)
        said.close()
        return InsideKernel(process, end, session, lambda: fork_server.kill(pid))

    async def _launch(self, opened: wire.Open, principal: wire.Principal, volume: Volume, private: Path) -> KernelProcess:
        """Start the kernel in the user's volume, which it leaves when it is closed. Raises SandboxError, OSError."""
        data = self._data.of(principal.project)
        if volume.owner:
            let_read(data, self._folder)
        holder = await volume.enter()
        try:
            if opened.cwd:
                volume.make_folder(opened.cwd)
            cwd = f"{PROJECT}/{opened.cwd}" if opened.cwd else PROJECT
            sandbox = Sandbox(
                data=data, project=volume.root, private=private, cwd=cwd, seed=opened.seed,
                limits=self._session.limits, holder=holder, owner=volume.owner,
            )  # fmt: skip
            process = launch(sandbox, drained=False)
        except BaseException:
            volume.leave()
            raise
        process.closed = volume.leave
        return process


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """End a kernel, even if the caller is cancelled repeatedly: nobody else would end it."""
    task = asyncio.get_running_loop().create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
