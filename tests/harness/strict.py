"""What fails a run besides its tests: a skip without a named reason."""

from collections.abc import Generator
from typing import TypeVar

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
