"""Stops questions at their time limit. One thread serves an engine: starting a thread costs more time than a small question.

DuckDB 2.0's own max_execution_time does not stop queries that come through Python.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Thread
from typing import Protocol

IDLE_S = 60.0
"""Seconds after which the thread ends when there is nothing to watch: an engine that was let go of without a word leaves none behind."""
AGAIN_S = 0.05
"""Seconds between two interrupts of a question that goes on: an interrupt between two statements is lost, so one is not enough."""


class Interrupted(Protocol):
    """A connection that can be told to stop."""

    def interrupt(self) -> None:
        """Stop what runs, if anything does."""


class Watchdog:
    """Interrupts what is watched for longer than ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed = Condition()
        self._due: dict[Interrupted, float] = {}
        self._asleep = False
        self._thread: Thread | None = None
        self._closed = False

    @contextmanager
    def watching(self, connection: Interrupted) -> Iterator[None]:
        """Watch while the block runs. After its end nothing is interrupted."""
        with self._changed:
            self._due[connection] = time.monotonic() + self._seconds
            if self._thread is None:
                self._thread = Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            elif self._asleep:  # else it wakes for an earlier one, and sees this one then
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                del self._due[connection]

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            try:
                self._watch()
            finally:  # whatever ended it: the next question is watched by another
                self._thread = None

    def _watch(self) -> None:
        while not self._closed:
            now = time.monotonic()
            for connection in [connection for connection, due in self._due.items() if due <= now]:
                self._due[connection] = now + AGAIN_S
                connection.interrupt()
            self._asleep = not self._due
            news = self._changed.wait(min(self._due.values()) - now if self._due else IDLE_S)
            if not news and not self._due:
                return
