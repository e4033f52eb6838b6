"""A site that waits for its turn: it takes everything in and answers brokers' questions, and touches nothing of inside kernels."""

import asyncio
import math
import os
import threading
import time

import pytest
from agent_desk import Desk, S, cell, query, reveal_ask, silent_play, twin

from twinpane_broker.release.release import Refusal
from twinpane_site import agent as agent_module
from twinpane_site.start_signal import start_signal
from twinpane_wire import messages as wire

OPEN = wire.Open(session=S, seed=1)


@pytest.fixture
async def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(agent_module, "RESEND_S", 0.01)
    made = Desk(tmp_path)
    made.turn = asyncio.Event()
    yield made
    await made.agent_.close()
    made.db.close()


async def answer(plan):
    """A broker that refuses everything."""
    return Refusal(site="a", plan_hash=plan.digest(), code="grammar", reason="no")


def asked(path):
    """A request for a file."""
    return wire.ExportAsk(session=S, request="b" * 32, purpose="figure 2", items=(wire.ExportItem(path=path),))


async def test_nothing_runs_before_the_turn_and_everything_after(desk):
    desk.agent()
    for n, body in enumerate([OPEN, cell(1), twin(1), cell(2), twin(2)], 1):
        desk.pane(body, n)
    await desk.turns(200)
    assert desk.launcher.kernels == []
    assert desk.codes().count("ack") == 5
    assert desk.of(wire.Verdict) == []
    desk.turn.set()
    assert [verdict.cell for verdict in await desk.sent_of(wire.Verdict, 2)] == [1, 2]


async def test_a_broker_answers_before_the_turn(desk):
    desk.agent(broker=answer)
    for n, body in enumerate([OPEN, cell(1), query()], 1):
        desk.pane(body, n)
    [released] = await desk.sent_of(wire.Released)
    assert released.result.status == "refused"
    assert desk.launcher.kernels == []


async def test_a_cell_arrives_when_the_turn_comes(desk):
    """Its ticks are counted from then, as before nothing could run: what it waited is not paid, and tells of nothing."""
    desk.agent()
    for n, body in enumerate([OPEN, cell(1), twin(1), reveal_ask(), cell(2)], 1):
        desk.pane(body, n)
    runs = desk.agent_._sessions[S]._cells.values()
    assert [run.arrived for run in runs] == [math.inf] * 2
    await desk.turns()
    before = time.monotonic()
    desk.turn.set()
    await desk.sent_of(wire.Verdict)
    await desk.sent_of(wire.Reveal)
    assert all(before <= run.arrived <= time.monotonic() for run in runs)
    desk.pane(cell(3), 6)
    assert before <= desk.agent_._sessions[S]._cells[3].arrived <= time.monotonic()


async def test_a_session_closed_before_the_turn_costs_nothing(desk):
    """That nothing had left by then says nothing about any row."""
    desk.agent()
    for n, body in enumerate([OPEN, cell(1), twin(1)], 1):
        desk.pane(body, n)
    await desk.turns(50)
    desk.pane(wire.Close(session=S), 4)
    await desk.until(lambda: S not in desk.agent_._sessions)
    await desk.turns()
    assert desk.meter.account("ana", "p").left() == 1024
    assert desk.launcher.kernels == []


async def test_a_request_for_a_file_waits_for_the_cells_that_make_it(desk):
    """Old outputs are an earlier run's. Reading them takes time, which a clear kernel beside it could measure."""

    async def writes(_kernel, _cell):
        (desk.folder / "projects" / "ana" / "table.csv").write_text("n\n2\n")
        return await silent_play(_kernel, _cell)

    desk.play = writes
    desk.agent()
    (desk.folder / "projects" / "ana").mkdir(parents=True)
    (desk.folder / "projects" / "ana" / "table.csv").write_text("n\n1\n")
    for n, body in enumerate([OPEN, cell(1), asked("table.csv"), twin(1)], 1):
        desk.pane(body, n)
    await desk.turns(100)
    assert desk.exports.submitted == []
    desk.turn.set()
    await desk.until(lambda: desk.exports.submitted)
    assert desk.exports.submitted[0][2][0][1] == b"n\n2\n"


@pytest.mark.parametrize(("said", "begins"), [(b"run\n", True), (b"run", False), (b"", False), (b"no!\nrun\n", False)])
async def test_only_the_parents_word_makes_it_a_sites_turn(said, begins):
    """A parent that died closes its end, and that is no word."""
    read, write = os.pipe()
    turn = start_signal(read)
    [waits] = [thread for thread in threading.enumerate() if thread.name == "start signal"]
    assert not turn.is_set()
    os.write(write, said)
    os.close(write)
    await asyncio.to_thread(waits.join, 10)
    await asyncio.sleep(0)
    assert turn.is_set() is begins
    os.close(read)
