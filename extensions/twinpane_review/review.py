"""The one way to change a request. Every step is checked, recorded in the ledger, and only then done.

The agent calls ``submit`` when an author asks, and gets the crossing back through ``send``, called inside the transaction that holds
the ledger's entry: crossing and evidence are durable together or not at all. The pages call the rest on behalf of a person.
"""

import base64
import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from twinpane_ground import limits
from twinpane_site.db import Database
from twinpane_site.errors import SiteError
from twinpane_site.keys import SiteKey
from twinpane_site.ledger import Entry, Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_wire.items import visible
from twinpane_wire.messages import Export, ExportAsk, ExportedItem

from . import permissions, receipt
from .decisions import AUTHOR_SEES, ENDS, complete, decide, marks_on, outcome, remark_for_author
from .intake import take_in
from .item_pairs import ItemPairs
from .model import Decision, HandedIn, Happening, Mark, Request, ReviewItem, ReviewPolicy
from .policies import Denied, check_state_allows
from .release_names import release_names
from .states import Role, State, closed
from .store import Altered, Evidence, Store
from .visibility import SITE, may_see_review, visible_history, visible_marks


class ReviewError(SiteError):
    """A request that does not fit what is here already; nothing was changed."""


class NotFound(Denied):
    """No such request or item, or none that this person may know of."""


PAGE = 50
"""Open requests on one page of the queue."""
_OPEN = [state for state in State if not closed(state)]


@dataclass(frozen=True)
class Seen:
    """A request as one person may see it: without the marks of reviewers they are blind to."""

    request: Request
    others_in: int
    """How many other reviewers have handed in: a number, no names."""
    history: tuple[Happening, ...] = ()


