"""Noninterference: what crosses is the same whatever the rows are, but for verdicts and reveals, and the meter has counted those.

Programs are drawn from a grammar of leaks (``grammar``): the 53 kinds of the catalogue of leaks and every attack on what stands around a
kernel. Each runs against data sets that differ in one person, and in everything, at the same site with the same catalogue. Every message
on the site's link, every message to the client and every file of the outside is compared. ``make redteam`` does it at length.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.federation import set_policy
from twinpane_wire.prefix_code import Outcome

from .grammar.generate import cover, draw, program, signals
from .grammar.steps import SETUP, Cell, Program
from .reader import Reading, read
from .transcript import Transcript, secret_of_the_twin, transcript
from .worlds import World, make_worlds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEED = 2
SIGNALS = 48
DRAWN = 15
BUDGET = 6000.0


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, World]:
    """One site on three data sets."""
    return make_worlds(tmp_path_factory.mktemp("rows"), BUDGET)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a look at the twin tells. The first test that looks keeps it here for the others."""
    return {}


async def first_cell(worlds: Mapping[str, World], shown: dict[str, str], base: Path, kernelspec: Path) -> Cell:
    """The first cell, by somebody who has seen the twin."""
    if not shown:
        shown["twin"] = await secret_of_the_twin(worlds["as it is"].again(base / "look").folder, base / "look-ws", kernelspec)
    return Cell(SETUP.substitute(shown))


async def runs_of(steps: Program, worlds: Mapping[str, World], base: Path, kernelspec: Path) -> dict[str, Transcript]:
    """A program's transcripts on each of the data sets, by their names."""
    found = {}
    for number, (name, world) in enumerate(worlds.items()):
        found[name] = await transcript(world.again(base / f"site-{number}").folder, base / f"ws-{number}", kernelspec, steps)
    return found


def hold(runs: Mapping[str, Transcript], twin: str = "", signalling: range = range(0)) -> Reading:
    """Assert that nothing but what was metered tells the runs apart, and that the meter has counted it."""
    reading = read(runs, bytes.fromhex(twin), signalling)
    assert not reading.told, "\n".join(apart(runs, feature) for feature in reading.told)
    assert reading.recovered == 0
    assert not reading.found, "a secret was found in bytes that left"
    assert reading.from_verdicts <= reading.metered
    print(f"recovered {reading.recovered:.1f} bits; {reading.from_verdicts:.1f} from verdicts, {reading.metered:.1f} metered")
    for name, run in runs.items():
        assert run.code_length() + run.silent == pytest.approx(run.spent, abs=0.01), f"{name}: the meter has not counted what left"
    return reading


def apart(runs: Mapping[str, Transcript], feature: str) -> str:
    """The place where the values of a feature begin to differ."""
    one, other = (list(runs.values())[at].features().get(feature, "nothing") for at in (0, -1))
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"{feature}: {one[max(0, at - 60) : at + 200]!r} or {other[max(0, at - 60) : at + 200]!r}"


async def test_only_verdicts_and_reveals_tell_data_sets_apart(
    worlds: Mapping[str, World], shown: dict[str, str], tmp_path: Path, kernelspec: Path
) -> None:
    """Every kind of leak once, on rows that differ in one person: every byte on the link, to the client and on the disk, compared."""
    before = (Cell("'the twin alone is looked at'"), await first_cell(worlds, shown, tmp_path, kernelspec))
    asked = (Cell("tp.sql('select count(*) n from person')"), Cell("tp.reveal(float(bits[0]), 'a bit', digits=1)"))
    steps = (*before, *signals(SIGNALS), *asked, *program(cover(SEED)))
    two = {name: worlds[name] for name in ("as it is", "one person")}
    runs = await runs_of(steps, two, tmp_path, kernelspec)
    reading = hold(runs, shown["twin"], range(3, 3 + SIGNALS))
    assert {body["kind"] for body in runs["as it is"].crossings} >= {"catalogue", "release", "verdict", "reveal", "link"}
    for run in runs.values():
        assert max(run.acknowledged) >= run.asked, "each message is acknowledged, whatever runs"
        assert run.left == pytest.approx(BUDGET - run.spent, abs=0.11)
    outcomes = {name: [body["outcome"] for body in run.metered if body["kind"] == "verdict"] for name, run in runs.items()}
    assert outcomes["one person"] != outcomes["as it is"], "the cells did see other rows, so this test could have failed"
    assert reading.from_verdicts > SIGNALS / 3, "and a reader of verdicts does read them: the decoder works"


async def test_a_drawn_program_tells_nothing(worlds: Mapping[str, World], shown: dict[str, str], tmp_path: Path, kernelspec: Path) -> None:
    """Leaks at random, two at a time, on rows that differ in everything."""
    steps = (await first_cell(worlds, shown, tmp_path, kernelspec), *program(draw(SEED, DRAWN)))
    two = {name: worlds[name] for name in ("as it is", "everyone")}
    hold(await runs_of(steps, two, tmp_path, kernelspec))


async def test_when_the_meter_is_spent_nothing_more_is_told(
    worlds: Mapping[str, World], shown: dict[str, str], tmp_path: Path, kernelspec: Path
) -> None:
    """Past the budget, cells go on inside and say nothing; what has left never exceeds the budget."""
    poor = worlds["as it is"].again(tmp_path / "poor")
    set_policy(poor.folder, "day_bits", 60.0)
    steps = (await first_cell(worlds, shown, tmp_path, kernelspec), *signals(20), Cell("tp.reveal(1.0, 'one', digits=3)"))
    run = await transcript(poor.folder, tmp_path / "ws", kernelspec, steps)
    assert run.spent <= 60
    assert 0 < len(run.metered) < len(steps)
    silent = [body for body in run.crossings if body.get("code") == "spent"]
    assert silent, "and the researcher is told that the meter is spent"
    told = {body["cell"] for body in run.metered if body["kind"] == "verdict"} | {b["cell"] for b in silent if b["call"] is None}
    assert told == set(run.sources), "each cell either has its verdict or is told to have none"


def test_a_decoder_finds_what_is_planted() -> None:
    """One crossing more, a reordered display or a secret in the bytes is read as what it is: this comparison can fail."""
    verdict = {"kind": "verdict", "cell": 1, "outcome": Outcome.same, "tick": 0}
    ack, code = {"kind": "link", "code": "ack", "n": 1}, {"kind": "link", "code": "unavailable", "n": 0}

    def made(crossings: list[dict[str, object]], shown: list[str], raw: str = "") -> Transcript:
        return Transcript(crossings, {"shown": shown}, {}, raw, 1, {1: "x"}, 0, 1.0, 0, bytes(range(32)))

    same = {name: made([ack, verdict], ["x", "y"]) for name in ("a", "b")}
    assert (read(same).recovered, read(same).found) == (0, [])
    assert read({**same, "b": made([ack, verdict, code], ["x", "y"])}).told == {"link: link": 2}
    assert read({**same, "b": made([ack, verdict], ["y", "x"])}).recovered == 1
    assert read({**same, "b": made([ack, verdict], ["x", "y"], bytes(range(32)).hex())}).found
