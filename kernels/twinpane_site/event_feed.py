"""Feed the ledger's events to what watches the site: one JSON line for each line of the ledger, to a file or socket of this machine.

A line says when, which kind of event, who and in which project. It has no value, no digest of one, and not the ledger's hash: whoever knows
all of a line but a revealed number could find the number by trying. Only places of this machine can be named, so the hub cannot be one.

Each line comes at least once, in order. What cannot be delivered waits, and delays nothing else.
"""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Callable, Sequence

from .db import Database
from .errors import SiteError
from .ledger import Entry, Ledger, who

log = logging.getLogger(__name__)

MIGRATIONS = ("CREATE TABLE event_feed (destination TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT",)
"""Up to which line each destination has the events."""
EACH_S = 1.0
AT_ONCE = 500
"""Lines that are sent together, at most."""
WAIT_S = 5.0
"""Seconds that a socket may keep us waiting."""
PRIORITY = 10 * 8 + 6
"""Of syslog: messages on security, informational (RFC 5424, section 6.2.1)."""


def event_line(site: str, entry: Entry) -> str:
    """What is told of a line of the ledger."""
    told = {"site": site, "line": entry.seq, "time": entry.time, "event": entry.kind.value}
    more = {"who": who(entry.body), "project": str(entry.body.get("project", ""))}
    return json.dumps(told | {name: text for name, text in more.items() if text})


def _to_file(path: str, lines: Sequence[str]) -> None:
    # Opened anew each time, so that it can be moved away.
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o640)
    with open(file, "w", encoding="ascii") as opened:
        opened.writelines(f"{line}\n" for line in lines)


def _to_socket(path: str, lines: Sequence[str]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        end.settimeout(WAIT_S)
        end.connect(path)
        end.sendall("".join(f"{line}\n" for line in lines).encode())


def _to_syslog(path: str, lines: Sequence[str]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.settimeout(WAIT_S)
        end.connect(path)
        for line in lines:
            end.send(f"<{PRIORITY}>twinpane-site: {line}".encode())


WAYS: dict[str, Callable[[str, Sequence[str]], None]] = {"file": _to_file, "unix": _to_socket, "syslog": _to_syslog}
"""By the word that a destination begins with."""


class EventFeed:
    """The feed of one site to ``destination`` (``file:``, ``unix:`` or ``syslog:`` and an absolute path)."""

    def __init__(self, destination: str, site: str, db: Database, ledger: Ledger) -> None:
        self._destination = destination
        self._site = site
        self._db = db
        self._ledger = ledger
        self._failing = False
        db.migrate("event_feed", MIGRATIONS)

    async def run(self) -> None:
        """Until cancelled: send what is new each second."""
        while True:
            while await self.send_some() == AT_ONCE:
                pass
            await asyncio.sleep(EACH_S)

    async def send_some(self) -> int:
        """Send the next lines; how many. 0 as well where they could not be sent: the log says why, once."""
        try:
            after = self._sent()
            entries = list(self._ledger.entries(after=after, most=AT_ONCE))
            if not entries:
                return 0
            way, _, path = self._destination.partition(":")
            await asyncio.to_thread(WAYS[way], path, [event_line(self._site, entry) for entry in entries])
            with self._db.transaction() as connection:
                connection.execute("INSERT OR REPLACE INTO event_feed VALUES (?, ?)", (self._destination, entries[-1].seq))
        except (OSError, SiteError) as error:
            if not self._failing:
                log.error("the events cannot be sent to %s, so they wait: %s", self._destination, error)
            self._failing = True
            return 0
        self._failing = False
        return len(entries)

    def _sent(self) -> int:
        row = self._db.row("SELECT seq FROM event_feed WHERE destination = ?", (self._destination,))
        return int(row["seq"]) if row else 0


def feeds(destinations: Sequence[str], site: str, db: Database, ledger: Ledger) -> tuple[EventFeed, ...]:
    """A feed for each destination: one that fails holds up none of the others."""
    return tuple(EventFeed(each, site, db, ledger) for each in destinations)
