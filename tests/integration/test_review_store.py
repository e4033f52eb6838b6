"""Requests from submission to release: every step evidenced first, every cell of the table tried, nothing leaves that was not approved."""

import base64
import dataclasses
import hashlib
import inspect
import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from review_factories import AUTHOR, POLICY, SESSION, A, B, C, Site, display, make_site, picture, png, stream, twin

from twinpane_review.decisions import AUTHOR_SEES
from twinpane_review.item_pairs import ItemPairs, Pair
from twinpane_review.model import Decision, ReviewPolicy
from twinpane_review.policies import Denied
from twinpane_review.review import NotFound, Review, ReviewError
from twinpane_review.states import Action, Role, State, targets
from twinpane_review.store import Altered, Evidence, Store
from twinpane_site.db import Database
from twinpane_site.errors import LedgerError, StoreError
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.ledger_verification import verify
from twinpane_wire.items import Form
from twinpane_wire.messages import ExportItem, ExportState, FromAgent, decode, encode
from twinpane_wire.receipt import check


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site")


# ---------------------------------------------------------------- the whole way


def test_what_two_reviewers_approve_leaves_unchanged(site: Site) -> None:
    """What two reviewers approve leaves byte for byte, with its receipt."""
    request = site.submitted([stream("female 120\n"), picture(png())])
    seen = site.review.open(A, request)
    shown = {i.number: site.review.content(A, request, i.number, record=False) for i in seen.request.items}
    assert site.reviewed(request, A) is State.in_review
    assert site.sent == []
    assert site.reviewed(request, B) is State.released
    (export,) = site.sent
    assert [base64.b64decode(item.content) for item in export.items] == list(shown.values())
    assert [item.name for item in export.items] == ["cell-7.txt", "cell-7.png"]
    for item in export.items:
        receipt = check(item.receipt, base64.b64decode(item.content), site.key.public_hex)
        assert (receipt.recipient, receipt.purpose, receipt.approvals) == (AUTHOR, "figure 2 of the paper", 2)
        entry = next(e for e in site.ledger.entries() if e.seq == receipt.ledger.seq)
        assert (entry.hash, entry.kind) == (receipt.ledger.hash, LedgerEvent.decided)
    assert decode(FromAgent, encode(FromAgent(body=export))).body == export
    assert verify(site.folder).ok


def test_part_of_a_request_may_be_released(site: Site) -> None:
    request = site.submitted([stream("a\n"), stream("x") | {"name": "stderr"}])
    for person in (A, B):
        site.review.mark(person, request, 1, Decision.approve)
        site.review.mark(person, request, 2, Decision.changes, "leave out the warnings")
        site.review.hand_in(person, request)
    (export,) = site.sent
    assert (export.state, len(export.items)) == (ExportState.released, 1)
    assert export.remark == "cell 7: changes requested. leave out the warnings"


@pytest.mark.parametrize(("first", "second"), list(itertools.product(Decision, Decision)))
def test_one_approval_is_never_enough(site: Site, first: Decision, second: Decision) -> None:
    request = site.submitted()
    site.reviewed(request, A, first)
    site.reviewed(request, B, second)
    approved = first is second is Decision.approve
    assert bool(site.sent[0].items) is approved
    assert (site.sent[0].state is ExportState.released) is approved


def test_a_reviewer_may_change_a_draft_and_the_ledger_keeps_both(site: Site) -> None:
    request = site.submitted()
    site.review.mark(A, request, 1, Decision.approve)
    site.review.mark(A, request, 1, Decision.reject, "on second thoughts")
    assert [m.decision for m in site.review.peek(A, request).request.marks] == [Decision.reject]
    assert [e.body["vote"] for e in site.ledger.entries(LedgerEvent.vote)] == ["approve", "reject"]


def test_what_has_no_form_waits_for_people_like_everything_else(site: Site) -> None:
    """A refusal by machine would tell, unmetered, whether there was something to show."""
    for outputs in ([], [display(text_html="<b>")], None):
        asked = site.ask()
        site.submit(AUTHOR, "stroke", asked, [(0, outputs)])
        (item,) = site.review.peek(A, asked.request).request.items
        assert item.form is None
        with pytest.raises(Denied, match="nothing here in a form"):
            site.review.mark(A, asked.request, 1, Decision.approve)
    assert site.sent == []


