"""A site's verdict on a cell. It compares the two runs, names a failure by class and line, and says nothing else."""

import re
from dataclasses import dataclass
from typing import Any

from twinpane_wire.canonical import Outputs
from twinpane_wire.prefix_code import FAILURES, Failure, Outcome, lines_of

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_LINE = re.compile(r"Cell In\[(\d{1,9})\], line (\d{1,9})", re.ASCII)
_KNOWN: dict[str, Failure] = {name: name for name in FAILURES}
_READ = 200_000
"""Characters of a traceback that are looked at."""


@dataclass(frozen=True)
class Run:
    """One inside run of a cell: what it said, and how it ended."""

    outputs: Outputs
    error: dict[str, Any] | None = None
    """The content of the error that ended it; None where it ended well."""
    died: bool = False
    """The kernel is gone."""
    execution_count: int | None = None


@dataclass(frozen=True)
class Judgement:
    """A verdict before it has a time: outcome, and class and line of a failure."""

    outcome: Outcome
    failure: Failure | None = None
    line: int | None = None


@dataclass(frozen=True)
class Finding:
    """The part of an inside run that is kept for its verdict. It is small, however much the run printed."""

    digest: str | None
    """Of its outputs; None where no twin may be called the same."""
    otherwise: Judgement
    """What is said where the twin's digest is another."""

    def against(self, twin_digest: str) -> Judgement:
        """Compare with the twin's digest. *same* is said of equal outputs alone, errors included."""
        return Judgement(Outcome.same) if self.digest == twin_digest else self.otherwise


DIED = Finding(None, Judgement(Outcome.failed, "KernelDied", 1))
"""Of a cell whose kernel is gone."""
UNFINISHED = Judgement(Outcome.failed, "Unfinished", 1)
"""Of every cell that is told of at the last tick, whatever became of it."""
UNREADABLE = Finding(None, Judgement(Outcome.failed, "Other", 1))
"""Of a cell whose outputs could not be read."""


def find(run: Run, source: str) -> Finding:
    """The finding of an inside run, before the twin's outputs are known. Takes a while if the run printed much."""
    if run.died:
        return DIED
    digest = run.outputs.digest("inside")
    if run.error is None:
        return Finding(digest, Judgement(Outcome.differs))
    name = run.error.get("ename")
    failure = _KNOWN.get(name, "Other") if isinstance(name, str) else "Other"
    return Finding(digest, Judgement(Outcome.failed, failure, _line(run, lines_of(source))))


def _line(run: Run, lines: int) -> int:
    """The line of the user's own cell that the traceback names last; 1 where it names none."""
    traceback = (run.error or {}).get("traceback")
    text = _ANSI.sub("", "\n".join(str(part) for part in traceback)[:_READ]) if isinstance(traceback, list) else ""
    named = [int(line) for count, line in _LINE.findall(text) if run.execution_count is None or int(count) == run.execution_count]
    return min(max(named[-1], 1), lines) if named else 1
