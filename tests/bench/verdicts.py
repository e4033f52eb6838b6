"""Verdicts and strips, from the agents' stopwatches and from what the client gets.

All processes read the same monotonic clock, so a moment in an agent and one at the client can be subtracted.
"""

import time
from typing import Any

from .figures import Goal, Line, alone
from .kernels import BenchError, Kernel
from .sites import Running

DELAY = Goal(150)
STRIP = "application/vnd.twinpane.cell.v1+json"
READY = "from the end of both runs until the verdict is ready to leave, at each site"
SCREEN = "from idle to the strip that says all; includes the wait for the tick"
CELLS = (
    ("without output", "pass"),
    ("that prints rows", "import pandas as pd\nprint(pd.read_parquet('/data/person.parquet').head(20))"),
    ("that prints 5 MB", "import random\nprint('\\n'.join(str(random.random()) for _ in range(280_000)))"),
    ("that draws rows", "import pandas as pd\nax = pd.read_parquet('/data/person.parquet').year_of_birth.plot.hist()"),
)


def verdicts(kernel: Kernel, sites: Running, count: int) -> list[Line]:
    """For each kind of cell: delay of the verdict, what its tick adds, and the strip's latency at the client."""
    kernel.settle()
    lines = []
    for name, code in CELLS:
        kernel.run(code)
        kernel.settle()
        began = _last(kernel)
        strips = []
        for _ in range(count):
            strips.append(_strip_latency(kernel, code))
            kernel.settle()
        runs = _runs(sites, began)
        if len(runs) < count:
            raise BenchError(f"the stopwatches saw {len(runs)} verdicts of {count} cells")
        delays = [(run["ready"] - max(run["ran"], run["twin"])) * 1000 for run in runs]
        holding = [(run["held"] - run["ran"]) * 1000 for run in runs]
        leaving = [(run["left"] - run["tick"]) * 1000 for run in runs]
        seen = [strip for strip in strips if strip is not None]
        lines += [
            alone(f"verdict delay, cell {name}", "ms", delays, DELAY, READY),
            alone("  of it: holding what was said", "ms", holding),
            alone("  at its tick: evidence durable", "ms", leaving),
            *([alone("  all sites' verdicts on the screen", "ms", seen, None, SCREEN)] if seen else []),
        ]
    return lines


def _last(kernel: Kernel) -> int:
    return max((report["cell"] for report in kernel.cells()["cells"].values()), default=0)


def _strip_latency(kernel: Kernel, code: str) -> float | None:
    """Milliseconds from the cell's idle until its strip shows every site's verdict; None where the cell has no strip."""
    kernel.heard.clear()
    ran = kernel.run(code)
    idle = time.monotonic()
    end = idle + 60
    while time.monotonic() < end:
        kernel.drain(0.02)
        for at, message in kernel.heard:
            report: dict[str, Any] = message["content"].get("data", {}).get(STRIP, {})
            if report.get("msg_id") == ran.msg_id and all(site["state"] not in ("running", "queued") for site in report["sites"]):
                return (at - idle) * 1000
        if kernel.cells()["settled"]:
            kernel.drain(0.2)
            if not any(message["parent_header"].get("msg_id") == ran.msg_id for _, message in kernel.heard):
                return None
    raise BenchError("a strip was never completed")


def _runs(sites: Running, after: int) -> list[dict[str, float]]:
    """One dictionary of moments for each site and cell with a number above ``after``, of the newest session."""
    found = []
    for events in sites.events().values():
        session = events[-1]["session"]
        cells: dict[int, dict[str, float]] = {}
        for event in events:
            if event["session"] == session and event["cell"] > after:
                cells.setdefault(event["cell"], {})[event["event"]] = event["at"]
        found += [moments for moments in cells.values() if {"ran", "twin", "held", "ready", "tick", "left"} <= set(moments)]
    return found
