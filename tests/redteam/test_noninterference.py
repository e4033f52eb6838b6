"""Noninterference: what crosses is the same whatever the rows are, but for verdicts and reveals, and the meter has counted those.

The same cells run against data sets that differ in one person, and in everything, at the same site with the same catalogue. Every
message on the site's link and every message to the client is recorded.
"""

import json
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.federation import federation, make_site, same_site_on, set_policy
from harness.notebook import Notebook, is_strip, notebook
from twinpane_hub.data.make import make_data
from twinpane_wire.canonical import OUTPUT_TYPES, DisplayNames, Outputs
from twinpane_wire.code import Code, Outcome, lines_of

from .leaky_cells import LEAKS, SETUP, signals

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PERSONS = 400
SIGNALS = 200
BUDGET = 6000.0
METERED = ("verdict", "reveal")


@dataclass
class Transcript:
    """What was seen of one run, from the link and from the client."""

    crossings: list[dict[str, Any]]
    """What left the site, in order."""
    client: dict[str, list[str]]
    """What the client got."""
    asked: int
    """Messages that the site got, but for the last, which closes the session."""
    sources: dict[int, str]
    left: float
    spent: float

    @property
    def metered(self) -> list[dict[str, Any]]:
        """The verdicts and reveals."""
        return [body for body in self.crossings if body["kind"] in METERED]

    @property
    def rest(self) -> set[str]:
        """Everything else that left the site, as bytes. Acknowledgements come when the outside sends, so they are looked at apart."""
        return {canonical(body) for body in self.crossings if body["kind"] not in METERED and body.get("code") != "ack"}

    @property
    def acknowledged(self) -> list[int]:
        """Numbers acknowledged, in order."""
        return [body["n"] for body in self.crossings if body.get("code") == "ack"]


def canonical(value: Any) -> str:
    """One text for one value."""
    return json.dumps(value, sort_keys=True)


async def program(pad: Notebook, signal_count: int) -> dict[str, str]:
    """Run every cell, as a person would who wants the rows; returns source by request."""
    sources = {}
    for source in [SETUP, *LEAKS.values(), *signals(signal_count)]:
        ran = await pad.run(source, answer=(lambda prompt: "an answer") if "input(" in source else None)
        sources[ran.msg_id] = source
    for code, at in (("c.k", 3), ("d['", 3), ("person.", 7)):
        await pad.ask("shell", "complete_request", {"code": code, "cursor_pos": at})
    await pad.ask("shell", "inspect_request", {"code": "person", "cursor_pos": 3, "detail_level": 1})
    return sources


async def transcript(folder: Path, workspace: Path, kernelspec: Path, signal_count: int = SIGNALS) -> Transcript:
    """Run the program against one site, and keep all that can be seen."""
    workspace.mkdir()
    async with federation({"a": folder}) as sites:
        async with notebook(sites.environment(workspace, TWINPANE_SEED="7"), workspace, kernelspec) as pad:
            by_request = await program(pad, signal_count)
            cells = await pad.settled(240)
            await pad.drain()
            received = pad.received
        tap = sites.sites["a"].tap
        await sites.sites["a"].stop()
    frames = [json.loads(frame) for frame in tap.out]
    assert {frame.get("kind") for frame in frames} <= {None, "hello"}, "the handshake and envelopes are all there is"
    assert all(set(frame) == {"v", "body"} for frame in frames if "body" in frame)
    bodies = [frame["body"] for frame in frames if "body" in frame]
    session = next(body["session"] for body in bodies if "session" in body)
    crossings = [json.loads(json.dumps(body).replace(session, "SESSION")) for body in bodies]
    sources = {cell["cell"]: by_request[request] for request, cell in cells.items()}
    book = sqlite3.connect(folder / "site.db")
    spent = sum(cost for (cost,) in book.execute("SELECT cost FROM meter WHERE state = 'spent'")) / 1_000_000
    left = min((body["left"] for body in crossings if body["kind"] in METERED), default=BUDGET)
    into = [frame for frame in map(json.loads, tap.into) if frame.get("n")]
    asked = max(frame["n"] for frame in into if frame["body"]["kind"] != "close")
    return Transcript(crossings, seen(received), asked, sources, left, spent)


NOISE = re.compile(r"0x[0-9a-f]{6,}|/tmp/ipykernel_\d+|\b[0-9a-f]{32}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b|\d+\.\d+ ?[mµn]?s\b")
"""What differs between two runs of any kernel: addresses, process numbers, ids drawn from the system's own randomness."""


