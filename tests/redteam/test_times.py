"""Times: when messages leave tells next to nothing of what an inside kernel does. ``make redteam`` measures how little, at length."""

import random
from pathlib import Path

import pytest

from harness.federation import make_site, set_policy
from twinpane_hub.data.make import make_data

from .timing.decoder import Probe, features, rate, read
from .timing.measure import Plan, agent, record

WINDOWS = 60
WINDOW_S = 0.4


def probes(bits: list[int], delay: float, noise: float) -> list[list[Probe]]:
    """Answers that leave after a random time, and ``delay`` seconds later where the bit is 1."""
    rng, found = random.Random(5), []
    for number, bit in enumerate(bits):
        sent = [number * WINDOW_S + k * 0.025 for k in range(16)]
        found.append([Probe("ack", at, at + 0.01 + abs(rng.gauss(0, noise)) + bit * delay) for at in sent])
    return found


def test_the_decoder_reads_a_delay_of_half_the_noise() -> None:
    """Where each answer tells little, all of a window's tell the bit: 16 answers with a shift of half their spread."""
    bits = random.Random(1).choices((0, 1), k=400)
    found = read(bits, features(probes(bits, 0.002, 0.004), WINDOW_S), WINDOW_S)
    assert found.low > 2000


def test_the_decoder_reads_nothing_where_there_is_nothing() -> None:
    """And says how much that many windows might have hidden."""
    bits = random.Random(1).choices((0, 1), k=1000)
    found = read(bits, features(probes(bits, 0.0, 0.004), WINDOW_S), WINDOW_S)
    assert found.low < 100
    assert found.high > 0


def test_hits_are_worth_what_shannon_says() -> None:
    """All windows right: one bit each. Half of them: none, but for what chance could hide."""
    assert rate(1000, 1000, 1.0).bits_an_hour == 3600
    none = rate(500, 1000, 1.0)
    assert (none.bits_an_hour, none.low) == (0, 0)
    assert 5 < none.high < 20
    assert rate(400, 1000, 1.0).high > 5, "a reader below chance was unlucky, and proves no more than one at chance"


@pytest.mark.slow
@pytest.mark.parametrize("load", ["flood", "held"])
def test_a_busy_kernel_is_not_read_from_times(load: str, tmp_path: Path) -> None:
    """A kernel that floods, or says 4 MB at a time, in half of the windows: read rightly in 99 % of them before, 11,030 bits an hour.

    The bound here is far above what is measured, so that a busy machine breaks nothing: 60 guesses are right in 48 once in a million.
    """
    make_data(tmp_path / "data", 100, seed=1)
    site = make_site(tmp_path / "site", "a", tmp_path / "data")
    set_policy(site, "day_bits", 0)
    plan = Plan(load, WINDOWS, WINDOW_S)
    with agent(site) as watch:
        windows, _ = record(watch, plan)
    found = read(plan.bits, features(windows, WINDOW_S), WINDOW_S)
    print(f"{load}: {found.right:.0%} of {found.windows} windows, at most {found.high:.0f} bits an hour")
    unanswered = [probe for window in windows for probe in window if probe.kind == "ack" and probe.left is None]
    assert not unanswered, "each message is acknowledged, whatever runs"
    assert found.right < 0.8
