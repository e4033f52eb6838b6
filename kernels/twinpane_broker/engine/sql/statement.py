"""Writes the broker's own SQL for a checked question. The SQL contains nothing that a researcher typed.

There are three kinds of statement. The first passes once over the rows and adds up each cell. The second finds the exact contributions
of persons, for the few cells where a bound is not enough. The third lists the persons of each cell if no index knows them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.question.plan import Join, split

from .category_keys import AxisKey, Keys
from .dialect import PERSON, Dialect, Parameter, Sql, numbers
from .fine_bins import fine_bin
from .predicate_sql import Conditions
from .relation import relation


@dataclass(frozen=True)
class Question:
    """A checked question, with the parts that its statements share: the engine's dialect, the keys of its axes, and its cohort as SQL."""

    bound: ResolvedPlan
    dialect: Dialect
    keys: Keys
    cohort: Sql | None = None
    """One column of persons' numbers; None where everybody is asked about."""

    @classmethod
    def of(cls, bound: ResolvedPlan, dialect: Dialect, cohort: Sql | None = None, only_listed: Collection[str] = ()) -> "Question":
        """The question of a bound plan. ``only_listed``: the columns that hold no codes but approved ones; engines group these faster."""
        keys = Keys(tuple(AxisKey(axis, bound.column(axis.column), axis.column in only_listed) for axis in bound.axes))
        return cls(bound, dialect, keys, cohort)


def middle(column: Column) -> float:
    """The middle of a measure's bounds, around which squares are summed."""
    return sum(column.known_bounds) / 2


class Statement:
    """One statement of a question under construction. Ask for its parts in the order of the text."""

    def __init__(self, question: Question) -> None:
        self.question = question
        bound = question.bound
        self.conditions = Conditions(
            bound.catalogue, question.dialect, lambda table: f"t{bound.plan.tables.index(table)}",
            differences={one.name: one for one in bound.plan.differences},
        )  # fmt: skip

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters of all placeholders so far."""
        return self.conditions.parameters

    def columns(self) -> list[str]:
        """The stored columns of the axes, and differences of dates."""
        return [self._grouped(key) for key in self.question.keys.axes]

    def _grouped(self, key: AxisKey) -> str:
        if key.by_code:
            return self.conditions.grouped(key.axis.column)
        return self.conditions.difference(key.axis.column) or self.conditions.binned(key.axis.column)

    def key(self) -> str:
        """The row's key (``Keys``), never NULL."""
        return self.question.keys.packed(self.columns(), self.question.dialect)

    def value(self, reference: str) -> str:
        """A measure's clipped value, or NULL if there is none."""
        days = self.conditions.difference(reference)
        if days is None:
            return self.conditions.value(reference)
        low, high = self.question.bound.column(reference).known_bounds
        # The bounds are the broker's own numbers. A comparison with NULL is not true, so the days, then NULL, are what is left.
        return f"(CASE WHEN {days} < {low!r} THEN {low!r} WHEN {days} > {high!r} THEN {high!r} ELSE {days} END)"

    def is_clipped(self, reference: str) -> str:
        """The condition that a measure's value was clipped."""
        days, bound = self.conditions.difference(reference), self.question.bound
        if days is None:
            return f"{self.conditions.clipped(reference)} IS NOT NULL"
        low, high = bound.column(reference).known_bounds
        # A year of birth may have been clipped in the store.
        stored = [f"{self.conditions.clipped(of)} IS NOT NULL" for of in bound.read_by(reference) if bound.column(of).measured]
        return f"({' OR '.join([f'{days} < {low!r} OR {days} > {high!r}', *stored])})"

    def off_middle(self, reference: str) -> str:
        """A measure's distance from the middle of its bounds."""
        return f"({self.value(reference)} - {self.conditions.literal(middle(self.question.bound.column(reference)))})"

    def both(self, one: str, other: str) -> str:
        """An expression that is NULL if either of two measures is NULL."""
        return f"({self.value(one)} + {self.value(other)})"

    def fine_bin(self, reference: str) -> str:
        """The fine bin of a measure that has a value."""
        return fine_bin(self.question.bound.borders(reference), self.value(reference), self.conditions)

    def source(self) -> str:
        """FROM and the joins. Every join also holds the person equal: rows of two persons never meet."""
        plan, firsts = self.question.bound.plan, self.question.bound.firsts
        parts = [f"FROM {relation(plan.table, firsts, self.conditions)} t0"]
        for place, join in enumerate(plan.joins, 1):
            on = [f"t{place}.{PERSON} = t0.{PERSON}"]
            if not joins_persons(self.question.bound, join):
                on.insert(0, f"{self.conditions.column(join.left)} = {self.conditions.column(join.right)}")
            parts.append(f"JOIN {relation(join.table, firsts, self.conditions)} t{place} ON {' AND '.join(on)}")
        return " ".join(parts)

    def where(self, *further: str) -> str:
        """The WHERE of the question, of its cohort and of further conditions; empty if there are none."""
        where = self.question.bound.plan.where
        parts = [self.conditions.sql(where)] if where is not None else []
        if self.question.cohort is not None:
            sql, parameters = self.question.cohort
            self.parameters.extend(parameters)
            parts.append(f"t0.{PERSON} IN (SELECT chosen.{PERSON} FROM ({sql}) chosen)")  # noqa: S608
        parts += further
        return f" WHERE {' AND '.join(parts)}" if parts else ""


