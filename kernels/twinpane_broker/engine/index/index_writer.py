"""Writes the file of a person-set index, one column at a time. Memory stays bounded for any number of persons and codes."""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from .person_index import FOOTER, MAGIC, Piece
from .set_bytes import encoded, rising

MISSING = -2
"""The code of missing values in a tally."""
Tally = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Codes, persons and how many rows (None: one each), of the same length, as integers."""
SORTED_AT_ONCE = 65_536
"""Values sorted by code at once: few enough for the processor's cache."""
EACH_CODE = 1024
"""Values of a code in such a part, at the least, on average: parts that are too small cost more than they hold."""
MOST_AT_ONCE = 4_000_000
"""Values sorted at once, however many codes there are."""
KEPT = 48_000_000
"""Persons' numbers kept before they are written: 192 MB."""


@dataclass
class Column:
    """The result for one column: how many pairs of code and person it has, and, by code, the most rows of a pair."""

    persons: int = 0
    most: dict[int, int] = field(default_factory=dict)


class IndexWriter:
    """A context. If it ends without an exception, the whole file is on the disk; otherwise there is no file."""

    def __init__(self, file: Path, made_of: str) -> None:
        self._file = file
        self._made_of = made_of
        self._columns: list[tuple[str, str | None]] = []
        self._sets: dict[tuple[str, str | None, int | None], list[Piece]] = {}

    def __enter__(self) -> Self:
        self._out = self._file.open("wb")
        self._out.write(MAGIC)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        except BaseException:
            self._file.unlink(missing_ok=True)
            raise
        finally:
            self._out.close()
            if kind is not None:
                self._file.unlink(missing_ok=True)

    def add(
        self, table: str, column: str | None, codes: int, tallies: Iterable[Tally], numbers: Sequence[int] | np.ndarray | None = None
    ) -> Column:
        """Write the sets of a column with that many approved codes, or of a table's persons (no column, code 0).

        Each pair of code and person comes once, in any order. If persons come in rising order, the sets are smaller and made faster.
        With ``numbers`` the tallies' codes are places in it, and the sets get these numbers; they join those that the column has.
        """
        if (table, column) not in self._columns:
            self._columns.append((table, column))
        found = Column()
        parts: dict[int, list[np.ndarray]] = {}
        kept = 0
        for tally in _in_parts(tallies, min(MOST_AT_ONCE, max(SORTED_AT_ONCE, EACH_CODE * (codes + 2)))):
            for code, persons, most in _split(tally):
                parts.setdefault(code, []).append(persons)
                found.most[code] = max(found.most.get(code, 0), most)
                kept += len(persons)
                found.persons += len(persons)
            if kept >= KEPT:
                self._write(table, column, parts, numbers)
                parts, kept = {}, 0
        self._write(table, column, parts, numbers)
        return found

    def _write(
        self, table: str, column: str | None, parts: dict[int, list[np.ndarray]], numbers: Sequence[int] | np.ndarray | None
    ) -> None:
        for code in sorted(parts):
            persons = rising(np.concatenate(parts.pop(code)))
            body = encoded(persons)
            number = code if numbers is None else int(numbers[code])
            key = (table, column, None if column is None or number == MISSING else number)
            piece = (self._out.tell(), len(body), zlib.crc32(body), len(persons))
            self._out.write(body)
            self._sets.setdefault(key, []).append(piece)

    def _finish(self) -> None:
        contents = {
            "made_of": self._made_of,
            "columns": self._columns,
            "sets": [[*key, pieces] for key, pieces in self._sets.items()],
        }
        body = json.dumps(contents, separators=(",", ":")).encode()
        start = self._out.tell()
        self._out.write(body)
        self._out.write(FOOTER.pack(start, len(body), hashlib.sha256(body).digest(), MAGIC))
        self._out.flush()
        os.fsync(self._out.fileno())


def _in_parts(tallies: Iterable[Tally], size: int) -> Iterable[Tally]:
    """The same pairs in parts of about ``size``."""
    waiting: list[Tally] = []
    many = 0
    for codes, persons, rows in tallies:
        if many == 0 and len(codes) >= size:
            for at in range(0, len(codes), size):
                yield codes[at : at + size], persons[at : at + size], None if rows is None else rows[at : at + size]
            continue
        waiting.append((codes, persons, rows))
        many += len(codes)
        if many >= size:
            yield _joined(waiting)
            waiting, many = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(tallies: list[Tally]) -> Tally:
    codes, persons, rows = zip(*tallies, strict=True)
    return np.concatenate(codes), np.concatenate(persons), None if rows[0] is None else np.concatenate(rows)


def _split(tally: Tally) -> Iterable[tuple[int, np.ndarray, int]]:
    """The codes of one part: each code, its persons in the order they came, and the most rows of one person."""
    codes, persons, rows = tally
    persons = persons.astype(np.uint32, copy=False)
    low = int(codes.min())
    shifted = codes - low
    high = int(shifted.max())
    if high == 0:
        yield low, persons, 1 if rows is None else int(rows.max())
        return
    # numpy sorts 16-bit numbers by radix. It sorts larger ones by merging, which is ten times slower.
    shifted = shifted.astype(np.uint16) if high < 65_536 else shifted
    order = np.argsort(shifted, kind="stable")
    ends = np.cumsum(np.bincount(shifted, minlength=high + 1))
    persons = persons[order]
    rows = None if rows is None else rows[order]
    start = 0
    for code, end in enumerate(ends.tolist()):
        if end > start:
            yield low + code, persons[start:end], 1 if rows is None else int(rows[start:end].max())
        start = end
