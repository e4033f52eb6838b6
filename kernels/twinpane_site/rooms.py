"""Where inside kernels run: the project's frozen data, the user's volume, a private folder for sockets, and the sandbox around them."""

import asyncio
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twinpane_broker.broker import Broker
from twinpane_broker.plan import Plan
from twinpane_broker.release import Refusal, Release
from twinpane_sandbox.bubblewrap import PROJECT, Sandbox
from twinpane_sandbox.calls import CallServer
from twinpane_sandbox.check import check
from twinpane_sandbox.errors import SandboxError
from twinpane_sandbox.launch import KernelProcess, launch
from twinpane_sandbox.leftovers import remove_leftovers
from twinpane_sandbox.limits import MIB
from twinpane_sandbox.self_test import self_test
from twinpane_wire import messages as wire

from .config import BrokerPolicy, SessionPolicy
from .errors import ConfigError
from .inside import InsideKernel
from .volume import Volume

log = logging.getLogger(__name__)

PREFIX = "tpi-"
"""Of the names of inside kernels' private folders."""
TRIAL = 8 * MIB
"""Bytes of the volume that the sandbox is proved with."""

Call = Callable[[str, dict[str, Any]], Awaitable[Any]]


class Rooms:
    """Makes rooms for the sessions of one site. ``data`` by project: the folder shown at /data."""

    def __init__(self, folder: Path, data: Mapping[str, Path], session: SessionPolicy, broker: BrokerPolicy) -> None:
        self._folder = folder
        self._data = data
        self._session = session
        self._broker = broker
        self._volumes: dict[wire.Principal, Volume] = {}

    def volume(self, principal: wire.Principal) -> Volume:
        """The user's inside /project in this project: kept from session to session."""
        if principal not in self._volumes:
            user = hashlib.sha256(principal.user.encode()).hexdigest()[:24]  # names may hold what folders may not
            self._volumes[principal] = Volume(self._folder / "projects" / principal.project / user, self._session.quota)
        return self._volumes[principal]

    def prove(self) -> None:
        """End what a past life left, and prove from within that the sandbox holds on this machine, /project's volume included; raises
        ConfigError with the reason and the remedy where it does not."""
        removed = remove_leftovers(PREFIX)
        if removed:
            log.warning("%d folders of kernels of a past life were removed", removed)
        data = next(iter(self._data.values()), None)
        if data is None:
            return  # no project, no kernel
        with tempfile.TemporaryDirectory(prefix=PREFIX) as trial:
            place = Path(trial)
            volume = Volume(place / "project", replace(self._session.quota, size=TRIAL))
            try:
                check()
                holder = volume.hold()
                try:
                    sandbox = Sandbox(
                        data=data, project=volume.root, private=place / "k", seed=0, limits=self._session.limits, holder=holder
                    )
                    report = self_test(sandbox)
                finally:
                    volume.release()
            except (SandboxError, OSError) as error:
                raise ConfigError(f"No kernel is started here: {error}") from None
        for note in report.notes:
            log.warning("sandbox: %s", note)
            print(f"twinpane site: {note}", file=sys.stderr, flush=True)

    async def enter(self, opened: wire.Open, principal: wire.Principal, volume: Volume, call: Call) -> InsideKernel | None:
        """Start an inside kernel; None where it does not come up, which shows outside as cells that failed, and in the log here."""
        try:
            private = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp" if os.access("/tmp", os.W_OK) else None))  # noqa: S108
        except OSError as error:
            log.error("no inside kernel for session %s: %s", opened.session, error)
            return None
        calls = CallServer(private / "calls.sock", call)
        try:
            process = await self._launch(opened, principal, volume, private, calls)
        except BaseException as error:
            await calls.close()
            shutil.rmtree(private, ignore_errors=True)
            if not isinstance(error, SandboxError | OSError):
                raise
            log.error("no inside kernel for session %s: %s", opened.session, error)
            return None
        kernel = InsideKernel(process, opened.session, calls)
        try:
            if await kernel.start():
                return kernel
        except BaseException:  # the session was closed meanwhile, above all: its kernel may not stay behind
            await kernel.close()
            raise
        log.error("the inside kernel of session %s did not come up: %s", opened.session, process.said()[-2000:].decode(errors="replace"))
        await kernel.close()
        return None

    async def _launch(
        self, opened: wire.Open, principal: wire.Principal, volume: Volume, private: Path, calls: CallServer
    ) -> KernelProcess:  # fmt: skip
        """Start the kernel in the user's volume, which it leaves when it is closed. Raises SandboxError, OSError."""
        holder = await volume.enter()
        try:
            if opened.cwd:
                volume.make_folder(opened.cwd)
            cwd = f"{PROJECT}/{opened.cwd}" if opened.cwd else PROJECT
            sandbox = Sandbox(
                data=self._data[principal.project], project=volume.root, private=private, cwd=cwd, seed=opened.seed,
                limits=self._session.limits, holder=holder,
            )  # fmt: skip
            await calls.start()
            process = launch(sandbox)
        except BaseException:
            volume.leave()
            raise
        process.closed = volume.leave
        return process

    async def ask(self, broker: Broker, plan: Plan) -> Release | Refusal:
        """A broker's answer, given at the next tick of a grid that doubles: how long it took tells no more than that."""
        began = time.monotonic()
        result = await asyncio.to_thread(broker.run, plan)
        tick = self._broker.first_reply_ms / 1000
        while began + tick < time.monotonic():
            tick *= 2
        await asyncio.sleep(began + tick - time.monotonic())
        return result
