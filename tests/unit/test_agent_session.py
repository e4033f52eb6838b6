"""One session at a site, with a fake inside kernel: what leaves, when, and what nothing that a kernel does can change."""

import asyncio

import pytest
from agent_desk import ANA, FAST, Desk, S, answer, cell, failure, forever, printing, said, session_of, twin, until_interrupted

from twinpane_sandbox.calls import CallError
from twinpane_site import session as session_module
from twinpane_site.kinds import Kind
from twinpane_site.verdict import Run
from twinpane_wire import messages as wire
from twinpane_wire.code import Code, lines_of


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
        await session.ended(1)
        await desk.turns()
        assert desk.of(wire.Verdict) == []
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)


async def test_a_verdict_leaves_at_its_tick_and_not_before(tmp_path):
    """What took no time is told at the first tick, counted from the cell's arrival."""
    desk = Desk(tmp_path, code=Code(first_tick_ms=60))
    async with session_of(desk) as session:
        began = asyncio.get_running_loop().time()
        session.take(cell(1))
        session.take(twin(1))
        [verdict] = await desk.sent_of(wire.Verdict)
        assert verdict.tick == 0
        assert asyncio.get_running_loop().time() - began >= 0.06


async def test_what_leaves_is_paid_by_the_published_code(desk):
    source = "a\nb\nc"

    async def play(_kernel, _cell, _prompt):
        return failure("KeyError", "Cell In[1], line 3")

    async with session_of(desk, play) as session:
        session.take(cell(1, source))
        session.take(twin(1))
        [verdict] = await desk.sent_of(wire.Verdict)
    assert (verdict.failure, verdict.line) == ("KeyError", 3)
    [entry] = desk.lines(Kind.verdict)
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
    async def dies(kernel, _cell, _prompt):
        kernel.died.set()
        return Run(said("rows"), died=True)

    async with session_of(desk, dies) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number, "rows"))
        assert [(v.outcome.value, v.failure) for v in await desk.sent_of(wire.Verdict, 2)] == [("failed", "KernelDied")] * 2
        assert desk.kernel.ran == [1]


@pytest.mark.parametrize("bad", [ValueError("x"), RecursionError(), MemoryError(), LookupError("y")])
async def test_whatever_goes_wrong_over_one_cell_the_next_has_its_verdict(desk, bad):
    async def play(_kernel, cell, _prompt):
        if cell.cell == 1:
            raise bad
        return Run(said())

    async with session_of(desk, play) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number))
        assert [v.outcome.value for v in await desk.sent_of(wire.Verdict, 2)] == ["failed", "same"]


async def test_outputs_that_cannot_be_read_or_held_are_no_silence(desk, monkeypatch):
    class Unreadable:
        dropped = 0

        def __bool__(self):
            return True

        def __iter__(self):
            return iter(())

        def digest(self, _owner):
            raise RecursionError

    async def play(_kernel, cell, _prompt):
        return Run(Unreadable()) if cell.cell == 1 else Run(said("x"))

    def broken(*_):
        raise RuntimeError("not even that")

    monkeypatch.setattr(desk.held, "put", broken)
    async with session_of(desk, play) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number))
        verdicts = await desk.sent_of(wire.Verdict, 2)
        assert [(v.outcome.value, v.failure) for v in verdicts] == [("failed", "Other"), ("differs", None)]


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


async def test_comm_messages_go_in_between_cells_and_a_broken_one_stops_nothing(desk):
    def comm(buffer):
        return wire.Comm(session=S, msg_id="c", msg_type="comm_msg", content={"comm_id": "x"}, buffers=(buffer,))

    async with session_of(desk) as session:
        session.take(comm("A"))  # not base64, though it looks like it
        session.take(comm("AAAA"))
        session.take(cell(1))
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)
        assert len(desk.kernel.comms) == 1


# ---------------------------------------------------------------- interrupts


async def test_an_interrupt_stops_the_running_cell_and_those_that_wait(desk):
    async with session_of(desk, until_interrupted) as session:
        for number in (1, 2, 3):
            session.take(cell(number))
        await desk.until(lambda: desk.kernel and desk.kernel.ran == [1])
        session.take(wire.Interrupt(session=S, cell=2))
        for number in (1, 2):
            session.take(twin(number))
        verdicts = await desk.sent_of(wire.Verdict, 2)
        assert [v.failure for v in verdicts] == ["KeyboardInterrupt", "KeyboardInterrupt"]
        await desk.until(lambda: desk.kernel.ran == [1, 3])
        assert desk.kernel.interrupts == 1


async def test_a_cell_that_was_stopped_before_it_ran_is_not_the_same_as_one_that_said_nothing(desk):
    """Its clear run may have ended well: then the runs have come apart, and the researcher has to see that."""
    async with session_of(desk, until_interrupted) as session:
        session.take(cell(1))
        session.take(cell(2))
        session.take(twin(2))
        await desk.until(lambda: desk.kernel and desk.kernel.ran == [1])
        session.take(wire.Interrupt(session=S, cell=2))
        session.take(twin(1))
        assert (await desk.sent_of(wire.Verdict, 2))[1].outcome.value == "failed"