def joins_persons(bound: ResolvedPlan, join: Join) -> bool:
    """Whether a join is on the persons alone."""
    return all(bound.table(table).person_key == column for table, column in (split(join.left), split(join.right)))


def cells_sql(question: Question, *, one_value: bool = False) -> Sql:
    """One pass over the rows. A row of the result: the axes' numbers; rows; per value column its count, sum, smallest, largest and
    (where a spread is asked for) sum of squares around the middle; per pair of columns the count and the five sums.

    With ``one_value``, any value comes in place of the smallest and the largest: engines find it many times faster. The numbers are codes'
    own, NULL where missing, and otherwise digits (``AxisKey``). Several rows may belong to one cell.
    """
    statement, bound = Statement(question), question.bound
    columns = _numbers(statement)
    grouped = _grouped(columns)
    columns.append("count(*)")
    for reference in bound.value_columns:
        value = statement.value(reference)
        columns += [f"count({value})", f"sum({value})"]
        columns += [question.dialect.one_of(value)] if one_value else [f"min({value})", f"max({value})"]
        if bound.needs_squares(reference):
            columns.append(f"sum({statement.off_middle(reference)} * {statement.off_middle(reference)})")
    for one, other in bound.value_pairs:
        columns.append(f"count({statement.both(one, other)})")
        for left, right in ((one, None), (other, None), (one, one), (other, other), (one, other)):
            known = f"CASE WHEN {statement.both(one, other)} IS NOT NULL THEN {statement.off_middle(left)}"
            columns.append(f"sum({known} END)" if right is None else f"sum({known} * {statement.off_middle(right)} END)")
    sql = f"SELECT {', '.join(columns)} {statement.source()}{statement.where()}{grouped}"
    return sql, statement.parameters


def ends_sql(question: Question, keys: Collection[int]) -> Sql:
    """The smallest and largest values of cells. A row of the result: the key; per value column the smallest and the largest."""
    statement, places = Statement(question), range(len(question.bound.value_columns))
    columns = [
        f"{statement.key()} AS k",
        *(f"{statement.value(name)} AS v{place}" for place, name in enumerate(question.bound.value_columns)),
    ]
    chosen = f"SELECT {', '.join(columns)} {statement.source()}{statement.where()}"
    ends = ", ".join(f"min(v{place}), max(v{place})" for place in places)
    return f"SELECT k, {ends} FROM ({chosen}) chosen WHERE {_one_of(keys)} GROUP BY k", statement.parameters  # noqa: S608


def bins_sql(question: Question, reference: str) -> Sql:
    """The rows with a value of a measure per cell and fine bin. A row: the axes' numbers as in ``cells_sql``, the bin, how many."""
    statement = Statement(question)
    columns = [*_numbers(statement), statement.fine_bin(reference)]
    known = f"{statement.value(reference)} IS NOT NULL"
    sql = f"SELECT {', '.join([*columns, 'count(*)'])} {statement.source()}{statement.where(known)}{_grouped(columns)}"
    return sql, statement.parameters


