"""The steward's pages: who gets in, by which sign-in alone, what they show, and that a freeze is one act and its end takes two people."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import pyotp
import pytest
from review_factories import AUTHOR, PUBLISHED, A, B, make_site, stream
from review_pages import NamedIdentity
from starlette.testclient import TestClient

from twinpane_broker import canonical_json
from twinpane_review.app import Settings, create_app
from twinpane_review.model import ReviewPolicy
from twinpane_review.states import State
from twinpane_review.steward import routes, routes_ledger, routes_projects, routes_sessions
from twinpane_review.steward.overview import LEAVING
from twinpane_site import acceptance
from twinpane_site.ledger_events import CROSSINGS, LedgerEvent
from twinpane_site.ledger_head import chain_hash
from twinpane_site.mailbox import Mailbox
from twinpane_site.proposal_inbox import ProposalInbox
from twinpane_site.session_figures import Figures, FiguresTable, KernelState
from twinpane_wire.messages import Open, Principal, ProjectState, Proposal, Standpoint

ADDRESS = "http://review.site-a.test"
STEWARD, SECOND, OWN = "sten", "stina", "clerk"
RUNNING = "a" * 32
"""A session."""


class Pages:
    """A site's pages, with accounts of its own, and a hub that says what the test says."""

    def __init__(self, folder: Path, policy: ReviewPolicy | None = None, hub: bool = True) -> None:
        self.site = make_site(folder, *([policy] if policy else []))
        self.passwords = {
            name: self.site.accounts.put(name, steward, "root") for name, steward in ((STEWARD, True), (SECOND, True), (OWN, False))
        }
        self.inbox = ProposalInbox(self.site.db, self.site.clock)
        self.inbox.take(PROPOSAL)
        self.identity = NamedIdentity(A)
        settings = Settings(ADDRESS, "Site A", self.site.clock, lambda: 1000.0, b"s" * 32)
        self.app = create_app(self.site.review, self.site.desk, self.identity if hub else None, settings)

    def accepted(self) -> None:
        """A steward accepted the project that the hub proposes."""
        acceptance.accept(self.site.projects, self.inbox, PUBLISHED, "lung", PROPOSAL.digest(), STEWARD)

    def opened(self, session: str = RUNNING, user: str = AUTHOR, project: str = "stroke") -> None:
        """A session was opened, as the agent notes it."""
        Mailbox(self.site.db).receive(session, Principal(user=user, project=project), 1, Open(session=session, seed=1), self.site.now)

    def browser(self) -> TestClient:
        return TestClient(self.app, base_url=ADDRESS, raise_server_exceptions=False, headers={"origin": ADDRESS})

    def own(self, name: str, password: str | None = None, **more: str) -> TestClient:
        """A browser that signed in with an account of the site."""
        browser = self.browser()
        given = {"name": name, "password": self.passwords[name] if password is None else password, **more}
        self.reply = browser.post("/sign-in", data=given, follow_redirects=False)
        return browser

    def through_hub(self, name: str) -> TestClient:
        """A browser that the hub sent back as this person."""
        browser, self.identity.user = self.browser(), name
        self.reply = browser.get("/sign-in")
        return browser


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(tmp_path / "site")


def csrf(browser: TestClient) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get("/steward").text)
    return found[1] if found else "none"


def post(browser: TestClient, path: str, **form: object) -> int:
    return browser.post(path, data={"csrf": csrf(browser), **form}, follow_redirects=False).status_code


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


# ---------------------------------------------------------------- route × role

ALL = [*routes.router.routes, *routes_ledger.router.routes, *routes_projects.router.routes, *routes_sessions.router.routes]
ROUTES = sorted((method, route.path.replace("{form}", "csv").replace("{name}", "lung")) for route in ALL for method in route.methods)
PROPOSAL = Proposal.model_validate({
    "project": "lung", "title": "Lungs <b>& hearts</b>", "purpose": "To see", "people": [{"user": "mia", "role": "researcher"}],
    "tables": [{"table": "person"}, {"table": "genome"}], "expires": "2030-01-31",
})  # fmt: skip
LUNG = "/steward/projects/lung"
FORMS = {
    "/steward/freeze": {"reason": "x", "sure": "yes"}, "/steward/unfreeze": {"entry": 1}, "/steward/ledger/seen": {"upto": 1},
    "/steward/reviewers": {"names": f"{B} rosa"},
    "/steward/sessions/stop": {"session": RUNNING},
    "/steward/grant": {"member": f"{AUTHOR} stroke", "bits": 5},
    f"{LUNG}/accept": {"proposal": PROPOSAL.digest(), "until": "2029-01-31", "members": "mia", "tables": "person"},
    f"{LUNG}/decline": {"proposal": PROPOSAL.digest(), "reason": "purpose"}, f"{LUNG}/suspend": {}, f"{LUNG}/go-on": {},
    f"{LUNG}/end": {"typed": "lung"}, f"{LUNG}/members": {"members": "mia ben"},
}  # fmt: skip
ACTS = {LedgerEvent.frozen, LedgerEvent.unfreeze, LedgerEvent.seen, LedgerEvent.grant, LedgerEvent.session_stopped}


def removed(pages: Pages) -> TestClient:
    browser = pages.own(STEWARD)
    pages.site.accounts.remove(STEWARD, "root")
    return browser


def demoted(pages: Pages) -> TestClient:
    browser = pages.own(STEWARD)
    pages.site.accounts.put(STEWARD, False, "root")
    return browser