async def test_an_interrupt_while_the_kernel_starts_is_not_lost(desk):
    gate = asyncio.Event()

    async def slow(session):
        await gate.wait()
        return None

    async with session_of(desk, start=slow) as session:
        session.take(cell(1))
        session.take(wire.Interrupt(session=S, cell=1))
        assert session._cells[1].cancelled
        gate.set()


# ---------------------------------------------------------------- input


async def test_prompts_get_the_clear_runs_replies_in_order(desk):
    got = []

    async def play(_kernel, _cell, prompt):
        got.append(await prompt())
        got.append(await prompt())
        got.append(await prompt())
        return Run(said())

    async with session_of(desk, play) as session:
        session.take(cell(1))
        session.take(wire.Input(session=S, cell=1, nth=2, value="second"))
        session.take(wire.Input(session=S, cell=1, nth=1, value="first"))
        session.take(wire.Input(session=S, cell=1, nth=1, value="first, once more"))
        await desk.until(lambda: len(got) == 2)
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)
    assert got == ["first", "second", None]


# ---------------------------------------------------------------- tp calls


def calling(*kinds, got, args=None):
    async def play(kernel, _cell, _prompt):
        for kind in kinds:
            try:
                got.append(await kernel.desk.call(kind, args or {}))
            except CallError as error:
                got.append(error.code)
        return Run(said())

    return play


async def test_the_nth_call_gets_the_nth_answer(desk):
    got = []
    async with session_of(desk, calling("query", "catalogue", got=got)) as session:
        await desk.turns()
        desk.kernel.desk = desk
        session.take(answer(1, 2, "catalogue", "second"))
        session.take(cell(1))
        session.take(answer(1, 1, "query", "first"))
        session.take(answer(1, 2, "catalogue", "second"))
        session.take(answer(1, 2, "catalogue", "another"))
        session.take(twin(1, calls=2))
        await desk.sent_of(wire.Verdict)
    assert got == ["first", "second"]


async def test_a_call_that_the_clear_run_did_not_make_fails(desk):
    got = []
    async with session_of(desk, calling("query", "query", got=got)) as session:
        await desk.turns()
        desk.kernel.desk = desk
        session.take(cell(1))
        session.take(answer(1, 1, "query", "first"))
        await desk.until(lambda: got == ["first"])
        session.take(twin(1, calls=1))
        await desk.sent_of(wire.Verdict)
    assert got == ["first", "not_made"]


async def test_a_call_of_another_kind_than_the_clear_runs_fails(desk):
    got = []
    async with session_of(desk, calling("query", got=got)) as session:
        await desk.turns()
        desk.kernel.desk = desk
        session.take(cell(1))
        session.take(answer(1, 1, "catalogue", "x"))
        session.take(twin(1, calls=1))
        await desk.sent_of(wire.Verdict)
    assert got == ["other_call"]


async def test_a_call_that_failed_outside_fails_inside_the_same_way(desk):
    got = []
    async with session_of(desk, calling("export", got=got)) as session:
        await desk.turns()
        desk.kernel.desk = desk
        session.take(cell(1))
        session.take(answer(1, 1, "export", "no cell has run as In[9]", error="no_such_cell"))
        session.take(twin(1, calls=1))
        await desk.sent_of(wire.Verdict)
    assert got == ["no_such_cell"]


async def test_a_call_whose_answer_never_comes_ends_with_the_clear_run(desk):
    """The clear run counted the call and got no answer that could be sent: the inside run may not wait for ever."""
    got = []
    async with session_of(desk, calling("query", got=got)) as session:
        await desk.turns()
        desk.kernel.desk = desk
        session.take(cell(1))
        session.take(twin(1, calls=1))
        await desk.sent_of(wire.Verdict)
    assert got == ["not_made"]


async def test_calls_between_cells_are_refused(desk):
    async with session_of(desk) as session:
        await desk.turns()
        with pytest.raises(CallError, match="while a cell runs"):
            await session.call("query", {})


async def test_a_kernel_cannot_fill_the_agent_with_calls(desk, monkeypatch):
    """So many, and no more than a number of each is kept."""
    monkeypatch.setattr("twinpane_wire.limits.CALLS", 3)
    got = []
    kinds = ["reveal"] * 5
    async with session_of(desk, calling(*kinds, got=got, args={"value": "x" * 1_000_000})) as session:
        await desk.turns()
        desk.kernel.desk = desk
        session.take(cell(1))
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)
        assert session._cells[1].values == {1: None, 2: None, 3: None}
    assert got == ["not_made"] * 3 + ["too_many"] * 2


async def test_what_a_cell_said_is_not_kept_in_memory(desk):
    """Else a kernel that prints much in each of many cells would fill the agent."""
    async with session_of(desk, printing({1: ["x" * 1_000_000]})) as session:
        session.take(cell(1, files=(wire.WorkspaceFile(path="a.py", content="AAAA"),)))
        session.take(answer(1, 1, "catalogue", "y" * 1000))
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)
        kept = session._cells[1]
        assert kept.cell.files == ()
        assert not kept._answers
        assert len(repr(kept)) < 5000


async def test_closing_ends_the_kernel_and_frees_whoever_waits(desk):
    async with session_of(desk, forever) as session:
        session.take(cell(1))
        await desk.until(lambda: desk.kernel and desk.kernel.ran)
        waiting = asyncio.create_task(session.ended(1))
        await session.close()
        await asyncio.wait_for(waiting, 1)
    assert desk.kernel.closed
