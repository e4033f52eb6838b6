"""Whoever sends what is refused cannot fill the ledger, and is counted all the same."""

from datetime import UTC, datetime

import pytest

from twinpane_site import keys, refusals
from twinpane_site.db import Database
from twinpane_site.errors import LedgerError
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.refusals import Refusals
from twinpane_wire.messages import LinkCode, Principal

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
S = "a" * 32
ANA = Principal(user="ana", project="p")


class Clock:
    """Seconds that the test tells."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path):
    db = Database.open(tmp_path)
    yield Ledger(db, keys.create(tmp_path / "keys"))
    db.close()


def lines(ledger):
    return [entry.body for entry in ledger.entries(LedgerEvent.refused)]


def test_of_a_flood_a_few_lines_and_the_number_are_written(ledger, clock):
    """Of a flood a few lines are written, and then how many there were. Before, each of them was a line and a sync of the disk."""
    made = Refusals(ledger, lambda: NOON, clock)
    for _ in range(10_000):
        made.note(LinkCode.unknown_session, ANA, S)
    assert lines(ledger) == [{"code": "unknown_session", "user": "ana", "project": "p", "session": S}] * refusals.EACH
    made.flush()
    assert len(lines(ledger)) == refusals.EACH
    clock.now = 60
    made.flush()
    made.flush()
    assert lines(ledger)[refusals.EACH :] == [{"code": "unknown_session", "user": "ana", "project": "p", "detail": "9995 more in a minute"}]
    made.note(LinkCode.unknown_session, ANA, S)
    assert lines(ledger)[-1]["session"] == S


def test_one_users_flood_leaves_others_lines(ledger, clock):
    """Up to the bound of all."""
    made = Refusals(ledger, lambda: NOON, clock)
    for _ in range(1000):
        made.note(LinkCode.unknown_session, ANA, S)
    made.note(LinkCode.no_project, Principal(user="ben", project="q"), S)
    assert lines(ledger)[-1] == {"code": "no_project", "user": "ben", "project": "q", "session": S}


def test_many_names_are_bounded_too(ledger, clock):
    """A hostile hub may name any number of users."""
    made = Refusals(ledger, lambda: NOON, clock)
    for number in range(5000):
        made.note(LinkCode.no_project, Principal(user=f"u{number}", project="p"), S)
    clock.now = 61
    made.flush()
    found = lines(ledger)
    assert len(found) == refusals.ALL + refusals.COUNTED + 1
    assert found[-1] == {"code": "any", "user": "any", "project": "any", "detail": "4890 more in a minute"}


@pytest.mark.slow
def test_what_cannot_be_written_is_not_forgotten(ledger, clock, monkeypatch):
    """A full disk delays the count."""
    made = Refusals(ledger, lambda: NOON, clock)
    for _ in range(10):
        made.note(LinkCode.unknown_session, ANA, S)
    clock.now = 60

    def full(*_):
        raise LedgerError("full")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", full)
        with pytest.raises(LedgerError):
            made.flush()
    made.flush()
    assert lines(ledger)[-1]["detail"] == "5 more in a minute"
