"""Joins the pane's parts for the life of one kernel: relay, clear kernel, twin, link."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from dataclasses import dataclass

from twinpane_sandbox.call_server import CallServer
from twinpane_sandbox.launch import Connection

from . import memory_limit
from .clear_kernel import ClearKernel, Place
from .pane import Pane
from .pane_link import PaneLink
from .relay import Relay
from .twin_files import ready

log = logging.getLogger(__name__)

WELCOME_S = 5.0
"""Seconds that the first cell waits for the switchboard before the notebook starts without sites."""
PROBE_S = 0.02
"""Seconds between the clear kernel's answer and the next question, while its iopub is not heard yet."""
LOST_S = 2.0
"""Seconds after which a question that was not answered is asked again."""


@dataclass(frozen=True)
class Sites:
    """Where the sites are: the switchboard's address (empty without sites), the project, the token, and whether cells run there later."""

    url: str
    project: str
    token: str
    later: bool = False


def serve(connection: Connection, kernel: ClearKernel, session: str, place: Place, seed: int, sites: Sites) -> int:
    """Serve clients until shutdown; returns the process's exit status."""
    logging.basicConfig(level=logging.WARNING, format="twinpane: %(message)s")
    memory_limit.limit()
    return asyncio.run(_serve(connection, kernel, session, place, seed, sites))


async def _serve(connection: Connection, kernel: ClearKernel, session: str, place: Place, seed: int, sites: Sites) -> int:
    loop = asyncio.get_running_loop()
    # jupyter_client sets the variable for kernels that are to end with their server.
    parent = os.getppid() if os.environ.get("JPY_PARENT_PID") else None
    relay = Relay(connection, loop, session)
    pane = Pane(relay, place.workspace, seed, place.cwd or None, place.covered, sites.later)
    relay.start(pane)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, pane.ended.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # interrupts come as messages; a signal to the group is not for us
    calls = CallServer(kernel.calls if kernel.listener is None else None, pane.calls.handle)
    await calls.start(kernel.listener)
    relay.connect(kernel.connection)
    link = PaneLink(sites.url, sites.token, sites.project, pane.session, pane.on_site, pane.on_crossing) if sites.url else None
    works = (_watch(kernel, pane, parent), _come_up(pane, kernel, link), _finish(kernel, pane))
    tasks = [asyncio.create_task(work) for work in works]
    if link:
        pane.join(link)
        tasks.append(asyncio.create_task(link.run()))
    try:
        await pane.ended.wait()
        return 0 if kernel.poll() is None or pane.control.finishing.is_set() else 1
    finally:
        pane.close()
        if link:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(link.flush(), 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await calls.close()
        kernel.close()
        relay.close()


async def _watch(kernel: ClearKernel, pane: Pane, parent: int | None) -> None:
    """End the pane if the clear kernel dies, so that Jupyter sees a dead kernel and says so.

    Do the same if the server dies, or if the kernel sends more than fits here.
    """
    asked = pane.control.finishing
    while (asked.is_set() or kernel.poll() is None) and parent in (None, os.getppid()) and not memory_limit.overfull():
        await asyncio.sleep(0.2)
    if memory_limit.overfull():
        log.error("more was sent than the pane can hold: the kernel is ended")
    if kernel.poll() is not None and not pane.ended.is_set() and not asked.is_set():
        log.warning("the clear kernel ended: %s", kernel.said()[-2000:].decode(errors="replace"))
    pane.ended.set()


async def _finish(kernel: ClearKernel, pane: Pane) -> None:
    """End the clear kernel when somebody asks for that, and stay."""
    await pane.control.finishing.wait()
    await asyncio.to_thread(kernel.close)
    pane.control.finished(gone=not kernel.outlived)


async def _come_up(pane: Pane, kernel: ClearKernel, link: PaneLink | None) -> None:
    """Let clients through once the clear kernel answers and the twin lies ready."""
    twin = asyncio.create_task(_lay_out_twin(pane, kernel, link)) if link else None
    while not pane.kernel_up.is_set():
        pane.probe()
        # Ask one question at a time: the kernel answers all waiting questions before the first cell.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(pane.answered.wait(), LOST_S)
            await asyncio.wait_for(pane.kernel_up.wait(), PROBE_S)
    if twin:
        await twin
    pane.let_through()


async def _lay_out_twin(pane: Pane, kernel: ClearKernel, link: PaneLink) -> None:
    """Wait a little for the sites' catalogues before the first cell. Without them the notebook starts, and says so."""
    try:
        await asyncio.wait_for(link.welcomed.wait(), WELCOME_S)
    except TimeoutError:
        why = link.refused or "no answer from the switchboard"
        pane.notes.append(f"Twinpane could not reach the sites ({why}); it keeps trying, and cells wait for them.")
        return
    catalogues = [pane.catalogued[site].catalogue for site in link.sites if site in pane.catalogued]
    try:
        twin = await asyncio.to_thread(ready, catalogues)
        if twin is None:
            pane.notes.append("No site of this project has published a catalogue yet, so there is no data to rehearse on.")
            return
        await asyncio.to_thread(kernel.lay, twin)
    except (OSError, subprocess.SubprocessError) as error:
        pane.notes.append(f"The twin could not be made ({error}); /data is empty.")