ROLES: dict[str, tuple[int, Callable[[Pages], TestClient]]] = {
    "nobody": (401, lambda pages: pages.browser()),
    "a reviewer of the hub's": (403, lambda pages: pages.through_hub(A)),
    "a stranger of the hub's": (403, lambda pages: pages.through_hub("mallory")),
    "a steward's name of the hub's": (401, lambda pages: pages.through_hub(STEWARD)),
    "a steward's name in capitals": (401, lambda pages: pages.through_hub(STEWARD.upper())),
    "an account that is no steward": (403, lambda pages: pages.own(OWN)),
    "a steward with a wrong password": (401, lambda pages: pages.own(STEWARD, "x")),
    "a steward with another's password": (401, lambda pages: pages.own(STEWARD, pages.passwords[SECOND])),
    "a removed steward": (401, removed),
    "a steward who is none any more": (401, demoted),
}


def test_the_table_has_every_route() -> None:
    assert [path for method, path in ROUTES if method == "GET"] == [
        "/steward", "/steward/ledger", "/steward/ledger.csv", "/steward/projects", LUNG, "/steward/sessions",
    ]  # fmt: skip
    assert {path for method, path in ROUTES if method == "POST"} == set(FORMS)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda value: value)
def test_only_a_steward_of_the_site_itself_gets_in(pages: Pages, method: str, path: str, role: str) -> None:
    """Default deny: whatever the hub says, and whoever held the role before. Nothing is shown, and nothing is done."""
    status, browser_of = ROLES[role]
    browser = browser_of(pages)
    pages.opened()
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get("/").text)
    form = {"csrf": found[1] if found else "", **FORMS.get(path, {})}
    reply = browser.get(path) if method == "GET" else browser.post(path, data=form, follow_redirects=False)
    # A form needs a token of the session's own page first: without one it is refused as such.
    assert reply.status_code == status, reply.text
    assert "What left" not in reply.text
    assert "account" not in reply.text.replace("site's account", "").replace("account at the hub", "").replace("own accounts", "")
    assert "Freeze everything" not in reply.text
    assert not ACTS & {entry.kind for entry in pages.site.ledger.entries()}
    assert pages.site.projects.get("lung") is None
    assert pages.site.reviewers.now() == pages.site.policy.reviewers
    assert "Lungs" not in reply.text
    assert RUNNING[:8] not in reply.text


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda value: value)
def test_a_steward_gets_in(pages: Pages, method: str, path: str) -> None:
    browser = pages.own(STEWARD)
    if path == "/steward/unfreeze":
        pages.site.desk.freeze(pages.site.desk.prove(STEWARD, pages.passwords[STEWARD]), sure=True)
    if path.startswith(f"{LUNG}/") and path not in (f"{LUNG}/accept", f"{LUNG}/decline"):
        pages.accepted()
    if path == f"{LUNG}/go-on":
        pages.site.projects.suspend("lung", STEWARD)
    pages.opened()
    entry = {"entry": pages.site.ledger.last(LedgerEvent.frozen).seq} if path == "/steward/unfreeze" else {}
    assert (browser.get(path).status_code if method == "GET" else post(browser, path, **{**FORMS[path], **entry})) in (200, 303)


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] == "POST"], ids=lambda value: value)
@pytest.mark.parametrize("forged", ["no token", "another's token", "another origin"])
def test_no_other_page_freezes_or_unfreezes(pages: Pages, method: str, path: str, forged: str) -> None:
    browser, other = pages.own(STEWARD), pages.own(SECOND)
    pages.opened()
    token = {"no token": "", "another's token": csrf(other), "another origin": csrf(browser)}[forged]
    headers = {"origin": "http://evil.test"} if forged == "another origin" else {}
    reply = browser.post(path, data={"csrf": token, **FORMS[path]}, headers=headers)
    assert reply.status_code in (400, 403)
    assert not ACTS & {entry.kind for entry in pages.site.ledger.entries()}


# ---------------------------------------------------------------- sign-in with the site's own accounts


def test_a_hub_cannot_sign_in_who_has_an_account_of_the_site(pages: Pages) -> None:
    """A hostile hub that poses as a reviewer with an account here gets nothing, and the name's own session goes on."""
    pages.site.accounts.put(A, False, "root")
    browser = pages.through_hub(A)
    assert pages.reply.status_code == 403
    assert browser.get("/").status_code == 401


def test_an_account_made_later_ends_the_hubs_session(pages: Pages) -> None:
    browser = pages.through_hub(A)
    assert browser.get("/").status_code == 200
    pages.site.accounts.put(A, False, "root")
    assert browser.get("/").status_code == 401


def test_a_hub_that_is_not_trusted_signs_nobody_in(tmp_path: Path) -> None:
    """With `sign_in = "site"` a hostile hub is neither steward nor reviewer; reviewers sign in with the site's accounts."""
    pages = Pages(tmp_path / "site", hub=False)
    request = pages.site.submitted([stream("secret rows\n")])
    for path in ("/sign-in", "/oauth_callback?state=x&code=y"):
        assert pages.browser().get(path).status_code == 403
    assert "through the hub" not in pages.browser().get("/").text
    browser = pages.own(A, pages.site.accounts.put(A, False, "root"))
    assert "secret rows" in browser.get(f"/requests/{request}").text


def test_a_new_password_ends_the_sessions_of_the_old_one(pages: Pages) -> None:
    browser = pages.own(STEWARD)
    assert browser.get("/steward").status_code == 200
    pages.site.accounts.put(STEWARD, True, "root")
    assert browser.get("/steward").status_code == 401


