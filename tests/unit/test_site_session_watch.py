"""A steward stops a session: by a line of the ledger first, then within a second. And sees what sessions use, which nobody else does."""

import asyncio

import pytest
from agent_desk import ANA, BEN, Desk, FakeKernel, S, cell, forever, reveal_ask, twin

from twinpane_sandbox.cgroups import Use
from twinpane_site import session_watch
from twinpane_site.errors import StoreError
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.running_sessions import STALE_S, RunningSessions, StopError
from twinpane_site.session_figures import Figures, FiguresTable, KernelState
from twinpane_site.session_watch import SessionWatch
from twinpane_site.standstill import Standstill
from twinpane_wire import messages as wire

OTHER = "b" * 32


class Site(Desk):
    """A desk with a watch, and what the steward has in another process."""

    def start(self):
        self.sessions = RunningSessions(self.db, self.ledger)
        self.watch = SessionWatch(self.ledger, FiguresTable(self.db), self.agent(), self.now)
        return self

    async def opened(self, session=S, principal=ANA):
        self.pane(wire.Open(session=session, seed=1), 1, principal)
        await self.until(lambda: session in self.agent_.open_sessions)
        await self.until(lambda: self.shown(session).state is KernelState.idle)

    def shown(self, session):
        """What the session says of itself."""
        return next(one.figures() for one in self.agent_.running() if one.id == session)

    def stop(self, session=S):
        self.sessions.stop(session, "Sten", self.time)

    def kinds(self):
        return [entry.kind.value for entry in self.ledger.entries()]


@pytest.fixture
async def site(tmp_path):
    made = Site(tmp_path).start()
    yield made
    await made.agent_.close()
    made.db.close()


# ---------------------------------------------------------------- stopping


async def test_a_stop_is_a_line_first_and_ends_the_session(site):
    """Its kernel is dead, its user told that the site is not there, its messages refused; other sessions go on."""
    await site.opened()
    await site.opened(OTHER, BEN)
    site.stop()
    assert site.lines(LedgerEvent.session_stopped) == [{"session": S, "user": "ana", "project": "p", "by": "sten"}]
    assert set(site.agent_.open_sessions) == {S, OTHER}, "the line alone ends nothing"
    site.watch.look()
    assert set(site.agent_.open_sessions) == {OTHER}
    await site.until(lambda: site.launcher.kernels[0].closed)
    assert not site.launcher.kernels[1].closed
    assert site.kinds()[-2:] == ["session_stopped", "closed"]
    assert site.lines(LedgerEvent.closed) == [{"session": S, "reason": "a steward stopped it"}]
    assert [(one.session, one.code.value) for one in site.of(wire.Link)][-1] == (S, "unavailable")
    site.pane(cell(1), 2)
    assert site.codes()[-1] == "refused_message"


async def test_its_user_may_open_another_session(site):
    """A stop is of a session, not of a person; who shall stay out is taken out of the project."""
    await site.opened()
    site.stop()
    site.watch.look()
    await site.opened(OTHER)
    site.watch.look()
    assert set(site.agent_.open_sessions) == {OTHER}


async def test_a_stop_of_a_session_that_is_gone_is_one_sentence(site):
    """So is a second one, and one of a session that never was; the ledger takes no line of it."""
    await site.opened()
    await site.opened(OTHER)
    with pytest.raises(StopError, match="no such session"):
        site.stop("c" * 32)
    site.stop()
    with pytest.raises(StopError, match="stopped before"):
        site.stop()
    site.watch.look()
    with pytest.raises(StopError, match="no such session"):
        site.stop()
    assert len(site.lines(LedgerEvent.session_stopped)) == 1
    assert set(site.agent_.open_sessions) == {OTHER}


async def test_a_stop_holds_over_a_restart_of_the_agent(site):
    """The line was written while no agent ran: the next one takes the session up, and ends it at its first look."""
    await site.opened()
    await site.agent_.close()
    site.stop()
    site.start().agent_.restore()
    assert [one.stopped for one in site.sessions.all(site.time)] == [True]
    site.watch.look()
    assert site.agent_.open_sessions == {}
    assert site.sessions.all(site.time) == []


async def test_lines_of_earlier_stops_stop_nothing_anew(site):
    """A restart reads them all again; no session is opened twice under one name."""
    await site.opened()
    site.stop()
    site.watch.look()
    site.pane(wire.Open(session=S, seed=1), 1)
    site.pane(wire.Open(session=S, seed=1), 2)
    assert site.agent_.open_sessions == {}
    await site.opened(OTHER)
    SessionWatch(site.ledger, FiguresTable(site.db), site.agent_, site.now).look()
    assert set(site.agent_.open_sessions) == {OTHER}


