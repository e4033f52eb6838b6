"""What every attack is given, and how its guesses are counted."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from twinpane_broker.rules.policy import Rules

from .attacker import Attacker
from .result import Result
from .site import Site, people, rules_of


@dataclass(frozen=True)
class Setting:
    """A preset, a size, and how much is asked."""

    folder: Path
    preset: str
    persons: int
    questions: int
    seed: int
    progress: Callable[[str], None] = lambda _: None
    counted: bool = True
    """Whether the account of what was released ends an attack: a few targets are enough to see whether it works."""

    @property
    def rules(self) -> Rules:
        """The preset's rules."""
        rules = rules_of(self.preset)
        return rules if self.counted else rules.model_copy(update={"sets_percent": 10_000.0})

    @property
    def random(self) -> np.random.Generator:
        """Where the attacker's choices come from."""
        return np.random.default_rng([self.seed, self.persons])

    @property
    def people(self) -> pd.DataFrame:
        """The site's persons."""
        return people(self.persons, self.seed)

    @contextmanager
    def site(self, **tables: pd.DataFrame) -> Iterator[Attacker]:
        """An attacker before a new site with these tables."""
        site = Site(self.folder / f"site-{len(list(self.folder.iterdir()))}", self.rules, tables)
        try:
            yield Attacker(site)
        finally:
            site.close()

    def result(self, attack: str, attacker: Attacker, accuracy: float, majority: float, targets: int, note: str = "") -> Result:
        """A line of the table; ``accuracy`` and ``majority`` are shares."""
        return Result(
            attack, self.preset, self.persons, targets, attacker.asked, attacker.withheld, attacker.approximate, attacker.refused,
            attacker.days, 100 * accuracy, 100 * majority, note,
        )  # fmt: skip


Attack = Callable[[Setting], Iterator[Result]]


def learnt(seen: Sequence[Hashable], truths: Sequence[Hashable]) -> tuple[float, float]:
    """How often the truth is right that the same pattern means for the others, and how often the commonest truth is.

    So the attacker need not know what a pattern means: he has others on whom to learn it.
    """
    whole, of = Counter(truths), {}
    for pattern, truth in zip(seen, truths, strict=True):
        of.setdefault(pattern, Counter())[truth] += 1
    usual = whole.most_common(1)[0][0] if truths else None
    right = 0
    for pattern, truth in zip(seen, truths, strict=True):
        others = of[pattern] - Counter([truth])
        right += (others.most_common(1)[0][0] if others else usual) == truth
    return right / max(1, len(truths)), whole[usual] / max(1, len(truths))


def right_within(guesses: Sequence[float], truths: Sequence[float], tolerance: float) -> float:
    """The share of guesses that are no further from the truth."""
    return float(np.mean(np.abs(np.array(guesses) - np.array(truths)) <= tolerance)) if guesses else 0.0