def test_twins_are_shown_in_canonical_form_or_not_at_all(site: Site) -> None:
    hostile = [twin("text", "\u202eevil\n".encode()), twin("png", b"<script>"), twin("csv", b"a,b\n1\n")]
    asked = site.ask(ExportItem(cell=7, source="x", twins=tuple(hostile)))
    site.submit(AUTHOR, "stroke", asked, [(0, [stream("real\n"), picture(png())])])
    text, image = site.review.peek(A, asked.request).request.items
    assert site.review.content(A, asked.request, 1, twin=True) == "⟨U+202E⟩evil\n".encode()
    assert (text.twin_form, image.twin_form) == (Form.text, None)


def test_files_go_the_same_way(site: Site) -> None:
    asked = site.ask(ExportItem(path="out/by arm.csv"), ExportItem(path="model.pkl"))
    site.submit(AUTHOR, "stroke", asked, [(0, b"a;n\nx;120\n"), (1, b"\x80\x04")])
    site.reviewed(asked.request, A)
    site.reviewed(asked.request, B)
    (export,) = site.sent
    assert [(i.index, i.path, i.name, base64.b64decode(i.content)) for i in export.items] == [
        (0, "out/by arm.csv", "by_arm.csv", b"a,n\nx,120\n")
    ]


# ---------------------------------------------------------------- state × action × role


def act(site: Site, action: Action, request: str, person: str) -> None:
    match action:
        case Action.open:
            site.review.open(person, request)
        case Action.mark:
            site.review.mark(person, request, 1, Decision.approve)
        case Action.hand_in:
            site.review.hand_in(person, request)
        case Action.retry:
            site.review.retry(person, request)


PEOPLE = {Role.author: AUTHOR, Role.reviewer: C, Role.site: "admin"}
BY_PEOPLE = [Action.open, Action.mark, Action.hand_in, Action.retry]


@pytest.mark.parametrize(("state", "action", "role"), list(itertools.product(State, BY_PEOPLE, Role)), ids=lambda v: v.value)
def test_the_review_does_what_the_table_says_and_nothing_else(site: Site, state: State, action: Action, role: Role) -> None:
    request = site.in_state(state)
    assert site.state(request) is state
    if action is Action.hand_in and targets(state, Action.mark, role):
        site.review.mark(PEOPLE[role], request, 1, Decision.approve)
    before, sent = site.kinds(), len(site.sent)
    if targets(state, action, role):
        act(site, action, request, PEOPLE[role])
        assert len(site.kinds()) > len(before), "what is done is in the ledger"
    else:
        with pytest.raises(Denied):
            act(site, action, request, PEOPLE[role])
        assert (site.state(request), site.kinds(), len(site.sent)) == (state, before, sent)


def test_the_author_is_told_of_every_state_in_four_words(site: Site) -> None:
    assert AUTHOR_SEES.keys() == set(State)
    for state in (State.released, State.changes, State.rejected):
        site.sent.clear()
        site.in_state(state)
        assert [export.state for export in site.sent] == [AUTHOR_SEES[state]]


# ---------------------------------------------------------------- who sees what


def test_an_author_who_reviews_learns_nothing_of_real_items(site: Site) -> None:
    """An author who is a reviewer learns nothing of the real items."""
    request = site.submitted([stream("secret\n")], author=A)
    site.reviewed(request, B)
    for call in (
        lambda: site.review.open(A, request),
        lambda: site.review.peek(A, request),
        lambda: site.review.content(A, request, 1),
        lambda: site.review.mark(A, request, 1, Decision.approve),
        lambda: site.review.hand_in(A, request),
    ):
        with pytest.raises(Denied, match="You wrote this request"):
            call()
    (row,) = site.review.queue(A)[0]
    assert (row.request.items, row.request.asks, row.request.marks, row.request.handed_in, row.others_in) == ((), (), (), (), 0)
    assert row.request.state is State.waiting, "nor whether a review is in"


def test_reviewers_see_no_names_until_the_quorum_is_in(site: Site) -> None:
    """Reviewers see a number and no names until the quorum is in."""
    request = site.submitted()
    site.reviewed(request, B, Decision.reject, "B's remark")
    seen = site.review.open(A, request)
    assert seen.others_in == 1
    assert B not in repr(dataclasses.replace(seen, history=()))
    assert all(line.actor != B for line in seen.history)
    site.reviewed(request, A, Decision.reject)
    assert {m.reviewer for m in site.review.open(A, request).request.marks} == {A, B}


@pytest.mark.parametrize("person", ["admin", "", "the site", "reviewer-a "])
def test_whom_the_policy_does_not_name_sees_nothing(site: Site, person: str) -> None:
    """Whom the policy does not name sees nothing, not even what exists."""
    request = site.submitted()
    for call in (lambda: site.review.queue(person), lambda: site.review.open(person, request), lambda: site.review.open(person, "f" * 32)):
        with pytest.raises(Denied, match="Only the reviewers"):
            call()


