"""A checked question as SQL of the broker's own: quoted identifiers, bound literals, nothing of what a researcher typed.

Rows are first aggregated per person and cell, then per cell. So persons are counted distinctly whatever a join multiplies, and
what each of them contributes is known to the dominance rules.
"""

from dataclasses import dataclass, field
from datetime import date

from twinpane_broker.catalogue import ColumnType
from twinpane_broker.check import Bound
from twinpane_broker.grid import Axis
from twinpane_broker.plan import MeasureKind, split
from twinpane_broker.predicates import AllOf, AnyOf, In, Missing, Not, Predicate, Range, Window

LISTED = -1
"""Kind of a value that is one of its axis's codes or bins."""
Parameter = bool | int | float | str | date


@dataclass
class Statement:
    """SQL under construction with its bound parameters, in order."""

    bound: Bound
    parameters: list[Parameter] = field(default_factory=list)

    def literal(self, value: Parameter) -> str:
        """A placeholder for a value."""
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def column(self, reference: str) -> str:
        """A column of the plan, quoted, with its table's alias."""
        table, name = split(reference)
        return f"t{self.bound.plan.tables.index(table)}.{quoted(name)}"

    def person(self, table: str) -> str:
        """The person key of a table of the plan."""
        return self.column(f"{table}.{self.bound.table(table).person_key}")

    def source(self) -> str:
        """FROM and the joins. Every join also holds the person equal: rows of two persons never meet."""
        plan = self.bound.plan
        first = self.person(plan.table)
        parts = [f"FROM {quoted(plan.table)} AS t0"]
        for place, join in enumerate(plan.joins, 1):
            on = f"{self.column(join.left)} = {self.column(join.right)} AND {self.person(join.table)} = {first}"
            parts.append(f"JOIN {quoted(join.table)} AS t{place} ON {on}")
        return " ".join(parts)

    def condition(self, *, filtered: bool = True) -> str:
        """WHERE: rows that belong to a person and, if ``filtered``, satisfy the predicate."""
        own = f"WHERE {self.person(self.bound.plan.table)} IS NOT NULL"
        return f"{own} AND {self.predicate(self.bound.plan.where)}" if filtered and self.bound.plan.where is not None else own

    def predicate(self, predicate: Predicate) -> str:
        """A predicate, in parentheses."""
        match predicate:
            case AllOf() | AnyOf():
                word = " AND " if isinstance(predicate, AllOf) else " OR "
                return "(" + word.join(self.predicate(term) for term in predicate.terms) + ")"
            case Not():
                return f"(NOT {self.predicate(predicate.term)})"
            case In():
                codes = ", ".join(self.literal(code) for code in predicate.codes)
                return f"({self.column(predicate.column)} IN ({codes}))"
            case Missing():
                return f"({self.column(predicate.column)} IS NULL)"
            case Range():
                return self._between(predicate.column, predicate.low, predicate.high)
            case Window():
                return self._between(predicate.column, predicate.start, predicate.end)

    def _between(self, reference: str, low: Parameter | None, high: Parameter | None) -> str:
        column = self.column(reference)
        ends = [f"{column} >= {self.literal(low)}"] if low is not None else []
        ends += [f"{column} < {self.literal(high)}"] if high is not None else []
        return "(" + " AND ".join(ends) + ")"

    def axis(self, axis: Axis) -> tuple[str, str]:
        """Two expressions: the value, NULL where it is not of a listed category; and ``LISTED`` or the index of another category.

        What is outside is one category here already: a person in it twice, missing once and unapproved once, counts once.
        """
        column = self.column(axis.column)
        elsewhere = f"WHEN {column} IS NULL THEN {axis.missing} ELSE {axis.other} END"
        if not axis.values:
            return "NULL", f"CASE {elsewhere}"
        if axis.bin is None:
            listed = f"{column} IN ({', '.join(self.literal(value) for value in axis.values)})"
            value = f"CASE WHEN {listed} THEN {column} END"
        else:
            listed = f"{column} >= {self.literal(axis.values[0])} AND {column} < {self.literal(axis.end)}"
            # The bin is a word of an enum, never text from outside.
            value = f"CASE WHEN {listed} THEN CAST(date_trunc('{axis.bin.value}', {column}) AS DATE) END"
        return value, f"CASE WHEN {listed} THEN {LISTED} {elsewhere}"

    def clipped(self, reference: str) -> str:
        """A measure's value as a double, clipped to the catalogue's bounds."""
        column = self.bound.column(reference)
        low, high = (self.literal(float(end)) for end in column.bounds)
        raw = self.column(reference)
        raw = f"CAST({raw} AS INTEGER)" if column.type is ColumnType.boolean else raw
        # Compared before it is cast back to NULL: greatest() and least() would turn a missing value into a bound.
        return f"CASE WHEN {raw} IS NULL THEN NULL ELSE least(greatest(CAST({raw} AS DOUBLE), {low}), {high}) END"


