"""The review as the agent opens it, and what it ships."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from review_factories import AUTHOR, Site, make_site

from twinpane_broker import Catalogue
from twinpane_review.pages_process import identity_of
from twinpane_review.render import HERE
from twinpane_review.serve import Opened, Unattended
from twinpane_site.config import Policy, ReviewAddress, SiteConfig
from twinpane_site.config import Site as SiteFolder
from twinpane_site.errors import LedgerError
from twinpane_site.exports import Asked
from twinpane_site.ledger_events import LedgerEvent
from twinpane_wire.messages import ExportState


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site")


def asked(site: Site) -> Asked:
    return Asked(AUTHOR, "stroke", site.ask(), lambda: b"", tuple)


async def test_a_site_without_reviewers_turns_requests_down(site: Site) -> None:
    """A site without reviewers turns requests down with evidence."""
    await Unattended(site.db, site.ledger, site.sent.append, site.clock).submit(asked(site))
    assert [(e.state, e.items) for e in site.sent] == [(ExportState.rejected, ())]
    assert [e.body["state"] for e in site.ledger.entries(LedgerEvent.export)] == ["rejected"]


async def test_without_the_ledger_not_even_that_leaves(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise LedgerError("full")

    monkeypatch.setattr(site.ledger, "append", full)
    task = asyncio.create_task(Unattended(site.db, site.ledger, site.sent.append, site.clock).submit(asked(site)))
    await asyncio.wait([task], timeout=0.2)
    assert not task.done()
    task.cancel()
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
    opened = Opened(Unattended(site.db, site.ledger, site.sent.append, site.clock), site.policy, whole, environment)
    order = opened._order(address)
    assert (order.hub, order.published, order.policy) == (hub, {}, site.policy)
    assert (identity_of(order) is None) == (hub == "")
    assert order.client_secret == (environment["TWINPANE_REVIEW_CLIENT_SECRET"] if hub else "")
