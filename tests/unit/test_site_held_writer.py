"""What a session's cells said goes to the held store beside everything else, and what cannot be kept is noted once."""

import asyncio
import os

import pytest
from agent_desk import Desk, S, said

from twinpane_site import held_writer as module
from twinpane_site.errors import HeldError
from twinpane_site.held import HeldLimits, HeldStore
from twinpane_site.held_form import pack
from twinpane_site.held_writer import HeldWriter
from twinpane_site.inside_kernel import Kept
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.parts.port import sealed
from twinpane_site.reader import reports


def kept(*texts, dropped=0):
    packed = pack(said(*texts), 10**6, dropped)
    told = reports.Held(sha256=packed.sha256, outputs=packed.outputs, bytes=packed.bytes, dropped=packed.dropped)
    return Kept(sealed(packed.content), told)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0)
    made = Desk(tmp_path)
    yield made
    made.db.close()


def holding_of(desk, session=S, member="ana in p"):
    return HeldWriter(session, member, desk.held, desk.glass)


async def test_what_was_said_is_held_and_its_descriptor_is_closed(desk):
    """What was said is held with its line, and its descriptor is closed."""
    holding, given = holding_of(desk), kept("rows", dropped=2)
    holding.keep(1, given)
    await holding.done(1)
    held, outputs = desk.held.get(S, 1)
    assert outputs[0]["text"] == "rows"
    assert held.dropped == 2
    assert [entry["digest"] for entry in desk.lines(LedgerEvent.held)] == [held.sha256]
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(given.descriptor)


async def test_what_was_lost_on_its_way_here_is_noted(desk):
    """A reader that could not hand its outputs over says how many they were."""
    holding = holding_of(desk)
    holding.keep(1, Kept(None, kept("rows").told.model_copy(update={"outputs": 0, "dropped": 3})))
    await holding.close()
    assert desk.held.get(S, 1)[1] == []
    assert desk.held.find(S, 1).dropped == 3


async def test_what_a_full_store_does_not_take_is_noted_once(desk):
    """Reviewers are told that something was said; nobody waits, and it is not tried again."""
    desk.held = HeldStore(desk.db, HeldLimits(store=10, keep_free=0))
    holding = holding_of(desk)
    holding.keep(1, kept("rows", dropped=3))
    await holding.close()
    assert desk.held.get(S, 1)[1] == []
    assert desk.held.find(S, 1).dropped == 4
    assert [entry["dropped"] for entry in desk.lines(LedgerEvent.held)] == [4]


async def test_a_disk_full_for_long_ends_the_session(desk, monkeypatch):
    """If the disk takes nothing for long, the outputs are lost and the session ends."""
    tries = []

    def broken(*arguments):
        tries.append(arguments)
        raise HeldError("the disk is full")

    monkeypatch.setattr(desk.held, "take", broken)
    holding = holding_of(desk)
    holding.keep(1, kept("rows"))
    await asyncio.wait_for(holding.close(), 20)
    assert len(tries) == module.TRIES + 1


async def test_of_cells_beyond_those_that_may_wait_only_a_note_is_kept(desk, monkeypatch):
    """Of more cells than may wait, nothing is kept but the note. A store that is slow would else fill the memory of the machine."""
    gate = asyncio.Event()

    async def slow(_cell, _kept):
        await gate.wait()
        return True

    holding = holding_of(desk)
    monkeypatch.setattr(holding, "_tried", slow)
    for number in range(1, module.WAITING + 3):
        holding.keep(number, kept("rows"))
    last = module.WAITING + 2
    await holding.done(last)
    assert (desk.held.find(S, last).outputs, desk.held.find(S, last).dropped) == (0, 1)
    gate.set()
    await holding.close()


@pytest.mark.slow
async def test_one_members_share_leaves_room_for_others(desk):
    """A member who filled the store stopped the verdicts of all others."""
    desk.held = HeldStore(desk.db, HeldLimits(member=10_000, keep_free=0))
    ana, ben = holding_of(desk), holding_of(desk, "b" * 32, "ben in p")
    ana.keep(1, kept("x" * 9_900))
    await ana.close()
    assert ana.room() < 100
    assert ben.room() == 10_000
