"""A table of dated events, one for each person: every month has its few persons, whom the attacker knows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .site import PLACES, RACES, Known

FIRST = np.datetime64("1900-01", "M")
MONTHS = 1400
"""At most; there are no more than one for two persons."""
AGAIN = 0.05


@dataclass(frozen=True)
class Events:
    """The table, and in which month each person has an event."""

    visit: pd.DataFrame
    month: np.ndarray
    again: np.ndarray
    """Who has a second one, in another month."""

    def only(self, first: int, beyond: int) -> np.ndarray:
        """Who has events in no other months, as a mask."""
        return (self.month >= first) & (self.month < beyond) & ~self.again

    def month_of(self, visit: pd.DataFrame) -> np.ndarray:
        """The month of each event of some."""
        return visit.day.to_numpy().astype("datetime64[M]").astype(int) - FIRST.astype(int)

    def window(self, first: int, beyond: int) -> str:
        """From a month until before another, as terms of a WHERE."""
        return f"v.day >= '{FIRST + first}-01' and v.day < '{FIRST + beyond}-01'"

    def here(self, person: pd.DataFrame, place: str) -> pd.DataFrame:
        """The events of a place's persons."""
        return self.visit[self.visit.person_id.isin(person.person_id[person.place == place])]

    def alone(self, here: pd.DataFrame) -> Iterator[tuple[int, int]]:
        """The months in which one person of some comes, who comes in no other; and who it is."""
        month = self.month_of(here)
        months, many = np.unique(month, return_counts=True)
        for each in months[many == 1]:
            who = int(here.person_id.to_numpy()[month == each][0])
            if not self.again[who]:
                yield int(each), who

    @property
    def months(self) -> int:
        """How many there are."""
        return int(self.month.max()) + 1


def events(person: pd.DataFrame, random: np.random.Generator) -> Events:
    """One event each, in a month drawn at random; one person in twenty has another, some other day."""
    months = min(MONTHS, max(60, len(person) // 2))
    month = random.integers(0, months, len(person))
    again = np.flatnonzero(random.random(len(person)) < AGAIN)
    which = np.concatenate([month, (month[again] + months // 2) % months])
    day = (FIRST + which).astype("datetime64[D]") + random.integers(0, 28, len(which))
    who = np.concatenate([person.person_id, person.person_id.to_numpy()[again]])
    return Events(pd.DataFrame({"person_id": who, "day": pd.to_datetime(day)}), month, np.isin(np.arange(len(person)), again))


def ill_of(place: str, *terms: str) -> str:
    """How many ill persons of a place have an event for which these terms hold too."""
    where = " and ".join([f"p.place = '{place}'", "p.ill = true", *(f"({term})" for term in terms)])
    return f"select count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id where {where}"


def group_with(person: pd.DataFrame, random: np.random.Generator, at: int) -> Known:
    """A random half of the places and races, such that a person is in it."""
    places = {str(person.place[at]), *map(str, random.choice(PLACES, random.integers(3, 7), replace=False))}
    races = {str(person.race[at]), *map(str, random.choice(RACES, random.integers(1, 4), replace=False))}
    return Known(places=tuple(sorted(places)), races=tuple(sorted(races)))
