"""Strangers at a site's review pages, against a real agent: they reach the pages' own process and nothing else of the site's."""

import asyncio
import contextlib
import hashlib
import socket
import statistics
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from harness.fake_hub import fake_hub
from harness.federation import Federation, Site, federation, make_site
from harness.raw_pane import RawPane, raw_pane
from harness.reviewer import Reviewer
from redteam.strangers import PLAIN, waits
from twinpane_hub.data.make import make_data
from twinpane_wire import messages as wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HALF_OPEN, SLOW = 1100, 200
LATE_S = 3.0
"""An acknowledgement takes some milliseconds; a machine that is busy with tests may take longer."""
PROMPT_S = 1.0
"""The same of an answer of the pages."""
LOG_BYTES = 100_000
PAGES = "twinpane_review.pages_process"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub that reviewers sign in at."""
    with fake_hub() as address:
        monkeypatch.setenv("TWINPANE_REVIEW_CLIENT_ID", "service-review-a")
        monkeypatch.setenv("TWINPANE_REVIEW_CLIENT_SECRET", "a-secret-of-the-tests")
        monkeypatch.setenv("TWINPANE_HUB_PUBLIC_URL", address)
        yield


@pytest.fixture
async def running(tmp_path: Path, hub: None) -> AsyncIterator[tuple[Federation, str]]:
    """A federation of one site with review pages, and their address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    make_data(tmp_path / "data", 60, seed=1)
    folder = make_site(tmp_path / "site", "a", tmp_path / "data", "--review-port", str(port), "--review-url", address)
    async with federation({"a": folder}) as sites:
        await served(address)
        yield sites, address


