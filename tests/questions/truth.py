"""Released numbers beside what DuckDB answers to the same text on the raw rows: a wrong number is worse than a missing one.

A number is right if it differs by no more than its rounding. Means, spreads and sums may be of values within the catalogue's bounds, which
DuckDB is asked about as well.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import duckdb

from twinpane_broker.aggregates.aggregate import OfCell, OfValues
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.aggregates.value import End, Value
from twinpane_broker.catalogue.catalogue import Catalogue, Role
from twinpane_broker.catalogue.edges import grid_of
from twinpane_broker.check.axes import Axis
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import Bin, Group, Plan
from twinpane_broker.release.release import Release, Row
from twinpane_broker.rules.policy import Rules

if TYPE_CHECKING:
    from .hospitals import Hospital

Key = tuple[str | None, ...]
ROUNDS = re.compile(r", (\d)\) AS \w+")
"""Decimals to which a text itself rounds a mean: ROUND(…, 1) AS …"""


@dataclass
class Verdict:
    """How many released numbers are right, and which are not."""

    right: int = 0
    clipped: int = 0
    """Right only within the catalogue's bounds."""
    unlisted: int = 0
    """Rows of DuckDB's answer that have no row of their own in the release."""
    wrong: list[str] = field(default_factory=list)


def category_index(key: tuple[Category, ...], axes: tuple[Axis, ...]) -> tuple[int, ...] | None:
    """The cell of a released row; None for a row of totals."""
    places = [{category: at for at, category in enumerate(axis.categories)} for axis in axes]
    if any(category not in known for category, known in zip(key, places, strict=True)):
        return None
    return tuple(known[category] for category, known in zip(key, places, strict=True))


class Raw:
    """A hospital's rows in DuckDB as schema ``cdm`` and without one: as they are, and with measures cut to the catalogue's bounds."""

    def __init__(self, hospital: "Hospital") -> None:
        self.catalogue = hospital.catalogue
        self.rules: Rules = hospital.rules
        self.plain, self.clipped = (_opened(hospital, clip=clip) for clip in (False, True))

    def verdict(self, sql: str, plan: Plan, bound: ResolvedPlan, release: Release) -> Verdict:
        """Compare a release with DuckDB's answer to the text."""
        text = re.sub(r"\s+LIMIT\s+\d+\s*$", "", sql, flags=re.IGNORECASE)
        columns, plain = _answer(self.plain, text)
        coarse = max((0.5 / 10 ** int(places) for places in ROUNDS.findall(text)), default=0.0)
        _, clipped = _answer(self.clipped, text)
        dimensions, measures = _places(plan, columns)
        bins = [partial(_in_bin, group, axis) for group, axis in zip(plan.group_by, bound.axes, strict=True)]
        truths, cut = (_by_key(rows, dimensions, bins) for rows in (plain, clipped))
        row_base = next((rule.numbers["base"] for rule in release.rules if rule.code == "row_rounding"), 0)
        verdict, seen = Verdict(), set[Key]()
        for row in release.rows:
            for key in _keys(row, truths):
                seen.add(key)
            self._judge(row, plan, bound, measures, truths, cut, coarse, row_base, verdict)
        verdict.unlisted = len(truths.keys() - seen)
        return verdict

    def _judge(
        self,
        row: Row,
        plan: Plan,
        bound: ResolvedPlan,
        measures: list[int],
        truths: Any,
        cut: Any,
        coarse: float,
        row_base: float,
        verdict: Verdict,
    ) -> None:
        if any(category.kind in (CategoryKind.other, CategoryKind.total) for category in row.key):
            return
        key = next(iter(_keys(row, truths)), None)
        if key is None and getattr(plan, "having", ()):
            return
        for measure, place, value in zip(plan.measures, measures, row.values, strict=True):
            if value.value is None:
                continue
            counted = isinstance(measure, OfCell)
            nothing = 0 if counted else None
            true, within = (rows[key][place] if key in rows else nothing for rows in (truths, cut))
            slack = self._slack(measure, value.value, row, bound, row_base) + coarse
            if is_about(row, value):
                # It is of persons of whom only so many are others, also where numbers were added up or a third group stands between: that
                # bounds a count; of a share the denominator may be another's too.
                most = self.rules.most_about_sum
                # Of rows too: rounded to those of so many persons.
                each = 1 if measure.of_persons else max(self._rows_each(bound.plan), row_base / self.rules.base)
                if counted and not measure.takes_within and abs(float(true) - value.value) > slack + most * each:
                    verdict.wrong.append(_told(row, measure, value, true))
            elif true is not None and (abs(float(true) - value.value) <= slack or _is_beyond(float(true), value)):
                verdict.right += 1
            elif within is not None and abs(float(within) - value.value) <= slack:
                verdict.clipped += 1
            else:
                verdict.wrong.append(_told(row, measure, value, true))

    def _slack(self, measure: Measure, shown: float, row: Row, bound: ResolvedPlan, row_base: float) -> float:
        """How far rounding may move a number."""
        base = self.rules.base - 0.5
        if isinstance(measure, OfCell):
            if measure.takes_within:
                of = max((value.of or 0 for value in row.values), default=0)
                return 0.1 + (100 * 2 * base / of if of else 100)
            return base if measure.of_persons else max(self.rules.base * (1 + self._rows_each(bound.plan)), row_base)
        # Three digits, of the number or of the span between the bounds, and never finer than the catalogue's precision.
        digits = _third(shown) / 2 + 1e-9
        if not isinstance(measure, OfValues):
            return 0.005 + 1e-9  # a correlation has two decimals
        column = bound.column(measure.column)
        if measure.needs_bins:
            at = category_index(row.key, bound.axes) or ()
            grid = grid_of(bound.grid_of(measure.column, tuple(range(len(at))), at).column)
            below, above = [edge for edge in grid if edge < shown], [edge for edge in grid if edge > shown]
            return max(shown - max(below, default=shown), min(above, default=shown) - shown) / 2 + 1e-9
        low, high = column.known_bounds
        # A mean has the digits that its bounds ask for; a spread has two of its own; a sum is made of rounded numbers.
        if measure.kind == "mean":
            return _third(high - low) / 2 + 1e-9
        return 10 * digits if measure.kind in ("sd", "var") else max(digits, _third(high - low) / 2)

    def _rows_each(self, plan: Plan) -> float:
        """About how many rows a person has at most, over all joined tables: numbers of rows may be rounded to so many times the base."""
        shares = [table.rows_per_person for table in self.catalogue.tables if table.name in plan.tables]
        return math.prod(max(1.0, sum(rows * share for rows, share in enumerate(each)) / sum(each[1:])) for each in shares if sum(each[1:]))


