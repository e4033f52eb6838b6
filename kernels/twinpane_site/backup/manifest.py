"""What a backup says of itself: whose it is, up to which line of the ledger, and the digest of every file. The site signs it."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import Field, StringConstraints, ValidationError

from twinpane_broker import Closed, SiteId
from twinpane_ground import atomic
from twinpane_ground.mistakes import first
from twinpane_site.errors import BackupError
from twinpane_site.keys import SiteKey, verify

MANIFEST, LISTED, FILES = "backup.json", "files.jsonl", "files"
"""In a backup's folder: what it says of itself, the list of what it holds, and the files."""
SIGNED_AS = b"twinpane-backup:"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Quoted = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,20000}$")]


class Kind(StrEnum):
    """What an entry is. Links are kept as entries of the list alone: nobody who reads a backup can follow one."""

    file = "file"
    folder = "folder"
    link = "link"


class Entry(Closed):
    """One file, folder or link. ``path`` and ``target`` are bytes as a URL quotes them: what cells write need not be text."""

    path: Quoted
    kind: Kind
    mode: Annotated[int, Field(ge=0, le=0o777)]
    owner: Annotated[int, Field(ge=0, lt=2**32)]
    modified: int
    """Nanoseconds since 1970, as the system keeps them."""
    size: Annotated[int, Field(ge=0)] = 0
    sha256: Sha256 | Literal[""] = ""
    target: Quoted | Literal[""] = ""

    @property
    def name(self) -> bytes:
        """The path below the site's folder. Raises BackupError where it leads out of it."""
        name = unquote_to_bytes(self.path)
        if b"\0" in name or any(part in (b"", b".", b"..") for part in name.split(b"/")):
            raise BackupError(f"the backup names the path {self.path}, which does not lie in a site's folder. It is not restored.")
        return name


class Head(Closed):
    """The last line of the ledger that the backup holds; 0 of an empty one."""

    seq: Annotated[int, Field(ge=0)]
    hash: Sha256


class Manifest(Closed):
    """backup.json, without its signature."""

    version: Literal[1] = 1
    site: SiteId
    public_key: Sha256
    made: str
    """When it was taken: UTC, ISO 8601."""
    program: str
    """The version of Twinpane that took it."""
    head: Head
    has_key: bool
    listed: Sha256
    """Of the list of files."""


class _Signed(Closed):
    manifest: Manifest
    signature: str


def quoted(name: bytes) -> str:
    """A path as an entry holds it."""
    return quote_from_bytes(name, safe="/")


def write(backup: Path, manifest: Manifest, entries: Iterable[Entry], key: SiteKey) -> None:
    """Write the list, and then what makes it a backup: the signed manifest."""
    lines = b"".join(entry.canonical() + b"\n" for entry in entries)
    atomic.write(backup / LISTED, lines)
    manifest = manifest.model_copy(update={"listed": hashlib.sha256(lines).hexdigest()})
    signed = _Signed(manifest=manifest, signature=key.sign(SIGNED_AS + manifest.canonical()))
    atomic.write(backup / MANIFEST, json.dumps(signed.model_dump(mode="json"), indent=1).encode() + b"\n")


def read(backup: Path, public_hex: str | None) -> Manifest:
    """What a backup says of itself, if the site's key signed it (``public_hex``; None: the one that it names). Raises BackupError."""
    try:
        signed = _Signed.model_validate_json((backup / MANIFEST).read_bytes())
    except OSError as error:
        raise BackupError(f"{backup} is not a backup of a site ({MANIFEST}: {error.strerror}).") from None
    except ValidationError as error:
        raise BackupError(f"{backup / MANIFEST} cannot be used: {first(error)}. Was it made by a newer Twinpane?") from None
    manifest = signed.manifest
    if public_hex is not None and manifest.public_key != public_hex.lower():
        raise BackupError(f"{backup} is of another site: its key is {manifest.public_key}.")
    if not verify(manifest.public_key, SIGNED_AS + manifest.canonical(), signed.signature):
        raise BackupError(f"{backup / MANIFEST} is not as the site signed it. Take another backup.")
    return manifest


def entries(backup: Path, manifest: Manifest) -> Iterator[Entry]:
    """The list of what it holds. Raises BackupError where it is not the one that was signed."""
    try:
        lines = (backup / LISTED).read_bytes()
    except OSError as error:
        raise BackupError(f"{backup / LISTED} cannot be read: {error.strerror}.") from None
    if hashlib.sha256(lines).hexdigest() != manifest.listed:
        raise BackupError(f"{backup / LISTED} is not as the site signed it. Take another backup.")
    return (Entry.model_validate_json(line) for line in lines.splitlines())
