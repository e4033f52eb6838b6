"""Put a backup of a site in its place: whole and proven, or not at all.

A site that has forgotten what it let out would spend its budgets twice, and its new answers could be subtracted from those it does not know
of. So the backup must hold every line of the ledger that is known otherwise: of the folder that it is to replace, or by a head that the
steward kept; and its memory must know what its ledger says has left.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes

from pydantic import ValidationError

from twinpane_broker import DamagedMemory, EngineError, Register, releases_unknown, require_whole_memory, rows_forgotten
from twinpane_ground import atomic
from twinpane_sandbox.own_users import is_one
from twinpane_site import keys, ledger_verification
from twinpane_site.brokers import REGISTER
from twinpane_site.config import KEYS, SITE_FILE, load_config
from twinpane_site.db import FILE as DATABASE
from twinpane_site.db import Database
from twinpane_site.errors import BackupError, KeyFault
from twinpane_site.instance_lock import only_one
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.ledger_head import HEAD_FILE, LedgerHead

from . import manifest
from .manifest import FILES, Entry, Kind, Manifest
from .take import CHUNK, DATABASES, PRIVATE, digest

NEWEST = 200
"""Releases of the ledger, the newest, that the memory must know: an older memory lacks these."""
Line = tuple[int, str]
"""Number and hash of a line of the ledger."""


@dataclass(frozen=True)
class Restored:
    """What was put in place, and where what was there before is now."""

    manifest: Manifest
    before: Path | None


def restore(
    source: Path, folder: Path, now: datetime, *, head: Line | None = None, public_hex: str | None = None, key: Path | None = None,
    unproven: bool = False,
) -> Restored:  # fmt: skip
    """Put the backup ``source`` at ``folder``.

    ``head``: a line of the ledger that the steward kept elsewhere. ``public_hex``: the site's key as known from elsewhere. ``key``: the
    file of its private key, where the backup has none. ``unproven``: the steward's word that nothing left after the backup was taken, for
    where neither a head nor the former folder can tell. Raises SiteError, and then nothing was changed.
    """
    made = manifest.read(source, public_hex)
    if folder.exists() and any(folder.iterdir()):
        if not any((folder / name).exists() for name in (SITE_FILE, DATABASE, KEYS)):
            raise BackupError(f"{folder} is no site's folder, and is not empty. Choose another.")
        with only_one(folder):
            return _in_place(source, folder, made, now, head, key, unproven)
    return _in_place(source, folder, made, now, head, key, unproven)


def _in_place(source: Path, folder: Path, made: Manifest, now: datetime, head: Line | None, key: Path | None, unproven: bool) -> Restored:
    fresh = folder.with_name(f".{folder.name}.restoring")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        _write_files(source, fresh, made)
        signing = _key(fresh, made, key)
        _require_proven(fresh, made)
        known = [line for line in (head, *_lines_there(folder, made)) if line]
        if not known and not unproven:
            raise BackupError(
                f"Whether anything left after this backup of {made.made} cannot be told here. Give the newest head that you kept "
                "(--head), or your word that nothing did (--accept-unproven)."
            )
        _require_all_known(fresh, folder, known)
        db = Database.open(fresh)
        try:
            Ledger(db, signing).append(LedgerEvent.restored, {"made": made.made, "line": made.head.seq}, now)
        finally:
            db.close()
        before = _swap(fresh, folder, now)
    except (OSError, sqlite3.Error, EngineError, ValidationError) as error:
        raise BackupError(f"{source} was not restored to {folder}: {error}. Nothing was changed.") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return Restored(made, before)


def _write_files(source: Path, fresh: Path, made: Manifest) -> None:
    entries = list(manifest.entries(source, made))
    target = os.fsencode(fresh)
    for entry in entries:  # folders stand before what is in them; links come last, so that nothing is ever written through one
        if entry.kind is Kind.folder:
            os.makedirs(os.path.join(target, entry.name), 0o700)
    for entry in entries:
        if entry.kind is Kind.file:
            _write_file(source / FILES, target, entry)
    for entry in entries:
        if entry.kind is Kind.link:
            os.symlink(unquote_to_bytes(entry.target), os.path.join(target, entry.name))
    first = load_config(fresh).users_from
    for entry in reversed(entries):
        _as_it_was(os.path.join(target, entry.name), entry, first)


def _write_file(files: Path, target: bytes, entry: Entry) -> None:
    path = os.path.join(target, entry.name)
    reading = os.open(os.path.join(os.fsencode(files), entry.name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    writing = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(reading, "rb") as one, open(os.open(path, writing, 0o600), "wb") as other:
        shutil.copyfileobj(one, other, CHUNK)
        other.flush()
        os.fsync(other.fileno())
    if digest(Path(os.fsdecode(path))) != entry.sha256:
        raise BackupError(f"{entry.path} in the backup is not what was backed up. Take another backup.")


def _as_it_was(path: bytes, entry: Entry, users_from: int) -> None:
    # What members' kernels wrote is theirs again; everything else belongs to whoever restores it.
    if users_from and os.geteuid() == 0 and is_one(users_from, entry.owner):
        os.chown(path, entry.owner, entry.owner, follow_symlinks=False)
    if entry.kind is not Kind.link:
        os.chmod(path, entry.mode | (0o700 if entry.kind is Kind.folder else 0))
    os.utime(path, ns=(entry.modified, entry.modified), follow_symlinks=False)


def _key(fresh: Path, made: Manifest, given: Path | None) -> keys.SiteKey:
    """The site's private key, put in its place where it is given apart from the backup."""
    if given is not None:
        (fresh / KEYS).mkdir(mode=0o700, exist_ok=True)
        atomic.write(fresh / PRIVATE, given.read_bytes())
    elif not made.has_key:
        raise KeyFault("The backup was taken without the site's private key. Give the file that you kept apart: --key-file FILE.")
    key = keys.load(fresh / KEYS)
    if key.public_hex != made.public_key:
        raise KeyFault("The private key is not the one that this backup was signed with.")
    return key


