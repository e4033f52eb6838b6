"""One session at a site, with a fake inside kernel: what leaves, when, and what nothing that a kernel does can change."""

import asyncio

import pytest
from agent_desk import (
    ANA,
    FAST,
    Desk,
    FakeKernel,
    S,
    answer,
    cell,
    failure,
    forever,
    printing,
    reveal_ask,
    said,
    session_of,
    twin,
    until_interrupted,
)

from twinpane_site import session as session_module
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.verdict import Run
from twinpane_wire import messages as wire
from twinpane_wire.prefix_code import PrefixCode, lines_of


@pytest.fixture
async def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "RETRY_S", 0.01)
    made = Desk(tmp_path)
    yield made
    made.db.close()


# ---------------------------------------------------------------- verdicts


async def test_cells_run_and_are_told_of_in_order(desk):
    async with session_of(desk, printing({2: ["rows"]})) as session:
        for number in (1, 2, 3):
            session.take(cell(number))
        for number in (3, 2, 1):
            session.take(twin(number))
        verdicts = await desk.sent_of(wire.Verdict, 3)
        assert [(v.cell, v.outcome.value) for v in verdicts] == [(1, "same"), (2, "differs"), (3, "same")]
        assert desk.kernel.ran == [1, 2, 3]


async def test_no_verdict_before_the_clear_run_ended(desk):
    async with session_of(desk) as session:
        session.take(cell(1))
        await session.kept(1)
        await desk.turns()
        assert desk.of(wire.Verdict) == []
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)


async def test_a_verdict_leaves_at_its_tick_and_not_before(tmp_path):
    """What took no time is told at the first tick, counted from the cell's arrival."""
    desk = Desk(tmp_path, code=PrefixCode(first_tick_ms=400))
    async with session_of(desk) as session:
        began = asyncio.get_running_loop().time()
        session.take(cell(1))
        session.take(twin(1))
        [verdict] = await desk.sent_of(wire.Verdict)
        assert verdict.tick == 0
        assert asyncio.get_running_loop().time() - began >= 0.4


async def test_what_leaves_is_paid_by_the_published_code(desk):
    source = "a\nb\nc"

    async def play(_kernel, _cell):
        return failure("KeyError", "Cell In[1], line 3")

    async with session_of(desk, play) as session:
        session.take(cell(1, source))
        session.take(twin(1))
        [verdict] = await desk.sent_of(wire.Verdict)
    assert (verdict.failure, verdict.line) == ("KeyError", 3)
    [entry] = desk.lines(LedgerEvent.verdict)
    assert entry["bits"] == pytest.approx(FAST.verdict_bits(verdict.outcome, verdict.tick, lines_of(source)), abs=1e-6)
    balance = desk.meter.account("ana", "p").balance()
    assert balance.day_spent == pytest.approx(entry["bits"] * 1e6, abs=1)
    assert not balance.reserved


@pytest.mark.parametrize("more", [{"rehearsal": True}, {"silent": True}])
async def test_rehearsals_and_silent_requests_get_no_verdict(desk, more):
    async with session_of(desk) as session:
        session.take(cell(1, **more))
        session.take(twin(1))
        session.take(cell(2))
        session.take(twin(2))
        assert [v.cell for v in await desk.sent_of(wire.Verdict)] == [2]
        assert desk.kernel.ran == [1, 2]


async def test_a_kernel_that_does_not_come_up_fails_every_cell(desk):
    async def nothing(_session):
        return None

    async with session_of(desk, start=nothing) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number))
        assert [v.failure for v in await desk.sent_of(wire.Verdict, 2)] == ["KernelDied", "KernelDied"]


async def test_a_start_that_raises_fails_every_cell_too(desk):
    """A full disk at the start may not show as silence."""

    async def broken(_session):
        raise OSError(28, "No space left on device")

    async with session_of(desk, start=broken) as session:
        session.take(cell(1))
        session.take(twin(1))
        assert (await desk.sent_of(wire.Verdict))[0].failure == "KernelDied"


async def test_a_kernel_that_dies_fails_that_cell_and_those_after_it(desk):
    async def dies(kernel, _cell):
        kernel.died.set()
        return Run(said("rows"), died=True)

    async with session_of(desk, dies) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number, "rows"))
        assert [(v.outcome.value, v.failure) for v in await desk.sent_of(wire.Verdict, 2)] == [("failed", "KernelDied")] * 2
        assert desk.kernel.ran == [1]


@pytest.mark.parametrize("bad", [ValueError("x"), RecursionError(), MemoryError(), LookupError("y")])
async def test_after_any_failure_the_next_cell_has_its_verdict(desk, bad):
    """Whatever goes wrong over one cell, the next one has its verdict."""

    async def play(_kernel, cell):
        if cell.cell == 1:
            raise bad
        return Run(said())

    async with session_of(desk, play) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number))
        assert [v.outcome.value for v in await desk.sent_of(wire.Verdict, 2)] == ["failed", "same"]


