"""``python -m tests.bench [--quick] [--json FILE] [--only PART …]``. Exit status 1 only where something could not be measured."""

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import broker_lines, cells, choices, drafting, index_file, making, memory, questions, sites, table, verdicts
from .figures import Line
from .kernels import Starter

PARTS = ("cells", "start", "streams", "sites", "verdicts", "memory", "questions", "making")
BROKER = ("crosstab", "growth", "asking", "labs", "index", "acro", "choices", "codes", "wide")
"""Parts about the broker alone, on large data."""
NOTEBOOKS = 3
"""That ask at the same time."""
RAISED = -10
"""Niceness that the bench takes where it may: other work on the machine then disturbs less. All that it starts inherits it."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    trips: int
    starts: int
    streams: int
    characters: int
    verdicts: int
    questions: int
    making: int
    persons: int
    many: int
    everybody: int
    growth: tuple[int, ...]
    asked: int
    measured: int
    indexed: int
    coded: int
    wide: int

    @classmethod
    def of(cls, quick: bool) -> "Size":
        """The whole bench takes a few minutes; the quick one only shows that it runs."""
        if quick:
            return cls(trips=4, starts=1, streams=1, characters=40_000, verdicts=1, questions=2, making=1, persons=2_000, many=300,
                       everybody=20_000, growth=(5_000, 20_000), asked=20, measured=10_000,
                       indexed=20_000, coded=2_000, wide=60)  # fmt: skip
        return cls(trips=200, starts=10, streams=8, characters=1_000_000, verdicts=10, questions=15, making=3, persons=5_000, many=50_000,
                   everybody=15_200_000, growth=(100_000, 1_000_000, 10_000_000), asked=500, measured=21_000_000,
                   indexed=5_000_000, coded=100_000, wide=2_000)  # fmt: skip


class Report:
    """Collects lines and prints each part as it is ready."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self.wanted = set(wanted)
        self.lines: list[Line] = []
        self.failed: list[str] = []

    def part(self, name: str, measure: Callable[[], list[Line]]) -> None:
        """Measure a part; what goes wrong is told, and the rest goes on."""
        if name not in self.wanted:
            return
        print(f"… {name}", file=sys.stderr, flush=True)
        try:
            self.lines += measure()
        except Exception:
            traceback.print_exc()
            self.failed.append(name)


def without_sites(report: Report, starter: Starter, size: Size) -> None:
    """A pane with nobody to mirror to."""
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(contextlib.closing(starter.plain().ready()))
        ours = stack.enter_context(contextlib.closing(starter.pane().ready()))
        note = "`pass`: request sent until reply and idle are here"
        report.part("cells", lambda: [cells.round_trips(plain, ours, "cell round trip, no sites", size.trips, note=note)])
        report.part("streams", lambda: cells.streams(plain, ours, size.streams, size.characters))
    began = "process started until a first cell has run"
    report.part("start", lambda: [cells.starts(starter, "kernel start, no sites", size.starts, note=began)])


