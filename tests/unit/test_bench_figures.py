"""The bench's arithmetic: what it calls met or missed is so."""

import json

import pytest

from bench.figures import Goal, Spread, alone, paired
from bench.table import figure, render


def test_the_ratio_is_made_of_each_pair_not_of_the_medians() -> None:
    """The ratio is made of each pair, and not of the two medians.

    A load that comes and goes hits both of a pair, and so hardly moves their ratio.
    """
    line = paired("cells", "ms", [(1, 2), (10, 11), (100, 90)])
    assert line.ratio == Spread(0.9, 1.1, 2.0)
    assert (line.plain, line.ours) == (Spread(1, 10, 100), Spread(2, 11, 90))


@pytest.mark.parametrize(("goal", "value", "met"), [
    (Goal(1.15), 1.15, True), (Goal(1.15), 1.16, False), (Goal(0.9, "at least"), 0.9, True), (Goal(0.9, "at least"), 0.89, False),
])  # fmt: skip
def test_a_goal_includes_its_bound(goal: Goal, value: float, met: bool) -> None:
    """At most and at least, each with the bound itself."""
    assert goal.met(value) is met


def test_a_missed_goal_is_shown() -> None:
    """Neither hidden nor rounded into an ok."""
    line = paired("cells", "ms", [(1, 1.1501)], Goal(1.15))
    assert line.state == "MISSED"
    assert "MISSED" in render([line])
    assert line.as_json()["state"] == "MISSED"


def test_a_line_without_a_plain_side_is_judged_by_its_median() -> None:
    """A verdict's delay has nothing to be compared with."""
    assert alone("delay", "ms", [100, 149, 400], Goal(150)).state == "ok"
    assert alone("delay", "ms", [100, 151, 400], Goal(150)).state == "MISSED"
    assert alone("memory", "MiB", [1]).state == ""


def test_lines_are_json() -> None:
    """The file that --json writes can be read by anything."""
    line = paired("cells", "ms", [(1, 2)], Goal(1.15), note="how")
    assert json.loads(json.dumps(line.as_json()))["ratio"] == {"low": 2, "middle": 2, "high": 2}


@pytest.mark.parametrize(("value", "shown"), [(0, "0"), (1234.5, "1,234"), (12.34, "12.3"), (1.234, "1.23"), (0.01234, "0.0123")])
def test_figures_have_three_digits(value: float, shown: str) -> None:
    """Enough to compare, not so many as to seem exact."""
    assert figure(value) == shown
