"""What an attack gives, and the table that is printed."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

GOAL = 5.0
"""Points above the majority that an attacker may reach."""
HELD_TO = "10-5"
"""The preset that is held to the goal."""
HEAD = ("attack", "preset", "persons", "targets", "asked", "withheld", "≈", "refused", "days", "accuracy", "majority", "goal", "")
WORDS = (0, 1, 11, 12)
"""Columns of text."""


@dataclass(frozen=True)
class Result:
    """How often an attacker was right about persons, beside who has asked nothing."""

    attack: str
    preset: str
    persons: int
    targets: int
    """About so many persons, bands or cells the attacker says something."""
    asked: int
    withheld: int
    approximate: int
    refused: int
    """For other reasons: a budget that is spent, say."""
    days: int
    """On which the cap on withheld answers was reached."""
    accuracy: float
    majority: float
    """Both in percent."""
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the attack fails."""
        return not self.targets or self.accuracy <= self.majority + GOAL

    @property
    def cells(self) -> tuple[str, ...]:
        """As cells of the table."""
        goal = ("holds" if self.holds else "MISSED") if self.preset == HELD_TO else "" if self.holds else "above"
        told = (f"{self.accuracy:.0f}", f"{self.majority:.0f}") if self.targets else ("–", "–")
        counts = (self.persons, self.targets, self.asked, self.withheld, self.approximate, self.refused, self.days)
        return (self.attack, self.preset, *(f"{count:,}" for count in counts), *told, goal, self.note)

    def as_json(self) -> dict[str, Any]:
        """As a row of a file."""
        return {**asdict(self), "holds": bool(self.holds)}


def render(results: Iterable[Result]) -> str:
    """All results with aligned columns."""
    rows = [HEAD, *(result.cells for result in results)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEAD))]
    lines = [line(cells, widths) for cells in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line: text to the left, numbers to the right."""
    placed = (cell.ljust(width) if at in WORDS else cell.rjust(width) for at, (cell, width) in enumerate(zip(cells, widths, strict=True)))
    return "  ".join(placed).rstrip()
