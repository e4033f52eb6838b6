"""The first reading of what is selected, grouped and sorted by: dimensions, dates in bins, measures in bins, and aggregates."""

import re
from typing import NoReturn

from sqlglot import exp

from twinpane_broker.errors import Refused

from .glot_dates import column_of, dated, difference_of, is_call
from .glot_measures import Conditions, aggregate_of, conditional, count_of
from .glot_nodes import is_number, name_of, only, opened, refuse, value_of
from .literals import number_of
from .refusals import AGE_NOW, BINS, CASES, EXACT_AGE, LAST, QUALIFY, RANKED, ROWS, SHARE
from .said import Aggregate, Cases, Constant, Everything, Extreme, Item, Name, Numbered, Position, Split, Term, Value, What, share_of

DATE_PARTS = (exp.TimeToStr, exp.TimestampTrunc, exp.DateTrunc, exp.Extract, exp.Year, exp.Quarter, exp.Month)


def item_of(node: exp.Expr, conditions: Conditions) -> Item:
    """A selected expression with its label."""
    label = None
    if isinstance(node, exp.Alias):
        only(node, "this", "alias")
        label, node = node.alias, node.this
    return Item(what=_what(opened(node), conditions), label=label)


def term_of(node: exp.Expr, conditions: Conditions) -> Term:
    """A term of GROUP BY or ORDER BY: a position, or what could be selected."""
    node = opened(node)
    if is_number(node):
        if not re.fullmatch(r"\d{1,3}", node.name):
            raise Refused(f"Position {node.name[:20]} is not in the SELECT list.")
        return Position(place=int(node.name))
    return _what(node, conditions)


def _what(node: exp.Expr, conditions: Conditions) -> What:
    node = _bare(node)
    if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
        return _everything(node)
    if isinstance(node, exp.Column):
        return Split(column=name_of(node))
    if isinstance(node, exp.Null):
        return Constant(value=None)
    if isinstance(node, exp.Literal | exp.Boolean | exp.Neg) or (isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal)):
        return Constant(value=value_of(node))
    if isinstance(node, exp.Case):
        return _cases(node, conditions)
    if (days := difference_of(node)) is not None:
        return Split(column=days)
    if isinstance(node, exp.Sub) and is_number(opened(node.this)) and isinstance(born := opened(node.expression), exp.Column):
        raise Refused(AGE_NOW.format(column=born.sql("duckdb")[:63], year=opened(node.this).name[:8]))
    if isinstance(node, exp.Floor) and node.find(exp.DateDiff):
        raise Refused(EXACT_AGE)
    if isinstance(node, DATE_PARTS) or is_call(node, "date_part", "datepart"):
        return dated(node)
    if isinstance(node, exp.Binary) and node.find(exp.Window):
        return _share(node)
    if isinstance(node, exp.Mul) and (bins := _bins(node)):
        return bins
    if isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber):
        return _numbered(node)
    if isinstance(node, exp.Min | exp.Max) and isinstance(opened(node.this), exp.Column):
        only(node, "this")
        return Extreme(name=node.key, column=column_of(node.this))
    return conditional(node, conditions) or aggregate_of(node)


def _bare(node: exp.Expr) -> exp.Expr:
    """A released column without what only changes how it is written: ROUND, CAST, COALESCE around it."""
    while True:
        node = opened(node)
        if isinstance(node, exp.Round) and _is_aggregate(node.this):
            only(node, "this", "decimals")
            if (decimals := node.args.get("decimals")) is not None and not is_number(decimals):
                refuse(node)
            node = node.this
        elif type(node) is exp.Cast and _is_aggregate(node.this):
            only(node, "this", "to")
            node = node.this
        elif isinstance(node, exp.Coalesce) and len(node.expressions) == 1 and _is_aggregate(node.this):
            only(node, "this", "expressions")
            if not isinstance(value_of(node.expressions[0]), int | float | str):
                refuse(node)
            node = node.this
        else:
            return node


def _is_aggregate(node: exp.Expr) -> bool:
    node = opened(node)
    if isinstance(node, exp.Round | exp.Cast | exp.Coalesce):
        return _is_aggregate(node.this)
    return isinstance(node, exp.AggFunc | exp.WithinGroup) or (isinstance(node, exp.Binary) and node.find(exp.AggFunc) is not None)


def _everything(node: exp.Expr) -> Everything:
    star = node.this if isinstance(node, exp.Column) else node
    if any(star.args.values()):
        raise Refused(ROWS)
    return Everything(table=node.table or None if isinstance(node, exp.Column) else None)


