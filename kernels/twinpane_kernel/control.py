"""The control channel. It decides which requests the pane answers itself, and which cell an interrupt belongs to."""

import asyncio
from typing import Protocol

from twinpane_wire import messages as wire

from . import kernel_info
from .cells import Cells, SiteView
from .message import Message
from .pane_link import PaneLink
from .relay import Relay

CELLS_REQUEST = "twinpane_cells_request"
"""A control message of our own: the reports of all cells, for `twinpane run`."""
FINISH_REQUEST = "twinpane_finish_request"
"""Another one: end the clear kernel and stay, for `twinpane run --sites`. Its reply comes when nothing in the sandbox lives any more."""


class Session(Protocol):
    """What control needs of the pane."""

    session: str
    link: PaneLink | None
    cells: Cells
    sites: dict[str, SiteView]
    notes: list[str]
    ended: asyncio.Event
    open: bool

    def hold_back(self, channel: str, message: Message) -> None:
        """Keep a request until the clear kernel is up."""

    def finish(self) -> None:
        """The clear kernel is ended: its requests and outputs are over."""


class Control:
    """Takes clients' control messages; `twinpane_kernel.serve` carries out the requests."""

    def __init__(self, session: Session, relay: Relay) -> None:
        self._session = session
        self._relay = relay
        self.finishing = asyncio.Event()
        """Somebody asked to end the clear kernel."""
        self._finish: list[Message] = []

    def take(self, message: Message) -> bool:
        """A client's message; False where the clear kernel does not get it, see `relay.Observer.on_request`."""
        session, kind = self._session, message.msg_type
        if kind == CELLS_REQUEST:
            self._tell_cells(message)
            return False
        if kind == FINISH_REQUEST:
            self._finish.append(message)
            self.finishing.set()
            return False
        if kind == "interrupt_request":
            self._interrupt()
        if session.open:
            return True
        if kind == "shutdown_request":
            self._relay.reply("control", message, "shutdown_reply", {"status": "ok", "restart": bool(message.content.get("restart"))})
            session.ended.set()
        elif kind == "kernel_info_request":
            self.early_kernel_info("control", message)
        elif kind == "interrupt_request":
            self._relay.reply("control", message, "interrupt_reply", {"status": "ok"})
        else:
            session.hold_back("control", message)
        return False

    def finished(self, gone: bool) -> None:
        """The clear kernel was ended; ``gone`` says whether nothing of it lives on."""
        self._session.finish()
        for message in self._finish:
            self._relay.reply("control", message, "twinpane_finish_reply", {"status": "ok" if gone else "error"})
        self._finish.clear()

    def early_kernel_info(self, channel: str, message: Message) -> None:
        """Answer in the place of a clear kernel that is not up."""
        parent = message.frames[2]
        self._relay.publish("status", {"execution_state": "busy"}, parent)
        self._relay.reply(channel, message, "kernel_info_reply", kernel_info.content())
        self._relay.publish("status", {"execution_state": "idle"}, parent)

    def _tell_cells(self, message: Message) -> None:
        session = self._session
        reports = {cell.msg_id: cell.report(session.sites) for cell in session.cells}
        self._relay.reply("control", message, "twinpane_cells_reply", {
            "status": "ok", "settled": all(report.settled for report in reports.values()),
            "cells": {msg_id: report.model_dump(mode="json") for msg_id, report in reports.items()},
            "sites": {name: {"title": view.title, "online": view.online} for name, view in session.sites.items()},
            "notes": list(session.notes),
        })  # fmt: skip

    def _interrupt(self) -> None:
        """Interrupt the running cell, if there is one. Earlier cells continue at the sites."""
        cell = self._session.cells.current
        if self._session.link and self._session.open and cell is not None and cell.running and cell.runs_inside:
            self._session.link.send_all(wire.Interrupt(session=self._session.session, cell=cell.number))
