"""The second reading of expressions: columns, literals, dimensions, measures and conditions, from DuckDB's nodes."""

import re
from typing import Any

from twinpane_broker.plan import Bin, MeasureKind

from .duck_tree import Node, Unread, opened, text_of
from .literals import number_of, percent_of
from .said import (
    Aggregate,
    Among,
    Between,
    Compared,
    Condition,
    Either,
    Every,
    IsNull,
    IsTruth,
    Item,
    Name,
    Negated,
    Position,
    Split,
    Term,
    Value,
)

COMPARISONS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
OF_ONE_COLUMN = {
    "avg": MeasureKind.mean,
    "mean": MeasureKind.mean,
    "sum": MeasureKind.sum,
    "stddev": MeasureKind.sd,
    "stddev_samp": MeasureKind.sd,
    "variance": MeasureKind.var,
    "var_samp": MeasureKind.var,
}
Call = tuple[str, tuple[Node, ...]]


def item_of(node: Node) -> Item:
    """A selected expression with its label."""
    label = node.get("alias") or None
    return Item(what=_what({**node, "alias": ""}), label=label)


def term_of(node: Node) -> Term:
    """A term of GROUP BY or ORDER BY."""
    if node.get("type") == "VALUE_CONSTANT":
        kind, text = _literal(node)
        if kind != "INTEGER" or not re.fullmatch(r"\d{1,3}", text):
            raise Unread
        return Position(place=int(text))
    return _what(node)


def condition_of(node: Node) -> Condition:
    """A condition of WHERE."""
    kind = node.get("type")
    if kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
        terms = tuple(condition_of(child) for child in opened(node, kind, "children")["children"])
        return Every(terms=terms) if kind == "CONJUNCTION_AND" else Either(terms=terms)
    if kind == "OPERATOR_NOT":
        return Negated(term=condition_of(_one_child(node, kind)))
    if kind == "OPERATOR_IS_NULL":
        return IsNull(column=name_of(_one_child(node, kind)))
    if kind == "OPERATOR_IS_NOT_NULL":
        return Negated(term=IsNull(column=name_of(_one_child(node, kind))))
    if kind == "COMPARE_IN":
        column, *codes = opened(node, kind, "children")["children"]
        return Among(column=name_of(column), codes=tuple(value_of(code) for code in codes))
    if kind == "COMPARE_BETWEEN":
        opened(node, kind, "input", "lower", "upper")
        return Between(column=name_of(node["input"]), low=value_of(node["lower"]), high=value_of(node["upper"]))
    if kind in ("COMPARE_NOT_DISTINCT_FROM", "COMPARE_DISTINCT_FROM"):
        opened(node, kind, "left", "right")
        said = IsTruth(column=name_of(_cast(node["left"], "boolean")), truth=_truth(node["right"]))
        return said if kind == "COMPARE_NOT_DISTINCT_FROM" else Negated(term=said)
    if kind in COMPARISONS:
        opened(node, kind, "left", "right")
        return Compared(op=COMPARISONS[kind], left=_operand(node["left"]), right=_operand(node["right"]))
    return name_of(node)


def name_of(node: Node) -> Name:
    """A column as it is written."""
    names = opened(node, "COLUMN_REF", "column_names")["column_names"]
    if len(names) > 2:
        raise Unread
    return Name(column=text_of(names[-1]), table=text_of(names[0]) if len(names) == 2 else None)


def value_of(node: Node) -> Value:
    """A literal's value."""
    if node.get("type") == "OPERATOR_CAST":
        kind, text = _literal(_cast(node, "date"))
        if kind != "STRING":
            raise Unread
        return text
    kind, text = _literal(node)
    if kind == "STRING":
        return text
    if kind == "BOOLEAN":
        return _truth(node)
    if kind not in ("INTEGER", "NUMERIC"):
        raise Unread
    return number_of(text)


def _literal(node: Node) -> tuple[str, str]:
    literal = opened(node, "VALUE_CONSTANT", "literal")["literal"]
    if not isinstance(literal, dict) or set(literal) != {"kind", "text"} or not isinstance(literal["text"], str):
        raise Unread
    return literal["kind"], literal["text"]


def _truth(node: Node) -> bool:
    kind, text = _literal(node)
    if kind != "BOOLEAN" or text not in ("true", "false"):
        raise Unread
    return text == "true"


def _operand(node: Node) -> Name | Value:
    return name_of(node) if node.get("type") == "COLUMN_REF" else value_of(node)


def _one_child(node: Node, kind: str) -> Node:
    children = opened(node, kind, "children")["children"]
    if len(children) != 1:
        raise Unread
    return children[0]


def _cast(node: Node, to: str) -> Node:
    """What a cast to this type is of."""
    opened(node, "OPERATOR_CAST", "child", "type_expr")
    named = opened(node["type_expr"], "TYPE", "type_name", "qualified_name")
    if str(named["type_name"]).lower() != to or named["qualified_name"] != {"path": [named["type_name"]]}:
        raise Unread
    return node["child"]