async def served(address: str, seconds: float = 30) -> None:
    """Wait until the pages answer."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
                writer.close()
                return
            await asyncio.sleep(0.1)


def pages_of(site: Site) -> psutil.Process:
    """The process of the pages."""
    assert site.process is not None
    [found] = [child for child in psutil.Process(site.process.pid).children(recursive=True) if PAGES in child.cmdline()]
    return found


async def opened(pane: RawPane) -> None:
    """Open a session."""
    await pane.send(wire.Open(session=pane.session, seed=1))
    await pane.until(lambda: any(link.code is wire.LinkCode.opened for link in pane.said(wire.Link)), 60)


def cell(pane: RawPane, number: int, source: str = "1") -> wire.Cell:
    return wire.Cell(session=pane.session, cell=number, msg_id=f"m{number}", source=source)


async def flood(address: str, stop: asyncio.Event) -> int:
    """Open half-open sockets and requests whose heads never end, and open new ones for those that are closed; returns how many in all."""
    port, opened_in_all = int(address.rpartition(":")[2]), 0
    held: list[socket.socket] = []

    async def one(words: bytes) -> None:
        nonlocal opened_in_all
        plug = socket.socket()
        plug.setblocking(False)
        held.append(plug)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
                await asyncio.get_running_loop().sock_sendall(plug, words)
        opened_in_all += 1

    try:
        for _ in range(HALF_OPEN // 50):
            await asyncio.gather(*(one(b"") for _ in range(50)))
        for _ in range(SLOW // 50):
            await asyncio.gather(*(one(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ") for _ in range(50)))
        while not stop.is_set():
            for plug in held[-SLOW:]:
                with contextlib.suppress(OSError):
                    plug.send(b"s")
            await one(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
            await one(b"nonsense\r\n\r\n")
            await asyncio.sleep(0.02)
    finally:
        for plug in held:
            plug.close()
    return opened_in_all


async def test_strangers_at_the_pages_delay_no_acknowledgement(running: tuple[Federation, str]) -> None:
    """1,100 half-open sockets and 200 heads that never end. Before, the pages were in the agent's process: cells hung, and the log grew by
    180 MB a minute, since each refused connection was a line."""
    sites, address = running
    site = sites.sites["a"]
    async with raw_pane(sites.url, "a") as pane:
        await opened(pane)
        await pane.acked(await pane.send(cell(pane, 1)))
        before, stop = len(site.log), asyncio.Event()
        attack = asyncio.create_task(flood(address, stop))
        took, number = [], 1
        while len(took) < 40 or not attack.done():
            number += 1
            took.append(await pane.acked(await pane.send(cell(pane, number)), 60))
            await asyncio.sleep(0.2)
            if len(took) == 30:
                reviewer = Reviewer(address, "reviewer-a")
                page = await reviewer.sign_in()
                assert (page.status_code, "reviewer-a" in page.text) == (200, True), "reviewers still get their pages"
                await reviewer.close()
            if len(took) >= 40:
                stop.set()
        assert await attack >= HALF_OPEN + SLOW
        assert max(took) < LATE_S, f"acknowledgements were late: {sorted(took)[-5:]}"
        assert len(site.log) - before < LOG_BYTES
        assert pages_of(site).num_fds() < 400


async def test_strangers_who_keep_pages_busy_keep_no_reviewer_waiting(running: tuple[Federation, str]) -> None:
    """Strangers who keep the pages busy keep no reviewer waiting.

    30 of each kind, from one address. Before, bodies of one-byte chunks and heads of thousands of lines stopped the pages.
    """
    _, address = running
    host, slow = address.partition("://")[2], {}
    for kind in PLAIN:
        took = await waits(int(host.rpartition(":")[2]), kind, 30, 2, host)
        if statistics.median(took) > PROMPT_S:
            slow[kind] = sorted(took)[-5:]
        reviewer = Reviewer(address, "reviewer-a")
        assert (await reviewer.sign_in()).status_code == 200
        await reviewer.close()
    assert not slow


async def test_the_pages_may_die_and_the_link_does_not_notice(running: tuple[Federation, str]) -> None:
    """They are started again after a pause, and acknowledgements go on meanwhile."""
    sites, address = running
    site = sites.sites["a"]
    async with raw_pane(sites.url, "a") as pane:
        await opened(pane)
        hellos = sum('"hello"' in frame for frame in site.tap.out)
        gone = pages_of(site)
        gone.kill()
        took = [await pane.acked(await pane.send(cell(pane, number))) for number in range(1, 11)]
        assert max(took) < LATE_S
        await served(address)
        assert pages_of(site).pid != gone.pid
        assert sum('"hello"' in frame for frame in site.tap.out) == hellos == 1


async def test_what_reviewers_decide_leaves_within_moments(running: tuple[Federation, str]) -> None:
    """What reviewers decide at the pages leaves within moments.

    Two people, the real pages, the real agent: the decision is in the outbox of both, and the agent looks there every second.
    """
    sites, address = running
    async with raw_pane(sites.url, "a") as pane:
        await opened(pane)
        source = "import os; print(len(os.listdir('/data')), 'tables')"
        await pane.acked(await pane.send(cell(pane, 1, source)))
        await pane.send(wire.Twin(session=pane.session, cell=1, outputs=hashlib.sha256(b"twin").hexdigest(), calls=0))
        await pane.until(lambda: pane.said(wire.Verdict), 60)
        item = wire.ExportItem(cell=1, source=source)
        await pane.acked(await pane.send(wire.ExportAsk(session=pane.session, request="e" * 32, purpose="a test", items=(item,))))
        for name in ("reviewer-a", "reviewer-b"):
            reviewer = Reviewer(address, name)
            await reviewer.sign_in()
            async with asyncio.timeout(30):
                while (page := await reviewer.get(f"/requests/{'e' * 32}")).status_code != 200:
                    await asyncio.sleep(0.1)
            assert "tables" in page.text
            marked = await reviewer.post(f"/requests/{'e' * 32}/items/1/mark", decision="approve", remark="fine")
            assert marked.status_code == 303, marked.text
            handed = await reviewer.post(f"/requests/{'e' * 32}/hand-in")
            assert handed.status_code == 303, handed.text
            await reviewer.close()
        await pane.until(lambda: pane.said(wire.Export), 10)
        [export] = pane.said(wire.Export)[:1]
        assert export.state is wire.ExportState.released
        assert len(export.items) == 1
