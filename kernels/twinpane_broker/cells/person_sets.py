"""Sets of persons as compressed bitmaps (roaring). A person is a small number, which the site's register gives once and for good.

The sets stay inside. Only a set's rounded size leaves, and only if the rules and the memory allow it.
"""

import struct
from collections.abc import Iterator
from functools import cache

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pyroaring import BitMap as PersonSet

__all__ = ["NOBODY", "PersonSet", "canonical", "digest", "fingerprint", "memory_of", "near"]

NOBODY = PersonSet()
_WITH_RUNS = 12347
"""The cookie of a serialised bitmap in which some containers are runs (RoaringFormatSpec)."""
_OFFSETS_FROM = 4
"""With runs, a bitmap of fewer containers than this has no table of offsets."""
_FEW = 16
"""Containers that are looked at one by one: those of a million persons."""
_CONTAINER = 1 << 16


def canonical(who: PersonSet) -> bytes:
    """The set in roaring's portable form. Equal sets give the same bytes however they were computed. The set itself stays unchanged.

    If a container takes as many bytes as runs and as an array, roaring keeps the form it has; this function chooses the array.
    """
    plain = who | NOBODY  # a copy, many times faster than ``copy``
    plain.run_optimize()
    body = plain.serialize()
    tied = _tied(body)
    if not tied:
        return body
    several = PersonSet()
    for key in tied:
        several.add_range(key * _CONTAINER, (key + 1) * _CONTAINER)
    part = plain & several
    plain -= part
    plain |= PersonSet(part.to_array())
    return plain.serialize()


def _tied(body: bytes) -> list[int]:
    """Numbers of the run containers that would take no more bytes as arrays. Arrays take 2 bytes a person; runs take 2, and 4 a run."""
    cookie = int.from_bytes(body[:4], "little")
    if cookie & 0xFFFF != _WITH_RUNS:
        return []
    n = (cookie >> 16) + 1
    heads = 4 + (n + 7) // 8
    return list(_tied_of_few(body, n, heads)) if n <= _FEW else _tied_of_many(body, n, heads)


def _tied_of_few(body: bytes, n: int, heads: int) -> Iterator[int]:
    """Container by container: numpy would take longer to begin."""
    at = heads + (8 if n >= _OFFSETS_FROM else 4) * n
    for i in range(n):
        key, less = struct.unpack_from("<HH", body, heads + 4 * i)
        if body[4 + i // 8] >> (i % 8) & 1:
            (count,) = struct.unpack_from("<H", body, at)
            if 2 * (less + 1) <= 4 * count + 2:
                yield key
            at += 2 + 4 * count
        else:
            at += min(2 * (less + 1), _CONTAINER // 8)


def _tied_of_many(body: bytes, n: int, at: int) -> list[int]:
    runs = np.unpackbits(np.frombuffer(body, np.uint8, at - 4, 4), bitorder="little")[:n].astype(bool)
    heads = np.frombuffer(body, "<u2", 2 * n, at).reshape(n, 2).astype(np.int64)
    starts = np.frombuffer(body, "<u4", n, at + 4 * n).astype(np.int64)
    raw, where = np.frombuffer(body, np.uint8), starts[runs]
    counts = raw[where].astype(np.int64) + (raw[where + 1].astype(np.int64) << 8)
    keys, sizes = heads[runs, 0], heads[runs, 1] + 1
    dense: list[int] = keys[2 * sizes <= 4 * counts + 2].tolist()
    return dense


def digest(body: bytes) -> bytes:
    """16 bytes that identify equal bytes: their GMAC (NIST SP 800-38D) under a key that is no secret.

    It is a polynomial over GF(2¹²⁸). Two different sets of up to 8 MB agree with a chance below 2⁻¹⁰⁸. BLAKE2b takes 30 times as long
    (``python -m tests.bench --only choices``), and a table has a set per cell. To build a collision one must choose persons' numbers;
    researchers neither choose nor see them.
    """
    return _hasher().encrypt(bytes(12), b"", body)


def fingerprint(who: PersonSet) -> bytes:
    """16 bytes that identify equal sets: the digest of their canonical form."""
    return digest(canonical(who))


@cache
def _hasher() -> AESGCM:
    return AESGCM(b"twinpane persons")


def memory_of(who: PersonSet) -> int:
    """Bytes of memory that the set takes."""
    counts = who.get_statistics()
    return 64 + counts["n_bytes_array_containers"] + counts["n_bytes_run_containers"] + counts["n_bytes_bitset_containers"]


def near(one: PersonSet, other: PersonSet, threshold: int) -> bool:
    """Whether the sets differ, and neither has ``threshold`` persons whom the other lacks: their difference would single out a few.

    For nested sets, one of the two differences is empty.
    """
    shared = one.intersection_cardinality(other)
    here, there = len(one) - shared, len(other) - shared
    return (here, there) != (0, 0) and here < threshold and there < threshold
