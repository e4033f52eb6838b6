"""The person-set index of a store: the persons with a row that holds a code, for every code of every dimension.

One file holds the sets as compressed bitmaps: ``MAGIC``, the sets' bytes one after another, a table of contents (JSON), and a footer with
the table's place and SHA-256. Each entry has a checksum, so a cut or changed file is noticed. A set is read only when it is asked for.

Blobs in SQLite would serve answers as well. With 5 million persons, the part ``index`` of ``make bench`` opens the index and reads 200
sets in the same time from both, within 5 %: nearly all of that time turns bytes into sets. A start verifies the file, which reads bytes
and checksums only. That takes 1.5 times as long from SQLite: 43 ms instead of 28 ms.
"""

import contextlib
import hashlib
import json
import os
import struct
import weakref
import zlib
from pathlib import Path
from threading import Lock
from typing import Any

from cachetools import LRUCache

from twinpane_broker.cells.person_sets import PersonSet, memory_of
from twinpane_broker.engine.sql.layout import FIRST_UNLISTED, NUMBERLESS, unlisted_code
from twinpane_broker.errors import EngineError

from .set_bytes import decoded

MAGIC = b"TPINDEX1"
FOOTER = struct.Struct("<QQ32s8s")
"""Start and length of the table of contents, its SHA-256, and ``MAGIC`` again."""
Key = tuple[str, str | None, int | None]
"""Table, column and code index; without a column, everybody in the table."""
Piece = tuple[int, int, int, int]
"""Where a part of a set lies: start, length, CRC-32, persons."""
CACHE_BYTES = 512 << 20


class Index:
    """Person sets by code, read when asked for. Safe to call from many threads.

    The sets are shared with later callers: make new ones of them (``a & b``), never change one (``a &= b``).
    """

    def __init__(self, file: Path, *, cache: int = CACHE_BYTES) -> None:
        """Open a file of ``write_index``. Up to ``cache`` bytes of sets stay in memory. Raises EngineError if the file is damaged."""
        self._file = file
        self._cache: LRUCache[Key, PersonSet] = LRUCache(cache, memory_of)
        self._lock = Lock()
        try:
            self._fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise self._damaged() from None
        self._closing = weakref.finalize(self, os.close, self._fd)
        try:
            self.made_of, self._pieces = self._contents()
        except BaseException:
            self._closing()
            raise

    def code(self, table: str, column: str, code: int | None) -> PersonSet:
        """The persons with a row that holds the code of that index; -1 a value that is not approved, None a missing one.

        Raises EngineError where the file is damaged, or has no such dimension.
        """
        if (table, column) not in self._columns:
            raise EngineError(f"the index has no dimension {table}.{column}")
        return self._set((table, column, code))

    def present(self, table: str) -> PersonSet:
        """The persons with a row in the table."""
        if (table, None) not in self._columns:
            raise EngineError(f"the index has no table {table}")
        return self._set((table, None, None))

    def size(self, table: str, column: str, code: int | None) -> int:
        """How many persons ``code`` gives, without reading them."""
        return sum(piece[3] for piece in self._pieces.get((table, column, code), ()))

    def codes(self, table: str, column: str) -> tuple[int | None, ...]:
        """The indexes of the codes that anybody holds, in order: -1 (not approved) comes first, None (missing) last."""
        held = [key[2] for key in self._pieces if key[:2] == (table, column)]
        return tuple(sorted(held, key=lambda code: (code is None, code or 0)))

    def unlisted(self, table: str, column: str) -> frozenset[int]:
        """The numbers of the codes that somebody holds without their being approved (``layout.unlisted_number``)."""
        return self._unlisted.get((table, column), frozenset())

    @property
    def unlisted_codes(self) -> frozenset[int]:
        """All such codes of whatever column, as the data have them."""
        return frozenset(unlisted_code(number) for numbers in self._unlisted.values() for number in numbers if number > NUMBERLESS)

    def verify(self) -> None:
        """Read everything once; raises EngineError if a byte is not as it was written."""
        for pieces in self._pieces.values():
            for piece in pieces:
                self._read(piece)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._cache.clear()
            self._fd = -1
        self._closing()

    def _set(self, key: Key) -> PersonSet:
        with self._lock:
            if (known := self._cache.get(key)) is not None:
                return known
        parts = [self._part(piece) for piece in self._pieces.get(key, ())]
        who = PersonSet.union(*parts) if len(parts) > 1 else parts[0] if parts else PersonSet()
        with self._lock, contextlib.suppress(ValueError):  # a set larger than the cache is read again each time
            return self._cache.setdefault(key, who)
        return who

    def _part(self, piece: Piece) -> PersonSet:
        who = decoded(self._read(piece), piece[3])
        if who is None:
            raise self._damaged()
        return who

    def _read(self, piece: Piece) -> bytes:
        start, length, checksum, _ = piece
        body = self._bytes(start, length)
        if zlib.crc32(body) != checksum:
            raise self._damaged()
        return body

    def _bytes(self, start: int, length: int) -> bytes:
        try:
            body = os.pread(self._fd, length, start)
        except OSError:
            raise self._damaged() from None
        if len(body) != length:
            raise self._damaged()
        return body

    def _contents(self) -> tuple[str, dict[Key, tuple[Piece, ...]]]:
        end = os.fstat(self._fd).st_size - FOOTER.size
        if end < len(MAGIC) or self._bytes(0, len(MAGIC)) != MAGIC:
            raise self._damaged()
        start, length, digest, magic = FOOTER.unpack(self._bytes(end, FOOTER.size))
        if magic != MAGIC or start + length != end:
            raise self._damaged()
        body = self._bytes(start, length)
        if hashlib.sha256(body).digest() != digest:
            raise self._damaged()
        contents: dict[str, Any] = json.loads(body)
        self._columns = {(table, column) for table, column in contents["columns"]}
        pieces = {(table, column, code): tuple(map(tuple, where)) for table, column, code, where in contents["sets"]}
        unlisted: dict[tuple[str, str], set[int]] = {}
        for table, column, code in pieces:
            if column is not None and code is not None and code <= FIRST_UNLISTED:
                unlisted.setdefault((table, column), set()).add(code)
        self._unlisted = {column: frozenset(numbers) for column, numbers in unlisted.items()}
        return contents["made_of"], pieces

    def _damaged(self) -> EngineError:
        return EngineError(f"{self._file} is not there or damaged: make it again with build_store()")
