"""The first reading of dates: their parts and bins, and differences of two."""

import re

from sqlglot import exp

from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import Bin, Unit

from .glot_nodes import name_of, only, opened, refuse, to_date
from .refusals import ADDED, DIFFERENCES
from .said import WRITTEN, Days, Name, Shifted, Split


def extracted(node: exp.Expr) -> bool:
    """Whether the node takes a part of a date."""
    return isinstance(node, exp.Extract | exp.Year | exp.Quarter | exp.Month) or is_call(node, "date_part", "datepart")


def dated(node: exp.Expr) -> Split:
    """A date in its bin."""
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        only(node, "this", "unit")
        unit, column = _unit(node.args.get("unit")), node.this
    elif isinstance(node, exp.TimeToStr):
        only(node, "this", "format")
        # DuckDB takes the two in either order.
        column, written = node.this, node.args.get("format")
        if isinstance(column, exp.Literal):
            column, written = written, column
        unit = WRITTEN.get(written.name, "") if isinstance(written, exp.Literal) and written.is_string else ""
        if not unit:
            refuse(node)
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
    return Split(column=column_of(column), bin=Bin(unit))


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
        return Days(since=column_of(since), until=year_of(until), unit=Unit.age)
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


def _unit(node: exp.Expr | None) -> str:
    return node.name.lower() if isinstance(node, exp.Var) or (isinstance(node, exp.Literal) and node.is_string) else "something else"


def _day(node: exp.Expr) -> Name:
    node = opened(node)
    if type(node) is exp.Cast and isinstance(node.this, exp.Column) and to_date(node):
        node = node.this
    return column_of(node)


def column_of(node: exp.Expr) -> Name:
    """The plain column that an aggregate or a bin is of."""
    node = opened(node)
    if isinstance(node, exp.Column):
        return name_of(node)
    if isinstance(node, exp.Distinct):
        raise Refused("DISTINCT inside an aggregate drops repeated values, whoever they belong to; write avg(column).")
    if isinstance(node, exp.Literal | exp.Boolean | exp.Null | exp.Star):
        raise Refused("A measure is of a plain column, as in avg(age); to count, write count(*) or count(distinct person_id).")
    refuse(node)


def is_call(node: exp.Expr, *names: str) -> bool:
    return isinstance(node, exp.Anonymous) and isinstance(node.this, str) and node.this.lower() in names


def shifted_of(node: exp.Expr) -> Shifted | None:
    """A date with days added or taken off; None for anything else. Raises Refused for other units."""
    if not isinstance(node, exp.Add | exp.Sub) or not isinstance(added := opened(node.expression), exp.Interval):
        return None
    only(node, "this", "expression")
    only(added, "this", "unit")
    date, number = opened(node.this), added.this
    while isinstance(number, exp.Paren):
        number = number.this
    plain = isinstance(date, exp.Column) and isinstance(number, exp.Literal) and re.fullmatch(r"\d{1,5}", number.name)
    if not plain or not isinstance(date, exp.Column) or _unit(added.args.get("unit")) not in ("day", "days"):
        raise Refused(ADDED)
    return Shifted(column=name_of(date), days=int(number.name) * (-1 if isinstance(node, exp.Sub) else 1))
