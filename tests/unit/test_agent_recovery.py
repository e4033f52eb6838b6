"""A site starts whatever its boxes hold: a message that ends the process is tried once more, and then set aside."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from agent_desk import ANA, Desk, S, cell, query

from twinpane_site.attempt_log import AttemptLog
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.session import Session
from twinpane_wire import messages as wire

OPEN = wire.Open(session=S, seed=1)
START = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from agent_desk import Desk
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.session import Session

take = Session.take
Session.take = lambda self, message: os._exit(9) if getattr(message, "source", "") == "poison" else take(self, message)

async def main():
    desk = Desk(Path(sys.argv[1]))
    desk.agent().restore()
    print(sorted(desk.agent_._sessions), [line["n"] for line in desk.lines(LedgerEvent.set_aside)])
    await desk.agent_.close()

asyncio.run(main())
"""
"""A start of the agent in which one message ends the process, as a defect of a library would."""


async def left_behind(folder: Path, *bodies: object) -> Desk:
    """A desk whose agent was killed with these messages in the inbox."""
    desk = Desk(folder)
    desk.agent()
    for n, body in enumerate(bodies, 1):
        desk.mailbox.receive(S, ANA, n, body, desk.now())
    return desk


async def test_a_message_that_ends_every_start_is_set_aside(tmp_path: Path) -> None:
    """A message that ends every start is set aside by the second start. Before, the site never came back."""
    desk = await left_behind(tmp_path, OPEN, cell(1), cell(2, "poison"), cell(3))
    desk.db.close()
    command = [sys.executable, "-c", START, str(tmp_path), str(Path(__file__).parent)]
    starts = [await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False) for _ in range(3)]
    assert [start.returncode for start in starts] == [9, 0, 0], starts[-1].stderr
    assert [start.stdout.strip() for start in starts[1:]] == [f"['{S}'] [3]"] * 2


async def test_a_message_that_cannot_be_taken_up_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await left_behind(tmp_path, OPEN, cell(1, "poison"), cell(2))
    taken = []

    def take(_session: Session, message: wire.Cell) -> None:
        if message.source == "poison":
            raise RuntimeError("a defect")
        taken.append(message.cell)

    monkeypatch.setattr(Session, "take", take)
    desk.agent_.restore()
    assert taken == [2]
    assert [(line["n"], line["why"]) for line in desk.lines(LedgerEvent.set_aside)] == [(2, "it could not be taken up")]
    await desk.agent_.close()


async def test_a_question_is_marked_until_the_site_stops_in_good_order(tmp_path: Path) -> None:
    """Its broker works on it long after it was taken up; a stop in between is not its fault."""

    async def never(_plan: object) -> None:
        await asyncio.Event().wait()

    desk = await left_behind(tmp_path, OPEN, cell(1), query())
    desk.agent(broker=never)
    desk.agent_.restore()
    mark = f"message:{S}:3"
    assert AttemptLog(desk.db, desk.ledger).fatal(mark)
    desk.attempts.forgive()
    assert not AttemptLog(desk.db, desk.ledger).fatal(mark)
    await desk.agent_.close()


def test_what_is_set_aside_stays_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    body = {"what": "message", "why": "x"}
    desk.attempts.set_aside("message:x:1", body, desk.now())
    desk.attempts.forgive()
    later = AttemptLog(desk.db, desk.ledger)
    assert later.is_aside("message:x:1")
    assert not later.fatal("message:x:1")
    assert desk.lines(LedgerEvent.set_aside) == [body]
