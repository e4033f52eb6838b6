"""Pooling over sites: what was released is added, and what is missing is said. Nothing here sees more than the releases.

A pooled count of a cell is the sum of the sites' released counts. Where a site suppressed its part, has no such category, or did
not answer, the sum is *partial*: at least so many, never a total that one could subtract from. A pooled mean is the mean of the
sites' means, weighted by ``Value.n``, the released numbers of values they are over; where a site's part is missing it is the
mean of the others, and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .catalogue import SiteId
from .predicates import CodeValue, code_order
from .release import Category, CategoryKind, Refusal, Release, ReleasedColumn, Row, Value

MEAN_DIGITS = 3


@dataclass(frozen=True)
class PooledValue:
    """One number over sites: None where no site released its part; ``without`` names the sites whose part is not in it."""

    value: int | float | None
    without: tuple[SiteId, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether a site's part is missing: a count is then *at least* this."""
        return bool(self.without)


@dataclass(frozen=True)
class PooledRow:
    """One cell over sites."""

    key: tuple[Category, ...]
    persons: PooledValue
    values: tuple[PooledValue, ...]
    sites: Mapping[SiteId, Row | None]
    """Each answering site's own cell; None where the site has no such category."""


@dataclass(frozen=True)
class Pooled:
    """A question's answers of all sites as one table."""

    columns: tuple[ReleasedColumn, ...]
    persons: PooledValue
    rows: tuple[PooledRow, ...]
    released: tuple[SiteId, ...]
    """Sites whose releases are pooled here."""
    absent: Mapping[SiteId, str]
    """Sites whose answer is not in here, and why: a refusal's code, or what the caller said (offline, late)."""


def pool(results: Mapping[SiteId, Release | Refusal], missing: Mapping[SiteId, str] | None = None) -> Pooled | None:
    """The pooled table of one question's results; None where no site released anything.

    ``missing`` says of sites without a result why that is. Rows come in the order of the first site that has them.
    Raises ValueError where releases do not belong to one question (other columns or another plan).
    """
    releases = {site: result for site, result in results.items() if isinstance(result, Release)}
    absent = {site: str(result.code) for site, result in results.items() if isinstance(result, Refusal)} | dict(missing or {})
    if not releases:
        return None
    first = next(iter(releases.values()))
    shape = [(column.name, column.kind) for column in first.columns]
    for release in releases.values():
        if release.plan_hash != first.plan_hash or [(column.name, column.kind) for column in release.columns] != shape:
            raise ValueError("these releases do not answer one and the same question")
    keys: dict[tuple, tuple[Category, ...]] = {}
    found: dict[tuple, dict[SiteId, Row]] = {}
    for site, release in releases.items():
        for row in release.rows:
            keys.setdefault(_identity(row.key), row.key)
            found.setdefault(_identity(row.key), {})[site] = row
    rows = tuple(_row(keys[identity], found[identity], first.measures, tuple(releases), tuple(absent)) for identity in keys)
    persons = _sum({site: release.persons for site, release in releases.items()}, tuple(absent))
    return Pooled(first.columns, persons, rows, tuple(releases), absent)


def _row(
    key: tuple[Category, ...],
    found: Mapping[SiteId, Row],
    measures: tuple[ReleasedColumn, ...],
    sites: tuple[SiteId, ...],
    absent: tuple[SiteId, ...],
) -> PooledRow:
    values = []
    for place, column in enumerate(measures):
        parts = {site: found[site].values[place] if site in found else Value() for site in sites}
        values.append(_mean(parts, absent) if column.kind == "mean" else _sum({s: v.value for s, v in parts.items()}, absent))
    persons = _sum({site: found[site].persons if site in found else None for site in sites}, absent)
    return PooledRow(key, persons, tuple(values), {site: found.get(site) for site in sites})


def _sum(parts: Mapping[SiteId, int | float | None], absent: tuple[SiteId, ...]) -> PooledValue:
    known = [part for part in parts.values() if part is not None]
    without = (*(site for site, part in parts.items() if part is None), *absent)
    return PooledValue(sum(known) if known else None, without)


def _mean(parts: Mapping[SiteId, Value], absent: tuple[SiteId, ...]) -> PooledValue:
    usable = [value for value in parts.values() if value.value is not None and value.n]
    without = (*(site for site, value in parts.items() if value.value is None or not value.n), *absent)
    if not usable:
        return PooledValue(None, without)
    mean = sum(value.value * value.n for value in usable) / sum(value.n for value in usable)
    return PooledValue(float(f"{mean:.{MEAN_DIGITS - 1}e}"), without)


def _identity(key: tuple[Category, ...]) -> tuple[tuple[CategoryKind, tuple[str, CodeValue] | None], ...]:
    return tuple((category.kind, None if category.value is None else code_order(category.value)) for category in key)
