"""The second reading of what is selected, grouped and sorted by."""

import re
from collections.abc import Callable
from dataclasses import replace

from twinpane_broker.aggregates.registry import OF_ONE_COLUMN, MeasureKind
from twinpane_broker.question.plan import Bin, Unit

from .duck_nodes import call_of, cast_of, is_null, literal_of, name_and_arguments, name_of, value_of
from .duck_tree import Node, Unread, opened
from .literals import number_of, percent_of
from .said import (
    WRITTEN,
    Aggregate,
    Cases,
    Condition,
    Constant,
    Days,
    Everything,
    Extreme,
    Item,
    Name,
    Numbered,
    Position,
    Shifted,
    Split,
    Term,
    Value,
    What,
    share_of,
)

Conditions = Callable[[Node], Condition]
"""How a condition is read; those of a CASE are."""
PARTS = ("date_part", "datepart", "year")
"""Functions that take the year of a date, as a number."""
DATES = ("date_trunc", "datetrunc", "strftime", *PARTS)


def item_of(node: Node, conditions: Conditions) -> Item:
    """A selected expression with its label."""
    label = node.get("alias") or None
    return Item(what=_what({**node, "alias": ""}, conditions), label=label)


def term_of(node: Node, conditions: Conditions) -> Term:
    """A term of GROUP BY or ORDER BY."""
    if node.get("type") == "VALUE_CONSTANT":
        kind, text = literal_of(node)
        if kind != "INTEGER" or not re.fullmatch(r"\d{1,3}", text):
            raise Unread
        return Position(place=int(text))
    return _what(node, conditions)


def _what(node: Node, conditions: Conditions) -> What:
    node = _bare(node)
    kind, name = node.get("type"), str(node.get("function_name")).lower()
    if kind == "STAR":
        opened(node, "STAR", "relation_name")
        return Everything(table=node["relation_name"] or None)
    if kind == "COLUMN_REF":
        return Split(column=name_of(node))
    if is_null(node):
        return Constant(value=None)
    if kind in ("VALUE_CONSTANT", "OPERATOR_CAST"):
        return Constant(value=value_of(node))
    if kind == "CASE_EXPR":
        return _cases(node, conditions)
    if kind == "WINDOW_ROW_NUMBER":
        return _numbered(node)
    if kind == "FUNCTION" and (some := conditional(node, conditions)) is not None:
        return some
    if kind != "FUNCTION" or node.get("distinct"):
        return aggregate_of(node)
    if (days := difference_of(node)) is not None:
        return Split(column=days)
    if name in DATES:
        return dated(node)
    if name in ("min", "max"):
        _, (column,) = call_of(node)
        return Extreme(name=name, column=name_of(column))
    if name == "*":
        return _bins(*call_of(node)[1])
    return _share(*call_of(node)[1]) if name == "/" else aggregate_of(node)


def _bare(node: Node) -> Node:
    """A released column without what only changes how it is written: ROUND, CAST, COALESCE around it."""
    inner = _inside(node)
    return node if inner is None or not _is_aggregate(inner) else _bare(inner)


def _inside(node: Node) -> Node | None:
    kind = node.get("type")
    if kind == "OPERATOR_CAST":
        child: Node = opened(node, "OPERATOR_CAST", "child", "type_expr")["child"]
        return child
    if kind == "OPERATOR_COALESCE":
        children: list[Node] = opened(node, "OPERATOR_COALESCE", "children")["children"]
        plain = len(children) == 2 and children[1].get("type") == "VALUE_CONSTANT" and literal_of(children[1])[0] != "BOOLEAN"
        return children[0] if plain else None
    if kind == "FUNCTION" and str(node.get("function_name")).lower() == "round":
        _, arguments = call_of(node)
        if len(arguments) == 1 or (len(arguments) == 2 and literal_of(arguments[1])[0] == "INTEGER"):
            return arguments[0]
    return None


def _is_aggregate(node: Node) -> bool:
    """Whether the node is a call that is no part of a date, or one with such a cover around it."""
    inner = _inside(node)
    if inner is not None:
        return _is_aggregate(inner)
    return node.get("type") == "FUNCTION" and str(node.get("function_name")).lower() not in DATES


def _cases(node: Node, conditions: Conditions) -> Cases:
    opened(node, "CASE_EXPR", "case_checks", "else_expr")
    arms = []
    for arm in node["case_checks"]:
        if set(arm) != {"when_expr", "then_expr"}:
            raise Unread
        arms.append((conditions(arm["when_expr"]), _named(arm["then_expr"])))
    otherwise = node.get("else_expr")
    return Cases(arms=tuple(arms), otherwise=None if otherwise is None or is_null(otherwise) else _named(otherwise))


