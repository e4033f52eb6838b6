"""Issues the receipts of released items. How they are checked is with their type, in ``twinpane_wire.receipt``: both ends need that."""

from datetime import UTC, datetime

from twinpane_site.keys import SiteKey
from twinpane_site.ledger import Entry
from twinpane_wire.receipt import LedgerPoint, Receipt

from .model import Request, ReviewItem, ReviewPolicy


def issue(
    key: SiteKey, site: str, request: Request, item: ReviewItem, name: str,
    approvals: int, policy: ReviewPolicy, entry: Entry, now: datetime,
) -> Receipt:  # fmt: skip
    """The signed receipt of an approved item that leaves as the file ``name``.

    ``entry`` is the ledger's line of the decision, ``approvals`` how many reviewers agreed.
    """
    if item.form is None:
        raise ValueError("what has no form cannot leave, and gets no receipt")
    body = Receipt(
        site=site, project=request.project, request=request.id, index=item.index, cell=item.cell, path=item.path, name=name,
        form=item.form, size=item.size, sha256=item.sha256, recipient=request.author, purpose=request.purpose,
        approvals=approvals, quorum=policy.quorum, policy=policy.version,
        released_at=now.astimezone(UTC).isoformat(timespec="seconds"), ledger=LedgerPoint(seq=entry.seq, hash=entry.hash),
        public_key=key.public_hex,
    )  # fmt: skip
    return body.model_copy(update={"signature": key.sign(body.signed_bytes())})
