"""Questions to the broker against everything else that an agent does: they share no interpreter, no lock and no memory."""

import asyncio
import contextlib
import itertools
import json
import re
import sqlite3
import statistics
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import duckdb
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect

from harness.federation import PROJECT, TOKEN, Federation, federation, make_site, set_policy
from twinpane_broker.model import Closed
from twinpane_broker.sql import parse_sql
from twinpane_ground import limits
from twinpane_site.config import load_site
from twinpane_wire import messages as wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PERSONS, ROWS = 60_000, 1_500_000
CELLS = 60
HEAVY = r"/site-packages/_?(duckdb|numpy|pandas|pyarrow|scipy|pyroaring|matplotlib|opendp|PIL)\b"
"""Matches the files of libraries that an agent does not need."""
MOST_MIB = 80
LATER_S, TIMES = 0.06, 5
"""Bound for a cell: so many times its delay when nobody asks, and so many seconds more. A loaded machine is slow at both."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose broker is busy for about a second with each new question."""
    root = tmp_path_factory.mktemp("busy")
    (root / "data").mkdir()
    duckdb.execute(
        f"COPY (SELECT i AS person_id, CASE WHEN i % 3 = 0 THEN 'F' ELSE 'M' END AS sex FROM range({PERSONS}) t(i))"
        f" TO '{root}/data/person.parquet' (FORMAT parquet)"
    )
    duckdb.execute(
        f"COPY (SELECT (i * 7919) % {PERSONS} AS person_id, 'k' || (hash(i) % 8) AS kind, 'w' || (hash(i + 1) % 8) AS ward,"
        f" (hash(i + 2) % 10000) / 100.0 AS value, (hash(i + 3) % 10000) / 100.0 AS level FROM range({ROWS}) t(i))"
        f" TO '{root}/data/lab.parquet' (FORMAT parquet)"
    )
    folder = make_site(root / "site", "a", root / "data")
    set_policy(folder, "max_sessions", 4)
    return folder


class Notebook:
    """A session at the site, spoken by hand."""

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self.socket, self.session = socket, session
        self.numbers = itertools.count(1)
        self.acknowledged = asyncio.Condition()
        self.last = 0
        self.released: list[wire.Released] = []

    async def send(self, body: Closed) -> int:
        number = next(self.numbers)
        await self.socket.send(wire.encode(wire.ToSite(site="a", n=number, body=body)))
        return number

    async def listen(self) -> None:
        async for frame in self.socket:
            message = wire.decode(wire.ToPane, frame)
            body = getattr(message, "body", None)
            if isinstance(body, wire.Released):
                self.released.append(body)
            if isinstance(body, wire.Link) and body.code is wire.LinkCode.ack:
                async with self.acknowledged:
                    self.last = max(self.last, body.n)
                    self.acknowledged.notify_all()

    async def settled(self, number: int) -> None:
        """Wait until a message was acknowledged."""
        async with self.acknowledged:
            await self.acknowledged.wait_for(lambda: self.last >= number)

    async def cells(self, first: int, count: int) -> dict[int, float]:
        """Send cells one after another; gives when each was sent, by the clock."""
        sent = {}
        for number in range(first, first + count):
            sent[number] = time.time()
            await self.send(wire.Cell(session=self.session, cell=number, msg_id=f"m{number}", source="pass"))
            await asyncio.sleep(0.02)
        return sent


@contextlib.asynccontextmanager
async def notebook(running: Federation, session: str) -> AsyncIterator[Notebook]:
    headers = {"Authorization": f"token {TOKEN}"}
    address = f"{running.url}/pane?project={PROJECT}"
    async with connect(address, additional_headers=headers, max_size=limits.FRAME, proxy=None) as socket:
        made = Notebook(socket, session)
        listening = asyncio.create_task(made.listen())
        await made.settled(await made.send(wire.Open(session=session, seed=1)))
        try:
            yield made
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def heavy(folder: Path, count: int) -> list[wire.Query]:
    """Questions that no memory knows, each about a second's work."""
    catalogue = load_site(folder).catalogue.published
    sql = "select kind, ward, stddev(value) s, median(value) q, median(level) r from lab where level >= {} group by kind, ward"
    plans = [parse_sql(sql.format(edge), catalogue) for edge in range(10, 10 + 10 * count, 10)]
    return [wire.Query(session="b" * 32, cell=1, call=call, plan=plan) for call, plan in enumerate(plans, 1)]


async def test_a_long_query_delays_no_acknowledgement(site: Path) -> None:
    """Cells of one session are taken in as soon while another session's questions keep DuckDB busy as when nobody asks.

    While the broker was a thread of the agent, one acknowledgement in twenty took 94 ms (148 at most) beside 3.6 ms when nobody asked, on
    2 processors: a query held the interpreter for as long as its rows took. What is left is the share of the processors that it takes.
    Acknowledgements wait for their slots since, so what is measured is the time until a cell is on its way to the disk.
    """
    async with federation({"a": site}) as running, notebook(running, "a" * 32) as quiet, notebook(running, "b" * 32) as asking:
        await quiet.cells(1, 10)
        idle = await quiet.cells(11, CELLS)
        for query in heavy(site, 6):
            await asking.send(query)
        busy = await quiet.cells(11 + CELLS, 2 * CELLS)
        assert len(asking.released) < 6, "the engine was busy all the time"
        await quiet.settled(1 + 10 + 3 * CELLS)
        assert all(each.result.status == "released" for each in asking.released)
    taken = taken_in(site, "a" * 32)
    before, beside = (late([taken[number] - at for number, at in sent.items()]) for sent in (idle, busy))
    assert beside <= TIMES * before + LATER_S, f"{beside:.3f} s beside {before:.3f} s"


def taken_in(folder: Path, session: str) -> dict[int, float]:
    """When each cell of a session was taken in, by the clock of the ledger."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/site.db?mode=ro", uri=True)) as book:
        found = [(at, json.loads(body)) for at, body in book.execute("SELECT time, body FROM ledger WHERE kind = 'cell'")]
    return {body["cell"]: datetime.fromisoformat(at).timestamp() for at, body in found if body["session"] == session}


def late(delays: list[float]) -> float:
    """What one in twenty exceeds, in seconds."""
    return statistics.quantiles(delays, n=20)[-1]


async def test_an_agent_loads_nothing_that_reads_rows_and_stays_small(site: Path) -> None:
    """Neither DuckDB nor what computes with its answers is in the agent's process, whatever was asked.

    Both were before, and the agent took 155 MiB (proportional) where the README said 78; a defect of DuckDB was the agent's.
    """
    async with federation({"a": site}) as running, notebook(running, "c" * 32) as asking:
        await asking.send(heavy(site, 1)[0].model_copy(update={"session": "c" * 32}))
        async with asyncio.timeout(60):
            while not asking.released:
                await asyncio.sleep(0.05)
        agent = psutil.Process(running.sites["a"].process.pid)
        broker = [each for each in agent.children() if "twinpane_site.answering.broker_process" in each.cmdline()]
        assert loaded(agent) == set()
        assert len(broker) == 1
        assert "duckdb" in loaded(broker[0]), "the search finds what is there"
        assert agent.memory_info().rss <= MOST_MIB * 2**20


def loaded(process: psutil.Process) -> set[str]:
    """Which of the libraries a process has mapped."""
    return {found[1] for each in process.memory_maps() if (found := re.search(HEAVY, each.path))}
