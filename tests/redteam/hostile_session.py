"""A hostile outside with a hostile inside, at one real agent: sessions and cells by hand, and a look at what is left of it all."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from harness.stopwatch import Stopwatch
from twinpane_wire import messages as wire
from twinpane_wire.canonical import DisplayNames, Outputs

from .timing.measure import agent

SAID_NOTHING = Outputs(DisplayNames()).digest("twin")
FLOOD = """\
import time
kernel = get_ipython().kernel
parent = kernel.get_parent('shell')
until = time.time() + {seconds}
while time.time() < until:
    kernel.session.send(kernel.iopub_socket, 'stream', {{'name': 'stdout', 'text': 'x' * 200}}, parent=parent)
"""
"""Messages without end and without a pause, over the kernel's own socket."""


@dataclass
class Guest:
    """One session, driven by hand."""

    watch: Stopwatch
    session: str = field(default_factory=lambda: os.urandom(16).hex())
    n: int = 0
    cells: int = 0

    def open(self) -> "Guest":
        """Open it, and wait until it is acknowledged."""
        self.send(wire.Open(session=self.session, seed=1))
        self.until(lambda body: body.get("code") == "opened")
        return self

    def send(self, body: Any) -> int:
        """Send the session's next message; returns when, in nanoseconds of the clock."""
        self.n += 1
        return self.watch.send(self.n, body)

    def run(self, source: str, twin: bool = True, **more: Any) -> int:
        """Send a cell whose clear run said nothing, or has not ended; returns its number."""
        self.cells += 1
        self.send(wire.Cell(session=self.session, cell=self.cells, msg_id=f"m{self.cells}", source=source, **more))
        if twin:
            self.send(wire.Twin(session=self.session, cell=self.cells, outputs=SAID_NOTHING, calls=0))
        return self.cells

    def verdict(self, cell: int, seconds: float = 60) -> dict[str, Any]:
        """Wait for a cell's verdict."""
        return self.until(lambda body: body.get("kind") == "verdict" and body["cell"] == cell, seconds)

    def until(self, wanted: Any, seconds: float = 60) -> dict[str, Any]:
        """Wait for a crossing of this session."""
        for seen in self.watch.seen:
            if seen.body.get("session") == self.session and wanted(seen.body):
                return seen.body
        return self.watch.until(lambda body: body.get("session") == self.session and wanted(body), seconds)

    def acknowledged(self, seconds: float = 30) -> float:
        """Send a comm message, wait until it is acknowledged; seconds that this took."""
        n = self.n + 1
        at = self.send(wire.Comm(session=self.session, msg_id=f"c{n}", msg_type="comm_msg", content={"comm_id": "x", "data": {}}))
        self.until(lambda body: body.get("code") == "ack" and body["n"] >= n, seconds)
        left = next(s.at for s in self.watch.seen if s.body.get("code") == "ack" and s.body["session"] == self.session and s.body["n"] >= n)
        return (left - at) / 1e9

    def codes(self) -> list[str]:
        """What the link itself said to this session, in order."""
        return [s.body["code"] for s in self.watch.seen if s.body.get("kind") == "link" and s.body.get("session") == self.session]

    def close(self) -> None:
        """Close it."""
        self.send(wire.Close(session=self.session))


def ready(site: "Site") -> Guest:
    """An open session whose kernel runs cells."""
    guest = Guest(site.watch).open()
    assert guest.verdict(guest.run("x = 1"), 90)["outcome"] == "same"
    return guest


@dataclass(frozen=True)
class Site:
    """A site's agent at work, seen from the operating system."""

    folder: Path
    watch: Stopwatch

    @property
    def process(self) -> psutil.Process:
        """The agent's own process."""
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if str(self.folder) in child.cmdline() and "serve" in child.cmdline():
                    return child
        raise AssertionError("the agent is gone")

    def kernels(self) -> list[psutil.Process]:
        """Its living kernels."""
        return [p for p in self._below() if "twinpane_sandbox.kernel_main" in " ".join(p.cmdline()) and "bwrap" not in p.name()]

    def readers(self) -> list[psutil.Process]:
        """Its sessions' readers: the processes forked from the fork server, without those that only wait for a child."""
        found = [p for p in self._below() if "parts.fork_server" in " ".join(p.cmdline())]
        return [p for p in found if p.ppid() != self.process.pid and not p.children()]

    def _below(self) -> list[psutil.Process]:
        found = []
        for each in self.process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if each.status() != psutil.STATUS_ZOMBIE and each.cmdline():
                    found.append(each)
        return found

    def memory(self) -> int:
        """Bytes of memory of the agent's own process."""
        return int(self.process.memory_info().rss)

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        """The ledger's lines of a kind."""
        import json

        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/site.db?mode=ro", uri=True)) as book:
            return [json.loads(body) for (body,) in book.execute("SELECT body FROM ledger WHERE kind = ? ORDER BY seq", (kind,))]

    def held(self) -> list[tuple[int, int, int]]:
        """Cell, outputs and dropped outputs of what is held."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/site.db?mode=ro", uri=True)) as book:
            return book.execute("SELECT cell, outputs, dropped FROM held ORDER BY time").fetchall()

    def until(self, holds: Any, seconds: float = 30) -> Any:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, "it did not come about in time"
            time.sleep(0.05)
        return found


@contextlib.contextmanager
def at_work(folder: Path) -> Iterator[Site]:
    """The agent of a site folder, with this process as its hub."""
    with agent(folder) as watch:
        yield Site(folder, watch)
