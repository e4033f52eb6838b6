"""Files that several processes of a site open at once, new or not."""

import contextlib
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from twinpane_ground import sqlite
from twinpane_site import db
from twinpane_site.db import Database
from twinpane_site.errors import StoreError

PROCESSES = 4
OPEN_SITE = """
import sys, time
from pathlib import Path
from twinpane_site.db import Database
sys.stdin.readline()
Database.open(Path(sys.argv[1])).close()
"""
OPEN_MEMORY = """
import sys
from pathlib import Path
from twinpane_broker.memory.sqlite_memory import SqliteMemory
sys.stdin.readline()
SqliteMemory(Path(sys.argv[1]) / "memory.db").close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", [OPEN_SITE, OPEN_MEMORY], ids=["site.db", "memory.db"])
def test_many_processes_open_a_new_file_at_once(tmp_path: Path, script: str) -> None:
    """Each of them gets it. Before, now and then one got *database is locked* at once; `make test` of a fresh clone failed so."""
    for trial in range(2):
        folder = tmp_path / str(trial)
        folder.mkdir()
        opening = [
            subprocess.Popen([sys.executable, "-I", "-c", script, str(folder)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        for process in opening:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        words = [process.communicate(timeout=60)[1] for process in opening]
        assert [process.returncode for process in opening] == [0] * PROCESSES, words


def test_a_new_file_that_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    """Turning to write-ahead logging waits as everything else does. Before, it failed after 0.2 ms of the 10 s that it was to wait."""
    holder = sqlite3.connect(tmp_path / "site.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    releasing = threading.Timer(0.3, lambda: holder.execute("ROLLBACK"))
    releasing.start()
    Database.open(tmp_path).close()
    releasing.join()
    holder.close()


def test_a_lock_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steward is told that another process holds the file, not to restore a backup."""
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(tmp_path / "site.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="Another process") as raised:
        Database.open(tmp_path)
    assert "backup" not in str(raised.value)
    holder.close()


def test_a_locked_file_is_waited_for_no_longer_than_said(tmp_path: Path) -> None:
    """A file that stays locked is waited for no longer than said, and the error names the lock."""
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("CREATE TABLE t (a)")
    with pytest.raises(sqlite3.OperationalError) as raised:
        sqlite.opened(tmp_path / "a.db", ("PRAGMA journal_mode = WAL",), 0.05)
    assert sqlite.is_busy(raised.value)
    holder.close()


def test_what_is_no_database_is_not_waited_for(tmp_path: Path) -> None:
    """Only a lock is tried again."""
    (tmp_path / "a.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        sqlite.opened(tmp_path / "a.db", ("PRAGMA journal_mode = WAL",), 30)
    assert not sqlite.is_busy(raised.value)


def test_a_private_file_is_its_owners_alone_old_or_new(tmp_path: Path) -> None:
    """Whatever the umask says, and its write-ahead log too. What a process holds locked stays so."""
    file = tmp_path / "some.sqlite"
    sqlite.private(file)
    first = sqlite.opened(file, ("pragma journal_mode = wal", "create table one (n int)"), seconds=1)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    file.chmod(0o644)
    first.execute("begin immediate")
    sqlite.private(file)
    assert file.stat().st_mode & 0o777 == 0o600
    with contextlib.closing(sqlite3.connect(file, timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
        other.execute("begin immediate")
    first.close()