def _numbers(statement: Statement) -> list[str]:
    """The axes' columns: what the store holds for codes, which engines group fastest by, and digits for bins."""
    dialect = statement.question.dialect
    keys = zip(statement.question.keys.axes, statement.columns(), strict=True)
    return [key.raw(column, dialect) if key.by_code else key.digit(column, dialect) for key, column in keys]


def _grouped(columns: list[str]) -> str:
    return f" GROUP BY {numbers(range(1, len(columns) + 1))}" if columns else ""


def _one_of(keys: Collection[int]) -> str:
    # A key is never NULL. Yet DuckDB 2.0 loses rows without coalesce(): it reads IN over every possible key as "the grouped column is
    # not NULL", though the key's CASE has a number for those rows too.
    return f"coalesce(k, -1) IN ({numbers(sorted(keys))})"


@dataclass(frozen=True)
class Part:
    """Some of the persons: those numbered from ``first`` to before ``end``; of them every ``nth``."""

    first: int
    end: int
    nth: int = 1

    def sql(self) -> str:
        """The condition, on the person of the question's first table."""
        span = f"t0.{PERSON} >= {int(self.first)} AND t0.{PERSON} < {int(self.end)}"
        # Write mod() instead of the percent sign: some engines' drivers read that sign as a placeholder.
        return span if self.nth == 1 else f"{span} AND mod(t0.{PERSON}, {int(self.nth)}) = 0"


def exact_sql(question: Question, keys: Collection[int] | None, part: Part | None = None) -> Sql:
    """The exact contributions of persons to cells. A row of the result: the key; rows; the two largest numbers of rows; per value column
    the sum of absolute contributions, the two largest of them and the most values of a person; per pair the most rows with both.

    ``keys`` are the cells asked for (None: all), ``part`` the persons (None: everybody).
    """
    statement, bound, two = Statement(question), question.bound, partial(question.dialect.largest, most=2)
    inner, outer = [f"{statement.key()} AS k", f"t0.{PERSON} AS p"], ["k", "sum(r)", two("r")]
    per_person = ["k", "p", "count(*) AS r"]
    for place, reference in enumerate(bound.value_columns):
        inner.append(f"{statement.value(reference)} AS v{place}")
        per_person += [f"count(v{place}) AS c{place}", f"abs(sum(v{place})) AS s{place}"]
        outer += [f"sum(s{place})", two(f"s{place}"), f"max(c{place})"]
    for place, (one, other) in enumerate(bound.value_pairs):
        inner.append(f"{statement.both(one, other)} AS b{place}")
        per_person.append(f"count(b{place}) AS d{place}")
        outer.append(f"max(d{place})")
    within = [part.sql()] if part else []
    chosen = f"SELECT {', '.join(inner)} {statement.source()}{statement.where(*within)}"
    only = f" WHERE {_one_of(keys)}" if keys is not None else ""
    sql = (
        f"SELECT {', '.join(outer)} FROM "  # noqa: S608
        f"(SELECT {', '.join(per_person)} FROM ({chosen}) chosen{only} GROUP BY k, p) persons GROUP BY k"
    )
    return sql, statement.parameters


