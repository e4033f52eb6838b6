"""Requests in every state, reached only through the public way: submit, mark, hand in."""

import base64
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image, ImageDraw

from twinpane_review.model import Decision, ReviewPolicy
from twinpane_review.pairing import Budget as Bytes
from twinpane_review.pairing import Real, paired
from twinpane_review.review import Review
from twinpane_review.states import State
from twinpane_review.steward.desk import Desk
from twinpane_site.accounts import Accounts
from twinpane_site.config import Project
from twinpane_site.db import Database
from twinpane_site.keys import SiteKey, create
from twinpane_site.ledger import Ledger
from twinpane_site.meter import Budget
from twinpane_site.projects import Projects
from twinpane_site.reviewers import Reviewers, reviewers_of
from twinpane_wire.messages import Export, ExportAsk, ExportItem, TwinItem

AUTHOR, A, B, C = "researcher", "reviewer-a", "reviewer-b", "reviewer-c"
SESSION = "5" * 32
POLICY = ReviewPolicy(reviewers=(A, B, C), quorum=2, threshold=10, version="policy-1")
PUBLISHED = {"person": ("person_id", "sex"), "visit": ("person_id", "day")}
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

CODE = 'counts = df.groupby("sex").size()\ncounts.plot.bar(title="Persons by sex")\ncounts'
TABLE = "sex,n\nfemale,120\nmale,7\n"


def png(colour: str = "steelblue", size: tuple[int, int] = (320, 200), words: str = "") -> bytes:
    """A small bar chart."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for n, height in enumerate((120, 70, 30)):
        draw.rectangle((40 + 80 * n, 170 - height, 90 + 80 * n, 170), fill=colour)
    draw.text((40, 10), words, fill="black")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def display(**data: object) -> dict[str, object]:
    """A display output: mime types with ``/`` written as ``_``."""
    return {"output_type": "display_data", "data": {key.replace("_", "/"): value for key, value in data.items()}, "metadata": {}}


def picture(content: bytes) -> dict[str, object]:
    """A display output with a picture."""
    return display(image_png=base64.b64encode(content).decode(), text_plain="<Figure>")


def stream(text: str) -> dict[str, object]:
    """A stream output."""
    return {"output_type": "stream", "name": "stdout", "text": text}


def twin(form: str, content: bytes) -> TwinItem:
    """The synthetic item as the pane sends it."""
    return TwinItem(form=form, content=base64.b64encode(content).decode())


@dataclass
class Site:
    """A site's review, with its outbox as a list and a clock that a test moves."""

    folder: Path
    db: Database
    ledger: Ledger
    key: SiteKey
    policy: ReviewPolicy
    review: Review = field(init=False)
    sent: list[Export] = field(default_factory=list)
    now: datetime = START
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.reopen()

    def reopen(self, policy: ReviewPolicy | None = None) -> None:
        """As after a restart of the agent, with another policy or the same."""
        self.policy = policy or self.policy
        self.review = Review(self.db, self.ledger, self.key, "site-a", self.policy, self.sent.append, self.clock, self.reviewers.now)

    @property
    def accounts(self) -> Accounts:
        """The site's own accounts."""
        return Accounts(self.db, self.ledger, self.clock)

    @property
    def desk(self) -> Desk:
        """The steward's desk, as the pages' process has it."""
        return Desk(self.db, self.ledger, self.projects, PUBLISHED, Budget(), self.clock, self.reviewers)

    @property
    def reviewers(self) -> Reviewers:
        """The site's reviewers, as its policy.toml lists them."""
        return reviewers_of(self.db, self.ledger, self.policy.reviewers, self.clock)

    @property
    def projects(self) -> Projects:
        """The site's projects, as its site.toml lists them."""
        found = Projects(self.db, self.ledger, self.clock)
        found.declare([Project(id="stroke", members=(AUTHOR,))])
        return found

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def ask(self, *items: ExportItem, author: str = AUTHOR, purpose: str = "figure 2 of the paper") -> ExportAsk:
        """An ask as the pane sends it."""
        return ExportAsk(
            session=SESSION, request=f"{next(self.ids):032x}", purpose=purpose, population="adults", controls="rounded to 5",
            items=items or (ExportItem(cell=7, source=CODE, twins=(twin("text", b"synthetic\n"),)),),
        )  # fmt: skip

    def submitted(self, outputs: object = None, author: str = AUTHOR, **ask: object) -> str:
        """A request in state waiting, of one cell; its id."""
        asked = self.ask(author=author, **ask)
        self.submit(author, "stroke", asked, [(0, [stream("real\n")] if outputs is None else outputs)])
        return asked.request

    def submit(self, author: str, project: str, asked: ExportAsk, reals: Sequence[tuple[int, Real]]) -> None:
        """Hand a request in, with what the site holds of each asked item by its index, made readable here and now."""
        held, budget = dict(reals), Bytes()
        self.review.submit(author, project, asked, {n: paired(item, held.get(n), budget) for n, item in enumerate(asked.items)})

    def reviewed(self, request: str, person: str, decision: Decision = Decision.approve, remark: str = "") -> State:
        """A whole review by one person: the same decision on every item that bears it."""
        for item in self.review.peek(person, request).request.items:
            said = decision if item.form or decision is not Decision.approve else Decision.reject
            self.review.mark(person, request, item.number, said, remark or ("" if said is Decision.approve else "please round"))
        return self.review.hand_in(person, request)

    def in_state(self, state: State) -> str:
        """The id of a request in that state."""
        request = self.submitted()
        match state:
            case State.waiting:
                pass
            case State.in_review:
                self.reviewed(request, A)
            case State.decided:
                self.reviewed(request, A)
                self._stuck(request)
            case State.released | State.changes | State.rejected:
                decision = {State.released: Decision.approve, State.changes: Decision.changes, State.rejected: Decision.reject}[state]
                self.reviewed(request, A, decision)
                self.reviewed(request, B, decision)
            case State.stopped:
                self.reviewed(request, A)
                (self.folder / "review" / request / "1.real").write_bytes(b"tampered\n")
                self.reviewed(request, B)
        return request

    def _stuck(self, request: str) -> None:
        """The quorum is in, but the outbox cannot be written."""

        def fail(_export: Export) -> None:
            raise OSError("disk full")

        broken = Review(self.db, self.ledger, self.key, "site-a", self.policy, fail, self.clock)
        broken.mark(B, request, 1, Decision.approve)
        try:
            broken.hand_in(B, request)
        except OSError:
            return
        raise AssertionError("the release should have failed")

    def state(self, request: str) -> State:
        """The true state, as the database has it."""
        row = self.db.row("SELECT state FROM review_request WHERE id = ?", (request,))
        assert row is not None
        return State(row["state"])

    def kinds(self) -> list[str]:
        """The kinds of all ledger entries, in order."""
        return [entry.kind.value for entry in self.ledger.entries()]


def make_site(folder: Path, policy: ReviewPolicy = POLICY) -> Site:
    """A fresh site in a folder."""
    folder.mkdir(exist_ok=True)
    key = create(folder / "keys")
    db = Database.open(folder)
    return Site(folder, db, Ledger(db, key), key, policy)
