"""The site's register of persons: a number for every person key, given once and for good.

The register is a folder of Parquet files, each written once, and a list of them (``register.json``) with checksums. The list is replaced
as a whole. A person has a number once the list says so. Later persons get later numbers; a person who is missing from a snapshot keeps
the number. All projects of the site use the same numbers, so released sets of persons can be compared over projects and time.

A lost register cannot be made again: to the memory of releases, new numbers would mean other persons. So a damaged register is an error,
never an empty register. Back it up together with the memory.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
from pydantic import NonNegativeInt, ValidationError

from twinpane_broker.errors import EngineError
from twinpane_broker.model import Closed
from twinpane_ground import atomic

LIST = "register.json"
LOCK = "lock"
MOST_PERSONS = 2**31 - 1
"""Numbers fit in 32 bits with a sign, as PostgreSQL has them."""


class Segment(Closed):
    """One file of the register. Its persons have the numbers ``first`` to ``first + persons - 1``."""

    file: str
    first: NonNegativeInt
    persons: NonNegativeInt
    sha256: str


class Listed(Closed):
    """The register's list of files. ``identity`` distinguishes registers."""

    version: int = 1
    identity: str
    segments: tuple[Segment, ...] = ()

    @property
    def persons(self) -> int:
        """How many have a number."""
        return sum(segment.persons for segment in self.segments)


