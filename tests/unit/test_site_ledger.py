"""The ledger: durable before anything leaves, and no line can be changed, taken out, moved or cut off unseen."""

import hashlib
import shutil
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_site import keys, ledger_verification
from twinpane_site.db import Database
from twinpane_site.errors import LedgerError, StoreError
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.ledger_head import LedgerHead, chain_hash

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def key(tmp_path):
    return keys.create(tmp_path / "keys")


@pytest.fixture
def book(tmp_path, key):
    db = Database.open(tmp_path)
    yield Ledger(db, key)
    db.close()


def fill(book, count=5):
    for number in range(count):
        book.append(LedgerEvent.closed, {"session": f"{number:032x}"}, NOON)


def tamper(folder, *statements):
    connection = sqlite3.connect(folder / "site.db")
    connection.execute("DROP TRIGGER ledger_is_never_changed")
    connection.execute("DROP TRIGGER ledger_is_never_cut")
    for statement in statements:
        connection.execute(*statement) if isinstance(statement, tuple) else connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_ledger_that_nobody_touched_holds(book, tmp_path):
    fill(book)
    report = ledger_verification.verify(tmp_path)
    assert report.ok
    assert report.entries == 5
    assert report.head == book.head()


def test_an_empty_ledger_holds(book, tmp_path):
    assert ledger_verification.verify(tmp_path).ok


def test_entries_come_back_as_they_were_written(book):
    written = book.append(LedgerEvent.grant, {"user": "ana", "project": "p", "bits": 2.5, "by": "steward"}, NOON)
    fill(book, 2)
    assert list(book.entries(LedgerEvent.grant)) == [written]
    assert [entry.seq for entry in book.entries(after=1)] == [2, 3]
    assert written.time == "2026-03-01T12:00:00.000000+00:00"


def test_an_entry_is_on_the_disk_when_append_returns(book, tmp_path):
    fill(book, 1)
    other = sqlite3.connect(tmp_path / "site.db")
    assert other.execute("SELECT count(*) FROM ledger").fetchone() == (1,)
    other.close()
    assert LedgerHead.read(tmp_path / "ledger.head").seq == 1


def test_entry_and_effect_are_durable_together_or_not_at_all(book, tmp_path):
    with pytest.raises(KeyError), book._db.transaction():  # noqa: PT012 - the block is the transaction
        fill(book, 2)
        raise KeyError
    assert book.head() is None
    assert ledger_verification.verify(tmp_path).ok


@pytest.mark.parametrize("line", [1, 3, 5])
@pytest.mark.parametrize(
    "change",
    [
        'body = \'{"session":"x"}\'',
        "time = '2020-01-01T00:00:00.000000+00:00'",
        "kind = 'opened'",
        f"hash = '{'0' * 64}'",
        f"prev = '{'1' * 64}'",
    ],
)
def test_a_changed_line_is_found_and_named(book, tmp_path, line, change):
    fill(book)
    tamper(tmp_path, f"UPDATE ledger SET {change} WHERE seq = {line}")
    report = ledger_verification.verify(tmp_path)
    assert not report.ok
    assert report.line == line
    assert f"line {line} was changed" in report.fault


def test_a_changed_line_with_a_fitting_hash_is_found_at_the_next(book, tmp_path):
    """A changed line whose hash was made to fit is found at the next."""
    fill(book)
    entry = list(book.entries())[2]
    body = '{"session":"x"}'
    tamper(tmp_path, ("UPDATE ledger SET body = ?, hash = ? WHERE seq = 3", (body, chain_hash(3, entry.prev, entry.time, "closed", body))))
    assert ledger_verification.verify(tmp_path).line == 4


def test_a_forged_last_line_is_not_what_the_head_names(book, tmp_path):
    """A last line with a forged hash does not match the signed head."""
    fill(book)
    entry = list(book.entries())[4]
    body = '{"session":"x"}'
    tamper(tmp_path, ("UPDATE ledger SET body = ?, hash = ? WHERE seq = 5", (body, chain_hash(5, entry.prev, entry.time, "closed", body))))
    report = ledger_verification.verify(tmp_path)
    assert (report.ok, report.line) == (False, 5)


