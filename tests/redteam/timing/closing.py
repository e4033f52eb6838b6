"""One bit a session: its kernel is busy and deaf, or idle, when the outside closes it. The answers to opening and closing are read."""

import os
import random
import time
from dataclasses import dataclass

import numpy as np

from harness.stopwatch import Stopwatch, ahead_of_all, as_all
from twinpane_wire import messages as wire

from .decoder import Rate, read
from .lateness import Lateness, of_slots

BUSY = """\
import os, random, signal, socket, threading, time
if random.Random({seed}).choices((0, 1), k={count})[{number}]:  # stands for a bit of rows
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(each, signal.SIG_IGN)
    links = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for link in links:
        link.connect(os.environ['TWINPANE_CALLS']); link.setblocking(False)
        try: link.send(b'{{"call": "catalogue", "args": {{}}}}\\n' * 5000)
        except OSError: pass
    for _ in range(40):
        if not os.fork():
            hold = bytearray(20_000_000)
            while True: sum(range(10**7))
    while True: sum(range(10**9))
"""
CODES = ("ack", "refused_message", "unavailable", "opened", "unknown_session", "meter", "spent")
EVERY_S = 0.05


@dataclass(frozen=True)
class Closing:
    """How many sessions, how long each is busy before it is closed, and how long the outside probes it afterwards. Seconds."""

    sessions: int
    busy: float = 3.0
    probed: float = 3.0
    seed: int = 1

    @property
    def bits(self) -> list[int]:
        """What the kernels say, session by session."""
        return random.Random(self.seed).choices((0, 1), k=self.sessions)


def run(watch: Stopwatch, plan: Closing) -> Rate:
    """Open and close the sessions, and read what their answers tell."""
    rows, _, seconds = _all(watch, plan)
    return read(plan.bits, np.array(rows), seconds / plan.sessions)


def delays(watch: Stopwatch, plan: Closing) -> Lateness:
    """The same with an agent that draws nothing: how late messages leave after a closing."""
    _, left, seconds = _all(watch, plan)
    return of_slots("after closing", left, plan.bits, seconds)


def _all(watch: Stopwatch, plan: Closing) -> tuple[list[list[float]], list[list[float]], float]:
    """For each session, the features of its answers and the times of link messages after its closing; and the seconds for all."""
    began, rows, left = time.monotonic(), [], []
    ahead_of_all()
    try:
        for number in range(plan.sessions):
            rows.append(_one(watch, plan, number))
            left.append([seen.at / 1e9 for seen in watch.seen if seen.body.get("kind") == "link"])
    finally:
        as_all()
    return rows, left, time.monotonic() - began


def _one(watch: Stopwatch, plan: Closing, number: int) -> list[float]:
    session, source = os.urandom(16).hex(), BUSY.format(seed=plan.seed, count=plan.sessions, number=number)
    watch.seen.clear()
    opened = watch.send(1, wire.Open(session=session, seed=1))
    watch.send(2, wire.Cell(session=session, cell=1, msg_id="m1", source=source, silent=True, store_history=False))
    watch.listen(time.time_ns() + round(plan.busy * 1e9))
    row = _told(watch, opened, 20)
    watch.seen.clear()
    closed = watch.send(3, wire.Close(session=session))
    for step in range(round(plan.probed / EVERY_S)):
        watch.listen(closed + round((step + 1) * EVERY_S * 1e9))
        watch.send(4 + step, wire.Comm(session=session, msg_id=f"c{step}", msg_type="comm_msg", content={}))
    watch.listen(time.time_ns() + 10**9)
    return row + _told(watch, closed, 80)


def _told(watch: Stopwatch, since: int, most: int) -> list[float]:
    """How often each code was said, and when: delays of the first ``most`` messages, in seconds."""
    codes = [seen.body.get("code") for seen in watch.seen]
    times = [(seen.at - since) / 1e9 for seen in watch.seen][:most]
    firsts = [next(((s.at - since) / 1e9 for s in watch.seen if s.body.get("code") == code), 99.0) for code in CODES]
    return [*(float(codes.count(code)) for code in CODES), *firsts, *times, *([99.0] * (most - len(times)))]
