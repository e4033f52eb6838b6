"""Random conditions on what everybody knows: as many as the attacker likes, with who fulfils them, before he asks anything."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from .site import BORN, PLACES, RACES, SEXES, Known, numbered

TRIES = 300_000
"""Conditions that the attacker thinks of before he gives up."""


def drawn(random: np.random.Generator) -> Known:
    """A condition on some of the known columns."""
    width = int(random.integers(3, 40))
    start = int(random.integers(BORN[0], BORN[1] - 2))
    return Known(
        places=_some(random, PLACES, 6) if random.random() < 0.85 else (),
        races=_some(random, RACES, 3) if random.random() < 0.5 else (),
        sexes=_some(random, SEXES, 1) if random.random() < 0.3 else (),
        born=(start, min(BORN[1], start + width)) if random.random() < 0.9 else None,
    )


def _some(random: np.random.Generator, codes: tuple[str, ...], most: int) -> tuple[str, ...]:
    return tuple(sorted(map(str, random.choice(codes, random.integers(1, most + 1), replace=False))))


def conditions(
    random: np.random.Generator, atoms: pd.DataFrame, least: int, most: int, threshold: int
) -> Iterator[tuple[Known, np.ndarray]]:
    """Conditions that hold for so many persons, with a mask over the ``atoms`` (persons of whom the same is known; ``n`` of each).

    The attacker counts for himself what the broker would refuse whatever anybody has: no condition may leave out a few.
    """
    sizes = atoms.n.to_numpy()
    for known in _different(random):
        parts = [Known(places=known.places), Known(races=known.races), Known(sexes=known.sexes), Known(born=known.born)]
        masks = [part.of(atoms) for part in parts]
        whole = np.logical_and.reduce(masks)
        if least <= sizes[whole].sum() <= most and _leave_enough(masks, sizes, threshold):
            yield known, whole


def with_every_place(random: np.random.Generator, atoms: pd.DataFrame, least: int) -> Iterator[tuple[Known, np.ndarray]]:
    """The same for tables by place: conditions on all else that leave so many persons to each of some places."""
    sizes, codes = atoms.n.to_numpy(), atoms.place_at.to_numpy()
    for drawn_one in _different(random):
        known = Known(races=drawn_one.races, sexes=drawn_one.sexes, born=drawn_one.born)
        mask = known.of(atoms)
        each = np.bincount(codes[mask], sizes[mask], minlength=len(PLACES))
        enough = tuple(place for place, persons in zip(PLACES, each, strict=True) if persons >= least)
        if len(enough) > 1:
            known = replace(known, places=enough[:9])
            yield known, known.of(atoms)


def _different(random: np.random.Generator) -> Iterator[Known]:
    seen = set()
    for _ in range(TRIES):
        known = drawn(random)
        if known not in seen:
            seen.add(known)
            yield known


def _leave_enough(masks: list[np.ndarray], sizes: np.ndarray, threshold: int) -> bool:
    for place, mask in enumerate(masks):
        others = [other for at, other in enumerate(masks) if at != place]
        for some in range(2 ** len(others)):
            who = np.logical_and.reduce([np.ones_like(mask), *(other for at, other in enumerate(others) if some >> at & 1)])
            if 0 < sizes[who & ~mask].sum() < threshold or sizes[who & mask].sum() < threshold:
                return False
    return True


def atoms_of(person: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The sets of persons of whom the same is known, with how many they are (``n``); and each person's place among them."""
    known = ["place", "race", "sex", "born"]
    places = person.groupby(known, sort=True).ngroup().to_numpy()
    atoms = person.groupby(known, sort=True).size().rename("n").reset_index()
    return numbered(atoms), places