def _named(node: Node) -> Value:
    if node.get("type") != "VALUE_CONSTANT":
        raise Unread
    return value_of(node)


def _numbered(node: Node) -> Numbered:
    opened(
        node, "WINDOW_ROW_NUMBER", "partitions", "orders", "qualified_name", "arguments",
        function_name="row_number", start="UNBOUNDED_PRECEDING", end="CURRENT_ROW_RANGE", exclude_clause="NO_OTHER",
    )  # fmt: skip
    if node["qualified_name"] != {"path": ["row_number"]} or node.get("arguments"):
        raise Unread
    order = []
    for term in node["orders"]:
        plain = term["type"] in ("ORDER_DEFAULT", "ASCENDING") and term["null_order"] in ("ORDER_DEFAULT", "NULLS LAST")
        if set(term) != {"type", "null_order", "expression"} or not plain:
            raise Unread
        order.append(name_of(term["expression"]))
    if not order:
        raise Unread
    return Numbered(by=tuple(map(name_of, node["partitions"])), order=tuple(order))


def first_of(node: Node) -> Numbered | Name:
    """What QUALIFY asks to be 1."""
    opened(node, "COMPARE_EQUAL", "left", "right")
    number, one = node["left"], node["right"]
    if number.get("type") == "VALUE_CONSTANT":
        number, one = one, number
    if literal_of(one) != ("INTEGER", "1"):
        raise Unread
    return name_of(number) if number.get("type") == "COLUMN_REF" else _numbered(number)


def dated(node: Node) -> Split:
    """A date in its bin."""
    match call_of(node):
        case (("date_trunc" | "datetrunc"), (unit, column)):
            return Split(column=_dated(column), bin=Bin(_unit(unit, tuple(Bin))))
        case "strftime", (column, unit):
            if column.get("type") == "VALUE_CONSTANT":
                column, unit = unit, column
            if literal_of(unit)[0] == "STRING":
                return Split(column=_dated(column), bin=Bin(WRITTEN[literal_of(unit)[1]]))
        case (("date_part" | "datepart"), (unit, column)):
            return Split(column=_dated(column), bin=Bin(_unit(unit, (Bin.year,))))
        case "year", (column,):
            return Split(column=_dated(column), bin=Bin.year)
    raise Unread


def aggregate_of(node: Node) -> Aggregate:
    """A measure."""
    if node.get("distinct"):
        return _persons(node)
    if node.get("type") == "FUNCTION" and str(node.get("function_name")).lower() == "quantile_cont":
        return _quantile(node, call_of(node, ordered=True)[1])
    name, arguments = call_of(node)
    match name, arguments:
        case "count_star", ():
            return Aggregate(kind=MeasureKind.count)
        case "count", (one,) if one.get("type") == "VALUE_CONSTANT":
            if literal_of(one)[0] not in ("INTEGER", "NUMERIC"):
                raise Unread
            return Aggregate(kind=MeasureKind.count)
        case "count", (column,):
            return Aggregate(kind=MeasureKind.count, column=name_of(column), present=True)
        case "corr", (one, other):
            return Aggregate(kind=MeasureKind.correlation, column=name_of(one), other=name_of(other))
        case "median", (column,):
            return Aggregate(kind=MeasureKind.quantile, column=_valued(column), percent=50)
    if name in OF_ONE_COLUMN and len(arguments) == 1:
        return Aggregate(kind=OF_ONE_COLUMN[name], column=_valued(arguments[0]))
    raise Unread


def conditional(node: Node, conditions: Conditions) -> Aggregate | None:
    """An aggregate of the rows that meet a condition; None for any other."""
    if (condition := node.get("filter")) is not None:
        return replace(aggregate_of({**node, "filter": None}), only=conditions(condition))
    name, distinct, arguments = str(node.get("function_name")).lower(), bool(node.get("distinct")), node["arguments"]
    if name == "count_if":
        _, (condition,) = call_of(node)
        return Aggregate(kind=MeasureKind.count, only=conditions(condition))
    if len(arguments) != 1 or arguments[0]["expression"].get("type") != "CASE_EXPR":
        return None
    _, (case,) = call_of(node, distinct=distinct)
    opened(case, "CASE_EXPR", "case_checks", "else_expr")
    (arm,), otherwise = case["case_checks"], case.get("else_expr")
    if set(arm) != {"when_expr", "then_expr"}:
        raise Unread
    nothing = otherwise is None or is_null(otherwise)
    value = arm["then_expr"]
    literal = literal_of(value) if value.get("type") == "VALUE_CONSTANT" else None
    zero = not nothing and otherwise is not None and literal_of(otherwise) == ("INTEGER", "0")
    if name == "sum" and not distinct and literal == ("INTEGER", "1") and (nothing or zero):
        made = Aggregate(kind=MeasureKind.count)
    elif not nothing:
        raise Unread
    elif name == "count" and literal is not None and not distinct and literal[0] in ("INTEGER", "NUMERIC", "STRING"):
        made = Aggregate(kind=MeasureKind.count)
    elif name == "count":
        kind = MeasureKind.persons if distinct else MeasureKind.count
        made = Aggregate(kind=kind, column=name_of(value), present=not distinct)
    elif name in OF_ONE_COLUMN and not distinct:
        made = Aggregate(kind=OF_ONE_COLUMN[name], column=name_of(value))
    else:
        raise Unread
    return replace(made, only=conditions(arm["when_expr"]))


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
    return Aggregate(kind=MeasureKind.quantile, column=_valued(column), percent=percent_of(text))


