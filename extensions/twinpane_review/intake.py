"""Takes an export request in: what was held becomes items that can be seen whole, each beside its twin. Pure but for Pillow."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from twinpane_wire import limits
from twinpane_wire.items import Canonical, Form, Item, LeftOut, NotAForm, again, canonical_file, canonical_items, visible
from twinpane_wire.messages import ExportAsk, TwinItem

from .model import Ask, Request, ReviewItem
from .states import State
from .store import Bytes

Real = Sequence[Mapping[str, Any]] | bytes | None
"""What a site holds of an asked item: the outputs of a cell, the bytes of a file, or None when there is nothing."""

TOTAL_BYTES = 12 * 2**20
"""Bytes of all items of a request: what one message of the link carries, with receipts."""
TOTAL_ITEMS = limits.ITEMS * 8

NOTHING = "Nothing of this is in a form that can leave."


@dataclass(frozen=True)
class Intake:
    """A request ready for the store, with its contents by item number."""

    request: Request
    contents: dict[int, Bytes]


def take_in(author: str, project: str, ask: ExportAsk, reals: Mapping[int, Real], now: datetime) -> Intake:
    """The request with its items. What was asked for and has none gets an item without a form: people answer that too.

    A reply made by machine whenever there is nothing to show would tell the author, unmetered, what lies inside.
    """
    asks: list[Ask] = []
    items: list[ReviewItem] = []
    contents: dict[int, Bytes] = {}
    budget = TOTAL_BYTES
    for index, asked in enumerate(ask.items):
        subject = f"cell {asked.cell}" if asked.cell is not None else str(asked.path)
        found = _canonical(subject, asked.path, reals.get(index))
        left = [(note.what, note.why) for note in found.left_out]
        twins = _twins(asked.twins)
        before = len(items)
        for real in found.items:
            if len(real.content) > budget or len(items) >= TOTAL_ITEMS:
                left.append((real.label, "more than one request can carry; ask for it on its own"))
                continue
            budget -= len(real.content)
            number = len(items) + 1
            twin = _partner(real, twins)
            contents[number] = Bytes(real.content, twin and twin.content)
            items.append(
                ReviewItem(
                    number, index, asked.cell, asked.path, real.form, real.label, real.sha256, len(real.content),
                    twin.form if twin else None, twin.sha256 if twin else "",
                )
            )  # fmt: skip
        if len(items) == before:
            number = len(items) + 1
            items.append(ReviewItem(number, index, asked.cell, asked.path, None, NOTHING, hashlib.sha256(b"").hexdigest(), 0))
        asks.append(Ask(index, asked.cell, asked.path, asked.source, tuple(left)))
    request = Request(
        id=ask.request, session=ask.session, project=project, author=author, purpose=_shown(ask.purpose),
        population=_shown(ask.population), controls=_shown(ask.controls), state=State.waiting, submitted_at=now, closed_at=None,
        stopped_because="", asks=tuple(asks), items=tuple(items),
    )  # fmt: skip
    return Intake(request, contents)


def _canonical(subject: str, path: str | None, real: Real) -> Canonical:
    if real is None:
        return Canonical((), (LeftOut(subject, "nothing is held of it: the outputs were the same inside, or there were none"),))
    if isinstance(real, bytes):
        return canonical_file(path or subject, real)
    return canonical_items(real, subject)


def _twins(twins: Sequence[TwinItem]) -> list[Item]:
    found = []
    for twin in twins:
        try:
            form = Form(twin.form)
            found.append(Item(form, "twin", again(form, base64.b64decode(twin.content))))
        except (NotAForm, ValueError):
            continue  # a twin that does not parse is not shown; the real item is decided on all the same
    return found


def _partner(real: Item, twins: list[Item]) -> Item | None:
    """The next twin of the same form: both runs of a cell say their things in the same order."""
    for n, twin in enumerate(twins):
        if twin.form is real.form:
            return replace(twins.pop(n), label="synthetic twin")
    return None


def _shown(text: str) -> str:
    """The author's words without characters that do not show, as reviewers read them and receipts carry them."""
    words = visible(text.replace("\r\n", "\n")).strip()
    return words if len(words) <= limits.PURPOSE else words[: limits.PURPOSE - 1] + "…"
