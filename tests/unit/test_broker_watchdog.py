"""The time limit of an engine's questions: one thread watches all, and interrupts nothing that has ended."""

import threading

import pytest

from twinpane_broker.engine.duckdb import watchdog as module
from twinpane_broker.engine.duckdb.watchdog import Watchdog


class Connection:
    """Counts its interrupts; ``told`` is set by the second one."""

    def __init__(self) -> None:
        self.interrupts = 0
        self.told = threading.Event()

    def interrupt(self) -> None:
        self.interrupts += 1
        if self.interrupts == 2:
            self.told.set()


def test_only_what_still_goes_on_is_interrupted_again() -> None:
    """What goes on is interrupted again, and what has ended is not."""
    watchdog, long, short = Watchdog(0.02), Connection(), Connection()
    with watchdog.watching(short):
        pass
    ended = short.interrupts
    with watchdog.watching(long):
        assert long.told.wait(20)
    seen = long.interrupts
    with watchdog.watching(Connection()) as _, watchdog.watching(other := Connection()):
        assert other.told.wait(20), "the thread goes on"
    assert (long.interrupts, short.interrupts) == (seen, ended)
    watchdog.close()


def test_a_question_that_fails_is_watched_no_longer() -> None:
    watchdog, failing, other = Watchdog(0.02), Connection(), Connection()
    with pytest.raises(ZeroDivisionError), watchdog.watching(failing):
        _ = 1 / 0
    ended = failing.interrupts
    with watchdog.watching(other):
        assert other.told.wait(20)
    assert failing.interrupts == ended
    watchdog.close()


def test_a_thread_with_nothing_to_watch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread with nothing to watch ends. Another takes its place when needed."""
    monkeypatch.setattr(module, "IDLE_S", 0.0)
    watchdog, last = Watchdog(0.02), Connection()
    with watchdog.watching(Connection()):
        thread = watchdog._thread
    assert thread is not None
    thread.join(20)
    assert not thread.is_alive()
    with watchdog.watching(last):
        assert last.told.wait(20)


def test_one_thread_watches_many_and_ends_with_its_engine() -> None:
    before, watchdog = set(threading.enumerate()), Watchdog(60)
    for _ in range(5):
        with watchdog.watching(Connection()), watchdog.watching(Connection()):
            (thread,) = set(threading.enumerate()) - before
    watchdog.close()
    thread.join(20)
    assert not thread.is_alive()
