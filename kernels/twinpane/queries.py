"""Questions to the sites' brokers: SQL or the builder become a plan, the plan goes to every site, the releases come back as one table."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError

from twinpane_broker import errors as broker
from twinpane_broker.plan import Bin, Group, Join, Measure, MeasureKind, Plan
from twinpane_broker.predicates import AllOf, In, Missing, Predicate, Range, Window

from . import _host
from .errors import Refused
from .results import Table


def sql(text: str) -> Table:
    """See ``twinpane.sql``."""
    from twinpane_broker.sql import parse_sql

    try:
        plan = parse_sql(text)
    except broker.Refused as refusal:
        raise Refused(refusal.reason, str(refusal.code)) from None
    return ask(plan)


def ask(plan: Plan) -> Table:
    """Send a plan to every site and join what they released; raises Refused or TwinpaneError when no site released anything.

    Order and limit stay here: they are done on the joined table, so every site is asked the plain question.
    """
    question = plan.model_copy(update={"order_by": (), "limit": None})
    return Table.of(plan, _host.call("query", plan=question.model_dump(mode="json")))


class Question:
    """A question under construction: each step gives a new one, a measure asks it."""

    def __init__(self, table: str) -> None:
        """A question about the rows of ``table``."""
        self._parts: dict[str, Any] = {"table": table}
        self._where: tuple[Predicate, ...] = ()

    def _with(self, where: tuple[Predicate, ...] = (), **parts: Any) -> "Question":
        made = Question(self._parts["table"])
        made._parts = self._parts | parts
        made._where = self._where + where
        return made

    def join(self, table: str, key: str, other: str | None = None) -> "Question":
        """Join one more table where this table's ``key`` equals the other's (of the same name unless ``other`` names it)."""
        joins = self._parts.get("joins", ())
        added = _made(Join, table=table, left=self._column(key), right=f"{table}.{other or key.rpartition('.')[2]}")
        return self._with(joins=(*joins, added))

    def where(self, conditions: Mapping[str, Any] | None = None, /, **more: Any) -> "Question":
        """Keep rows for which all conditions hold.

        ``sex="F"`` one code, ``sex=["F", "M"]`` any of them, ``age=(40, 64)`` from 40 to 64 (either may be None), two dates as a
        tuple a window of time with both days in it, ``None`` a missing value. Columns of joined tables: ``{"person.sex": "F"}``.
        """
        given = {**(conditions or {}), **more}
        return self._with(where=tuple(_condition(self._column(name), value) for name, value in given.items()))

    def group_by(self, *columns: str, **dates: str) -> "Question":
        """Split by dimensions, and by dates with their bin: ``group_by("sex", visit_start_date="year")``."""
        groups = [_made(Group, column=self._column(name)) for name in columns]
        for name, step in dates.items():
            if step not in tuple(Bin):
                raise Refused(f"dates group by month, quarter or year, not by {step!r}", "grammar")
            groups.append(_made(Group, column=self._column(name), bin=Bin(step)))
        return self._with(group_by=(*self._parts.get("group_by", ()), *groups))

    def count(self) -> Table:
        """Number of rows in each cell."""
        return self._ask(Measure(kind=MeasureKind.count))

    def persons(self) -> Table:
        """Number of distinct persons in each cell."""
        return self._ask(Measure(kind=MeasureKind.persons))

    def mean(self, column: str) -> Table:
        """Mean of a measure in each cell, over the rows that have a value."""
        return self._ask(_made(Measure, kind=MeasureKind.mean, column=self._column(column)))

    def crosstab(self, rows: str, columns: str) -> Table:
        """Distinct persons by two dimensions, shown as a grid."""
        table = self.group_by(rows, columns).persons()
        table.grid = True
        return table

    def _column(self, name: str) -> str:
        return name if "." in name else f"{self._parts['table']}.{name}"

    def _ask(self, measure: Measure) -> Table:
        where = None if not self._where else self._where[0] if len(self._where) == 1 else AllOf(terms=self._where)
        return ask(_made(Plan, **self._parts, where=where, measures=(measure,)))

    def __repr__(self) -> str:
        """What is still to do: a question by itself asks nothing."""
        return f"A question about {self._parts['table']}, not asked yet: end it with .count(), .persons(), .mean(…) or .crosstab(…, …)."


def _made(part: type, /, **fields: Any) -> Any:
    try:
        return part(**fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        raise Refused(f"the question cannot be asked so: {text}{f' (at {where})' if where else ''}", "grammar") from None


def _condition(column: str, value: Any) -> Predicate:
    if value is None:
        return _made(Missing, column=column)
    if isinstance(value, tuple):
        return _interval(column, value)
    if isinstance(value, str | bool | int | float) or hasattr(value, "item"):
        value = [value]
    if not isinstance(value, Iterable):
        raise Refused(f"a condition on {column} is a code, a list of codes, a tuple of two ends, or None", "grammar")
    return _made(In, column=column, codes=tuple(code.item() if hasattr(code, "item") else code for code in value))


def _interval(column: str, ends: tuple[Any, ...]) -> Predicate:
    if len(ends) != 2 or ends == (None, None):
        raise Refused(f"a tuple is an interval with two ends, as in (40, 64); write codes of {column} as a list", "grammar")
    low, high = (end.item() if hasattr(end, "item") else end for end in ends)
    days = [_day(end) for end in (low, high)]
    if any(days):
        if any(end is not None and day is None for end, day in zip((low, high), days, strict=True)):
            raise Refused(f"both ends of the window on {column} are dates, as in (“2019-01-01”, “2019-12-31”)", "grammar")
        return _made(Window, column=column, start=days[0], end=days[1], through=days[1] is not None)
    if any(isinstance(end, str | bool) for end in (low, high)):
        raise Refused(f"a tuple is an interval of numbers or dates; write codes of {column} as a list", "grammar")
    return _made(Range, column=column, low=low, high=high, through=high is not None)


def _day(end: Any) -> date | None:
    if isinstance(end, date):
        return date(end.year, end.month, end.day)
    if isinstance(end, str):
        try:
            return date.fromisoformat(end)
        except ValueError:
            return None
    return None