def cells_sql(bound: Bound, *, one_row_each: bool = False) -> tuple[str, list[Parameter]]:
    """The statement that measures every inhabited cell.

    Its columns: per axis value and kind; persons, rows, the two largest rows of a person (as a list); then per mean the columns
    of ``SPREAD_COLUMNS``. With ``one_row_each`` (every table of the plan has one row a person) the pass per person is left out.
    """
    statement = Statement(bound)
    columns = [f"{statement.person(bound.plan.table)} AS p"]
    for place, axis in enumerate(bound.axes):
        value, kind = statement.axis(axis)
        columns += [f"{value} AS a{place}", f"{kind} AS k{place}"]
    means = [measure for measure in bound.plan.measures if measure.kind is MeasureKind.mean]
    columns += [f"{statement.clipped(measure.column)} AS v{place}" for place, measure in enumerate(means)]
    keys = [name for place in range(len(bound.axes)) for name in (f"a{place}", f"k{place}")]
    spread_inner = [
        text
        for i in range(len(means))
        for text in (
            (f"CASE WHEN v{i} IS NULL THEN 0 ELSE 1 END AS c{i}", f"v{i} AS s{i}", f"v{i} AS l{i}", f"v{i} AS h{i}")
            if one_row_each
            else (f"count(v{i}) AS c{i}", f"sum(v{i}) AS s{i}", f"min(v{i}) AS l{i}", f"max(v{i}) AS h{i}")
        )
    ]
    spread_outer = [
        text
        for i in range(len(means))
        for text in (
            f"count(s{i})", f"sum(c{i})", f"sum(s{i})", f"sum(abs(s{i}))", f"max(abs(s{i}), 2)", f"min(l{i})", f"max(h{i})", f"max(c{i})",
        )
    ]
    rows, per_person = ("1", "") if one_row_each else ("count(*)", f" GROUP BY {', '.join(['p', *keys])}")
    grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
    sql = (
        f"WITH chosen AS (SELECT {', '.join(columns)} {statement.source()} {statement.condition()}), "  # noqa: S608
        f"per_person AS (SELECT {', '.join(['p', *keys, f'{rows} AS r', *spread_inner])} FROM chosen{per_person}) "
        f"SELECT {', '.join([*keys, 'count(*)', 'sum(r)', 'max(r, 2)', *spread_outer])} FROM per_person{grouped}"
    )
    return sql, statement.parameters


SPREAD_COLUMNS = 8


def persons_sql(bound: Bound, *, filtered: bool) -> tuple[str, list[Parameter]]:
    """The statement that counts the distinct persons of the question, or of its joined tables without the predicate."""
    statement = Statement(bound)
    condition = statement.condition(filtered=filtered)
    sql = f"SELECT count(DISTINCT {statement.person(bound.plan.table)}) {statement.source()} {condition}"
    return sql, statement.parameters


def one_row_each_sql(bound: Bound, table: str) -> str:
    """The statement that tells whether no person has two rows in a table of the plan."""
    key = quoted(bound.table(table).person_key)
    return f"SELECT count({key}) = count(DISTINCT {key}) FROM {quoted(table)}"  # noqa: S608


def quoted(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'
