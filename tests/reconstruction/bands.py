"""Sums of many sets: a whole and its parts, which leave out a band of fewer persons than the threshold. How many of it are ill?"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from twinpane_broker.memory import InProcessMemory
from twinpane_broker.rules.policy import Rules

from .attacker import Attacker
from .lenses import groups
from .linear import between
from .result import Result
from .setting import Setting, right_within
from .site import BORN, ILL, PLACES, RACES, SEXES, Known, Site

TARGETS = 60
MOST = 6
"""Persons of a band."""
CROSSED = 6
"""Other sets that are asked for before, through each band."""


@dataclass(frozen=True)
class Band:
    """A way to ask for the whole and its parts."""

    name: str
    asked: str = "count(*) n"
    parts: int = 3
    projects: int = 1
    snapshots: int = 1
    crossed: bool = False
    """Whether other sets are asked for before, which each hold some of the band: so nobody in it is like another."""
    of_table: bool = False
    """Whether the whole is a cell of a table."""


BANDS = (
    Band("bands: counts"),
    Band("bands: avg and sum", "count(*) n, avg(weight), sum(weight)"),
    Band("bands: sums alone", "sum(weight)"),
    Band("bands: five sets", parts=4),
    Band("bands: seven sets", parts=6),
    Band("bands: two projects", projects=2),
    Band("bands: two snapshots", snapshots=2),
    Band("bands: crossed", crossed=True),
    Band("bands: of a cell", of_table=True),
)


def bands(setting: Setting, band: Band) -> Iterator[Result]:
    """The whole less its parts. Who asks nothing knows how many are in a band, and of how many persons in a hundred are ill."""
    person, random, rules = setting.people, setting.random, setting.rules
    born, ill = person.born.to_numpy(), person.ill.to_numpy()
    guesses, blind, truths, memory = [], [], [], InProcessMemory()
    folder = setting.folder / f"bands-{len(list(setting.folder.iterdir()))}"
    with ExitStack() as stack:
        sites = [Site(folder / str(at), rules, {"person": person}, snapshot=str(at), memory=memory, register=folder / "register")
                 for at in range(band.snapshots)]  # fmt: skip
        for site in sites:
            stack.callback(site.close)
        attackers = [Attacker(site) for site in sites]
        for known, _ in groups(person, random, 10 * rules.threshold, 10**6):
            if len(truths) == TARGETS or sum(a.asked for a in attackers) + 1 + band.parts > setting.questions:
                break
            if band.of_table and not known.sexes:
                continue
            year = int(random.integers(BORN[0] + 10, BORN[1] - 10))
            parts = [replace(known, born=stretch) for stretch in _stretches(random, year, band.parts)]
            whole = replace(known, born=BORN)
            there = whole.of(person) & (born == year)
            most = min(MOST, rules.threshold - 1)
            if not 1 <= there.sum() <= most or min(part.of(person).sum() for part in parts) < 2.5 * rules.threshold:
                continue
            for crossing in _crossings(random, year) if band.crossed else ():
                attackers[0].ask(f"select {band.asked} from person where {crossing.sql()} and ill = true")
            seen = []
            for at, of in enumerate((whole, *parts)):
                attacker, project = attackers[at % len(attackers)], str(at % band.projects)
                seen.append(_counted(attacker, of, band, project, as_cell=band.of_table and at == 0))
            truths.append(int((there & ill).sum()))
            blind.append(round(ILL * there.sum()))
            guesses.append(_left(seen, rules, int(there.sum())))
        first, *others = attackers
        for other in others:
            first.take(other)
        usual = max((truths.count(n) for n in set(truths)), default=0) / max(1, len(truths))
        knowing = max(usual, right_within(blind, truths, 0))
        yield setting.result(band.name, first, right_within(guesses, truths, 0), knowing, len(truths))


def _stretches(random: np.random.Generator, year: int, parts: int) -> list[tuple[int, int]]:
    """All years but one in so many stretches, the last one after it."""
    cuts = sorted(map(int, random.choice(np.arange(BORN[0] + 2, year - 1), parts - 2, replace=False)))
    starts = [BORN[0], *cuts]
    return [*zip(starts, [*cuts, year], strict=True), (year + 1, BORN[1])]


def _crossings(random: np.random.Generator, year: int) -> Iterator[Known]:
    for at in range(CROSSED):
        places = tuple(sorted(map(str, random.choice(PLACES, 5, replace=False))))
        around = (year - int(random.integers(4, 9)), year + int(random.integers(4, 9)))
        yield Known(places, (str(random.choice(RACES[:2])),) if at % 2 else (), (SEXES[at % 2],), around)


def _counted(attacker: Attacker, of: Known, band: Band, project: str, *, as_cell: bool) -> tuple[float | None, ...]:
    """What is shown of a set: its number, and a mean and a sum beside it if they are asked for."""
    if as_cell:
        (sex,) = of.sexes
        seen, cell = attacker.ask(_sql(f"sex, {band.asked}", replace(of, sexes=())) + " group by sex", project), (sex,)
    else:
        seen, cell = attacker.ask(_sql(band.asked, of), project), ()
    numbers = seen.cells.get(cell, (None,))
    return numbers if "count" in band.asked else seen.counts.get(cell, (None,))


def _sql(asked: str, of: Known) -> str:
    return f"select {asked} from person where {of.sql()} and ill = true"


def _left(seen: Sequence[tuple[float | None, ...]], rules: Rules, most: int) -> int:
    """The whole less its parts; without an answer, or one that cannot be, the likeliest."""
    if any(None in numbers for numbers in seen):
        return round(ILL * most)
    whole, *parts = (sum(between(numbers, rules)) / 2 for numbers in seen)
    return int(np.clip(round(whole - sum(parts)), 0, most))
