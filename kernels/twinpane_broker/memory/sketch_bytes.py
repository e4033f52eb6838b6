"""Pictures as bytes: with them a memory of thousands of large sets opens in a moment. A picture can always be made anew from its set."""

import struct

import numpy as np

from twinpane_broker.cells.person_sets import digest

from .sketch import COLUMNS, PLACES, WITNESSES, Sketch

_VERSION = 1
_HEAD = struct.Struct("<BBBBI")
_DIGEST = 16
_LISTED, _MARKED = 0, 1


class BadPicture(ValueError):
    """The bytes are not the picture of that set, or have another version."""


def pack(fingerprint: bytes, picture: Sketch) -> bytes:
    """The picture of the set with that fingerprint, with a digest over both."""
    listed = len(picture.places) * 2 < PLACES // 8
    if listed:
        places = picture.places.astype("<u2").tobytes()
    else:
        marks = np.zeros(PLACES, np.uint8)
        marks[picture.places.astype(np.intp)] = 1
        places = np.packbits(marks, bitorder="little").tobytes()
    head = _HEAD.pack(_VERSION, picture.shift, picture.level, _LISTED if listed else _MARKED, picture.persons)
    body = head + picture.counts.astype("<i4").tobytes() + picture.witnesses.astype("<u4").tobytes() + places
    return digest(fingerprint + body) + body


def unpack(fingerprint: bytes, packed: bytes) -> Sketch:
    """The picture; raises BadPicture."""
    body = packed[_DIGEST:]
    if digest(fingerprint + body) != packed[:_DIGEST] or body[:1] != bytes([_VERSION]):
        raise BadPicture
    _, shift, level, form, persons = _HEAD.unpack_from(body)
    at = _HEAD.size
    counts = np.frombuffer(body, "<i4", COLUMNS, at).astype(np.int32)
    at += 4 * COLUMNS
    witnesses = np.frombuffer(body, "<u4", WITNESSES, at).astype(np.uint32)
    at += 4 * WITNESSES
    if form == _LISTED:
        places = np.frombuffer(body, "<u2", offset=at).astype(np.uint16)
    else:
        marks = np.unpackbits(np.frombuffer(body, np.uint8, offset=at), bitorder="little")
        places = np.flatnonzero(marks).astype(np.uint16)
    return Sketch(persons, shift, counts, level, places, witnesses)
