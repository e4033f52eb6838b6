"""Many requests: nobody's hide another's, one author has a bounded number of them, and people can turn many down at once."""

import re
from pathlib import Path

import pytest
from review_factories import AUTHOR, A, B, C, Site, make_site, stream
from review_pages import NamedIdentity
from starlette.testclient import TestClient

from twinpane_review import review as module
from twinpane_review.app import Settings, create_app
from twinpane_review.model import Decision
from twinpane_review.open_request_limit import OpenRequestLimit
from twinpane_review.policies import Denied
from twinpane_review.states import State
from twinpane_site.errors import LedgerError
from twinpane_site.ledger_events import LedgerEvent
from twinpane_wire.messages import ExportState

ADDRESS = "http://review.site-a.test"
MOST = 3


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site")


@pytest.fixture
def admitting(site: Site) -> OpenRequestLimit:
    return OpenRequestLimit(site.db, site.ledger, site.sent.append, site.clock, MOST)


# ---------------------------------------------------------------- how many may wait


def test_requests_beyond_an_authors_quota_are_turned_down(site: Site, admitting: OpenRequestLimit) -> None:
    """What is beyond an author's quota is turned down with evidence.

    At once, and the author hears why; others' requests are admitted. Before, 272 requests of one author hid an honest one's.
    """
    asks = [site.ask() for _ in range(MOST + 2)]
    assert [admitting.admits(AUTHOR, "stroke", ask) for ask in asks] == [True] * MOST + [False] * 2
    assert [(export.request, export.state) for export in site.sent] == [(ask.request, ExportState.rejected) for ask in asks[MOST:]]
    assert all("open requests" in export.remark for export in site.sent)
    assert [entry.body["request"] for entry in site.ledger.entries(LedgerEvent.export)] == [ask.request for ask in asks[MOST:]]
    assert admitting.admits("another", "stroke", site.ask())


def test_the_same_request_gets_the_same_answer_for_ever(site: Site, admitting: OpenRequestLimit) -> None:
    """After a restart, too, when there is room again: its author was told already."""
    asks = [site.ask() for _ in range(MOST + 1)]
    first = [admitting.admits(AUTHOR, "stroke", ask) for ask in asks]
    later = OpenRequestLimit(site.db, site.ledger, site.sent.append, site.clock, 100)
    assert [later.admits(AUTHOR, "stroke", ask) for ask in asks] == first
    assert len(site.sent) == 1


def test_an_ask_counts_from_arrival_until_people_close_it(site: Site, admitting: OpenRequestLimit) -> None:
    """An ask counts from its arrival until people have closed it.

    Whatever its cells do meanwhile: whether a request is on its reviewers' desk yet tells of nothing.
    """
    for _ in range(MOST):
        assert admitting.admits(AUTHOR, "stroke", site.ask())
    assert not admitting.admits(AUTHOR, "stroke", site.ask())
    reached = make_reached(site, admitting)
    site.reviewed(reached, A, Decision.reject)
    assert not admitting.admits("other", "stroke", site.ask())
    site.reviewed(reached, B, Decision.reject)
    assert admitting.admits("other", "stroke", site.ask())


def make_reached(site: Site, admitting: OpenRequestLimit) -> str:
    """The other author's quota is full, and one of their requests has come to the reviewers; its id."""
    asks = [site.ask(author="other") for _ in range(MOST)]
    assert all(admitting.admits("other", "stroke", ask) for ask in asks)
    site.submit("other", "stroke", asks[0], [(0, [stream("real\n")])])
    return asks[0].request


