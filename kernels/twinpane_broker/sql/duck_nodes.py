"""What every part of the second reading shares: columns, literals, casts and plain calls, from DuckDB's nodes."""

from typing import Any

from .duck_tree import Node, Unread, opened, text_of
from .literals import number_of
from .said import Name, Value

WHOLE = ("tinyint", "smallint", "int", "integer", "bigint")
Call = tuple[str, tuple[Node, ...]]
"""A function's name and its arguments."""


def name_of(node: Node) -> Name:
    """A column as it is written."""
    names = opened(node, "COLUMN_REF", "column_names")["column_names"]
    if len(names) > 4:
        raise Unread
    return Name(column=text_of(names[-1]), table=text_of(names[-2]) if len(names) > 1 else None)


def value_of(node: Node) -> Value:
    """A literal's value."""
    if node.get("type") == "OPERATOR_CAST":
        return _cast_literal(node)
    kind, text = literal_of(node)
    if kind == "STRING":
        return text
    if kind == "BOOLEAN":
        return truth_of(node)
    if kind not in ("INTEGER", "NUMERIC"):
        raise Unread
    return number_of(text)


def _cast_literal(node: Node) -> Value:
    """A literal in a cast that changes nothing."""
    to = str(node["type_expr"]["type_name"]).lower()
    kind, text = literal_of(cast_of(node, to))
    if kind == "STRING" and to in ("date", "varchar", "text", "string"):
        return text
    if kind in ("INTEGER", "NUMERIC"):
        value = number_of(text)
        if to == "double" or (to in WHOLE and isinstance(value, int)):
            return value
    raise Unread


def literal_of(node: Node) -> tuple[str, str]:
    """Kind and text of a literal."""
    literal = opened(node, "VALUE_CONSTANT", "literal")["literal"]
    if not isinstance(literal, dict) or set(literal) != {"kind", "text"} or not isinstance(literal["text"], str):
        raise Unread
    return literal["kind"], literal["text"]


def is_null(node: Node) -> bool:
    """Whether the node is the literal NULL."""
    if node.get("type") != "VALUE_CONSTANT":
        return False
    return bool(opened(node, "VALUE_CONSTANT", "literal", "alias")["literal"].get("kind") == "NULL_LITERAL")


def truth_of(node: Node) -> bool:
    """The truth value that is written."""
    kind, text = literal_of(node)
    if kind != "BOOLEAN" or text not in ("true", "false"):
        raise Unread
    return text == "true"


def cast_of(node: Node, to: str) -> Node:
    """What a cast to this type is of."""
    opened(node, "OPERATOR_CAST", "child", "type_expr")
    named = opened(node["type_expr"], "TYPE", "type_name", "qualified_name")
    if str(named["type_name"]).lower() != to or named["qualified_name"] != {"path": [named["type_name"]]}:
        raise Unread
    child: Node = node["child"]
    return child


def call_of(node: Node, *, distinct: bool = False, ordered: bool = False) -> Call:
    """Name and arguments of a plain function call; with ``ordered`` the terms of its ORDER BY come after them."""
    opened(node, "FUNCTION", "function_name", "arguments", "order_bys", "is_operator", "qualified_name", distinct=distinct)
    return name_and_arguments(node, _orders(node["order_bys"]) if ordered else _no_orders(node["order_bys"]))


def name_and_arguments(node: Node, orders: tuple[Node, ...] = ()) -> Call:
    """Name and arguments of a function or window, with the terms of its ORDER BY after them."""
    name = text_of(node["function_name"])
    if node["qualified_name"] != {"path": [name]}:
        raise Unread
    arguments = node["arguments"]
    if any(set(argument) != {"name", "expression"} or argument["name"] for argument in arguments):
        raise Unread
    return name.lower(), (*(argument["expression"] for argument in arguments), *orders)


def _orders(orders: Any) -> tuple[Node, ...]:
    found = opened(orders, "ORDER_MODIFIER", "orders")["orders"]
    for order in found:
        if set(order) != {"type", "null_order", "expression"} or order["type"] not in ("ORDER_DEFAULT", "ASCENDING"):
            raise Unread
        if order["null_order"] not in ("ORDER_DEFAULT", "NULLS LAST"):
            raise Unread
    return tuple(order["expression"] for order in found)


def _no_orders(orders: Any) -> tuple[Node, ...]:
    if _orders(orders):
        raise Unread
    return ()