def with_sites(report: Report, starter: Starter, size: Size, folders: dict[str, Path], data: list[Path]) -> None:
    """A pane with three sites, which run on this machine's processors too."""
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(sites.running(folders))
        plain = stack.enter_context(contextlib.closing(starter.plain().ready()))
        ours = stack.enter_context(contextlib.closing(starter.pane(running.environment).ready()))
        ours.settle()
        report.part("memory", lambda: memory.memory(plain, ours, running))
        report.part("verdicts", lambda: verdicts.verdicts(ours, running, size.verdicts))
        report.part("questions", lambda: [questions.in_a_cell(plain, ours, data, size.questions, ours.settle)])
        if "questions" in report.wanted:
            with contextlib.ExitStack() as more:
                notebooks = [more.enter_context(contextlib.closing(starter.pane(running.environment).ready())) for _ in range(NOTEBOOKS)]
                for notebook in notebooks:
                    notebook.settle()
                report.part("questions", lambda: [questions.each_second(notebooks, 2 * size.questions, ours.settle)])

        @contextlib.contextmanager
        def here() -> Iterator[None]:
            ours.settle()
            yield

        @contextlib.contextmanager
        def away() -> Iterator[None]:
            ours.settle()
            with running.away():
                yield

        half = size.trips // 2
        note = "the sites' kernels stand still meanwhile and run the cell afterwards, as if on machines of their own"
        report.part("sites", lambda: [cells.round_trips(plain, ours, "cell round trip, three sites", half, away, note)])
        note = "each cell runs in four kernels on this machine's processors at once"
        report.part("sites", lambda: [cells.round_trips(plain, ours, "cell round trip, three sites on this machine", half, here, note)])
        report.part("streams", lambda: cells.streams(plain, ours, size.streams, size.characters, away, ", three sites"))
        note = "agents stand still until the first cell has run"
        report.part("start", lambda: [
            cells.starts(starter, "kernel start, three sites", size.starts, running.environment, lambda: running.away(agents=True), note),
            cells.starts(starter, "kernel start, three sites on this machine", size.starts, running.environment),
        ])  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="make bench", description="Speed, side by side with plain Jupyter.")
    parser.add_argument("--quick", action="store_true", help="a smoke test: too few repetitions to mean anything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--only", nargs="+", choices=(*PARTS, *BROKER), default=(*PARTS, *BROKER), metavar="PART",
                        help=f"some parts only: {', '.join((*PARTS, *BROKER))}")  # fmt: skip
    arguments = parser.parse_args(argv)
    size, report = Size.of(arguments.quick), Report(arguments.only)
    if not arguments.quick:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, RAISED)
    before = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="tpb-") as name:
        root = Path(name)
        starter = Starter(root)
        if report.wanted & {"cells", "streams", "start"}:
            without_sites(report, starter, size)
        report.part("crosstab", lambda: broker_lines.persons(root, size.everybody, size.questions))
        report.part("asking", lambda: broker_lines.questions(root, size.everybody, size.asked))
        report.part("growth", lambda: broker_lines.growth(root, size.growth, size.questions))
        report.part("labs", lambda: broker_lines.events(root, size.measured, 5))
        report.part("index", lambda: index_file.index_file(root, size.indexed, 5))
        report.part("acro", lambda: broker_lines.acro(root, size.growth[-2], 3))
        report.part("codes", lambda: drafting.codes(root, size.coded, size.questions))
        report.part("wide", lambda: drafting.wide(root, size.wide))
        report.part("choices", lambda: choices.digests(size.questions))
        if report.wanted - {"cells", *BROKER}:
            folders = sites.make_sites(root, size.persons)
            data = [root / f"data-{name}" for name in sites.NAMES]
            if report.wanted & {"sites", "streams", "start", "verdicts", "memory", "questions"}:
                with_sites(report, starter, size, folders, data)
            report.part("questions", lambda: [questions.at_the_broker(folders["a"], size.questions)])
            report.part("questions", lambda: [questions.federated(folders, 4 * size.questions)])
            report.part("making", lambda: making.making(root, size.many, size.making, folders))
    machine = {"python": platform.python_version(), "processors": os.cpu_count(), "load_before": before, "load_after": os.getloadavg()}
    print(table.render(report.lines))
    loads = f"load {before[0]:.1f} before and {os.getloadavg()[0]:.1f} after"
    print(f"\nPython {machine['python']}, {machine['processors']} processors, {loads}.")
    missed = [line.name.strip() for line in report.lines if line.state == "MISSED"]
    print(f"Goals missed: {'; '.join(missed) if missed else 'none'}.")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "lines": [line.as_json() for line in report.lines]}, indent=2) + "\n")
    if report.failed:
        print(f"Could not be measured: {', '.join(report.failed)}.", file=sys.stderr)
    return 1 if report.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
