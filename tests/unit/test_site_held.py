"""The held store: it waits for reviewers, whole or plainly marked, and a full disk loses nothing."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from twinpane_site.db import Database
from twinpane_site.errors import HeldError
from twinpane_site.held import Held, HeldLimits, HeldStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSION = "a" * 32
MIB = 2**20


def outputs(*texts):
    return [{"output_type": "stream", "name": "stdout", "text": text} for text in texts]


def store_in(folder, **limits):
    free = limits.pop("free", None)
    return HeldStore(Database.open(folder), HeldLimits(**limits), free)


@pytest.fixture
def store(tmp_path):
    made = store_in(tmp_path, keep_free=0)
    yield made
    made._db.close()


def files_of(folder):
    return sorted(path.name for path in (folder / "held").rglob("*") if path.is_file())


def test_what_is_put_is_got(store):
    held = store.put(SESSION, 3, outputs("rows", "more"), NOON)
    found, items = store.get(SESSION, 3)
    assert found == held
    assert items == outputs("rows", "more")
    assert (held.outputs, held.dropped) == (2, 0)


def test_what_was_never_put_is_none(store):
    assert store.get(SESSION, 1) is None


def test_it_is_there_after_a_restart(store, tmp_path):
    store.put(SESSION, 3, outputs("rows"), NOON)
    assert store_in(tmp_path).get(SESSION, 3)[1] == outputs("rows")


def test_only_the_owner_can_look(store, tmp_path):
    old = os.umask(0)
    try:
        store.put(SESSION, 3, outputs("rows"), NOON)
    finally:
        os.umask(old)
    for path in [tmp_path / "held", *(tmp_path / "held").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_second_put_replaces_the_first(store, tmp_path):
    store.put(SESSION, 3, outputs("first"), NOON)
    store.put(SESSION, 3, outputs("second"), NOON)
    assert store.get(SESSION, 3)[1] == outputs("second")
    assert len(files_of(tmp_path)) == 1


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"outputs":7}', b'{"outputs":["rows"]}', b"{", b"[" * 100_000])
def test_what_is_not_in_the_form_of_outputs_is_damaged(store, content):
    """A reader that a hostile kernel took over can hand over anything; it is told as damage, and ends nobody who reads it."""
    told = Held(SESSION, 3, NOON, hashlib.sha256(content).hexdigest(), 1, len(content), 0)
    store.take(told, "", gzip.compress(content))
    with pytest.raises(HeldError, match="no outputs"):
        store.get(SESSION, 3)


def test_a_lone_surrogate_of_a_hostile_kernel_is_stored(store):
    store.put(SESSION, 3, outputs("\ud800"), NOON)
    assert store.get(SESSION, 3)[1] == outputs("\ud800")


def test_what_is_over_the_cell_s_cap_is_left_out_and_said_so(tmp_path):
    store = store_in(tmp_path, cell=10_000, keep_free=0)
    held = store.put(SESSION, 3, outputs("small", "x" * 20_000, "also small"), NOON, dropped=2)
    assert (held.outputs, held.dropped) == (2, 3)
    assert store.get(SESSION, 3)[1] == outputs("small", "also small")
    assert store.find(SESSION, 3).dropped == 3


def test_what_is_over_the_session_s_cap_is_left_out_and_said_so(tmp_path):
    store = store_in(tmp_path, session=10_000, keep_free=0)
    store.put(SESSION, 1, outputs("x" * 8_000), NOON)
    assert store.put(SESSION, 2, outputs("x" * 8_000), NOON).dropped == 1
    assert store.put("b" * 32, 1, outputs("x" * 8_000), NOON).dropped == 0


def test_what_lies_on_the_disk_counts_whatever_a_reader_told(tmp_path):
    """A reader that was taken over told 0 bytes of 60 MiB: twelve cells stored 720 MiB, and its member's share was 0."""
    store = store_in(tmp_path, member=3 * MIB, keep_free=0)
    for cell in range(1, 4):
        store.take(Held(SESSION, cell, NOON, "0" * 64, 1, 0, 0), "ana in p", os.urandom(MIB))
    with pytest.raises(HeldError, match="its member"):
        store.take(Held(SESSION, 4, NOON, "0" * 64, 1, 0, 0), "ana in p", os.urandom(MIB))
    assert store.room("b" * 32, "ana in p") == 0
    assert store.room("b" * 32, "ben in p") == 3 * MIB
    small = store_in(tmp_path, cell=MIB, keep_free=0)
    with pytest.raises(HeldError, match="of it"):
        small.take(Held("b" * 32, 1, NOON, "0" * 64, 1, 0, 0), "ben in p", os.urandom(2 * MIB))


