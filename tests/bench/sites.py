"""Sites for the bench: a process of its own that runs a switchboard and the agents until its standard input ends.

``python -m bench.sites NAME=DIR …`` prints one line of JSON when all sites have joined. Sites, switchboard and bench share no interpreter,
as in real life; they do share this machine's processors, which in real life they do not (see ``away``).
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.federation import PROJECT, TOKEN, USER, Federation, Site, make_site, set_policy
from harness.tap import Tap
from twinpane_hub.data.make import make_data
from twinpane_hub.switchboard import local_switchboard, serving

from . import TESTS
from .kernels import BenchError

NAMES = ("a", "b", "c")
PLENTY = 1e9
"""Bits of the meter: a bench must not run dry."""


def make_sites(root: Path, persons: int) -> dict[str, Path]:
    """Three drafted sites on generated data, each with a meter that does not end."""
    folders = {}
    for seed, name in enumerate(NAMES):
        make_data(root / f"data-{name}", persons, seed)
        folders[name] = make_site(root / f"site-{name}", name, root / f"data-{name}")
        for key, value in (("day_bits", PLENTY), ("total_bits", PLENTY), ("max_cells", 10**6), ("withheld_per_day", 10_000)):
            set_policy(folders[name], key, value)
    return folders


@dataclass(frozen=True)
class Running:
    """Sites at work. ``events`` gives what their stopwatches wrote."""

    process: "subprocess.Popen[str]"
    environment: dict[str, str]
    folders: dict[str, Path]

    def events(self) -> dict[str, list[dict[str, Any]]]:
        """Site -> events, in order."""
        return {
            name: [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()] for name, folder in self.folders.items()
        }

    @contextlib.contextmanager
    def away(self, agents: bool = False) -> Iterator[None]:
        """Have the inside kernels stand still while the block runs (with ``agents``: whatever the sites run), as if they ran on machines
        of their own: the pane does all its work for them, but they take no processor from it. They go on afterwards."""
        stopped = []
        for process in self.processes()[1:]:
            with contextlib.suppress(psutil.Error):
                if agents or not (is_agent(process) or is_broker(process)):
                    process.suspend()
                    stopped.append(process)
        try:
            yield
        finally:
            for process in reversed(stopped):
                with contextlib.suppress(psutil.Error):
                    process.resume()

    def processes(self) -> list[psutil.Process]:
        """Everything that the sites run, the switchboard's process included."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]


@contextlib.contextmanager
def running(folders: dict[str, Path]) -> Iterator[Running]:
    """Run the sites while the block runs."""
    command = [sys.executable, "-m", "bench.sites", *(f"{name}={folder}" for name, folder in folders.items())]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        line = process.stdout.readline()
        if not line:
            raise BenchError("the sites did not start; what they said is above")
        yield Running(process, json.loads(line), folders)
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def is_agent(process: psutil.Process) -> bool:
    """Whether a process is an agent with its stopwatch."""
    return any(word.endswith("timed_agent.py") for word in process.cmdline()) and not process.name().startswith("bwrap")


def is_broker(process: psutil.Process) -> bool:
    """Whether a process answers an agent's questions."""
    return "twinpane_site.answering.broker_process" in process.cmdline()


def is_reader(process: psutil.Process) -> bool:
    """Whether a process was forked from an agent's fork_server: a session's reader, or the one that waits for it."""
    forked = "twinpane_site.parts.fork_server" in process.cmdline()
    return forked and (parent := process.parent()) is not None and not is_agent(parent)


@dataclass
class TimedSite(Site):
    """A site whose agent carries a stopwatch."""

    async def start(self) -> None:
        """Start the agent."""
        script = Path(__file__).with_name("timed_agent.py")
        with (self.folder / "agent.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", str(script), str(self.folder / "events.jsonl"), "serve", str(self.folder), "--hub", self.url,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip


async def _serve(folders: dict[str, Path]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    keys = {name: (folder / "keys" / "site.pub").read_text().strip() for name, folder in folders.items()}
    app = local_switchboard(PROJECT, USER, keys, TOKEN, {name: f"Site {name.upper()}" for name in folders})
    async with serving(app) as url:
        sites = {name: TimedSite(folder, name, Tap(), url) for name, folder in folders.items()}
        try:
            for site in sites.values():
                await site.start()
            await Federation(url, dict(sites)).all_joined(seconds=120)
            print(json.dumps({"TWINPANE_SWITCHBOARD": url, "TWINPANE_PROJECT": PROJECT, "TWINPANE_TOKEN": TOKEN}), flush=True)
            threading.Thread(target=wait_for_the_end, daemon=True).start()
            await ended.wait()
        finally:
            await asyncio.gather(*(site.stop() for site in sites.values()))


if __name__ == "__main__":
    asyncio.run(_serve({name: Path(folder) for name, _, folder in (argument.partition("=") for argument in sys.argv[1:])}))
