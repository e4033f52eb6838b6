"""The site's Ed25519 key: signs releases, ledger heads, receipts and the hello on the link.

``keys/site.key`` is the private key (PEM, mode 0600, in a directory of mode 0700), ``keys/site.pub`` its public half in
hexadecimal, for anyone who verifies offline. A private key that others can read is refused.
"""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from twinpane_ground import atomic

from .errors import KeyFault

PRIVATE = "site.key"
PUBLIC = "site.pub"
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True)
class SiteKey:
    """The private key in memory; its text never shows in a repr or log."""

    _private: Ed25519PrivateKey = field(repr=False)

    @property
    def public_hex(self) -> str:
        """The public key: 64 hexadecimal digits."""
        return self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """Ed25519 signature of ``message``: 128 hexadecimal digits. Callers prefix what they sign with its purpose."""
        return self._private.sign(message).hex()


def verify(public_hex: str, message: bytes, signature_hex: str) -> bool:
    """Whether the signature is that key's over that message; malformed keys and signatures are simply not."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_hex)).verify(bytes.fromhex(signature_hex), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def create(folder: Path) -> SiteKey:
    """Make the site's key pair in ``folder``; raises KeyFault where a key already is: keys are never overwritten."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / PRIVATE
    if path.exists():
        raise KeyFault(f"{path} exists already. A site keeps its key: what it signed verifies with no other.")
    private = Ed25519PrivateKey.generate()
    atomic.write(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    key = SiteKey(private)
    atomic.write(folder / PUBLIC, f"{key.public_hex}\n".encode(), mode=0o644)
    return key


def load(folder: Path) -> SiteKey:
    """The site's key; raises KeyFault when it is missing, malformed, or open to group or world."""
    path = folder / PRIVATE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyFault(f"{path} is missing. `twinpane site init` makes it; a lost key has to come from your backup.") from None
    except OSError as error:
        raise KeyFault(f"{path} cannot be read: {error.strerror}.") from None
    with os.fdopen(descriptor, "rb") as file:
        for checked, mode in ((path, os.fstat(file.fileno()).st_mode), (folder, folder.stat().st_mode)):
            if stat.S_IMODE(mode) & 0o077:
                raise KeyFault(f"{checked} is open to others (mode {stat.S_IMODE(mode):04o}). Close it: chmod go-rwx {checked}")
        pem = file.read(10_000)
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFault(f"{path} is not an Ed25519 private key in PEM form. Restore it from your backup.")
    return SiteKey(private)


def load_public(folder: Path) -> str:
    """The public key in hexadecimal; raises KeyFault when it is missing or malformed."""
    return read_public(folder / PUBLIC)


def read_public(path: Path) -> str:
    """The public key in a file; raises KeyFault when it is missing or malformed."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise KeyFault(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        text = ""
    if not _HEXADECIMAL.fullmatch(text):
        raise KeyFault(f"{path} is not an Ed25519 public key in hexadecimal.")
    return text


def public(given: str) -> str:
    """The public key that somebody gives: in hexadecimal, or as a file with it; raises KeyFault for anything else."""
    if _HEXADECIMAL.fullmatch(given.strip()):
        return given.strip()
    if not Path(given).is_file():
        raise KeyFault(f"{given} is neither a public key (64 hexadecimal digits) nor a file with one, such as keys/site.pub.")
    return read_public(Path(given))
