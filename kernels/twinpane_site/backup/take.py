"""Take a backup of a site's folder, also while its agent runs.

Databases are copied by SQLite itself, each as it was at one moment. The order makes the copies fit: first the ledger's, then the memory of
what was released, then the register of persons, so that the memory knows all that the ledger says has left, and the register all persons
that the memory knows. Everything else is copied after them.

Left out is what a start makes anew (the broker's store, the views of projects), and the private key, unless it is asked for.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from twinpane_sandbox.files import DEEPEST
from twinpane_site import keys
from twinpane_site.brokers import FOLDER as BROKER
from twinpane_site.brokers import MEMORY, REGISTER
from twinpane_site.config import KEYS, load_config
from twinpane_site.db import FILE as DATABASE
from twinpane_site.errors import BackupError
from twinpane_site.instance_lock import FILE as LOCK
from twinpane_site.ledger_head import GENESIS, HEAD_FILE, LedgerHead
from twinpane_site.snapshot import VIEWS

from . import manifest
from .manifest import FILES, Entry, Head, Kind, Manifest, quoted

DATABASES = (DATABASE, f"{BROKER}/{MEMORY}")
"""In this order."""
REGISTERED = f"{BROKER}/{REGISTER}/register.json"
"""The register's list of files, which are never changed: copied before they are looked for, so that none is missing."""
PRIVATE = f"{KEYS}/{keys.PRIVATE}"
CHUNK = 2**20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def take(folder: Path, to: Path, with_key: bool, now: datetime) -> Manifest:
    """Write a backup of the site's folder to ``to``, which must not exist. Raises SiteError, and then there is none."""
    config, key = load_config(folder), keys.load(folder / KEYS)
    if os.path.lexists(to):
        raise BackupError(f"{to} exists already. Choose another place: a backup never overwrites anything.")
    if to.resolve().is_relative_to(folder.resolve()):
        raise BackupError(f"{to} lies in the site's own folder. Choose a place outside of it, on another disk.")
    partial = to.with_name(f".{to.name}.partial")
    files = partial / FILES
    try:
        shutil.rmtree(partial, ignore_errors=True)
        files.mkdir(mode=0o700, parents=True)
        partial.chmod(0o700)
        entries = list(_Copy(folder, files, with_key).all())
        head = _head_of(files / DATABASE)
        made = Manifest(
            site=config.id, public_key=key.public_hex, made=now.astimezone(UTC).isoformat(timespec="seconds"),
            program=metadata.version("twinpane"), head=Head(seq=head.seq, hash=head.hash), has_key=with_key, listed=GENESIS,
        )  # fmt: skip
        manifest.write(partial, made, entries, key)
        os.rename(partial, to)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"The backup to {to} was not made: {error}. Is there space, and may this user read all of {folder}?") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return made


def _head_of(database: Path) -> LedgerHead:
    with closing(sqlite3.connect(database)) as copy:
        row = copy.execute("SELECT seq, hash, signature FROM ledger_head").fetchone()
    return LedgerHead(*row) if row else LedgerHead(0, GENESIS, "")


class _Copy:
    """One copy of a folder. No link is followed: cells may have planted some."""

    def __init__(self, folder: Path, target: Path, with_key: bool) -> None:
        self._folder = folder
        self._target = target
        self._left_out = {LOCK, HEAD_FILE, VIEWS} | {f"{name}{end}" for name in DATABASES for end in ("-wal", "-shm", "-journal")}
        if not with_key:
            self._left_out.add(PRIVATE)
        self._done: set[str] = set()

    def all(self) -> Iterator[Entry]:
        """Copy everything; yields an entry for each thing, folders before what is in them."""
        first = []
        for name in DATABASES:
            if (self._folder / name).exists():
                self._room_for(name)
                _copy_database(self._folder / name, self._target / name)
                first.append(self._listed(name.encode(), os.stat(self._folder / name), self._target / name))
        if (self._folder / REGISTERED).exists():
            self._room_for(REGISTERED)
            first += self._one(REGISTERED.encode(), os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), REGISTERED)
        self._done = {entry.path for entry in first}
        yield from self._below(os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), b"", 0)
        yield from first

    def _room_for(self, name: str) -> None:
        (self._target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _wanted(self, name: bytes) -> bool:
        text = os.fsdecode(name)
        if text in self._left_out or quoted(name) in self._done or (text.startswith(".") and text.endswith(".new")):
            return False
        head, _, rest = text.partition("/")
        return head != BROKER or not rest or rest.partition("/")[0] == REGISTER

    def _below(self, source: int, name: bytes, depth: int) -> Iterator[Entry]:
        """What is in an open folder, which is closed in the end."""
        try:
            for each in sorted(os.fsencode(found) for found in os.listdir(source)):
                path = name + b"/" + each if name else each
                if self._wanted(path):
                    with contextlib.suppress(FileNotFoundError):  # a site that runs deletes things meanwhile
                        yield from self._thing(path, source, each, depth)
        finally:
            os.close(source)

    def _thing(self, path: bytes, source: int, name: bytes, depth: int) -> Iterator[Entry]:
        state = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISLNK(state.st_mode):
            entry = self._listed(path, state)
            yield entry.model_copy(update={"kind": Kind.link, "target": quoted(os.readlink(name, dir_fd=source))})
        elif stat.S_ISREG(state.st_mode):
            yield from self._one(path, os.dup(source), name)
        elif stat.S_ISDIR(state.st_mode) and depth < DEEPEST:
            inner = os.open(name, _READ | os.O_DIRECTORY, dir_fd=source)
            os.makedirs(os.path.join(os.fsencode(self._target), path), 0o700, exist_ok=True)
            yield self._listed(path, state).model_copy(update={"kind": Kind.folder})
            yield from self._below(inner, path, depth + 1)

    def _one(self, path: bytes, folder: int, name: str | bytes) -> Iterator[Entry]:
        """A file in an open folder, which is closed in the end."""
        try:
            reading = os.open(name, _READ, dir_fd=folder)
        finally:
            os.close(folder)
        target = os.path.join(os.fsencode(self._target), path)
        with open(reading, "rb") as one, open(os.open(target, _WRITE, 0o600), "wb") as other:
            state = os.fstat(reading)
            shutil.copyfileobj(one, other, CHUNK)
            other.flush()
            os.fsync(other.fileno())
        yield self._listed(path, state, Path(os.fsdecode(target)))

    def _listed(self, path: bytes, state: os.stat_result, copy: Path | None = None) -> Entry:
        """The entry of a file that was copied, or of something that has no content."""
        size, sha256 = (copy.stat().st_size, digest(copy)) if copy else (0, "")
        return Entry(
            path=quoted(path), kind=Kind.file, mode=stat.S_IMODE(state.st_mode) & 0o777, owner=state.st_uid, modified=state.st_mtime_ns,
            size=size, sha256=sha256,
        )  # fmt: skip


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _copy_database(source: Path, target: Path) -> None:
    there = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=20)
    with closing(there), closing(sqlite3.connect(target)) as copy:
        there.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, that needs none beside it
    target.chmod(0o600)
