"""Post-processing of the released table: choice of rows, order and limit. It sees released values only, so it discloses nothing more."""

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from twinpane_broker.question.category import CategoryKind
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import CodeOrder, code_order

from .pooling import PooledRow
from .release import LeftOut, Row

COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
AnyRow = TypeVar("AnyRow", Row, PooledRow)


def arranged(rows: tuple[AnyRow, ...], plan: Plan) -> tuple[AnyRow, ...]:
    """The rows, of one site or pooled, that the plan's ``having`` keeps, in the plan's order, cut to its limit.

    Suppressed values, missing and other come last in either direction. Totals stay below all of them in their own order; the limit
    does not count them.
    """
    rows = tuple(row for row in rows if _kept(row, plan))
    ordered = [row for row in rows if not _is_total(row)]
    totals = [row for row in rows if _is_total(row)]
    dimensions = len(plan.group_by)
    for order in reversed(plan.order_by):
        place = plan.names.index(order.by)
        by = partial(_code, place) if place < dimensions else partial(_value, place - dimensions)
        ordered = _sorted(ordered, by, order.descending)
    if not plan.order_by and plan.limit is None:
        return tuple(rows)
    return tuple(ordered[: plan.limit] + totals)


def left_out(rows: tuple[AnyRow, ...], kept: tuple[AnyRow, ...]) -> LeftOut | None:
    """How many of the rows are not among those that were kept; None where all are."""
    shown = {id(row) for row in kept}
    gone = [row for row in rows if id(row) not in shown]
    suppressed = sum(any(value.value is None for value in row.values) for row in gone)
    return LeftOut(rows=len(gone), suppressed=suppressed) if gone else None


def _kept(row: AnyRow, plan: Plan) -> bool:
    """Whether a released row meets every condition. What is suppressed meets none."""
    for having in plan.having:
        value = _value(plan.names.index(having.by) - len(plan.group_by), row)
        if value is None or not COMPARED[having.op](value, having.value):
            return False
    return True


def _is_total(row: AnyRow) -> bool:
    return any(category.kind is CategoryKind.total for category in row.key)


def _code(place: int, row: Row | PooledRow) -> CodeOrder | None:
    category = row.key[place]
    return code_order(category.value) if category.kind is CategoryKind.code and category.value is not None else None


def _value(place: int, row: Row | PooledRow) -> float | None:
    return row.values[place].value


def _sorted(rows: list[AnyRow], by: Callable[[AnyRow], Any], descending: bool) -> list[AnyRow]:
    known = [row for row in rows if by(row) is not None]
    return sorted(known, key=by, reverse=descending) + [row for row in rows if by(row) is None]
