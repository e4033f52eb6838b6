"""Paints strips: the display that stands under a cell, last before idle, and is updated as sites speak."""

import asyncio
from collections.abc import Callable
from typing import Any

from . import strip
from .cell_report import CellReport
from .cells import Cell
from .relay import Relay

REPAINT_S = 0.05


class StripPublisher:
    """Publishes strips as displays with an id of their own; several changes in a moment make one update."""

    def __init__(self, relay: Relay, session: str, report: Callable[[Cell], CellReport]) -> None:
        self._relay = relay
        self._session = session
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.TimerHandle] = {}
        self._shown: dict[int, CellReport] = {}
        self._closed = False

    def paint(self, cell: Cell) -> None:
        """Show the strip of a cell that has just ended outside, unless there is nothing to say."""
        report = self._report(cell)
        if not strip.empty(report):
            cell.painted = True
            self._publish("display_data", cell, report)

    def repaint(self, cell: Cell) -> None:
        """Paint the strip anew, soon; a cell without one stays without."""
        if cell.painted and cell.number not in self._waiting and not self._closed:
            self._waiting[cell.number] = self._loop.call_later(REPAINT_S, self._update, cell)

    def close(self) -> None:
        """Paint no more, though sites may still speak."""
        self._closed = True
        for handle in self._waiting.values():
            handle.cancel()

    def _update(self, cell: Cell) -> None:
        self._waiting.pop(cell.number, None)
        report = self._report(cell)
        if report != self._shown.get(cell.number):
            self._publish("update_display_data", cell, report)

    def _publish(self, msg_type: str, cell: Cell, report: CellReport) -> None:
        self._shown[cell.number] = report
        bundle: dict[str, Any] = {"data": strip.bundle(report), "metadata": {"twinpane": {"strip": 1}}}
        name = f"{strip.DISPLAY}{self._session[:12]}-{cell.number}"
        self._relay.publish(msg_type, bundle | {"transient": {"display_id": name}}, cell.header)
