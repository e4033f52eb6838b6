"""What the index's own file saves beside SQLite: the same sets, as the same bytes under the same checksums, in both."""

import contextlib
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.engine.index.index_writer import IndexWriter, Tally
from twinpane_broker.engine.index.person_index import Index
from twinpane_broker.engine.index.set_bytes import decoded, encoded

from .figures import Line, paired

TABLE = "t"
COLUMNS, CODES = 20, 10
IN_ORDER = 4
"""Columns whose codes the persons' numbers follow, as the register gives them."""
AT_ONCE = 1_000_000
PAGE = 65_536
"""Bytes of SQLite's pages: the size with which it reads such blobs soonest."""
SETS = [(f"c{column}", code) for column in range(COLUMNS) for code in range(CODES)]


def index_file(root: Path, persons: int, repeat: int) -> list[Line]:
    """Opening the index and reading every set of it, beside SQLite; the index stays in the page cache."""
    ours, theirs = root / "form.index", root / "form.sqlite"
    _write(ours, persons)
    _copy(ours, theirs)
    note = f"plain: the same bytes as blobs in SQLite; {ours.stat().st_size / 1e6:.0f} MB"
    who = f"{persons:,} persons"
    return [
        paired(f"index of {who}: opened, {len(SETS)} sets read", "ms", _turns(repeat, theirs, _sqlite_sets, ours, _our_sets), note=note),
        paired("  their bytes alone, checksums compared", "ms", _turns(repeat, theirs, _sqlite_bytes, ours, _our_bytes)),
    ]


def _turns(
    repeat: int, theirs: Path, plain: Callable[[Path], object], ours: Path, own: Callable[[Path], object]
) -> list[tuple[float, float]]:
    """Turn by turn, so that both feel the same load; the first turn, which warms up, is left out."""
    return [(_timed(lambda: plain(theirs)), _timed(lambda: own(ours))) for _ in range(repeat + 1)][1:]


def _write(file: Path, persons: int) -> None:
    rng = np.random.default_rng(1)
    with IndexWriter(file, "bench") as writer:
        for column in range(COLUMNS):
            writer.add(TABLE, f"c{column}", CODES, _codes(column, persons, rng))


def _codes(column: int, persons: int, rng: np.random.Generator) -> Iterator[Tally]:
    for start in range(0, persons, AT_ONCE):
        numbers = np.arange(start, min(start + AT_ONCE, persons), dtype=np.int64)
        follows = column < IN_ORDER
        codes = numbers * CODES ** (column + 1) // persons % CODES if follows else rng.integers(0, CODES, len(numbers))
        yield codes.astype(np.int16), numbers, None


def _copy(ours: Path, theirs: Path) -> None:
    with contextlib.closing(Index(ours)) as index, contextlib.closing(sqlite3.connect(theirs)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("CREATE TABLE sets (name TEXT, code INTEGER, persons INTEGER, checksum INTEGER, body BLOB)")
        for column, code in SETS:
            who = index.code(TABLE, column, code)
            body = encoded(np.frombuffer(who.to_array(), np.uint32))
            connection.execute("INSERT INTO sets VALUES (?, ?, ?, ?, ?)", (column, code, len(who), zlib.crc32(body), body))
        connection.execute("CREATE UNIQUE INDEX by_code ON sets (name, code)")
        connection.commit()


def _our_sets(file: Path) -> list[PersonSet]:
    with contextlib.closing(Index(file)) as index:
        return [index.code(TABLE, column, code) for column, code in SETS]


def _our_bytes(file: Path) -> None:
    with contextlib.closing(Index(file)) as index:
        index.verify()


def _sqlite_sets(file: Path) -> list[PersonSet | None]:
    return [decoded(body, persons) for body, persons in _bodies(file)]


def _sqlite_bytes(file: Path) -> None:
    for _ in _bodies(file):
        pass


def _bodies(file: Path) -> Iterator[tuple[bytes, int]]:
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        for key in SETS:
            row = connection.execute("SELECT body, persons, checksum FROM sets WHERE name = ? AND code = ?", key).fetchone()
            body, persons, checksum = row
            assert zlib.crc32(body) == checksum
            yield body, persons


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000
