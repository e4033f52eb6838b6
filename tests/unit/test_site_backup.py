"""A backup is taken while a site runs, and put back only where nothing that the site let out is forgotten."""

import json
import os
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from twinpane_cli.command import main
from twinpane_site import keys, ledger_verification
from twinpane_site.backup.restore import restore
from twinpane_site.backup.take import take
from twinpane_site.db import Database
from twinpane_site.errors import BackupError, ConfigError, KeyFault
from twinpane_site.instance_lock import only_one
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY_SEX, BY_WARD = "select sex, count(*) n from person group by sex", "select ward, count(*) n from person group by ward"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["site", *map(str, arguments)], catch_exceptions=False)


def ask(folder: Path, sql: str) -> str:
    """The release of a question, as JSON."""
    done = run("query", folder, sql, "--json")
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that answered one question. Beside it lie what a member's cell left, and a source that the backup has no need of."""
    data = tmp_path_factory.mktemp("data")
    rows = "SELECT i AS person_id, i % 2 AS sex, i % 3 AS ward FROM range(600) t(i)"
    duckdb.execute(f"COPY ({rows}) TO '{data}/person.parquet' (FORMAT parquet)")
    folder = tmp_path_factory.mktemp("site") / "north"
    assert run("init", folder, "--id", "north", "--data", data, "--project", "heart", "--member", "ana").exit_code == 0
    ask(folder, BY_SEX)
    return folder


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    shutil.copytree(model, tmp_path / "north")
    left = tmp_path / "north" / "projects" / "heart" / "ana"
    left.mkdir(parents=True)
    (left / "outward").symlink_to("/etc")
    (left / os.fsdecode(b"odd\n\xff")).write_bytes(b"bytes")
    os.mkfifo(left / "pipe")
    return tmp_path / "north"


@pytest.fixture
def backup(folder: Path, tmp_path: Path) -> Path:
    take(folder, tmp_path / "backup", True, NOW)
    return tmp_path / "backup"


def test_a_backup_on_another_path_answers_as_before(folder: Path, backup: Path, tmp_path: Path) -> None:
    """Ledger and memory hold, an old question gets the same bytes, a new one is answered beside what was released before."""
    before = ask(folder, BY_SEX)
    done = run("restore", backup, tmp_path / "other" / "site", "--accept-unproven")
    assert done.exit_code == 0, done.output
    there = tmp_path / "other" / "site"
    assert ledger_verification.verify(there).ok
    assert ask(there, BY_SEX) == before
    ask(there, BY_WARD)
    assert run("ledger", "verify", there).exit_code == 0
    with closing(sqlite3.connect(there / "site.db")) as db:
        [(body,)] = db.execute("SELECT body FROM ledger WHERE kind = 'restored'").fetchall()
    assert json.loads(body)["made"] == "2026-03-01T12:00:00+00:00"


def test_what_cells_left_comes_back_and_no_link_is_followed(folder: Path, backup: Path, tmp_path: Path) -> None:
    """Links stay links, names that are no text stay as they are, and in the backup itself there is no link at all."""
    assert not [path for path in backup.rglob("*") if path.is_symlink()]
    restore(backup, tmp_path / "other", NOW, unproven=True)
    left = tmp_path / "other" / "projects" / "heart" / "ana"
    assert sorted(os.listdir(os.fsencode(left))) == [b"odd\n\xff", b"outward"]
    assert os.readlink(left / "outward") == "/etc"
    for name in ("site.toml", "keys/site.key", "projects/heart/ana"):
        was, now = (folder / name).stat(), (tmp_path / "other" / name).stat()
        assert (was.st_mode, was.st_mtime_ns) == (now.st_mode, now.st_mtime_ns)


def test_the_private_key_is_in_only_if_asked_for(folder: Path, tmp_path: Path) -> None:
    """Without it a restore needs the file, and takes no other site's."""
    done = run("backup", folder, tmp_path / "b")
    assert done.exit_code == 0
    assert "no private key" in done.output
    assert not list((tmp_path / "b").rglob("site.key"))
    with pytest.raises(KeyFault, match="--key-file"):
        restore(tmp_path / "b", tmp_path / "other", NOW, unproven=True)
    keys.create(tmp_path / "strange")
    with pytest.raises(KeyFault, match="not the one"):
        restore(tmp_path / "b", tmp_path / "other", NOW, key=tmp_path / "strange" / "site.key", unproven=True)
    assert not (tmp_path / "other").exists()
    restore(tmp_path / "b", tmp_path / "other", NOW, key=folder / "keys" / "site.key", unproven=True)
    ask(tmp_path / "other", BY_SEX)


def test_an_older_backup_does_not_take_a_sites_place(folder: Path, backup: Path) -> None:
    """The site let something out since: a broker that has forgotten it could be differenced, and budgets would be spent twice."""
    ask(folder, BY_WARD)
    with pytest.raises(BackupError, match="older than what is known"):
        restore(backup, folder, NOW, unproven=True)
    ask(folder, BY_WARD)
    (folder / "site.db").write_bytes(b"damaged" * 1000)  # the head beside it still proves what there was
    with pytest.raises(BackupError, match="older than what is known"):
        restore(backup, folder, NOW, unproven=True)
    assert (folder / "site.db").read_bytes().startswith(b"damaged")


def test_a_memory_that_forgot_does_not_take_ones_place(folder: Path, backup: Path) -> None:
    """Also where the ledgers are equal: the memory that is there remembers something more."""
    with closing(sqlite3.connect(folder / "broker" / "memory.db")) as memory:
        memory.execute("INSERT INTO withheld VALUES ('heart', '2026-03-01', 'x')")
        memory.commit()
    with pytest.raises(BackupError, match="lacks 1 things"):
        restore(backup, folder, NOW)


