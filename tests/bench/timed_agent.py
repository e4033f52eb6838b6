"""A site's agent with a stopwatch, run as a script: ``python -I timed_agent.py LOG serve DIR --hub URL``.

The agent itself is unchanged. A few of its functions are wrapped to write down when they began or ended, one JSON line each, in
seconds of the machine's monotonic clock. For each cell: ``ran`` (the inside run is over), ``twin`` (the end of the twin's run came in),
``held`` (what was said is on the disk), ``ready`` (the verdict is made and waits for its tick), ``tick`` (the wait is over) and ``left``
(ledger, meter and outbox are durable, the frame is queued).
"""

import functools
import json
import sys
import time
from typing import Any

from twinpane_site.cli import site
from twinpane_site.glass import Glass
from twinpane_site.held_writer import HeldWriter
from twinpane_site.inside_kernel import InsideKernel
from twinpane_site.session import Session
from twinpane_wire import messages as wire


def main() -> None:
    """Wrap and serve."""
    log = open(sys.argv.pop(1), "a", buffering=1)  # noqa: SIM115 - closed by the process's end

    def note(event: str, session_id: str, cell: int) -> None:
        log.write(json.dumps({"event": event, "session": session_id, "cell": cell, "at": time.monotonic()}) + "\n")

    execute, take, hold, tick, verdict = InsideKernel.execute, Session.take, HeldWriter._put, Session._tick, Glass.verdict

    @functools.wraps(execute)
    async def timed_execute(self: Any, cell: Any, *rest: Any, **more: Any) -> Any:
        run = await execute(self, cell, *rest, **more)
        note("ran", cell.session, cell.cell)
        if run is None or run.kept is None:
            note("held", cell.session, cell.cell)  # nothing to hold
        return run

    @functools.wraps(take)
    def timed_take(self: Any, message: Any) -> None:
        if isinstance(message, wire.Twin):
            note("twin", message.session, message.cell)
        take(self, message)

    @functools.wraps(hold)
    def timed_hold(self: Any, cell: int, *rest: Any) -> None:
        hold(self, cell, *rest)
        note("held", self._session, cell)

    @functools.wraps(tick)
    async def timed_tick(self: Any, work: Any, *rest: Any) -> Any:
        note("ready", self.id, work.cell.cell)
        return await tick(self, work, *rest)

    @functools.wraps(verdict)
    def timed_verdict(self: Any, principal: Any, session_id: str, cell: int, *rest: Any) -> Any:
        note("tick", session_id, cell)
        message = verdict(self, principal, session_id, cell, *rest)
        note("left", session_id, cell)
        return message

    InsideKernel.execute, Session.take, HeldWriter._put, Session._tick, Glass.verdict = (
        timed_execute, timed_take, timed_hold, timed_tick, timed_verdict,
    )  # fmt: skip
    site()


if __name__ == "__main__":
    main()
