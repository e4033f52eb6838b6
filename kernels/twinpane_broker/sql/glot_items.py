"""The first reading of what is selected, grouped and sorted by: dimensions, dates in bins, measures in bins, and aggregates."""

import re
from collections.abc import Callable, Mapping
from typing import NoReturn

from sqlglot import exp
from sqlglot.expressions import FUNCTION_BY_NAME

from twinpane_broker.aggregates.registry import OF_ONE_COLUMN, MeasureKind
from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import Bin, Unit

from .glot_nodes import is_number, name_of, only, opened, refuse, to_date, value_of
from .literals import number_of, percent_of
from .refusals import BINS, CASES, DIFFERENCES, PERCENTS, QUALIFY, RANKED, ROWS, SHARE, reason_of
from .said import Aggregate, Cases, Condition, Constant, Days, Everything, Extreme, Item, Name, Numbered, Position, Split, Term, Value, What

DATE_PARTS = (exp.TimestampTrunc, exp.DateTrunc, exp.Extract, exp.Year, exp.Quarter, exp.Month)
ONE_COLUMN: Mapping[type[exp.Expr], MeasureKind] = {
    FUNCTION_BY_NAME[name.upper()]: kind for name, kind in OF_ONE_COLUMN.items() if name.upper() in FUNCTION_BY_NAME
}
"""Aggregates of one plain column by the parser's node; others come as a function without one."""


Conditions = Callable[[exp.Expr], Condition]
"""How a condition is read; those of a CASE are."""


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
    if isinstance(node, DATE_PARTS) or _is_call(node, "date_part", "datepart"):
        return dated(node)
    if isinstance(node, exp.Binary) and node.find(exp.Window):
        return _share(node)
    if isinstance(node, exp.Mul) and (bins := _bins(node)):
        return bins
    if isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber):
        return _numbered(node)
    if isinstance(node, exp.Min | exp.Max) and isinstance(opened(node.this), exp.Column):
        only(node, "this")
        return Extreme(name=node.key, column=_column(node.this))
    return aggregate_of(node)


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
        if term.args.get("desc") or term.args.get("nulls_first"):
            raise Refused(RANKED)
        only(term, "this")
    by = tuple(_column(each) for each in node.args.get("partition_by") or ())
    return Numbered(by=by, order=tuple(_column(term.this) for term in order.expressions))


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


def extracted(node: exp.Expr) -> bool:
    """Whether the node takes a part of a date."""
    return isinstance(node, exp.Extract | exp.Year | exp.Quarter | exp.Month) or _is_call(node, "date_part", "datepart")


def dated(node: exp.Expr) -> Split:
    """A date in its bin."""
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        only(node, "this", "unit")
        unit, column = _unit(node.args.get("unit")), node.this
    elif isinstance(node, exp.Anonymous):
        only(node, "this", "expressions")
        if len(node.expressions) != 2:
            refuse(node)
        unit, column = _unit(node.expressions[0]), node.expressions[1]
        unit = unit if unit == "year" else f"the {unit} alone"
    elif isinstance(node, exp.Extract):
        only(node, "this", "expression")
        unit, column = _unit(node.this), node.expression
        unit = unit if unit == "year" else f"the {unit} alone"
    else:
        only(node, "this")
        unit, column = "year" if isinstance(node, exp.Year) else f"the {node.key} alone", node.this
    if unit not in tuple(Bin):
        raise Refused(f"A date groups by month, quarter or year, not by {unit[:40]}: date_trunc('month', column).")
    column = opened(column)
    if type(column) is exp.Cast and isinstance(column.this, exp.Column) and to_date(column):
        # A cast to a date drops nothing that a month would keep; the column's own type is judged by the catalogue.
        column = column.this
    return Split(column=_column(column), bin=Bin(unit))


def _unit(node: exp.Expr | None) -> str:
    return node.name.lower() if isinstance(node, exp.Var) or (isinstance(node, exp.Literal) and node.is_string) else "something else"


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