class Register:
    """Numbers persons. Several processes and threads may use one folder at the same time."""

    def __init__(self, folder: Path, *, identity: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        """Open the register in ``folder``, or begin a new one. Raises EngineError, for a steward, if it is damaged."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / LIST).exists():
            with self._alone():
                if not (folder / LIST).exists():
                    if any(folder.glob("*.parquet")):
                        raise self._damaged(f"{LIST} is missing")
                    self._write(Listed(identity=identity()))
        self._checked: set[str] = set()
        self.refresh()

    @property
    def identity(self) -> str:
        """The identity of this register. The same number means different persons in different registers."""
        return self._listed.identity

    @property
    def persons(self) -> int:
        """How many persons have a number, as of the last ``enrol`` or ``refresh``."""
        return self._listed.persons

    @property
    def head(self) -> tuple[str, ...]:
        """The checksums of the register's files, in order. Longer registers begin with the same ones."""
        return tuple(segment.sha256 for segment in self._listed.segments)

    def refresh(self) -> None:
        """Look for persons that another process has numbered. Raises EngineError where the register is damaged."""
        try:
            listed = Listed.model_validate_json((self._folder / LIST).read_bytes())
        except (OSError, ValidationError):
            raise self._damaged(f"{LIST} cannot be read") from None
        first = 0
        for segment in listed.segments:
            if segment.first != first:
                raise self._damaged(f"{LIST} has a gap")
            first += segment.persons
        self._listed = listed

    def enrol(self, connection: duckdb.DuckDBPyConnection, people: str, order: Sequence[str] = ()) -> int:
        """Give a number to every person of a relation who has none; returns how many were new.

        ``people`` is a table or view with the columns ``integer`` (BIGINT) and ``text`` (VARCHAR), one of them NULL, as
        ``CodedTables.keys`` makes them. A person may be in it many times. New numbers follow the columns ``order`` (BIGINT, not NULL;
        added up over a person's rows), then the key. The numbers are durable on return. Raises EngineError if the register is damaged,
        cannot be written or is full.
        """
        places = [f"sum({name}) AS {name}" for name in order]
        sort = ", ".join([*order, "integer", "text"])
        with self._alone():
            self.refresh()
            for left in self._folder.glob("*.new"):  # of a process that was killed
                left.unlink(missing_ok=True)
            first = self.persons
            key = "integer, CASE WHEN integer IS NULL THEN text END AS text"
            new = f"SELECT {', '.join([key, *places])} FROM {self._strangers(people)} GROUP BY ALL"  # noqa: S608
            numbered = f"SELECT {first} + row_number() OVER () - 1 AS number, integer, text FROM (SELECT * FROM ({new}) ORDER BY {sort})"  # noqa: S608
            file = self._folder / f"{first:010}.parquet"
            fresh = self._folder / f"{first:010}.{os.getpid()}.new"
            try:
                connection.execute(
                    f"COPY (SELECT CAST(number AS INTEGER) AS number, integer, text FROM ({numbered})) TO {_text(fresh)} "  # noqa: S608
                    "(FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd)"
                )
                persons = self._proven(connection, fresh, first)
                if persons:
                    segment = Segment(file=file.name, first=first, persons=persons, sha256=_sha256(fresh))
                    atomic.replace(fresh, file)  # its name is on the disk before the list that names it
                    self._write(self._listed.model_copy(update={"segments": (*self._listed.segments, segment)}))
            except OSError as error:
                raise EngineError(f"the register of persons in {self._folder} cannot be written: {error.strerror}") from None
            finally:
                fresh.unlink(missing_ok=True)
            self.refresh()
        return persons

    def strangers(self, connection: duckdb.DuckDBPyConnection, people: str) -> int:
        """How many rows of ``people`` (as for ``enrol``) belong to persons without a number, as of the last ``enrol`` or ``refresh``."""
        [(rows,)] = connection.execute(f"SELECT count(*) FROM {self._strangers(people)}").fetchall()  # noqa: S608
        return int(rows)

    def numbers(self) -> str:
        """SQL for DuckDB that gives every person: ``number``, and the key as ``integer`` or ``text``.

        Raises EngineError where a file is not as it was written.
        """
        for segment in self._listed.segments:
            if segment.sha256 not in self._checked:
                try:
                    whole = _sha256(self._folder / segment.file) == segment.sha256
                except OSError:
                    whole = False
                if not whole:
                    raise self._damaged(f"{segment.file} is missing or changed")
                self._checked.add(segment.sha256)
        files = ", ".join(_text(self._folder / segment.file) for segment in self._listed.segments)
        if not files:
            return "SELECT 0 AS number, CAST(NULL AS BIGINT) AS integer, CAST(NULL AS VARCHAR) AS text WHERE false"
        return f"SELECT number, integer, text FROM read_parquet([{files}])"  # noqa: S608

    def _strangers(self, people: str) -> str:
        if not self.persons:
            return f"(SELECT * FROM {people} WHERE integer IS NOT NULL OR text IS NOT NULL)"  # noqa: S608
        known = self.numbers()
        return (
            f"(SELECT p.* FROM {people} p ANTI JOIN ({known}) k ON k.integer = p.integer WHERE p.integer IS NOT NULL "  # noqa: S608
            f"UNION ALL SELECT p.* FROM {people} p ANTI JOIN ({known}) k ON k.text = p.text WHERE p.integer IS NULL AND p.text IS NOT NULL)"
        )

    def _proven(self, connection: duckdb.DuckDBPyConnection, file: Path, first: int) -> int:
        """How many persons a new file has. Checks first that each person has one number and each number one person."""
        [(persons, low, high)] = connection.execute(
            f"SELECT count(*), min(number), max(number) FROM read_parquet({_text(file)})"  # noqa: S608
        ).fetchall()
        if persons and (low, high) != (first, first + persons - 1):
            raise EngineError("the register of persons could not be continued: its new numbers have gaps")
        if first + persons > MOST_PERSONS:
            raise EngineError(f"the register of persons would have more than {MOST_PERSONS:,} numbers")
        return int(persons)

    def _write(self, listed: Listed) -> None:
        atomic.write(self._folder / LIST, json.dumps(json.loads(listed.canonical()), indent=1).encode() + b"\n")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _damaged(self, what: str) -> EngineError:
        return EngineError(
            f"the register of persons in {self._folder} is damaged ({what}): restore it from a backup of the same time as the memory of "
            "releases. A new one would give released numbers to other persons"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
