"""What a site says of a cell: the two runs compared, a failure named by class and line, nothing else."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from twinpane_wire.canonical import Outputs
from twinpane_wire.code import FAILURES, Outcome, lines_of

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_LINE = re.compile(r"Cell In\[(\d+)\], line (\d+)")
_KNOWN = frozenset(FAILURES)


@dataclass(frozen=True)
class Run:
    """One inside run of a cell: what it said, and how it ended."""

    outputs: Outputs
    error: dict[str, Any] | None = None
    """The content of the error that ended it; None where it ended well."""
    died: bool = False
    """The kernel is gone."""
    execution_count: int | None = None

    @cached_property
    def digest(self) -> str:
        """The digest of what it said: asked for once the run is over. Takes a while where it said much."""
        return self.outputs.digest("inside")


@dataclass(frozen=True)
class Judgement:
    """A verdict before it has a time: outcome, and class and line of a failure."""

    outcome: Outcome
    failure: str | None = None
    line: int | None = None


def judge(run: Run, source: str, twin_digest: str) -> Judgement:
    """Compare an inside run with the twin's digest. *same* is said of equal outputs alone, errors included."""
    if run.died:
        return Judgement(Outcome.failed, "KernelDied", 1)
    if run.digest == twin_digest:
        return Judgement(Outcome.same)
    if run.error is not None:
        name = run.error.get("ename")
        return Judgement(Outcome.failed, name if name in _KNOWN else "Other", _line(run, lines_of(source)))
    return Judgement(Outcome.differs)


def _line(run: Run, lines: int) -> int:
    """The line of the user's own cell that the traceback names last; 1 where it names none."""
    traceback = (run.error or {}).get("traceback")
    text = _ANSI.sub("", "\n".join(str(part) for part in traceback)) if isinstance(traceback, list) else ""
    named = [int(line) for count, line in _LINE.findall(text[:200_000]) if run.execution_count is None or int(count) == run.execution_count]
    return min(max(named[-1], 1), lines) if named else 1
