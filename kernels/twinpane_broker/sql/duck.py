"""The second reading: DuckDB's tree of a SELECT. It only guards, so it says nothing but yes or no."""

import re
from typing import Any

from twinpane_broker.errors import Refused

from .duck_items import item_of, term_of
from .duck_nodes import name_of
from .duck_tree import Grammar, Node, Unread, opened, text_of
from .duck_where import condition_of
from .said import Joined, Query, Sorted, Source, Term

DIRECTIONS = {"ORDER_DEFAULT": False, "ASCENDING": False, "DESCENDING": True}


def read(text: str, grammar: Grammar) -> Query:
    """The query that DuckDB's grammar reads in the text; raises Unread for anything that is not followed."""
    try:
        return _query(grammar.statement(text))
    except (Refused, KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError):
        # A tree of another shape than expected is not followed either.
        raise Unread from None


def _query(node: Node) -> Query:
    select = opened(
        node, "SELECT_NODE", "modifiers", "select_list", "from_table", "where_clause", "group_expressions", "group_sets",
        "aggregate_handling", cte_map={"map": []},
    )  # fmt: skip
    source, joins = _from(select["from_table"])
    where = select["where_clause"]
    groups, sets = _groups(select)
    order, limit = _modifiers(select["modifiers"])
    return Query(
        source=source,
        joins=joins,
        where=condition_of(where) if where is not None else None,
        items=tuple(item_of(item) for item in select["select_list"]),
        groups=groups,
        sets=sets,
        order=order,
        limit=limit,
    )


def _from(node: Node) -> tuple[Source, tuple[Joined, ...]]:
    """The first table, and the joined ones in the order they are written."""
    joins = []
    while node.get("type") == "JOIN":
        opened(
            node, "JOIN", "left", "right", "condition", "using_columns",
            join_type="INNER", ref_type="REGULAR", nearest_count=1, nearest_order_type="ASCENDING",
        )  # fmt: skip
        joins.append(_join(node))
        node = node["left"]
    return _source(node), tuple(reversed(joins))


def _join(node: Node) -> Joined:
    using, condition = node["using_columns"], node["condition"]
    if using:
        if condition is not None or len(using) != 1:
            raise Unread
        return Joined(source=_source(node["right"]), on=text_of(using[0]))
    opened(condition, "COMPARE_EQUAL", "left", "right")
    return Joined(source=_source(node["right"]), on=(name_of(condition["left"]), name_of(condition["right"])))


def _source(node: Node) -> Source:
    table = opened(node, "BASE_TABLE", "alias", "table_name", "qualified_name")
    name = text_of(table["table_name"])
    if table["qualified_name"] != {"path": [name]}:
        raise Unread
    return Source(table=name, alias=table["alias"] or None)


def _groups(select: Node) -> tuple[tuple[Term, ...] | None, tuple[frozenset[int], ...] | None]:
    terms = tuple(term_of(node) for node in select["group_expressions"])
    written = [frozenset(places) for places in select["group_sets"]]
    if select["aggregate_handling"] == "FORCE_AGGREGATES":
        if terms or written:
            raise Unread
        return None, None
    if select["aggregate_handling"] != "STANDARD_HANDLING":
        raise Unread
    return terms, None if written in ([], [frozenset(range(len(terms)))]) else tuple(written)


def _modifiers(modifiers: list[Any]) -> tuple[tuple[Sorted, ...], int | None]:
    kinds = [modifier.get("type") for modifier in modifiers]
    if kinds not in ([], ["ORDER_MODIFIER"], ["LIMIT_MODIFIER"], ["ORDER_MODIFIER", "LIMIT_MODIFIER"]):
        raise Unread
    order: tuple[Sorted, ...] = ()
    limit = None
    for modifier in modifiers:
        if modifier["type"] == "ORDER_MODIFIER":
            order = tuple(_sorted(term) for term in opened(modifier, "ORDER_MODIFIER", "orders")["orders"])
        else:
            number = opened(modifier, "LIMIT_MODIFIER", "limit", limit_type="ROW_COUNT")["limit"]
            literal = opened(number, "VALUE_CONSTANT", "literal")["literal"]
            if literal.get("kind") != "INTEGER" or not re.fullmatch(r"\d{1,5}", literal["text"]):
                raise Unread
            limit = int(literal["text"])
    return order, limit


def _sorted(term: Node) -> Sorted:
    if set(term) != {"type", "null_order", "expression"} or term["null_order"] not in ("ORDER_DEFAULT", "NULLS LAST"):
        raise Unread
    return Sorted(by=term_of(term["expression"]), descending=DIRECTIONS[term["type"]])
