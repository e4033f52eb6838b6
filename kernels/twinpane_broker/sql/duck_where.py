"""The second reading of WHERE."""

import re
from collections.abc import Callable, Iterator

from .duck_items import PARTS, aggregate_of, difference_of, shifted_of, year_of
from .duck_nodes import call_of, cast_of, literal_of, name_of, truth_of, value_of
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
    of_year,
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
        if (year := _less_column(node["input"])) is not None and all(_whole(end) is not None for end in ends):
            pairs = zip((">=", "<="), ends, strict=True)
            return Every(terms=tuple(of_year(*year, op, _whole(end) or 0) for op, end in pairs))
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
        if (year := _less_column(node["left"])) is not None and (number := _whole(node["right"])) is not None:
            return of_year(*year, COMPARISONS[kind], number)
        return Compared(op=COMPARISONS[kind], left=_operand(node["left"]), right=_operand(node["right"]))
    return name_of(node)


def _less_column(node: Node) -> tuple[int, Name] | None:
    """A whole number less a column: the year, and the year of birth."""
    if node.get("type") != "FUNCTION" or node.get("function_name") != "-":
        return None
    _, arguments = call_of(node)
    if len(arguments) != 2 or (number := _whole(arguments[0])) is None or arguments[1].get("type") != "COLUMN_REF":
        return None
    return number, name_of(arguments[1])


def _whole(node: Node) -> int | None:
    kind, text = literal_of(node) if node.get("type") == "VALUE_CONSTANT" else ("", "")
    return int(text) if kind == "INTEGER" and re.fullmatch(r"\d{1,5}", text) else None


def _belongs(node: Node, select: Select) -> Condition:
    opened(node, "SUBQUERY", "subquery_type", "subquery", "child", "comparison_type")
    inner = node["subquery"]
    if set(inner) - {"node", "named_param_map"} or inner.get("named_param_map"):
        raise Unread
    if node["subquery_type"] == "EXISTS" and node.get("child") is None:
        return Belongs(column=None, query=select(inner["node"]))
    if node["subquery_type"] != "ANY" or node["comparison_type"] != "COMPARE_EQUAL":
        raise Unread
    found = [Belongs(column=name_of(node["child"]), query=select(part)) for part in _united(inner["node"])]
    return found[0] if len(found) == 1 else Either(terms=tuple(found))


def _united(node: Node) -> Iterator[Node]:
    """The SELECTs that UNION joins; the one itself where none does."""
    pending = [node]
    while pending:
        part = pending.pop()
        if part.get("type") != "SET_OPERATION_NODE":
            yield part
            continue
        opened(part, "SET_OPERATION_NODE", "setop_all", "children", "cte_map", setop_type="UNION")
        if part["cte_map"] != {"map": []}:
            raise Unread
        pending.extend(reversed(part["children"]))


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