def test_without_the_ledger_nobody_is_told(site: Site, admitting: OpenRequestLimit, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the answer is not kept: it is asked again."""

    def full(*_: object) -> None:
        raise LedgerError("full")

    asks = [site.ask() for _ in range(MOST + 1)]
    for ask in asks[:MOST]:
        admitting.admits(AUTHOR, "stroke", ask)
    with monkeypatch.context() as patched:
        patched.setattr(site.ledger, "append", full)
        with pytest.raises(LedgerError):
            admitting.admits(AUTHOR, "stroke", asks[MOST])
    assert site.sent == []
    assert not admitting.admits(AUTHOR, "stroke", asks[MOST])


# ---------------------------------------------------------------- the queue


def test_an_honest_request_is_always_on_the_first_page(site: Site) -> None:
    """Authors take turns; each page has a bounded number, and all pages together have everything."""
    floods = [site.submitted(author="flood") for _ in range(2 * module.PAGE)]
    honest = site.submitted(author="honest")
    pages = [[seen.request.id for seen in site.review.queue(A, number)[0]] for number in range(1, site.review.pages() + 1)]
    assert pages[0][:2] == [floods[0], honest]
    assert [len(page) for page in pages] == [module.PAGE, module.PAGE, 1]
    assert sorted(each for page in pages for each in page) == sorted([*floods, honest])


# ---------------------------------------------------------------- turning many down


def test_when_one_rejects_many_at_once_the_quorum_still_decides(site: Site) -> None:
    """A reviewer rejects many at once, and the quorum still decides.

    One person's act is one review of each; a second person's makes it the decision.
    """
    requests = [site.submitted(author="flood") for _ in range(5)]
    assert site.review.reject_all(A, requests, "not of this project") == 5
    assert {site.state(request) for request in requests} == {State.in_review}
    assert site.sent == []
    assert site.review.reject_all(B, requests, "nor is it mine") == 5
    assert {site.state(request) for request in requests} == {State.rejected}
    assert [export.state for export in site.sent] == [ExportState.rejected] * 5


def test_what_one_may_not_review_is_passed_over(site: Site) -> None:
    """One's own, and what one has handed in already, stay as they are."""
    own, done, open_ = site.submitted(author=A), site.submitted(), site.submitted()
    site.reviewed(done, A)
    assert site.review.reject_all(A, [own, done, open_], "no") == 1
    assert site.state(own) is State.waiting
    assert [mark.decision for mark in site.review.open(A, done).request.marks] == [Decision.approve]


def test_a_rejection_needs_its_remark(site: Site) -> None:
    """The author must learn the reason."""
    request = site.submitted()
    with pytest.raises(Denied, match="remark"):
        site.review.reject_all(C, [request], " ")
    assert site.review.open(C, request).request.marks == ()


def test_the_page_has_pages_and_a_form_for_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the browser: tick, say why, and they are handed in; without this session's form nothing is done."""
    monkeypatch.setattr(module, "PAGE", 2)
    requests = [site.submitted(author=f"author-{n}") for n in range(3)]
    app = create_app(site.review, site.desk, NamedIdentity(A), Settings(ADDRESS, "Site A", site.clock, lambda: 1000.0, b"s" * 32))
    browser = TestClient(app, base_url=ADDRESS, raise_server_exceptions=False)
    browser.get("/sign-in")
    first, second = browser.get("/").text, browser.get("/?page=2").text
    assert [request in first for request in requests] == [True, True, False]
    assert [request in second for request in requests] == [False, False, True]
    assert 'href="/?page=2"' in first
    csrf = re.search(r'name="csrf" value="([^"]+)"', first)
    assert csrf
    form = {"request": requests[:2], "remark": "not of this project"}
    assert browser.post("/reject", data={**form, "csrf": "guess"}, headers={"origin": ADDRESS}).status_code == 403
    assert {site.state(request) for request in requests} == {State.waiting}
    reply = browser.post("/reject", data={**form, "csrf": csrf[1]}, headers={"origin": ADDRESS}, follow_redirects=False)
    assert reply.status_code == 303
    assert [site.state(request) for request in requests] == [State.in_review, State.in_review, State.waiting]
    assert browser.get("/?page=0").status_code == 422
