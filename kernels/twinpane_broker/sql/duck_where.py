"""The second reading of WHERE."""

from collections.abc import Callable

from .duck_items import PARTS, aggregate_of, difference_of, shifted_of, year_of
from .duck_nodes import cast_of, name_of, truth_of, value_of
from .duck_tree import Node, Unread, opened
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
    Name,
    Negated,
    Query,
    Side,
    YearOf,
)

COMPARISONS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}


Select = Callable[[Node], Query]
"""How a SELECT in brackets is read."""


def condition_of(node: Node, select: Select) -> Condition:
    """A condition of WHERE, ON or HAVING."""
    kind = node.get("type")
    if kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
        terms = tuple(condition_of(child, select) for child in opened(node, kind, "children")["children"])
        return Every(terms=terms) if kind == "CONJUNCTION_AND" else Either(terms=terms)
    if kind == "OPERATOR_NOT":
        return Negated(term=condition_of(_one_child(node, kind), select))
    if kind == "OPERATOR_IS_NULL":
        return IsNull(column=name_of(_one_child(node, kind)))
    if kind == "OPERATOR_IS_NOT_NULL":
        return Negated(term=IsNull(column=name_of(_one_child(node, kind))))
    if kind == "COMPARE_IN":
        column, *codes = opened(node, kind, "children")["children"]
        return Among(column=_measured(column), codes=tuple(value_of(code) for code in codes))
    if kind == "SUBQUERY":
        return _belongs(node, select)
    if kind == "COMPARE_BETWEEN":
        opened(node, kind, "input", "lower", "upper")
        ends = (node["lower"], node["upper"])
        if any(end.get("type") == "COLUMN_REF" or shifted_of(end) for end in ends):
            pairs = zip((">=", "<="), ends, strict=True)
            return Every(terms=tuple(Compared(op=op, left=_operand(node["input"]), right=_operand(end)) for op, end in pairs))
        return Between(column=_compared(node["input"]), low=value_of(node["lower"]), high=value_of(node["upper"]))
    if kind in ("COMPARE_NOT_DISTINCT_FROM", "COMPARE_DISTINCT_FROM"):
        opened(node, kind, "left", "right")
        said = IsTruth(column=name_of(cast_of(node["left"], "boolean")), truth=truth_of(node["right"]))
        return said if kind == "COMPARE_NOT_DISTINCT_FROM" else Negated(term=said)
    if kind in COMPARISONS:
        opened(node, kind, "left", "right")
        return Compared(op=COMPARISONS[kind], left=_operand(node["left"]), right=_operand(node["right"]))
    return name_of(node)


def _belongs(node: Node, select: Select) -> Belongs:
    opened(node, "SUBQUERY", "subquery_type", "subquery", "child", "comparison_type")
    inner = node["subquery"]
    if set(inner) - {"node", "named_param_map"} or inner.get("named_param_map"):
        raise Unread
    if node["subquery_type"] == "EXISTS" and node.get("child") is None:
        return Belongs(column=None, query=select(inner["node"]))
    if node["subquery_type"] != "ANY" or node["comparison_type"] != "COMPARE_EQUAL":
        raise Unread
    return Belongs(column=name_of(node["child"]), query=select(inner["node"]))


def _operand(node: Node) -> Side:
    if (shifted := shifted_of(node)) is not None:
        return shifted
    return _compared(node) if node.get("type") in ("COLUMN_REF", "FUNCTION") else value_of(node)


def _compared(node: Node) -> Name | YearOf | Days | Aggregate:
    if (days := difference_of(node)) is not None:
        return days
    if node.get("type") == "FUNCTION" and str(node.get("function_name")).lower() not in PARTS:
        return aggregate_of(node)
    return _measured(node)


def _measured(node: Node) -> Name | YearOf:
    """A plain column, or the year of one."""
    if node.get("type") != "FUNCTION":
        return name_of(node)
    if str(node.get("function_name")).lower() not in PARTS:
        raise Unread
    return YearOf(column=year_of(node))


def _one_child(node: Node, kind: str) -> Node:
    children: list[Node] = opened(node, kind, "children")["children"]
    if len(children) != 1:
        raise Unread
    return children[0]
