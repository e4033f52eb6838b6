"""What the integration tests share: the kernelspec in a folder of its own."""

import logging
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from twinpane_kernel import install

pytest_plugins = ["harness.strict"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C from birth, and so would all that the tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def kernelspec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Jupyter data folder that holds the Twinpane kernelspec; put it on JUPYTER_PATH."""
    folder = tmp_path_factory.mktemp("jupyter")
    install.install(folder)
    return folder / "share" / "jupyter"


@pytest.fixture(autouse=True)
def _a_log_that_keeps_everything() -> Iterator[None]:
    """A command run within the tests' own process puts its filters on the log: they are not for the tests that come after it."""
    yield
    for handler in logging.getLogger().handlers:
        handler.filters.clear()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage in a test marked ``no_cover``.

    In a worker of xdist pytest-cov starts two measurements and pauses one, so that the other goes on: a bound on processor time was then
    passed by what the test is not about.
    """
    tracing = sys.gettrace() if item.get_closest_marker("no_cover") else None
    if tracing is None:
        return (yield)
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracing)


ORDER = ("unit", "integration", "redteam", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is quick first. The walks through the browser last: Playwright keeps an event loop running for as long as its browser lives."""
    folders = {name: place for place, name in enumerate(ORDER)}
    here = Path(__file__).parent
    items.sort(key=lambda item: folders.get(item.path.relative_to(here).parts[0], -1) if item.path.is_relative_to(here) else -1)