def test_a_wrong_password_says_so_and_signs_nobody_in(pages: Pages) -> None:
    """The same words for a name that exists and one that does not."""
    said = []
    for name in (STEWARD, "nobody"):
        browser = pages.own(name, "wrong")
        assert pages.reply.status_code == 403
        assert browser.get("/").status_code == 401
        said.append(words(pages.reply.text))
    assert said[0] == said[1]
    assert list(pages.site.ledger.entries(LedgerEvent.signed_in)) == []


def test_an_account_with_a_telephone_signs_in_with_its_code(pages: Pages) -> None:
    """Without one the answer is that to a wrong password, and its open sessions are over as it gets one. A code is good once."""
    before, secret = pages.own(STEWARD), "A" * 32
    code = pyotp.TOTP(secret).at(pages.site.clock())
    pages.site.accounts.bind(STEWARD, secret, code, "root")
    assert before.get("/steward").status_code == 401
    pages.own(OWN, "wrong")
    wrong = words(pages.reply.text)
    for given in ({}, {"code": code}, {"code": "000000x"}):
        pages.own(STEWARD, **given)
        assert (pages.reply.status_code, words(pages.reply.text)) == (403, wrong)
    pages.site.now += timedelta(seconds=30)
    following = pyotp.TOTP(secret).at(pages.site.now)
    assert pages.own(STEWARD, code=following).get("/steward").status_code == 200
    pages.own(STEWARD, code=following)
    assert pages.reply.status_code == 403
    assert pages.own(SECOND).get("/steward").status_code == 200


@pytest.mark.parametrize("to", ["//evil.test", "https://evil.test/", "/steward/../x", "\\\\evil.test"])
def test_a_sign_in_leads_nowhere_else(pages: Pages, to: str) -> None:
    pages.own(STEWARD, next=to)
    assert (pages.reply.status_code, pages.reply.headers["location"]) == (303, "/")


def test_a_sign_in_form_of_another_page_signs_nobody_in(pages: Pages) -> None:
    reply = pages.browser().post("/sign-in", data={"name": OWN, "password": pages.passwords[OWN]}, headers={"origin": "http://evil.test"})
    assert reply.status_code == 400


def test_sign_ins_are_recorded_with_the_role(pages: Pages) -> None:
    pages.own(STEWARD)
    pages.own(OWN)
    pages.own(A, pages.site.accounts.put(A, True, "root"))
    roles = [(entry.body["user"], entry.body["role"]) for entry in pages.site.ledger.entries(LedgerEvent.signed_in)]
    assert roles == [(STEWARD, "steward"), (OWN, "none"), (A, "steward and reviewer")]


def test_a_steward_is_no_reviewer_by_that(pages: Pages) -> None:
    """The role opens the steward's page, and no request: what items hold is for reviewers."""
    request = pages.site.submitted([stream("secret rows\n")])
    browser = pages.own(STEWARD)
    assert browser.get("/", follow_redirects=False).headers["location"] == "/steward"
    reply = browser.get(f"/requests/{request}")
    assert reply.status_code == 403
    assert "secret rows" not in reply.text + browser.get("/steward").text


# ---------------------------------------------------------------- what the page shows


def test_the_overview_shows_who_did_what_and_what_is_left(pages: Pages) -> None:
    """Counts, names, requests and bits; no value, no item, no row."""
    site = pages.site
    site.submitted([stream("secret rows\n")], purpose="figure 3 <b>now</b>")
    yesterday = site.now.replace(year=2025)
    reveal = {"session": "5" * 32, "cell": 1, "call": 1, "user": AUTHOR, "project": "stroke", "name": "AUC", "digits": 3, "value": 0.8125}
    for at in (yesterday, site.now, site.now):
        site.ledger.append(LedgerEvent.reveal, {**reveal, "tick": 1, "bits": 20.0}, at)
    text = words(pages.own(STEWARD).get("/steward").text)
    assert "Revealed numbers 2 3" in text
    assert f"{AUTHOR} stroke 0 0 0 2 1 0" in text
    assert "figure 3 <b>now</b> researcher stroke" in text
    assert f"{AUTHOR} stroke 1,024.0 16,384.0" in text
    assert "0.8125" not in text
    assert "secret" not in text


def test_all_that_leaves_has_a_row(pages: Pages) -> None:
    """The steward's own word on projects leaves too. Before, the page did not count it."""
    assert set(LEAVING) == CROSSINGS
    pages.site.ledger.append(LedgerEvent.standing, {"project": "stroke", "digest": "0" * 64}, pages.site.now)
    assert "Words of stewards on projects 1 1" in words(pages.own(STEWARD).get("/steward").text)


def test_what_is_written_by_others_is_escaped(pages: Pages) -> None:
    """A purpose, a reason and a name are text, whatever they hold; invisible characters are shown."""
    pages.site.submitted(purpose="<script>alert(1)</script>\u202efdp")
    browser = pages.own(STEWARD)
    post(browser, "/steward/freeze", sure="yes", reason='"><script>alert(2)</script>')
    html = browser.get("/steward").text
    assert "<script>alert" not in html
    assert "\u202e" not in html


def test_an_empty_site_shows_an_empty_page(tmp_path: Path) -> None:
    pages = Pages(tmp_path / "site", ReviewPolicy((), 2))
    text = words(pages.own(STEWARD).get("/steward").text)
    for sentence in ("Nobody today.", "No request waits.", "No session is open.", "Not frozen"):
        assert sentence in text


