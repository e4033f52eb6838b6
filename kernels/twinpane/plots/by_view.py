"""Choose the plot for a table's view."""

from typing import Any

from twinpane.errors import TwinpaneError
from twinpane.tables.table import Table, View
from twinpane.tables.wording import dimensions, measures

from .bars import bars
from .box_plot import box_plot, quantiles_alone
from .correlation_tiles import correlation_tiles
from .heat_map import heat_map
from .histogram import histogram


def plot(table: Table, measure: str | None, ax: Any) -> Any:
    """See ``Result.plot``."""
    place = _place(table, measure)
    match table.view:
        case View.crosstab if len(dimensions(table.cells)) == 2:
            return heat_map(table, place, ax)
        case View.histogram:
            return histogram(table, place, ax)
        case View.describe:
            return box_plot(table, ax)
        case View.correlation:
            return correlation_tiles(table, place, ax)
        case View.table if measure is None and quantiles_alone(table):
            return box_plot(table, ax)
    return bars(table, [place] if measure is not None else range(len(measures(table.cells))), ax)


def _place(table: Table, measure: str | None) -> int:
    """The index of the measure of that name; raises TwinpaneError where there is none."""
    names = [column.name for column in measures(table.cells)]
    if measure is not None and measure not in names:
        raise TwinpaneError(f"this table has no measure {measure!r}; it has {', '.join(names)}", "measure")
    return names.index(measure) if measure is not None else 0
