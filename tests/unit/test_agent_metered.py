"""What a session pays for: reveals, a spent meter, silence; and that nothing leaves before its evidence is written."""

import pytest
from agent_desk import ANA, FAST, Desk, S, answer, cell, forever, printing, reveal_ask, said, session_of, twin

from twinpane_site import held_writer
from twinpane_site import session as session_module
from twinpane_site.errors import HeldError, LedgerError
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.verdict import Run
from twinpane_wire import messages as wire
from twinpane_wire.prefix_code import PrefixCode


@pytest.fixture
async def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "RETRY_S", 0.01)
    made = Desk(tmp_path)
    yield made
    made.db.close()


# ---------------------------------------------------------------- reveals


def revealing(value):
    async def play(kernel, _cell):
        kernel.reveal(1, 1, value)
        return Run(said())

    return play


@pytest.mark.parametrize(("inside", "told"), [
    (0.81234, 0.812), (1.0, 1.0), (0.0, 0.0), (None, None), (1e200, None), (1e-200, None),
])  # fmt: skip
async def test_a_reveal_is_a_number_at_the_asked_digits_or_nothing(desk, inside, told):
    """Name and digits are the clear run's, whatever the inside run says."""
    async with session_of(desk, revealing(inside)) as session:
        session.take(cell(1))
        session.take(reveal_ask())
        session.take(answer())
        session.take(twin(1, calls=1))
        [revealed] = await desk.sent_of(wire.Reveal)
        await desk.sent_of(wire.Verdict)
    assert revealed.value == told
    [entry] = desk.lines(LedgerEvent.reveal)
    assert (entry["name"], entry["digits"], entry["value"]) == ("AUC", 3, told)
    assert entry["bits"] == pytest.approx(FAST.reveal_bits(3, revealed.tick), abs=1e-6)


async def test_a_reveal_never_made_inside_is_none_and_paid(desk):
    """A reveal that the inside run never makes is None, and is paid for."""
    async with session_of(desk) as session:
        session.take(cell(1))
        session.take(reveal_ask())
        session.take(twin(1, calls=1))
        [revealed] = await desk.sent_of(wire.Reveal)
    assert revealed.value is None
    assert len(desk.lines(LedgerEvent.reveal)) == 1


async def test_a_number_that_the_clear_run_did_not_ask_for_stays(desk):
    async with session_of(desk, revealing(7)) as session:
        session.take(cell(1))
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)
    assert desk.of(wire.Reveal) == []


async def test_a_reveal_asked_for_twice_leaves_once(desk):
    """Not at more digits than were paid, either."""
    async with session_of(desk, revealing(0.123456789)) as session:
        session.take(cell(1))
        session.take(reveal_ask(digits=2))
        session.take(reveal_ask(digits=9))
        session.take(answer())
        session.take(twin(1, calls=1))
        await desk.sent_of(wire.Verdict)
        await desk.sent_of(wire.Reveal)
    assert [r.value for r in desk.of(wire.Reveal)] == [0.12]


async def test_a_reveal_of_a_cell_settled_before_a_restart_is_none(desk):
    """A reveal whose cell was settled before a restart is None."""
    async with session_of(desk) as session:
        session.take(reveal_ask())
        assert (await desk.sent_of(wire.Reveal))[0].value is None


# ---------------------------------------------------------------- spent


async def test_a_cell_the_meter_does_not_cover_runs_untold(tmp_path):
    """If the meter does not cover a verdict, the cell runs and no verdict is told."""
    desk = Desk(tmp_path, day_bits=0)
    async with session_of(desk, printing({1: ["rows"]})) as session:
        for number in (1, 2):
            session.take(cell(number))
            session.take(twin(number))
        session.take(reveal_ask())
        spent = await desk.until(lambda: found if len(found := desk.of(wire.Link)) == 3 else None)
        await session.kept(2)
    assert {(m.code.value, m.cell, m.call) for m in spent} == {("spent", 1, None), ("spent", 2, None), ("spent", 1, 1)}
    assert desk.of(wire.Verdict) == []
    assert desk.held.get(S, 1) is not None
    assert len(desk.lines(LedgerEvent.silent)) == 3


async def test_that_the_meter_is_spent_is_told_until_the_pane_has_it(tmp_path):
    desk = Desk(tmp_path, day_bits=0)
    desk.mailbox.receive(S, ANA, 1, wire.Open(session=S, seed=1), desk.now())
    desk.glass.may_verdict(ANA, S, 1, "1")
    [first] = desk.sent
    desk.glass.again()
    desk.glass.may_verdict(ANA, S, 1, "1")
    assert desk.sent == [first, first]
    desk.mailbox.received(S, [wire.crossing_id(first)], ANA)
    desk.glass.again()
    assert desk.sent == [first, first]
    assert len(desk.lines(LedgerEvent.silent)) == 1