def _is_beyond(true: float, shown: Value) -> bool:
    """Whether a quantile is said to be at least, or at most, so much, and is."""
    return true >= (shown.value or 0) if shown.end is End.or_more else shown.end is not None and true <= (shown.value or 0)


def _third(value: float) -> float:
    """The unit of a number's third digit."""
    return float(10.0 ** (math.floor(math.log10(max(abs(value), 1e-9))) - 2))


def is_about(row: Row, value: Value) -> bool:
    """Whether a number was taken from a near question's persons, and is marked so."""
    return bool(getattr(value, "about", False) or getattr(row, "about", False))


def _told(row: Row, measure: Measure, value: Value, true: Any) -> str:
    return f"{' '.join(category.text for category in row.key)} {measure.kind}: {value.value}, DuckDB says {true}".strip()


def _opened(hospital: "Hospital", *, clip: bool) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA cdm")
    for file in sorted(hospital.data.glob("*.parquet")):
        columns = ", ".join(_clips(hospital.catalogue, file.stem)) if clip else ""
        chosen = f"* REPLACE ({columns})" if columns else "*"
        connection.execute(f"CREATE VIEW cdm.{file.stem} AS SELECT {chosen} FROM read_parquet('{file}')")
    connection.execute("SET schema = 'cdm'")
    return connection


def _clips(catalogue: Catalogue, name: str) -> Iterator[str]:
    for table in catalogue.tables:
        for column in table.columns if table.name == name else ():
            if column.role is Role.measure and column.bounds is not None:
                low, high = column.bounds
                # greatest() and least() take no notice of NULL, so that it would become a bound.
                yield f"CASE WHEN {column.name} IS NOT NULL THEN greatest({low}, least({high}, {column.name})) END AS {column.name}"


def _answer(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    answer = connection.execute(sql)
    return [column[0] for column in answer.description or ()], answer.fetchall()


def _places(plan: Plan, columns: list[str]) -> tuple[list[int], list[int]]:
    """For each dimension and measure the place of DuckDB's column: by name, and those without one in their order."""
    names = [name.casefold() for name in plan.names]
    known = {name: place for place, name in enumerate(column.casefold() for column in columns)}
    left = [place for place, column in enumerate(columns) if column.casefold() not in names]
    dimensions = [known[name] if name in known else left.pop(0) for name in names[: len(plan.group_by)]]
    measures = [known[name] if name in known else left.pop(0) for name in names[len(plan.group_by) :]]
    return dimensions, measures


def _by_key(rows: list[tuple[Any, ...]], dimensions: list[int], bins: Sequence[Callable[[Any], str | None]]) -> dict[Key, tuple[Any, ...]]:
    """Rows by their categories. Those of one open bin are added up: only their counts are right then."""
    found: dict[Key, tuple[Any, ...]] = {}
    for row in rows:
        key = tuple(binned(row[place]) for binned, place in zip(bins, dimensions, strict=True))
        same = zip(found[key], row, strict=True) if key in found else ()
        found[key] = tuple(one + other if isinstance(one, int) else one for one, other in same) or row
    return found


def _keys(row: Row, truths: dict[Key, Any]) -> Iterator[Key]:
    """The keys of DuckDB's rows that a released row may be: by code or by label."""
    options = [(None,) if c.kind is CategoryKind.missing else (_plain(c.value), _plain(c.label or c.value)) for c in row.key]
    yield from dict.fromkeys(key for key in product(*options) if key in truths)


def _in_bin(group: Group, axis: Axis, value: Any) -> str | None:
    """A value of DuckDB's as a release writes it: ``2019``, ``2019-Q2`` or ``2019-04`` for a day that a bin begins with.

    The first and the last bin of a measure hold all that lies beyond, where their labels say so.
    """
    if axis.width is not None and value is not None:
        first, last = axis.values[0], axis.values[-1]
        value = last if value > last and axis.categories[len(axis.values) - 1].label.endswith("or more") else value
        value = first if value < first and axis.categories[0].label.startswith("under") else value
    if not isinstance(value, date) or group.bin is None:
        return _plain(value)
    return {
        Bin.year: f"{value.year}",
        Bin.quarter: f"{value.year}-Q{(value.month + 2) // 3}",
        Bin.month: f"{value.year}-{value.month:02}",
    }[group.bin]


def _plain(value: Any) -> str | None:
    """A code, label or bin as text, the same for 1950, 1950.0 and '1950'."""
    if value is None:
        return None
    try:
        return f"{float(value):g}" if abs(float(value)) < 1e6 else str(int(float(value)))
    except (TypeError, ValueError):
        return str(value)