@pytest.mark.parametrize("unknown", ["f" * 32, "", "../../etc/passwd", "%00", "' OR 1=1 --"])
def test_what_does_not_exist_is_not_found(site: Site, unknown: str) -> None:
    with pytest.raises(NotFound):
        site.review.open(A, unknown)
    request = site.submitted()
    with pytest.raises(NotFound):
        site.review.mark(A, request, 99, Decision.approve)


def test_every_view_is_in_the_ledger_before_anything_is_shown(site: Site) -> None:
    request = site.submitted([picture(png())])
    site.review.open(A, request)
    site.review.content(A, request, 1)
    page, item = site.ledger.entries(LedgerEvent.viewed)
    assert (page.body["user"], page.body["what"], item.body["what"]) == (A, "page", "real")
    assert item.body["sha256"] == site.review.peek(A, request).request.items[0].sha256


# ---------------------------------------------------------------- evidence before effect


READS = {"folders_of", "get", "by_turns", "count", "ids_by_state", "recently_closed", "history", "real", "twin"}


def test_each_method_of_the_store_that_writes_takes_evidence() -> None:
    """Every method of the store that writes takes its evidence."""
    public = {name: f for name, f in vars(Store).items() if callable(f) and not name.startswith("_")}
    assert public.keys() >= READS
    for name, method in public.items():
        evidence = inspect.signature(method).parameters.get("evidence")
        if name in READS:
            assert evidence is None
        else:
            assert evidence is not None, f"Store.{name} writes without evidence"
            assert evidence.annotation is Evidence
            assert evidence.default is inspect.Parameter.empty, f"Store.{name}: evidence must not be left out"


WRITES: dict[str, Callable[[Site, str], object]] = {
    "submit": lambda site, _: site.submitted(),
    "open": lambda site, request: site.review.open(C, request),
    "content": lambda site, request: site.review.content(C, request, 1),
    "signed_in": lambda site, _: site.review.signed_in(C),
    "mark": lambda site, request: site.review.mark(C, request, 1, Decision.approve),
    "hand_in": lambda site, request: (site.review.mark(C, request, 1, Decision.approve), site.review.hand_in(C, request)),
    "reject_all": lambda site, request: site.review.reject_all(C, [request], "not of this project"),
    "retry": lambda site, _: site.review.retry(C, site.in_state(State.stopped)),
    "resume": lambda site, _: (site.in_state(State.decided), site.review.resume()),
}
NO_WRITES = {"has", "queue", "pages", "peek"}


def test_every_method_of_the_review_is_known_to_write_or_not() -> None:
    """The test lists every method of the review as writing or not writing."""
    assert {name for name, f in vars(Review).items() if callable(f) and not name.startswith("_")} == WRITES.keys() | NO_WRITES


@pytest.mark.parametrize("name", WRITES)
def test_every_act_is_in_the_ledger(site: Site, name: str) -> None:
    request = site.submitted()
    before = len(site.kinds())
    WRITES[name](site, request)
    assert len(site.kinds()) > before


class Full(Ledger):
    """A ledger whose disk is full."""

    def append(self, *_args: object) -> object:  # type: ignore[override]
        raise LedgerError("The ledger cannot be written, so nothing leaves.")


@pytest.mark.parametrize("name", ["submit", "open", "content", "mark", "hand_in"])
def test_without_the_ledger_nothing_happens_and_nothing_is_shown(site: Site, name: str) -> None:
    request = site.submitted()
    site.reviewed(request, A)
    site.review.mark(C, request, 1, Decision.approve)
    rows = site.db.rows("SELECT count(*) AS n FROM review_request")[0]["n"]
    site.ledger = Full(site.db, site.key)
    site.reopen()
    calls: dict[str, Callable[[], object]] = {
        "submit": lambda: site.submitted(),
        "open": lambda: site.review.open(C, request),
        "content": lambda: site.review.content(C, request, 1),
        "mark": lambda: site.review.mark(C, request, 1, Decision.reject, "no"),
        "hand_in": lambda: site.review.hand_in(C, request),
    }
    with pytest.raises(LedgerError):
        calls[name]()
    assert site.sent == []
    assert site.state(request) is State.in_review
    assert site.review.peek(C, request).request.marks[0].decision is Decision.approve
    assert site.db.rows("SELECT count(*) AS n FROM review_request")[0]["n"] == rows


