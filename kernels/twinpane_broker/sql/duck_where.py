"""The second reading of WHERE."""

from .duck_nodes import cast_of, name_of, truth_of, value_of
from .duck_tree import Node, Unread, opened
from .said import Among, Between, Compared, Condition, Either, Every, IsNull, IsTruth, Name, Negated, Value

COMPARISONS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}


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
        said = IsTruth(column=name_of(cast_of(node["left"], "boolean")), truth=truth_of(node["right"]))
        return said if kind == "COMPARE_NOT_DISTINCT_FROM" else Negated(term=said)
    if kind in COMPARISONS:
        opened(node, kind, "left", "right")
        return Compared(op=COMPARISONS[kind], left=_operand(node["left"]), right=_operand(node["right"]))
    return name_of(node)


def _operand(node: Node) -> Name | Value:
    return name_of(node) if node.get("type") == "COLUMN_REF" else value_of(node)


def _one_child(node: Node, kind: str) -> Node:
    children: list[Node] = opened(node, kind, "children")["children"]
    if len(children) != 1:
        raise Unread
    return children[0]