def weights_sql(question: Question, usual: Mapping[int, Sequence[float]], part: Part | None = None) -> Sql:
    """How far persons are from the usual. A row of the result: the key; rows; the largest numbers of rows; and of the numbers of rows, and
    of each value column, how many persons have one, the largest distances above the usual and below it, and the sum of all squares. Of the
    largest there are ``bound.weighed``.

    ``usual``: by key the rows of the average person, and the average value of each column. Of values, a person's distance is what they
    sum up to beyond as many average ones.
    """
    statement, places = Statement(question), range(len(question.bound.value_columns))
    double = question.dialect.double
    inner, per_person = [f"{statement.key()} AS k", f"t0.{PERSON} AS p"], ["k", "p", "count(*) AS r"]
    for place, reference in enumerate(question.bound.value_columns):
        inner.append(f"{statement.value(reference)} AS v{place}")
        per_person += [f"count(v{place}) AS c{place}", f"sum(v{place}) AS s{place}"]
    chosen = f"SELECT {', '.join(inner)} {statement.source()}{statement.where(*([part.sql()] if part else []))}"
    off = ["r - u", *(f"s{place} - c{place} * u{place}" for place in places)]
    apart = [f"CAST({each} AS {double}) AS {name}" for each, name in zip(off, ["e", *(f"e{place}" for place in places)], strict=True)]
    rows = (", ".join([str(int(key)), *(f"CAST({number!r} AS {double})" for number in of)]) for key, of in usual.items())
    known = f"(VALUES {', '.join(f'({row})' for row in rows)}) AS usual ({', '.join(['k', 'u', *(f'u{place}' for place in places)])})"
    persons = f"SELECT {', '.join(per_person)} FROM ({chosen}) chosen GROUP BY k, p"  # noqa: S608
    numbered = f"SELECT persons.k AS k, r, {', '.join(apart)} FROM ({persons}) persons JOIN {known} ON usual.k = persons.k"  # noqa: S608
    largest = partial(question.dialect.largest, most=question.bound.weighed)
    told = (
        f"count({name}), {largest(name)}, {largest(f'-{name}')}, sum({name} * {name})" for name in ("e", *(f"e{place}" for place in places))
    )
    return f"SELECT k, sum(r), {largest('r')}, {', '.join(told)} FROM ({numbered}) numbered GROUP BY k", statement.parameters  # noqa: S608


def persons_sql(
    question: Question,
    *,
    keys: Collection[int] | None = None,
    having: Sequence[str] = (),
    lacking: Sequence[str] = (),
    bins_of: str | None = None,
) -> Sql:
    """The persons of the cells, one row or more for each. A row: the key, the person, and with ``bins_of`` that measure's fine bin.

    ``keys``: the cells asked for (None: all). ``having``: rows with a value of all these measures. ``lacking``: rows without a value
    of any of these.
    """
    statement = Statement(question)
    columns = [f"{statement.key()} AS k", f"t0.{PERSON} AS p"]
    if bins_of is not None:
        columns.append(f"{statement.fine_bin(bins_of)} AS f")
        having = (bins_of, *having)
    further = [f"{statement.value(name)} IS NOT NULL" for name in having]
    if lacking:
        further.append(f"({' OR '.join(f'{statement.value(name)} IS NULL' for name in lacking)})")
    sql = f"SELECT {', '.join(columns)} {statement.source()}{statement.where(*further)}"
    if keys is not None:
        sql = f"SELECT * FROM ({sql}) chosen WHERE {_one_of(keys)}"  # noqa: S608
    return question.dialect.distinct(sql), statement.parameters


def clipped_sql(question: Question, reference: str) -> Sql:
    """The clipped values of a measure. A row of the result: the key, the person, how many of the person's values in the cell."""
    statement = Statement(question)
    columns = f"{statement.key()} AS k, t0.{PERSON} AS p"
    sql = f"SELECT {columns} {statement.source()}{statement.where(statement.is_clipped(reference))}"
    return f"SELECT k, p, count(*) AS r FROM ({sql}) marked GROUP BY k, p", statement.parameters  # noqa: S608


def having_too_sql(question: Question, keys: Collection[int] | None, measures: Sequence[str]) -> Sql:
    """The persons of the cells who have a row that lacks a value of some measure, and another row with values of all measures."""
    rows, of_rows = persons_sql(question, keys=keys, having=measures)
    gaps, of_gaps = persons_sql(question, keys=keys, lacking=measures)
    once = f"SELECT DISTINCT k, p FROM ({gaps}) every_gap"  # noqa: S608
    sql = f"SELECT r.k, r.p FROM ({rows}) r JOIN ({once}) g ON g.k = r.k AND g.p = r.p"  # noqa: S608
    return question.dialect.distinct(sql), [*of_rows, *of_gaps]


def population_sql(question: Question) -> Sql:
    """The persons in the joined tables of the store, before WHERE and cohort; one column, a person may come often."""
    bound = question.bound
    joins = tuple(join for join in bound.plan.joins if join.table not in bound.firsts)
    statement = Statement(replace(question, bound=replace(bound, plan=bound.plan.model_copy(update={"joins": joins}))))
    sql = f"SELECT t0.{PERSON} AS p {statement.source()}"
    return question.dialect.distinct(sql), statement.parameters
