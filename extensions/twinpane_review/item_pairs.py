"""The worker's result for one asked item: real items in forms that a reviewer can see whole, each with its twin.

The bytes come from a process that has read hostile input, so everything is bounded, typed and checked again.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from twinpane_broker import Closed
from twinpane_ground import limits
from twinpane_wire.items import NOTES, PNG_BYTES, TEXT_BYTES, Form

TOTAL_BYTES = 12 * 2**20
"""Bytes of all items of a request: what one message of the link carries, with receipts. As much again for their twins."""
HEAD_BYTES = 2**20
MOST_BYTES = 4 + HEAD_BYTES + 2 * TOTAL_BYTES
"""Bytes of one packed ``ItemPairs``, at most."""
LABEL = 4096
"""Characters of a label or note: a path of the link, written out, and some words."""
_PNG = b"\x89PNG\r\n\x1a\n"


class NotItemPairs(ValueError):
    """The worker's bytes are not a valid result."""


@dataclass(frozen=True)
class Pair:
    """A real item and the twin that stands beside it, both of one form."""

    form: Form
    label: str
    real: bytes
    twin: bytes | None = None


@dataclass(frozen=True)
class ItemPairs:
    """What was made of one asked item, and notes (what, why) on what was left out."""

    pairs: tuple[Pair, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


_Words = Annotated[str, StringConstraints(max_length=LABEL)]
_Size = Annotated[int, Field(ge=0, le=PNG_BYTES)]


class _Item(Closed):
    form: Form
    label: _Words
    real: _Size
    twin: _Size | None


class _Head(Closed):
    items: Annotated[tuple[_Item, ...], Field(max_length=limits.ITEMS)]
    left_out: Annotated[tuple[tuple[_Words, _Words], ...], Field(max_length=NOTES + 2 * limits.ITEMS)]


def pack(remade: ItemPairs) -> bytes:
    """Its bytes: the length of the head, the head, and the contents one after another. Raises NotItemPairs for too many."""
    items = tuple(
        _Item(form=pair.form, label=pair.label, real=len(pair.real), twin=None if pair.twin is None else len(pair.twin))
        for pair in remade.pairs
    )
    head = _Head(items=items, left_out=remade.left_out).model_dump_json().encode()
    if len(head) > HEAD_BYTES:
        raise NotItemPairs("more notes than the site takes")
    contents = [content for pair in remade.pairs for content in (pair.real, pair.twin or b"")]
    return b"".join([len(head).to_bytes(4), head, *contents])


def unpack(data: bytes) -> ItemPairs:
    """``ItemPairs`` from its bytes. Raises NotItemPairs for bytes that ``pack`` would not have made, or content that belies its form."""
    length = int.from_bytes(data[:4])
    if length > HEAD_BYTES:
        raise NotItemPairs("a head that is too long")
    try:
        head = _Head.model_validate_json(data[4 : 4 + length])
    except ValidationError:
        raise NotItemPairs("not a head") from None
    at, pairs = 4 + length, []
    for item in head.items:
        real, at = data[at : at + item.real], at + item.real
        twin, at = (None, at) if item.twin is None else (data[at : at + item.twin], at + item.twin)
        for content in (real, twin):
            _check(item.form, content)
        pairs.append(Pair(item.form, item.label, real, twin))
    if at != len(data):
        raise NotItemPairs("contents of another length than the head says")
    if sum(item.real for item in head.items) > TOTAL_BYTES or sum(item.twin or 0 for item in head.items) > TOTAL_BYTES:
        raise NotItemPairs("more than one request can carry")
    return ItemPairs(tuple(pairs), head.left_out)


def _check(form: Form, content: bytes | None) -> None:
    """A cheap check: even if hostile bytes have taken over the worker, text holds no invisible characters."""
    if content is None:
        return
    if form is Form.png:
        if not content.startswith(_PNG):
            raise NotItemPairs("not a PNG")
        return
    try:
        shows = content.decode().replace("\n", "").isprintable()
    except UnicodeDecodeError:
        shows = False
    if not shows or len(content) > TEXT_BYTES:
        raise NotItemPairs("text that cannot be seen whole")
