"""The broker's lines of the table. Data is made once per run; each measurement is a process of its own, so that its memory is its own."""

import json
import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pandas as pd

from twinpane_hub.data.make import make_data
from twinpane_site.answering.broker_client import ONE_THREAD

from .broker_world import EXACT
from .figures import Goal, Line, Spread
from .kernels import BenchError

ROOT = Path(__file__).parents[2]
MB = 1e6
GROWTH = {100_000: Goal(2), 1_000_000: Goal(1)}


def persons(root: Path, count: int, repeat: int) -> list[Line]:
    """A crosstab of everybody through the index, and what the index took."""
    data = _made(root, count, "person")
    found = _measured("persons", data, root / f"persons-{count}", count, repeat)
    who = f"{_short(count)} persons"
    return [
        _pairs(f"sex × race of {who}, released", found["pairs"], Goal(0.15), "plan to signed release, rules and durable memory included"),
        Line(f"  store and index of {who} made", "s", _one(found["built"] / 1000), note="snapshot file to a broker that answers"),
        Line("  index alone, ten dimensions of 2 to 60 codes", "s", _one(found["index_seconds"]), goal=Goal(10)),
        Line("  its size on disk", "MB", _one(found["index"] / MB), goal=Goal(100)),
    ]


def questions(root: Path, count: int, asked: int) -> list[Line]:
    """A project that goes on asking: the last questions beside the first."""
    data = _made(root, count, "person")
    found = _measured("questions", data, root / f"questions-{count}", count, asked)
    took, some = found["took"], max(1, asked // 20)
    first, last = took[1 : some + 1], took[-some:]
    ratio = statistics.median(last) / statistics.median(first)
    return [
        Line(
            f"question no. {asked:,} of a project, {_short(count)} persons", "ms", Spread.of(last), Spread.of(first), _one(ratio),
            Goal(1.2), some, f"the last {some} questions beside the first {some}; {found['released']:.0%} of all released",
        ),
        _memory(count, found["memory"]),
        _exact(root, data, count, asked, last),
    ]  # fmt: skip


def _exact(root: Path, data: Path, count: int, asked: int, rounded: list[float]) -> Line:
    """The last questions once more where numbers are exact, beside those where they are rounded."""
    found = _measured("exact", data, root / f"questions-{count}", count, asked)
    exact = found["took"][-len(rounded) :]
    ratio, note = statistics.median(exact) / statistics.median(rounded), f"plain: rounded; {found['released']:.0%} of all released"
    name = f"  the same under {EXACT.preset}, whose exact numbers are looked at together"
    return Line(name, "ms", Spread.of(exact), Spread.of(rounded), _one(ratio), None, len(rounded), note)


def growth(root: Path, sizes: tuple[int, ...], repeat: int) -> list[Line]:
    """How the same crosstab grows."""
    lines = []
    for count in sizes:
        found = _measured("persons", _made(root, count, "person"), root / f"persons-{count}", count, repeat)
        lines.append(_pairs(f"sex × race of {_short(count)} persons", found["pairs"], GROWTH.get(count), ""))
    return lines


def events(root: Path, count: int, repeat: int) -> list[Line]:
    """Means over every measurement, alone and with the person's sex joined in."""
    found = _measured("events", _made(root, count, "person", "measurement"), root / f"events-{count}", count, repeat)
    rows = f"{_short(found['rows'])} measurements"
    return [
        _pairs(f"mean by test of {rows}", found["means"], Goal(1.2), "raw: avg(value_as_number) GROUP BY of a table in plain DuckDB"),
        _pairs("  with sex joined in", found["means_by_sex"], Goal(3), "raw: the same join and GROUP BY in plain DuckDB"),
        Line("  the first after a start, alone / with sex", "ms", Spread.of([found["means_first"], found["means_by_sex_first"]])),
        Line("  store and index made", "s", _one(found["built"] / 1000)),
        _memory(count, found["memory"]),
    ]


def acro(root: Path, count: int, repeat: int) -> list[Line]:
    """The same crosstab through ACRO, in an environment of its own since it pins an older pandas."""
    data = _made(root, count, "person")
    file = root / "acro.csv"
    pd.read_parquet(data / "person.parquet", columns=["sex", "race"]).to_csv(file, index=False)
    home = root / "acro"
    venv.create(home, with_pip=True)
    lock = Path(__file__).with_name("acro.lock")
    _run([home / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock])
    theirs = json.loads(_run([home / "bin/python", Path(__file__).with_name("acro_of.py"), file, str(repeat)], cwd=home))
    ours = [mine for _, mine in _measured("persons", data, root / f"persons-{count}", count, repeat)["pairs"]]
    name = f"ACRO 1.0.2 beside the broker, sex × race of {_short(count)} persons"
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    return [Line(name, "ms", Spread.of(ours), Spread.of(theirs), Spread.of(ratios), Goal(10, "at least"), repeat, "plain is ACRO")]


def _made(root: Path, count: int, *tables: str) -> Path:
    folder = root / f"data-{count}-{'-'.join(tables)}"
    if not folder.exists():
        print(f"… making {count:,} patients", file=sys.stderr, flush=True)
        make_data(folder, count, 1, tables=tables)
    return folder


def _measured(part: str, data: Path, home: Path, count: int, repeat: int) -> dict[str, Any]:
    module = "tests.bench.broker_figures"
    return json.loads(_run([sys.executable, "-m", module, part, str(data), str(home), str(count), str(repeat)], cwd=ROOT))


def _run(command: list[Any], cwd: Path | None = None) -> str:
    # As a site's broker's process is started: threads of the matrix library would wait in loops for each other.
    environment = {**os.environ, **ONE_THREAD}
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{command[1]}: {done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def _pairs(name: str, pairs: list[tuple[float, float]], goal: Goal | None, note: str) -> Line:
    theirs, ours = zip(*pairs, strict=True)
    ratios = [our / their for their, our in pairs]
    return Line(name, "ms", Spread.of(ours), Spread.of(theirs), Spread.of(ratios), goal, len(pairs), note)


def _memory(count: int, peak: int) -> Line:
    return Line(f"  most memory of the broker's process, {_short(count)} persons", "MB", _one(peak / MB), goal=Goal(2000))


def _one(value: float) -> Spread:
    return Spread.of([value])


def _short(number: int) -> str:
    return f"{number / 1e6:.4g} M" if number >= 1_000_000 else f"{number:,}"
