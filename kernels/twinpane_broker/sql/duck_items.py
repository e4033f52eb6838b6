"""The second reading of what is selected, grouped and sorted by."""

import re

from twinpane_broker.aggregates.registry import OF_ONE_COLUMN, MeasureKind
from twinpane_broker.question.plan import Bin

from .duck_nodes import call_of, cast_of, literal_of, name_and_arguments, name_of
from .duck_tree import Node, Unread, opened
from .literals import number_of, percent_of
from .said import Aggregate, Item, Name, Position, Split, Term


def item_of(node: Node) -> Item:
    """A selected expression with its label."""
    label = node.get("alias") or None
    return Item(what=_what({**node, "alias": ""}), label=label)


def term_of(node: Node) -> Term:
    """A term of GROUP BY or ORDER BY."""
    if node.get("type") == "VALUE_CONSTANT":
        kind, text = literal_of(node)
        if kind != "INTEGER" or not re.fullmatch(r"\d{1,3}", text):
            raise Unread
        return Position(place=int(text))
    return _what(node)


def _what(node: Node) -> Split | Aggregate:
    if node.get("type") == "COLUMN_REF":
        return Split(column=name_of(node))
    if node.get("distinct"):
        return _persons(node)
    if node.get("type") == "FUNCTION" and str(node.get("function_name")).lower() == "quantile_cont":
        name, arguments = call_of(node, ordered=True)
        return _quantile(node, arguments)
    name, arguments = call_of(node)
    match name, arguments:
        case "count_star", ():
            return Aggregate(kind=MeasureKind.count)
        case "corr", (one, other):
            return Aggregate(kind=MeasureKind.correlation, column=name_of(one), other=name_of(other))
        case "median", (column,):
            return Aggregate(kind=MeasureKind.quantile, column=name_of(column), percent=50)
        case (("date_trunc" | "datetrunc"), (unit, column)):
            return Split(column=_dated(column), bin=Bin(_unit(unit, tuple(Bin))))
        case (("date_part" | "datepart"), (unit, column)):
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
    name, arguments = call_of(node, distinct=True)
    if name != "count" or len(arguments) != 1:
        raise Unread
    return Aggregate(kind=MeasureKind.persons, column=name_of(arguments[0]))


def _quantile(node: Node, arguments: tuple[Node, ...]) -> Aggregate:
    if len(arguments) != 2 or len(node["arguments"]) not in (1, 2):
        raise Unread
    # quantile_cont(column, fraction), and percentile_cont(fraction) WITHIN GROUP (ORDER BY column).
    column, fraction = arguments if len(node["arguments"]) == 2 else arguments[::-1]
    kind, text = literal_of(fraction)
    if kind not in ("INTEGER", "NUMERIC"):
        raise Unread
    return Aggregate(kind=MeasureKind.quantile, column=name_of(column), percent=percent_of(text))


def _unit(node: Node, units: tuple[str, ...]) -> str:
    kind, text = literal_of(node)
    if kind != "STRING" or text.lower() not in units:
        raise Unread
    return text.lower()


def _dated(node: Node) -> Name:
    return name_of(cast_of(node, "date") if node.get("type") == "OPERATOR_CAST" else node)


def _width(node: Node) -> float:
    kind, text = literal_of(node)
    if kind not in ("INTEGER", "NUMERIC") or not (width := float(number_of(text))) > 0:
        raise Unread
    return width


def _bins(one: Node, other: Node) -> Split:
    number, inner = (one, other) if one.get("type") == "VALUE_CONSTANT" else (other, one)
    name, arguments = call_of(inner)
    if name == "floor" and len(arguments) == 1:
        name, arguments = call_of(arguments[0])
        divided = name == "/"
    else:
        divided = name == "//"
    if not divided or len(arguments) != 2 or _width(arguments[1]) != _width(number):
        raise Unread
    return Split(column=name_of(arguments[0]), width=_width(number))


def _share(hundred: Node, over: Node) -> Aggregate:
    name, arguments = call_of(hundred)
    if name != "*" or len(arguments) != 2 or literal_of(arguments[0])[1] not in ("100", "100.0"):
        raise Unread
    opened(
        over, "WINDOW_AGGREGATE", "partitions", "arguments", "qualified_name",
        function_name="sum", start="UNBOUNDED_PRECEDING", end="CURRENT_ROW_RANGE", exclude_clause="NO_OTHER",
    )  # fmt: skip
    _, (summed,) = name_and_arguments(over)
    part, whole = _persons(arguments[1]), _persons(summed)
    within = tuple(by for by in map(_what, over["partitions"]) if isinstance(by, Split))
    if part != whole or len(within) < len(over["partitions"]):
        raise Unread
    return Aggregate(kind=MeasureKind.share, column=part.column, within=within)
