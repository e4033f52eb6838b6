"""The second reading: DuckDB's tree of a SELECT. It only guards, so it says nothing but yes or no."""

import re
from typing import Any

from twinpane_broker.errors import Refused

from .duck_items import first_of, item_of, term_of
from .duck_tree import Grammar, Node, Unread, opened, text_of
from .duck_where import condition_of
from .literals import SYSTEM
from .said import Condition, Derived, Joined, Query, Sorted, Source, Term

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
        "aggregate_handling", "cte_map", "having", "qualify",
    )  # fmt: skip
    source, joins = _from(select["from_table"])
    where, having = select["where_clause"], select.get("having")
    groups, sets = _groups(select)
    distinct, order, limit = _modifiers(select["modifiers"])
    return Query(
        source=source,
        joins=joins,
        where=_condition(where) if where is not None else None,
        items=tuple(item_of(item, _condition) for item in select["select_list"]),
        groups=groups,
        sets=sets,
        order=order,
        limit=limit,
        having=_condition(having) if having is not None else None,
        distinct=distinct,
        first=first_of(select["qualify"]) if select.get("qualify") is not None else None,
        named=_named(select["cte_map"]),
    )


def _condition(node: Node) -> Condition:
    return condition_of(node, _query)


def _named(ctes: Node) -> tuple[tuple[str, Query], ...]:
    """The SELECTs of a WITH."""
    if set(ctes) != {"map"}:
        raise Unread
    found = []
    for named in ctes["map"]:
        if set(named) != {"key", "value"}:
            raise Unread
        value = named["value"]
        for name, part in value.items():
            if name not in ("query_node", "materialized") and part not in (None, False, "", []):
                raise Unread
        if value["materialized"] != "CTE_MATERIALIZE_DEFAULT":
            raise Unread
        found.append((text_of(named["key"]), _query(value["query_node"])))
    return tuple(found)


def _from(node: Node) -> tuple[Source | Derived, tuple[Joined, ...]]:
    """The first table, and the joined ones in the order they are written."""
    joins = []
    while node.get("type") == "JOIN":
        opened(
            node, "JOIN", "left", "right", "condition", "using_columns", "join_type", "ref_type", "is_implicit",
            nearest_count=1, nearest_order_type="ASCENDING",
        )  # fmt: skip
        if (node["join_type"], node["ref_type"]) not in (("INNER", "REGULAR"), ("LEFT", "REGULAR"), ("INNER", "CROSS")):
            raise Unread
        joins.append(_join(node))
        node = node["left"]
    return _source(node), tuple(reversed(joins))


def _join(node: Node) -> Joined:
    using, condition, outer = node["using_columns"], node["condition"], node["join_type"] == "LEFT"
    if using:
        if condition is not None or len(using) != 1:
            raise Unread
        return Joined(source=_source(node["right"]), on=text_of(using[0]), outer=outer)
    if (condition is None) is not (node["ref_type"] == "CROSS"):
        raise Unread
    return Joined(source=_source(node["right"]), on=_condition(condition) if condition is not None else None, outer=outer)


def _source(node: Node) -> Source | Derived:
    if node.get("type") == "SUBQUERY":
        opened(node, "SUBQUERY", "alias", "subquery")
        return Derived(query=_selected(node["subquery"]), alias=node["alias"] or None)
    table = opened(node, "BASE_TABLE", "alias", "table_name", "schema_name", "catalog_name", "qualified_name")
    name = text_of(table["table_name"])
    path = [each for each in (table.get("catalog_name"), table.get("schema_name"), name) if each]
    if table["qualified_name"] != {"path": path} or str(table.get("schema_name") or "").casefold() in SYSTEM:
        raise Unread
    return Source(table=name, alias=table["alias"] or None)


def _selected(node: Node) -> Query:
    """A SELECT in brackets."""
    if set(node) - {"node", "named_param_map"} or node.get("named_param_map"):
        raise Unread
    return _query(node["node"])


def _groups(select: Node) -> tuple[tuple[Term, ...] | None, tuple[frozenset[int], ...] | None]:
    terms = tuple(term_of(node, _condition) for node in select["group_expressions"])
    written = [frozenset(places) for places in select["group_sets"]]
    if select["aggregate_handling"] == "FORCE_AGGREGATES":
        if terms or written:
            raise Unread
        return None, None
    if select["aggregate_handling"] != "STANDARD_HANDLING":
        raise Unread
    return terms, None if written in ([], [frozenset(range(len(terms)))]) else tuple(written)


def _modifiers(modifiers: list[Any]) -> tuple[bool, tuple[Sorted, ...], int | None]:
    distinct = bool(modifiers) and modifiers[0].get("type") == "DISTINCT_MODIFIER"
    if distinct:
        opened(modifiers[0], "DISTINCT_MODIFIER")
        modifiers = modifiers[1:]
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
    return distinct, order, limit


def _sorted(term: Node) -> Sorted:
    if set(term) != {"type", "null_order", "expression"} or term["null_order"] not in ("ORDER_DEFAULT", "NULLS LAST"):
        raise Unread
    return Sorted(by=term_of(term["expression"], _condition), descending=DIRECTIONS[term["type"]])