async def test_a_stop_that_cannot_be_written_is_tried_again(site, monkeypatch):
    """The session goes on, its user is told nothing, and the next look ends it."""
    await site.opened()
    site.stop()
    append = site.ledger.append

    def full(kind, *rest):
        if kind is LedgerEvent.closed:
            raise StoreError("the disk is full")
        return append(kind, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(site.ledger, "append", full)
        with pytest.raises(StoreError):
            site.watch.look()
    assert set(site.agent_.open_sessions) == {S}
    assert "unavailable" not in site.codes()
    site.watch.look()
    assert site.agent_.open_sessions == {}


async def test_a_session_is_stopped_while_the_site_is_frozen(site):
    """Both at once: nothing leaves of it but the link's own word."""
    await site.opened()
    Standstill(site.ledger, frozenset, site.now).freeze("sten")
    site.sent.clear()
    site.stop()
    site.watch.look()
    assert site.agent_.open_sessions == {}
    assert {type(message) for message in site.sent} <= {wire.Link}


async def test_what_a_stopped_session_owed_never_leaves(site):
    """A verdict and a reveal that were due are silent, and charged as at any other closing."""
    site.play = forever
    await site.opened()
    site.pane(cell(1), 2)
    site.pane(twin(1, calls=1), 3)
    site.pane(reveal_ask(), 4)
    await asyncio.sleep(0.01)
    site.stop()
    site.watch.look()
    await site.turns()
    assert site.of(wire.Verdict) == []
    assert site.of(wire.Reveal) == []
    assert site.lines(LedgerEvent.closed)


# ---------------------------------------------------------------- figures


async def test_a_steward_sees_what_each_session_uses(site):
    """State, processor time and memory of the kernel; where nothing is known, nothing is said."""
    site.play = forever
    await site.opened()
    site.pane(cell(7), 2)
    await site.until(lambda: site.shown(S).cell == 7)
    await site.watch.measure()
    (seen,) = site.sessions.all(site.time)
    assert (seen.session, seen.user, seen.project, seen.stopped) == (S, "ana", "p", False)
    assert seen.figures == Figures(S, KernelState.running, 7, 2.5, 3 * 2**20, None, None)


async def test_a_kernel_that_is_gone_is_said_to_be(site):
    await site.opened()
    site.launcher.kernels[0].died.set()
    assert site.shown(S).state is KernelState.gone


async def test_old_figures_are_not_shown(site):
    """An agent that is stopped leaves its last ones; they say nothing of now. Those of closed sessions go."""
    await site.opened()
    await site.watch.measure()
    later = site.time.fromtimestamp(site.time.timestamp() + STALE_S + 1, site.time.tzinfo)
    assert site.sessions.all(site.time)[0].figures is not None
    assert site.sessions.all(later)[0].figures is None
    site.stop()
    site.watch.look()
    await site.watch.measure()
    assert site.db.rows("SELECT * FROM session_figures") == []


async def test_figures_go_nowhere_but_to_the_steward(site):
    """Whatever a kernel uses, the link says the same and the ledger has the same lines."""
    await site.opened()
    sent, lines = list(site.sent), site.kinds()
    for used in (Use(0.0, 0), Use(1e6, 2**40), Use()):
        site.launcher.kernels[0].use = lambda used=used: used
        await site.watch.measure()
        site.watch.look()
    assert (site.sent, site.kinds()) == (sent, lines)


async def test_figures_that_cannot_be_had_end_no_session(site, monkeypatch):
    """Neither a machine that tells nonsense nor a full disk ends the watch; what was stopped still ends."""
    monkeypatch.setattr(session_watch, "LOOK_S", 0.001)
    monkeypatch.setattr(session_watch, "MEASURE_S", 0.001)
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def broken(_kernel):
        loop.call_soon_threadsafe(asked.set)
        raise ValueError("nonsense")

    monkeypatch.setattr(FakeKernel, "use", lambda _: Use())
    await site.opened()
    monkeypatch.setattr(FakeKernel, "use", broken)
    running = asyncio.create_task(site.watch.run())
    try:
        await asyncio.wait_for(asked.wait(), 10)
        site.stop()
        await site.until(lambda: not site.agent_.open_sessions)
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
