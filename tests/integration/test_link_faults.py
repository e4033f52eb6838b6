"""The link between a real pane and real agents when things go wrong: nothing is lost, nothing comes twice, nothing more leaves."""

import asyncio
import json
import sqlite3
import time
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from harness.federation import PROJECT, TOKEN, USER, Federation, Site, federation, make_site, same_site_on, set_policy
from harness.notebook import Notebook, notebook
from twinpane_ground import limits
from twinpane_hub.data.make import make_data
from twinpane_hub.switchboard import local_switchboard, serving
from twinpane_site.ledger_verification import verify
from twinpane_wire import messages as wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site folder that never runs; those of the tests are made like it."""
    base = tmp_path_factory.mktemp("model")
    make_data(base / "data", 60, seed=1)
    return make_site(base / "site", "a", base / "data")


@pytest.fixture
def site(model: Path, tmp_path: Path) -> Path:
    """A site of its own for a test."""
    return same_site_on(tmp_path / "site", model, model.parent / "data")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def ledger(folder: Path, kind: str) -> list[dict]:
    """Bodies of the ledger's entries of a kind."""
    book = sqlite3.connect(f"file:{folder}/site.db?mode=ro", uri=True)
    try:
        return [json.loads(body) for (body,) in book.execute("SELECT body FROM ledger WHERE kind = ? ORDER BY seq", (kind,))]
    finally:
        book.close()


def crossed(site: Site, kind: str) -> list[dict]:
    """What left, of a kind."""
    bodies = [json.loads(frame).get("body", {}) for frame in site.tap.out]
    return [body for body in bodies if body.get("kind") == kind]


def sandboxes(process: asyncio.subprocess.Process | None) -> list[psutil.Process]:
    """Sandboxes below an agent."""
    assert process is not None
    try:
        return [child for child in psutil.Process(process.pid).children(recursive=True) if child.name() == "bwrap"]
    except psutil.NoSuchProcess:
        return []


async def until(holds, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.05)


def states(cells: dict) -> list[str]:
    """State of each cell at the one site, in order."""
    return [cell["sites"][0]["state"] for cell in sorted(cells.values(), key=lambda cell: cell["cell"])]


async def test_a_site_that_joins_later_gets_every_cell_once_in_order(site: Path, workspace: Path, kernelspec: Path) -> None:
    """A site that joins later gets every cell once and in order.

    Queued while it is away; afterwards every cell has its verdict, and counting up shows that each ran exactly once.
    """
    (workspace / "start.py").write_text("x = 40\n")
    async with federation({"a": site}, start=False) as running:
        async with notebook(running.environment(workspace), workspace, kernelspec) as pad:
            for code in ("from start import x", "x += 1; print(x)", "x += 1; print(x)"):
                await pad.run(code)
            reply = await pad.cells()
            assert not reply["settled"]
            assert states(reply["cells"]) == ["queued"] * 3
            await running.sites["a"].start()
            assert states(await pad.settled()) == ["same"] * 3
        assert [entry["cell"] for entry in ledger(site, "cell")] == [1, 2, 3]
        assert len(ledger(site, "verdict")) == 3


async def test_cuts_in_the_middle_lose_nothing_and_repeat_nothing(site: Path, workspace: Path, kernelspec: Path) -> None:
    async with federation({"a": site}) as running:
        tap = running.sites["a"].tap
        async with notebook(running.environment(workspace), workspace, kernelspec) as pad:
            await pad.run("x = 0")
            for n in range(1, 9):
                cut = asyncio.create_task(tap.cut())
                assert (await pad.run("x += 1; print(x)")).text == f"{n}\n"
                await cut
            assert states(await pad.settled(40)) == ["same"] * 9
        assert [entry["cell"] for entry in ledger(site, "cell")] == list(range(1, 10))
        assert [entry["cell"] for entry in ledger(site, "verdict")] == list(range(1, 10))
        told = {}
        for body in crossed(running.sites["a"], "verdict"):
            assert told.setdefault(body["cell"], body) == body, "what is sent again is the same bytes"
        assert verify(site).ok


async def test_a_killed_agents_kernels_end_and_each_cell_is_answered(site: Path, workspace: Path, kernelspec: Path) -> None:
    """A killed agent takes its kernels along and answers for them.

    kill -9 with a cell under way: every cell has a verdict after the restart, and the ledger holds together.
    """
    async with federation({"a": site}) as running:
        agent = running.sites["a"]
        async with notebook(running.environment(workspace), workspace, kernelspec) as pad:
            await pad.run("print('before')")
            await pad.settled()
            waiting = asyncio.create_task(pad.run("import time; time.sleep(1.5); print('under way')"))
            await until(lambda: len(ledger(site, "cell")) == 2)
            boxes = sandboxes(agent.process)
            assert boxes
            await agent.stop(kill=True)
            await until(lambda: not any(box.is_running() and box.status() != psutil.STATUS_ZOMBIE for box in boxes), 5)
            await waiting
            await pad.run("print('while away')")
            await agent.start()
            cells = await pad.settled(40)
            await pad.run("print('after')")
            cells = await pad.settled(40)
        lines = [cell["sites"][0] for cell in sorted(cells.values(), key=lambda cell: cell["cell"])]
        assert lines[0]["state"] == "same"
        assert [line["failure"] for line in lines[1:]] == ["KernelDied"] * 3
        assert [entry["cell"] for entry in ledger(site, "verdict")] == [1, 2, 3, 4]
        report = verify(site)
        assert report.ok, report.fault