def test_an_unsent_decision_is_carried_out_later_once(site: Site) -> None:
    """A decision that cannot be sent is undone. It is carried out later, once."""
    request = site.in_state(State.decided)
    assert LedgerEvent.export.value not in site.kinds(), "the failed release left no evidence of a release that was not"
    assert site.review.resume() == []
    assert site.state(request) is State.released
    site.review.resume()
    assert len(site.sent) == 1


def test_a_release_that_fails_tells_the_steward_why_and_stays(site: Site) -> None:
    def full(_export: object) -> None:
        raise StoreError("disk full")

    request = site.submitted()
    site.reviewed(request, A)
    site.review.mark(B, request, 1, Decision.approve)
    stuck = Review(site.db, site.ledger, site.key, "site-a", POLICY, full, site.clock)
    assert stuck.hand_in(B, request) is State.decided
    assert "disk full" in stuck.resume()[0]
    with pytest.raises(StoreError):
        stuck.retry(A, request)
    assert site.review.retry(A, request) is State.released


# ---------------------------------------------------------------- bound to bytes, recipient and purpose


def tampered(site: Site, request: str, what: str) -> None:
    file = site.folder / "review" / request / "1.real"
    match what:
        case "bytes":
            file.write_bytes(b"rows\n")
        case "missing":
            file.unlink()
        case "bytes and hash":
            file.write_bytes(b"rows\n")
            _sql(site, "UPDATE review_item SET sha256 = ?", hashlib.sha256(b"rows\n").hexdigest())
        case "form":
            _sql(site, "UPDATE review_item SET form = ?", "csv")
        case "recipient":
            _sql(site, "UPDATE review_request SET author = ?", "someone")
        case "project" | "purpose" | "population" | "controls":
            _sql(site, f"UPDATE review_request SET {what} = ?", "other")


def _sql(site: Site, statement: str, value: str) -> None:
    with site.db.transaction() as connection:
        connection.execute(statement, (value,))


@pytest.mark.parametrize(
    "what", ["bytes", "missing", "bytes and hash", "form", "recipient", "project", "purpose", "population", "controls"]
)
def test_what_was_changed_after_an_approval_does_not_leave(site: Site, what: str) -> None:
    request = site.submitted()
    site.reviewed(request, A)
    site.review.mark(B, request, 1, Decision.approve)
    tampered(site, request, what)
    assert site.review.hand_in(B, request) is State.stopped
    assert site.sent == []
    entry = list(site.ledger.entries(LedgerEvent.decided))[-1]
    assert entry.body["state"] == "stopped"
    assert entry.body["remark"]
    assert site.review.peek(A, request).request.stopped_because


def test_a_stopped_release_goes_on_once_the_bytes_are_back(site: Site) -> None:
    request = site.submitted([stream("real\n")])
    site.reviewed(request, A)
    site.review.mark(B, request, 1, Decision.approve)
    tampered(site, request, "bytes")
    site.review.hand_in(B, request)
    assert site.review.retry(A, request) is State.stopped, "asking again changes nothing by itself"
    (site.folder / "review" / request / "1.real").write_bytes(b"real\n")
    assert site.review.retry(A, request) is State.released


def test_a_reviewer_is_not_shown_bytes_that_changed(site: Site) -> None:
    request = site.submitted()
    tampered(site, request, "bytes")
    with pytest.raises(Altered):
        site.review.content(A, request, 1)


# ---------------------------------------------------------------- policy


def test_a_larger_quorum_needs_more_reviews(site: Site) -> None:
    site.reopen(ReviewPolicy((A, B, C), quorum=3))
    request = site.submitted()
    assert [site.reviewed(request, person) for person in (A, B, C)] == [State.in_review, State.in_review, State.released]


def test_a_reviewer_taken_off_the_policy_no_longer_counts(site: Site) -> None:
    request = site.submitted()
    site.reviewed(request, A)
    site.reopen(ReviewPolicy((B, C), quorum=2))
    assert site.reviewed(request, B) is State.in_review
    assert site.reviewed(request, C) is State.released
    assert '"approvals": 2' in site.sent[0].items[0].receipt


def test_a_policy_changed_after_the_decision_stops_the_release(site: Site) -> None:
    """A policy that changed between decision and release stops the release."""
    request = site.in_state(State.decided)
    site.reopen(ReviewPolicy((A, B, C), quorum=3))
    site.review.resume()
    assert site.state(request) is State.stopped
    assert site.sent == []


# ---------------------------------------------------------------- once, and races


def test_the_same_request_twice_is_one_request(site: Site) -> None:
    asked = site.ask()
    for outputs in ([stream("first\n")], [stream("second\n")]):
        site.submit(AUTHOR, "stroke", asked, [(0, outputs)])
    assert site.review.content(A, asked.request, 1) == b"first\n"
    assert site.kinds().count("requested") == 1


