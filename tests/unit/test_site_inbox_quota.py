"""What the inbox keeps: bounded for each user and project and for all, by what came from outside alone, and not for ever."""

import asyncio
import base64
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from twinpane_site import keys, mailbox
from twinpane_site.config import HeldPolicy
from twinpane_site.db import Database
from twinpane_site.disk_space import DiskSpace
from twinpane_site.errors import StoreError
from twinpane_site.held import HeldLimits, HeldStore
from twinpane_site.inbox_quota import OVERHEAD, InboxQuota
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.mailbox import Mailbox, New, Reason, Refused
from twinpane_site.retention import Retention
from twinpane_wire import messages as wire

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ANA, BEN = wire.Principal(user="ana", project="p"), wire.Principal(user="ben", project="p")
KIB = 1024
MIB = 2**20
SOURCE = "print('Größe', \"\\u2028\", '\U0001f600')"


def session(number: int) -> str:
    return f"{number:032x}"


def pushed(of: str, number: int = 1, size: int = 8 * KIB, source: str = SOURCE) -> wire.Cell:
    """A cell that carries a file of that many characters."""
    content = base64.b64encode(b"x" * (size * 3 // 4)).decode()
    files = (wire.WorkspaceFile(path="data.csv", content=content),)
    return wire.Cell(session=of, cell=number, msg_id="m", source=source, files=files)


def run_through(box: Mailbox, of: str, principal: wire.Principal = ANA, size: int = 8 * KIB, at: datetime = NOON) -> list[object]:
    """A session that opens, sends one cell with a file, and closes."""
    messages = (wire.Open(session=of, seed=1), pushed(of, size=size), wire.Close(session=of))
    outcomes = [box.receive(of, principal, n, message, at) for n, message in enumerate(messages, 1)]
    box.close(of, at)
    return outcomes


@pytest.fixture
def db(tmp_path):
    opened = Database.open(tmp_path)
    yield opened
    opened.close()


def test_sessions_opened_again_and_again_keep_within_the_quota(db):
    """Before, the quota was each session's own: three sessions grew the database from 10 to 231 MiB, and it stayed so for 90 days."""
    box = Mailbox(db, InboxQuota(account=100 * KIB))
    for number in range(25):
        assert run_through(box, session(number)) == [New(1), New(2), New(3)]
    kept = db.row("SELECT sum(length(body)) n FROM inbox")["n"]
    assert kept < 100 * KIB
    assert db.row("SELECT max(bytes) n FROM session")["n"] <= 100 * KIB


def test_closed_sessions_make_room_by_what_is_not_code(db):
    """The code that ran stays to be read by reviewers, to the letter."""
    box = Mailbox(db, InboxQuota(account=40 * KIB))
    for number in range(8):
        run_through(box, session(number))
    for number in range(8):
        [(_, opened), (n, cell)] = box.taken_in(session(number))[:2]
        assert isinstance(opened, wire.Open)
        assert (n, cell.source) == (2, SOURCE)
    assert box.taken_in(session(0))[1][1].files == ()
    assert len(box.taken_in(session(7))[1][1].files) == 1


def test_open_sessions_make_no_room_and_a_full_inbox_refuses(db):
    """What an open session sent may still be needed."""
    box = Mailbox(db, InboxQuota(account=15 * KIB))
    box.receive(session(1), ANA, 1, wire.Open(session=session(1), seed=1), NOON)
    assert box.receive(session(1), ANA, 2, pushed(session(1)), NOON) == New(2)
    assert box.receive(session(1), ANA, 3, pushed(session(1), 2), NOON) == Refused(Reason.full)
    assert run_through(box, session(2), BEN)[0] == New(1), "another user's quota is another"


def test_all_users_together_have_a_quota_too(db):
    """Many accounts cannot do what one cannot."""
    box = Mailbox(db, InboxQuota(site=60 * KIB))
    users = [wire.Principal(user=f"u{number}", project="p") for number in range(20)]
    outcomes = [box.receive(session(n), user, 1, pushed(session(n)), NOON) for n, user in enumerate(users)]
    assert outcomes[0] == New(1)
    assert outcomes[-1] == Refused(Reason.full)
    assert db.row("SELECT sum(bytes) n FROM session")["n"] <= 60 * KIB


def test_a_request_is_kept_for_its_work_and_goes_after_a_day(db):
    """A request is kept while it may be worked on, and goes after a day. Making room at once does not take what was asked for."""
    box = Mailbox(db, InboxQuota(account=30 * KIB))
    ask = wire.ExportAsk(session=session(1), request="e" * 32, purpose="p", items=(wire.ExportItem(cell=1),))
    box.receive(session(1), ANA, 1, pushed(session(1)), NOON)
    box.receive(session(1), ANA, 2, ask, NOON)
    box.close(session(1), NOON)
    for number in range(2, 5):
        run_through(box, session(number))
    assert box.taken_in(session(1))[-1] == (2, ask)
    while box.room.strip_some(NOON + DAY):
        pass
    assert [n for n, _ in box.taken_in(session(1))] == [1]


def test_what_is_deleted_is_counted_off(db):
    """After everything is forgotten the quota is whole again."""
    box = Mailbox(db)
    run_through(box, session(1))
    run_through(box, session(2))
    assert box.room.unused() < box.room.quota.site
    while box.room.strip_some(NOON + DAY):
        pass
    while box.room.forget_some(NOON + DAY):
        pass
    assert box.room.unused() == box.room.quota.site
    assert db.rows("SELECT * FROM inbox") == []


@pytest.mark.slow
async def test_the_database_becomes_smaller(tmp_path, monkeypatch):
    """Files of closed sessions go after a day, and the disk has their space again; code stays."""
    monkeypatch.setattr("twinpane_site.retention.PAUSE_S", 0)
    db = Database.open(tmp_path)
    box, ledger = Mailbox(db), Ledger(db, keys.create(tmp_path / "keys"))
    for number in range(6):
        run_through(box, session(number), size=4 * MIB)
    large = (tmp_path / "site.db").stat().st_size
    now = NOON + DAY + timedelta(seconds=1)
    await Retention(HeldPolicy(), db, ledger, HeldStore(db, HeldLimits(keep_free=0)), box, lambda: now).once()
    db.close()
    assert large > 20 * MIB
    assert (tmp_path / "site.db").stat().st_size < MIB
    assert {entry["what"] for entry in bodies(tmp_path)} == {"bulk"}


def bodies(folder):
    """Bodies of the ledger's lines on what was deleted."""
    db = Database.open(folder)
    try:
        return [entry.body for entry in Ledger(db, keys.load(folder / "keys")).entries(LedgerEvent.purged)]
    finally:
        db.close()


@pytest.mark.slow
async def test_deleting_lets_others_write_in_between(tmp_path):
    """A large inbox is deleted in pieces: no write waits for all of them."""
    db = Database.open(tmp_path)
    box, ledger = Mailbox(db), Ledger(db, keys.create(tmp_path / "keys"))
    for number in range(6):
        run_through(box, session(number), size=8 * MIB)
    retention = Retention(HeldPolicy(), db, ledger, HeldStore(db, HeldLimits(keep_free=0)), box, lambda: NOON + 2 * DAY)
    deleting, others = asyncio.create_task(retention.once()), 0
    while not deleting.done():
        others += isinstance(box.receive(session(99), BEN, others + 1, pushed(session(99), others + 1, 10), NOON), New)
        await asyncio.sleep(0.02)
    await deleting
    assert others > 5
    db.close()


def test_held_outputs_leave_what_the_inbox_may_still_take(tmp_path):
    """So whether a message is taken in depends on messages alone, whatever kernels print."""
    db = Database.open(tmp_path)
    db.space = DiskSpace(tmp_path, keep_free=10 * MIB, free=lambda _: 40 * MIB)
    box = Mailbox(db, InboxQuota(site=20 * MIB))
    held = HeldStore(db, HeldLimits(keep_free=10 * MIB))
    held.put(session(1), 1, [{"text": "row"}], NOON)
    db.space.check(9 * MIB)
    with pytest.raises(StoreError, match="kept free"):
        db.space.check(11 * MIB)
    run_through(box, session(1), size=4 * MIB)
    db.space.check(13 * MIB)
    db.close()


def test_an_inbox_of_before_is_taken_over(tmp_path):
    """Its messages are counted, and what of them is not code goes too."""
    db = Database.open(tmp_path)
    db.migrate("mailbox", mailbox.MIGRATIONS[:1])
    body = pushed(session(1)).model_dump_json()
    with db.transaction() as connection:
        connection.execute(
            "INSERT INTO session (id, user, project, opened, closed, received, bytes) VALUES (?, 'ana', 'p', ?, ?, 1, 7)",
            (session(1), NOON.isoformat(), NOON.isoformat(timespec="microseconds")),
        )
        connection.execute("INSERT INTO inbox VALUES (?, 1, ?, ?)", (session(1), NOON.isoformat(), body))
    box = Mailbox(db)
    assert box.room.quota.site - box.room.unused() == len(body.encode()) + OVERHEAD
    assert box.room.strip_some(NOON + DAY) == 1
    assert box.taken_in(session(1))[0][1].files == ()
    db.close()


def test_a_file_made_to_give_space_back_is_one_from_the_start(tmp_path):
    """SQLite sets that before the first table, or never."""
    Database.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "site.db")
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()
