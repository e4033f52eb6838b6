"""A first event as a table of the store: each person of such events, with the first day and its month."""

from collections.abc import Mapping

from twinpane_broker.question.cohort import Event
from twinpane_broker.question.firsts import DAY

from .dialect import PERSON
from .layout import month_name
from .predicate_sql import Conditions


def relation(table: str, firsts: Mapping[str, Event], conditions: Conditions) -> str:
    """The SQL of a table of FROM: one of the store, or a first event. Its literals are bound by ``conditions``."""
    dialect, event = conditions.dialect, firsts.get(table)
    if event is None:
        return dialect.table(table)
    if event.date is None:
        raise ValueError("a first event has a day")
    inner = Conditions(conditions.catalogue, dialect, lambda _table: "x", conditions.parameters)
    where = f" WHERE {inner.sql(event.where)}" if event.where is not None else ""
    days = ", ".join(
        f"min(x.{dialect.quoted(stored)}) AS {dialect.quoted(shown)}"
        for stored, shown in ((event.date, DAY), (month_name(event.date), month_name(DAY)))
    )
    return f"(SELECT x.{PERSON} AS {PERSON}, {days} FROM {dialect.table(event.table)} x{where} GROUP BY x.{PERSON})"  # noqa: S608
