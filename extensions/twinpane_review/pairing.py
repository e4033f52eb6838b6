"""Turns held outputs, or a file, into items that a reviewer can see whole, each beside its twin. Pure, except for Pillow."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twinpane_ground import limits
from twinpane_wire.items import Allowance, Canonical, Form, LeftOut, NotAForm, again, canonical_file, canonical_items, visible
from twinpane_wire.messages import ExportItem, TwinItem

from .item_pairs import LABEL, TOTAL_BYTES, ItemPairs, Pair

Real = Sequence[Mapping[str, Any]] | bytes | LeftOut | None
"""What a site holds of an asked item: the outputs of a cell, the bytes of a file, None where there is nothing, or why it is not made."""

TOTAL_ITEMS = limits.ITEMS * 8
"""Items of a request."""


@dataclass
class Budget:
    """The rest of one request's budget: bytes and items of real content, bytes of twins, and the work on both."""

    items: int = TOTAL_ITEMS
    bytes: int = TOTAL_BYTES
    twin_bytes: int = TOTAL_BYTES
    real_work: Allowance = field(default_factory=Allowance)
    twin_work: Allowance = field(default_factory=Allowance)


def paired(asked: ExportItem, real: Real, budget: Budget) -> ItemPairs:
    """The items of one asked thing with their twins; what goes over the request's budget is left out, with a note."""
    subject = f"cell {asked.cell}" if asked.cell is not None else visible(str(asked.path))
    found = _canonical(subject, asked.path, real, budget.real_work)
    left = [(note.what[:LABEL], note.why[:LABEL]) for note in found.left_out]
    twins = _twins(asked.twins, budget)
    pairs = []
    for item in found.items:
        if len(item.content) > budget.bytes or not budget.items:
            left.append((item.label[:LABEL], "more than one request can carry; ask for it on its own"))
            continue
        budget.bytes -= len(item.content)
        budget.items -= 1
        pairs.append(Pair(item.form, item.label[:LABEL], item.content, _partner(item.form, twins)))
    return ItemPairs(tuple(pairs), tuple(left))


def _canonical(subject: str, path: str | None, real: Real, allowance: Allowance) -> Canonical:
    if real is None:
        return Canonical((), (LeftOut(subject, "nothing is held of it: the outputs were the same inside, or there were none"),))
    if isinstance(real, LeftOut):
        return Canonical((), (real,))
    if isinstance(real, bytes):
        return canonical_file(path or subject, real, allowance)
    return canonical_items(real, subject, allowance)


def _twins(twins: Sequence[TwinItem], budget: Budget) -> list[tuple[Form, bytes]]:
    found = []
    for twin in twins:
        try:
            content = again(twin.form, base64.b64decode(twin.content), budget.twin_work)
        except (NotAForm, ValueError):
            continue  # a twin that does not parse is not shown; the real item is decided on all the same
        if len(content) <= budget.twin_bytes:
            budget.twin_bytes -= len(content)
            found.append((twin.form, content))
    return found


def _partner(form: Form, twins: list[tuple[Form, bytes]]) -> bytes | None:
    """The next twin of the same form: both runs of a cell say their things in the same order."""
    for n, (theirs, _) in enumerate(twins):
        if theirs is form:
            return twins.pop(n)[1]
    return None
