"""``make redteam [MINUTES=60]``: the generator and the times, at length. Exit status 1 where content tells anything, or times too much."""

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness.federation import set_policy
from twinpane_kernel import install

from .grammar.generate import cover, draw, program
from .grammar.steps import SETUP, Cell, Program
from .reader import read
from .timing import closing, measure
from .timing.decoder import Rate
from .timing.loads import LOADS
from .transcript import Transcript, secret_of_the_twin, transcript
from .worlds import World, make_worlds

GOAL = 10.0
"""Bits an hour that times may tell, at the upper end of the interval."""
BUDGET = 20_000.0
CONTENT = 0.25
"""Share of the time that goes to the generator."""
UNDRAWN = 0.4
"""Share of a load's time with an agent that draws no departure times, so that delays show to the microsecond."""
WINDOW_S = 0.5
CLOSE_S = 7.5
"""About how many seconds it takes to open and close one session, which tells a bit."""
LONG = ("everything", "closing", "idle")
"""The loads that are measured longest. A decoder alone proves little in little time: if it reads nothing in h hours, the upper end is
about 3 / h bits an hour. The delays of an agent that draws nothing bound it sooner (``timing.lateness``)."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    channel: str
    rate: Rate

    def __str__(self) -> str:
        rate = self.rate
        told = f"{rate.bits_an_hour:8.1f}  {rate.low:6.1f} to {rate.high:6.1f}"
        return f"{self.channel:16} {told}   {rate.right:6.1%} of {rate.windows} bits right; metered 0.0"


async def contents(worlds: dict[str, World], base: Path, until: float, seed: int) -> float:
    """Run programs on rows that differ in one person, until a time; returns the bits recovered past the meter, over all programs."""
    kernelspec = base / "jupyter" / "share" / "jupyter"
    install.install(base / "jupyter")
    twin = await secret_of_the_twin(worlds["as it is"].again(base / "look").folder, base / "look-ws", kernelspec)
    recovered, number = 0.0, 0
    while number == 0 or time.monotonic() < until:
        leaks = cover(seed + number) if number % 3 == 0 else draw(seed + number, 40)
        steps = (Cell(SETUP.substitute(twin=twin)), *program(leaks))

        async def played(rows: str, *, twice: bool = False, number: int = number, steps: Program = steps) -> Transcript:
            at = f"{number}-{rows.replace(' ', '-')}{'-twice' if twice else ''}"
            return await transcript(worlds[rows].again(base / f"site-{at}").folder, base / f"ws-{at}", kernelspec, steps, 600)

        runs = {rows: await played(rows) for rows in ("as it is", "one person")}
        reading = read(runs)
        recovered += reading.recovered + len(reading.found)
        print(f"{len(leaks):4} leaks of seed {seed + number}: recovered {reading.recovered:.1f}, metered {reading.metered:.1f}", flush=True)
        if reading.told or reading.found:
            print(f"    differs: {dict(reading.told)}; found: {list(reading.found)}", flush=True)
            control = read({"first": runs["as it is"], "again": await played("as it is", twice=True)})
            print(f"    on the same rows again differs: {dict(control.told)}", flush=True)
        number += 1
    return recovered


def times(site: Path, seconds: float, only: list[str], window: float) -> list[Row]:
    """Every load for its share of the time; prints each as it is read."""
    plan = measure.Plan
    names = [name for name in (*LOADS, "closing") if not only or name in only]
    shares = {name: (3 if name in LONG else 1) for name in names}
    rows = []
    for name in names:
        share = seconds * shares[name] / sum(shares.values())
        with measure.agent(site) as watch:
            if name == "closing":
                rate = closing.run(watch, closing.Closing(max(20, round(share * (1 - UNDRAWN) / CLOSE_S))))
            else:
                rate = measure.run(watch, plan(name, max(40, round(share * (1 - UNDRAWN) / window)), window))
        rows.append(Row(name, rate))
        print(rows[-1], flush=True)
        with measure.agent(site, drawn=False) as watch:
            if name == "closing":
                found = [closing.delays(watch, closing.Closing(max(20, round(share * UNDRAWN / CLOSE_S))))]
            else:
                found = measure.delays(watch, plan(name, max(40, round(share * UNDRAWN / window)), window))
        for late in found:
            print(f"{'':16} {late}", flush=True)
    return rows


def main() -> int:
    """Run both, print the table."""
    parser = argparse.ArgumentParser(prog="python -m redteam", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--window", type=float, default=WINDOW_S, help="seconds of a bit")
    parser.add_argument("--only", nargs="*", default=[], help=f"content, closing, or loads: {', '.join(LOADS)}")
    parser.add_argument("--volume", choices=("memory", "image", "folder"), default=None, help="where /project is, by the site's policy")
    asked = parser.parse_args()
    loads = [name for name in asked.only if name != "content"]
    with tempfile.TemporaryDirectory(prefix="redteam-") as folder:
        base = Path(folder)
        worlds = make_worlds(base, BUDGET)
        if asked.volume:
            set_policy(worlds["as it is"].folder, "volume", f'"{asked.volume}"')
            set_policy(worlds["as it is"].folder, "accept_unlimited_project", "true")
        content = 0.0
        if not asked.only or "content" in asked.only:
            share = 1.0 if asked.only and not loads else CONTENT
            content = asyncio.run(contents(dict(worlds), base, time.monotonic() + 60 * asked.minutes * share, asked.seed))
            print(f"content, number and order: {content:.1f} bits recovered beside the meter", flush=True)
        rows = []
        if loads or not asked.only:
            print("channel          bits/hour   95 % interval   (times at which messages leave)", flush=True)
            share = 1.0 if asked.only and "content" not in asked.only else 1 - CONTENT
            rows = times(worlds["as it is"].folder, 60 * asked.minutes * share, loads, asked.window)
    worst = max((row.rate.low for row in rows), default=0.0)
    return 1 if content or worst > GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
