"""The site's database: all of a transaction or nothing of it, from any thread."""

import asyncio
import sqlite3
import threading

import pytest

from twinpane_site.db import Database
from twinpane_site.errors import StoreError

STEPS = ("CREATE TABLE t (a INTEGER PRIMARY KEY CHECK (a > 0)) STRICT;",)


@pytest.fixture
def db(tmp_path):
    opened = Database.open(tmp_path)
    opened.migrate("t", STEPS)
    yield opened
    opened.close()


def numbers(db):
    return [row["a"] for row in db.rows("SELECT a FROM t ORDER BY a")]


def test_nothing_of_a_failed_transaction_stays(db):
    with pytest.raises(StoreError, match="nothing was changed"), db.transaction() as connection:  # noqa: PT012 - the block is the transaction
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("INSERT INTO t VALUES (-1)")
    assert numbers(db) == []


def test_any_error_undoes_the_transaction_and_passes_through(db):
    with pytest.raises(KeyError), db.transaction() as connection:  # noqa: PT012 - the block is the transaction
        connection.execute("INSERT INTO t VALUES (1)")
        raise KeyError
    assert numbers(db) == []
    with db.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (2)")
    assert numbers(db) == [2]


def test_a_transaction_inside_another_commits_with_it(db, tmp_path):
    other = sqlite3.connect(tmp_path / "site.db")
    with db.transaction():
        with db.transaction() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
        assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert other.execute("SELECT count(*) FROM t").fetchone() == (1,)
    other.close()


def test_an_inner_transaction_that_fails_is_undone_by_itself(db):
    with db.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(StoreError), db.transaction():  # noqa: PT012 - the block is the transaction
            connection.execute("INSERT INTO t VALUES (2)")
            connection.execute("INSERT INTO t VALUES (-2)")
    assert numbers(db) == [1]


def test_after_commit_runs_only_once_it_is_durable(db):
    ran = []
    with db.transaction():
        db.after_commit(lambda: ran.append("kept"))
        with pytest.raises(KeyError), db.transaction():  # noqa: PT012 - the block is the transaction
            db.after_commit(lambda: ran.append("undone"))
            raise KeyError
        assert ran == []
    assert ran == ["kept"]
    with pytest.raises(KeyError), db.transaction():  # noqa: PT012 - the block is the transaction
        db.after_commit(lambda: ran.append("undone"))
        raise KeyError
    assert ran == ["kept"]


def synchronous(connection):
    return connection.execute("PRAGMA synchronous").fetchone()[0]


def test_only_what_may_come_again_is_not_synced(db):
    """The next commit is synced again, together with the earlier ones that were not."""
    full, normal = 2, 1
    with db.transaction(synced=False) as connection:
        assert synchronous(connection) == normal
        connection.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(StoreError, match="evidence"), db.transaction():
            pass
    with db.transaction() as connection:
        assert synchronous(connection) == full
        connection.execute("INSERT INTO t VALUES (2)")
        with db.transaction(synced=False):
            assert synchronous(connection) == full
    assert numbers(db) == [1, 2]


def test_threads_take_turns(db):
    def count_up():
        for _ in range(20):
            with db.transaction() as connection:
                highest = connection.execute("SELECT coalesce(max(a), 0) FROM t").fetchone()[0]
                connection.execute("INSERT INTO t VALUES (?)", (highest + 1,))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(db) == list(range(1, 81))


async def test_a_transaction_open_across_an_await_is_a_visible_defect(db):
    """A transaction left open across an await is a defect that shows."""
    inside = asyncio.Event()

    async def careless():
        with db.transaction():
            inside.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(careless())
    await inside.wait()
    with pytest.raises(StoreError, match="across an await"), db.transaction():
        pass
    await task


def test_migrations_run_once_and_in_order(tmp_path):
    first = Database.open(tmp_path)
    first.migrate("x", ("CREATE TABLE x (a INTEGER) STRICT;",))
    first.close()
    again = Database.open(tmp_path)
    again.migrate("x", ("CREATE TABLE x (a INTEGER) STRICT;", "ALTER TABLE x ADD COLUMN b TEXT; CREATE INDEX x_b ON x (b);"))
    assert again.rows("SELECT a, b FROM x") == []
    again.close()


def test_a_database_of_a_newer_twinpane_is_refused(tmp_path):
    db = Database.open(tmp_path)
    db.migrate("x", ("CREATE TABLE x (a INTEGER) STRICT;", "CREATE TABLE y (a INTEGER) STRICT;"))
    with pytest.raises(StoreError, match="newer Twinpane"):
        db.migrate("x", ("CREATE TABLE x (a INTEGER) STRICT;",))


def test_a_failed_migration_leaves_the_old_state(tmp_path):
    db = Database.open(tmp_path)
    with pytest.raises(StoreError):
        db.migrate("x", ("CREATE TABLE x (a INTEGER) STRICT;", "NONSENSE;"))
    assert db.rows("SELECT name FROM sqlite_master WHERE name = 'x'") == []


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "site.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        Database.open(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="cannot be used"):
        Database.open(tmp_path / "nowhere")


def test_the_database_is_readable_by_its_owner_alone(db, tmp_path):
    assert (tmp_path / "site.db").stat().st_mode & 0o777 == 0o600
