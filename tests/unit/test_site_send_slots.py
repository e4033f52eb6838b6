"""What the link itself says leaves in slots that were drawn before, whatever happened inside meanwhile."""

import asyncio
import random

import pytest
from agent_desk import S
from hypothesis import given
from hypothesis import strategies as st

from twinpane_site import send_slots as module
from twinpane_site.send_slots import BEAT_S, LAG_S, SPREAD_S, TICK_SPREAD_S, SendSlots, smooth
from twinpane_wire import messages as wire


class Timer:
    def __init__(self, when, call):
        self.at, self.call, self.cancelled = when, call, False

    def when(self):
        return self.at

    def cancel(self):
        self.cancelled = True


class Loop:
    """A loop whose clock is moved by the test."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def time(self):
        return self.now

    def call_at(self, when, call):
        self.timers.append(Timer(when, call))
        return self.timers[-1]

    def go_to(self, moment):
        """Run what is due by then, each at its time."""
        while due := [timer for timer in self.timers if not timer.cancelled and timer.at <= moment]:
            timer = min(due, key=Timer.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.call()
        self.now = max(self.now, moment)


@pytest.fixture
def loop(monkeypatch):
    made = Loop()
    monkeypatch.setattr(module.asyncio, "get_running_loop", lambda: made)
    return made


def ack(n):
    return wire.Link(session=S, code=wire.LinkCode.ack, n=n)


def left_at(arrivals, seed=0):
    """When each message left, by its number; ``arrivals``: when it came, and how long it took to write. The draws are the seed's."""
    with pytest.MonkeyPatch.context() as patch:
        loop, left, source = Loop(), {}, random.Random(seed)
        patch.setattr(module.asyncio, "get_running_loop", lambda: loop)
        departures = SendSlots(lambda message: left.setdefault(message.n, loop.now), lambda spread: smooth(spread, source))
        for number in range(int(arrivals[-1][0] / BEAT_S) + 8):
            departures._slot(number)  # drawn in one order, so that two runs with one seed have the same slots
        for n, (came, took) in enumerate(arrivals):
            loop.go_to(max(loop.now, came + took))
            departures.link(ack(n), came)
        loop.go_to(loop.now + 10)
        return left


EARLIEST_S = LAG_S - 6 * SPREAD_S
"""What writing may take in any case: from the latest cut of a slot to its earliest departure."""
waits = st.floats(0.001, 0.5, allow_nan=False)
writing = st.floats(0, EARLIEST_S * 0.98, allow_nan=False)
seeds = st.integers(0, 1000)


@given(st.lists(st.tuples(waits, writing, writing), min_size=1, max_size=20), seeds)
def test_a_departure_does_not_depend_on_the_disk(steps, seed):
    """Acknowledgements told 7,600 to 11,000 bits an hour by their delay."""
    came, one, other = 0.0, [], []
    for pause, took, takes in steps:
        came += pause + EARLIEST_S  # written one after the other
        one.append((came, took))
        other.append((came, takes))
    assert left_at(one, seed) == left_at(other, seed)


@given(st.lists(st.tuples(waits, st.floats(0, 1)), min_size=1, max_size=20), seeds)
def test_what_comes_first_leaves_first_however_slow_the_disk(steps, seed):
    """What comes first leaves first, however long the disk takes."""
    came, arrivals = 0.0, []
    for pause, took in steps:
        came += pause
        arrivals.append((came, took))
    left = left_at(arrivals, seed)
    assert list(left) == sorted(left)
    assert len(left) == len(arrivals)
    assert all(left[n] >= came for n, (came, _) in enumerate(arrivals))


@given(st.floats(0.0, 100.0), seeds)
def test_nothing_waits_longer_than_a_beat_the_lag_and_the_draws(came, seed):
    [moment] = left_at([(came, 0.0)], seed).values()
    assert 0 < moment - came <= 2 * BEAT_S + LAG_S + 6 * SPREAD_S


def test_what_took_too_long_leaves_in_a_later_slot_and_counts(loop):
    """What took too long leaves in a later slot and is counted."""
    departures = SendSlots(lambda _: None, lambda spread: 0.0)
    loop.now = 3.0
    departures.link(ack(1), 0.0)
    assert departures.late == 1
    assert departures._waiting[0][0] > loop.now


@given(st.floats(0.001, 1.0), seeds)
def test_a_draw_never_goes_beyond_three_spreads(spread, seed):
    """So slots do not cross."""
    assert abs(smooth(spread, random.Random(seed))) <= 3 * spread
    assert 6 * SPREAD_S < BEAT_S


def test_what_has_a_moment_of_its_own_never_leaves_before_it(loop):
    left = []
    departures = SendSlots(lambda _: left.append(loop.now))
    for _ in range(50):
        departures.at(ack(1), 1.0)
    loop.go_to(5.0)
    assert len(left) == 50
    assert all(1.0 <= moment <= 1.0 + 6 * TICK_SPREAD_S for moment in left)


async def test_on_a_real_loop_it_leaves_too():
    left = asyncio.Event()
    departures = SendSlots(lambda _: left.set())
    departures.at(ack(1), asyncio.get_running_loop().time())
    await asyncio.wait_for(left.wait(), 10)
