"""A flood of one kind of log line costs a few lines, and says so."""

import logging

import pytest

from twinpane_wire.log_limiter import LogLimiter


class Clock:
    """Seconds that the test tells."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(clock: Clock) -> list[str]:
    found: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    handler = Kept()
    handler.addFilter(LogLimiter(3, clock))
    logger = logging.getLogger("test-sparing")
    logger.propagate = False
    logger.handlers = [handler]
    return found


def test_of_one_kind_a_few_lines_a_minute_are_written(lines: list[str], clock: Clock) -> None:
    """Kinds are told apart by their text before arguments, so a stranger's name makes no new kind."""
    log = logging.getLogger("test-sparing")
    for n in range(10_000):
        log.warning("from %s: nonsense", n)
    log.warning("another matter")
    assert lines == [
        "from 0: nonsense", "from 1: nonsense", "from 2: nonsense [further lines of this kind are left out for a minute]", "another matter",
    ]  # fmt: skip
    clock.now = 60
    log.warning("from %s: nonsense", "x")
    assert lines[-1] == "from x: nonsense [9997 more lines were left out before]"


def test_what_asyncio_says_of_failed_tasks_is_one_kind(lines: list[str]) -> None:
    """It puts the task's number into the text, below the first line: each was a kind of its own."""
    log = logging.getLogger("test-sparing")
    for n in range(100):
        log.error(f"Task exception was never retrieved\nfuture: <Task finished name='Task-{n}'>")
    assert len(lines) == 3


def test_many_kinds_are_bounded_too(lines: list[str], clock: Clock) -> None:
    """Texts that were put together before they were logged cannot fill log or memory either."""
    log = logging.getLogger("test-sparing")
    for n in range(5000):
        log.warning(f"from {n}: nonsense")
    assert len(lines) == 1003


def test_lines_with_strangers_words_are_counted_by_place_and_cut(lines: list[str], clock: Clock) -> None:
    """Lines that hold strangers' words are counted by place and cut.

    As JupyterHub's log of requests does: each address would be a kind of its own, and 31 kB long.
    """
    log = logging.getLogger("test-sparing")
    sparing = LogLimiter(3, clock, letters=20)
    log.addFilter(sparing)
    try:
        for number in range(100):
            log.warning(f"{number} asked for " + "a" * 10_000)
    finally:
        log.removeFilter(sparing)
    assert len(lines) == 3
    assert all(len(line) < 120 for line in lines)