def test_a_full_store_raises_and_says_what_to_do(tmp_path):
    store = store_in(tmp_path, store=1_000, keep_free=0)
    store.put(SESSION, 1, outputs(os.urandom(300).hex()), NOON)
    with pytest.raises(HeldError, match="store_mb"):
        store.put(SESSION, 2, outputs(os.urandom(2000).hex()), NOON)
    assert store.get(SESSION, 2) is None
    assert store.get(SESSION, 1) is not None


def test_the_last_part_of_the_disk_is_left_to_ledger_and_inbox(tmp_path):
    store = store_in(tmp_path, keep_free=1000, free=lambda folder: 1100)
    with pytest.raises(HeldError, match="kept free"):
        store.put(SESSION, 1, outputs(os.urandom(500).hex()), NOON)
    assert files_of(tmp_path) == []


def test_a_write_that_fails_loses_nothing_and_can_be_tried_again(store, tmp_path, monkeypatch):
    store.put(SESSION, 3, outputs("first"), NOON)
    fsync = os.fsync

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HeldError, match="No space left"):
        store.put(SESSION, 3, outputs("second"), NOON)
    assert store.get(SESSION, 3)[1] == outputs("first")
    assert len(files_of(tmp_path)) == 1
    monkeypatch.setattr(os, "fsync", fsync)
    store.put(SESSION, 3, outputs("second"), NOON)
    assert store.get(SESSION, 3)[1] == outputs("second")


def test_an_index_that_cannot_be_written_loses_nothing(store):
    store.put(SESSION, 3, outputs("first"), NOON)
    store._db._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(HeldError):
        store.put(SESSION, 3, outputs("second"), NOON)
    store._db._connection.execute("PRAGMA query_only = OFF")
    assert store.get(SESSION, 3)[1] == outputs("first")
    store.put(SESSION, 3, outputs("second"), NOON)
    assert store.get(SESSION, 3)[1] == outputs("second")


def test_a_really_full_disk_loses_nothing(tmp_path):
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs root: it mounts a tiny file system")
    try:
        db = Database.open(place)
        store = HeldStore(db, HeldLimits(keep_free=0), free=lambda folder: 10**12)  # the agent believes that there is room
        store.put(SESSION, 1, outputs("first"), NOON)
        big = outputs(os.urandom(2 * MIB).hex())
        with pytest.raises(HeldError, match="No space left"):
            store.put(SESSION, 2, big, NOON)
        assert store.get(SESSION, 1)[1] == outputs("first")
        assert store.get(SESSION, 2) is None
        store.put(SESSION, 2, outputs("small"), NOON)
        assert store.get(SESSION, 2)[1] == outputs("small")
        db.close()
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_file_that_was_changed_is_neither_shown_nor_released(store, tmp_path):
    store.put(SESSION, 3, outputs("real"), NOON)
    path = next((tmp_path / "held").rglob("*.gz"))
    import gzip

    path.write_bytes(gzip.compress(json.dumps({"dropped": 0, "outputs": outputs("forged")}).encode()))
    with pytest.raises(HeldError, match="changed since"):
        store.get(SESSION, 3)
    path.write_bytes(gzip.compress(b"x" * 1000)[:12] + b"garbage" * 10)
    with pytest.raises(HeldError, match="cannot be read"):
        store.get(SESSION, 3)
    path.write_bytes(b"garbage")
    with pytest.raises(HeldError, match="cannot be read"):
        store.get(SESSION, 3)
    path.unlink()
    with pytest.raises(HeldError, match="cannot be read"):
        store.get(SESSION, 3)


def test_the_retention_rule_deletes_what_is_old_and_nothing_else(store, tmp_path):
    store.put(SESSION, 1, outputs("old"), NOON - timedelta(days=100))
    store.put("b" * 32, 1, outputs("new"), NOON)
    assert store.purge(NOON - timedelta(days=90)) == 1
    assert store.get(SESSION, 1) is None
    assert store.get("b" * 32, 1)[1] == outputs("new")
    assert len(files_of(tmp_path)) == 1
    assert not (tmp_path / "held" / SESSION).exists()


@pytest.mark.parametrize("session", ["../x", "", ".", "a/b"])
def test_a_session_name_cannot_lead_out_of_the_store(store, session):
    with pytest.raises(HeldError):
        store.put(session, 1, outputs("x"), NOON)
