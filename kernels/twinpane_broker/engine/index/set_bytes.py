"""A person set as bytes: roaring's own form, or gaps of one byte each if that is smaller, Huffman-coded if that saves space.

Roaring's arrays take two bytes a person. If gaps between sorted persons are small (one in sixty holds the code), gaps take one byte or
less.
"""

import zlib
from array import array

import numpy as np

from twinpane_broker.cells.person_sets import PersonSet

ROARING, GAPS, PACKED = b"R", b"G", b"P"
ESCAPE = 255
"""A byte that adds itself to the next gap."""
PAYS = 0.92
"""Share of the gaps' bytes below which their Huffman code is worth the time that it takes to read."""
SPARSE = 64
"""Numbers that are further apart than this, on average, are sorted; closer ones are marked in an array and read off, ten times faster."""


def persons_set(persons: np.ndarray) -> PersonSet:
    """The set of sorted numbers (uint32)."""
    # pyroaring reads an array.array as a block. It reads any other sequence number by number, which is six times slower.
    return PersonSet(array("I", persons.astype(np.uint32, copy=False).tobytes()))


def rising(persons: np.ndarray) -> np.ndarray:
    """The same numbers (uint32, at least one) in rising order, each once."""
    if np.all(persons[1:] > persons[:-1]):
        return persons
    low, span = int(persons.min()), int(persons.max()) - int(persons.min()) + 1
    if span <= SPARSE * len(persons):
        held = np.zeros(span, bool)
        held[persons - np.uint32(low)] = True
        return (np.flatnonzero(held) + low).astype(np.uint32)
    persons = np.sort(persons)
    return persons[np.concatenate(([True], persons[1:] > persons[:-1]))]


def encoded(persons: np.ndarray) -> bytes:
    """The smallest form of a set, given as rising numbers (uint32), each once, at least one."""
    who = persons_set(persons)
    who.run_optimize()
    roaring = who.serialize()
    if len(roaring) <= len(persons):
        return ROARING + roaring
    gaps = np.diff(persons, prepend=persons[:1] * 0)
    times, rest = np.divmod(gaps, ESCAPE)
    size = len(gaps) + int(times.sum())
    if len(roaring) <= size:
        return ROARING + roaring
    body = np.full(size, ESCAPE, np.uint8)
    body[np.cumsum(times + 1, dtype=np.int64) - 1] = rest
    plain = body.tobytes()
    coder = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
    packed = coder.compress(plain) + coder.flush()
    return PACKED + packed if len(packed) < PAYS * len(plain) else GAPS + plain


def decoded(body: bytes, persons: int) -> PersonSet | None:
    """The set; None if the bytes are not a set of that many persons."""
    try:
        if body[:1] == ROARING:
            who = PersonSet.deserialize(body[1:])
        elif body[:1] in (GAPS, PACKED):
            plain = zlib.decompress(body[1:], -zlib.MAX_WBITS) if body[:1] == PACKED else body[1:]
            gaps = np.frombuffer(plain, np.uint8)
            who = persons_set(np.cumsum(gaps, dtype=np.uint32)[gaps != ESCAPE])
        else:
            return None
    except (ValueError, MemoryError, zlib.error):
        return None
    return who if len(who) == persons else None
