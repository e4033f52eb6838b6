"""Handles the crossings that sites let out: it finds the cell of each, and believes only what a crossing proves."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from twinpane_wire import messages as wire

from . import export_status, kernel_info
from .cells import Cell, Cells, SiteView
from .release_folder import ReleaseError, keep
from .tp_calls import TpCalls

log = logging.getLogger(__name__)


class Session(Protocol):
    """What it needs of the pane."""

    cells: Cells
    sites: dict[str, SiteView]
    catalogued: dict[str, wire.Catalogued]
    calls: TpCalls
    notes: list[str]
    workspace: Path
    on_catalogues: Callable[[], None]

    def repaint(self, cell: Cell) -> None:
        """Something about the cell changed that its strip shows."""


class CrossingHandler:
    """Takes the crossings of all sites, each once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, site: str, body: wire.Catalogued | wire.SessionCrossing) -> None:
        """A site let something out."""
        view = self._session.sites[site]
        match body:
            case wire.Catalogued():
                self.catalogue(site, body)
            case wire.Link():
                self._link(site, view, body)
            case wire.Released():
                self._session.calls.released(site, body)
            case wire.Verdict():
                cell = self._session.cells.number(body.cell)
                if cell:
                    cell.verdicts[site] = body
                    self._left(site, view, cell, body.left)
            case wire.Reveal():
                cell = self._session.cells.number(body.cell)
                if cell and body.call in cell.reveals:
                    cell.reveals[body.call].values[site] = body.value
                    self._left(site, view, cell, body.left)
            case wire.Export():
                self._exported(site, body)

    def catalogue(self, site: str, catalogued: wire.Catalogued) -> None:
        """A site published, for the first time or anew."""
        known = self._session.catalogued.get(site)
        view = self._session.sites[site]
        if catalogued.catalogue.site != site:
            return
        if known is not None and known.public_key != catalogued.public_key:
            # This key proves releases and receipts: anyone who could change it in transit could forge them.
            self._session.notes.append(
                f"{view.title or site} came back with another key, which is not believed. If its steward renewed it, restart the kernel."
            )
            return
        self._session.catalogued[site] = catalogued
        view.day = catalogued.day_bits
        if known is None and not view.accepted:
            self._session.notes.append(f"{view.title or site} has accepted this project since. Restart the kernel to have it.")
        if known != catalogued:
            note = kernel_info.differences(view.title or site, catalogued.environment)
            if note:
                self._session.notes.append(note)
            self._session.on_catalogues()

    def _link(self, site: str, view: SiteView, link: wire.Link) -> None:
        if link.code is wire.LinkCode.ack:
            view.acknowledged = max(view.acknowledged, link.n)
            return  # what runs and what waits looks the same while the site is there
        elif link.code in (wire.LinkCode.no_project, wire.LinkCode.unavailable):
            view.accepted = False
            self._session.calls.offline(site)
        elif link.code in (wire.LinkCode.opened, wire.LinkCode.meter):
            view.left = link.left
        elif link.code is wire.LinkCode.spent and link.cell is not None:
            self._told_spent(site, view, link)
        for cell in self._session.cells:
            if site in cell.sent and site not in cell.verdicts:
                self._session.repaint(cell)

    def _told_spent(self, site: str, view: SiteView, link: wire.Link) -> None:
        """The meter does not cover a verdict on this cell, or this reveal: none will come."""
        cell = self._session.cells.number(link.cell or 0)
        view.left = link.left
        if cell is None:
            return
        if link.call is None:
            cell.spent.add(site)
        elif link.call in cell.reveals:
            cell.reveals[link.call].spent.add(site)
        self._session.repaint(cell)

    def _left(self, site: str, view: SiteView, cell: Cell, left: float) -> None:
        view.left = left
        cell.left[site] = left
        self._session.repaint(cell)

    def _exported(self, site: str, export: wire.Export) -> None:
        known = self._session.catalogued.get(site)
        if known is None:
            raise LookupError(f"site {site} has not published its key yet")  # so the pane does not acknowledge it, and it comes again
        try:
            kept = keep(self._session.workspace, site, export, known.public_key)
        except ReleaseError as error:
            log.warning("export refused: %s", error)
            self._session.notes.append(f"What came as released is not kept: {error}")
            return
        for cell in export_status.note(self._session.cells, site, export, kept):
            self._session.repaint(cell)
