"""Checks a ledger from the outside: was a line changed, taken out, moved, put in, or the end cut off?"""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from .db import FILE
from .keys import load_public
from .ledger_head import GENESIS, HEAD_FILE, LedgerHead, chain_hash


@dataclass(frozen=True)
class VerifyReport:
    """What ``verify`` found: number of entries that hold together from the first, the first bad line, and what is wrong."""

    entries: int
    fault: str | None = None
    line: int | None = None
    head: LedgerHead | None = None

    @property
    def ok(self) -> bool:
        """Whether every entry and both heads hold."""
        return self.fault is None


def verify(folder: Path, public_hex: str | None = None) -> VerifyReport:
    """Check the whole chain and both signed heads of a site folder.

    ``public_hex`` is the site's key as known from elsewhere; without it ``keys/site.pub`` of the folder is believed, and KeyFault
    raised where that is missing. Writes nothing; needs no private key; a running agent may go on.
    """
    public_hex = public_hex or load_public(folder / "keys")
    path = folder / FILE
    if not path.exists():
        return VerifyReport(0, f"{path} is missing")
    # On a read-only disk (an auditor's copy) SQLite cannot make its lock files, and nobody can write either.
    options = "mode=ro" if os.access(folder, os.W_OK) or path.with_name(f"{FILE}-wal").exists() else "immutable=1"
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?{options}", uri=True)
    except sqlite3.Error as error:
        return VerifyReport(0, f"{path} cannot be read: {error}")
    connection.row_factory = sqlite3.Row
    try:
        # One read transaction: a running agent may append meanwhile. The file is read first, as it only ever lags.
        noted, fault = _noted(folder / HEAD_FILE)
        connection.execute("BEGIN")
        return _verify(connection, noted, fault, public_hex)
    except (sqlite3.Error, TypeError, ValueError, IndexError) as error:
        return VerifyReport(0, f"{path} cannot be read: {error}")
    finally:
        connection.close()


def _noted(path: Path) -> tuple[LedgerHead | None, str | None]:
    try:
        return LedgerHead.read(path), None
    except FileNotFoundError:
        return None, f"{path.name} is missing: the ledger may have been cut"
    except (OSError, ValueError):
        return None, f"{path.name} is not a ledger head"


def _verify(connection: sqlite3.Connection, noted: LedgerHead | None, fault: str | None, public_hex: str) -> VerifyReport:
    prev, count = GENESIS, 0
    hashes = {0: GENESIS}
    for row in connection.execute("SELECT * FROM ledger ORDER BY seq"):
        if row["seq"] != count + 1:
            return VerifyReport(count, f"line {count + 1} is missing", count + 1)
        if row["hash"] != chain_hash(row["seq"], row["prev"], row["time"], row["kind"], row["body"]):
            return VerifyReport(count, f"line {count + 1} was changed", count + 1)
        if row["prev"] != prev:
            return VerifyReport(count, f"line {count + 1} does not follow line {count}: lines were moved or replaced", count + 1)
        count, prev = count + 1, row["hash"]
        if noted and noted.seq == count:
            hashes[count] = prev
    row = connection.execute("SELECT seq, hash, signature FROM ledger_head").fetchone()
    head = LedgerHead(row["seq"], row["hash"], row["signature"]) if row else None
    for where, found in (("signed head", head), (HEAD_FILE, noted)):
        if found and not found.signed_by(public_hex):
            return VerifyReport(count, f"the {where} is not signed by this site's key", found.seq)
        if found and found.seq > count:
            return VerifyReport(count, f"lines {count + 1} to {found.seq} are missing: the {where} names line {found.seq}", count + 1)
    if head is None and count:
        return VerifyReport(count, "the signed head is missing", count)
    if head and (head.seq, head.hash) != (count, prev):
        return VerifyReport(count, f"line {count} is not the one the signed head names (line {head.seq})", min(count, head.seq + 1))
    if fault:
        return VerifyReport(count, fault, count)
    if noted and hashes[noted.seq] != noted.hash:
        return VerifyReport(count, f"line {noted.seq} is not the one that {HEAD_FILE} names", noted.seq)
    return VerifyReport(count, head=head)