async def test_interrupts_and_restarts_inside_leave_no_process(site: Path, workspace: Path, kernelspec: Path) -> None:
    """Interrupts and restarts reach the inside and leave no process."""
    async with federation({"a": site}) as running:
        agent = running.sites["a"]
        async with notebook(running.environment(workspace), workspace, kernelspec) as pad:
            await pad.run("x = 1")
            endless = asyncio.create_task(pad.run("while True:\n    pass"))
            await until(lambda: len(ledger(site, "cell")) == 2)
            await asyncio.sleep(0.3)
            await pad.ask("control", "interrupt_request", {})
            assert (await endless).reply["ename"] == "KeyboardInterrupt"
            await pad.run("print(x)")
            assert states(await pad.settled(40))[2] == "same", "the inside kernel is alive, and knows what it knew"
            boxes = sandboxes(agent.process)
            assert len(boxes) >= 1
            await pad.manager.restart_kernel()
            await pad.client.wait_for_ready(timeout=60)
            await until(lambda: ledger(site, "closed"))
            await until(lambda: not any(box.is_running() and box.status() != psutil.STATUS_ZOMBIE for box in boxes))
            ran = await pad.run("print('x' in globals())")
            assert ran.text == "False\n"
            assert states(await pad.settled(40)) == ["same"]
        await until(lambda: not sandboxes(agent.process))
        assert len(ledger(site, "opened")) == len(ledger(site, "closed")) == 2


async def test_two_sessions_share_the_meter_and_a_spent_one_says_so(site: Path, workspace: Path, kernelspec: Path) -> None:
    """What one notebook pays, the other sees; when nothing is left, cells go on inside and no verdict leaves."""
    set_policy(site, "day_bits", 90.0)
    async with federation({"a": site}) as running:
        place = workspace.parent / "second"
        place.mkdir()
        environment = running.environment(workspace)
        async with (
            notebook(environment, workspace, kernelspec) as first,
            notebook(running.environment(place), place, kernelspec) as second,
        ):
            await first.run("print('paid')")
            await first.settled()
            await until(lambda: [body for body in crossed(running.sites["a"], "link") if body["code"] == "meter"])
            [paid] = crossed(running.sites["a"], "verdict")
            other = next(body for body in crossed(running.sites["a"], "link") if body["code"] == "meter")
            assert other["session"] != paid["session"]
            assert other["left"] == paid["left"] < 90
            for pad in (second, first, second):
                for _ in range(8):
                    await pad.run("open('/data/person.parquet', 'rb').read(9999999)[-400:]")
            cells = [*(await first.settled(40)).values(), *(await second.settled(40)).values()]
        found = [cell["sites"][0]["state"] for cell in cells]
        assert "spent" in found
        spent = sum(entry["bits"] for entry in ledger(site, "verdict"))
        assert spent <= 90
        assert len(crossed(running.sites["a"], "verdict")) >= len(ledger(site, "verdict")) == len(found) - found.count("spent")
        assert len(ledger(site, "cell")) == len(found)


async def test_a_user_the_site_has_not_admitted_gets_nothing(site: Path, workspace: Path, kernelspec: Path) -> None:
    text = (site / "site.toml").read_text()
    assert f'members = ["{USER}"]' in text
    (site / "site.toml").write_text(text.replace(f'members = ["{USER}"]', 'members = ["somebody-else"]'))
    async with federation({"a": site}) as running:
        async with notebook(running.environment(workspace), workspace, kernelspec) as pad:
            await pad.run("print('x')")
            cells = await pad.settled(20)
            assert states(cells) == ["refused"]
        assert sandboxes(running.sites["a"].process) == []
        assert ledger(site, "cell") == ledger(site, "opened") == []
        assert {entry["code"] for entry in ledger(site, "refused")} == {"no_project"}


async def test_a_site_with_an_unknown_key_is_told_so(site: Path) -> None:
    """A site whose key the hub does not know is told so, and nothing crosses."""
    async with federation({"a": site}, start=False) as running:
        agent = running.sites["a"]
        app = local_switchboard(PROJECT, USER, {"a": "0" * 64}, TOKEN)
        async with serving(app) as url:
            agent.url = url
            await agent.start()
            await until(lambda: "The hub does not take this site" in agent.log)
            assert agent.process is not None
            assert agent.process.returncode is None, "it goes on asking"
            await agent.stop()
    assert ledger(site, "published") == []


