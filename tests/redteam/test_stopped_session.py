"""A steward sees what a real session uses and stops it, at a real agent: a hostile kernel is dead at once, and nothing of it was told."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.federation import make_site
from twinpane_cli.command import main
from twinpane_hub.data.make import make_data
from twinpane_sandbox import cgroups
from twinpane_sandbox.limits import Limits

from .hostile_session import Site, at_work, ready

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

GREEDY = """\
import os
held = bytearray(os.urandom(2**20)) * 150
open('/project/big', 'wb').write(held[:2**24])
while True:
    pass
"""
"""150 MiB of memory, 16 MiB of disk, and a processor, deaf to everything."""


def shown(site: Site, *options: str) -> str:
    """What the steward's command prints."""
    done = CliRunner().invoke(main, ["site", "sessions", str(site.folder), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def number(text: str, before: str, after: str) -> float:
    """The number between two words; 0 where it is not known."""
    found = text.partition(before)[2].partition(after)[0].replace(",", "")
    return float(found) if found and found != "not known" else 0.0


def test_a_greedy_session_is_seen_and_stopped(tmp_path: Path) -> None:
    """By the one command, beside the agent; an honest session of the same user goes on, and the link heard of no figure."""
    group = cgroups.make(Limits(), "twinpane-1-test")
    group.remove()
    make_data(tmp_path / "data", 300, seed=1)
    with at_work(make_site(tmp_path / "site", "a", tmp_path / "data")) as site:
        honest, greedy = ready(site), ready(site)
        cell = greedy.run(GREEDY)

        def used() -> str:
            lines = [line for line in shown(site).splitlines() if line.startswith(greedy.session)]
            return lines[0] if lines else ""

        site.until(lambda: f"running cell {cell};" in used(), 30)
        if {"memory", "cpu"} <= group.controllers:
            site.until(lambda: number(used(), "memory ", " MiB") > 150, 60)
            site.until(lambda: number(used(), "processor ", " s") > 3, 60)
        site.until(lambda: number(used(), "/project ", " MiB") >= 16, 30)
        print(shown(site), file=sys.stderr)
        kernels = len(site.kernels())
        shown(site, "--stop", greedy.session)
        assert greedy.until(lambda body: body.get("code") == "unavailable", 10)
        site.until(lambda: len(site.kernels()) == kernels - 1, 20)
        assert [line["session"] for line in site.ledger("closed")] == [greedy.session]
        assert honest.verdict(honest.run("x = 2"), 90)["outcome"] == "same"
        assert honest.session in shown(site)
        assert greedy.session not in shown(site)
        told = " ".join(str(seen.body) for seen in site.watch.seen)
        assert not [word for word in ("processor", "memory", "disk", "figures", "sten") if word in told]
