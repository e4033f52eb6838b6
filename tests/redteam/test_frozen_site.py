"""A frozen site, with a real agent and its link recorded: nothing but the link's own words leaves, and all that waited leaves after."""

import asyncio
import re
import time
from pathlib import Path

import pytest

from harness.federation import PYTHON, Site, federation, make_site
from harness.raw_pane import RawPane, raw_pane
from twinpane_broker import Plan
from twinpane_hub.data.make import make_data
from twinpane_site import ledger_verification
from twinpane_wire import messages as wire
from twinpane_wire.canonical import DisplayNames, Outputs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

COUNT = Plan.model_validate({"table": "person", "measures": [{"kind": "count"}]})


async def command(folder: Path, *words: str, typed: str = "") -> str:
    """``twinpane site …`` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *PYTHON, "twinpane_cli", "site", *words[:-1], str(folder), *words[-1].split(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate(typed.encode())
    assert process.returncode == 0, said
    return said.decode()


async def steward(folder: Path, name: str) -> str:
    """A new steward's password."""
    found = re.search(r"([a-z2-9]{4}-){6}[a-z2-9]{4}", await command(folder, "account", "add", f"{name} --steward"))
    assert found
    return found[0]


def crossings(site: Site, since: int = 0) -> list[str]:
    """Kinds of what left, but for the link's own words."""
    bodies = [wire.decode(wire.FromAgent, frame).body for frame in site.tap.out[since:] if '"kind":"hello"' not in frame]
    return [body.kind for body in bodies if not isinstance(body, wire.Link)]


class Guest:
    """Keeps a site busy: cells, questions and reveals without end."""

    def __init__(self, pane: RawPane) -> None:
        self.pane, self.cell = pane, 0

    async def more(self) -> None:
        self.cell += 1
        number, session = self.cell, self.pane.session
        await self.pane.send(wire.Cell(session=session, cell=number, msg_id=f"m{number}", source="1"))
        await self.pane.send(wire.Query(session=session, cell=number, call=1, plan=COUNT))
        await self.pane.send(wire.Twin(session=session, cell=number, outputs=Outputs(DisplayNames()).digest("twin"), calls=1))

    async def keep_busy(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self.more()
            await asyncio.sleep(0.05)


async def test_a_busy_agent_is_silent_within_a_second_of_the_freeze(tmp_path: Path) -> None:
    """From a second after the freeze on only the link's words leave, through a restart and a cut link; then all that waited does."""
    make_data(tmp_path / "data", 300, seed=1)
    folder = make_site(tmp_path / "site", "a", tmp_path / "data")
    ada, bo = await steward(folder, "ada"), await steward(folder, "bo")
    async with federation({"a": folder}) as sites, raw_pane(sites.url, "a") as pane:
        site, guest = sites.sites["a"], Guest(pane)
        await pane.acked(await pane.send(wire.Open(session=pane.session, seed=1)))
        await guest.more()
        await pane.until(lambda: pane.said(wire.Verdict) and pane.said(wire.Released), 60)
        over = asyncio.Event()
        busy = asyncio.create_task(guest.keep_busy(over))
        await pane.until(lambda: len(pane.said(wire.Released)) > 5, 30)

        await command(folder, "freeze", "--by ada")
        moment = time.monotonic()
        await asyncio.sleep(1.0 - (time.monotonic() - moment))
        silent = len(site.tap.out)
        await asyncio.sleep(8)
        assert crossings(site, silent) == []
        assert len(site.tap.out) > silent, "the link itself goes on"

        over.set()
        await busy
        await site.tap.cut()
        await site.stop(kill=True)
        hellos = len(site.tap.out)
        await site.start()
        await pane.until(lambda: any('"kind":"hello"' in frame for frame in site.tap.out[hellos:]), 60)
        await asyncio.sleep(1)
        n = await pane.send(wire.RevealAsk(session=pane.session, cell=guest.cell, call=2, name="x", digits=3))
        await pane.acked(n, 60)
        await asyncio.sleep(4)
        assert crossings(site, silent) == []

        await command(folder, "unfreeze", "--as ada", typed=f"{ada}\n")
        await asyncio.sleep(2)
        assert crossings(site, silent) == []
        await command(folder, "unfreeze", "--as bo", typed=f"{bo}\n")
        cells = {body.cell for body in pane.said(wire.Verdict)}
        await pane.until(lambda: {b.cell for b in pane.said(wire.Released)} == set(range(1, guest.cell + 1)), 60)
        await pane.until(lambda: len({b.cell for b in pane.said(wire.Verdict)}) > len(cells), 60)
    assert ledger_verification.verify(folder).ok