@pytest.mark.parametrize("line", [1, 2, 4])
def test_a_missing_line_is_found_and_named(book, tmp_path, line):
    fill(book)
    tamper(tmp_path, f"DELETE FROM ledger WHERE seq = {line}")
    report = ledger_verification.verify(tmp_path)
    assert report.fault == f"line {line} is missing"


def test_lines_that_changed_places_are_found(book, tmp_path):
    fill(book)
    tamper(
        tmp_path,
        "UPDATE ledger SET seq = 99 WHERE seq = 2",
        "UPDATE ledger SET seq = 2 WHERE seq = 3",
        "UPDATE ledger SET seq = 3 WHERE seq = 99",
    )
    assert ledger_verification.verify(tmp_path).line == 2


def test_a_cut_tail_is_found_by_the_head_in_the_database(book, tmp_path):
    fill(book)
    tamper(tmp_path, "DELETE FROM ledger WHERE seq > 3")
    report = ledger_verification.verify(tmp_path)
    assert (report.ok, report.line) == (False, 4)
    assert "lines 4 to 5 are missing" in report.fault


def test_a_cut_tail_with_its_old_head_is_found_by_the_head_file(book, tmp_path):
    """A cut tail with its head put back is found by the head file."""
    fill(book, 3)
    head = book.head()
    fill(book, 2)
    tamper(
        tmp_path,
        "DELETE FROM ledger WHERE seq > 3",
        ("UPDATE ledger_head SET seq = ?, hash = ?, signature = ?", (head.seq, head.hash, head.signature)),
    )
    report = ledger_verification.verify(tmp_path)
    assert (report.ok, report.line) == (False, 4)
    assert "ledger.head names line 5" in report.fault


def test_an_emptied_ledger_is_found(book, tmp_path):
    fill(book)
    tamper(tmp_path, "DELETE FROM ledger", "DELETE FROM ledger_head")
    assert not ledger_verification.verify(tmp_path).ok


def test_a_missing_head_file_is_found(book, tmp_path):
    fill(book)
    (tmp_path / "ledger.head").unlink()
    assert "ledger.head is missing" in ledger_verification.verify(tmp_path).fault


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"seq":-1,"hash":"","signature":""}', '{"seq":"5","hash":"x","signature":"y"}', "\ud800"]
)
def test_a_head_file_that_is_none_is_found(book, tmp_path, text):
    fill(book)
    (tmp_path / "ledger.head").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert not ledger_verification.verify(tmp_path).ok


def test_a_head_that_another_key_signed_is_found(book, tmp_path):
    fill(book)
    head = book.head()
    forged = LedgerHead.sign(keys.create(tmp_path / "thief"), head.seq, head.hash)
    forged.write(tmp_path / "ledger.head")
    assert "not signed by this site's key" in ledger_verification.verify(tmp_path).fault
    head.write(tmp_path / "ledger.head")
    tamper(tmp_path, ("UPDATE ledger_head SET signature = ?", (forged.signature,)))
    assert "not signed by this site's key" in ledger_verification.verify(tmp_path).fault


def test_a_history_rewritten_under_another_key_fails(book, tmp_path, key):
    """A whole history rewritten with another key fails against the key known from elsewhere."""
    other = tmp_path / "forged"
    forged_key = keys.create(other / "keys")
    db = Database.open(other)
    fill(Ledger(db, forged_key), 2)
    db.close()
    assert ledger_verification.verify(other).ok
    assert not ledger_verification.verify(other, key.public_hex).ok


def test_a_damaged_or_missing_database_is_a_fault_not_a_crash(book, tmp_path):
    """A database that is damaged or gone is a fault, not a crash."""
    fill(book)
    book._db.close()
    (tmp_path / "site.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert not ledger_verification.verify(tmp_path).ok
    (tmp_path / "site.db").unlink()
    assert "missing" in ledger_verification.verify(tmp_path).fault


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET body = '{}'",
        "DELETE FROM ledger WHERE seq = 1",
        "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE seq = 1",
    ],
)
def test_the_database_itself_refuses_to_change_or_delete_lines(book, statement):
    fill(book)
    with pytest.raises(StoreError, match="append-only"), book._db.transaction() as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (LedgerEvent.closed, {}),
        (LedgerEvent.closed, {"session": "x", "row": 1}),
        (LedgerEvent.grant, {"user": "u"}),
        (LedgerEvent.closed, {"session": float("nan")}),
    ],
)
def test_a_body_that_does_not_fit_its_kind_is_refused(book, kind, body):
    with pytest.raises(LedgerError):
        book.append(kind, body, NOON)
    assert book.head() is None


