"""The first reading of aggregates, of all rows or of those that meet a condition."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlglot import exp
from sqlglot.expressions import FUNCTION_BY_NAME

from twinpane_broker.aggregates.registry import OF_ONE_COLUMN, MeasureKind
from twinpane_broker.errors import Refused

from .glot_dates import column_of, difference_of, is_call
from .glot_nodes import is_number, name_of, only, opened, refuse
from .literals import percent_of
from .refusals import EXACT_AGE, ONE_ARM, PERCENTS, SHARE, reason_of
from .said import Aggregate, Condition, Days, Name

ONE_COLUMN: Mapping[type[exp.Expr], MeasureKind] = {
    FUNCTION_BY_NAME[name.upper()]: kind for name, kind in OF_ONE_COLUMN.items() if name.upper() in FUNCTION_BY_NAME
}
"""Aggregates of one plain column by the parser's node; others come as a function without one."""


def aggregate_of(node: exp.Expr) -> Aggregate:
    """A measure."""
    if isinstance(node, exp.Count):
        return count_of(node)
    if type(node) in ONE_COLUMN:
        only(node, "this")
        return Aggregate(kind=ONE_COLUMN[type(node)], column=_valued(node.this))
    if is_call(node, *OF_ONE_COLUMN):
        only(node, "this", "expressions")
        if len(node.expressions) != 1:
            refuse(node)
        return Aggregate(kind=OF_ONE_COLUMN[node.this.lower()], column=_valued(node.expressions[0]))
    if isinstance(node, exp.Corr):
        only(node, "this", "expression")
        return Aggregate(kind=MeasureKind.correlation, column=column_of(node.this), other=column_of(node.expression))
    if isinstance(node, exp.Median):
        only(node, "this")
        return Aggregate(kind=MeasureKind.quantile, column=_valued(node.this), percent=50)
    if isinstance(node, exp.PercentileCont) and node.expression is not None:
        only(node, "this", "expression")
        return Aggregate(kind=MeasureKind.quantile, column=_valued(node.this), percent=_percent(node.expression))
    if isinstance(node, exp.WithinGroup) and isinstance(node.this, exp.PercentileCont):
        return _within_group(node)
    if not isinstance(node, exp.Window) and node.find(exp.Window):
        raise Refused(SHARE)
    refuse(node)


def count_of(node: exp.Count) -> Aggregate:
    only(node, "this", "big_int")
    inner = node.this
    if isinstance(inner, exp.Star):
        only(inner)
        return Aggregate(kind=MeasureKind.count)
    if isinstance(inner, exp.Distinct) and len(inner.expressions) == 1 and isinstance(key := opened(inner.expressions[0]), exp.Column):
        only(inner, "expressions")
        return Aggregate(kind=MeasureKind.persons, column=name_of(key))
    if is_number(inner):
        return Aggregate(kind=MeasureKind.count)
    if isinstance(inner, exp.Column):
        return Aggregate(kind=MeasureKind.count, column=name_of(inner), present=True)
    raise Refused(reason_of("count"))


def _within_group(node: exp.WithinGroup) -> Aggregate:
    only(node, "this", "expression")
    only(node.this, "this")
    order = node.expression
    if not isinstance(order, exp.Order) or len(order.expressions) != 1:
        refuse(node)
    only(order, "expressions")
    term = order.expressions[0]
    if term.args.get("desc") or term.args.get("nulls_first"):
        raise Refused("percentile_cont() counts from the low end here: write WITHIN GROUP (ORDER BY column), without DESC or NULLS FIRST.")
    only(term, "this")
    return Aggregate(kind=MeasureKind.quantile, column=_valued(term.this), percent=_percent(node.this.this))


def _percent(node: exp.Expr) -> int:
    if not is_number(opened(node)):
        raise Refused(PERCENTS)
    return percent_of(opened(node).name)


def _valued(node: exp.Expr) -> Name | Days:
    """The plain column that an aggregate is of, or the days between two dates."""
    if isinstance(node, exp.Expr) and node.find(exp.DateDiff) and not isinstance(opened(node), exp.DateDiff):
        raise Refused(EXACT_AGE)
    return difference_of(node) or column_of(node)


Conditions = Callable[[exp.Expr], Condition]
"""How a condition is read."""


def conditional(node: exp.Expr, conditions: Conditions) -> Aggregate | None:
    """An aggregate of the rows that meet a condition: by FILTER, count_if, or a CASE of one arm. None for any other."""
    if isinstance(node, exp.Filter):
        only(node, "this", "expression")
        only(node.expression, "this")
        return _of_rows(aggregate_of(node.this), node.expression.this, conditions)
    if isinstance(node, exp.CountIf):
        only(node, "this")
        return _of_rows(Aggregate(kind=MeasureKind.count), node.this, conditions)
    if not (isinstance(node, exp.Count) or type(node) in ONE_COLUMN) or not isinstance(node.this, exp.Expr):
        return None
    held = opened(node.this)
    distinct = isinstance(held, exp.Distinct) and len(held.expressions) == 1
    case = opened(held.expressions[0]) if distinct else held
    if not isinstance(case, exp.Case) or case.this is not None or len(case.args["ifs"]) != 1:
        return None
    only(node, "this", "big_int")
    only(case, "ifs", "default")
    (arm,), default = case.args["ifs"], case.args.get("default")
    only(arm, "this", "true")
    made = _of_value(node, opened(arm.args["true"]), default, distinct=distinct)
    return _of_rows(made, arm.this, conditions)


def _of_value(node: exp.Expr, value: exp.Expr, default: exp.Expr | None, *, distinct: bool) -> Aggregate:
    """The aggregate that gives the same of all rows of a CASE's one arm; raises Refused where the other rows count too."""
    nothing = default is None or isinstance(default, exp.Null)
    zero = default is not None and is_number(default) and default.name == "0"
    if isinstance(node, exp.Sum) and is_number(value) and value.name == "1" and (nothing or zero):
        return Aggregate(kind=MeasureKind.count)
    if not nothing:
        raise Refused(ONE_ARM)
    if isinstance(node, exp.Count) and isinstance(value, exp.Literal) and not distinct:
        return Aggregate(kind=MeasureKind.count)
    if isinstance(node, exp.Count) and isinstance(value, exp.Column):
        kind = MeasureKind.persons if distinct else MeasureKind.count
        return Aggregate(kind=kind, column=name_of(value), present=not distinct)
    if type(node) in ONE_COLUMN and isinstance(value, exp.Column) and not distinct:
        return Aggregate(kind=ONE_COLUMN[type(node)], column=name_of(value))
    raise Refused(ONE_ARM)


def _of_rows(made: Aggregate, condition: exp.Expr, conditions: Conditions) -> Aggregate:
    return replace(made, only=conditions(condition), asked=condition.sql("duckdb"))