def test_a_steward_gives_a_member_more_bits(pages: Pages) -> None:
    """Today and in all, with the steward's name in the ledger; a member's alone."""
    browser = pages.own(STEWARD)
    assert post(browser, "/steward/grant", member=f"{AUTHOR} stroke", bits="200.5") == 303
    assert f"{AUTHOR} stroke 1,224.5 16,584.5" in words(browser.get("/steward").text)
    [line] = pages.site.ledger.entries(LedgerEvent.grant)
    assert line.body == {"user": AUTHOR, "project": "stroke", "bits": 200.5, "by": STEWARD}
    for member in ("mallory stroke", f"{AUTHOR} other", AUTHOR, "", f"{AUTHOR}  stroke"):
        assert post(browser, "/steward/grant", member=member, bits="1") in (403, 422)
    for bits in ("0", "-1", "nan", "inf", "1e300", "x", "", "0.0000000001"):
        assert post(browser, "/steward/grant", member=f"{AUTHOR} stroke", bits=bits) == 422
    assert len(list(pages.site.ledger.entries(LedgerEvent.grant))) == 1


# ---------------------------------------------------------------- the switch


def entry_of(browser: TestClient) -> str:
    found = re.search(r'name="entry" value="(\d+)"', browser.get("/steward").text)
    return found[1] if found else "0"


def test_one_click_freezes_and_two_people_unfreeze(pages: Pages) -> None:
    """The steward who froze may be one of the two; each sees what the other did."""
    first, second = pages.own(STEWARD), pages.own(SECOND)
    assert post(first, "/steward/freeze", sure="yes", reason="a leak?") == 303
    assert pages.site.ledger.frozen()
    assert "Frozen: nothing leaves" in second.get("/steward").text
    assert post(first, "/steward/unfreeze", entry=entry_of(second)) == 303
    assert pages.site.ledger.frozen()
    assert "You have agreed" in first.get("/steward").text
    assert post(second, "/steward/unfreeze", entry=entry_of(second)) == 303
    assert not pages.site.ledger.frozen()
    kinds = [entry.kind.value for entry in pages.site.ledger.entries() if "fr" in entry.kind.value]
    assert kinds == ["frozen", "unfreeze", "unfreeze", "unfrozen"]


@pytest.mark.parametrize("again", [STEWARD, STEWARD.upper(), f" {STEWARD} "])
def test_one_person_with_two_sessions_does_not_unfreeze(pages: Pages, again: str) -> None:
    """A second browser, or the name in other letters, is the same person; a name with blanks is nobody's."""
    first = pages.own(STEWARD)
    post(first, "/steward/freeze", sure="yes")
    entry = entry_of(first)
    post(first, "/steward/unfreeze", entry=entry)
    other = pages.own(again, pages.passwords[STEWARD])
    post(other, "/steward/unfreeze", entry=entry)
    post(first, "/steward/unfreeze", entry=entry)
    assert pages.site.ledger.frozen()


def test_a_form_of_an_earlier_freeze_is_refused(pages: Pages) -> None:
    first, second = pages.own(STEWARD), pages.own(SECOND)
    post(first, "/steward/freeze", sure="yes")
    old = entry_of(first)
    post(first, "/steward/unfreeze", entry=old)
    post(second, "/steward/freeze", sure="yes")
    assert post(second, "/steward/unfreeze", entry=old) == 403
    assert pages.site.ledger.frozen()


@pytest.mark.parametrize("entry", ["", "x", "0", "-1", "1e3", "9" * 40, "1.5"])
def test_a_form_that_is_none_of_ours_is_refused(pages: Pages, entry: str) -> None:
    browser = pages.own(STEWARD)
    post(browser, "/steward/freeze", sure="yes")
    assert post(browser, "/steward/unfreeze", entry=entry) == 422


@pytest.mark.parametrize("sure", [{}, {"sure": ""}, {"sure": "no"}])
def test_a_freeze_without_the_tick_is_refused_in_words(pages: Pages, sure: dict[str, str]) -> None:
    """The browser alone held to it before: a form that is sent without one froze the site."""
    browser = pages.own(STEWARD)
    reply = browser.post("/steward/freeze", data={"csrf": csrf(browser), "reason": "x", **sure}, follow_redirects=False)
    assert reply.status_code == 403
    assert "The site is not frozen: go back, tick" in words(reply.text)
    assert not pages.site.ledger.frozen()


def test_an_overlong_reason_freezes_nothing_and_says_so(pages: Pages) -> None:
    assert post(pages.own(STEWARD), "/steward/freeze", sure="yes", reason="x" * 501) == 422


def test_a_lone_steward_is_told_that_two_are_needed(pages: Pages) -> None:
    pages.site.accounts.remove(SECOND, "root")
    browser = pages.own(STEWARD)
    post(browser, "/steward/freeze", sure="yes")
    assert "twinpane site account add" in browser.get("/steward").text


# ---------------------------------------------------------------- reviewers meanwhile


