"""What every part of the first reading shares: refusing a node by its name, holding it to its parts, names and literals."""

from collections.abc import Mapping
from typing import NoReturn

from sqlglot import exp

from twinpane_broker.errors import Refused

from .literals import number_of
from .refusals import reason_of
from .said import Name, Value

OPERATORS: Mapping[type[exp.Expr], str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


def refuse(node: exp.Expr) -> NoReturn:
    """Raise Refused for a node, naming its construct."""
    while isinstance(node, exp.IgnoreNulls | exp.RespectNulls | exp.Paren | exp.WithinGroup):
        # The dialect reads any_value(x) and similar calls in this form; refuse the function.
        node = node.this
    if isinstance(node, exp.Anonymous):
        raise Refused(reason_of(node.name.lower()))
    further = [name.lower() for name in node.sql_names()] if isinstance(node, exp.Func) else []
    raise Refused(reason_of(node.key, *further))


def only(node: exp.Expr, *allowed: str) -> None:
    """Refuse a node that carries anything but these parts: what the parser learns tomorrow is refused too."""
    for part, value in node.args.items():
        if part in allowed or value is None or value is False or value == []:
            continue
        raise Refused(reason_of(part if part not in ("expressions", "this", "expression") else node.key))


def opened(node: exp.Expr) -> exp.Expr:
    """The node inside any parentheses."""
    while isinstance(node, exp.Paren):
        only(node, "this")
        node = node.this
    return node


def name_of(node: exp.Column) -> Name:
    """A column as it is written."""
    if not isinstance(node.this, exp.Identifier):
        refuse(node.this)
    only(node, "this", "table", "db", "catalog")
    return Name(column=node.name, table=node.table or None)


def is_number(node: exp.Expr) -> bool:
    """Whether the node is a number as written, without a sign."""
    return isinstance(node, exp.Literal) and not node.is_string


def value_of(node: exp.Expr) -> Value:
    """A literal's value. Dates stay text (``2020-01-31``) until the operator tells what is meant."""
    node = opened(node)
    match node:
        case exp.Neg():
            only(node, "this")
            if not is_number(node.this):
                refuse(node)
            return -number_of(node.this.name)
        case exp.Boolean():
            return bool(node.this)
        case exp.Literal(is_string=True):
            if len(node.name) > 200:
                raise Refused("A code has at most 200 characters.")
            return node.name
        case exp.Literal():
            return number_of(node.name)
        case exp.Cast() if type(node) is exp.Cast and isinstance(node.this, exp.Literal):
            return cast_literal(node)
        case exp.Null():
            raise Refused("Compare with missing values by IS NULL or IS NOT NULL.")
        case exp.Column():
            raise Refused(f"{node.name[:63]} is a column here; write codes in single quotes: '{node.name[:63]}'.")
    refuse(node)


WHOLE = (exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT)
TEXTS = (exp.DType.TEXT, exp.DType.VARCHAR)


def cast_literal(node: exp.Cast) -> Value:
    """A literal in a cast that changes nothing: a day to a date, a number to its own kind, a text to a text."""
    only(node, "this", "to")
    to, literal = node.to.this, node.this
    if not node.to.expressions and literal.is_string and to in (exp.DType.DATE, *TEXTS):
        return str(literal.name)
    if not node.to.expressions and not literal.is_string:
        value = number_of(literal.name)
        if to == exp.DType.DOUBLE or (to in WHOLE and isinstance(value, int)):
            return value
    refuse(node)


def to_date(node: exp.Cast) -> bool:
    """Whether a cast is to a date and nothing more."""
    only(node, "this", "to")
    return node.to.this == exp.DataType.Type.DATE and not node.to.expressions
