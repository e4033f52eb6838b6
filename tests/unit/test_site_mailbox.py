"""The link's boxes: taken in once, sent until received, and all of it there after kill -9."""

import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_site.db import Database
from twinpane_site.errors import StoreError
from twinpane_site.inbox_quota import OVERHEAD, InboxQuota
from twinpane_site.mailbox import Duplicate, Gap, Mailbox, New, Reason, Refused
from twinpane_wire import messages as wire

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
S = "a" * 32
ANA = wire.Principal(user="ana", project="p")
EVE = wire.Principal(user="eve", project="p")


@pytest.fixture
def box(tmp_path):
    made = Mailbox(Database.open(tmp_path))
    yield made
    made._db.close()


def cell(number, session=S, source="1"):
    return wire.Cell(session=session, cell=number, msg_id=f"m{number}", source=source)


def verdict(number, session=S):
    return wire.Verdict(session=session, cell=number, outcome="same", tick=0, left=1.0)


def opened(box, session=S, principal=ANA):
    box.receive(session, principal, 1, wire.Open(session=session, seed=1), NOON)
    return box


def again(tmp_path):
    return Mailbox(Database.open(tmp_path))


def test_messages_are_taken_in_once_and_in_order(box):
    assert box.receive(S, ANA, 1, cell(1), NOON) == New(1)
    assert box.receive(S, ANA, 1, cell(1), NOON) == Duplicate(1)
    assert box.receive(S, ANA, 3, cell(3), NOON) == Gap(1)
    assert box.receive(S, ANA, 2, cell(2), NOON) == New(2)
    assert box.receive(S, ANA, 1, cell(1), NOON) == Duplicate(2)
    assert box.taken_in(S) == [(1, cell(1)), (2, cell(2))]


def test_a_session_starts_with_its_first_message(box):
    assert box.receive(S, ANA, 2, cell(2), NOON) == Gap(0)
    assert box.session(S) is None


def test_a_message_is_on_the_disk_when_it_may_be_acknowledged(box, tmp_path):
    box.receive(S, ANA, 1, cell(1), NOON)
    assert again(tmp_path).taken_in(S) == [(1, cell(1))]


def test_several_messages_share_one_sync(box):
    taken = box.receive_many([(S, ANA, n, cell(n)) for n in (1, 2, 2, 3)] + [("b" * 32, EVE, 1, cell(1, "b" * 32))], NOON)
    assert taken == [New(1), New(2), Duplicate(2), New(3), New(1)]


def test_another_users_messages_do_not_enter_a_session(box):
    """Another user's messages do not enter a session, and do not harm the messages beside them."""
    box.receive(S, ANA, 1, cell(1), NOON)
    assert box.receive_many([(S, EVE, 2, cell(2)), (S, ANA, 2, cell(2))], NOON) == [Refused(Reason.foreign), New(2)]
    assert box.receive(S, EVE, 1, cell(1), NOON) == Refused(Reason.foreign)
    assert box.receive(S, wire.Principal(user="ana", project="q"), 3, cell(3), NOON) == Refused(Reason.foreign)


def test_a_session_stopped_for_sending_too_much_may_still_end(tmp_path):
    """A session that sends too much is stopped and may still end."""
    box = Mailbox(Database.open(tmp_path), InboxQuota(account=2 * OVERHEAD + 1000))
    assert box.receive(S, ANA, 1, cell(1), NOON) == New(1)
    assert box.receive(S, ANA, 2, cell(2, source="x" * 1000), NOON) == Refused(Reason.full)
    assert box.receive(S, ANA, 2, cell(2), NOON) == New(2)
    assert box.receive(S, ANA, 3, cell(3), NOON) == Refused(Reason.full)
    assert box.receive(S, ANA, 3, wire.Close(session=S), NOON) == New(3)


def test_a_closed_session_only_says_again_what_it_has(box):
    """A closed session takes nothing new, but says again what it has."""
    box.receive(S, ANA, 1, wire.Close(session=S), NOON)
    box.close(S, NOON)
    assert box.receive(S, ANA, 1, wire.Close(session=S), NOON) == Duplicate(1)
    assert box.receive(S, ANA, 2, cell(1), NOON) == Refused(Reason.closed)
    assert box.open_sessions() == []


