"""The receipt of a released item: what left, to whom, for what purpose, by how many approvals, under which policy; signed by the site.

It travels with the item and can be verified offline with the site's public key alone. The review issues receipts; the pane and
``twinpane receipt verify`` check them with ``check``.
"""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from twinpane_broker import Closed, SiteId, canonical_json
from twinpane_ground import limits
from twinpane_ground.mistakes import first

from .messages import CellNumber, Path, ProjectId, RequestId, Sha256, WrittenName
from .types import Form

PREFIX = b"twinpane-receipt:1\n"
"""What a receipt's signature covers besides its body, so that no other signature of the site can pass for a receipt's."""
ENDING = ".receipt.json"
"""A receipt lies beside its file; its name is the file's name with this suffix."""

Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class LedgerPoint(Closed):
    """The entry of the site's ledger that was written before the item left: its number and hash."""

    seq: Annotated[int, Field(ge=1)]
    hash: Sha256


class Receipt(Closed):
    """The receipt of one released item. Reviewers are counted, not named: their names are in the site's ledger."""

    kind: Literal["twinpane-receipt"] = "twinpane-receipt"
    v: Literal[1] = 1
    site: SiteId
    project: ProjectId
    request: RequestId
    index: Annotated[int, Field(ge=0)]
    """Which item of the request it is, from 0."""
    cell: CellNumber | None
    path: Path | None
    name: Path
    form: Form
    size: Annotated[int, Field(ge=1)]
    sha256: Sha256
    recipient: WrittenName
    purpose: Annotated[str, StringConstraints(max_length=limits.PURPOSE)]
    approvals: Annotated[int, Field(ge=1)]
    quorum: Annotated[int, Field(ge=1)]
    policy: Annotated[str, StringConstraints(max_length=200)]
    """Version or digest of the policy under which it was approved."""
    released_at: Annotated[str, StringConstraints(max_length=40)]
    """UTC, ISO 8601."""
    ledger: LedgerPoint
    public_key: Key
    """The key it is signed with. A verifier must know from elsewhere that the key is the site's: from the catalogue, or a trusted file."""
    signature: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{128})?$")] = ""

    def signed_bytes(self) -> bytes:
        """The bytes that the signature covers: everything but the signature itself."""
        return PREFIX + canonical_json(self.model_dump(mode="json", exclude={"signature"}))

    def to_text(self) -> str:
        """The receipt as a file's text: JSON that people can read. Equal receipts give equal bytes."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


class ReceiptError(ValueError):
    """The receipt, or the item beside it, is not what the site signed; the message says what does not fit."""


def check(text: str | bytes, content: bytes, key: str | None) -> Receipt:
    """Return the receipt if it is whole and signed and names this content; otherwise raise ReceiptError.

    ``key`` is the site's public key as known from elsewhere, in 64 hexadecimal digits. None uses the key in the receipt itself, which
    proves only that the receipt is unchanged, not whose it is.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(text) > 20_000:
        raise ReceiptError("This is not a receipt: it is larger than a receipt can be.")
    try:
        receipt = Receipt.model_validate_json(text)
    except ValidationError as error:
        raise ReceiptError(f"This is not a receipt, or it was changed (at {first(error).where or 'its start'}).") from None
    if key is not None and receipt.public_key != key.strip().lower():
        raise ReceiptError(f"The receipt is signed with another key than the one known of site {receipt.site}.")
    try:
        signer = Ed25519PublicKey.from_public_bytes(bytes.fromhex(receipt.public_key))
        signer.verify(bytes.fromhex(receipt.signature), receipt.signed_bytes())
    except (InvalidSignature, ValueError):
        raise ReceiptError("The receipt was changed after it was signed, or was never signed by that key.") from None
    if hashlib.sha256(content).hexdigest() != receipt.sha256:
        raise ReceiptError("The file is not the one the receipt is for: its content has changed.")
    return receipt
