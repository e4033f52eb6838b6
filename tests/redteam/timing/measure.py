"""One measurement: a site whose only guest does its worst, an outside that probes by the clock, and what the decoder reads."""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.federation import PROJECT, PYTHON, USER
from harness.stopwatch import Stopwatch, ahead_of_all, as_all
from twinpane_wire import messages as wire

from .decoder import Probe, Rate, features, read
from .lateness import Lateness, lateness
from .loads import BY_CELL, program

PRINCIPAL = wire.Principal(user=USER, project=PROJECT)
UNDRAWN = Path(__file__).with_name("undrawn_agent.py")
LEAD_S = 3.0
"""Seconds from the first cell to the first window: children are made meanwhile."""


@dataclass(frozen=True)
class Plan:
    """How long, and how the outside probes: one probe each ``every`` seconds, acknowledgements and pings in turn."""

    load: str
    windows: int
    window: float = 0.5
    every: float = 0.025
    seed: int = 1

    @property
    def bits(self) -> list[int]:
        """What the inside kernel says, window by window."""
        return random.Random(self.seed).choices((0, 1), k=self.windows)


@contextlib.contextmanager
def agent(folder: Path, drawn: bool = True) -> Iterator[Stopwatch]:
    """A site's agent at work on the stopwatch's link; with ``drawn`` false, one whose departures are not drawn."""
    program = [*PYTHON, "twinpane_cli", "site"] if drawn else [*PYTHON[:2], str(UNDRAWN)]
    watch = Stopwatch(PRINCIPAL)
    with (folder / "agent.log").open("ab") as log:
        process = subprocess.Popen([*program, "serve", str(folder), "--hub", watch.url], stdout=log, stderr=log)
        try:
            watch.accept()
            yield watch
        finally:
            watch.close()
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run(watch: Stopwatch, plan: Plan) -> Rate:
    """Say the plan's bits in one session, probe, and read."""
    return read(plan.bits, features(record(watch, plan)[0], plan.window), plan.window)


def delays(watch: Stopwatch, plan: Plan) -> list[Lateness]:
    """The same with an agent that draws nothing: how late its answers leave."""
    windows, start = record(watch, plan)
    return lateness(windows, plan.bits, start, plan.window)


def record(watch: Stopwatch, plan: Plan) -> tuple[list[list[Probe]], float]:
    """The probes of each window, with the times at which their answers left; and when the first window began."""
    session = os.urandom(16).hex()
    watch.send(1, wire.Open(session=session, seed=1))
    watch.until(lambda body: body.get("code") == "opened" and body["session"] == session, 30)
    time.sleep(4)  # until the kernel is up
    start = time.time() + LEAD_S
    watch.send(2, _cell(session, 1, program(plan.load, plan.seed, plan.windows, start, plan.window)))
    ahead_of_all()
    try:
        sent = _probe(watch, plan, session, start)
        watch.listen(time.time_ns() + 3 * 10**9)
    finally:
        as_all()
    watch.send(max(n for kind, n, _ in sent if kind != "pong") + 1, wire.Close(session=session))
    watch.until(lambda body: body.get("code") == "ack" and body["session"] == session, 60)
    answers = _answers(watch, session)
    windows: list[list[Probe]] = [[] for _ in range(plan.windows)]
    for kind, n, at in sent:
        index = int((at / 1e9 - start) / plan.window)
        if 0 <= index < plan.windows:
            left = answers.get((kind, n))
            windows[index].append(Probe(kind, at / 1e9, left / 1e9 if left is not None else None))
    watch.seen.clear()
    return windows, start


def _probe(watch: Stopwatch, plan: Plan, session: str, start: float) -> list[tuple[str, int, int]]:
    """Send by the clock: (kind, number, when) of each probe."""
    sent: list[tuple[str, int, int]] = []
    n, steps = 2, round(plan.window / plan.every)
    for step in range(plan.windows * steps):
        watch.listen(round((start + (step + 0.2) * plan.every) * 1e9))
        number, nth = divmod(step, steps)
        if nth == 0 and plan.load in BY_CELL:
            n += 1
            sent.append(("ack", n, watch.send(n, _cell(session, number + 2, f"say({number})"))))
        elif step % 2:
            sent.append(("pong", step, watch.ping(step)))
        else:
            n += 1
            sent.append(("ack", n, watch.send(n, _comm(session, n))))
    return sent


def _answers(watch: Stopwatch, session: str) -> dict[tuple[str, int], int]:
    """When each probe was answered: an acknowledgement answers all numbers up to its own."""
    found: dict[tuple[str, int], int] = {}
    done = 0
    for seen in watch.seen:
        if seen.body.get("kind") == "pong":
            found["pong", seen.body["n"]] = seen.at
        elif seen.body.get("code") == "ack" and seen.body["session"] == session:
            for n in range(done + 1, seen.body["n"] + 1):
                found["ack", n] = seen.at
            done = max(done, seen.body["n"])
    return found


def _cell(session: str, number: int, source: str) -> wire.Cell:
    return wire.Cell(session=session, cell=number, msg_id=f"m{number}", source=source, silent=True, store_history=False)


def _comm(session: str, n: int) -> wire.Comm:
    return wire.Comm(session=session, msg_id=f"c{n}", msg_type="comm_msg", content={"comm_id": "x", "data": {}})