async def hostile_pane(running: Federation, frames: list[str]) -> list[str]:
    """Dial in with a good token, say these things, return what was answered until the end."""
    answered = []
    headers = {"Authorization": f"token {TOKEN}"}
    address = f"{running.url}/pane?project={PROJECT}"
    async with connect(address, additional_headers=headers, max_size=limits.FRAME, proxy=None) as pane:
        try:
            answered.append(str(await pane.recv()))
            for frame in frames:
                await pane.send(frame)
            async with asyncio.timeout(0.5):
                while True:
                    answered.append(str(await pane.recv()))
        except (ConnectionClosed, TimeoutError):
            pass
    return answered


def to_site(body: object, n: int) -> str:
    return wire.encode(wire.ToSite(site="a", n=n, body=body))


async def test_hostile_panes_change_nothing_and_open_nothing_more(site: Path, workspace: Path, kernelspec: Path) -> None:
    """Malformed frames, gaps, replayed numbers, second openings, cells and reveals told twice: the site stands, and its account adds up."""
    session = "e" * 32
    ask = {"session": session, "cell": 1, "call": 1, "name": "x"}
    digest = "0" * 64
    attack = [
        to_site(wire.Cell(session=session, cell=1, msg_id="m", source="1"), 1),
        to_site(wire.Open(session=session, seed=1), 2),
        to_site(wire.Open(session=session, seed=1), 1),
        to_site(wire.Open(session=session, seed=1), 2),
        to_site(wire.Cell(session=session, cell=1, msg_id="m", source="raise KeyError"), 9),
        to_site(wire.Cell(session=session, cell=1, msg_id="m", source="1"), 2),
        to_site(wire.Cell(session=session, cell=1, msg_id="m", source="2\n3\n4"), 3),
        to_site(wire.RevealAsk(**ask, digits=1), 4),
        to_site(wire.RevealAsk(**ask, digits=9), 5),
        to_site(wire.Twin(session=session, cell=1, outputs=digest, calls=0), 6),
        to_site(wire.Twin(session=session, cell=1, outputs=digest, calls=9), 7),
        to_site(wire.Twin(session=session, cell=5, outputs=digest, calls=0), 8),
        to_site(wire.Interrupt(session=session, cell=10**6), 9),
        to_site(wire.Received(session=session, ids=("verdict:x", "x" * 100)), 0),
    ]
    async with federation({"a": site}) as running:
        agent = running.sites["a"]
        for frame in ("x", "{}", "[]", '{"v":1,"site":"a","n":1,"body":{"kind":"shell","command":"id"}}'):
            await hostile_pane(running, [frame])
        await hostile_pane(running, attack)
        await until(lambda: ledger(site, "verdict") and ledger(site, "reveal"))
        assert len(ledger(site, "opened")) == 1
        assert len(sandboxes(agent.process)) <= 2, "one kernel: bubblewrap and its child"
        await asyncio.sleep(0.3)
        assert len(ledger(site, "verdict")) == 1
        assert [entry["digits"] for entry in ledger(site, "reveal")] == [1]
        async with notebook(running.environment(workspace), workspace, kernelspec) as pad:
            await pad.run("print('still here')")
            assert states(await pad.settled(30)) == ["same"]
        assert verify(site).ok


async def test_a_switchboard_that_starts_anew_is_no_loss(site: Path, workspace: Path, kernelspec: Path) -> None:
    """It remembers nothing; a verdict that was due meanwhile finds its notebook all the same."""
    key = (site / "keys" / "site.pub").read_text().strip()
    async with federation({"a": site}, start=False) as spare:
        agent = spare.sites["a"]

        def app() -> object:
            return local_switchboard(PROJECT, USER, {"a": key}, TOKEN)

        async with serving(app()) as url:
            port = int(url.rpartition(":")[2])
            agent.url = url
            await agent.start()
            running = Federation(url, {"a": agent})
            await running.all_joined()
            pad: Notebook
            opening = notebook(running.environment(workspace), workspace, kernelspec)
            pad = await opening.__aenter__()
            await pad.run("x = 1; print(x)")
            await pad.settled()
            slow = "import time; time.sleep(1.5); print(x)"
            began = time.monotonic()
            ran = asyncio.create_task(pad.run(slow))
            await until(lambda: len(ledger(site, "cell")) == 2)
        try:
            assert time.monotonic() - began < 1.5
            await ran
            await pad.run("x += 1; print(x)")
            async with serving(app(), port=port):
                assert states(await pad.settled(40)) == ["same"] * 3
                assert [entry["cell"] for entry in ledger(site, "cell")] == [1, 2, 3]
                await opening.__aexit__(None, None, None)
        except BaseException:
            await opening.__aexit__(None, None, None)
            raise
