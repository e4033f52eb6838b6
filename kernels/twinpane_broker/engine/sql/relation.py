"""A first event as a table of the store: each person of such events, with the first day and its month, a value on it, or a number."""

from collections.abc import Mapping

from twinpane_broker.check.first_day_tables import MOST_KINDS
from twinpane_broker.question.firsts import DAY, First

from .dialect import PERSON
from .layout import clipped_name, month_name, value_name
from .predicate_sql import Conditions


def relation(table: str, firsts: Mapping[str, First], conditions: Conditions) -> str:
    """The SQL of a table of FROM: one of the store, or a first event. Its literals are bound by ``conditions``."""
    dialect, first = conditions.dialect, firsts.get(table)
    if first is None:
        return dialect.table(table)
    date = first.event.date
    if date is None:
        counted = f"count(DISTINCT {_known(first, conditions)})"
        beyond = f"CASE WHEN {counted} > {MOST_KINDS} THEN 1 END AS {dialect.quoted(clipped_name(first.number))}"
        number = f"CASE WHEN {counted} > {MOST_KINDS} THEN {MOST_KINDS} ELSE {counted} END"
        chosen, source = [f"{number} AS {dialect.quoted(first.number)}", beyond], _rows(first, conditions)
    else:
        chosen = [
            f"min(x.{dialect.quoted(stored)}) AS {dialect.quoted(shown)}"
            for stored, shown in ((date, DAY), (month_name(date), month_name(DAY)))
        ]
        source = _rows(first, conditions)
        if first.value is not None:
            chosen, source = _with_value(first, first.value, chosen, source, conditions)
    return f"(SELECT x.{PERSON} AS {PERSON}, {', '.join(chosen)} {source} GROUP BY x.{PERSON})"


def _rows(first: First, conditions: Conditions) -> str:
    """FROM and WHERE of the events, as ``x``."""
    inner = Conditions(conditions.catalogue, conditions.dialect, lambda _table: "x", conditions.parameters)
    where = f" WHERE {inner.sql(first.event.where)}" if first.event.where is not None else ""
    return f"FROM {conditions.dialect.table(first.event.table)} x{where}"


def _known(first: First, conditions: Conditions) -> str:
    """The code that is counted; each code that is not approved is one of its own."""
    return f"x.{conditions.dialect.quoted(first.kinds or '')}"


def _with_value(first: First, value: str, chosen: list[str], source: str, conditions: Conditions) -> tuple[list[str], str]:
    """The rows of the first day alone, and their smallest value: of a person whose events all lack a day, of all of them."""
    dialect = conditions.dialect
    column = conditions.catalogue.known_table(first.event.table).known_column(value)
    day = dialect.quoted(first.event.date or "")
    # The literals of the inner conditions come first in the text.
    outer = _rows(first, conditions)
    earliest = f"SELECT x.{PERSON} AS p, min(x.{day}) AS d {source} GROUP BY x.{PERSON}"
    head, where, condition = outer.partition(" WHERE ")
    joined = f"{head} JOIN ({earliest}) e ON e.p = x.{PERSON} AND (e.d IS NULL OR e.d = x.{day}){where}{condition}"
    chosen = [
        *chosen,
        f"min(x.{dialect.quoted(value_name(column))}) AS {dialect.quoted(value)}",
        f"min(x.{dialect.quoted(clipped_name(value))}) AS {dialect.quoted(clipped_name(value))}",
    ]
    return chosen, joined
