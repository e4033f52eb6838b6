"""The bench runs: every part of it, with next to no repetitions."""

import json
from pathlib import Path

import pytest

from bench.__main__ import BROKER, PARTS, main

GOALS = {
    "cell round trip, no sites", "cell round trip, three sites", "kernel start, no sites", "kernel start, three sites",
    "stream: many printed lines", "stream: one printed text", "verdict delay, cell without output",
}  # fmt: skip
"""What the design sets a goal for."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_part_of_the_bench_can_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0, a line for each goal, whatever this machine's speed."""
    # But ACRO, which needs an environment of its own from the network.
    parts = [part for part in (*PARTS, *BROKER) if part != "acro"]
    assert main(["--quick", "--json", str(tmp_path / "figures.json"), "--only", *parts]) == 0
    lines = {line["name"].strip(): line for line in json.loads((tmp_path / "figures.json").read_text())["lines"]}
    assert set(lines) >= GOALS
    assert all(lines[name]["goal"] is not None for name in GOALS)
    assert all(line["ours"]["middle"] > 0 for line in lines.values())
    assert "Goals missed" in capsys.readouterr().out


def test_an_unknown_part_is_refused() -> None:
    """A typing error must not look like a bench that measured nothing."""
    assert "cells" in PARTS
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "cell"])
