"""A question under construction: the steps that narrow and split it, and the measures that ask it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from twinpane.catalogues.bin_width import sensible_width
from twinpane.catalogues.completion import ColumnName, Columns, columns
from twinpane.errors import Refused
from twinpane.tables.table import View
from twinpane_broker import (
    Arm,
    Bin,
    Case,
    Count,
    Difference,
    Event,
    First,
    Group,
    Having,
    In,
    Join,
    Measure,
    Order,
    Plan,
    Predicate,
    Role,
    Unit,
    conjuncts,
    names_used,
)

from . import named_measures
from .builder_words import asked
from .cost import Cost, cost_of
from .plan_part import made
from .profile import Profile
from .python_predicates import all_of, any_of, condition, mapping, negated
from .result import Result
from .sql_text import person_key, sql_of

By = str | Iterable[str] | Mapping[str, str | float]
"""What ``by=`` takes: see ``Question.split``."""


class Question:
    """A question under construction: each step gives a new one, a measure asks it.

    ``t = tp.table("person")``; then ``t.where(…)``, ``t.group_by(…)`` narrow and split, and ``t.count()``, ``t.mean("age")``,
    ``t.crosstab("sex", "race")``, ``t.histogram("age")``, ``t.describe("age")`` ask. ``columns`` are the table's columns by name, for
    completion: ``t.columns.sex``, or ``t["sex"]``.
    """

    def __init__(self, table: str) -> None:
        """A question about the rows of ``table``."""
        self._parts: dict[str, Any] = {"table": str(table)}
        self._where: tuple[Predicate, ...] = ()
        self._firsts: dict[str, First] = {}
        # An attribute, not a property: completion does not evaluate properties.
        self.columns = Columns(str(table))

    def _with(self, where: tuple[Predicate, ...] = (), **parts: Any) -> "Question":
        made_ = Question(self._parts["table"])
        made_._parts = self._parts | parts
        made_._where = self._where + where
        made_._firsts = self._firsts
        return made_

    # ------------------------------------------------------------ whom it is about

    def join(self, table: str, key: str, other: str | None = None) -> "Question":
        """Join one more table where this table's ``key`` equals the other's (of the same name unless ``other`` names it).

        ``tp.table("measurement").join("person", "person_id").group_by("person.sex").mean("value_as_number")``
        """
        joins = self._parts.get("joins", ())
        added = made(Join, table=table, left=self._column(key), right=f"{table}.{other or key.rpartition('.')[2]}")
        return self._with(joins=(*joins, added))

    def where(self, conditions: Mapping[str, Any] | None = None, /, **more: Any) -> "Question":
        """Keep rows for which all conditions hold.

        ``sex="F"``: one code. ``sex=["F", "M"]``: any of these. ``age=(40, 64)``: from 40 to 64, either of which may be None.
        ``weight=slice(50, 80)``: from 50 to below 80. Two dates as a tuple: from the first day to the last, both included. ``None``: a
        missing value. Columns of joined tables: ``{"person.sex": "F"}``.
        """
        return self._with(where=self._conditions(conditions, more))

    def where_below(self, conditions: Mapping[str, Any] | None = None, /, **more: Any) -> "Question":
        """Keep rows with these codes or their descendants in the site's vocabulary: ``where_below(condition_concept_id=201826)``."""
        terms = self._conditions(conditions, more)
        if wrong := [name for name, term in zip({**(conditions or {}), **more}, terms, strict=True) if not isinstance(term, In)]:
            raise Refused(f"a code or a list of codes has others below it: {wrong[0]} is compared with something else", "grammar")
        return self._with(where=tuple(term.model_copy(update={"descendants": True}) for term in terms))

    def where_any(self, *conditions: Mapping[str, Any], **more: Any) -> "Question":
        """Keep rows for which at least one condition holds. A mapping is one condition: all its parts must hold.

        ``where_any({"sex": "F", "age": (50, None)}, smoker=True)``: women from 50, or smokers.
        """
        terms = [made_ for one in conditions if (made_ := all_of(self._conditions(one, {}))) is not None]
        terms += self._conditions(None, more)
        return self._with(where=(any_of(tuple(terms)),)) if terms else self

    def where_not(self, conditions: Mapping[str, Any] | None = None, /, **more: Any) -> "Question":
        """Keep rows for which at least one condition is known to fail. A missing value is not known; ask ``where(…=None)`` for those."""
        terms = self._conditions(conditions, more)
        return self._with(where=(negated(terms),)) if terms else self

    def cohort(self, cohort: Any) -> "Question":
        """Keep the persons of a cohort that ``tp.cohort(…)`` defines."""
        return self._with(cohort=getattr(cohort, "definition", cohort))

    def first(
        self, name: str, table: str, conditions: Mapping[str, Any] | None = None, /, *, date: str, value: str | None = None, **more: Any
    ) -> "Question":
        """Know the day of each person's first such event as ``name.day``. Persons without one are left out.

        ``tp.table("observation_period").first("dx", "condition_occurrence", date="condition_start_date", condition_concept_id=201826)``.
        Its day groups (``group_by(**{"dx.day": "year"})``), is compared (``where``), and has days counted from or to it
        (``days("wait", "dx.day", "observation_period_end_date").mean("wait")``). ``conditions`` are as in ``where``, on ``table``.
        With ``value="value_as_number"`` its value on that day, of several the smallest, is a measure: ``mean("dx.value_as_number")``.
        """
        event = made(Event, table=table, where=_of_events(table, conditions, more), date=date)
        return self._known(name, made(First, event=event, value=value))

    def kinds(self, name: str, table: str, column: str, conditions: Mapping[str, Any] | None = None, /, **more: Any) -> "Question":
        """Know of each person how many different codes of a column they have, as ``name.number``: drugs, conditions, kinds of visit.

        ``tp.table("person").kinds("drugs", "drug_exposure", "drug_concept_id").group_by(**{"drugs.number": 1}).persons()``. Persons
        without a row are left out. It is a measure: ``mean("drugs.number")``, ``cases("drugs.number", few=(1, 4), otherwise="many")``.
        """
        event = made(Event, table=table, where=_of_events(table, conditions, more))
        return self._known(name, made(First, event=event, kinds=column))

    def _known(self, name: str, first: First) -> "Question":
        question = self._with()
        question._firsts = {**self._firsts, str(name): first}
        return question

    # ------------------------------------------------------------ what it is split by

    def group_by(self, *columns: str, **bins: str | float) -> "Question":
        """Split by dimensions, by dates binned by month, quarter or year, and by measures in bins of a width.

        ``group_by("sex", visit_start_date="year", age=10)``: by sex, year, and tens of years of age. Bins of joined tables' columns:
        ``group_by(**{"person.age": 10})``.
        """
        groups = [made(Group, column=self._column(name)) for name in columns]
        for name, step in bins.items():
            if isinstance(step, str) and step not in tuple(Bin):
                raise Refused(f"dates group by month, quarter or year, not by {step!r}", "grammar")
            binned = {"bin": Bin(step)} if isinstance(step, str) else {"width": step.item() if hasattr(step, "item") else step}
            groups.append(made(Group, column=self._column(name), **binned))
        return self._with(group_by=(*self._parts.get("group_by", ()), *groups))

    def split(self, by: By) -> "Question":
        """Split by a column, several, or bins: ``"sex"``, ``["sex", "race"]``, ``{"birth": "year"}``. Nothing splits nothing."""
        return self.group_by(**by) if isinstance(by, Mapping) else self.group_by(*((by,) if isinstance(by, str) else by))

    def cases(self, column: str, label: str = "", *, otherwise: Any = None, **named: Any) -> "Question":
        """Split by named cases of one column: ``cases("age", child=(0, 17), adult=(18, 64), otherwise="old")``.

        Each case is what ``where`` takes: a code, a list of codes, two ends, a window, or None for missing. A row goes to the first that
        holds for it; all others, those without a value too, go to ``otherwise``, or are shown as missing.
        """
        reference = self._column(column)
        arms = []
        for name, value in named.items():
            arms.append(made(Arm, category=name, where=condition(reference, value)))
        group = made(Group, column=reference, case=made(Case, arms=tuple(arms), otherwise=otherwise), label=label or None)
        return self._with(group_by=(*self._parts.get("group_by", ()), group))

    def having(self, **least: float | tuple[float | None, float | None]) -> "Question":
        """Keep rows of the released table by a measure's number: ``having(persons=100)`` from 100, ``having(mean_age=(40, 65))`` to 65.

        It works on what was released and pooled, by the measure's name in the result. What is suppressed is left out.
        """
        kept = []
        for name, ends in least.items():
            low, high = ends if isinstance(ends, tuple) else (ends, None)
            kept += [made(Having, by=name, op=op, value=end) for op, end in ((">=", low), ("<=", high)) if end is not None]
        return self._with(having=(*self._parts.get("having", ()), *kept))

    def days(self, name: str, since: str, until: str) -> "Question":
        """Name the days between two dates of each row, to be asked of like a measure: ``days("stay", "visit_start_date",
        "visit_end_date").mean("stay")``. They are clipped to bounds that follow from the catalogue. They group and are compared too:
        ``.cases("stay", short=(0, 6), otherwise="long")``, ``.where(stay=(0, 30))``.
        """
        reference = f"{self._column(until).partition('.')[0]}.{name}"
        return self._named(reference, since, until)

    def age(self, name: str, born: str, at: str) -> "Question":
        """Name the age at an event: the year of its date less a column that holds years. It is asked of like a measure, grouped, compared:
        ``age("age_at_dx", "person.year_of_birth", "condition_start_date").group_by(age_at_dx=10).persons()``.
        """
        return self._named(f"{self._column(at).partition('.')[0]}.{name}", born, at, Unit.age)

    def _named(self, reference: str, since: str, until: str, unit: Unit | None = None) -> "Question":
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name := reference.partition(".")[2]):
            raise Refused(f"{name!r:.80} is no name: it has letters, digits and _ alone, as length_of_stay", "grammar")
        added = made(Difference, name=reference, since=self._column(since), until=self._column(until), unit=unit)
        return self._with(differences=(*self._parts.get("differences", ()), added))

    def totals(self) -> "Question":
        """Ask for totals over every dimension too, shown as the last rows. Sites protect them together with the cells."""
        return self._with(margins=True)

    def order_by(self, *names: str, descending: bool = False) -> "Question":
        """Sort the released table by its columns: ``order_by("persons", descending=True)``. Suppressed numbers come last."""
        orders = tuple(made(Order, by=name, descending=descending) for name in names)
        return self._with(order_by=(*self._parts.get("order_by", ()), *orders))

    def limit(self, rows: int) -> "Question":
        """Show only the first rows of the released table."""
        return self._with(limit=rows)

    # ------------------------------------------------------------ what is asked of it

    def count(self) -> Result:
        """Number of rows in each cell."""
        return self._ask("count")

    def persons(self) -> Result:
        """Number of distinct persons in each cell."""
        return self._ask("persons")

    def share(self, within: str | Iterable[str] | None = None) -> Result:
        """Percent of the question's persons in each cell. With ``within="sex"`` they add up to 100 % in each category of sex."""
        return self._ask(named_measures.share(self._column, within))

    def mean(self, *columns: str) -> Result:
        """Mean of measures in each cell, over the rows that have a value, clipped to the catalogue's bounds."""
        return self._ask(mean=columns)

    def sum(self, *columns: str) -> Result:
        """Sum of measures in each cell."""
        return self._ask(sum=columns)

    def sd(self, *columns: str) -> Result:
        """Sample standard deviation of measures in each cell, with their means, so that sites can be pooled."""
        return self._ask(mean=columns, sd=columns)

    def var(self, *columns: str) -> Result:
        """Sample variance of measures in each cell, with their means, so that sites can be pooled."""
        return self._ask(mean=columns, var=columns)

    def median(self, *columns: str) -> Result:
        """Median of measures in each cell, on the catalogue's grid."""
        return self._ask(median=columns)

    def quantiles(self, column: str, percents: Iterable[int] = named_measures.QUARTILES, *, by: By = ()) -> Result:
        """Quantiles of a measure in each cell, on the catalogue's grid. ``percents`` are some of 5, 10, 25, 50, 75, 90 and 95.

        They are per site: quantiles cannot be pooled. ``histogram`` can. ``by`` is as in ``split``.
        """
        return self.split(by)._ask(quantiles={column: percents})

    def correlation(self, column: str, other: str, *, by: By = ()) -> Result:
        """Pearson's correlation of two measures in each cell, over the rows that have both. ``by`` is as in ``split``."""
        asked = named_measures.correlation(self._column, column, other)
        return self.split(by)._ask(asked).seen_as(View.correlation)

    def measures(self, *plain: str, **of_columns: Any) -> Result:
        """Several measures at once: ``measures("persons", mean="age", sd="age", quantiles={"age": (25, 75)})``.

        Without a column: ``"count"``, ``"persons"``, ``"share"``. Of a column or a list of columns: ``mean``, ``sum``, ``sd``, ``var``,
        ``median``, ``p5`` … ``p95``, ``quantiles``; also ``share="sex"`` (within sex) and ``correlation=("age", "weight")``.
        """
        return self._ask(*plain, **of_columns)

    def describe(self, column: str, *, by: By = ()) -> Result:
        """Mean, standard deviation and quantiles from the 5th to the 95th percentile of a measure in each cell. ``by`` as in ``split``."""
        return self.split(by)._ask(**dict.fromkeys(named_measures.DESCRIBED, column)).seen_as(View.describe)

    def histogram(self, column: str, width: float | None = None, *, by: By = ()) -> Result:
        """Number of rows by bins of a measure. ``width`` is in the measure's unit; the default is chosen from the catalogue.

        ``by`` splits the rows first: ``histogram("age", by="sex")``.

        If a measure holds many laboratory values, fix one: ``t.where(measurement_concept_id=3004410).histogram("value_as_number")``.
        """
        reference = self._column(column)
        width = sensible_width(reference, self._held, self._parts.get("differences", ())) if width is None else width
        question = self.split(by).group_by(**{reference: width})
        return question._ask("count").seen_as(View.histogram)

    def profile(self, column: str) -> Profile:
        """A column at a glance, as ``tp.profile`` shows it, over the rows of this question."""
        asked = {
            Role.measure: {"description": lambda: self.describe(column), "histogram": lambda: self.histogram(column)},
            Role.dimension: {"rows by code": lambda: self.group_by(column).count()},
            Role.date: {"rows by year": lambda: self.group_by(**{column: "year"}).count()},
        }
        return Profile.ask(self._column(column), self._held, asked)

    def crosstab(
        self, rows: str, columns: str, *, margins: bool = True, share: str | None = None, values: str | None = None, **bins: str | float
    ) -> Result:
        """Count distinct persons by two columns, shown as a grid with totals.

        ``share`` shows percentages of the ``"rows"``, the ``"columns"`` or of ``"all"``. ``values`` shows the mean of this measure
        instead. ``bins`` are as in ``group_by``, for dates and measures: ``crosstab("sex", "age", age=10)``.
        """
        if share not in (None, "rows", "columns", "all"):
            raise Refused(f"share is of the rows, the columns or all, not of {share!r}", "grammar")
        if share and values:
            raise Refused("a crosstab shows shares or the means of a column, not both; ask for one after the other", "grammar")
        question = self
        for name in (rows, columns):
            question = question.group_by(**{name: bins[name]}) if name in bins else question.group_by(name)
        if unused := set(bins) - {rows, columns}:
            raise Refused(f"{sorted(unused)[0]} is neither the rows nor the columns of this crosstab", "grammar")
        question = question._with(margins=margins)
        if len(question._parts["group_by"]) != 2:
            raise Refused("a crosstab is by two columns: leave group_by out, or end the question with .persons()", "grammar")
        if values:
            return question._ask(mean=values).seen_as(View.crosstab)
        if share:
            within = {"rows": rows, "columns": columns, "all": None}[share]
            return question._ask(named_measures.share(self._column, within)).seen_as(View.crosstab)
        return question._ask("persons").seen_as(View.crosstab)

    # ------------------------------------------------------------ what it says

    def __getitem__(self, name: str) -> ColumnName:
        """A column's name; completes as ``t["…``."""
        return self.columns[name]

    __iter__ = None  # otherwise Python would iterate by asking for items 0, 1, 2 … without end

    def _ipython_key_completions_(self) -> list[str]:
        joined = [join.table for join in self._parts.get("joins", ())]
        own = list(columns(self._parts["table"]))
        days = [f"{name}.day" for name in self._firsts]
        return own + [f"{table}.{name}" for table in joined for name in columns(table)] + days

    def cost(self, *plain: str, **of_columns: Any) -> Cost:
        """What the sites' accounts may be charged for ``measures`` with these arguments (persons by default); see ``tp.cost``."""
        return cost_of(self._plan(named_measures.measures(self._column, plain or (() if of_columns else ("persons",)), of_columns)))

    @property
    def sql(self) -> str:
        """The SQL for the rows of this question so far; ``tp.sql`` reads it back. Raises Refused where SQL cannot express it."""
        return sql_of(self._without("having")._plan((Count(),)))

    def _without(self, *parts: str) -> "Question":
        question = self._with()
        question._parts = {name: part for name, part in question._parts.items() if name not in parts}
        return question

    def _column(self, name: str) -> str:
        table, dot, column = str(name).partition(".")
        if not dot:
            # Days between dates and ages have the name that they were given, of whichever table their dates are.
            apart = (one.name for one in self._parts.get("differences", ()) if one.name.partition(".")[2] == name)
            return next(apart, f"{self._parts['table']}.{name}")
        if table not in self._firsts:
            return str(name)
        first = self._firsts[table]
        return f"{first.name}.{first.number if first.kinds is not None and column == 'number' else column}"

    def _conditions(self, conditions: Mapping[str, Any] | None, more: Mapping[str, Any]) -> tuple[Predicate, ...]:
        given = {**mapping(conditions), **more}
        return tuple(condition(self._column(name), value) for name, value in given.items())

    @property
    def _held(self) -> tuple[Predicate, ...]:
        """The conditions, all of which must hold."""
        return conjuncts(all_of(self._where))

    def _plan(self, measures: tuple[Measure, ...]) -> Plan:
        firsts = tuple({first.name: first for first in self._firsts.values()}.values())
        root = self._parts["table"]
        of_firsts = (
            made(Join, table=first.name, left=f"{root}.{person_key(root)}", right=f"{first.name}.{person_key(first.event.table)}")
            for first in firsts
        )
        parts = self._parts | {"joins": (*self._parts.get("joins", ()), *of_firsts)}
        where = all_of(self._where)
        named = names_used(parts.get("group_by", ()), measures, where)
        parts["differences"] = tuple(one for one in parts.get("differences", ()) if one.name in named)
        return made(Plan, **parts, where=where, measures=measures, firsts=firsts)

    def _ask(self, *plain: str | Measure, **of_columns: Any) -> Result:
        return asked(self._plan(named_measures.measures(self._column, plain, of_columns)))

    def __repr__(self) -> str:
        """A hint to call a measure: a question by itself asks nothing."""
        return (
            f"A question about {self._parts['table']}, not asked yet: end it with .count(), .persons(), .mean(…), .crosstab(…, …), "
            ".histogram(…), .describe(…) or another measure."
        )


def _of_events(table: str, conditions: Mapping[str, Any] | None, more: Mapping[str, Any]) -> Predicate | None:
    """Conditions on the rows of a table of events."""
    given = {**(conditions or {}), **more}
    return all_of(tuple(condition(column if "." in column else f"{table}.{column}", value) for column, value in given.items()))