@pytest.mark.parametrize(("author", "project"), [("other", "stroke"), (AUTHOR, "other")])
def test_nobody_takes_over_another_authors_request(site: Site, author: str, project: str) -> None:
    asked = site.ask()
    site.submit(AUTHOR, "stroke", asked, [(0, [])])
    with pytest.raises(ReviewError):
        site.submit(author, project, asked, [(0, [stream("mine\n")])])
    assert [(seen.request.author, seen.request.project) for seen in site.review.queue(A)[0]] == [(AUTHOR, "stroke")]


def test_what_could_not_be_made_is_answered_by_people(site: Site) -> None:
    """What could not be made is set aside and answered by people.

    Reviewers see that it is not a form; the ledger names it; the author hears what authors always hear.
    """
    asked = site.ask(ExportItem(cell=7), ExportItem(path="a\u202e.txt"))
    site.review.submit(AUTHOR, "stroke", asked, {0: ItemPairs((Pair(Form.text, "cell 7", b"real\n"),))})
    request = site.review.peek(A, asked.request).request
    assert [item.form for item in request.items] == [Form.text, None]
    assert [(what, why[:17]) for what, why in request.asks[1].left_out] == [("a⟨U+202E⟩.txt", "it is not a form:")]
    [line] = [dict(entry.body) for entry in site.ledger.entries(LedgerEvent.set_aside)]
    assert (line["request"], line["user"]) == (asked.request, AUTHOR)
    assert "\u202e" not in line["why"]
    assert AUTHOR_SEES[site.state(asked.request)] is ExportState.submitted


def test_two_reviewers_who_hand_in_together_release_once(site: Site) -> None:
    for _ in range(5):
        request = site.submitted()
        for person in (A, B, C):
            site.review.mark(person, request, 1, Decision.approve)
        barrier, faults = threading.Barrier(3), []

        def go(person: str, request: str = request, barrier: threading.Barrier = barrier, faults: list[object] = faults) -> None:
            barrier.wait()
            try:
                site.review.hand_in(person, request)
            except Denied as denied:
                faults.append(denied)

        threads = [threading.Thread(target=go, args=(person,)) for person in (A, B, C)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(faults) == 1, "the third comes too late"
        assert site.state(request) is State.released
    assert len(site.sent) == 5


def test_a_restart_in_the_middle_keeps_everything(site: Site) -> None:
    request = site.submitted()
    site.reviewed(request, A)
    site.db.close()
    site.db = Database.open(site.folder)
    site.ledger = Ledger(site.db, site.key)
    site.reopen()
    assert site.reviewed(request, B) is State.released


def test_a_full_disk_takes_nothing_in_and_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = site.ask()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("twinpane_ground.atomic.write", full)
        with pytest.raises(StoreError, match="taken in again later"):
            site.submit(AUTHOR, "stroke", asked, [(0, [stream("real\n")])])
    assert site.review.queue(A) == ([], [])
    site.submit(AUTHOR, "stroke", asked, [(0, [stream("real\n")])])
    assert [seen.request.id for seen in site.review.queue(A)[0]] == [asked.request]


def test_the_largest_request_still_fits_the_link(site: Site) -> None:
    purpose = '\x01é"\\' * 1000
    asked = site.ask(*(ExportItem(cell=n + 1) for n in range(32)), purpose=purpose)
    text = [stream("é" * 240_000)]
    site.submit(AUTHOR, "stroke", asked, [(n, text) for n in range(32)])
    items = site.review.peek(A, asked.request).request.items
    assert any(item.form is None for item in items), "what is over the budget is left out, and answered by people"
    site.reviewed(asked.request, A)
    site.reviewed(asked.request, B)
    assert len(encode(FromAgent(body=site.sent[0]))) > 10 * 2**20
    assert site.sent[0].session == SESSION


def test_the_bytes_are_the_sites_alone(site: Site) -> None:
    request = site.submitted()
    folder = site.folder / "review"
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder / request).iterdir())


def test_the_folders_of_a_project_are_those_of_its_requests(tmp_path: Path) -> None:
    """What is deleted after a project's end: the items' bytes, and no other project's."""
    site = make_site(tmp_path / "site")
    mine = site.submitted()
    other = site.ask(author="somebody")
    site.submit("somebody", "heart", other, [(0, [stream("real\n")])])
    folders = Store(site.db, site.ledger).folders_of("stroke")
    assert [folder.name for folder in folders] == [mine]
    assert all(folder.is_dir() for folder in folders)