def test_a_session_is_replayed_whole_and_in_order(box, tmp_path):
    box.receive_many([(S, ANA, n, cell(n)) for n in (1, 2, 3)], NOON)
    assert [n for n, _ in again(tmp_path).taken_in(S)] == [1, 2, 3]
    assert [(s.id, s.principal, s.received) for s in box.open_sessions()] == [(S, ANA, 3)]


def test_what_a_full_disk_refuses_is_new_when_it_comes_later(box):
    """A full disk takes nothing in, and the same message is new later."""
    box._db._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError):
        box.receive(S, ANA, 1, cell(1), NOON)
    box._db._connection.execute("PRAGMA query_only = OFF")
    assert box.receive(S, ANA, 1, cell(1), NOON) == New(1)


def test_messages_of_sessions_long_closed_are_forgotten(box):
    box.receive(S, ANA, 1, cell(1), NOON)
    box.receive("b" * 32, ANA, 1, cell(1, "b" * 32), NOON)
    box.close(S, NOON)
    assert box.room.forget_some(NOON + timedelta(days=1)) == 1
    assert box.room.forget_some(NOON + timedelta(days=1)) == 0
    assert box.taken_in(S) == []
    assert len(box.taken_in("b" * 32)) == 1
    assert box.receive(S, ANA, 1, cell(1), NOON) == Duplicate(1)


CROSSINGS = [
    verdict(1),
    wire.Reveal(session=S, cell=1, call=2, value=0.5, tick=1, left=2.0),
    wire.Export(session=S, request="c" * 32, state="rejected", remark="too small"),
]


def test_crossings_are_sent_until_they_are_received(box, tmp_path):
    """Crossings are sent until received: the same bytes, in the same order."""
    opened(box)
    for crossing in CROSSINGS:
        assert box.post(crossing, NOON)
    waiting = again(tmp_path).unreceived()
    assert [each.body for each in waiting] == CROSSINGS
    assert [each.id for each in waiting] == [wire.crossing_id(each) for each in CROSSINGS]
    box.received(S, [waiting[1].id])
    assert [each.body for each in again(tmp_path).unreceived(S)] == [CROSSINGS[0], CROSSINGS[2]]


def test_a_crossing_leaves_once_whatever_is_posted_after_it(box):
    """A second verdict on the same cell would be a second look at the rows."""
    opened(box)
    assert box.post(verdict(1), NOON)
    other = wire.Verdict(session=S, cell=1, outcome="differs", tick=3, left=1.0)
    assert not box.post(other, NOON)
    assert [each.body for each in box.unreceived()] == [verdict(1)]
    box.received(S, [wire.crossing_id(other)])
    assert not box.post(other, NOON)
    assert box.unreceived() == []
    assert box.posted(wire.crossing_id(other))


def test_nobody_receives_another_users_or_projects_crossings(box):
    """Nobody receives the crossings of another user or project."""
    opened(box)
    opened(box, "b" * 32, EVE)
    opened(box, "c" * 32, wire.Principal(user="ana", project="q"))
    box.post(verdict(1), NOON)
    for session in ("b" * 32, "c" * 32, "d" * 32):
        box.received(session, [wire.crossing_id(verdict(1))])
    box.received(S, ["verdict:unknown", ""])
    box.received(S, [wire.crossing_id(verdict(1))], EVE)
    assert len(box.unreceived()) == 1


def test_a_later_session_receives_an_exports_decision(box):
    """A later session of the author receives the decision on an export."""
    opened(box)
    box.post(CROSSINGS[2], NOON)
    opened(box, "b" * 32)
    box.received("b" * 32, [wire.crossing_id(CROSSINGS[2])])
    assert box.unreceived() == []


@pytest.mark.parametrize("message", [wire.Link(session=S, code="ack"), cell(1)])
def test_what_is_not_resent_does_not_enter_the_outbox(box, message):
    with pytest.raises(TypeError):
        box.post(message, NOON)


