"""Post-processing of the released table: order and limit. It sees released values only, so it can tell nothing more."""

from typing import TypeVar

from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import code_order

from .pooling import PooledRow
from .release import Row

AnyRow = TypeVar("AnyRow", Row, PooledRow)


def arranged(rows: tuple[AnyRow, ...], plan: Plan) -> tuple[AnyRow, ...]:
    """The rows, of one site or pooled, in the plan's order, cut to its limit.

    Suppressed values, missing and other come last in either direction. Totals stay below all of them in their own order; the limit
    does not count them.
    """
    ordered = [row for row in rows if not _is_total(row)]
    totals = [row for row in rows if _is_total(row)]
    dimensions = len(plan.group_by)
    for order in reversed(plan.order_by):
        place = plan.names.index(order.by)
        if place < dimensions:
            first = [row for row in ordered if row.key[place].kind is CategoryKind.code]
            first.sort(key=lambda row, at=place: _place(row.key[at]), reverse=order.descending)
            last = [row for row in ordered if row.key[place].kind is not CategoryKind.code]
        else:
            at = place - dimensions
            first = [row for row in ordered if row.values[at].value is not None]
            first.sort(key=lambda row, at=at: row.values[at].value, reverse=order.descending)
            last = [row for row in ordered if row.values[at].value is None]
        ordered = first + last
    if not plan.order_by and plan.limit is None:
        return tuple(rows)
    return tuple(ordered[: plan.limit] + totals)


def _is_total(row: AnyRow) -> bool:
    return any(category.kind is CategoryKind.total for category in row.key)


def _place(category: Category) -> tuple:
    return code_order(category.value)