async def test_outputs_that_cannot_be_held_are_no_silence(desk, monkeypatch):
    def broken(*_):
        raise RuntimeError("not even that")

    monkeypatch.setattr(desk.held, "take", broken)
    async with session_of(desk, printing({1: ["x"]})) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number))
        assert [v.outcome.value for v in await desk.sent_of(wire.Verdict, 2)] == ["differs", "same"]


async def test_a_cell_that_came_twice_runs_once_and_is_told_of_once(desk):
    """A pane that sends a cell's number again, with another source, gets nothing more."""
    async with session_of(desk, printing({1: ["rows"]})) as session:
        session.take(cell(1))
        session.take(cell(1, "other\nsource"))
        session.take(twin(1))
        session.take(twin(1, "rows"))
        session.take(cell(2))
        session.take(twin(2))
        assert [(v.cell, v.outcome.value) for v in await desk.sent_of(wire.Verdict, 2)] == [(1, "differs"), (2, "same")]
        assert desk.kernel.ran == [1, 2]


async def test_a_verdict_that_has_left_before_stops_nothing(desk):
    """After a restart a cell may come again under a new number: it was paid for, and never leaves a second time."""
    assert desk.glass.may_verdict(ANA, S, 1, "1")
    desk.meter.account("ana", "p").spend(1, f"verdict:{S}:1")
    async with session_of(desk) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number))
        assert [v.cell for v in await desk.sent_of(wire.Verdict)] == [2]


async def test_messages_about_cells_that_never_came_change_nothing(desk):
    async with session_of(desk) as session:
        for message in (twin(9), answer(9), wire.Input(session=S, cell=9, nth=1, value="x"), wire.Interrupt(session=S, cell=0)):
            session.take(message)
        session.take(cell(1))
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)


async def test_comm_messages_go_in_between_cells(desk):
    comm = wire.Comm(session=S, msg_id="c", msg_type="comm_msg", content={"comm_id": "x"}, buffers=("AAAA",))
    async with session_of(desk) as session:
        session.take(comm)
        session.take(cell(1))
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)
        assert desk.kernel.comms == [comm]


# ---------------------------------------------------------------- interrupts


async def test_an_interrupt_stops_its_own_cell_and_no_other(desk):
    """It is of the cell that the clear kernel ran: what was sent before runs to its end here, what comes after runs."""

    async def play(kernel, cell):
        return await until_interrupted(kernel, cell) if cell.cell == 1 else Run(said())

    async with session_of(desk, play) as session:
        for number in (1, 2, 3):
            session.take(cell(number))
            session.take(twin(number))
        await desk.until(lambda: desk.kernel and desk.kernel.ran == [1])
        session.take(wire.Interrupt(session=S, cell=1))
        verdicts = await desk.sent_of(wire.Verdict, 3)
        assert [(v.outcome.value, v.failure) for v in verdicts] == [("failed", "KeyboardInterrupt"), ("same", None), ("same", None)]
        assert desk.kernel.interrupts == 1


async def test_an_interrupt_of_a_waiting_cell_comes_as_it_begins(desk):
    """Cells 1 and 2, which ran outside, were once never run; and a cell that was skipped was not counted inside."""
    gate = asyncio.Event()

    async def play(kernel, cell):
        if cell.cell == 1:
            await gate.wait()
        return await until_interrupted(kernel, cell) if cell.cell == 3 else Run(said())

    async with session_of(desk, play) as session:
        for number in (1, 2, 3, 4):
            session.take(cell(number))
            session.take(twin(number))
        await desk.until(lambda: desk.kernel and desk.kernel.ran == [1])
        session.take(wire.Interrupt(session=S, cell=3))
        await desk.turns()
        assert desk.kernel.interrupts == 0
        gate.set()
        verdicts = await desk.sent_of(wire.Verdict, 4)
        assert [v.failure for v in verdicts] == [None, None, "KeyboardInterrupt", None]
        assert desk.kernel.ran == [1, 2, 3, 4]
        assert desk.kernel.interrupts == 1


async def test_an_interrupt_of_a_cell_that_is_over_changes_nothing(desk):
    async with session_of(desk) as session:
        session.take(cell(1))
        await desk.until(lambda: session._cells[1].over)
        session.take(wire.Interrupt(session=S, cell=1))
        session.take(cell(2))
        session.take(twin(1))
        session.take(twin(2))
        assert [v.outcome.value for v in await desk.sent_of(wire.Verdict, 2)] == ["same", "same"]
        assert desk.kernel.interrupts == 0


