"""Users of kernels: each member's own, kept, and what an agent needs that is not root."""

import os
import resource
from contextlib import nullcontext
from pathlib import Path

import pytest

from twinpane_sandbox import own_users as drawing
from twinpane_sandbox.limits import Limits
from twinpane_sandbox.own_users import MANY, is_one
from twinpane_site import own_users
from twinpane_site.errors import ConfigError
from twinpane_site.own_users import OF_AGENT, OF_KERNELS, OF_READERS, let_read, of_member, raise_own_limit

FIRST = 1_901_000_000
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it gives a folder away")


@root_only
def test_a_member_keeps_the_user_that_owns_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member keeps the user that owns the folder, and nobody else gets that user."""
    ana, ben = tmp_path / "heart" / "ana", tmp_path / "heart" / "ben"
    ana.mkdir(parents=True)
    number = of_member(ana, FIRST)
    assert is_one(FIRST, number)
    os.chown(ana, number, number)
    assert of_member(ana, FIRST) == number
    draws = iter([number - FIRST, number - FIRST, (number - FIRST + 1) % MANY])
    monkeypatch.setattr(drawing.secrets, "randbelow", lambda _: next(draws))
    assert of_member(ben, FIRST) == FIRST + (number - FIRST + 1) % MANY, "a number that is taken is drawn again"


def test_when_nobody_has_a_user_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members have no users of their own if the agent is not root, or if the steward says so."""
    assert of_member(tmp_path / "heart" / "x", 0) == 0
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert of_member(tmp_path / "heart" / "x", FIRST) == 0


def test_rows_are_let_read_only_behind_a_door_that_is_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's own folder, or both that hold the files: the snapshot's, and the links that a project sees instead."""
    monkeypatch.setattr(own_users, "_is_shut", lambda folder: folder.is_relative_to(tmp_path) and not folder.stat().st_mode & 0o077)
    snapshots, views = tmp_path / "snapshots", tmp_path / "views"
    for home in (snapshots, views):
        (home / "one").mkdir(parents=True)
    rows, link = snapshots / "one" / "person.parquet", views / "one" / "person.parquet"
    rows.touch(mode=0o400)
    link.hardlink_to(rows)
    for shut, allowed in (((), False), ((views,), False), ((snapshots,), False), ((snapshots, views), True), ((tmp_path,), True)):
        for folder in (tmp_path, snapshots, views, snapshots / "one", views / "one"):
            folder.chmod(0o700 if folder in shut else 0o755)
        rows.chmod(0o400)
        changed = rows.stat().st_mtime_ns
        with nullcontext() if allowed else pytest.raises(ConfigError, match="chmod 700"):
            let_read(views / "one", tmp_path)
        assert rows.stat().st_mode & 0o777 == (0o444 if allowed else 0o400)
        assert rows.stat().st_mtime_ns == changed, "the snapshot is as it was frozen"


def test_kernels_may_have_far_fewer_descriptors_than_senders() -> None:
    """Kernels may have far fewer descriptors than who sends beside them.

    A kernel stops at its own limit, give or take the 253 of the message that passes it.
    """
    assert Limits().open_files == OF_KERNELS
    assert 2 * OF_KERNELS <= OF_READERS < OF_AGENT


def test_an_agent_with_too_few_descriptors_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent with too low a limit of descriptors does not start, and says what to do."""
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: given.append(limits))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 4096))
    with pytest.raises(ConfigError, match="LimitNOFILE"):
        raise_own_limit()
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 1_048_576))
    raise_own_limit()
    assert given == [(4096, 4096), (OF_AGENT, 1_048_576)]