def _call(node: Node, *, distinct: bool = False, ordered: bool = False) -> Call:
    """Name and arguments of a plain function call; with ``ordered`` the terms of its ORDER BY come after them."""
    opened(node, "FUNCTION", "function_name", "arguments", "order_bys", "is_operator", "qualified_name", distinct=distinct)
    return _name_and_arguments(node, _orders(node["order_bys"]) if ordered else _no_orders(node["order_bys"]))


def _name_and_arguments(node: Node, orders: tuple[Node, ...]) -> Call:
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


def _what(node: Node) -> Split | Aggregate:
    if node.get("type") == "COLUMN_REF":
        return Split(column=name_of(node))
    if node.get("distinct"):
        return _persons(node)
    if node.get("type") == "FUNCTION" and str(node.get("function_name")).lower() == "quantile_cont":
        name, arguments = _call(node, ordered=True)
        return _quantile(node, arguments)
    name, arguments = _call(node)
    match name, arguments:
        case "count_star", ():
            return Aggregate(kind=MeasureKind.count)
        case "corr", (one, other):
            return Aggregate(kind=MeasureKind.correlation, column=name_of(one), other=name_of(other))
        case "median", (column,):
            return Aggregate(kind=MeasureKind.quantile, column=name_of(column), percent=50)
        case ("date_trunc" | "datetrunc"), (unit, column):
            return Split(column=_dated(column), bin=Bin(_unit(unit, tuple(Bin))))
        case ("date_part" | "datepart"), (unit, column):
            return Split(column=_dated(column), bin=Bin(_unit(unit, (Bin.year,))))
        case "year", (column,):
            return Split(column=_dated(column), bin=Bin.year)
        case "*", (one, other):
            return _bins(one, other)
        case "/", (hundred, over):
            return _share(hundred, over)
    if name in OF_ONE_COLUMN and len(arguments) == 1:
        return Aggregate(kind=OF_ONE_COLUMN[name], column=name_of(arguments[0]))
    raise Unread


def _persons(node: Node) -> Aggregate:
    name, arguments = _call(node, distinct=True)
    if name != "count" or len(arguments) != 1:
        raise Unread
    return Aggregate(kind=MeasureKind.persons, column=name_of(arguments[0]))


def _quantile(node: Node, arguments: tuple[Node, ...]) -> Aggregate:
    if len(arguments) != 2 or len(node["arguments"]) not in (1, 2):
        raise Unread
    # quantile_cont(column, fraction), and percentile_cont(fraction) WITHIN GROUP (ORDER BY column).
    column, fraction = arguments if len(node["arguments"]) == 2 else arguments[::-1]
    kind, text = _literal(fraction)
    if kind not in ("INTEGER", "NUMERIC"):
        raise Unread
    return Aggregate(kind=MeasureKind.quantile, column=name_of(column), percent=percent_of(text))


def _unit(node: Node, units: tuple[str, ...]) -> str:
    kind, text = _literal(node)
    if kind != "STRING" or text.lower() not in units:
        raise Unread
    return text.lower()


def _dated(node: Node) -> Name:
    return name_of(_cast(node, "date") if node.get("type") == "OPERATOR_CAST" else node)


def _width(node: Node) -> float:
    kind, text = _literal(node)
    if kind not in ("INTEGER", "NUMERIC") or not (width := float(number_of(text))) > 0:
        raise Unread
    return width


def _bins(one: Node, other: Node) -> Split:
    number, inner = (one, other) if one.get("type") == "VALUE_CONSTANT" else (other, one)
    name, arguments = _call(inner)
    if name == "floor" and len(arguments) == 1:
        name, arguments = _call(arguments[0])
        divided = name == "/"
    else:
        divided = name == "//"
    if not divided or len(arguments) != 2 or _width(arguments[1]) != _width(number):
        raise Unread
    return Split(column=name_of(arguments[0]), width=_width(number))


def _share(hundred: Node, over: Node) -> Aggregate:
    name, arguments = _call(hundred)
    if name != "*" or len(arguments) != 2 or _literal(arguments[0])[1] not in ("100", "100.0"):
        raise Unread
    opened(
        over, "WINDOW_AGGREGATE", "partitions", "arguments", "qualified_name",
        function_name="sum", start="UNBOUNDED_PRECEDING", end="CURRENT_ROW_RANGE", exclude_clause="NO_OTHER",
    )  # fmt: skip
    _, (summed,) = _name_and_arguments(over, ())
    part, whole = _persons(arguments[1]), _persons(summed)
    within = tuple(_what(by) for by in over["partitions"])
    if part != whole or not all(isinstance(by, Split) for by in within):
        raise Unread
    return Aggregate(kind=MeasureKind.share, column=part.column, within=within)