async def test_an_interrupt_while_the_kernel_starts_is_of_its_own_cell(desk):
    gate, kernel = asyncio.Event(), FakeKernel(printing({}))

    async def play(_kernel, cell):
        return await until_interrupted(kernel, cell) if cell.cell == 2 else Run(said())

    async def slow(_session):
        await gate.wait()
        kernel.play = play
        return kernel

    async with session_of(desk, start=slow) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number))
        session.take(wire.Interrupt(session=S, cell=2))
        gate.set()
        assert [v.failure for v in await desk.sent_of(wire.Verdict, 2)] == [None, "KeyboardInterrupt"]


# ---------------------------------------------------------------- what is given to a cell


async def test_a_kernel_gets_what_comes_for_a_cell_in_order(desk):
    """The kernel gets a cell's messages in order, even those that came before the kernel existed."""
    gate, kernel = asyncio.Event(), FakeKernel(printing({}))

    async def slow(_session):
        await gate.wait()
        return kernel

    messages = [wire.Input(session=S, cell=1, nth=1, value="x"), answer(1, 1, "query", "y"), twin(1, calls=1)]
    async with session_of(desk, start=slow) as session:
        session.take(cell(1))
        for message in messages[:2]:
            session.take(message)
        await desk.turns()
        gate.set()
        await desk.until(lambda: kernel.given)
        session.take(messages[2])
        await desk.sent_of(wire.Verdict)
    assert kernel.given == messages


# ---------------------------------------------------------------- the last tick


@pytest.fixture
async def short(tmp_path, monkeypatch):
    """A desk whose last tick comes 80 ms after a cell."""
    monkeypatch.setattr("twinpane_wire.prefix_code.SHORTEST_LAST_TICK_MS", 1)
    made = Desk(tmp_path, code=PrefixCode(first_tick_ms=10, ticks=3))
    yield made
    made.db.close()


async def test_a_cell_beyond_the_last_tick_gets_one_verdict(short):
    """Its verdict once left when the run ended: 54 bits for 25 metered, at ticks = 3."""
    gate = asyncio.Event()

    async def play(_kernel, _cell):
        await gate.wait()
        return Run(said("rows"))

    async with session_of(short, play) as session:
        session.take(cell(1))
        session.take(twin(1))
        [verdict] = await short.sent_of(wire.Verdict)
        assert (verdict.outcome.value, verdict.failure, verdict.line, verdict.tick) == ("failed", "Unfinished", 1, 3)
        gate.set()
        await session.kept(1)
        await short.turns()
    assert short.of(wire.Verdict) == [verdict]
    assert [entry["failure"] for entry in short.lines(LedgerEvent.verdict)] == ["Unfinished"]
    assert short.held.get(S, 1)[1][0]["text"] == "rows"


@pytest.mark.parametrize("run", [Run(said()), Run(said("rows")), failure("KeyError")])
async def test_all_that_ends_just_before_the_last_tick_looks_the_same(short, run):
    """What ended between the last two ticks says the same one thing. Neither how it ended nor whether it was in time is told."""

    async def play(_kernel, _cell):
        await asyncio.sleep(0.06)
        return run

    async with session_of(short, play) as session:
        session.take(cell(1))
        session.take(twin(1))
        [verdict] = await short.sent_of(wire.Verdict)
    assert (verdict.failure, verdict.line, verdict.tick) == ("Unfinished", 1, 3)


async def test_a_number_at_the_last_tick_is_none(short):
    async def play(kernel, _cell):
        await asyncio.sleep(0.06)
        kernel.reveal(1, 1, 0.5)
        await asyncio.Event().wait()

    async with session_of(short, play) as session:
        session.take(cell(1))
        session.take(reveal_ask())
        [revealed] = await short.sent_of(wire.Reveal)
    assert (revealed.value, revealed.tick) == (None, 3)


# ---------------------------------------------------------------- memory, and the end


async def test_what_a_cell_said_is_not_kept_in_memory(desk):
    """Else a kernel that prints much in each of many cells would fill the agent."""
    async with session_of(desk, printing({1: ["x" * 1_000_000]})) as session:
        session.take(cell(1, files=(wire.WorkspaceFile(path="a.py", content="AAAA"),)))
        session.take(answer(1, 1, "catalogue", "y" * 1000))
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)
        kept = session._cells[1]
        assert kept.cell.files == ()
        assert len(repr(kept)) < 5000


async def test_closing_ends_the_kernel_and_frees_whoever_waits(desk):
    async with session_of(desk, forever) as session:
        session.take(cell(1))
        await desk.until(lambda: desk.kernel and desk.kernel.ran)
        waiting = asyncio.create_task(session.kept(1))
        await session.close()
        await asyncio.wait_for(waiting, 1)
    assert desk.kernel.closed