def test_a_time_without_a_zone_is_refused(book):
    with pytest.raises(LedgerError, match="zone"):
        book.append(LedgerEvent.closed, {"session": "x"}, datetime(2026, 1, 1))


def test_a_database_that_cannot_be_written_changes_nothing(book, tmp_path):
    """A database that cannot be written raises and changes nothing."""
    fill(book, 2)
    book._db._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(LedgerError, match="nothing leaves"):
        fill(book, 1)
    book._db._connection.execute("PRAGMA query_only = OFF")
    fill(book, 1)
    report = ledger_verification.verify(tmp_path)
    assert (report.ok, report.entries) == (True, 3)


def test_after_a_full_disk_the_ledger_goes_on_once_there_is_room(book, tmp_path):
    """A full disk raises, and the ledger goes on once there is room."""
    fill(book, 2)
    connection = book._db._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match="full"):
        book.append(LedgerEvent.signed_in, {"user": "u" * 100_000}, NOON)
    assert ledger_verification.verify(tmp_path).entries == 2
    connection.execute("PRAGMA max_page_count = 100000")
    fill(book, 1)
    assert ledger_verification.verify(tmp_path).ok


def test_after_a_full_disk_no_piece_of_a_transaction_is_kept(book):
    """After a full disk, the rest of the transaction is not committed piece by piece."""
    connection = book._db._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError), book._db.transaction():  # noqa: PT012 - the block is the transaction
        fill(book, 1)
        with pytest.raises(LedgerError):
            book.append(LedgerEvent.signed_in, {"user": "u" * 100_000}, NOON)
        fill(book, 1)
    assert list(book.entries()) == []
    assert book.head() is None


def test_without_a_writable_head_file_no_further_entry_is_taken(book, tmp_path, monkeypatch):
    """Where the head file cannot be written, no further entry is taken."""

    def full(self, path):
        raise OSError(28, "No space left on device")

    fill(book, 1)
    write = LedgerHead.write
    monkeypatch.setattr(LedgerHead, "write", full)
    fill(book, 1)  # durable in the database, with its signed head
    with pytest.raises(LedgerError, match="No space left"):
        fill(book, 1)
    monkeypatch.setattr(LedgerHead, "write", write)
    fill(book, 1)
    report = ledger_verification.verify(tmp_path)
    assert (report.ok, report.entries) == (True, 3)


def test_a_head_file_that_lags_by_a_crash_holds_and_is_renewed(book, tmp_path, key):
    """A head file that lags by a crash holds and is brought up to date."""
    fill(book, 2)
    lagging = (tmp_path / "ledger.head").read_bytes()
    fill(book, 1)
    (tmp_path / "ledger.head").write_bytes(lagging)
    assert ledger_verification.verify(tmp_path).ok
    db = Database.open(tmp_path)
    Ledger(db, key)
    db.close()
    assert LedgerHead.read(tmp_path / "ledger.head").seq == 3


@pytest.mark.parametrize("damage", ["file", "tail", "head", "foreign"])
def test_a_ledger_that_does_not_hold_together_is_not_opened(book, tmp_path, key, damage):
    fill(book)
    match damage:
        case "file":
            (tmp_path / "ledger.head").unlink()
        case "tail":
            tamper(tmp_path, "DELETE FROM ledger WHERE seq = 5")
        case "head":
            tamper(tmp_path, "DELETE FROM ledger_head")
        case "foreign":
            key = keys.create(tmp_path / "foreign")
    db = Database.open(tmp_path)
    with pytest.raises(LedgerError, match="ledger verify"):
        Ledger(db, key)
    db.close()