def _cases(node: exp.Case, conditions: Conditions) -> Cases:
    only(node, "this", "ifs", "default")
    arms = []
    for arm in node.args["ifs"]:
        only(arm, "this", "true")
        held = exp.EQ(this=node.this.copy(), expression=arm.this.copy()) if node.this is not None else arm.this
        arms.append((conditions(held), _named(arm.args["true"])))
    default = node.args.get("default")
    return Cases(arms=tuple(arms), otherwise=None if default is None or isinstance(default, exp.Null) else _named(default))


def _named(node: exp.Expr) -> Value:
    node = opened(node)
    if not isinstance(node, exp.Literal | exp.Boolean | exp.Neg):
        raise Refused(CASES)
    return value_of(node)


def _numbered(node: exp.Window) -> Numbered:
    only(node.this)
    only(node, "this", "partition_by", "order", "over")
    order = node.args.get("order")
    if order is None:
        raise Refused(RANKED)
    only(order, "expressions")
    for term in order.expressions:
        if term.args.get("desc"):
            raise Refused(LAST)
        if term.args.get("nulls_first"):
            raise Refused(RANKED)
        only(term, "this")
    by = tuple(column_of(each) for each in node.args.get("partition_by") or ())
    return Numbered(by=by, order=tuple(column_of(term.this) for term in order.expressions))


def first_of(node: exp.Expr) -> Numbered | Name:
    """``row_number() OVER (…) = 1`` of QUALIFY, or the same of a selected number."""
    node = opened(node)
    if not isinstance(node, exp.EQ):
        raise Refused(QUALIFY)
    number, one = opened(node.this), opened(node.expression)
    if is_number(number):
        number, one = one, number
    if not is_number(one) or one.name != "1":
        raise Refused(QUALIFY)
    if isinstance(number, exp.Column):
        return name_of(number)
    if not isinstance(number, exp.Window) or not isinstance(number.this, exp.RowNumber):
        raise Refused(QUALIFY)
    return _numbered(number)


def _bins(node: exp.Mul) -> Split | None:
    """``floor(column / width) * width`` or ``column // width * width``; None for other products."""
    only(node, "this", "expression")
    number, inner = opened(node.expression), opened(node.this)
    if not is_number(number):
        number, inner = inner, number
    if isinstance(inner, exp.Floor):
        only(inner, "this")
        inner = opened(inner.this)
        divided = isinstance(inner, exp.Div)
    else:
        divided = isinstance(inner, exp.IntDiv)
    if not is_number(number) or not divided:
        return None
    only(inner, "this", "expression")
    column, by = opened(inner.this), opened(inner.expression)
    split = difference_of(column) or (name_of(column) if isinstance(column, exp.Column) else None)
    if split is None or not is_number(by):
        raise Refused(BINS)
    width = float(number_of(number.name))
    if width != float(number_of(by.name)) or width <= 0:
        raise Refused(BINS)
    return Split(column=split, width=width)


def _share(node: exp.Binary) -> Aggregate:
    """``100.0 * count(distinct key) / sum(count(distinct key)) OVER (PARTITION BY …)``, and no other shape."""
    over, hundred = opened(node.expression), opened(node.this)
    if not isinstance(node, exp.Div) or not isinstance(over, exp.Window) or not isinstance(hundred, exp.Mul):
        raise Refused(SHARE)
    only(node, "this", "expression")
    only(hundred, "this", "expression")
    framed = any(value for part, value in over.args.items() if part not in ("this", "partition_by", "over"))
    number, factor = opened(hundred.this), opened(hundred.expression)
    counted, number = (factor, number) if is_number(number) else (number, factor)
    if framed or not is_number(number) or number.name not in ("100", "100.0") or not isinstance(over.this, exp.Sum):
        raise Refused(SHARE)
    only(over.this, "this")
    summed = opened(over.this.this)
    if not isinstance(counted, exp.Count) or not isinstance(summed, exp.Count):
        raise Refused(SHARE)
    groups = [_what(opened(by), _no_cases) for by in over.args.get("partition_by") or ()]
    within = tuple(by for by in groups if isinstance(by, Split))
    share = share_of(count_of(counted), count_of(summed), within)
    if share is None or len(within) < len(groups):
        raise Refused(SHARE)
    return share


def _no_cases(node: exp.Expr) -> NoReturn:
    raise Refused(SHARE)
