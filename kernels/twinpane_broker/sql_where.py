"""WHERE of a SELECT, read into a predicate of the plan."""

import math
import re
from datetime import date

from sqlglot import exp

from .errors import Refused
from .plan import AllOf, AnyOf, CodeValue, In, Missing, Not, Predicate, Range, Window
from .sql_scope import Scope, only, refuse

ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
MIRRORED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}


def predicate_of(node: exp.Expression, scope: Scope) -> Predicate:
    """The predicate that a boolean expression says; raises Refused for anything a plan cannot say."""
    match node:
        case exp.Paren():
            only(node, "this")
            return predicate_of(node.this, scope)
        case exp.And():
            only(node, "this", "expression")
            return _conjoined([predicate_of(part, scope) for part in node.flatten()])
        case exp.Or():
            only(node, "this", "expression")
            return _disjoined([predicate_of(part, scope) for part in node.flatten()])
        case exp.Not():
            only(node, "this")
            return Not(term=predicate_of(node.this, scope))
        case exp.Is():
            only(node, "this", "expression")
            return _is(node, scope)
        case exp.In():
            only(node, "this", "expressions")
            return In(column=_column(node.this, scope), codes=tuple(_literal(code) for code in node.expressions))
        case exp.Between():
            only(node, "this", "low", "high")
            return _between(_column(node.this, scope), _literal(node.args["low"]), _literal(node.args["high"]))
        case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
            only(node, "this", "expression")
            return _compared(node, scope)
        case exp.Column():
            name = scope.column(node)
            raise Refused(f"{name} alone is not a condition: write {name} = true, or compare it with a code.")
    refuse(node)


def _compared(node: exp.Expression, scope: Scope) -> Predicate:
    kind, left, right = type(node), node.this, node.expression
    if not isinstance(left, exp.Column) and isinstance(right, exp.Column):
        kind, left, right = MIRRORED.get(kind, kind), right, left
    if isinstance(left, exp.Column) and isinstance(right, exp.Column):
        raise Refused("Two columns cannot be compared in WHERE: compare a column with a code, a number or a date.")
    column, value = _column(left, scope), _literal(right)
    if kind is exp.EQ:
        return In(column=column, codes=(value,))
    if kind is exp.NEQ:
        return Not(term=In(column=column, codes=(value,)))
    upper = kind in (exp.LT, exp.LTE)
    if (day := _day(value)) is not None:
        return Window(column=column, end=day, through=kind is exp.LTE) if upper else Window(column=column, start=day, after=kind is exp.GT)
    number = _number(column, value)
    return Range(column=column, high=number, through=kind is exp.LTE) if upper else Range(column=column, low=number, above=kind is exp.GT)


def _between(column: str, low: CodeValue, high: CodeValue) -> Predicate:
    start, end = _day(low), _day(high)
    if start is not None and end is not None:
        return Window(column=column, start=start, end=end, through=True)
    return Range(column=column, low=_number(column, low), high=_number(column, high), through=True)


def _is(node: exp.Is, scope: Scope) -> Predicate:
    column = _column(node.this, scope)
    if isinstance(node.expression, exp.Null):
        return Missing(column=column)
    if isinstance(node.expression, exp.Boolean):
        return In(column=column, codes=(bool(node.expression.this),))
    refuse(node)


def _column(node: exp.Expression, scope: Scope) -> str:
    if isinstance(node, exp.Paren):
        only(node, "this")
        node = node.this
    if not isinstance(node, exp.Column):
        if isinstance(node, exp.Literal | exp.Boolean | exp.Null):
            raise Refused("A condition compares a column with a code, a number or a date.")
        refuse(node)
    return scope.column(node)


def _literal(node: exp.Expression) -> CodeValue:
    """A literal's value. Dates stay text (``2020-01-31``) until the operator tells what is meant."""
    match node:
        case exp.Paren():
            only(node, "this")
            return _literal(node.this)
        case exp.Neg(this=exp.Literal(is_string=False)):
            value = _literal(node.this)
            return -value
        case exp.Boolean():
            return bool(node.this)
        case exp.Literal(is_string=True):
            if len(node.name) > 200:
                raise Refused("A code has at most 200 characters.")
            return node.name
        case exp.Literal():
            return _parsed_number(node.name)
        case exp.Cast(this=exp.Literal(is_string=True)) if node.to.this == exp.DataType.Type.DATE:
            return node.this.name
        case exp.Null():
            raise Refused("Compare with missing values by IS NULL or IS NOT NULL.")
        case exp.Column():
            raise Refused(f'{node.name[:63]} is a column here; write codes in single quotes: \'{node.name[:63]}\'.')
    refuse(node)


def _parsed_number(text: str) -> int | float:
    if re.fullmatch(r"\d{1,18}", text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise Refused(f"{text[:40]} is not a number that a plan can hold.")
    return value


def _number(column: str, value: CodeValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"{column} is compared by size with something that is neither a number nor a date (written like '2020-01-31').")
    return float(value)


def _day(value: CodeValue) -> date | None:
    if isinstance(value, str) and ISO_DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise Refused(f"{value} is not a day of the calendar.") from None
    return None


def _conjoined(parts: list[Predicate]) -> Predicate:
    """AND of parts, where ``x >= a AND x < b`` becomes one range: it is one comparison to the limits."""
    terms: list[Predicate] = []
    for part in [inner for outer in parts for inner in (outer.terms if isinstance(outer, AllOf) else (outer,))]:
        place = next((i for i, term in enumerate(terms) if _joined_ends(term, part)), None)
        if place is None:
            terms.append(part)
        else:
            terms[place] = _joined_ends(terms[place], part)
    return terms[0] if len(terms) == 1 else AllOf(terms=tuple(terms))


def _joined_ends(one: Predicate, other: Predicate) -> Predicate | None:
    """One range of two that give one end each of the same column, else None."""
    for low, high in ((one, other), (other, one)):
        if isinstance(low, Range) and isinstance(high, Range) and low.column == high.column and low.high is None and high.low is None:
            return Range(column=low.column, low=low.low, high=high.high, above=low.above, through=high.through)
        if isinstance(low, Window) and isinstance(high, Window) and low.column == high.column and low.end is None and high.start is None:
            return Window(column=low.column, start=low.start, end=high.end, after=low.after, through=high.through)
    return None


def _disjoined(parts: list[Predicate]) -> Predicate:
    terms = tuple(inner for part in parts for inner in (part.terms if isinstance(part, AnyOf) else (part,)))
    return AnyOf(terms=terms)
