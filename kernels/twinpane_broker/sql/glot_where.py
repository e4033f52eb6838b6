"""The first reading of WHERE."""

import re
from collections.abc import Callable

from sqlglot import exp

from twinpane_broker.errors import Refused

from .glot_dates import difference_of, extracted, shifted_of, year_of
from .glot_measures import aggregate_of
from .glot_nodes import OPERATORS, name_of, only, opened, refuse, value_of
from .refusals import INNER, SCALAR
from .said import (
    Aggregate,
    Among,
    Belongs,
    Between,
    Compared,
    Condition,
    Days,
    Either,
    Every,
    IsNull,
    IsTruth,
    Like,
    Name,
    Negated,
    Query,
    Side,
    YearOf,
    of_year,
)

Select = Callable[[exp.Expr], Query]
"""How a SELECT in brackets is read."""


def condition_of(node: exp.Expr, select: Select) -> Condition:
    """The condition that a boolean expression is; raises Refused for anything a plan cannot say."""
    node = opened(node)
    match node:
        case exp.And():
            return Every(terms=_terms(node, select))
        case exp.Or():
            return Either(terms=_terms(node, select))
        case exp.Not():
            only(node, "this")
            return Negated(term=condition_of(node.this, select))
        case exp.Is():
            only(node, "this", "expression")
            return _is(node)
        case exp.In():
            if (query := node.args.get("query")) is not None:
                only(node, "this", "query")
                return _among_persons(_column(node.this), query, select)
            only(node, "this", "expressions")
            if not node.expressions:
                raise Refused("IN () names no code: write column IN ('…').")
            return Among(column=_measured(node.this), codes=tuple(value_of(code) for code in node.expressions))
        case exp.Between():
            only(node, "this", "low", "high")
            ends = [opened(node.args[end]) for end in ("low", "high")]
            if (year := _less_column(node.this)) is not None and all(_whole(end) is not None for end in ends):
                pairs = zip((">=", "<="), ends, strict=True)
                return Every(terms=tuple(of_year(*year, op, _whole(end) or 0) for op, end in pairs))
            if any(isinstance(end, exp.Column) or shifted_of(end) for end in ends):
                pairs = zip((">=", "<="), ends, strict=True)
                return Every(terms=tuple(Compared(op=op, left=_operand(node.this), right=_operand(end)) for op, end in pairs))
            return Between(column=_compared(node.this), low=value_of(node.args["low"]), high=value_of(node.args["high"]))
        case exp.Like() | exp.ILike() if isinstance(node.expression, exp.Literal) and node.expression.is_string:
            only(node, "this", "expression", "negate")
            folded = isinstance(node.this, exp.Lower | exp.Upper)
            return Like(
                column=_column(node.this.this if folded else node.this), pattern=node.expression.name,
                any_case=folded or isinstance(node, exp.ILike), negated=bool(node.args.get("negate")),
            )  # fmt: skip
        case exp.Exists():
            only(node, "this")
            return Belongs(column=None, query=select(node.this))
        case exp.Column():
            return name_of(node)
    if type(node) in OPERATORS:
        only(node, "this", "expression")
        if (year := _less_column(node.this)) is not None and (number := _whole(node.expression)) is not None:
            return of_year(*year, OPERATORS[type(node)], number)
        return Compared(op=OPERATORS[type(node)], left=_operand(node.this), right=_operand(node.expression))
    refuse(node)


def _terms(node: exp.And | exp.Or, select: Select) -> tuple[Condition, ...]:
    """The terms of ``a AND b AND c``, gathered without recursion."""
    terms, pending = [], [node]
    while pending:
        part = pending.pop()
        if type(part) is type(node):
            only(part, "this", "expression")
            pending.extend((part.expression, part.this))
        else:
            terms.append(condition_of(part, select))
    return tuple(terms)


def _less_column(node: exp.Expr) -> tuple[int, Name] | None:
    """A whole number less a column: the year, and the year of birth."""
    node = opened(node)
    if (
        not isinstance(node, exp.Sub)
        or (number := _whole(node.this)) is None
        or not isinstance(born := opened(node.expression), exp.Column)
    ):
        return None
    only(node, "this", "expression")
    return number, name_of(born)


def _whole(node: exp.Expr) -> int | None:
    node = opened(node)
    return int(node.name) if isinstance(node, exp.Literal) and not node.is_string and re.fullmatch(r"\d{1,5}", node.name) else None


def _among_persons(column: Name, query: exp.Expr, select: Select) -> Condition:
    """``column IN (SELECT …)``; that of SELECTs joined by UNION is in any of them."""
    found, pending = list[Belongs](), [query]
    while pending:
        part = pending.pop()
        inner = part.this if isinstance(part, exp.Subquery) else part
        if isinstance(inner, exp.Union):
            only(inner, "this", "expression", "distinct")
            if inner is not part:
                only(part, "this")
            pending.extend((inner.expression, inner.this))
        else:
            found.append(Belongs(column=column, query=select(part)))
    return found[0] if len(found) == 1 else Either(terms=tuple(found))


def _operand(node: exp.Expr) -> Side:
    node = opened(node)
    if isinstance(node, exp.Subquery):
        raise Refused(SCALAR)
    if (shifted := shifted_of(node)) is not None:
        return shifted
    if isinstance(node, exp.Column | exp.AggFunc | exp.DateDiff | exp.Sub) or extracted(node):
        return _compared(node)
    return value_of(node)


def _compared(node: exp.Expr) -> Name | YearOf | Days | Aggregate:
    node = opened(node)
    return difference_of(node) or (aggregate_of(node) if isinstance(node, exp.AggFunc) else _measured(node))


def _measured(node: exp.Expr) -> Name | YearOf:
    """A plain column, or the year of one."""
    node = opened(node)
    return YearOf(column=year_of(node)) if extracted(node) else _column(node)


def _is(node: exp.Is) -> Condition:
    column = _column(node.this)
    if isinstance(node.expression, exp.Null):
        return IsNull(column=column)
    if isinstance(node.expression, exp.Boolean):
        return IsTruth(column=column, truth=bool(node.expression.this))
    refuse(node)


def _column(node: exp.Expr) -> Name:
    node = opened(node)
    if not isinstance(node, exp.Column):
        if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
            raise Refused("A condition compares a column with a code, a number or a date.")
        if type(node) in OPERATORS or isinstance(node, exp.In | exp.Between | exp.Is | exp.Not | exp.And | exp.Or):
            raise Refused(INNER)
        refuse(node)
    return name_of(node)