def test_a_head_that_was_kept_proves_what_a_backup_lacks(folder: Path, backup: Path, tmp_path: Path) -> None:
    """On a new machine nothing but a head, or the steward's word, tells whether something left after the backup."""

    def head() -> tuple[int, str]:
        found = ledger_verification.verify(folder).head
        assert found is not None
        return found.seq, found.hash

    with pytest.raises(BackupError, match="--accept-unproven"):
        restore(backup, tmp_path / "other", NOW)
    then = head()
    ask(folder, BY_WARD)
    with pytest.raises(BackupError, match=f"does not have line {head()[0]} "):
        restore(backup, tmp_path / "other", NOW, head=head(), unproven=True)
    with pytest.raises(BackupError, match="does not have line"):
        restore(backup, tmp_path / "other", NOW, head=(then[0], "0" * 64))
    assert not (tmp_path / "other").exists()
    done = run("restore", backup, tmp_path / "other", "--head", *map(str, then), "--key", folder / "keys" / "site.pub")
    assert done.exit_code == 0, done.output


def test_a_damaged_site_is_replaced_and_kept_beside(folder: Path, backup: Path) -> None:
    """Where the backup has all that its head proves."""
    (folder / "broker" / "memory.db").write_bytes(b"damaged" * 1000)
    done = restore(backup, folder, NOW)
    assert done.before is not None
    assert (done.before / "broker" / "memory.db").read_bytes().startswith(b"damaged")
    ask(folder, BY_WARD)


def test_a_site_that_runs_is_not_replaced(folder: Path, backup: Path) -> None:
    with only_one(folder), pytest.raises(ConfigError, match="served already"):
        restore(backup, folder, NOW)


def test_a_folder_that_is_no_sites_is_not_replaced(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letters").touch()
    with pytest.raises(BackupError, match="no site's folder"):
        restore(backup, tmp_path / "home", NOW, unproven=True)
    assert os.listdir(tmp_path / "home") == ["letters"]


def _cut(memory: sqlite3.Connection) -> None:
    memory.execute("DELETE FROM person_set WHERE number = 1")


def _forget(memory: sqlite3.Connection) -> None:
    for table in ("answer", "person_set", "released", "value_set", "value_released", "charge", "row_count", "withheld"):
        memory.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize(("change", "words"), [(_cut, "the broker's memory is damaged"), (_forget, "does not know of 1 releases")])
def test_a_memory_with_a_gap_is_not_restored(folder: Path, tmp_path: Path, change, words) -> None:  # type: ignore[no-untyped-def]
    """Neither one that lost a row, nor one that is older than the ledger beside it, though the site itself signed the backup."""
    with closing(sqlite3.connect(folder / "broker" / "memory.db")) as memory:
        change(memory)
        memory.commit()
    take(folder, tmp_path / "b", True, NOW)
    with pytest.raises(BackupError, match=words):
        restore(tmp_path / "b", tmp_path / "other", NOW, unproven=True)


@pytest.mark.parametrize(
    "name",
    ["backup.json", "files.jsonl", "files/site.toml", "files/site.db", "files/broker/memory.db", "files/broker/persons/register.json"],
)
def test_a_changed_byte_anywhere_in_a_backup_is_seen(backup: Path, tmp_path: Path, name: str) -> None:
    content = bytearray((backup / name).read_bytes())
    content[len(content) // 2] ^= 1
    (backup / name).write_bytes(content)
    with pytest.raises(BackupError):
        restore(backup, tmp_path / "other", NOW, unproven=True)
    assert not (tmp_path / "other").exists()


def test_a_backup_of_another_site_is_refused(backup: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="another site"):
        restore(backup, tmp_path / "other", NOW, public_hex="0" * 64, unproven=True)


def test_nothing_is_overwritten_by_a_backup(folder: Path, backup: Path) -> None:
    assert "exists already" in run("backup", folder, backup).output
    assert "in the site's own folder" in run("backup", folder, folder / "backup").output


def test_a_backup_of_a_busy_site_holds_together(folder: Path, tmp_path: Path) -> None:
    """While lines are written and questions answered: each copy restores, and knows all that its own ledger names."""
    stop = threading.Event()

    def write() -> None:
        db = Database.open(folder)
        ledger = Ledger(db, keys.load(folder / "keys"))
        while not stop.is_set():
            ledger.append(LedgerEvent.stopped, {"reason": "x" * 1000}, NOW)
        db.close()

    busy = threading.Thread(target=write)
    busy.start()
    try:
        for number, ward in enumerate((0, 1)):
            ask(folder, f"select sex, count(*) n from person where ward = {ward} group by sex")
            made = take(folder, tmp_path / f"b{number}", True, NOW)
            done = restore(tmp_path / f"b{number}", tmp_path / f"r{number}", NOW, head=(made.head.seq, made.head.hash))
            assert done.before is None
    finally:
        stop.set()
        busy.join()


def test_the_command_prints_a_head_that_restore_takes(folder: Path, tmp_path: Path) -> None:
    said = run("backup", folder, tmp_path / "b", "--with-key").output
    found = re.search(r"(\d+) ([0-9a-f]{64})", said)
    assert found
    assert run("restore", tmp_path / "b", tmp_path / "r", "--head", found[1], found[2]).exit_code == 0
    assert run("restore", tmp_path / "b", tmp_path / "r2", "--head", found[1], "abc").exit_code == 2
