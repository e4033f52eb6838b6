"""The review as the agent opens it, and what it ships."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from review_factories import AUTHOR, Site, make_site

from twinpane_review.render import HERE
from twinpane_review.serve import Unattended
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
