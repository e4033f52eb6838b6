"""Writes a checked cohort as SQL over the store: candidates for the index date, and steps that leave some of them out.

A candidate is a person and a day. If steps ask for it, it also has the period of observation around that day. All days stay in the
engine; the result names only the persons in the cohort. The SQL is standard, without windows; only counting days is engine-specific.
"""

from collections.abc import Callable

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.question.cohort import Aged, Cohort, Criterion, Entry, Event, Happened, Indexed, Observation, Step, Times
from twinpane_broker.question.plan import split

from .dialect import PERSON, Dialect, Parameter, Sql
from .predicate_sql import Conditions

_COMPARED = {Times.at_least: ">=", Times.at_most: "<=", Times.exactly: "="}


def cohort_persons_sql(cohort: Cohort, bound: ResolvedPlan, dialect: Dialect) -> Sql:
    """The persons of a checked cohort, each once, as one column ``twinpane_p``; may stand as a subquery.

    Without an entry event they are persons of the first table that the question chooses from.
    """
    candidates = _Candidates(cohort, bound.catalogue, dialect, bound.populated[0])
    return candidates.sql(f"SELECT DISTINCT i.p AS {PERSON} FROM {candidates.last} i")  # noqa: S608


class _Candidates:
    """The statement under construction: named parts, each made from earlier ones, with parameters in the order of the text."""

    def __init__(self, cohort: Cohort, catalogue: Catalogue, dialect: Dialect, everybody: str) -> None:
        self._catalogue = catalogue
        self._dialect = dialect
        self._parts: list[str] = []
        self.parameters: list[Parameter] = []
        observed = any(isinstance(criterion, Happened) and criterion.observed for criterion in cohort.criteria)
        self._key = ("p", "d", "s", "t") if observed else ("p", "d") if cohort.entry is not None else ("p",)
        self.last = self._entry(cohort.entry) if cohort.entry is not None else self._everybody(everybody)
        for step in cohort.steps:
            self.last = self._step(step)

    def sql(self, select: str) -> Sql:
        """The whole statement. ``select`` takes its rows from ``last``, the candidates left after all steps."""
        return f"WITH {', '.join(self._parts)} {select}", self.parameters

    def _part(self, body: str) -> str:
        name = f"twinpane_c{len(self._parts)}"
        self._parts.append(f"{name} AS ({body})")
        return name

    def _columns(self, alias: str) -> str:
        return ", ".join(f"{alias}.{column}" for column in self._key)

    def _same(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{column} = {other}.{column}" for column in self._key)

    def _entry(self, entry: Entry) -> str:
        # UNION removes duplicates: if two events on one day let a person in, that day is one candidate.
        entered = self._part(" UNION ".join(self._event(event) for event in entry.events))
        if entry.observation is not None:
            entered = self._part(self._under(entry.observation, entered))
        return self._earliest(entered) if entry.first else entered

    def _everybody(self, table: str) -> str:
        return self._part(f"SELECT DISTINCT x.{PERSON} AS p FROM {self._dialect.table(table)} x")  # noqa: S608

    def _under(self, observation: Observation, entered: str) -> str:
        start, end = (f"o.{self._dialect.quoted(name)}" for name in (observation.start, observation.end))
        period = f", {start} AS s, {end} AS t" if len(self._key) > 2 else ""
        return (
            f"SELECT DISTINCT i.p, i.d{period} FROM {entered} i "  # noqa: S608
            f"JOIN {self._dialect.table(observation.table)} o ON o.{PERSON} = i.p "
            f"WHERE {self._dialect.days_between('i.d', start)} >= {int(observation.prior_days)} "
            f"AND {self._dialect.days_between(end, 'i.d')} >= {int(observation.post_days)}"
        )

    def _earliest(self, of: str) -> str:
        return self._part(
            f"SELECT {self._columns('i')} FROM {of} i "  # noqa: S608
            f"JOIN (SELECT p, min(d) AS d FROM {of} GROUP BY p) m ON m.p = i.p AND m.d = i.d"
        )

    def _event(self, event: Event, last: str = "") -> str:
        """The events: persons and, where the event has a day, days; with the column ``last``, its days too, as ``e``."""
        conditions = Conditions(self._catalogue, self._dialect, lambda _table: "x")
        day = f"x.{self._dialect.quoted(event.date)}" if event.date is not None else None
        holds = [f"{day} IS NOT NULL"] if day is not None else []
        holds += [conditions.sql(event.where)] if event.where is not None else []
        self.parameters.extend(conditions.parameters)
        chosen = f"x.{PERSON} AS p" + (f", {f'min({day})' if event.first else day} AS d" if day is not None else "")
        chosen += f", x.{self._dialect.quoted(last)} AS e" if last else ""
        where = f" WHERE {' AND '.join(holds)}" if holds else ""
        grouped = f" GROUP BY x.{PERSON}" if event.first else ""
        return f"SELECT {chosen} FROM {self._dialect.table(event.table)} x{where}{grouped}"  # noqa: S608

    def _step(self, step: Step) -> str:
        before = self.last
        joins: list[str] = []
        holds = [self._criterion(criterion, before, joins) for criterion in step.criteria]
        # Conditions bind their literals only now, because the literals of earlier parts come first.
        condition = f"({(' OR ' if step.any else ' AND ').join(make() for make in holds)})"
        kept = f"NOT {condition}" if step.exclude else condition
        after = self._part(f"SELECT {self._columns('i')} FROM {before} i{''.join(joins)} WHERE {kept}")  # noqa: S608
        return self._earliest(after) if step.first else after

    def _criterion(self, criterion: Criterion, before: str, joins: list[str]) -> Callable[[], str]:
        """Add a join with the events that the criterion counts; returns the criterion's condition, which is never NULL."""
        if isinstance(criterion, Indexed):
            return lambda: self._indexed(criterion)
        if isinstance(criterion, Aged):
            counted, on = self._part(self._of_age(criterion, before)), self._same
            compared = ">= 1"
        else:
            dated = criterion.event.date is not None
            counted = self._part(self._counted(criterion, before) if dated else self._ever(criterion))
            on = self._same if dated else lambda one, other: f"{one}.p = {other}.p"
            compared = f"{_COMPARED[criterion.times]} {int(criterion.count)}"
        alias = f"k{len(joins)}"
        joins.append(f" LEFT JOIN {counted} {alias} ON {on(alias, 'i')}")
        return lambda: f"coalesce({alias}.n, 0) {compared}"

    def _counted(self, criterion: Happened, before: str) -> str:
        apart = self._dialect.days_between("v.d", "i.d")
        within = [f"{apart} >= {int(criterion.start)}"] if criterion.start is not None else []
        within += [f"{apart} <= {int(criterion.end)}"] if criterion.end is not None else []
        within += ["v.d >= i.s AND v.d <= i.t"] if criterion.observed else []
        ending = criterion.ending
        if ending is not None:
            last = f"(CASE WHEN v.e IS NULL THEN {apart} + 1 ELSE {self._dialect.days_between('v.e', 'i.d')} END)"
            within += [f"{last} >= {int(ending.start)}"] if ending.start is not None else []
            within += [f"{last} <= {int(ending.end)}"] if ending.end is not None else []
        events = self._event(criterion.event, ending.date if ending is not None else "")
        return (
            f"SELECT {self._columns('i')}, count(*) AS n FROM {before} i "  # noqa: S608
            f"JOIN ({events}) v ON {' AND '.join(['v.p = i.p', *within])} GROUP BY {self._columns('i')}"
        )

    def _ever(self, criterion: Happened) -> str:
        return f"SELECT v.p, count(*) AS n FROM ({self._event(criterion.event)}) v GROUP BY v.p"  # noqa: S608

    def _of_age(self, criterion: Aged, before: str) -> str:
        table, _ = split(criterion.birth)
        age = f"(EXTRACT(YEAR FROM i.d) - {Conditions(self._catalogue, self._dialect, lambda _table: 'x').year(criterion.birth)})"
        ends = [f"{age} >= {int(criterion.low)}"] if criterion.low is not None else []
        ends += [f"{age} <= {int(criterion.high)}"] if criterion.high is not None else []
        return (
            f"SELECT {self._columns('i')}, count(*) AS n FROM {before} i "  # noqa: S608
            f"JOIN {self._dialect.table(table)} x ON x.{PERSON} = i.p WHERE {' AND '.join(ends)} GROUP BY {self._columns('i')}"
        )

    def _indexed(self, criterion: Indexed) -> str:
        ends = []
        for sign, day in ((">=", criterion.start), ("<", criterion.end)):
            if day is not None:
                self.parameters.append(day)
                ends.append(f"i.d {sign} {self._dialect.placeholder}")
        return f"({' AND '.join(ends)})"
