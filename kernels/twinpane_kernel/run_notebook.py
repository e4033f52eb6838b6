"""Running a notebook in a Twinpane kernel without a browser: every cell on the twin, then patience until every site has said its part."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from twinpane.rehearsal import is_rehearsal
from twinpane_ground.lifeline import tied

from .cell_report import CellReport, State
from .run_children import RunError
from .run_pane import Status, ask, finish
from .run_record import VERDICTS

FIRST_POLL, LAST_POLL = 0.1, 2.0
"""Seconds between two questions to the pane; the pause doubles from the first to the last."""
READY = 60.0
"""Seconds for the kernel to come up."""
SENT = "The kernel ended before it could say what its sites did: cells were sent to them, and what became of those is unknown."
NOT_BEGUN = "The kernel ended before the sites were told to begin: nothing of this notebook ran on real rows."


@dataclass(frozen=True)
class How:
    """How to run: the kernelspec, the folder the kernel starts in, and how patient and how strict to be."""

    kernel_name: str
    folder: Path
    allow_errors: bool = False
    cell_timeout: float | None = None
    """Seconds for one cell on the twin."""
    timeout: float = 600.0
    """Seconds for the sites after the last cell."""


@dataclass
class Outcome:
    """A finished run."""

    reports: dict[int, CellReport] = field(default_factory=dict)
    """By index of the cell in the notebook."""
    failed: int | None = None
    """Index of the cell that failed on the twin and stopped the run."""
    why: str = ""
    """What failed there, in one line."""
    died: bool = False
    """That cell ended the kernel, and the pane with it."""
    settled: bool = False
    sites: dict[str, dict[str, Any]] = field(default_factory=dict)
    unsent: list[int] = field(default_factory=list)
    """Cells that some site of the project never got, though they were no rehearsals."""
    notes: tuple[str, ...] = ()
    unknown: str = ""
    """Why it is not known what the sites did, in a sentence."""

    def troubles(self, allow_errors: bool) -> list[str]:
        """What went wrong at the sites, in sentences: nothing known, no site at all, cells without a verdict, cells that failed there."""
        if self.unknown:
            return [self.unknown]
        told = [] if self.sites else ["No site was reached, so nothing ran on real rows."]
        for index in self.unsent if self.sites else ():
            told.append(f"Cell {index + 1} was not sent to every site.")
        silent: dict[str, list[int]] = {}
        for index, report in self.reports.items():
            for site in report.sites:
                if site.state not in VERDICTS:
                    silent.setdefault(f"no verdict from {site.title or site.site}: {_why(site.state, site.online)}.", []).append(index + 1)
                elif site.state is State.failed and not allow_errors:
                    told.append(f"Cell {index + 1} failed at {site.title or site.site}: {site.failure} in line {site.line}.")
        return told + [f"{_cells(numbers)} {what}" for what, numbers in silent.items()]


def _cells(numbers: list[int]) -> str:
    """These cells as the subject of a sentence: "Cell 3 has", "Cells 3 to 34, 37 have"."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    listed = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)
    return f"Cell {listed} has" if len(numbers) == 1 else f"Cells {listed} have"


def _why(state: State, online: bool) -> str:
    if state is State.spent:
        return "its meter is spent"
    if state is State.refused:
        return "it has not accepted this project or user"
    return "it did not answer in time" if online else "it is offline"


async def run(
    notebook: NotebookNode, environment: Mapping[str, str], how: How, say: Callable[[str], None],
    turn: Callable[[Outcome], Awaitable[None]] | None = None,
) -> Outcome:  # fmt: skip
    """Execute the notebook in place, with ``environment`` added to the kernel's, and wait for its sites after the last cell.

    With ``turn``, the clear kernel is ended after the last cell, and ``turn`` is called when nothing of it lives any more: it lets the
    sites begin. The kernel is shut down whatever happens. Raises RunError when it does not start, or does not end then.
    """
    manager = AsyncKernelManager(kernel_name=how.kernel_name)
    client = NotebookClient(
        notebook, km=manager, timeout=int(how.cell_timeout) if how.cell_timeout else None, allow_errors=how.allow_errors
    )
    requests = _Progress(notebook, say)
    client.on_cell_execute, client.on_cell_executed = requests.starts, requests.ends
    try:
        await manager.start_kernel(cwd=str(how.folder), env={**os.environ, **environment}, preexec_fn=tied())
        # Not nbclient's own start: on a failure it shuts the kernel down as well, and that cannot be done twice.
        kernel = client.kc = manager.client()
        kernel.start_channels()
        await kernel.wait_for_ready(timeout=READY)
        kernel.allow_stdin = False
    except BaseException as error:
        await _shut_down(manager, client)
        if isinstance(error, Exception):
            raise RunError(f"the kernel {how.kernel_name!r} did not start: {error}") from error
        raise
    outcome = Outcome()
    try:
        await _execute(client, kernel, outcome)
        if outcome.died:
            outcome.unknown = SENT if turn is None else NOT_BEGUN
            return outcome
        if turn is not None:
            await finish(kernel)
            _take(await ask(kernel), requests.cells, outcome)
            await turn(outcome)
        await _settle(kernel, requests.cells, outcome, how.timeout, say)
        outcome.unsent = unsent(notebook, outcome)
    finally:
        await _shut_down(manager, client)
    return outcome


