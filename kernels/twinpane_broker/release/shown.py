"""A released number as people read it, the same wherever it is shown."""

from collections.abc import Iterable

from twinpane_broker.aggregates.aggregate import Shown
from twinpane_broker.aggregates.registry import AGGREGATES, MeasureKind

from .applied_rules import AppliedRule, thresholds
from .release import LeftOut, ReleasedColumn

ABOUT = "≈"
"""Marks a number that is *about*: that of another group, released before, or one made from it."""


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


def marked(shown: str, about: bool) -> str:
    """``≈ 110`` for a number that is about; as it is otherwise."""
    return f"{ABOUT} {shown}" if about else shown


def about_means(rules: Iterable[AppliedRule | str]) -> str:
    """What the mark means, as a clause; how near the numbers are follows from the largest threshold of the rules."""
    # How near a set must be to get another's number is drawn (``Broker``): by fewer persons than twice the threshold, on either side.
    few = f"fewer than {2 * max(found)}" if (found := thresholds(tuple(rules))) else "a few"
    return (
        f"{ABOUT} about: the number of a group that the site released before; before rounding, the exact number differs from it by "
        f"{few} persons, or not at all"
    )


def left_out_means(left: LeftOut) -> str:
    """What LIMIT and HAVING left out, in words."""
    rows = f"{left.rows:,} {'row is' if left.rows == 1 else 'rows are'} left out by LIMIT or HAVING"
    if not left.suppressed:
        return rows
    few = f"{left.suppressed:,} of them {'has' if left.suppressed == 1 else 'have'}"
    return f"{rows}; {few} suppressed numbers, which come last and meet no HAVING, whatever they are"
