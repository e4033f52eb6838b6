"""The freeze: one act stops everything that leaves, and no one person, however they come, ends it."""

import asyncio
import contextlib
import threading
from datetime import UTC, datetime

import pytest
from agent_desk import KEY, Desk, S, cell, query, twin
from test_agent_link import Board, dialled, until

from twinpane_broker.release.release import Refusal
from twinpane_site.accounts import Accounts
from twinpane_site.db import Database
from twinpane_site.errors import ConfigError, Frozen, StoreError
from twinpane_site.freeze_watch import FreezeWatch
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import CROSSINGS, LedgerEvent
from twinpane_site.standstill import FreezeError, Standstill
from twinpane_wire import messages as wire

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Site:
    """A ledger with a freeze; ``stewards`` are who a test says."""

    def __init__(self, folder):
        self.db = Database.open(folder)
        self.ledger = Ledger(self.db, KEY)
        self.stewards = {"ada", "bo", "cy"}
        self.standstill = Standstill(self.ledger, lambda: frozenset(self.stewards), lambda: NOON)

    def kinds(self):
        return [entry.kind.value for entry in self.ledger.entries()]


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.db.close()


def body(kind):
    return dict.fromkeys(kind.required, "x")


# ---------------------------------------------------------------- nothing leaves


def test_every_crossing_has_evidence_that_a_freeze_stops():
    """A crossing whose evidence were not among these would leave a frozen site."""
    named = {kind.value for kind in LedgerEvent if str(kind.__doc__).startswith("Crossing `")}
    assert named == {kind.value for kind in CROSSINGS}
    assert {str(kind.__doc__).split("`")[1] for kind in CROSSINGS} == set(wire.CROSSINGS) - {"link"}


@pytest.mark.parametrize("kind", sorted(CROSSINGS, key=lambda kind: kind.value))
def test_a_frozen_ledger_takes_no_evidence_of_a_crossing(site, kind):
    """Without evidence there is no effect: so nothing leaves, whoever would let it out."""
    site.standstill.freeze("ada")
    with pytest.raises(Frozen):
        site.ledger.append(kind, body(kind), NOON)
    assert site.kinds() == ["frozen"]


def test_all_else_goes_on_being_recorded(site):
    """A freeze stops what leaves, not the record of what happens."""
    site.standstill.freeze("ada")
    for kind in (LedgerEvent.opened, LedgerEvent.cell, LedgerEvent.held, LedgerEvent.vote, LedgerEvent.grant, LedgerEvent.silent):
        site.ledger.append(kind, body(kind), NOON)
    assert len(site.kinds()) == 7


def test_a_freeze_outlives_the_process(site, tmp_path):
    """It is in the ledger and nowhere else: a restart finds it, and no other file can say otherwise."""
    site.standstill.freeze("ada", "a leak?")
    again = Site(tmp_path)
    state = again.standstill.state()
    assert (again.ledger.frozen(), state.by, state.reason) == (True, "ada", "a leak?")
    again.db.close()


def test_another_process_is_stopped_with_the_same_line(site, tmp_path):
    """Agent, pages and terminal each have their own connection: the line of one stops the others' next."""
    other = Site(tmp_path)
    site.standstill.freeze("ada")
    with pytest.raises(Frozen):
        other.ledger.append(LedgerEvent.release, body(LedgerEvent.release), NOON)
    other.db.close()


def test_no_crossing_slips_in_beside_a_freeze(site, tmp_path):
    """Two processes write as fast as they can; after the freeze's line there is no crossing's line."""
    stop = threading.Event()

    def let_out():
        other = Site(tmp_path)
        while not stop.is_set():
            with contextlib.suppress(Frozen):
                other.ledger.append(LedgerEvent.verdict, body(LedgerEvent.verdict), NOON)
        other.db.close()

    busy = [threading.Thread(target=let_out) for _ in range(2)]
    for thread in busy:
        thread.start()
    while "verdict" not in site.kinds():
        pass
    entry = site.standstill.freeze("ada").entry
    for _ in range(20):
        site.ledger.append(LedgerEvent.grant, body(LedgerEvent.grant), NOON)
    stop.set()
    for thread in busy:
        thread.join()
    assert {each.kind for each in site.ledger.entries(after=entry)} == {LedgerEvent.grant}


def test_who_cannot_tell_counts_the_site_as_frozen(site):
    """A database that cannot be read lets nothing out."""
    watch = FreezeWatch(site.ledger)
    assert not watch.frozen()
    site.db.close()
    assert watch.frozen()


