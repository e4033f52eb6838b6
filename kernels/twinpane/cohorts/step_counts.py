"""How many persons each step of a cohort leaves: the data, taken from releases alone."""

from dataclasses import dataclass

from twinpane.tables.table import Table
from twinpane_broker import Ends, about_means, around, persons_shown

WITHHELD = "withheld"
BY_DATA = ("withheld", "capped")
"""Codes of refusals that depend on a site's data."""


@dataclass(frozen=True)
class Counted:
    """One step: its name, its table of releases (None where no site released anything), and then the refusal's code."""

    name: str
    table: Table | None
    code: str = ""

    def at(self, site: str) -> int | None:
        """A site's persons; None where it released no number."""
        release = self.table.releases.get(site) if self.table is not None else None
        number = release.rows[0].values[0].value if release is not None and release.rows else None
        return None if number is None else int(number)

    def about(self, site: str) -> bool:
        """Whether a site's number is about."""
        release = self.table.releases.get(site) if self.table is not None else None
        return release is not None and bool(release.rows) and release.rows[0].values[0].about

    def ends(self, site: str) -> Ends:
        """Between which numbers a site's number lies, as far as it is about."""
        return around(self.at(site) or 0, self.table.cells.off[site] if self.table is not None and self.about(site) else 0)

    def absent(self, site: str) -> str:
        """Why a site has no number for a reason other than its data (offline, not a member, no such table); otherwise empty."""
        if self.table is None:
            return ""
        refusal = self.table.refusals.get(site)
        if refusal is not None and refusal.code not in BY_DATA:
            return refusal.reason.rstrip(".")
        return self.table.missing.get(site, "")


class StepCounts:
    """The steps of a cohort with their persons, per site and pooled.

    ``sites``: titles of the sites that released any number; ``silent``: the other sites' titles, and why they released none.
    """

    def __init__(self, name: str, steps: list[Counted]) -> None:
        """Keep the steps, the entry first."""
        self.name = name
        self.steps = tuple(steps)
        tables = [step.table for step in steps if step.table is not None]
        known = dict.fromkeys(site for table in tables for site in (*table.titles, *table.releases, *table.refusals, *table.missing))
        titles = {site: title for table in tables for site, title in table.titles.items()}
        answered = [site for site in known if any(step.at(site) is not None for step in steps)]
        self.sites = {site: titles.get(site, site) for site in known if site in answered}
        self.silent = {titles.get(site, site): next(filter(None, (step.absent(site) for step in steps)), WITHHELD)
                       for site in known if site not in answered}  # fmt: skip

    def persons(self, place: int, site: str | None = None) -> int | None:
        """The persons that a step (0 is the entry) leaves at a site, or pooled over the sites that released a number."""
        step = self.steps[place]
        if site is not None:
            return step.at(site)
        told = [n for one in self.sites if (n := step.at(one)) is not None]
        return sum(told) if told else None

    def about(self, place: int, site: str | None = None) -> bool:
        """Whether the number of a step is about at a site, or at any site of the pooled one."""
        return any(self.steps[place].about(one) for one in (self.sites if site is None else (site,)))

    def shown(self, place: int, site: str | None = None) -> str:
        """The number of a step in words, with its mark: ``≈ 110 (69–151)``; empty where there is none."""
        persons = self.persons(place, site)
        return "" if persons is None else persons_shown(persons, self.about(place, site), self._ends(place, site))

    def left_out_shown(self, place: int) -> str:
        """The pooled number of persons that a step left out, in words like ``shown``."""
        left, before = self.left_out(place), self._before(place, None)
        if left is None or before is None:
            return ""
        now, then = self._ends(place, None), self._ends(before, None)
        return persons_shown(left, self.left_out_about(place), (max(0, then[0] - now[1]), max(0, then[1] - now[0])))

    def _ends(self, place: int, site: str | None) -> Ends:
        told = [self.steps[place].ends(one) for one in self._told(place, site)]
        return sum(low for low, _ in told), sum(high for _, high in told)

    def lacking(self, place: int) -> bool:
        """Whether the pooled number of a step lacks the part of one of ``sites``."""
        return any(self.steps[place].at(site) is None for site in self.sites)

    @property
    def why_about(self) -> str:
        """What the mark of a number that is about means; empty where none is."""
        tables = [step.table for place, step in enumerate(self.steps) if step.table is not None and self.about(place)]
        return about_means(rule for table in tables for release in table.releases.values() for rule in release.rules) if tables else ""

    def left_out(self, place: int, site: str | None = None) -> int | None:
        """The persons that a step left out, from rounded numbers: since the last step that the same sites released; None without one."""
        now, before = self.persons(place, site), self._before(place, site)
        then = None if before is None else self.persons(before, site)
        return None if now is None or then is None else max(0, then - now)

    def left_out_about(self, place: int, site: str | None = None) -> bool:
        """Whether one of the two numbers behind ``left_out`` is about."""
        before = self._before(place, site)
        return before is not None and (self.about(place, site) or self.about(before, site))

    def _before(self, place: int, site: str | None) -> int | None:
        """The last step before one that the same sites released."""
        told = self._told(place, site)
        return next((i for i in range(place - 1, -1, -1) if self._told(i, site) == told), None)

    def _told(self, place: int, site: str | None) -> tuple[str, ...]:
        among = self.sites if site is None else (site,)
        return tuple(one for one in among if self.steps[place].at(one) is not None)
