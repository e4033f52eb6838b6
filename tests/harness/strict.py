"""What fails a run besides its tests: a skip without a named reason, a task or future that nobody awaited, a process left behind."""

import gc
import logging
import os
import re
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

import psutil
import pytest

from harness.needs import NEEDS, is_named

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

# ---------------------------------------------------------------- skips


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is skipped on other grounds than a named one."""
    return _named((yield), item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file that skips itself while it is read."""
    return _named((yield), collector.nodeid)


def _named(report: Report, name: str) -> Report:
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else None
    if reason is not None and not is_named(reason):
        report.outcome = "failed"
        report.longrepr = f"{name}: no reason to skip: {reason!r}. A reason is 'needs' and one of: {', '.join(NEEDS)}."
    return report


# ---------------------------------------------------------------- tasks and futures

FORGOTTEN = re.compile("Task was destroyed but it is pending|was never retrieved")
"""What asyncio logs, and does not raise, of a task or future that nobody waited for."""


class _Forgotten(logging.Handler):
    """Keeps what asyncio logs about them."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if FORGOTTEN.search(record.getMessage()):
            self.said.append(logging.Formatter().format(record))


_forgotten = _Forgotten()


@pytest.fixture(autouse=True)
def _nothing_forgotten() -> Iterator[None]:
    """Fail a test that leaves a task unawaited. If the garbage collector finds the task late, the file's last test fails."""
    yield
    _fail_if_forgotten()


@pytest.fixture(autouse=True, scope="module")
def _no_garbage_of_other_tests() -> Iterator[None]:
    """Collect garbage after each file: reference cycles hold databases open, more than a thousand over a whole run."""
    yield
    gc.collect()
    _fail_if_forgotten()


def _fail_if_forgotten() -> None:
    said, _forgotten.said = _forgotten.said, []
    if said:
        pytest.fail("asyncio complains of tasks or futures that nobody waited for:\n" + "\n".join(said), pytrace=False)


# ---------------------------------------------------------------- processes

MARK = "TWINPANE_TEST_RUN"
"""An environment variable of every process that a run starts. It identifies a process even if its parent is gone."""
HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver", "execnet")
"""Python's and xdist's own helpers, which end with the process that uses them."""
PATIENCE_S = 10.0
"""Seconds that processes may take to end by themselves."""
_left = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_left] = []
    os.environ[MARK] = f"{os.getpid()}"
    logging.getLogger("asyncio").addHandler(_forgotten)


def pytest_collection_finish() -> None:
    """Set apart what collecting left, millions of objects: each file's look for garbage would go through them all."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Join them again: libraries look at their end for objects that nobody let go of."""
    gc.unfreeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look for processes of this run. With xdist, the workers report theirs to the controller."""
    config: Any = session.config
    left = _ended(_mine())
    if hasattr(config, "workeroutput"):
        config.workeroutput["left"] = left
    config.stash[_left] += left
    if config.stash[_left] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker of xdist left behind."""
    node.config.stash[_left] += getattr(node, "workeroutput", {}).get("left", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[_left]:
        terminalreporter.write_line(f"ERROR: the tests left a process behind (now ended): {line}", red=True)


def _mine() -> list[psutil.Process]:
    """Processes that this run started, helpers left out."""
    found = {process.pid: process for process in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == os.environ[MARK] and process.pid != os.getpid():
                found[process.pid] = process
        except psutil.Error:
            continue
    return [process for process in found.values() if not any(word in _line(process) for word in HELPERS)]


def _ended(processes: list[psutil.Process]) -> list[str]:
    """The command lines of those that do not end by themselves; they are ended."""
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_S)
    lines = [_line(process) for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=PATIENCE_S)
    return lines


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
