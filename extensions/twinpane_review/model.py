"""The parts of a request, as frozen values. The store reads them from the site's database; the rules are functions of them."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from twinpane_broker import canonical_json
from twinpane_wire.items import Form

from .states import State


class Decision(StrEnum):
    """What a reviewer says of one item."""

    approve = "approve"
    changes = "changes"
    reject = "reject"


@dataclass(frozen=True)
class ReviewPolicy:
    """Who may review at this site and how many must agree. The site decides this, never the caller."""

    reviewers: tuple[str, ...]
    quorum: int = 2
    threshold: int = 10
    """Counts of persons below this are marked for the reviewers."""
    version: str = ""
    """Digest or number of the policy file; written into receipts."""

    def __post_init__(self) -> None:
        """Refuse a policy under which nobody, or nobody independent, would decide."""
        if self.quorum < 1:
            raise ValueError("policy.toml: review.quorum must be at least 1: nothing leaves without a person's approval")
        if len({name.lower() for name in self.reviewers}) != len(self.reviewers):
            raise ValueError("policy.toml: review.reviewers names someone twice")

    def with_reviewers(self, names: tuple[str, ...]) -> "ReviewPolicy":
        """The policy with these reviewers; another list is another version."""
        if names == self.reviewers:
            return self
        version = hashlib.sha256(canonical_json([self.version, list(names)])).hexdigest()
        return replace(self, reviewers=names, version=version)


@dataclass(frozen=True)
class ReviewItem:
    """One thing to decide on. If ``form`` is None, no part of the asked content has a form that can leave."""

    number: int
    """From 1, within the request."""
    index: int
    """Which of the items of the ask it belongs to, from 0."""
    cell: int | None
    path: str | None
    form: Form | None
    label: str
    """Where it came from, in words for reviewers."""
    sha256: str
    size: int
    twin_form: Form | None = None
    twin_sha256: str = ""
    decision: Decision | None = None
    """Set when the request was carried out."""
    name: str = ""
    """File name of a released item."""
    receipt: str = ""

    @property
    def subject(self) -> str:
        """The author's name for it."""
        return f"cell {self.cell}" if self.cell is not None else f"file {self.path}"


@dataclass(frozen=True)
class Ask:
    """One line of the author's request: a cell with its code, or a file, and what of it has no form."""

    index: int
    cell: int | None
    path: str | None
    source: str
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def subject(self) -> str:
        return f"cell {self.cell}" if self.cell is not None else f"file {self.path}"


@dataclass(frozen=True)
class Mark:
    """One reviewer's decision on one item, bound to what it was made about."""

    number: int
    reviewer: str
    decision: Decision
    remark: str
    binding: str
    at: datetime


@dataclass(frozen=True)
class HandedIn:
    """A reviewer made the marks final."""

    reviewer: str
    at: datetime


@dataclass(frozen=True)
class Happening:
    """A line of a request's history, each with its entry in the ledger. ``actor`` is a person's name, or ``site``."""

    seq: int
    at: datetime
    actor: str
    text: str


@dataclass(frozen=True)
class Request:
    """An export request, whole, but for the bytes of its items."""

    id: str
    session: str
    project: str
    author: str
    purpose: str
    population: str
    controls: str
    state: State
    submitted_at: datetime
    closed_at: datetime | None
    stopped_because: str
    asks: tuple[Ask, ...]
    items: tuple[ReviewItem, ...]
    marks: tuple[Mark, ...] = ()
    handed_in: tuple[HandedIn, ...] = ()

    @property
    def recipient(self) -> str:
        """The only recipient of an approved item: the author, in this project."""
        return f"{self.author} in project {self.project}"

    def item(self, number: int) -> ReviewItem | None:
        return next((item for item in self.items if item.number == number), None)

    def mark_of(self, reviewer: str, number: int) -> Mark | None:
        return next((mark for mark in self.marks if mark.reviewer == reviewer and mark.number == number), None)

    def has_handed_in(self, reviewer: str) -> bool:
        return any(review.reviewer == reviewer for review in self.handed_in)

    def binding(self, item: ReviewItem) -> str:
        """SHA-256 of everything that an approval covers: bytes, form, recipient and purpose. Any change gives another digest."""
        what = {
            "request": self.id, "item": item.number, "form": item.form and item.form.value, "sha256": item.sha256,
            "recipient": self.recipient, "purpose": self.purpose, "population": self.population, "controls": self.controls,
        }  # fmt: skip
        return hashlib.sha256(canonical_json(what)).hexdigest()