def _require_proven(fresh: Path, made: Manifest) -> None:
    """The copy's ledger holds, its memory is whole and of its register, and knows what the ledger says has left."""
    head = _head_of(fresh / DATABASE)
    if head is not None:
        head.write(fresh / HEAD_FILE)
    report = ledger_verification.verify(fresh, made.public_key)
    if not report.ok:
        raise BackupError(f"The ledger in the backup does not hold: {report.fault}. It is not restored.")
    if head is None or (head.seq, head.hash) != (made.head.seq, made.head.hash):
        raise BackupError("The ledger in the backup does not end where the backup says. It is not restored.")
    released = _released(fresh / DATABASE)
    memory = fresh / DATABASES[1]
    if not memory.exists():
        if released:
            raise BackupError("The ledger in the backup names releases, but there is no memory of them. It is not restored.")
        return
    if not (memory.parent / REGISTER).is_dir():
        raise BackupError("The backup has a memory without its register of persons. It is not restored.")
    register = Register(memory.parent / REGISTER)
    register.numbers()
    try:
        require_whole_memory(memory, register.identity)
    except DamagedMemory as error:
        raise BackupError(f"In the backup, {error}") from None
    if unknown := releases_unknown(memory, released):
        raise BackupError(f"The memory in the backup does not know of {len(unknown)} releases that its ledger names. It is not restored.")


def _head_of(database: Path) -> LedgerHead | None:
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as db:
        row = db.execute("SELECT seq, hash, signature FROM ledger_head").fetchone()
    return LedgerHead(*row) if row else None


def _released(database: Path) -> list[tuple[str, str]]:
    """(plan, id) of the newest releases that the ledger names, each as it was new."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(
            "SELECT json_extract(body, '$.plan'), json_extract(body, '$.id') AS id FROM ledger WHERE kind = 'release' AND id <> ''"
            " GROUP BY id ORDER BY min(seq) DESC LIMIT ?", (NEWEST,),
        ).fetchall()  # fmt: skip


def _lines_there(folder: Path, made: Manifest) -> list[Line]:
    """The newest lines that the folder knows of: by its ledger's head, and by the database. Raises BackupError if it is another site's."""
    found = []
    if (folder / KEYS / keys.PUBLIC).exists() and keys.load_public(folder / KEYS) != made.public_key:
        raise BackupError(f"{folder} is of another site than the backup. Choose another folder.")
    for head in (_noted(folder), _in_database(folder)):
        if head is not None and head.seq and head.signed_by(made.public_key):
            found.append((head.seq, head.hash))
    return found


# What is there may be damaged: that is what backups are for. The other one, or the steward's own head, has to do then.
def _noted(folder: Path) -> LedgerHead | None:
    try:
        return LedgerHead.read(folder / HEAD_FILE)
    except (OSError, ValueError):
        return None


def _in_database(folder: Path) -> LedgerHead | None:
    try:
        return _head_of(folder / DATABASE)
    except sqlite3.Error:
        return None


def _require_all_known(fresh: Path, folder: Path, known: list[Line]) -> None:
    with closing(sqlite3.connect(f"{(fresh / DATABASE).resolve().as_uri()}?mode=ro", uri=True)) as db:
        for seq, digest_of in known:
            row = db.execute("SELECT hash FROM ledger WHERE seq = ?", (seq,)).fetchone()
            if row is None or row[0] != digest_of:
                raise BackupError(
                    f"The backup is older than what is known: it does not have line {seq} of the ledger. A site that has forgotten what it "
                    "let out could be differenced and would spend its budgets twice. It is not restored."
                )
    there = folder / DATABASES[1]
    if not there.exists():
        return
    try:
        lost = rows_forgotten(there, fresh / DATABASES[1]) if (fresh / DATABASES[1]).exists() else 1
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise BackupError(f"{there} cannot be compared with the backup ({error}). Start the site once with this version.") from None
        return  # damaged: what it knew of is in the ledger, of which the backup has every line that is known
    if lost:
        raise BackupError(f"The memory in the backup lacks {lost} things that the one in {folder} remembers. It is not restored.")


def _swap(fresh: Path, folder: Path, now: datetime) -> Path | None:
    before = None
    if folder.exists():
        if any(folder.iterdir()):
            before = folder.with_name(f"{folder.name}.before-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
            os.rename(folder, before)
        else:
            folder.rmdir()
    os.rename(fresh, folder)
    atomic.sync(folder.resolve().parent)
    return before
