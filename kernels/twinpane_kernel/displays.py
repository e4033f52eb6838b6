"""Tracks which cell shows what, and which cells show something that their verdict does not cover.

A verdict covers the outputs of a cell while it ran. A display may be updated later. A widget is shown by reference: its state may come
from another cell, and change at any time. If that happened, the cell no longer counts as real.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .cells import Cell

WIDGET = "application/vnd.jupyter.widget-view+json"
_REFERENCE = re.compile(rb"IPY_MODEL_([^\"\\]+)")


class Displays:
    """The displays and widgets of a session."""

    def __init__(self) -> None:
        self._showing: dict[str, list[Cell]] = {}
        self._openers: dict[str, Cell | None] = {}

    def said(self, kind: str, content: Mapping[str, Any], raw: bytes, cell: Cell | None) -> Iterator[Cell]:
        """Take one output message of the running cell (None if no cell runs). ``raw`` is its content as it came.

        Returns the cells that now show something else than their own run's outputs.
        """
        if kind.startswith("comm_"):
            yield from self._comm(kind, content, raw, cell)
            return
        yield from self._display(kind, content, cell)
        data = content.get("data")
        view = data.get(WIDGET) if isinstance(data, Mapping) else None
        if view is not None and cell is not None:
            cell.shows_widget = True
            model = view.get("model_id") if isinstance(view, Mapping) else None
            if not isinstance(model, str) or self._openers.get(model) is not cell:
                yield cell

    def _display(self, kind: str, content: Mapping[str, Any], cell: Cell | None) -> Iterator[Cell]:
        transient = content.get("transient")
        name = transient.get("display_id") if isinstance(transient, Mapping) else None
        if not isinstance(name, str):
            return
        shown = self._showing.setdefault(name, [])
        yield from (owner for owner in shown if owner is not cell)
        if cell is not None and kind != "update_display_data" and cell not in shown:
            shown.append(cell)

    def _comm(self, kind: str, content: Mapping[str, Any], raw: bytes, cell: Cell | None) -> Iterator[Cell]:
        name = str(content.get("comm_id", ""))
        if kind == "comm_open":
            self._openers.setdefault(name, cell)
        opener = self._openers.get(name)
        if opener is not None and opener is not cell and opener.shows_widget:
            yield opener
        if cell is not None and any(self._openers.get(found.decode(errors="replace")) is not cell for found in _REFERENCE.findall(raw)):
            cell.entangled = True
