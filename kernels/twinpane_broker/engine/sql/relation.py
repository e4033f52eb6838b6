"""A first event as a table of the store: each person of such events, with the first day and its month, a value on it, or a number."""

from collections.abc import Mapping

from twinpane_broker.check.first_day_tables import MOST_KINDS
from twinpane_broker.question.firsts import DAY, First

from .dialect import PERSON
from .layout import clipped_name, month_name, value_name
from .predicate_sql import Conditions


def relation(table: str, firsts: Mapping[str, First], conditions: Conditions) -> str:
    """The SQL of a table of FROM: one of the store, or a first event. Its literals are bound by ``conditions``."""
    first = firsts.get(table)
    if first is None:
        return conditions.dialect.table(table)
    columns, source = _number(first, conditions) if first.event.date is None else _first_day(first, first.event.date, conditions)
    return f"(SELECT x.{PERSON} AS {PERSON}, {', '.join(columns)} {source} GROUP BY x.{PERSON})"


def _number(first: First, conditions: Conditions) -> tuple[list[str], str]:
    """How many codes a person has, clipped, and the mark of what was; each code that is not approved counts. With FROM and WHERE."""
    dialect = conditions.dialect
    counted = f"count(DISTINCT x.{dialect.quoted(first.kinds or '')})"
    number = f"CASE WHEN {counted} > {MOST_KINDS} THEN {MOST_KINDS} ELSE {counted} END AS {dialect.quoted(first.number)}"
    beyond = f"CASE WHEN {counted} > {MOST_KINDS} THEN 1 END AS {dialect.quoted(clipped_name(first.number))}"
    return [number, beyond], f"FROM {dialect.table(first.event.table)} x{_where(first, conditions)}"


def _first_day(first: First, date: str, conditions: Conditions) -> tuple[list[str], str]:
    """The first day and its month, and the smallest value on it. With FROM and WHERE.

    The value of persons whose events all lack a day is the smallest of all these events.
    """
    dialect, events = conditions.dialect, f"FROM {conditions.dialect.table(first.event.table)} x"
    told = [(date, DAY), (month_name(date), month_name(DAY))]
    if first.value is not None:
        column = conditions.catalogue.known_table(first.event.table).known_column(first.value)
        told += [(value_name(column), first.value), (clipped_name(first.value), clipped_name(first.value))]
        day = f"x.{dialect.quoted(date)}"
        earliest = f"SELECT x.{PERSON} AS p, min({day}) AS d {events}{_where(first, conditions)} GROUP BY x.{PERSON}"
        events += f" JOIN ({earliest}) e ON e.p = x.{PERSON} AND (e.d IS NULL OR e.d = {day})"
    columns = [f"min(x.{dialect.quoted(stored)}) AS {dialect.quoted(shown)}" for stored, shown in told]
    return columns, events + _where(first, conditions)


def _where(first: First, conditions: Conditions) -> str:
    """The condition on the events, which are ``x``; its literals are bound each time it is written."""
    inner = Conditions(conditions.catalogue, conditions.dialect, lambda _table: "x", conditions.parameters)
    return f" WHERE {inner.sql(first.event.where)}" if first.event.where is not None else ""
