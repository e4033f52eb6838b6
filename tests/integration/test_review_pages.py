"""The pages: who gets in, what they show, and that no request does more than a page's own button."""

import re
from html import unescape
from pathlib import Path

import pytest
from review_factories import AUTHOR, POLICY, A, B, Site, display, make_site, picture, png, stream, twin
from review_pages import NamedIdentity
from starlette.testclient import TestClient

from twinpane_review.app import Settings, create_app
from twinpane_review.model import Decision
from twinpane_review.security_middleware import HEADERS
from twinpane_review.sessions import RECHECK
from twinpane_review.states import State
from twinpane_site.ledger_events import LedgerEvent
from twinpane_wire.messages import ExportItem

ADDRESS = "http://review.site-a.test"


class Pages:
    """A site's pages with one browser."""

    def __init__(self, site: Site) -> None:
        self.site, self.identity, self.ticks = site, NamedIdentity(A), 1000.0
        self.app = create_app(site.review, site.desk, self.identity, Settings(ADDRESS, "Site A", site.clock, lambda: self.ticks, b"s" * 32))
        self.browser = self.fresh()

    def fresh(self) -> TestClient:
        return TestClient(self.app, base_url=ADDRESS, raise_server_exceptions=False)

    def sign_in(self, user: str = A) -> None:
        self.identity.user, self.browser = user, self.fresh()
        assert self.browser.get("/sign-in").status_code in (200, 403)

    def get(self, path: str) -> str:
        reply = self.browser.get(path)
        assert reply.status_code == 200, reply.text
        return reply.text

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.browser.get("/").text)
        assert found
        return found[1]

    def post(self, path: str, *, csrf: str | None = None, origin: str = ADDRESS, **values: object) -> "object":
        form = {"csrf": self.csrf() if csrf is None else csrf, **values}
        headers = {"origin": origin, **({"hx-request": "true"} if values.pop("htmx", False) else {})}
        form.pop("htmx", None)
        return self.browser.post(path, data=form, headers=headers, follow_redirects=False)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(make_site(tmp_path / "site"))


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


# ---------------------------------------------------------------- who gets in


@pytest.mark.parametrize("path", ["/", "/requests/{id}", "/requests/{id}/items/1/real.png", "/requests/{id}/items/1/twin.png"])
def test_without_a_sign_in_nothing_is_shown(pages: Pages, path: str) -> None:
    request = pages.site.submitted([stream("secret rows\n")])
    reply = pages.browser.get(path.format(id=request))
    assert reply.status_code == 401
    assert "secret rows" not in reply.text
    assert "Sign in through the hub" in reply.text


@pytest.mark.parametrize("path", ["/requests/{id}/items/1/mark", "/requests/{id}/hand-in", "/requests/{id}/retry", "/sign-out"])
def test_without_a_sign_in_nothing_is_done(pages: Pages, path: str) -> None:
    request = pages.site.submitted()
    reply = pages.browser.post(path.format(id=request), data={"csrf": "x", "decision": "approve"}, headers={"origin": ADDRESS})
    assert reply.status_code == 401
    assert "vote" not in pages.site.kinds()


def test_after_the_sign_in_one_is_where_one_wanted_to_go(pages: Pages) -> None:
    request = pages.site.submitted()
    link = re.search(r'href="(/sign-in[^"]+)"', pages.browser.get(f"/requests/{request}").text)
    assert link
    reply = pages.browser.get(unescape(link[1]))
    assert reply.url.path == f"/requests/{request}"
    assert [e.body["user"] for e in pages.site.ledger.entries(LedgerEvent.signed_in)] == [A]


@pytest.mark.parametrize("state", ["", "other"])
def test_a_sign_in_that_this_browser_did_not_begin_is_refused(pages: Pages, state: str) -> None:
    pages.browser.get("/sign-in", follow_redirects=False)
    reply = pages.browser.get(f"/oauth_callback?state={state}&code={A}")
    assert reply.status_code == 403
    assert pages.browser.get("/").status_code == 401


def test_a_stranger_reads_who_may_and_sees_no_request(pages: Pages) -> None:
    request = pages.site.submitted(purpose="hidden purpose")
    pages.sign_in("researcher2")
    for path in ("/", f"/requests/{request}", f"/requests/{'f' * 32}", f"/requests/{request}/items/1/real.png"):
        reply = pages.browser.get(path)
        assert reply.status_code == 403
        assert "hidden purpose" not in reply.text
        assert all(name in reply.text for name in POLICY.reviewers)