def aggregate_of(node: exp.Expr) -> Aggregate:
    """A measure."""
    if isinstance(node, exp.Count):
        return _count(node)
    if type(node) in ONE_COLUMN:
        only(node, "this")
        return Aggregate(kind=ONE_COLUMN[type(node)], column=_valued(node.this))
    if _is_call(node, *OF_ONE_COLUMN):
        only(node, "this", "expressions")
        if len(node.expressions) != 1:
            refuse(node)
        return Aggregate(kind=OF_ONE_COLUMN[node.this.lower()], column=_valued(node.expressions[0]))
    if isinstance(node, exp.Corr):
        only(node, "this", "expression")
        return Aggregate(kind=MeasureKind.correlation, column=_column(node.this), other=_column(node.expression))
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


def _count(node: exp.Count) -> Aggregate:
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


def _share(node: exp.Binary) -> Aggregate:
    """``100.0 * count(distinct key) / sum(count(distinct key)) OVER (PARTITION BY …)``, and no other shape."""
    over, hundred = opened(node.expression), opened(node.this)
    if not isinstance(node, exp.Div) or not isinstance(over, exp.Window) or not isinstance(hundred, exp.Mul):
        raise Refused(SHARE)
    only(node, "this", "expression")
    only(hundred, "this", "expression")
    framed = any(value for part, value in over.args.items() if part not in ("this", "partition_by", "over"))
    if framed or not is_number(hundred.this) or hundred.this.name not in ("100", "100.0") or not isinstance(over.this, exp.Sum):
        raise Refused(SHARE)
    only(over.this, "this")
    counted, summed = opened(hundred.expression), opened(over.this.this)
    if not isinstance(counted, exp.Count) or not isinstance(summed, exp.Count):
        raise Refused(SHARE)
    part, whole = _count(counted), _count(summed)
    if part != whole or part.kind is not MeasureKind.persons:
        raise Refused(SHARE)
    groups = [_what(opened(by), _no_cases) for by in over.args.get("partition_by") or ()]
    within = tuple(by for by in groups if isinstance(by, Split))
    if len(within) < len(groups):
        raise Refused(SHARE)
    return Aggregate(kind=MeasureKind.share, column=part.column, within=within)


def _valued(node: exp.Expr) -> Name | Days:
    """The plain column that an aggregate is of, or the days between two dates."""
    return difference_of(node) or _column(node)


def difference_of(node: exp.Expr) -> Days | None:
    """The days between two dates, or their years less each other; None for anything else."""
    node = opened(node)
    if isinstance(node, exp.DateDiff):
        only(node, "this", "expression", "unit", "date_part_boundary")
        unit = _unit(node.args.get("unit")).removesuffix("s")
        if unit not in ("day", "year"):
            raise Refused(DIFFERENCES)
        return Days(since=_day(node.expression), until=_day(node.this), unit=Unit.years if unit == "year" else None)
    if not isinstance(node, exp.Sub):
        return None
    until, since = opened(node.this), opened(node.expression)
    if extracted(until) and (extracted(since) or isinstance(since, exp.Column)):
        only(node, "this", "expression")
        if extracted(since):
            return Days(since=year_of(since), until=year_of(until), unit=Unit.years)
        return Days(since=_column(since), until=year_of(until), unit=Unit.age)
    if all(isinstance(part, exp.Column | exp.Cast) for part in (until, since)):
        only(node, "this", "expression")
        return Days(since=_day(since), until=_day(until))
    return None


def year_of(node: exp.Expr) -> Name:
    """The date whose year is taken."""
    split = dated(node)
    if split.bin is not Bin.year or not isinstance(split.column, Name):
        raise Refused(DIFFERENCES)
    return split.column


def _day(node: exp.Expr) -> Name:
    node = opened(node)
    if type(node) is exp.Cast and isinstance(node.this, exp.Column) and to_date(node):
        node = node.this
    return _column(node)


def _no_cases(node: exp.Expr) -> NoReturn:
    raise Refused(SHARE)


def _column(node: exp.Expr) -> Name:
    """The plain column that an aggregate or a bin is of."""
    node = opened(node)
    if isinstance(node, exp.Column):
        return name_of(node)
    if isinstance(node, exp.Distinct):
        raise Refused("DISTINCT inside an aggregate drops repeated values, whoever they belong to; write avg(column).")
    if isinstance(node, exp.Literal | exp.Boolean | exp.Null | exp.Star):
        raise Refused("A measure is of a plain column, as in avg(age); to count, write count(*) or count(distinct person_id).")
    refuse(node)


def _is_call(node: exp.Expr, *names: str) -> bool:
    return isinstance(node, exp.Anonymous) and isinstance(node.this, str) and node.this.lower() in names