async def _execute(client: NotebookClient, kernel: AsyncKernelClient, outcome: Outcome) -> None:
    info = await client.async_wait_for_reply(kernel.kernel_info())
    if info is not None:
        client.nb.metadata["language_info"] = info["content"]["language_info"]
    for index, cell in enumerate(client.nb.cells):
        try:
            await client.async_execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None  # nbclient takes our own cancellation for a dead kernel
            outcome.failed, outcome.died = index, isinstance(error, DeadKernelError)
            outcome.why = f"{error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else str(error).strip().splitlines()[0]
            break
    client.set_widgets_metadata()


async def _settle(kernel: AsyncKernelClient, cells: dict[str, int], outcome: Outcome, timeout: float, say: Callable[[str], None]) -> None:
    """Ask the pane until every site has told all it can, or the time is over."""
    loop = asyncio.get_running_loop()
    end, pause, said = loop.time() + timeout, FIRST_POLL, ""
    while True:
        try:
            status = await ask(kernel)
        except RunError as error:
            if outcome.failed is None and not outcome.reports:
                raise
            outcome.unknown = f"{SENT} ({error})"  # the pane died: there is nobody left to ask
            return
        _take(status, cells, outcome)
        if outcome.settled or loop.time() >= end:
            return
        waiting = _waiting(outcome)
        if waiting != said:
            say(waiting)
            said = waiting
        await asyncio.sleep(min(pause, max(0.0, end - loop.time())))
        pause = min(LAST_POLL, pause * 2)


def _take(status: Status, cells: dict[str, int], outcome: Outcome) -> None:
    outcome.reports = {cells[msg_id]: report for msg_id, report in status.cells.items() if msg_id in cells}
    outcome.settled = status.settled and all(report.settled for report in outcome.reports.values())
    outcome.sites, outcome.notes = status.sites, status.notes


def _waiting(outcome: Outcome) -> str:
    open_cells: dict[str, int] = {}
    for report in outcome.reports.values():
        for site in report.sites:
            if site.state in (State.queued, State.running):
                open_cells[site.title or site.site] = open_cells.get(site.title or site.site, 0) + 1
    told = ", ".join(f"{site} ({n} cell{'s' if n > 1 else ''})" for site, n in open_cells.items())
    return f"waiting for {told or 'numbers that cells asked to reveal'}"


async def _shut_down(manager: AsyncKernelManager, client: NotebookClient) -> None:
    if client.kc is not None:
        client.kc.stop_channels()
    with contextlib.suppress(RuntimeError):
        if manager.has_kernel:
            await manager.shutdown_kernel()
    await manager.cleanup_resources()


class _Progress:
    """Remembers which request ran which cell, and says how the run goes."""

    def __init__(self, notebook: NotebookNode, say: Callable[[str], None]) -> None:
        self.cells: dict[str, int] = {}
        self._say = say
        self._code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]

    def starts(self, cell: NotebookNode, cell_index: int) -> None:
        first = next((line.strip() for line in cell.source.splitlines() if line.strip()), "")
        self._say(f"[{self._code.index(cell_index) + 1}/{len(self._code)}] {first[:80]}")

    def ends(self, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        self.cells[execute_reply["parent_header"]["msg_id"]] = cell_index
        if execute_reply["content"].get("status") == "error":
            self._say(f"    failed on the twin: {execute_reply['content'].get('ename')}")


def unsent(notebook: NotebookNode, outcome: Outcome) -> list[int]:
    """Cells that ran and are no rehearsals, but did not go to every site of the project."""
    return [
        index
        for index, report in outcome.reports.items()
        if not is_rehearsal(notebook.cells[index].source) and {site.site for site in report.sites} != set(outcome.sites)
    ]
