"""A question, and what became of it."""

from collections import Counter
from dataclasses import dataclass, field

from .judging import ALLOWED, Why
from .truth import Verdict


@dataclass(frozen=True)
class Question:
    """A question in words and in SQL."""

    ask: str
    sql: str
    topic: str = ""


@dataclass
class Asked:
    """What became of a question. Cells that nobody is in are not counted: what is not there cannot be shown."""

    question: Question
    outcome: str
    """released, or the refusal's code."""
    reason: str = ""
    why: Why | None = None
    """Of a withheld question: which rule."""
    numbers: int = 0
    withheld: Counter[Why] = field(default_factory=Counter)
    """Numbers of inhabited cells that were not shown, by why."""
    about: int = 0
    """Numbers that were taken from a near question's set, and marked so."""
    verdict: Verdict = field(default_factory=Verdict)
    """The released numbers beside DuckDB's own."""

    @property
    def kind(self) -> str:
        """The column of the summary that it is counted in."""
        if self.outcome != "released":
            return self.outcome
        if not self.withheld:
            return "in full"
        return "in full but for the threshold" if set(self.withheld) <= {Why.threshold, Why.leaves_few} else "in part"

    @property
    def lost(self) -> int:
        """Numbers missing for a reason that no threshold, companion or class asks for."""
        return sum(count for why, count in self.withheld.items() if why not in ALLOWED)
