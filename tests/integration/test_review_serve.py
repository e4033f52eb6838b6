"""The review as the agent opens it, and what it ships."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from review_factories import AUTHOR, Site, make_site

from twinpane_broker import Catalogue
from twinpane_review.open_request_limit import NOBODY, OpenRequestLimit
from twinpane_review.pages_process import identity_of
from twinpane_review.render import HERE
from twinpane_review.serve import Opened
from twinpane_review.submissions import Submissions
from twinpane_site.attempt_log import AttemptLog
from twinpane_site.config import Policy, ReviewAddress, SiteConfig
from twinpane_site.config import Site as SiteFolder
from twinpane_site.errors import LedgerError
from twinpane_site.ledger_events import LedgerEvent
from twinpane_wire.messages import ExportState


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site")


def submissions(site: Site) -> Submissions:
    """What the agent hands requests to; no worker is needed here."""
    limit = OpenRequestLimit(site.db, site.ledger, site.sent.append, site.clock, 20, lambda: bool(site.reviewers.now()))
    return Submissions(site.review, limit, None, AttemptLog(site.db, site.ledger), site.clock)


async def test_a_site_without_reviewers_turns_requests_down(site: Site) -> None:
    """With evidence, when the ask arrives. Who is named later gets the next request, without a restart."""
    desk, names = submissions(site), site.reviewers.now()
    asks = [site.ask() for _ in range(3)]
    assert await desk.admits(AUTHOR, "stroke", asks[0])
    site.reviewers.put((), "sten")
    assert not await desk.admits(AUTHOR, "stroke", asks[1])
    assert [(e.state, e.items, e.remark) for e in site.sent] == [(ExportState.rejected, (), NOBODY)]
    assert [e.body["state"] for e in site.ledger.entries(LedgerEvent.export)] == ["rejected"]
    assert await desk.admits(AUTHOR, "stroke", asks[0]), "one that was taken in is not turned down after a restart"
    site.reviewers.put(names, "sten")
    assert await desk.admits(AUTHOR, "stroke", asks[2])
    assert not await desk.admits(AUTHOR, "stroke", asks[1])
    assert len(site.sent) == 1


async def test_without_the_ledger_not_even_that_leaves(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise LedgerError("full")

    site.reviewers.put((), "sten")
    desk, ask = submissions(site), site.ask()
    monkeypatch.setattr(site.ledger, "append", full)
    task = asyncio.create_task(desk.admits(AUTHOR, "stroke", ask))
    await asyncio.wait([task], timeout=0.2)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert site.sent == []


def test_the_script_we_ship_is_the_one_its_licence_file_names() -> None:
    note = (HERE / "static" / "htmx.LICENSE.txt").read_text()
    assert hashlib.sha256((HERE / "static" / "htmx.min.js").read_bytes()).hexdigest() in note
    assert "Zero-Clause BSD" in note


ENVIRONMENT = {
    "TWINPANE_REVIEW_CLIENT_ID": "service-review-a", "TWINPANE_REVIEW_CLIENT_SECRET": "secret", "TWINPANE_HUB_PUBLIC_URL": "https://h",
}  # fmt: skip


@pytest.mark.parametrize(
    ("sign_in", "environment", "hub"),
    [
        ("site", ENVIRONMENT, ""),
        ("hub", ENVIRONMENT, "https://h"),
        ("hub", {**ENVIRONMENT, "TWINPANE_REVIEW_CLIENT_SECRET": ""}, ""),
        ("hub", {**ENVIRONMENT, "TWINPANE_HUB_PUBLIC_URL": "http://elsewhere"}, ""),
    ],
)
def test_the_hub_signs_in_only_by_the_stewards_word(site: Site, sign_in: str, environment: dict[str, str], hub: str) -> None:
    """Whatever the environment holds; and where the hub cannot be asked in safety, the site's own accounts are left."""
    address = ReviewAddress(port=8443, public_url="https://r.example/", sign_in=sign_in)
    config = SiteConfig(id="a", source="data", review=address)
    policy = Policy.model_validate({"rules": {"preset": "10-5", "threshold": 10}})
    whole = SiteFolder(site.folder, config, policy, Catalogue(site="a", snapshot="s", persons=100, tables=()))
    opened = Opened(submissions(site), site.policy, whole, environment)
    order = opened._order(address)
    assert (order.hub, order.published, order.policy) == (hub, {}, site.policy)
    assert (identity_of(order) is None) == (hub == "")
    assert order.client_secret == (environment["TWINPANE_REVIEW_CLIENT_SECRET"] if hub else "")
