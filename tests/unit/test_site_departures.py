"""What the link itself says leaves at moments of a grid, whatever happened inside meanwhile."""

import asyncio
import math

import pytest
from agent_desk import S
from hypothesis import given
from hypothesis import strategies as st

from twinpane_site import departures as module
from twinpane_site.departures import LEAD_S, STEP_S, Departures
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


def left_at(arrivals):
    """When each message left, by its number; ``arrivals``: when it came, and how long it took to write."""
    with pytest.MonkeyPatch.context() as patch:
        loop, left = Loop(), {}
        patch.setattr(module.asyncio, "get_running_loop", lambda: loop)
        departures = Departures(lambda message: left.setdefault(message.n, loop.now))
        for n, (came, took) in enumerate(arrivals):
            loop.go_to(max(loop.now, came + took))
            departures.put(ack(n), came)
        loop.go_to(loop.now + 10)
        return left


waits = st.floats(0.001, 0.3, allow_nan=False)
writing = st.floats(0, LEAD_S * 0.98, allow_nan=False)


@given(st.lists(st.tuples(waits, writing, writing), min_size=1, max_size=20))
def test_when_something_leaves_depends_on_when_it_came_and_not_on_how_long_the_disk_took(steps):
    """Acknowledgements told 7,600 to 11,000 bits an hour by their delay."""
    came, one, other = 0.0, [], []
    for pause, took, takes in steps:
        came += pause + LEAD_S  # written one after the other
        one.append((came, took))
        other.append((came, takes))
    assert left_at(one) == left_at(other)


@given(st.floats(0, 1000, allow_nan=False), writing)
def test_it_leaves_at_the_first_moment_of_the_grid_after_the_lead(came, took):
    [moment] = left_at([(came, took)]).values()
    assert moment == math.ceil((came + LEAD_S) / STEP_S) * STEP_S


@given(st.lists(st.tuples(waits, st.floats(0, 1)), min_size=1, max_size=20))
def test_what_comes_first_leaves_first_however_long_the_disk_takes(steps):
    came, arrivals = 0.0, []
    for pause, took in steps:
        came += pause
        arrivals.append((came, took))
    left = left_at(arrivals)
    assert list(left) == sorted(left)
    assert len(left) == len(arrivals)


def test_what_took_longer_than_the_lead_leaves_at_a_later_moment_and_not_at_once():
    [moment] = left_at([(0.0, 0.33)]).values()
    assert moment == pytest.approx(0.4)


def test_a_late_loop_lets_everything_out_that_is_due(loop):
    left = []
    departures = Departures(left.append)
    for n in range(3):
        departures.put(ack(n), loop.now)
    loop.now = 5.0
    loop.go_to(5.0)
    assert [message.n for message in left] == [0, 1, 2]
    assert not [timer for timer in loop.timers if not timer.cancelled]


async def test_on_a_real_loop_it_leaves_too():
    left = asyncio.Event()
    departures = Departures(lambda _: left.set(), step=0.01, lead=0.001)
    departures.put(ack(1), asyncio.get_running_loop().time())
    await asyncio.wait_for(left.wait(), 10)
