"""Takes in an export request: turns its items into a request for reviewers. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from twinpane_ground import limits
from twinpane_wire.items import visible
from twinpane_wire.messages import ExportAsk

from .item_pairs import TOTAL_BYTES, ItemPairs
from .model import Ask, Request, ReviewItem
from .pairing import TOTAL_ITEMS
from .states import State
from .store import Bytes

NOTHING = "Nothing of this is in a form that can leave."
SET_ASIDE = (
    "it is not a form: making it readable ended or outlasted the process that tried, and is not tried again. "
    "The author can ask for it anew, or for less of it"
)


@dataclass(frozen=True)
class Intake:
    """A request ready for the store, with its contents by item number."""

    request: Request
    contents: dict[int, Bytes]


def take_in(author: str, project: str, ask: ExportAsk, made: Mapping[int, ItemPairs], now: datetime) -> Intake:
    """The request with its items. An asked thing without any content gets an item without a form, which people decide on too.

    An automatic reply whenever there is nothing to show would tell the author, unmetered, what lies inside. Things missing in ``made``
    were set aside.
    """
    asks: list[Ask] = []
    items: list[ReviewItem] = []
    contents: dict[int, Bytes] = {}
    budget = TOTAL_BYTES
    for index, asked in enumerate(ask.items):
        subject = f"cell {asked.cell}" if asked.cell is not None else visible(str(asked.path))
        remade = made.get(index, ItemPairs((), ((subject, SET_ASIDE),)))
        left = list(remade.left_out)
        before = len(items)
        for pair in remade.pairs:
            if len(pair.real) > budget or len(items) >= TOTAL_ITEMS:
                left.append((pair.label, "more than one request can carry; ask for it on its own"))
                continue
            budget -= len(pair.real)
            number = len(items) + 1
            contents[number] = Bytes(pair.real, pair.twin)
            twin = (None, "") if pair.twin is None else (pair.form, _sha256(pair.twin))
            sha256 = _sha256(pair.real)
            items.append(ReviewItem(number, index, asked.cell, asked.path, pair.form, pair.label, sha256, len(pair.real), *twin))
        if len(items) == before:
            number = len(items) + 1
            items.append(ReviewItem(number, index, asked.cell, asked.path, None, NOTHING, _sha256(b""), 0))
        asks.append(Ask(index, asked.cell, asked.path, asked.source, tuple(left)))
    request = Request(
        id=ask.request, session=ask.session, project=project, author=author, purpose=_shown(ask.purpose),
        population=_shown(ask.population), controls=_shown(ask.controls), state=State.waiting, submitted_at=now, closed_at=None,
        stopped_because="", asks=tuple(asks), items=tuple(items),
    )  # fmt: skip
    return Intake(request, contents)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _shown(text: str) -> str:
    """The author's words without characters that do not show, as reviewers read them and receipts carry them."""
    words = visible(text.replace("\r\n", "\n")).strip()
    return words if len(words) <= limits.PURPOSE else words[: limits.PURPOSE - 1] + "…"
