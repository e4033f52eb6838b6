"""The signed head of the ledger, and the hash that chains its entries. Needs no database, so that anyone can check a ledger."""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twinpane_broker import canonical_json
from twinpane_ground import atomic

from .keys import SiteKey, verify

HEAD_FILE = "ledger.head"
GENESIS = "0" * 64
"""The hash before the first entry."""
PATIENCE_S = 1.0
"""For which one process waits for another's turn at the file: a turn takes a millisecond or two."""


@dataclass(frozen=True)
class LedgerHead:
    """Number and hash of the last entry, signed."""

    seq: int
    hash: str
    signature: str

    @staticmethod
    def message(seq: int, digest: str) -> bytes:
        """The bytes that the signature covers."""
        return f"twinpane-ledger-head:{seq}:{digest}".encode()

    @classmethod
    def sign(cls, key: SiteKey, seq: int, digest: str) -> "LedgerHead":
        """The head of a ledger whose last entry is this."""
        return cls(seq, digest, key.sign(cls.message(seq, digest)))

    @classmethod
    def read(cls, path: Path) -> "LedgerHead":
        """The head in a file; raises OSError, or ValueError when it is not one."""
        value = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(value, dict) and value.keys() == {"seq", "hash", "signature"}):
            raise ValueError("not a ledger head")
        seq, digest, signature = value["seq"], value["hash"], value["signature"]
        if not (isinstance(seq, int) and isinstance(digest, str) and isinstance(signature, str)):
            raise ValueError("not a ledger head")
        if seq < 0:
            raise ValueError("not a ledger head")
        return cls(seq, digest, signature)

    def write(self, path: Path) -> None:
        """Put the head in its file, durably, whatever is there; raises OSError."""
        atomic.write(path, canonical_json({"seq": self.seq, "hash": self.hash, "signature": self.signature}) + b"\n")

    def advance(self, path: Path, public_hex: str) -> None:
        """Put the head in its file, unless a later one that this key signed is there; raises OSError.

        Agent, review pages and the steward's commands append in turns, and may come here in another order.
        """
        with _turn(path.parent):
            with contextlib.suppress(OSError, ValueError):
                there = LedgerHead.read(path)
                if there.seq > self.seq and there.signed_by(public_hex):
                    return
            self.write(path)

    def signed_by(self, public_hex: str) -> bool:
        """Whether that key signed it."""
        return verify(public_hex, self.message(self.seq, self.hash), self.signature)


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    until = time.monotonic() + PATIENCE_S
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.002)
        yield
    finally:
        os.close(handle)


def chain_hash(seq: int, prev: str, time: str, kind: str, body: str) -> str:
    """SHA-256 that an entry's number, predecessor, time, kind and body (canonical JSON text) add up to."""
    return hashlib.sha256(b"twinpane-ledger:1\n" + canonical_json([seq, prev, time, kind, body])).hexdigest()
