"""The retention rule: what is older than the policy says goes, and the ledger says so."""

from datetime import UTC, datetime, timedelta

import pytest

from twinpane_site import keys
from twinpane_site.config import HeldPolicy
from twinpane_site.db import Database
from twinpane_site.errors import StoreError
from twinpane_site.held import HeldLimits, HeldStore
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.mailbox import Mailbox
from twinpane_site.retention import delete_old
from twinpane_wire import messages as wire

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=100)
ANA = wire.Principal(user="ana", project="p")


@pytest.fixture
def site(tmp_path):
    db = Database.open(tmp_path)
    yield Ledger(db, keys.create(tmp_path / "keys")), HeldStore(db, HeldLimits(keep_free=0)), Mailbox(db)
    db.close()


def fill(held, mailbox):
    for session, time in (("a" * 32, OLD), ("b" * 32, NOW)):
        held.put(session, 1, [{"text": "row"}], time)
        mailbox.receive(session, ANA, 1, wire.Close(session=session), time)
        mailbox.close(session, time)


def test_what_is_old_goes_with_a_ledger_line_and_the_new_stays(site):
    """What is old goes with a line in the ledger, and what is new stays."""
    ledger, held, mailbox = site
    fill(held, mailbox)
    assert sum(delete_old(HeldPolicy(days=90), ledger, held, mailbox, NOW)) == 2
    assert held.get("a" * 32, 1) is None
    assert held.get("b" * 32, 1) is not None
    assert [entry.body["what"] for entry in ledger.entries(LedgerEvent.purged)] == ["held", "inbox"]


def test_nothing_old_leaves_no_line(site):
    assert not list(delete_old(HeldPolicy(days=90), *site, NOW))
    assert site[0].head() is None


def test_without_its_line_in_the_ledger_nothing_is_deleted(site, monkeypatch):
    ledger, held, mailbox = site
    fill(held, mailbox)

    def full(*_):
        raise StoreError("full")

    monkeypatch.setattr(ledger, "append", full)
    with pytest.raises(StoreError):
        list(delete_old(HeldPolicy(days=90), ledger, held, mailbox, NOW))
    assert held.get("a" * 32, 1)[1] == [{"text": "row"}]