class Review:
    """The egress review of a site. ``send`` puts a crossing in the outbox; it runs inside the transaction and may raise to undo it.

    ``reviewers``: who reviews now; None: who the policy names.
    """

    def __init__(
        self, db: Database, ledger: Ledger, key: SiteKey, site: str, policy: ReviewPolicy,
        send: Callable[[Export], None], clock: Callable[[], datetime], reviewers: Callable[[], tuple[str, ...]] | None = None,
    ) -> None:  # fmt: skip
        self._db = db
        self._store = Store(db, ledger)
        self._key = key
        self.site = site
        self._policy = policy
        self._reviewers = reviewers
        self._send = send
        self._clock = clock

    @property
    def policy(self) -> ReviewPolicy:
        """Who reviews now, and by which rules."""
        return self._policy if self._reviewers is None else self._policy.with_reviewers(self._reviewers())

    # ------------------------------------------------------------ for the agent

    def has(self, author: str, project: str, request_id: str) -> bool:
        """Whether a request is here already. Raises ReviewError for an id that is another author's."""
        known = self._store.get(request_id)
        if known is not None and (known.author, known.project) != (author, project):
            raise ReviewError("This request's id is another author's. Nothing was taken in.")
        return known is not None

    def submit(self, author: str, project: str, ask: ExportAsk, made: Mapping[int, ItemPairs]) -> None:
        """Take a request in; the same one again is no second request.

        ``made``: what could be made of each asked item, by its index; what is missing is set aside. Raises ReviewError for an id that is
        another author's, StoreError when the disk is full: call again then.
        """
        if self.has(author, project, ask.request):
            return
        intake = take_in(author, project, ask, made, self._clock())
        request = intake.request
        who = {"request": request.id, "session": request.session, "user": author, "project": project}
        body = who | {
            "purpose": request.purpose, "population": request.population, "controls": request.controls,
            "items": [[i.cell if i.cell is not None else i.path, i.sha256, i.form and i.form.value] for i in request.items],
        }  # fmt: skip
        evidence = [Evidence(LedgerEvent.requested, body, request.submitted_at, author, "asked for an export")]
        if aside := [asked.subject for asked in request.asks if asked.index not in made]:
            why = f"making it readable ended or outlasted the process that tried: {visible(', '.join(aside))}"
            evidence.append(
                Evidence(LedgerEvent.set_aside, who | {"what": "request", "why": why}, request.submitted_at, SITE, "set a part aside")
            )
        self._store.add(request, intake.contents, *evidence)

    def resume(self) -> list[str]:
        """Carry out decisions that a crash or a full disk had stopped. The agent calls this when it starts.

        A request that fails again stays decided. Returns the reasons, for the steward.
        """
        problems = []
        for request_id in self._store.ids_by_state([State.decided]):
            try:
                self._carry_out(request_id)
            except SiteError as error:
                problems.append(f"request {request_id}: {error}")
            except Exception as error:  # what lies on the disk may be of another version; the site starts all the same
                problems.append(f"request {request_id} cannot be read: {error!r}")
        return problems

    # ------------------------------------------------------------ for a person: reading

    def pages(self) -> int:
        """How many pages the queue has: at least one."""
        return max(1, -(-self._store.count(_OPEN) // PAGE))

    def queue(self, person: str, page: int = 1) -> tuple[list[Seen], list[Seen]]:
        """(open, closed) requests of the site, each as the person may see it, without history.

        Open requests come by turns of their authors, one page at a time. Closed ones come latest first. So nobody can hide another's
        request behind many of their own.
        """
        permissions.check_can_review_here(person, self.policy)
        waiting, done = self._store.by_turns(_OPEN, PAGE, (page - 1) * PAGE), self._store.recently_closed()
        return [as_seen_by(person, request) for request in waiting], [as_seen_by(person, request) for request in done]

    def open(self, person: str, request_id: str) -> Seen:
        """A request, for a person who may see it. The view is in the ledger before anything is returned."""
        request = self._get(person, request_id)
        permissions.check_can_open(person, request, self.policy)
        shown = [item for item in request.items if item.form is not None]
        numbers, hashes = [item.number for item in shown], [item.sha256 for item in shown]
        body = {"request": request.id, "user": person, "item": numbers, "sha256": hashes, "what": "page"}
        self._store.note(request, Evidence(LedgerEvent.viewed, body, self._clock(), person, "opened the request"))
        return self._seen(person, request)

    def peek(self, person: str, request_id: str) -> Seen:
        """A request without the content of its items, for the answer to an act of the same person; not a view."""
        request = self._get(person, request_id)
        permissions.check_can_open(person, request, self.policy)
        return self._seen(person, request)

    def content(self, person: str, request_id: str, number: int, *, twin: bool = False, record: bool = True) -> bytes:
        """The bytes of a real item or its twin, for a person who may see them. Raises NotFound, Denied, Altered.

        ``record`` False only where ``open`` recorded the view of the same page already.
        """
        request = self._get(person, request_id)
        permissions.check_can_open(person, request, self.policy)
        item = self._item(request, number)
        if (item.twin_form if twin else item.form) is None:
            raise NotFound("There is no such item.")
        if record:
            sha256 = item.twin_sha256 if twin else item.sha256
            body = {"request": request.id, "user": person, "item": number, "sha256": sha256, "what": "twin" if twin else "real"}
            text = f"looked at {'the twin of ' if twin else ''}item {number}"
            self._store.note(request, Evidence(LedgerEvent.viewed, body, self._clock(), person, text))
        return self._store.twin(request, item) if twin else self._store.real(request, item)

    # ------------------------------------------------------------ for a person: acting

    def signed_in(self, person: str, address: str = "", *, steward: bool = False) -> None:
        """Somebody signed in to the pages; recorded whether or not they may see anything."""
        roles = {"steward": steward, "reviewer": permissions.can_review_here(person, self.policy)}
        role = " and ".join(name for name, has in roles.items() if has) or "none"
        body = {"user": person, "role": role, "address": address}
        self._store.note_visit(Evidence(LedgerEvent.signed_in, body, self._clock(), person))

    def mark(self, person: str, request_id: str, number: int, decision: Decision, remark: str = "") -> None:
        """A reviewer decides on one item; a draft of their own until they hand in. Raises Denied, NotFound."""
        with self._db.transaction():
            request = self._get(person, request_id)
            item = self._item(request, number)
            remark = visible(remark.replace("\r\n", "\n")).strip()
            permissions.check_can_mark_item(person, request, self.policy, item, decision, remark)
            now = self._clock()
            body = {
                "request": request.id, "user": person, "item": number, "vote": decision.value, "remark": remark, "sha256": item.sha256,
                "private": True,
            }  # fmt: skip
            words = {Decision.approve: "approved", Decision.changes: "asked for changes to", Decision.reject: "rejected"}[decision]
            mark = Mark(number, person, decision, remark, request.binding(item), now)
            self._store.put_mark(request, mark, Evidence(LedgerEvent.vote, body, now, person, f"{words} item {number} (draft)"))

    def hand_in(self, person: str, request_id: str) -> State:
        """A reviewer makes their marks final. The quorum's last review decides the request, and the site carries it out at once."""
        with self._db.transaction():
            request = self._get(person, request_id)
            permissions.check_can_hand_in(person, request, self.policy)
            now = self._clock()
            review = HandedIn(person, now)
            after = replace(request, handed_in=(*request.handed_in, review))
            state = State.decided if complete(after, self.policy) else State.in_review
            votes = {str(m.number): m.decision.value for m in request.marks if m.reviewer == person}
            body = {"request": request.id, "user": person, "vote": votes}
            self._store.hand_in(request, review, state, Evidence(LedgerEvent.vote, body, now, person, "handed in their review"))
        if state is State.decided:
            try:
                return self._carry_out(request_id)
            except SiteError:
                return state  # the reviews are in; ``resume`` or ``retry`` carries them out
        return state

    def reject_all(self, person: str, request_ids: Sequence[str], remark: str) -> int:
        """A reviewer rejects these requests whole, with one remark; returns how many. Others' reviews count as ever: the quorum decides.

        Skips requests that the person may not review, or has handed in. Raises Denied for an empty remark.
        """
        done = 0
        for request_id in request_ids:
            request = self._get(person, request_id)
            if not permissions.can_mark(person, request, self.policy):
                continue
            with self._db.transaction():
                for item in request.items:
                    self.mark(person, request_id, item.number, Decision.reject, remark)
            self.hand_in(person, request_id)
            done += 1
        return done

    def retry(self, person: str, request_id: str) -> State:
        """A reviewer has a stopped request checked and carried out again."""
        with self._db.transaction():
            request = self._get(person, request_id)
            permissions.check_can_retry(person, request, self.policy)
            now = self._clock()
            body = {"request": request.id, "state": State.decided.value, "by": person}
            self._store.move(request, State.decided, Evidence(LedgerEvent.decided, body, now, person, "had the release checked again"))
        return self._carry_out(request_id)

    # ------------------------------------------------------------ the site's own turn

    def _carry_out(self, request_id: str) -> State:
        """Release, send back or turn down what was decided, in one transaction with its evidence and its crossing."""
        with self._db.transaction():
            request = self._store.get(request_id)
            if request is None or request.state is not State.decided:
                raise ReviewError("Only a decided request can be carried out.")
            decisions = decide(request, self.policy)
            try:
                contents = self._still_approved(request, decisions)
            except Altered as why:
                return self._stop(request, str(why))
            now = self._clock()
            action = outcome(decisions)
            check_state_allows(request.state, action, Role.site)
            state = ENDS[action]
            remark = remark_for_author(request, self.policy, limits.PURPOSE)
            text = {"released": "released the approved items", "changes": "sent it back for changes", "rejected": "turned it down"}[state]
            body = {
                "request": request.id, "state": state.value, "remark": remark,
                "items": [[i.number, decisions[i.number].value, i.sha256] for i in request.items],
                "by": [review.reviewer for review in request.handed_in],
            }  # fmt: skip
            entry = self._store.move(request, state, Evidence(LedgerEvent.decided, body, now, SITE, text), closed_at=now)
            settled = self._settled(request, decisions, entry, now)
            export = Export(
                session=request.session, request=request.id, state=AUTHOR_SEES[state], remark=remark,
                items=tuple(_exported(item, contents[item.number]) for item in settled if item.decision is Decision.approve),
            )  # fmt: skip
            self._store.settle_items(request, settled, self._leaving(request, settled, export, now))
            self._send(export)
        return state

    def _still_approved(self, request: Request, decisions: dict[int, Decision]) -> dict[int, bytes]:
        """The bytes of the approved items, hashed anew; raises Altered unless all that the approvals are bound to still holds."""
        if not complete(request, self.policy):
            raise Altered("The site's policy changed after the reviews: too few of them count now. The author has to ask again.")
        contents = {}
        for item in request.items:
            if decisions[item.number] is not Decision.approve:
                continue
            contents[item.number] = self._store.real(request, item)
            if any(mark.binding != request.binding(item) for mark in marks_on(request, self.policy, item)):
                raise Altered(f"Item {item.number}, its recipient or its purpose is not what was approved: the database was changed.")
        return contents

    def _stop(self, request: Request, why: str) -> State:
        now = self._clock()
        body = {"request": request.id, "state": State.stopped.value, "remark": why}
        evidence = Evidence(LedgerEvent.decided, body, now, SITE, "stopped the release: what lies here is not what was approved")
        self._store.move(request, State.stopped, evidence, because=why)
        return State.stopped

    def _settled(self, request: Request, decisions: dict[int, Decision], entry: Entry, now: datetime) -> list[ReviewItem]:
        names = release_names(item for item in request.items if decisions[item.number] is Decision.approve)
        settled = []
        for item in request.items:
            item = replace(item, decision=decisions[item.number])
            if item.decision is Decision.approve:
                votes = len({mark.reviewer for mark in marks_on(request, self.policy, item)})
                name = names[item.number]
                signed = receipt.issue(self._key, self.site, request, item, name, votes, self.policy, entry, now)
                item = replace(item, name=name, receipt=signed.to_text())
            settled.append(item)
        return settled

    def _leaving(self, request: Request, settled: list[ReviewItem], export: Export, now: datetime) -> Evidence:
        items = [
            [i.name, i.form and i.form.value, i.sha256, hashlib.sha256(i.receipt.encode()).hexdigest()]
            for i in settled
            if i.decision is Decision.approve
        ]
        body = {
            "request": request.id, "session": request.session, "user": request.author, "project": request.project,
            "state": export.state.value, "items": items, "purpose": request.purpose, "remark": export.remark, "policy": self.policy.version,
        }  # fmt: skip
        many = f"{len(items)} item{'' if len(items) == 1 else 's'}"
        return Evidence(LedgerEvent.export, body, now, SITE, f"sent the decision to {request.author}, with {many}")

    # ------------------------------------------------------------ inside

    def _get(self, person: str, request_id: str) -> Request:
        permissions.check_can_review_here(person, self.policy)
        request = None
        with contextlib.suppress(ValueError):
            request = self._store.get(request_id)
        if request is None:
            raise NotFound("There is no such request at this site.")
        return request

    @staticmethod
    def _item(request: Request, number: int) -> ReviewItem:
        item = request.item(number)
        if item is None:
            raise NotFound("There is no such item.")
        return item

    def _seen(self, person: str, request: Request) -> Seen:
        history = tuple(visible_history(person, request, self._store.history(request.id)))
        return replace(as_seen_by(person, request), history=history)


def as_seen_by(person: str, request: Request) -> Seen:
    """A request, reduced to what the person may know of it. Authors see of their own only what a notebook would be told."""
    if person == request.author:
        state = request.state if closed(request.state) else State.waiting
        return Seen(replace(request, state=state, stopped_because="", asks=(), items=(), marks=(), handed_in=()), 0)
    reviews = tuple(review for review in request.handed_in if may_see_review(person, review.reviewer, request))
    others = sum(review.reviewer != person for review in request.handed_in)
    return Seen(replace(request, marks=tuple(visible_marks(person, request)), handed_in=reviews), others)


def _exported(item: ReviewItem, content: bytes) -> ExportedItem:
    if item.form is None or not item.receipt:
        raise ReviewError(f"Item {item.number} has no receipt; it cannot leave.")
    return ExportedItem(
        index=item.index, cell=item.cell, path=item.path, form=item.form, name=item.name,
        content=base64.b64encode(content).decode(), sha256=item.sha256, receipt=item.receipt,
    )  # fmt: skip
