"""The signed head of the ledger, and the hash that chains its entries. Needs no database, so that anyone can check a ledger."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from twinpane_broker.closed import canonical_json

from .files import write_durably
from .keys import SiteKey, verify

HEAD_FILE = "ledger.head"
GENESIS = "0" * 64
"""The hash before the first entry."""


@dataclass(frozen=True)
class Head:
    """Number and hash of the last entry, signed."""

    seq: int
    hash: str
    signature: str

    @staticmethod
    def message(seq: int, digest: str) -> bytes:
        """The bytes that the signature covers."""
        return f"twinpane-ledger-head:{seq}:{digest}".encode()

    @classmethod
    def sign(cls, key: SiteKey, seq: int, digest: str) -> "Head":
        """The head of a ledger whose last entry is this."""
        return cls(seq, digest, key.sign(cls.message(seq, digest)))

    @classmethod
    def read(cls, path: Path) -> "Head":
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
        """Put the head in its file, durably; raises OSError."""
        write_durably(path, canonical_json({"seq": self.seq, "hash": self.hash, "signature": self.signature}) + b"\n")

    def signed_by(self, public_hex: str) -> bool:
        """Whether that key signed it."""
        return verify(public_hex, self.message(self.seq, self.hash), self.signature)


def chain_hash(seq: int, prev: str, time: str, kind: str, body: str) -> str:
    """SHA-256 that an entry's number, predecessor, time, kind and body (canonical JSON text) add up to."""
    return hashlib.sha256(b"twinpane-ledger:1\n" + canonical_json([seq, prev, time, kind, body])).hexdigest()