async def test_whether_a_verdict_may_leave_is_decided_blindly(tmp_path):
    """If the meter does not cover the most expensive verdict, it holds back a cheap one too."""
    reserve = FAST.verdict_reserve(1)
    desk = Desk(tmp_path, day_bits=reserve - 0.1)
    async with session_of(desk) as session:
        session.take(cell(1))
        session.take(twin(1))
        await desk.until(lambda: desk.codes() == ["spent"])
        await session.kept(1)
    assert desk.of(wire.Verdict) == []


# ---------------------------------------------------------------- silence has a price


async def test_closing_on_a_cell_that_goes_on_pays_for_the_silence(tmp_path):
    """`while secret: pass` and a restart would else tell one bit after the other for nothing."""
    desk = Desk(tmp_path, code=PrefixCode(first_tick_ms=1), play=forever)
    async with session_of(desk) as session:
        session.take(cell(1))
        session.take(reveal_ask())
        session.take(twin(1, calls=1))
        await desk.until(lambda: len(session.silent()) == 2 and min(tick for _, tick in session.silent()) >= 2)
        owed = dict(session.silent())
        for name, tick in owed.items():
            desk.glass.silence(ANA, name, tick)
    assert set(owed) == {f"verdict:{S}:1", f"reveal:{S}:1:1"}
    spent = desk.meter.account("ana", "p").balance().day_spent / 1e6
    assert spent == pytest.approx(sum(FAST.tick_bits(tick) for tick in owed.values()))
    assert sum(entry["bits"] for entry in desk.lines(LedgerEvent.silent)) == pytest.approx(spent)
    desk.meter.release(S)
    assert not desk.meter.account("ana", "p").balance().reserved


async def test_nothing_is_owed_where_nothing_could_have_left(tmp_path):
    """Before the first tick, while the clear run goes on, and once the verdict has left."""
    desk = Desk(tmp_path, code=PrefixCode(first_tick_ms=50_000), play=forever)
    async with session_of(desk) as session:
        session.take(cell(1))
        session.take(twin(1))
        await desk.turns()
        assert session.silent() == []
    other = Desk(tmp_path / "other" if (tmp_path / "other").mkdir() is None else tmp_path, play=forever)
    async with session_of(other) as session:
        session.take(cell(1))
        await other.until(lambda: session._cells[1].owes_verdict)
        assert session.silent() == []
    third = Desk(tmp_path / "third" if (tmp_path / "third").mkdir() is None else tmp_path)
    async with session_of(third) as session:
        session.take(cell(1))
        session.take(twin(1))
        await third.sent_of(wire.Verdict)
        await third.turns()
        assert session.silent() == []


# ---------------------------------------------------------------- evidence before effect


async def test_nothing_leaves_while_the_ledger_cannot_be_written(desk, monkeypatch):
    """While the ledger cannot be written, nothing leaves. Afterwards everything leaves."""
    append, failing = desk.ledger.append, [True]

    def broken(kind, body, time):
        if failing[0] and kind in (LedgerEvent.verdict, LedgerEvent.reveal):
            raise LedgerError("the disk is full")
        return append(kind, body, time)

    monkeypatch.setattr(desk.ledger, "append", broken)
    async with session_of(desk) as session:
        session.take(cell(1))
        session.take(reveal_ask())
        session.take(twin(1, calls=1))
        await session.kept(1)
        await desk.turns(200)
        assert desk.of(wire.Verdict) == desk.of(wire.Reveal) == []
        assert desk.mailbox.unreceived() == []
        failing[0] = False
        await desk.sent_of(wire.Verdict)
        await desk.sent_of(wire.Reveal)


async def test_a_verdict_does_not_wait_for_a_store_that_takes_nothing(desk, monkeypatch):
    """It did: one member's outputs that the full store would not take stopped the verdicts of the others."""
    take, failing = desk.held.take, [True]

    def full(*arguments):
        if failing[0]:
            raise HeldError("the disk is full")
        return take(*arguments)

    monkeypatch.setattr(held_writer, "RETRY_S", 0.01)
    monkeypatch.setattr(desk.held, "take", full)
    async with session_of(desk, printing({1: ["rows"]})) as session:
        session.take(cell(1))
        session.take(twin(1))
        await desk.sent_of(wire.Verdict)
        assert desk.held.find(S, 1) is None
        failing[0] = False
        await session.kept(1)
    assert desk.held.get(S, 1)[1][0]["text"] == "rows"
    [entry] = desk.lines(LedgerEvent.held)
    assert (entry["session"], entry["cell"]) == (S, 1)
