"""A released number as people read it, the same wherever it is shown."""

from twinpane_broker.aggregates.aggregate import Shown
from twinpane_broker.aggregates.registry import AGGREGATES, MeasureKind

from .release import ReleasedColumn


def shown_number(value: int | float, column: ReleasedColumn) -> str:
    """``1,230`` for counts, ``12.3 %``, ``42.50`` with the decimals or digits that are released for means."""
    aggregate = AGGREGATES[MeasureKind(column.kind)]
    if aggregate.shown is Shown.count:
        return f"{int(value):,}"
    if aggregate.shown is Shown.percent:
        return f"{value:.1f} %"
    if column.decimals is not None:
        return f"{value:,.{column.decimals_of(value)}f}"
    if aggregate.shown is Shown.whole or aggregate.digits is None or value == 0:
        return f"{value:,.12g}"
    exponent, digits = int(f"{value:e}".partition("e")[2]), aggregate.digits
    shown = f"{value:,.{max(0, digits - 1 - exponent)}f}"
    return shown if -5 < exponent < 12 and float(shown.replace(",", "")) == value else f"{value:,.12g}"