# ---------------------------------------------------------------- who ends it


def test_two_stewards_together_end_a_freeze(site):
    entry = site.standstill.freeze("ada").entry
    assert site.standstill.agree("ada", entry).agreed == ("ada",)
    assert site.ledger.frozen()
    assert not site.standstill.agree("bo", entry).frozen
    assert site.kinds() == ["frozen", "unfreeze", "unfreeze", "unfrozen"]
    assert site.ledger.last(LedgerEvent.unfrozen).body == {"by": ["ada", "bo"], "freeze": entry}
    site.ledger.append(LedgerEvent.release, body(LedgerEvent.release), NOON)


@pytest.mark.parametrize("second", ["ada", "ADA", "Ada"])
def test_one_person_is_one_person_however_written(site, second):
    """Two sessions of one steward, or the name in other letters, are one voice."""
    entry = site.standstill.freeze("bo").entry
    site.standstill.agree("ada", entry)
    site.standstill.agree(second, entry)
    assert site.ledger.frozen()
    assert site.kinds() == ["frozen", "unfreeze"]


def test_an_old_word_does_not_end_a_new_freeze(site):
    """Forms sent again, of a freeze that is over or was renewed, do nothing: who freezes again takes the earlier words back."""
    first = site.standstill.freeze("ada").entry
    site.standstill.agree("ada", first)
    second = site.standstill.freeze("cy").entry
    assert site.standstill.state().agreed == ()
    for name in ("ada", "bo"):
        with pytest.raises(FreezeError):
            site.standstill.agree(name, first)
    site.standstill.agree("bo", second)
    assert site.ledger.frozen()
    site.standstill.agree("cy", second)
    assert not site.ledger.frozen()
    with pytest.raises(FreezeError):
        site.standstill.agree("ada", second)


def test_only_stewards_of_now_count(site):
    """A stranger's word is refused, and that of a steward who is none any more is not counted."""
    entry = site.standstill.freeze("ada").entry
    with pytest.raises(FreezeError):
        site.standstill.agree("mallory", entry)
    site.standstill.agree("ada", entry)
    site.stewards.discard("ada")
    assert site.standstill.agree("bo", entry).frozen
    assert not site.standstill.agree("cy", entry).frozen