def test_no_decision_of_reviewers_leaves_a_frozen_site(pages: Pages) -> None:
    """Reviewers go on deciding. The decision is kept, nothing is sent, and after the freeze it is carried out."""
    site, browser = pages.site, pages.own(STEWARD)
    request = site.submitted()
    site.reviewed(request, A)
    post(browser, "/steward/freeze", sure="yes")
    assert site.reviewed(request, B) is State.decided
    assert (site.sent, site.kinds().count("export")) == ([], 0)
    reviewer = pages.through_hub(A)
    assert "This site is frozen by its steward." in reviewer.get(f"/requests/{request}").text
    token = re.search(r'name="csrf" value="([^"]+)"', reviewer.get("/").text)
    assert token
    reply = reviewer.post(f"/requests/{request}/retry", data={"csrf": token[1]}, follow_redirects=False)
    assert reply.status_code == 503
    assert "frozen by its steward" in reply.text
    assert site.sent == []
    entry = entry_of(browser)
    post(browser, "/steward/unfreeze", entry=entry)
    post(pages.own(SECOND), "/steward/unfreeze", entry=entry)
    assert site.review.resume() == []
    assert [export.request for export in site.sent] == [request]


def test_a_request_is_taken_in_while_frozen(pages: Pages) -> None:
    post(pages.own(STEWARD), "/steward/freeze", sure="yes")
    assert pages.site.state(pages.site.submitted()) is State.waiting


# ---------------------------------------------------------------- the ledger


def lines(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tr><td class="num">(\d+)</td>', html)]


def grown(pages: Pages, count: int, **body: object) -> None:
    for number in range(count):
        entry = {"user": f"u{number % 3}", "project": "stroke", "bits": float(number), "by": "root", **body}
        pages.site.ledger.append(LedgerEvent.grant, entry, pages.site.clock())


def test_pages_of_the_ledger_hold_every_line_once(pages: Pages) -> None:
    """Newest first, from page to page, also while lines are added."""
    grown(pages, 250)
    browser, seen, path = pages.own(STEWARD), [], "/steward/ledger"
    last = pages.site.ledger.head().seq
    while path:
        html = browser.get(path).text
        seen += lines(html)
        grown(pages, 5)
        found = re.search(r'href="([^"]*before=\d+)">Older', html)
        path = unescape(found[1]) if found else ""
    assert seen == list(range(last, 0, -1))


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ("kind=account", lambda e: e.kind is LedgerEvent.account),
        ("person=U1", lambda e: e.body.get("user") == "u1"),
        ("project=stroke&person=u1&kind=grant", lambda e: e.body.get("user") == "u1"),
        ("project=other", lambda e: False),
        ("since=2026-03-02&until=2026-03-02", lambda e: True),
        ("since=2026-03-03", lambda e: False),
        ("until=2026-03-01", lambda e: False),
        ("kind=&project=&person=&since=&until=", lambda e: True),
        ("until=9999-12-31", lambda e: True),
    ],
)  # fmt: skip
def test_a_search_finds_what_fits_and_nothing_else(pages: Pages, asked: str, fits: Callable) -> None:
    grown(pages, 9)
    browser = pages.own(STEWARD)
    want = [entry.seq for entry in pages.site.ledger.entries() if fits(entry)]
    assert lines(browser.get(f"/steward/ledger?{asked}").text) == want[::-1]
    exported = browser.get(f"/steward/ledger.jsonl?{asked}").text.splitlines()
    assert [json.loads(line)["seq"] for line in exported] == want


@pytest.mark.parametrize(
    "asked", ["kind=x", "since=x", "since=2026-13-01", "before=0", "before=x", "project=" + "x" * 41, "before=99999999999999999999"]
)
def test_a_search_that_no_page_of_ours_asks_is_refused(pages: Pages, asked: str) -> None:
    assert pages.own(STEWARD).get(f"/steward/ledger?{asked}").status_code == 422


@pytest.mark.parametrize("asked", ["project=' OR 1=1 --", "person=%25", 'person=" onfocus="x'])
def test_a_search_is_a_value_and_never_a_part_of_a_question(pages: Pages, asked: str) -> None:
    reply = pages.own(STEWARD).get(f"/steward/ledger?{asked}")
    assert reply.status_code == 200
    assert lines(reply.text) == []
    assert '" onfocus="' not in reply.text


def test_no_cell_of_the_file_is_a_formula(pages: Pages) -> None:
    """What people wrote into the ledger is text to a spreadsheet, whatever it begins with."""
    for text in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u200b=1"):
        grown(pages, 1, user=text, project=text)
    reply = pages.own(STEWARD).get("/steward/ledger.csv?kind=grant")
    rows = list(csv.reader(io.StringIO(reply.text, newline="")))
    assert reply.headers["content-disposition"] == 'attachment; filename="ledger-site-a.csv"'
    assert rows[0] == ["seq", "time", "kind", "person", "project", "body", "hash"]
    assert len(rows) == 9
    assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "+", "-", "@"))]