def seen(received: list[dict[str, Any]]) -> dict[str, list[str]]:
    """All that the client got but headers and strips: what was shown, in the order of cells, and what each channel answered.

    How a stream was cut into messages, and which channel was quicker, is the kernel's clock: streams are joined, channels apart.
    """
    names = DisplayNames()
    shown: dict[str, Outputs] = {}
    answered: dict[str, list[str]] = {"shown": []}
    for message in received:
        kind, content = message["msg_type"], message["content"]
        if is_strip(message) or kind in ("twinpane_cells_reply", "status"):
            continue
        if kind in OUTPUT_TYPES:
            shown.setdefault(message["parent_header"].get("msg_id", ""), Outputs(names)).add(kind, content)
        else:
            answered.setdefault(kind, []).append(NOISE.sub("…", canonical(content)))
    answered["shown"] = [NOISE.sub("…", canonical(list(outputs))) for outputs in shown.values()]
    return answered


def apart(one: str, other: str) -> tuple[str, str]:
    """The places where two texts part."""
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[max(0, at - 60) : at + 200], other[max(0, at - 60) : at + 200]


def code_length(run: Transcript, body: dict[str, Any], digits: dict[tuple[int, int], int]) -> float:
    """Bits of one verdict or reveal, by the published code."""
    code = Code()
    if body["kind"] == "verdict":
        return code.verdict_bits(Outcome(body["outcome"]), body["tick"], lines_of(run.sources[body["cell"]]))
    return code.reveal_bits(digits[body["cell"], body["call"]], body["tick"])


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One site on three data sets: as it is, with one person changed, with everyone changed."""
    base = tmp_path_factory.mktemp("rows")
    make_data(base / "data", PERSONS, seed=1)
    site = make_site(base / "site", "a", base / "data")
    set_policy(site, "day_bits", BUDGET)
    make_data(base / "other", PERSONS, seed=99)
    for file in (base / "data").iterdir():
        (base / "one").mkdir(exist_ok=True)
        frame = pd.read_parquet(file)
        if file.stem == "person":
            frame.loc[0, "year_of_birth"] += 1
        frame.to_parquet(base / "one" / file.name)
    return {
        "as it is": site,
        "one person": same_site_on(base / "site-one", site, base / "one"),
        "everyone": same_site_on(base / "site-other", site, base / "other"),
    }


async def test_only_verdicts_and_reveals_tell_two_data_sets_apart(places: dict[str, Path], tmp_path: Path, kernelspec: Path) -> None:
    """Every byte on the link and every byte to the client, compared."""
    runs = {name: await transcript(folder, tmp_path / name.replace(" ", "-"), kernelspec) for name, folder in places.items()}
    model = runs["as it is"]
    assert {body["kind"] for body in model.crossings} == {"catalogue", "release", "verdict", "reveal", "link"}
    digits = {}
    for number, source in model.sources.items():
        if "tp.reveal(" in source:
            digits[number, 1] = int(re.search(r"digits=(\d)", source)[1])  # type: ignore[index]
    for name, run in runs.items():
        assert run.rest == model.rest, f"{name}: more than verdicts and reveals differs"
        assert run.acknowledged[: run.asked] == list(range(1, run.asked + 1)), "each message is acknowledged as it comes, whatever runs"
        assert run.asked == model.asked
        for kind in set(run.client) | set(model.client):
            ours, others = run.client.get(kind, []), model.client.get(kind, [])
            first = next((pair for pair in zip(ours, others, strict=False) if pair[0] != pair[1]), None)
            assert first is None, f"{name}: the client can tell the data apart by {kind}: {apart(*first)}"
            assert len(ours) == len(others)
        told = sum(code_length(run, body, digits) for body in run.metered)
        assert told == pytest.approx(run.spent, abs=0.01), f"{name}: the meter has not counted what left"
        assert run.left == pytest.approx(BUDGET - run.spent, abs=0.11)
        assert len(run.metered) == len(model.metered), f"{name}: how many leave may not depend on rows"
    outcomes = {name: [body["outcome"] for body in run.metered if body["kind"] == "verdict"] for name, run in runs.items()}
    assert outcomes["everyone"] != outcomes["as it is"], "the cells did see other rows, so this test could have failed"


async def test_when_the_meter_is_spent_nothing_more_is_told(places: dict[str, Path], tmp_path: Path, kernelspec: Path) -> None:
    """Past the budget, cells go on inside and say nothing; what has left never exceeds the budget."""
    folder = same_site_on(tmp_path / "poor", places["as it is"], tmp_path.parent / "none")
    site = places["as it is"]
    text = (site / "site.toml").read_text()
    (folder / "site.toml").write_text(text)
    set_policy(folder, "day_bits", "60.0")
    run = await transcript(folder, tmp_path / "ws", kernelspec, signal_count=0)
    assert run.spent <= 60
    assert 0 < len(run.metered) < len(LEAKS)
    silent = [body for body in run.crossings if body.get("code") == "spent"]
    assert silent, "and the researcher is told that the meter is spent"
    told = {body["cell"] for body in run.metered if body["kind"] == "verdict"} | {b["cell"] for b in silent if b["call"] is None}
    assert told == set(run.sources), "each cell either has its verdict or is told to have none"