@pytest.mark.parametrize("name", ["ada", "bo"])
def test_many_words_at_once_are_counted_by_person(site, tmp_path, name):
    """Twelve processes agree at the same moment: one person stays one, two are two, and the end is written once."""
    entry = site.standstill.freeze("cy").entry
    names = ["ada", name] * 6
    barrier = threading.Barrier(len(names))

    def agree(who):
        other = Site(tmp_path)
        barrier.wait()
        with contextlib.suppress(FreezeError):
            other.standstill.agree(who, entry)
        other.db.close()

    threads = [threading.Thread(target=agree, args=(who,)) for who in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.kinds().count("unfreeze") == len(set(names))
    assert site.kinds().count("unfrozen") == (1 if name == "bo" else 0)


# ---------------------------------------------------------------- a running agent


def crossing():
    return wire.Verdict(session=S, cell=1, outcome="same", tick=0, left=1.0)


async def test_what_was_on_its_way_stops_at_the_link():
    """A crossing that waits for a slow link when the site is frozen does not leave; the link's own words do."""
    frozen, board = False, Board()
    async with dialled(board) as site:
        site.link._frozen = lambda: frozen
        await until(lambda: site.joined)
        site.link.send(crossing())
        await until(lambda: len(board.heard) == 1)
        frozen = True
        site.link.send(crossing())
        site.link.send(wire.Link(session=S, code="ack", n=1))
        await until(lambda: len(board.heard) == 2)
        frozen = False
        site.link.send(crossing())
        await until(lambda: len(board.heard) == 3)
    assert [frame.body.kind for frame in board.heard] == ["verdict", "link", "verdict"]


@pytest.fixture
async def desk(tmp_path, monkeypatch):
    monkeypatch.setattr("twinpane_site.session.RETRY_S", 0.01)
    monkeypatch.setattr("twinpane_site.freeze_watch.LOOK_S", 0.01)
    made = Desk(tmp_path)
    yield made
    await made.agent_.close()
    made.db.close()


def stop_and_go(desk):
    return Standstill(desk.ledger, lambda: frozenset({"ada", "bo"}), desk.now)


async def test_a_frozen_agent_answers_nothing_and_goes_on_after(desk):
    """Cells run and questions wait; not one verdict, answer or catalogue leaves. After the freeze each leaves, once."""
    told = asyncio.Event()

    async def broker(plan):
        told.set()
        return Refusal(site="a", plan_hash="0" * 64, code="withheld")

    switch, watch = stop_and_go(desk), FreezeWatch(desk.ledger)
    agent = desk.agent(broker=broker)
    agent._ask = watch.asking(agent._ask)
    entry = switch.freeze("ada").entry
    agent.joined(("p",))
    desk.pane(wire.Open(session=S, seed=1), 1)
    desk.pane(cell(1), 2)
    desk.pane(twin(1), 3)
    desk.pane(query(), 4)
    going = asyncio.create_task(watch.run(lambda: asyncio.to_thread(lambda: None)))
    await desk.turns(2000)
    assert not told.is_set()
    assert {type(message) for message in desk.sent} == {wire.Link}
    assert not {entry.kind for entry in desk.ledger.entries()} & CROSSINGS
    switch.agree("ada", entry)
    switch.agree("bo", entry)
    await desk.sent_of(wire.Verdict)
    await desk.sent_of(wire.Released)
    assert [len(desk.lines(kind)) for kind in (LedgerEvent.verdict, LedgerEvent.release)] == [1, 1]
    going.cancel()


async def test_the_end_of_a_freeze_is_noticed_and_gone_on_from(desk):
    """However short it was: the catalogue that could not be published is, and what waits is sent. An error there ends nothing."""
    switch, watch = stop_and_go(desk), FreezeWatch(desk.ledger)
    agent, went_on = desk.agent(), []

    async def go_on():
        went_on.append(1)
        agent.unfrozen()
        raise RuntimeError("a fault of what goes on")

    task = asyncio.create_task(watch.run(go_on))
    await desk.turns()
    for number in (1, 2):
        entry = switch.freeze("ada").entry
        agent.joined(("p",))
        assert len(desk.of(wire.Catalogued)) == number - 1
        switch.agree("ada", entry)
        switch.agree("bo", entry)
        await desk.sent_of(wire.Catalogued, number)
    assert not task.done()
    task.cancel()
    assert went_on == [1, 1]


# ---------------------------------------------------------------- accounts


@pytest.fixture
def accounts(site):
    return Accounts(site.db, site.ledger, lambda: NOON)


def test_a_password_is_its_accounts_alone(accounts):
    """The right one in any case of the name; not another's, not a part, not of a removed account."""
    ada, bo = accounts.put("Ada", True, "root"), accounts.put("bo", False, "root")
    assert accounts.proved("ADA", f" {ada} ").name == "ada"
    for name, password in (("ada", bo), ("ada", ""), ("ada", ada[:-1]), ("nobody", ada), ("", ""), ("ada", "\udcff")):
        assert accounts.proved(name, password) is None
    assert accounts.stewards() == {"ada"}
    accounts.remove("ada", "root")
    assert accounts.proved("ada", ada) is None
    assert accounts.stewards() == frozenset()


def test_every_change_of_an_account_is_in_the_ledger(accounts, site):
    """Who made, changed and removed it; never a password."""
    password = accounts.put("ada", True, "root")
    accounts.put("ada", False, "root")
    accounts.remove("ada", "root")
    said = [entry.body["what"] for entry in site.ledger.entries(LedgerEvent.account)]
    assert said == ["made, a steward", "changed, no steward", "removed"]
    stored = str([tuple(row) for row in site.db.rows("SELECT * FROM account")]) + str([e.body for e in site.ledger.entries()])
    assert password not in stored


@pytest.mark.parametrize("name", ["", "a b", "x" * 81, "=cmd", "a\n"])
def test_what_is_no_name_gets_no_account(accounts, name):
    with pytest.raises(ConfigError):
        accounts.put(name, True, "root")


def test_another_password_takes_no_rights(accounts):
    """A steward with a new password is a steward; a new account has no rights that nobody gave it."""
    accounts.put("ada", True, "root")
    old = accounts.put("ada", None, "root")
    assert accounts.stewards() == {"ada"}
    assert accounts.proved("ada", old)
    accounts.put("bo", None, "root")
    accounts.put("ada", False, "root")
    assert accounts.stewards() == frozenset()


def test_without_the_ledger_an_account_is_not_made(accounts, site, monkeypatch):
    def full(*_):
        raise StoreError("full")

    monkeypatch.setattr(site.ledger, "append", full)
    with pytest.raises(StoreError):
        accounts.put("ada", True, "root")
    assert accounts.all() == []