def test_a_file_is_whole_or_it_is_refused(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """More lines than are served in time: nobody gets a part that looks like the whole."""
    monkeypatch.setattr(routes_ledger, "MOST", 10)
    browser = pages.own(STEWARD)
    grown(pages, 10)
    assert browser.get("/steward/ledger.csv").status_code == 403
    assert len(browser.get("/steward/ledger.jsonl?kind=grant").text.splitlines()) == 10


def test_a_file_proves_its_lines(pages: Pages) -> None:
    """JSON Lines carry all that a line's hash covers."""
    grown(pages, 3)
    for line in pages.own(STEWARD).get("/steward/ledger.jsonl").text.splitlines():
        e = json.loads(line)
        assert chain_hash(e["seq"], e["prev"], e["time"], e["kind"], canonical_json(e["body"]).decode()) == e["hash"]


def test_a_steward_signs_off_what_they_have_seen(pages: Pages) -> None:
    """The mark is a line with the hash of the line it names; it goes forward only, and is each steward's own."""
    first, second = pages.own(STEWARD), pages.own(SECOND)
    upto = lines(first.get("/steward/ledger").text)[0]
    assert post(first, "/steward/ledger/seen", upto=upto) == 303
    [mark] = pages.site.ledger.entries(LedgerEvent.seen)
    assert mark.body == {"by": STEWARD, "upto": upto, "hash": next(pages.site.ledger.entries(after=upto - 1)).hash}
    for again in (upto, upto - 1, 10**6):
        assert post(first, "/steward/ledger/seen", upto=again) == 403
    assert post(second, "/steward/ledger/seen", upto=upto) == 303
    assert f"{STEWARD} has seen it up to line {upto}" in words(first.get("/steward/ledger").text)
    assert "I have seen" not in first.get("/steward/ledger?kind=seen").text


def test_what_is_written_in_the_ledger_is_escaped(pages: Pages) -> None:
    grown(pages, 1, user="<script>alert(1)</script>", project="<b>\u202e")
    html = pages.own(STEWARD).get("/steward/ledger").text
    assert "<script>alert" not in html
    assert "<b>" not in html


# ---------------------------------------------------------------- projects


def lung(pages: Pages) -> ProjectState | None:
    kept = pages.site.projects.get("lung")
    return kept.state if kept else None


def test_a_proposal_is_shown_beside_what_the_site_has(pages: Pages) -> None:
    """In the hub's words, which are text and never markup; what the site does not publish is named."""
    browser = pages.own(STEWARD)
    assert "Lungs <b>& hearts</b>" in words_kept(browser.get("/steward/projects").text)
    page = browser.get(LUNG).text
    assert "<b>&" not in page
    assert "what this site does not publish: genome" in words(page)
    assert "genome the site does not publish this table" in words(page)
    assert 'value="person"' in page
    assert 'value="genome"' not in page


def test_a_steward_reads_which_columns_are_given(pages: Pages) -> None:
    """Also those that were not asked for. Before, the page had only what the hub asks for."""
    browser = pages.own(STEWARD)
    columns = ", ".join(PUBLISHED["person"])
    for asked in ([{"table": "person", "columns": [next(iter(PUBLISHED["person"]))]}], None):
        pages.inbox.take(Proposal.model_validate({**PROPOSAL.model_dump(), "tables": asked}))
        assert f"person all that the site publishes: {columns}" in words(browser.get(LUNG).text)


def test_after_a_partial_acceptance_the_form_has_what_it_gave(pages: Pages) -> None:
    """Nothing that was left out comes in by pressing *Accept* again, and the page says what it was."""
    browser = pages.own(STEWARD)
    people = [{"user": user, "role": "researcher"} for user in ("mia", "bo")]
    asked = Proposal.model_validate({**PROPOSAL.model_dump(), "people": people, "tables": None})
    pages.inbox.take(asked)
    assert "Left out" not in words(browser.get(LUNG).text)
    assert post(browser, f"{LUNG}/accept", proposal=asked.digest(), members="mia", tables="person", until="2029-01-31") == 303
    page = browser.get(LUNG).text
    assert ticked(page) == ["mia", "person"]
    assert 'type="date" value="2029-01-31"' in page
    others = ", ".join(table for table in PUBLISHED if table != "person")
    assert f"Left out of what the hub proposes: researchers bo; tables {others}; days after 2029-01-31." in words(page)
    assert post(browser, f"{LUNG}/accept", proposal=asked.digest(), tables="person", until="2029-01-31") == 303
    assert ticked(browser.get(LUNG).text) == ["person"]


def ticked(html: str) -> list[str]:
    return re.findall(r'type="checkbox" name="\w+" value="([^"]+)" checked', html)


def words_kept(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", html))


def test_a_project_lives_at_the_pages_from_proposal_to_end(pages: Pages) -> None:
    """Each step by a form without script; the ledger says who did it."""
    browser = pages.own(STEWARD)
    for path, state in (("accept", "accepted"), ("members", "accepted"), ("suspend", "suspended"), ("go-on", "accepted"), ("end", "ended")):
        assert post(browser, f"{LUNG}/{path}", **FORMS[f"{LUNG}/{path}"]) == 303
        assert lung(pages) == state
        assert f"At this site: {state}" in words(browser.get(LUNG).text)
    lines = [entry.body for entry in pages.site.ledger.entries(LedgerEvent.project) if entry.body["project"] == "lung"]
    assert [(line["state"], line["by"]) for line in lines] == [
        ("accepted", STEWARD), ("accepted", STEWARD), ("suspended", STEWARD), ("accepted", STEWARD), ("ended", STEWARD),
    ]  # fmt: skip
    assert lines[0]["members"] == ["mia"]
    assert lines[1]["members"] == ["mia", "ben"]


@pytest.mark.parametrize(("path", "change", "status"), [
    ("accept", {"proposal": "0" * 64}, 403), ("accept", {"proposal": "x"}, 422), ("accept", {"members": "mallory"}, 403),
    ("accept", {"tables": "genome"}, 403), ("accept", {"tables": "visit"}, 403), ("accept", {"until": "2031-01-01"}, 403),
    ("accept", {"until": "soon"}, 422), ("decline", {"reason": "because"}, 422), ("decline", {"proposal": "0" * 64}, 403),
    ("suspend", {}, 403), ("go-on", {}, 403), ("end", {}, 403), ("members", {"members": "mia"}, 403),
])  # fmt: skip
def test_a_form_that_asks_for_the_wrong_thing_changes_nothing(pages: Pages, path: str, change: dict[str, str], status: int) -> None:
    """A changed proposal, strangers, tables that were not asked for, states that do not follow: one sentence, and nothing is done."""
    browser = pages.own(STEWARD)
    assert post(browser, f"{LUNG}/{path}", **{**FORMS[f"{LUNG}/{path}"], **change}) == status
    assert lung(pages) is None


def test_a_project_is_not_ended_by_a_slip(pages: Pages) -> None:
    """Its id has to be typed."""
    pages.accepted()
    assert post(pages.own(STEWARD), f"{LUNG}/end", typed="lungs") == 403
    assert lung(pages) is ProjectState.accepted


def test_the_first_page_says_that_projects_wait(pages: Pages) -> None:
    """Before, only who opened the page of projects saw that the hub had proposed one."""
    browser = pages.own(STEWARD)
    assert "1 project for you to decide on" in words(browser.get("/steward").text)
    pages.accepted()
    assert "to decide on" not in words(browser.get("/steward").text)


def test_a_suspended_projects_members_are_not_said_to_be_none(pages: Pages) -> None:
    """Before, the page said that the site had accepted no members, while all its projects were suspended."""
    for kept in pages.site.projects.all():
        pages.site.projects.suspend(kept.project.id, STEWARD)
    page = words(pages.own(STEWARD).get("/steward").text)
    assert "accepted no members" not in page
    assert "Nobody may work in a project today" in page


@pytest.mark.parametrize("is_accepted", [True, False])
def test_what_is_over_waits_for_no_decision(pages: Pages, is_accepted: bool) -> None:
    """Before, a steward could accept a project in which nobody could work any more."""
    browser = pages.own(STEWARD)
    assert post(browser, f"{LUNG}/accept", **{**FORMS[f"{LUNG}/accept"], "until": "2020-01-01"}) == 403
    if is_accepted:
        pages.accepted()
    over = PROPOSAL.model_copy(update={"expires": date(2020, 1, 1)})
    pages.inbox.take(over)
    assert "Nothing waits." in words(browser.get("/steward/projects").text)
    page = browser.get(LUNG).text
    assert "Its last day is over" in words(page)
    assert "/accept" not in page
    assert post(browser, f"{LUNG}/accept", proposal=over.digest(), members="mia", tables="person", until="2020-01-01") == 403
    assert lung(pages) is (ProjectState.accepted if is_accepted else None)


@pytest.mark.parametrize("state", ["accepted", "suspended", "ended", "declined", None])
def test_what_the_hub_ended_is_ended_here_and_not_accepted(pages: Pages, state: str | None) -> None:
    """Whose members still have something inside is told to end it too. Before, the page offered to accept the ended proposal."""
    browser = pages.own(STEWARD)
    if state == "declined":
        post(browser, f"{LUNG}/decline", **FORMS[f"{LUNG}/decline"])
    elif state:
        pages.accepted()
        for act in {"suspended": ("suspend",), "ended": ("end",)}.get(state, ()):
            post(browser, f"{LUNG}/{act}", **FORMS[f"{LUNG}/{act}"])
    pages.inbox.take(PROPOSAL.model_copy(update={"standpoint": Standpoint.ended}))
    goes_on = state in ("accepted", "suspended")
    home, page = words(browser.get("/steward/projects").text), browser.get(LUNG).text
    assert ("Waiting for your decision 1" in home, "ended by the hub: end it here too" in home) == (goes_on, goes_on)
    assert ("stays here until you end it too" in words(page)) == goes_on
    assert f"{LUNG}/accept" not in page
    assert f"{LUNG}/decline" not in page


@pytest.mark.parametrize("name", ["nothing", "..%2f..%2fkeys", "A", "x" * 41])
def test_a_project_that_is_none_has_no_page(pages: Pages, name: str) -> None:
    assert pages.own(STEWARD).get(f"/steward/projects/{name}").status_code in (404, 422)


def test_a_hostile_proposal_of_full_size_is_a_page(pages: Pages) -> None:
    """As many people, tables and columns as fit: the page comes, and the form of it is taken."""
    people = [{"user": f"u{n}", "role": "researcher"} for n in range(300)]
    tables = [{"table": f"t{n}", "columns": [f"c{n}_{m}" for m in range(25)]} for n in range(199)]
    big = PROPOSAL.model_dump(mode="json") | {"people": people, "tables": [*tables, {"table": "person"}], "purpose": "\u202e" * 4000}
    pages.inbox.take(Proposal.model_validate(big))
    browser = pages.own(STEWARD)
    page = browser.get(LUNG)
    assert page.status_code == 200
    assert "\u202e" not in page.text
    form = {"proposal": Proposal.model_validate(big).digest(), "until": "2029-01-31", "tables": "person"}
    assert post(browser, f"{LUNG}/accept", **form, members=[f"u{n}" for n in range(300)]) == 303
    assert len(pages.site.projects.get("lung").project.members) == 300


# ---------------------------------------------------------------- reviewers


def test_a_reviewer_who_is_taken_out_sees_and_counts_no_more(pages: Pages) -> None:
    """At once, while signed in; what they had marked lets nothing out. Who is new can review without a restart."""
    request = pages.site.submitted([stream("secret rows\n")])
    reviewer = pages.own(A, pages.site.accounts.put(A, False, "root"))
    rosa = pages.own("rosa", pages.site.accounts.put("rosa", False, "root"))
    assert "secret rows" in reviewer.get(f"/requests/{request}").text
    assert rosa.get(f"/requests/{request}").status_code == 403
    pages.site.reviewed(request, A)
    assert post(pages.own(STEWARD), "/steward/reviewers", names=f"{B}\nRosa") == 303
    gone, come = reviewer.get(f"/requests/{request}"), rosa.get(f"/requests/{request}")
    assert (gone.status_code, come.status_code) == (403, 200)
    assert "secret rows" not in gone.text
    assert "secret rows" in come.text
    pages.site.reviewed(request, B)
    assert pages.site.sent == [], "a mark of who is no reviewer any more let something out"
    assert pages.site.reviewed(request, "rosa") is State.released
    assert pages.site.ledger.last(LedgerEvent.reviewers).body == {"reviewers": [B, "rosa"], "by": STEWARD}


@pytest.mark.parametrize("names", ["a,b", "../x", " ".join(f"u{n}" for n in range(201)), f"{A} {B} reviewer-c"])
def test_what_cannot_be_the_reviewers_changes_nothing(pages: Pages, names: str) -> None:
    """Also where it is so already: one sentence, no line in the ledger."""
    before = pages.site.ledger.head()
    browser = pages.own(STEWARD)
    signed_in = pages.site.ledger.head()
    assert post(browser, "/steward/reviewers", names=names) == 403
    assert pages.site.ledger.head() == signed_in != before


# ---------------------------------------------------------------- sessions

SESSIONS = "/steward/sessions"


def measured(pages: Pages, *figures: Figures) -> None:
    FiguresTable(pages.site.db).put(figures, pages.site.now)


def test_the_page_of_sessions_shows_who_uses_what(pages: Pages) -> None:
    """As the agent measured it; what nobody knows is said to be unknown."""
    browser = pages.own(STEWARD)
    assert "No session is open." in words(browser.get(SESSIONS).text)
    pages.opened()
    pages.opened("b" * 32, "ben")
    measured(pages, Figures(RUNNING, KernelState.running, 12, 3725.04, 700 * 2**20, 5 * 2**20, 512 * 2**20))
    text = words(browser.get(SESSIONS).text)
    assert "UTC running cell 12 3,725.0 s 700.0 MiB 5.0 MiB of 512.0 MiB" in text
    assert "UTC not known not known not known not known Stop" in text
    assert "Nothing is known of a session that has just begun" in text
    assert text.index("aaaaaaaa") < text.index("bbbbbbbb"), "the oldest is first"
    assert "Sessions running 2" in words(browser.get("/steward").text)
    measured(pages, Figures(RUNNING, KernelState.gone))
    assert "UTC gone not known not known not known" in words(browser.get(SESSIONS).text)


def test_a_stop_is_a_line_of_the_ledger_and_said_on_the_page(pages: Pages) -> None:
    """It has no button then. A second one, from a page that is old or a form that is sent again, is one sentence."""
    pages.opened()
    first, second = pages.own(STEWARD), pages.own(SECOND)
    assert post(first, f"{SESSIONS}/stop", session=RUNNING) == 303
    [line] = pages.site.ledger.entries(LedgerEvent.session_stopped)
    assert line.body == {"session": RUNNING, "user": AUTHOR, "project": "stroke", "by": STEWARD}
    page = first.get(SESSIONS).text
    assert "UTC not known not known not known not known stopped" in words(page)
    assert "Stop now" not in page
    again = second.post(f"{SESSIONS}/stop", data={"csrf": csrf(second), "session": RUNNING})
    assert (again.status_code, "That session was stopped before." in words(again.text)) == (403, True)
    assert len(list(pages.site.ledger.entries(LedgerEvent.session_stopped))) == 1


@pytest.mark.parametrize(("session", "status"), [
    ("c" * 32, 403), ("", 422), (RUNNING[:8], 422), (RUNNING.upper(), 422), (f"{RUNNING}\n", 422), ("' OR 1=1 --", 422), ("../x", 422),
])  # fmt: skip
def test_a_stop_of_no_session_stops_none(pages: Pages, session: str, status: int) -> None:
    """One that is gone, and names that are none: a sentence, and nothing is done."""
    pages.opened()
    pages.opened("c" * 32)
    Mailbox(pages.site.db).close("c" * 32, pages.site.now)
    browser = pages.own(STEWARD)
    reply = browser.post(f"{SESSIONS}/stop", data={"csrf": csrf(browser), "session": session})
    assert reply.status_code == status
    assert status == 422 or "There is no such session any more" in words(reply.text)
    assert list(pages.site.ledger.entries(LedgerEvent.session_stopped)) == []


def test_a_sessions_names_are_text(pages: Pages) -> None:
    """Whatever is in the database: names are shown, and are never markup."""
    with pages.site.db.transaction() as connection:
        names = ("<b>\u202e", '"><script>alert(1)</script>', "<i>", pages.site.now.isoformat())
        Mailbox(pages.site.db)
        connection.execute("INSERT INTO session (id, user, project, opened, received, bytes) VALUES (?, ?, ?, ?, 1, 1)", names)
    html = pages.own(STEWARD).get(SESSIONS).text
    for hostile in ("<script>alert", "<b>", "<i>", "\u202e"):
        assert hostile not in html


def test_a_thousand_sessions_are_a_page(pages: Pages) -> None:
    """However many a policy allows."""
    for n in range(1000):
        pages.opened(f"{n:032x}")
    page = pages.own(STEWARD).get(SESSIONS)
    assert page.status_code == 200
    assert page.text.count("Stop now") == 1000