def test_two_processes_and_many_threads_write_one_chain(book, tmp_path, key):
    other_db = Database.open(tmp_path)
    other = Ledger(other_db, key)
    threads = [threading.Thread(target=fill, args=(each, 20)) for each in (book, book, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other_db.close()
    report = ledger_verification.verify(tmp_path)
    assert (report.ok, report.entries) == (True, 60)


def test_every_kind_says_when_it_is_written_and_has_fields():
    for kind in LedgerEvent:
        assert kind.__doc__
        assert kind.allowed
        assert kind.fault(dict.fromkeys(kind.allowed, "x")) is None
    assert len({kind.value for kind in LedgerEvent}) == len(LedgerEvent)


def test_every_crossing_but_the_links_own_has_its_evidence():
    """Every crossing but the link itself has a kind of evidence."""
    from twinpane_wire.messages import CROSSINGS

    evidence = {
        "catalogue": LedgerEvent.published,
        "standing": LedgerEvent.standing,
        "release": LedgerEvent.release,
        "verdict": LedgerEvent.verdict,
        "reveal": LedgerEvent.reveal,
        "export": LedgerEvent.export,
    }
    assert evidence.keys() == CROSSINGS.keys() - {"link"}


@settings(max_examples=40, deadline=None)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_no_changed_byte_of_a_body_or_hash_goes_unseen(tmp_path_factory, position, value):
    folder = _template(tmp_path_factory)
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    connection = sqlite3.connect(copy / "site.db")
    rows = [list(row) for row in connection.execute("SELECT seq, prev, time, kind, body, hash FROM ledger ORDER BY seq")]
    connection.close()
    row = rows[position % len(rows)]
    column = 1 + (position // 7) % 5
    text = row[column]
    at = position % len(text)
    changed = text[:at] + chr(value) + text[at + 1 :]
    names = ("seq", "prev", "time", "kind", "body", "hash")
    tamper(copy, (f"UPDATE ledger SET {names[column]} = ? WHERE seq = ?", (changed, row[0])))
    assert ledger_verification.verify(copy).ok == (changed == text)


_made = []


def _template(factory):
    if not _made:
        folder = factory.mktemp("ledger") / "site"
        key = keys.create(folder / "keys")
        db = Database.open(folder)
        fill(Ledger(db, key), 4)
        db.close()
        _made.append(folder)
    return _made[0]


def test_the_hash_of_an_entry_is_over_its_published_form():
    form = b'twinpane-ledger:1\n[1,"p","t","k","{}"]'
    assert chain_hash(1, "p", "t", "k", "{}") == hashlib.sha256(form).hexdigest()


APPENDING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from twinpane_site import keys
from twinpane_site.db import Database
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.ledger import Ledger
folder = Path(sys.argv[1])
ledger = Ledger(Database.open(folder), keys.load(folder / "keys"))
for n in range(20):
    ledger.append(LedgerEvent.stopped, {"reason": f"{sys.argv[2]} {n}"}, datetime.now(UTC))
"""


def test_several_processes_append_in_turns(tmp_path):
    """Agent, review pages and commands write one chain, and none puts an older head over a newer one."""
    key = keys.create(tmp_path / "keys")
    command = [sys.executable, "-I", "-c", APPENDING, str(tmp_path)]
    running = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in ("agent", "pages", "command")]
    words = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], words
    db = Database.open(tmp_path)
    assert [entry.seq for entry in Ledger(db, key).entries()] == list(range(1, 61))
    assert LedgerHead.read(tmp_path / "ledger.head").seq == 60
    assert ledger_verification.verify(tmp_path, key.public_hex).ok
    db.close()


def test_an_older_head_replaces_only_a_forged_one(tmp_path):
    """A later head from another process stays. A head that the key did not sign is no head."""
    key, path = keys.create(tmp_path / "keys"), tmp_path / "ledger.head"
    newer, older = LedgerHead.sign(key, 9, "a" * 64), LedgerHead.sign(key, 8, "b" * 64)
    newer.advance(path, key.public_hex)
    older.advance(path, key.public_hex)
    assert LedgerHead.read(path) == newer
    LedgerHead(99, "c" * 64, "d" * 128).write(path)
    older.advance(path, key.public_hex)
    assert LedgerHead.read(path) == older
