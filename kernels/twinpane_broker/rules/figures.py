"""Numbers as they are shown: counts rounded and with their noise, if any; means, spreads and quantiles at few digits.

With cell key noise a mean and a sum are made from the noisy number of values (attack 7 of docs/disclosure.md): of each value less the
middle of the catalogue's bounds, so that the noise moves them little.
"""

import math

from twinpane_broker.catalogue.catalogue import Column, ColumnType
from twinpane_broker.catalogue.edges import grid_of
from twinpane_broker.cells.cell_evidence import CellEvidence, Pair, Spread
from twinpane_broker.question.plan import Measure, MeasureKind
from twinpane_broker.release.release import Value

from .cell_key import Counter
from .policy import Rules
from .sdc_rules import scatter


class Figures:
    """Numbers under a site's rules. Whether they may be shown is judged elsewhere."""

    def __init__(self, rules: Rules, counter: Counter) -> None:
        self._rules = rules
        self._counter = counter

    def persons(self, cell: CellEvidence) -> Value:
        """Distinct persons."""
        return Value(value=self._counter.shown(cell.who, cell.persons))

    def rows(self, cell: CellEvidence) -> Value:
        """Rows."""
        return Value(value=self._counter.shown(cell.who, cell.rows))

    def share(self, cell: CellEvidence, whole: CellEvidence | None) -> Value:
        """Persons in percent of another cell's, to 0.1: from the two numbers as they are shown."""
        of = self._counter.shown(whole.who, whole.persons) if whole is not None else 0
        if not of:
            return Value()
        n = self._counter.shown(cell.who, cell.persons)
        return Value(value=round(min(100.0, 100 * n / of), 1), n=n, of=of)

    def of_values(self, measure: Measure, spread: Spread, column: Column) -> Value:
        """A mean, sum, standard deviation, variance or quantile of a measure."""
        number = {
            MeasureKind.mean: self._mean, MeasureKind.sum: self._sum, MeasureKind.var: self._variance, MeasureKind.sd: self._deviation,
            MeasureKind.quantile: lambda spread, column: self._quantile(spread, column, measure.percent),
        }[measure.kind](spread, column)  # fmt: skip
        return Value(value=number, n=self._counter.shown(spread.who, spread.values))

    def correlation(self, pair: Pair) -> Value:
        """Pearson's."""
        x, y, both = scatter(pair)
        r = max(-1.0, min(1.0, both / math.sqrt(x * y)))
        return Value(value=rounded(r, self._rules.digits_spread), n=self._counter.shown(pair.who, pair.values))

    def bin_of_quantile(self, spread: Spread, percent: int) -> int | None:
        """The bin of the grid in which the value lies that so many percent do not exceed; None where there are no bins."""
        if spread.bins is None or not sum(spread.bins.rows):
            return None
        wanted, reached = percent / 100 * sum(spread.bins.rows), 0
        for place, rows in enumerate(spread.bins.rows):
            reached += rows
            if rows and reached >= wanted:
                return place
        return None

    def _mean(self, spread: Spread, column: Column) -> float:
        middle, less, n = self._from_middle(spread, column)
        low, high = column.bounds
        return rounded(min(high, max(low, middle + less / n)), self._rules.digits, column.precision)

    def _sum(self, spread: Spread, column: Column) -> float:
        middle, less, n = self._from_middle(spread, column)
        return rounded(middle * n + less, self._rules.digits, column.precision)

    def _from_middle(self, spread: Spread, column: Column) -> tuple[float, float, int]:
        """The middle of the bounds, the sum of what the values are above it, and the number of values, with its noise if any."""
        middle = sum(column.bounds) / 2
        return middle, spread.total - spread.values * middle, self._counter.unrounded(spread.who, spread.values)

    def _variance(self, spread: Spread, column: Column) -> float:
        return rounded(self._squared(spread, column), self._rules.digits_spread)

    def _deviation(self, spread: Spread, column: Column) -> float:
        return rounded(math.sqrt(self._squared(spread, column)), self._rules.digits_spread)

    def _squared(self, spread: Spread, column: Column) -> float:
        """Sample variance, from squares around the middle of the bounds."""
        less = spread.total - spread.values * sum(column.bounds) / 2
        n = self._counter.unrounded(spread.who, spread.values)
        return max(0.0, spread.squares - less**2 / spread.values) / max(1, n - 1)

    def _quantile(self, spread: Spread, column: Column, percent: int) -> float:
        """Between the edges of its bin by the share of the bin's values below it, then the nearer of the two."""
        edges, rows = grid_of(column), spread.bins.rows
        at = self.bin_of_quantile(spread, percent)
        inside = (percent / 100 * sum(rows) - sum(rows[:at])) / rows[at]
        edge = edges[at + (inside >= 0.5)]
        return int(edge) if column.type is ColumnType.integer and edge == int(edge) else edge


def rounded(value: float, digits: int, precision: float | None = None) -> float:
    """A number at so many significant digits, or at the catalogue's precision where that is coarser."""
    if precision:
        value = float(f"{round(value / precision) * precision:.12g}")
    short = float(f"{value:.{digits - 1}e}")
    return 0.0 if short == 0 or not math.isfinite(short) else short
