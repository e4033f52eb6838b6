"""What a measurement gives: pairs of plain and pane, their ratios, and whether a goal is met.

The machine may be busy with other work. So plain and pane take turns in one loop, a ratio is made of each pair (both felt the same
load), and the goal is held against the median of these ratios.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal


@dataclass(frozen=True)
class Spread:
    """Least, middle and greatest of several values."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(min(values), median(values), max(values))


@dataclass(frozen=True)
class Goal:
    """What the design asks for: at most, or at least, so much."""

    bound: float
    kind: Literal["at most", "at least"] = "at most"

    def met(self, value: float) -> bool:
        """Whether a value keeps to it."""
        return value <= self.bound if self.kind == "at most" else value >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.kind == 'at most' else '≥'} {self.bound:g}"


@dataclass(frozen=True)
class Line:
    """One line of the table. The goal is about the median ratio where there is a plain side, about the median value where there is none."""

    name: str
    unit: str
    ours: Spread
    plain: Spread | None = None
    ratio: Spread | None = None
    goal: Goal | None = None
    pairs: int = 1
    note: str = ""

    @property
    def judged(self) -> float:
        """The figure that the goal is about."""
        return (self.ratio or self.ours).middle

    @property
    def state(self) -> str:
        """``ok`` or ``MISSED``; empty where no goal is set."""
        if self.goal is None:
            return ""
        return "ok" if self.goal.met(self.judged) else "MISSED"

    def as_json(self) -> dict[str, Any]:
        """The line as plain values."""
        spreads = {name: vars(spread) if (spread := getattr(self, name)) else None for name in ("ours", "plain", "ratio")}
        goal = {"kind": self.goal.kind, "bound": self.goal.bound} if self.goal else None
        return {"name": self.name, "unit": self.unit, **spreads, "goal": goal, "state": self.state, "pairs": self.pairs, "note": self.note}


def paired(name: str, unit: str, pairs: Sequence[tuple[float, float]], goal: Goal | None = None, note: str = "") -> Line:
    """A line of (plain, ours) pairs that were measured in turns."""
    ratios = [ours / plain for plain, ours in pairs]
    plain, ours = zip(*pairs, strict=True)
    return Line(name, unit, Spread.of(ours), Spread.of(plain), Spread.of(ratios), goal, len(pairs), note)


def alone(name: str, unit: str, values: Sequence[float], goal: Goal | None = None, note: str = "") -> Line:
    """A line without a plain side."""
    return Line(name, unit, Spread.of(values), goal=goal, pairs=len(values), note=note)