def test_cookies_are_kept_from_scripts_and_named_after_the_site(pages: Pages) -> None:
    reply = pages.browser.get("/sign-in", follow_redirects=False)
    reply = pages.browser.get(reply.headers["location"], follow_redirects=False)
    cookie = next(c for c in reply.headers.get_list("set-cookie") if c.startswith("twinpane-review-site-a="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_over_https_cookies_are_secure_and_tied_to_the_host(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    app = create_app(site.review, site.desk, NamedIdentity(A), Settings("https://review.test"))
    reply = TestClient(app, base_url="https://review.test").get("/sign-in", follow_redirects=False)
    assert reply.headers["set-cookie"].startswith("__Host-twinpane-review-site-a-sign-in=")
    assert "Secure" in reply.headers["set-cookie"]


def test_a_sign_out_is_final(pages: Pages) -> None:
    pages.sign_in()
    kept = dict(pages.browser.cookies)
    assert pages.post("/sign-out").status_code == 303
    pages.browser.cookies.update(kept)
    assert pages.browser.get("/").status_code == 401


def test_somebody_the_hub_no_longer_knows_is_out_within_minutes(pages: Pages) -> None:
    pages.sign_in()
    pages.identity.valid = False
    pages.get("/")
    pages.ticks += RECHECK + 1
    assert pages.browser.get("/").status_code == 401


def test_a_hub_that_is_down_is_said_so_and_lets_nobody_on(pages: Pages) -> None:
    request = pages.site.submitted([stream("secret rows\n")])
    pages.sign_in()
    pages.identity.down = True
    pages.ticks += RECHECK + 1
    reply = pages.browser.get(f"/requests/{request}")
    assert reply.status_code == 503
    assert "hub does not answer" in reply.text
    assert "secret rows" not in reply.text
    pages.identity.down = False
    pages.get(f"/requests/{request}")


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize("csrf", ["", "wrong", "é"])
def test_a_form_without_this_sessions_token_does_nothing(pages: Pages, csrf: str) -> None:
    request = pages.site.submitted()
    pages.sign_in()
    reply = pages.post(f"/requests/{request}/items/1/mark", csrf=csrf, decision="approve")
    assert reply.status_code == 403
    assert "vote" not in pages.site.kinds()


def test_the_token_of_another_session_does_nothing(pages: Pages) -> None:
    request = pages.site.submitted()
    pages.sign_in(B)
    theirs = pages.csrf()
    pages.sign_in(A)
    assert pages.post(f"/requests/{request}/items/1/mark", csrf=theirs, decision="approve").status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "http://review.site-b.test"])
def test_a_form_from_elsewhere_does_nothing(pages: Pages, origin: str) -> None:
    request = pages.site.submitted()
    pages.sign_in()
    reply = pages.post(f"/requests/{request}/items/1/mark", origin=origin, decision="approve")
    assert reply.status_code == 400
    assert "vote" not in pages.site.kinds()


def test_a_link_cannot_vote(pages: Pages) -> None:
    request = pages.site.submitted()
    pages.sign_in()
    for path in ("items/1/mark?decision=approve", "hand-in", "retry"):
        assert pages.browser.get(f"/requests/{request}/{path}").status_code in (404, 405)
    assert "vote" not in pages.site.kinds()


@pytest.mark.parametrize("values", [{}, {"decision": "maybe"}, {"decision": "approve", "remark": "x" * 9000}])
def test_a_malformed_form_is_said_so_in_the_same_look(pages: Pages, values: dict[str, object]) -> None:
    request = pages.site.submitted()
    pages.sign_in()
    reply = pages.post(f"/requests/{request}/items/1/mark", **values)
    assert reply.status_code == 422
    assert "nothing was done" in reply.text
    assert "Site A" in reply.text


# ---------------------------------------------------------------- what is shown


def test_every_answer_carries_the_headers(pages: Pages) -> None:
    request = pages.site.submitted([picture(png())])
    pages.sign_in()
    for path in ("/", f"/requests/{request}", f"/requests/{request}/items/1/real.png", "/nope", "/static/review.css", "/sign-in"):
        reply = pages.browser.get(path, follow_redirects=False)
        for name, value in HEADERS.items():
            assert reply.headers[name] == value, (path, name)
    assert pages.fresh().get("/", headers={"host": "evil.test"}).headers["cache-control"] == "no-store"


def test_pages_need_no_inline_script_or_style(pages: Pages) -> None:
    request = pages.site.submitted()
    pages.sign_in()
    for path in ("/", f"/requests/{request}"):
        html = pages.get(path)
        assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", html) is None


HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(1)> {{ 7*7 }} \"'&"


def test_whatever_author_and_kernel_wrote_is_shown_as_text(pages: Pages) -> None:
    asked = pages.site.ask(
        ExportItem(cell=7, source=HOSTILE, twins=(twin("text", HOSTILE.encode()),)), ExportItem(path="<b>.csv"), purpose=HOSTILE
    ).model_copy(update={"population": HOSTILE, "controls": HOSTILE})
    table = b'a,b\n"<script>alert(2)</script>",=1\n'
    odd = display(**{"<script>alert(3)</script>": "x"})
    pages.site.submit(AUTHOR, "stroke", asked, [(0, [stream(HOSTILE), odd]), (1, table)])
    pages.sign_in()
    for path in ("/", f"/requests/{asked.request}"):
        html = pages.get(path)
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "{{ 7*7 }}" in unescape(html), "no template runs what it shows"


def test_code_that_reads_otherwise_than_it_runs_is_written_out(pages: Pages) -> None:
    """Code that would read otherwise than it runs is written out."""
    asked = pages.site.ask(ExportItem(cell=7, source="x = 1 # \u202e } evil"))
    pages.site.submit(AUTHOR, "stroke", asked, [(0, [stream("a\n")])])
    pages.sign_in()
    html = pages.get(f"/requests/{asked.request}")
    assert "\u202e" not in html
    assert "U+202E" in html


def test_real_and_synthetic_stand_side_by_side_each_named(pages: Pages) -> None:
    """Real and synthetic stand side by side and say which they are."""
    request = pages.site.submitted([stream("female 7\nmale 120\n")])
    pages.sign_in()
    html = pages.get(f"/requests/{request}")
    real, synthetic = re.split(r'<section class="side synthetic"', html.split('<section class="side real"')[1])
    assert "REAL" in real
    assert "female" in real
    assert "SYNTHETIC" in synthetic
    assert "synthetic" in words(synthetic)
    assert "<mark" in real, "the small count is marked"
    assert re.search(r"<mark[^>]*>7<sup>1</sup></mark>", real), "by a number, not by colour alone"
    assert "<mark" not in synthetic.split("</section>")[0]


def test_a_picture_is_for_reviewers_only_and_looks_are_recorded(pages: Pages) -> None:
    """A picture is served to reviewers only, and every look is recorded."""
    request = pages.site.submitted([picture(png())])
    pages.sign_in()
    reply = pages.browser.get(f"/requests/{request}/items/1/real.png")
    assert reply.headers["content-type"] == "image/png"
    assert reply.content == pages.site.review.content(A, request, 1, record=False)
    assert "content-disposition" not in reply.headers
    looks = [e.body for e in pages.site.ledger.entries(LedgerEvent.viewed)]
    assert looks[-1]["user"] == A
    assert looks[-1]["what"] == "real"


def test_text_is_not_served_as_a_file(pages: Pages) -> None:
    request = pages.site.submitted()
    pages.sign_in()
    assert pages.browser.get(f"/requests/{request}/items/1/real.png").status_code == 404
    assert "download" not in pages.get(f"/requests/{request}").lower()


def test_what_is_left_out_is_told_to_reviewers_with_the_reason(pages: Pages) -> None:
    request = pages.site.submitted([display(text_html="<b>", text_plain="x"), display(application_pdf="x")])
    pages.sign_in()
    shown = words(pages.get(f"/requests/{request}"))
    assert "application/pdf: not a form" in shown
    assert "text/plain of the same output stands for it" in shown


def test_an_empty_queue_says_so(pages: Pages) -> None:
    pages.sign_in()
    assert "Nothing waits for you." in pages.get("/")


def test_the_queue_does_not_open_ones_own_request(pages: Pages) -> None:
    request = pages.site.submitted(author=A)
    pages.sign_in()
    html = pages.get("/")
    assert request not in html
    assert "others review it" in html
    assert pages.browser.get(f"/requests/{request}").status_code == 403


NOT_THERE = ["/nope", "/requests/", "/docs", "/openapi.json", "/static/../app.py", "/static/%2e%2e/app.py", "/requests/x"]


@pytest.mark.parametrize("path", NOT_THERE)
def test_what_is_not_there_is_said_so_in_the_same_look(pages: Pages, path: str) -> None:
    pages.sign_in()
    reply = pages.browser.get(path)
    assert reply.status_code in (404, 405)
    assert "import" not in reply.text


# ---------------------------------------------------------------- what is done


def test_the_whole_way_without_javascript(pages: Pages) -> None:
    request = pages.site.submitted()
    for person in (A, B):
        pages.sign_in(person)
        reply = pages.post(f"/requests/{request}/items/1/mark", decision="approve")
        assert reply.headers["location"] == f"/requests/{request}#item-1"
        assert pages.post(f"/requests/{request}/hand-in").status_code == 303
    assert pages.site.state(request) is State.released
    assert "released as cell-7.txt" in words(pages.get(f"/requests/{request}"))


def test_the_button_that_hands_in_is_disabled_with_the_reason(pages: Pages) -> None:
    request = pages.site.submitted()
    pages.sign_in()
    html = pages.get(f"/requests/{request}")
    assert re.search(r'<button class="primary" disabled title="Decide on every item first: 1 of 1 to go\."', html)
    assert pages.post(f"/requests/{request}/hand-in").status_code == 403


def test_a_rejection_without_a_remark_is_not_recorded(pages: Pages) -> None:
    """A rejection without a remark is not recorded. The form keeps what the reviewer wrote."""
    request = pages.site.submitted([display(text_html="<b>")])
    pages.sign_in()
    reply = pages.post(f"/requests/{request}/items/1/mark", decision="approve", remark="looks fine", htmx=True)
    assert reply.status_code == 422
    assert "nothing here in a form" in reply.text
    assert "looks fine" in reply.text
    assert pages.post(f"/requests/{request}/items/1/mark", decision="reject").status_code == 422
    assert "vote" not in pages.site.kinds()


def test_htmx_gets_the_decision_and_nothing_of_the_item(pages: Pages) -> None:
    """htmx gets the decision and the bar, and nothing of the item."""
    request = pages.site.submitted([stream("secret rows\n")])
    pages.sign_in()
    reply = pages.post(f"/requests/{request}/items/1/mark", decision="approve", htmx=True)
    assert 'id="decision-1"' in reply.text
    assert "You have decided on 1 of 1 item." in words(reply.text)
    assert "secret rows" not in reply.text


def test_the_other_vote_shows_only_when_both_are_in(pages: Pages) -> None:
    request = pages.site.submitted()
    pages.site.reviewed(request, B, Decision.reject, "B's own words")
    pages.sign_in(A)
    html = pages.get(f"/requests/{request}")
    assert "own words" not in html
    assert not re.search(rf"\b{B}\b", html)
    pages.site.reviewed(request, A, Decision.reject)
    assert "own words" in pages.get(f"/requests/{request}")


def test_bytes_that_changed_are_not_shown_and_the_page_says_so(pages: Pages) -> None:
    request = pages.site.in_state(State.stopped)
    pages.sign_in()
    shown = words(pages.get(f"/requests/{request}"))
    assert "Stopped: nothing has left" in shown
    assert "tampered" not in shown
    assert "needs to be checked again" in words(pages.get("/"))


def test_a_failure_of_the_site_is_said_so_and_nothing_is_done(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    from twinpane_site.errors import LedgerError

    request = pages.site.submitted([stream("secret rows\n")])
    pages.sign_in()

    def full(*_: object) -> None:
        raise LedgerError("The ledger cannot be written, so nothing leaves.")

    monkeypatch.setattr(pages.site.ledger, "append", full)
    reply = pages.browser.get(f"/requests/{request}")
    assert reply.status_code == 503
    assert "secret rows" not in reply.text
    assert "Tell the steward" in reply.text