def test_a_crossing_of_an_undone_transaction_was_never_posted(box):
    """A crossing of a transaction that is undone was never posted."""
    with pytest.raises(KeyError), box._db.transaction():  # noqa: PT012 - the block is the transaction
        box.post(verdict(1), NOON)
        raise KeyError
    assert box.unreceived() == []


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 12), max_size=60))
def test_what_arrives_in_any_order_is_taken_in_exactly_once(tmp_path_factory, numbers):
    """Whatever arrives, in whatever order, is taken in exactly once."""
    box = Mailbox(Database.open(tmp_path_factory.mktemp("box")))
    expected = 0
    for n in numbers:
        outcome = box.receive(S, ANA, n, cell(n), NOON)
        if n == expected + 1:
            expected = n
            assert outcome == New(n)
        else:
            assert outcome == (Duplicate(expected) if n <= expected else Gap(expected))
    assert [n for n, _ in box.taken_in(S)] == list(range(1, expected + 1))
    box._db.close()


CHILD = """
    import sys
    from datetime import UTC, datetime
    from pathlib import Path
    from twinpane_site import keys
    from twinpane_site.db import Database
    from twinpane_site.ledger_events import LedgerEvent
    from twinpane_site.ledger import Ledger
    from twinpane_site.mailbox import Mailbox
    from twinpane_site.meter import Budget, Meter
    from twinpane_wire import messages as wire

    folder, now, session = Path(sys.argv[1]), datetime(2026, 3, 1, tzinfo=UTC), "a" * 32
    db = Database.open(folder)
    key = keys.load(folder / "keys")
    ledger, box, meter = Ledger(db, key), Mailbox(db), Meter(db, Budget(10_000, 10_000), lambda: now)
    principal = wire.Principal(user="ana", project="p")
    account = meter.account("ana", "p")
    for n in range(1, 100_000):
        box.receive(session, principal, n, wire.Cell(session=session, cell=n, msg_id="m", source="1"), now)
        print("ack", n, flush=True)
        name = f"verdict:{session}:{n}"
        account.reserve(name, 2)
        with db.transaction():
            left = account.spend(1, name)
            entry = {"session": session, "cell": n, "user": "ana", "project": "p", "outcome": "same", "tick": 0, "bits": 1}
            ledger.append(LedgerEvent.verdict, entry, now)
            box.post(wire.Verdict(session=session, cell=n, outcome="same", tick=0, left=left), now)
        print("sent", n, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 7, 30])
def test_after_kill_9_nothing_acknowledged_is_lost(tmp_path, lines):
    """After kill -9 no acknowledged message is lost, and ledger, meter and outbox agree."""
    from twinpane_site import keys, ledger_verification
    from twinpane_site.ledger import Ledger
    from twinpane_site.meter import Budget, Meter

    key = keys.create(tmp_path / "keys")
    script = textwrap.dedent(CHILD)
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        seen = [child.stdout.readline().split() for _ in range(lines)]
    finally:
        os.kill(child.pid, signal.SIGKILL)
        rest, _ = child.communicate()
    seen += [line.split() for line in rest.splitlines() if line.endswith(tuple("0123456789"))]
    acknowledged = max(int(n) for word, n in seen if word == "ack")
    sent = max((int(n) for word, n in seen if word == "sent"), default=0)

    db = Database.open(tmp_path)
    box, ledger = Mailbox(db), Ledger(db, key)
    session = box.session(S)
    assert session.received >= acknowledged
    crossings = [each.body.cell for each in box.unreceived()]
    assert crossings == list(range(1, len(crossings) + 1))
    assert len(crossings) >= sent
    assert [entry.body["cell"] for entry in ledger.entries()] == crossings
    assert Meter(db, Budget(10_000, 10_000), lambda: NOON).account("ana", "p").left_total == 10_000 - len(crossings)
    assert ledger_verification.verify(tmp_path).ok
    assert box.receive(S, ANA, session.received + 1, cell(session.received + 1), NOON) == New(session.received + 1)
    db.close()
