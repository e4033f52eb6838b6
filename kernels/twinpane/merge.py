"""Joining releases of several sites into one table, and pooling them: only what was released is added, and what is missing is said."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context

from twinpane_broker.plan import Plan
from twinpane_broker.predicates import CodeValue, code_order
from twinpane_broker.release import Category, CategoryKind, Release, ReleasedColumn, Value

DIGITS = 3
"""Significant digits of a pooled mean: those that the sites' own means have at most."""


@dataclass(frozen=True)
class Pooled:
    """A number over sites: ``value`` None where no site released its part, ``without`` the sites whose part is not in it."""

    value: int | float | None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One cell at all sites: its categories, and per measure a value of each site (None: that site has no such cell) and the pooled one."""

    key: tuple[Category, ...]
    values: tuple[dict[str, Value | None], ...]
    pooled: tuple[Pooled, ...]


@dataclass(frozen=True)
class Merged:
    """The joined table."""

    columns: tuple[ReleasedColumn, ...]
    sites: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def dimensions(self) -> tuple[ReleasedColumn, ...]:
        """Columns of the keys."""
        return tuple(column for column in self.columns if not column.is_measure)

    @property
    def measures(self) -> tuple[ReleasedColumn, ...]:
        """Columns of the values."""
        return tuple(column for column in self.columns if column.is_measure)


def merge(releases: dict[str, Release]) -> Merged:
    """Join releases of one question on their cells' categories, in the first site's order, further cells after it.

    Raises ValueError when the releases do not have the same columns.
    """
    sites = tuple(releases)
    first = releases[sites[0]]
    shape = [(column.name, column.kind) for column in first.columns]
    if any([(column.name, column.kind) for column in release.columns] != shape for release in releases.values()):
        raise ValueError("the sites' answers do not have the same columns")
    keys: dict[tuple[tuple[CategoryKind, tuple[str, CodeValue | None]], ...], tuple[Category, ...]] = {}
    rows = {}
    for site, release in releases.items():
        for row in release.rows:
            name = tuple((category.kind, ("", None) if category.value is None else code_order(category.value)) for category in row.key)
            keys.setdefault(name, row.key)
            rows[name, site] = row
    lines = []
    for name, key in keys.items():
        found = [rows.get((name, site)) for site in sites]
        values = tuple(
            {site: row.values[i] if row else None for site, row in zip(sites, found, strict=True)} for i in range(len(first.measures))
        )
        pooled = tuple(pool(column.kind, cells) for column, cells in zip(first.measures, values, strict=True))
        lines.append(Line(key, values, pooled))
    return Merged(first.columns, sites, tuple(lines))


def pool(kind: str, cells: dict[str, Value | None]) -> Pooled:
    """Counts add up; means are weighted by how many values they are over. Suppressed parts are left out, and named."""
    known = {site: cell for site, cell in cells.items() if cell is not None}
    usable = {
        site: cell for site, cell in known.items() if cell.value is not None and (kind != "mean" or cell.n)
    }
    without = tuple(site for site in known if site not in usable)
    if not usable:
        return Pooled(None, without)
    if kind != "mean":
        return Pooled(sum(int(cell.value or 0) for cell in usable.values()), without)
    weight = sum(cell.n or 0 for cell in usable.values())
    mean = sum((cell.value or 0) * (cell.n or 0) for cell in usable.values()) / weight
    return Pooled(significant(mean), without)


def significant(value: float, digits: int = DIGITS) -> float:
    """A number at that many significant digits, half to even."""
    return float(Context(prec=digits, rounding=ROUND_HALF_EVEN).create_decimal(repr(value)))


def arranged(merged: Merged, plan: Plan) -> Merged:
    """The table in the plan's order and cut to its limit: by category, or by pooled value with suppressed ones last."""
    names = [column.name for column in merged.columns]
    dimensions = len(merged.dimensions)
    lines = list(merged.lines)
    for order in reversed(plan.order_by):
        if order.by not in names:
            continue
        place = names.index(order.by)
        if place < dimensions:
            lines.sort(key=lambda line, i=place: _category_order(line.key[i]), reverse=order.descending)
        else:
            known = [line for line in lines if line.pooled[place - dimensions].value is not None]
            known.sort(key=lambda line, i=place - dimensions: line.pooled[i].value or 0, reverse=order.descending)
            lines = known + [line for line in lines if line.pooled[place - dimensions].value is None]
    return Merged(merged.columns, merged.sites, tuple(lines[: plan.limit]))


def _category_order(category: Category) -> tuple[int, tuple[str, CodeValue | str]]:
    rank = {CategoryKind.code: 0, CategoryKind.other: 1, CategoryKind.missing: 2}[category.kind]
    return (rank, ("", "") if category.value is None else code_order(category.value))
