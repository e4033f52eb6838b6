"""The first reading of WHERE."""

from collections.abc import Mapping

from sqlglot import exp

from twinpane_broker.errors import Refused

from .glot_nodes import name_of, only, opened, refuse, value_of
from .refusals import DESCENDANTS
from .said import Among, Between, Compared, Condition, Either, Every, IsNull, IsTruth, Name, Negated, Value

OPERATORS: Mapping[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


def condition_of(node: exp.Expr) -> Condition:
    """The condition that a boolean expression is; raises Refused for anything a plan cannot say."""
    node = opened(node)
    match node:
        case exp.And():
            return Every(terms=_terms(node))
        case exp.Or():
            return Either(terms=_terms(node))
        case exp.Not():
            only(node, "this")
            return Negated(term=condition_of(node.this))
        case exp.Is():
            only(node, "this", "expression")
            return _is(node)
        case exp.In():
            if node.args.get("query") is not None:
                raise Refused(DESCENDANTS)
            only(node, "this", "expressions")
            if not node.expressions:
                raise Refused("IN () names no code: write column IN ('…').")
            return Among(column=_column(node.this), codes=tuple(value_of(code) for code in node.expressions))
        case exp.Between():
            only(node, "this", "low", "high")
            return Between(column=_column(node.this), low=value_of(node.args["low"]), high=value_of(node.args["high"]))
        case exp.Column():
            return name_of(node)
    if type(node) in OPERATORS:
        only(node, "this", "expression")
        return Compared(op=OPERATORS[type(node)], left=_operand(node.this), right=_operand(node.expression))
    refuse(node)


def _terms(node: exp.And | exp.Or) -> tuple[Condition, ...]:
    """The terms of ``a AND b AND c``, gathered without recursion."""
    terms, pending = [], [node]
    while pending:
        part = pending.pop()
        if type(part) is type(node):
            only(part, "this", "expression")
            pending.extend((part.expression, part.this))
        else:
            terms.append(condition_of(part))
    return tuple(terms)


def _operand(node: exp.Expr) -> Name | Value:
    node = opened(node)
    return name_of(node) if isinstance(node, exp.Column) else value_of(node)


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
        refuse(node)
    return name_of(node)
