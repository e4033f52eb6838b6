"""What watches a site gets the ledger's events, in order and at least once, and no value of any."""

import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from twinpane_site import keys
from twinpane_site.config import SiteConfig
from twinpane_site.db import Database
from twinpane_site.event_feed import EventFeed
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent

NOW = datetime(2030, 1, 1, tzinfo=UTC)
REVEALED = {
    "session": "s" * 8, "cell": "c1", "call": 0, "user": "ana", "project": "heart", "name": "the-name", "digits": 3, "value": 98765,
    "tick": 4, "bits": 9.25,
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[tuple[Database, Ledger]]:
    (tmp_path / "site").mkdir()
    key = keys.create(tmp_path / "site" / "keys")
    db = Database.open(tmp_path / "site")
    found = Ledger(db, key)
    found.append(LedgerEvent.opened, {"session": "s" * 8, "user": "ana", "project": "heart", "seed": 4321}, NOW)
    found.append(LedgerEvent.reveal, REVEALED, NOW)
    yield db, found
    db.close()


async def test_a_line_of_the_feed_has_kind_and_person_but_no_value(ledger: tuple[Database, Ledger], tmp_path: Path) -> None:
    """A SIEM learns that something was revealed, by whom and when: not what, and no hash by which it could be found out."""
    feed = EventFeed(f"file:{tmp_path}/events", "north", *ledger)
    assert await feed.send_some() == 2
    lines = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["opened", "reveal"]
    assert lines[1] == {
        "site": "north", "line": 2, "time": "2030-01-01T00:00:00.000000+00:00", "event": "reveal", "who": "ana", "project": "heart",
    }  # fmt: skip


async def test_what_cannot_be_delivered_waits_and_comes_in_order(ledger: tuple[Database, Ledger], tmp_path: Path) -> None:
    """A collector that is down for a while misses nothing; each destination has a place of its own in the ledger."""
    db, lines = ledger
    feed = EventFeed(f"unix:{tmp_path}/collector", "north", db, lines)
    assert await feed.send_some() == 0
    assert await EventFeed(f"file:{tmp_path}/events", "north", db, lines).send_some() == 2
    with socket.socket(socket.AF_UNIX) as collector:
        collector.bind(str(tmp_path / "collector"))
        collector.listen()
        assert await feed.send_some() == 2
        came, _ = collector.accept()
        with came, came.makefile() as said:
            assert [json.loads(line)["line"] for line in said] == [1, 2]
        assert await EventFeed(f"unix:{tmp_path}/collector", "north", db, lines).send_some() == 0


async def test_syslog_gets_a_datagram_for_each_line(ledger: tuple[Database, Ledger], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(tmp_path / "log"))
        assert await EventFeed(f"syslog:{tmp_path}/log", "north", *ledger).send_some() == 2
        assert syslog.recv(2000).startswith(b'<86>twinpane-site: {"site": "north", "line": 1, ')


async def test_a_pipe_that_nobody_reads_holds_nothing_up(ledger: tuple[Database, Ledger], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events")
    assert await EventFeed(f"file:{tmp_path}/events", "north", *ledger).send_some() == 0


@pytest.mark.parametrize(
    "key", [{"events": ["tcp:hub.example.org:514"]}, {"events": ["https://hub.example.org"]}, {"events": ["file:relative"]},
            {"metrics": "0.0.0.0:9100"}, {"metrics": "hub.example.org:9100"}, {"metrics": "127.0.0.1:0"}],
)  # fmt: skip
def test_only_places_of_this_machine_can_be_named(key: dict[str, object]) -> None:
    """At the hub, events and numbers of a site would be a crossing that no rule bounds."""
    with pytest.raises(ValidationError):
        SiteConfig.model_validate({"id": "north", "source": "data", **key})
