"""A site's agent with a stopwatch, run as a script: ``python -I timed_agent.py LOG serve DIR --hub URL``.

The agent itself is unchanged. Five of its functions are wrapped to write down when they ended, one JSON line each, in seconds of the
machine's monotonic clock: the inside run (``InsideKernel.execute``), the twin's end as it arrives, the holding of what was said, the
judgement (from then on the verdict is ready), and its leaving (ledger, meter and outbox durable, frame queued).
"""

import functools
import json
import sys
import time
from typing import Any

from twinpane_site import session
from twinpane_site.cli import site
from twinpane_site.glass import Glass
from twinpane_site.inside import InsideKernel
from twinpane_site.session import Session
from twinpane_wire import messages as wire


def main() -> None:
    """Wrap and serve."""
    log = open(sys.argv.pop(1), "a", buffering=1)  # noqa: SIM115 - closed by the process's end

    def note(event: str, session_id: str, cell: int) -> None:
        log.write(json.dumps({"event": event, "session": session_id, "cell": cell, "at": time.monotonic()}) + "\n")

    execute, hold, settle, about, judge, verdict = (
        InsideKernel.execute, Session._hold, Session._settle, Session._about_cell, session.judge, Glass.verdict,
    )  # fmt: skip
    judged: dict[str, Any] = {}

    @functools.wraps(execute)
    async def timed_execute(self: Any, cell: Any, prompt: Any) -> Any:
        run = await execute(self, cell, prompt)
        note("ran", cell.session, cell.cell)
        return run

    @functools.wraps(hold)
    async def timed_hold(self: Any, work: Any, run: Any) -> None:
        await hold(self, work, run)
        note("held", self.id, work.cell.cell)

    @functools.wraps(about)
    def timed_about(self: Any, message: Any) -> None:
        if isinstance(message, wire.Twin):
            note("twin", self.id, message.cell)
        about(self, message)

    @functools.wraps(settle)
    async def timed_settle(self: Any, work: Any) -> None:
        judged["at"] = self.id, work.cell.cell
        await settle(self, work)

    @functools.wraps(judge)
    def timed_judge(run: Any, source: str, digest: str) -> Any:
        judgement = judge(run, source, digest)
        note("ready", *judged["at"])
        return judgement

    @functools.wraps(verdict)
    def timed_verdict(self: Any, principal: Any, session_id: str, cell: int, *rest: Any) -> Any:
        note("tick", session_id, cell)
        message = verdict(self, principal, session_id, cell, *rest)
        note("left", session_id, cell)
        return message

    InsideKernel.execute, Session._hold, Session._settle, Session._about_cell = timed_execute, timed_hold, timed_settle, timed_about
    session.judge, Glass.verdict = timed_judge, timed_verdict
    site()


if __name__ == "__main__":
    main()
