"""A session that is closed while its kernel starts leaves no kernel behind, however often that is done."""

import time
from pathlib import Path

import pytest

from harness.federation import make_site
from twinpane_hub.data.make import make_data

from .hostile_session import Guest, at_work

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_sessions_closed_while_their_kernels_start_leave_nothing(tmp_path: Path) -> None:
    """Before: a minute of opening and closing left 89 living kernels with real rows, and 88 readers, at a site that allows 16."""
    make_data(tmp_path / "data", 300, seed=1)
    with at_work(make_site(tmp_path / "site", "a", tmp_path / "data")) as site:
        first = Guest(site.watch).open()
        assert first.verdict(first.run("x = 1"), 90)["outcome"] == "same"
        first.close()
        for nth in range(10):
            guest = Guest(site.watch).open()
            site.watch.listen(time.time_ns() + nth * 10**8)
            guest.close()
        site.until(lambda: len(site.ledger("closed")) == 11, 10)
        site.until(lambda: not site.kernels() and not site.readers(), 20)
        last = Guest(site.watch).open()
        assert last.verdict(last.run("x = 1"), 90)["outcome"] == "same"
