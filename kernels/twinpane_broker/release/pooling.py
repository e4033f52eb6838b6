"""Pools the sites' releases: adds the released numbers, and names the missing ones. Nothing here sees more than the releases.

Each module of ``aggregates`` says how its number is pooled. A number is *partial* if a site suppressed its part, has no such category, or
did not answer. A partial count means "at least so many", so nobody can subtract from it as from a total. Any other partial number covers
the remaining sites. Where a site says that nobody is in a cell, no part is missing. A number is *about* if one of its parts is (``Value``).
Quantiles are not pooled: the quantile of all values does not follow from the sites' quantiles. A histogram does. Nor are means and their
like where a site does not say over how many values its own is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from twinpane_broker.aggregates.pooled import Part, PooledValue, added
from twinpane_broker.aggregates.registry import AGGREGATES, MeasureKind
from twinpane_broker.aggregates.value import Value
from twinpane_broker.catalogue.catalogue import SiteId
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import CodeOrder, code_order
from twinpane_broker.release.release import Refusal, Release, ReleasedColumn, Row
from twinpane_broker.release.shown import about_off, off_of, within_of


@dataclass(frozen=True)
class PooledRow:
    """One cell over sites."""

    key: tuple[Category, ...]
    persons: PooledValue
    values: tuple[PooledValue, ...]
    sites: Mapping[SiteId, Row | None]
    """Each answering site's own cell; None where the site has no such category."""

    @property
    def is_total(self) -> bool:
        """Whether it stands for all rows along a dimension."""
        return any(category.kind is CategoryKind.total for category in self.key)


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
    off: Mapping[SiteId, int]
    """By how many persons a number of each site may be off that is about."""


def pool(
    results: Mapping[SiteId, Release | Refusal], missing: Mapping[SiteId, str] | None = None, plan: Plan | None = None
) -> Pooled | None:
    """The pooled table of one question's results; None if no site released anything.

    ``missing`` gives, for each site without a result, the reason. With the ``plan``, a standard deviation or variance also includes the
    differences between the sites' means, if the question asks for the mean of the same column; otherwise it is pooled within the sites.
    Rows come in the order of their categories. A category that only some sites have comes after the one that it follows there. Totals
    come last. Raises ValueError if the releases do not belong to one question (other columns or another plan).
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
    found: dict[Identity, dict[SiteId, Row]] = {}
    for site, release in releases.items():
        for row in release.rows:
            found.setdefault(_identity(row.key), {})[site] = row
    widths = [group.width for group in plan.group_by] if plan is not None else [None] * len(first.dimensions)
    axes = [_axis(place, releases.values(), in_bins=width is not None) for place, width in enumerate(widths)]
    places = [{identity: number for number, identity in enumerate(axis)} for axis in axes]
    ordered = sorted(found, key=lambda identity: [place[part] for place, part in zip(places, identity, strict=True)])
    means = _means(plan, [column.kind for column in first.measures])
    rows = []
    columns = {site: release.measures for site, release in releases.items()}
    off = {site: about_off(release.rules) for site, release in releases.items()}
    for identity in ordered:
        key = tuple(axis[part] for axis, part in zip(axes, identity, strict=True))
        rows.append(_row(key, found[identity], columns, off, means, tuple(absent)))
    persons = added({site: _persons(release, off[site]) for site, release in releases.items()}, tuple(absent))
    return Pooled(first.columns, persons, tuple(rows), tuple(releases), absent, off)


def _row(
    key: tuple[Category, ...],
    found: Mapping[SiteId, Row],
    columns: Mapping[SiteId, tuple[ReleasedColumn, ...]],
    off: Mapping[SiteId, int],
    means: Mapping[int, int],
    absent: tuple[SiteId, ...],
) -> PooledRow:
    sites, measures = tuple(columns), next(iter(columns.values()))

    def parts(place: int) -> dict[SiteId, Part]:
        mean = means.get(place)
        there = [site for site in sites if site not in found or not found[site].lacks(place)]
        return {site: _part(found[site], place, mean, columns[site][place], off[site]) if site in found else Part() for site in there}

    values = tuple(AGGREGATES[MeasureKind(column.kind)].pool(parts(place), absent) for place, column in enumerate(measures))
    persons = added({site: _persons(found[site], off[site]) if site in found else Part() for site in sites}, absent)
    return PooledRow(key, persons, values, {site: found.get(site) for site in sites})


def _persons(of: Row | Release, off: int) -> Part:
    return Part(of.persons, about=of.about, off=off if of.about else 0)


def _part(row: Row, place: int, mean: int | None, column: ReleasedColumn, off: int) -> Part:
    value, kind = row.values[place], MeasureKind(column.kind)
    beside = row.values[mean] if mean is not None else Value()
    return Part(
        value.value, value.n, value.of, beside.value, column.decimals_of(value), value.about or beside.about,
        clipped=value.clipped is not None or beside.clipped is not None, off=off_of(value, kind, off),
        within=within_of(value, kind, 0),
    )  # fmt: skip


def _means(plan: Plan | None, kinds: list[str]) -> dict[int, int]:
    """For each number that is pooled with another aggregate of its column (a spread with the mean), the place of that aggregate."""
    if plan is None or [str(measure.kind) for measure in plan.measures] != kinds:
        return {}
    at: dict[tuple[str, str | None], int] = {(measure.kind, measure.column): place for place, measure in enumerate(plan.measures)}
    found = {place: at.get((measure.pools_with, measure.column)) for place, measure in enumerate(plan.measures)}
    return {place: other for place, other in found.items() if other is not None}


Key = tuple[CategoryKind, CodeOrder | None]
Identity = tuple[Key, ...]
LAST = (CategoryKind.code, CategoryKind.other, CategoryKind.missing, CategoryKind.total)
"""Codes come first; what is no code comes last, in this order."""


def _identity(key: tuple[Category, ...]) -> Identity:
    return tuple((category.kind, None if category.value is None else code_order(category.value)) for category in key)


def _axis(place: int, releases: Iterable[Release], *, in_bins: bool) -> dict[Key, Category]:
    """All sites' categories of one dimension, in order. Each has the label of the first site that gives one.

    For a measure ``in_bins``, one site's end bin may be another's inner bin; it then has both labels. If every site's codes rise (bins
    and dates do), the result rises too. Otherwise a code that only later sites have goes before the code that follows it there.
    """
    merged: list[Key] = []
    known: dict[Key, Category] = {}
    rising = True
    for release in releases:
        keys = {_identity((key,))[0]: key for key in dict.fromkeys(row.key[place] for row in release.rows)}
        codes = [code for kind, code in keys if kind is CategoryKind.code and code is not None]
        rising = rising and codes == sorted(codes)
        before = len(merged)
        for identity, key in reversed(keys.items()):
            if identity not in known:
                merged.insert(before, identity)
                known[identity] = key
            else:
                before = merged.index(identity)
                label = known[identity].label
                if not label:
                    known[identity] = key
                elif in_bins and key.label and key.label not in label.split("; "):
                    known[identity] = key.model_copy(update={"label": f"{label}; {key.label}"[:300]})
    if rising:
        merged.sort(key=lambda identity: identity[1] or ("", 0))
    return {identity: known[identity] for identity in sorted(merged, key=lambda identity: LAST.index(identity[0]))}