def _valued(node: Node) -> Name | Days:
    """The plain column that an aggregate is of, or the days between two dates."""
    return difference_of(node) or name_of(node)


def difference_of(node: Node) -> Days | None:
    """The days between two dates, or their years less each other; None for anything else."""
    name = str(node.get("function_name")).lower()
    if node.get("type") != "FUNCTION" or node.get("distinct") or name not in ("-", "datediff", "date_diff"):
        return None
    match call_of(node):
        case "-", (until, since):
            if until.get("type") != "FUNCTION":
                return Days(since=_dated(since), until=_dated(until))
            if since.get("type") == "FUNCTION":
                return Days(since=year_of(since), until=year_of(until), unit=Unit.years)
            return Days(since=name_of(since), until=year_of(until), unit=Unit.age)
        case (("datediff" | "date_diff"), (unit, since, until)):
            named = name_of(unit).column if unit.get("type") == "COLUMN_REF" else literal_of(unit)[1]
            if (counted := named.lower().removesuffix("s")) in ("day", "year"):
                return Days(since=_dated(since), until=_dated(until), unit=Unit.years if counted == "year" else None)
    raise Unread


def shifted_of(node: Node) -> Shifted | None:
    """A date with days added or taken off; None for anything else."""
    if node.get("type") != "FUNCTION" or node.get("function_name") not in ("+", "-"):
        return None
    sign, (date, added) = call_of(node)
    if added.get("type") == "OPERATOR_CAST":
        kind, text = literal_of(cast_of(added, "interval"))
        number, _, unit = text.partition(" ")
        if kind != "STRING" or unit.lower() not in ("day", "days"):
            raise Unread
    elif added.get("type") == "FUNCTION" and added.get("function_name") == "to_days":
        # INTERVAL 30 DAY is a whole number of days, whatever was written.
        _, (whole,) = call_of(added)
        _, (truncated,) = call_of(cast_of(whole, "integer"))
        kind, number = literal_of(cast_of(truncated, "double"))
        if kind not in ("INTEGER", "STRING"):
            raise Unread
    else:
        return None
    if not re.fullmatch(r"\d{1,5}", number):
        raise Unread
    return Shifted(column=name_of(date), days=int(number) * (1 if sign == "+" else -1))


def year_of(node: Node) -> Name:
    """The date whose year is taken."""
    split = dated(node) if str(node.get("function_name")).lower() in PARTS else None
    if split is None or split.bin is not Bin.year or not isinstance(split.column, Name):
        raise Unread
    return split.column


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
    return Split(column=difference_of(arguments[0]) or name_of(arguments[0]), width=_width(number))


def _share(hundred: Node, over: Node) -> Aggregate:
    name, arguments = call_of(hundred)
    if name != "*" or len(arguments) != 2:
        raise Unread
    number, counted = arguments if arguments[0].get("type") == "VALUE_CONSTANT" else arguments[::-1]
    if literal_of(number)[1] not in ("100", "100.0"):
        raise Unread
    opened(
        over, "WINDOW_AGGREGATE", "partitions", "arguments", "qualified_name",
        function_name="sum", start="UNBOUNDED_PRECEDING", end="CURRENT_ROW_RANGE", exclude_clause="NO_OTHER",
    )  # fmt: skip
    _, (summed,) = name_and_arguments(over)
    part, whole = aggregate_of(counted), aggregate_of(summed)
    within = tuple(by for node in over["partitions"] if isinstance(by := _what(node, _no_cases), Split))
    share = share_of(part, whole, within)
    if share is None or len(within) < len(over["partitions"]):
        raise Unread
    return share


def _no_cases(_node: Node) -> Condition:
    raise Unread
