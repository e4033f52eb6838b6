"""What an attacker sees: numbers, marks and refusals; and what he pays: questions, days."""

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from twinpane_broker import Refusal, Release

from .site import Site

MARKS = ("approximate", "about", "near", "nearby")
"""What a mark may be called that says *this number is that of a near set*."""


@dataclass(frozen=True)
class Seen:
    """An answer, as it looks from outside."""

    code: str
    """released, or the refusal's code."""
    marked: bool = False
    """Whether anything in it bears the mark of a near set."""
    cells: dict[tuple[str, ...], tuple[float | None, ...]] = field(default_factory=dict)
    """The shown values by the categories' texts."""
    counts: dict[tuple[str, ...], tuple[int | None, ...]] = field(default_factory=dict)
    """Of each value, over how many it is."""
    marks: frozenset[tuple[str, ...]] = frozenset()
    """The cells that bear the mark."""

    @property
    def shown(self) -> bool:
        """Whether there is a number in it."""
        return any(value is not None for values in self.cells.values() for value in values)

    @property
    def first(self) -> float | None:
        """The first number of the only cell."""
        return self.cells.get((), (None,))[0]


class Attacker:
    """Asks a site, and counts."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.asked = self.withheld = self.approximate = self.refused = 0

    def move(self, site: Site) -> None:
        """Go on at another snapshot."""
        site.days = self._site.days
        self._site = site

    def take(self, other: "Attacker") -> None:
        """Count what another one asked too."""
        self.asked, self.withheld = self.asked + other.asked, self.withheld + other.withheld
        self.approximate, self.refused = self.approximate + other.approximate, self.refused + other.refused

    @property
    def days(self) -> int:
        """Days on which the cap on withheld answers was reached."""
        return self._site.days

    def ask(self, sql: str, project: str = "one") -> Seen:
        """Ask, and look at the answer."""
        seen = looked_at(self._site.ask(sql, project))
        self.asked += 1
        self.withheld += seen.code == "withheld"
        self.refused += seen.code not in ("released", "withheld")
        self.approximate += seen.marked
        return seen


def looked_at(answer: Release | Refusal) -> Seen:
    """An answer from outside."""
    if isinstance(answer, Refusal):
        return Seen(str(answer.code))
    cells, counts, marks = {}, {}, set()
    for row in answer.rows:
        key = tuple(f"({c.kind})" if c.value is None else str(c.value) for c in row.key)
        cells[key] = tuple(value.value for value in row.values)
        counts[key] = tuple(value.n for value in row.values)
        if any(map(_is_marked, (row, *row.values))):
            marks.add(key)
    return Seen("released", bool(marks) or _is_marked(answer), cells, counts, frozenset(marks))


def _is_marked(part: object) -> bool:
    return any(bool(getattr(part, name, False)) for name in MARKS)


def pattern(answers: tuple[Seen, ...]) -> tuple[Any, ...]:
    """All that answers show but the numbers themselves: codes, marks, gaps, and which numbers rise or fall from one to another."""
    return tuple(map(_shape, answers)), tuple(_compared(one, other) for one, other in combinations(answers, 2))


def _shape(seen: Seen) -> tuple[Any, ...]:
    cells = tuple((key, key in seen.marks, tuple(v is None for v in values)) for key, values in sorted(seen.cells.items()))
    return seen.code, seen.marked, cells


def _compared(one: Seen, other: Seen) -> tuple[Any, ...]:
    return tuple(
        (key, tuple(None if a is None or b is None else (a > b) - (a < b) for a, b in zip(one.cells[key], other.cells[key], strict=False)))
        for key in sorted(one.cells.keys() & other.cells.keys())
    )
