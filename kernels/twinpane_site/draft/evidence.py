"""Measures the data over persons: one person changes any number by at most one person's weight.

A person counts once, whatever the number of their rows. Shares are averaged over persons; quantiles use one row per person. Nothing is
rounded yet; ``rounding`` and ``columns`` decide what may be published.
"""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the schema; values are bound.

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from twinpane_broker import CodeValue, ColumnType

from .column_types import DUCKDB_TYPES
from .rounding import probabilities, tail
from .source import SourceTable, quoted

_PARTS = 1_000_000  # shares are summed as whole millionths, so that the order of threads cannot change a sum
_LONGEST = 200


@dataclass(frozen=True)
class Presence:
    """How a column is filled: all persons, those with a value, those who lack one in some row, and the average missing share."""

    persons: int
    filled: int
    without: int
    missing: float


@dataclass(frozen=True)
class CodeCount:
    """A value that at least the threshold of persons hold, and the sum over persons of its share of the person's rows."""

    value: CodeValue
    persons: int
    weight: float


@dataclass(frozen=True)
class Codes:
    """The values of a column held by enough persons; ``rest`` persons hold others too."""

    listed: tuple[CodeCount, ...]
    persons: int
    rest: int

    @property
    def covered(self) -> float:
        """The share of persons' rows that the listed values make up."""
        return sum(c.weight for c in self.listed) / self.persons if self.persons else 0.0


@dataclass(frozen=True)
class Numbers:
    """One number per person: how many, quantiles, outer quantiles with enough persons beyond, and decimals recorded."""

    persons: int
    quantiles: tuple[float, ...]
    low: float
    high: float
    decimals: int


class Evidence:
    """The measurements of one table's sample: the rows of the sampled persons, held in DuckDB as a temporary table."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: SourceTable, key: str, threshold: int, rows: str) -> None:
        self._connection = connection
        self._types = table.columns
        self._key = quoted(key)
        self._threshold = threshold
        self._rows = rows

    def _all(self, sql: str, *values: CodeValue) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, list(values)).fetchall()

    def persons(self) -> int:
        """Persons with at least one row."""
        persons: int = self._all(f"select count(distinct {self._key}) from {self._rows}")[0][0]
        return persons

    def presence(self, columns: Sequence[str]) -> dict[str, Presence]:
        """How each column is filled, in one pass."""
        if not columns:
            return {}
        empty = ", ".join(f"count(*) - count({quoted(c)}) as m{i}" for i, c in enumerate(columns))
        sums = ", ".join(f"count(*) filter (m{i} < n), count(*) filter (m{i} > 0), sum(m{i} * {_PARTS} // n)" for i in range(len(columns)))
        row = self._all(f"with p as (select count(*) n, {empty} from {self._rows} group by {self._key}) select count(*), {sums} from p")[0]
        return {
            c: Presence(row[0], row[1 + 3 * i], row[2 + 3 * i], float(row[3 + 3 * i] or 0) / _PARTS / max(row[0], 1))
            for i, c in enumerate(columns)
        }

    def about_distinct(self, columns: Sequence[str]) -> dict[str, int]:
        """About how many distinct values each column holds: only to spare work, never to publish."""
        if not columns:
            return {}
        row = self._all(f"select {', '.join(f'approx_count_distinct({quoted(c)})' for c in columns)} from {self._rows}")[0]
        return dict(zip(columns, row, strict=True))

    def codes(self, column: str) -> Codes:
        """The values that at least the threshold of persons hold."""
        c, k = quoted(column), self._key
        short = f" and length(code) <= {_LONGEST}" if self._types[column] is ColumnType.varchar else ""
        with_counts = (
            f"with c as materialized (select {c} as code, {k} as person, count(*) n from {self._rows} where {c} is not null group by all),"
            f" p as (select person, sum(n) as total from c group by all),"
            f" h as materialized (select code, count(*) persons, sum(n * {_PARTS} // total) weight from c join p using (person)"
            f" group by code having count(*) >= {self._threshold}{short}) "
        )
        listed = self._all(f"{with_counts} select code, persons, weight from h order by code")
        persons, rest = self._all(
            f"{with_counts} select count(distinct person), count(distinct person) filter (code not in (select code from h)) from c"
        )[0]
        return Codes(tuple(CodeCount(v, n, float(w) / _PARTS) for v, n, w in listed), persons, rest if listed else persons)

    def numbers(self, column: str) -> Numbers | None:
        """Quantiles of one value per person, picked without regard to it; None below ten times the threshold of persons.

        Dates and times count as days since 1970.
        """
        number = self._number(column)
        # Choose by a hash of the person's own values: other persons must not change the row that stands for a person.
        picked = (
            f"with v as (select min_by({number}, hash({self._key}, {number})) x from {self._rows}"
            f" where {number} is not null group by {self._key}) "
        )
        persons = self._all(f"{picked} select count(*) from v")[0][0]
        steps = probabilities(persons, self._threshold)
        if not steps:
            return None
        outer = tail(persons, self._threshold)
        asked = [outer, *steps, 1 - outer]
        decimals = ", ".join(f"count(*) filter (abs(x * 1e{d} - round(x * 1e{d})) > 1e-6 * greatest(1, abs(x)))" for d in range(5))
        found, *finer = self._all(f"{picked} select quantile_cont(x, {asked!r}), {decimals} from v")[0]
        recorded = next((d for d, more in enumerate(finer) if more < self._threshold), 5)
        return Numbers(persons, tuple(found[1:-1]), found[0], found[-1], recorded)

    def numbers_by(self, column: str, by: str) -> dict[CodeValue, Numbers]:
        """``numbers`` within the rows of each value of another column; without the values that too few persons hold."""
        number, b = self._number(column), quoted(by)
        finer = ", ".join(f"count(*) filter (abs(x * 1e{d} - round(x * 1e{d})) > 1e-6 * greatest(1, abs(x)))" for d in range(5))
        self._connection.execute(
            f"create or replace temp table picked as with v as materialized"
            f" (select {b} as code, min_by({number}, hash({self._key}, {number})) x from {self._rows}"
            f" where {number} is not null and {b} is not null group by {b}, {self._key}),"
            f" g as (select code, count(*) n from v group by code having count(*) >= {10 * self._threshold})"
            f" select code, x, n, row_number() over (partition by code order by x) - 1 as i from v join g using (code)"
        )
        try:
            steps = {n: (tail(n, self._threshold), *probabilities(n, self._threshold), 1 - tail(n, self._threshold))
                     for (n,) in self._all("select distinct n from picked")}  # fmt: skip
            places = [(n, place, p * (n - 1)) for n, asked in steps.items() for place, p in enumerate(asked)]
            values: dict[CodeValue, list[float]] = {}
            found = self._connection.execute(
                "select a.code, a.x + (b.x - a.x) * (q.at - floor(q.at)) from (select unnest($1) as n, unnest($2) as place, unnest($3) as at) q"
                " join picked a on a.n = q.n and a.i = floor(q.at)::bigint join picked b on b.code = a.code and b.i = ceil(q.at)::bigint"
                " order by a.code, q.place",
                [[n for n, _, _ in places], [place for _, place, _ in places], [at for _, _, at in places]],
            ).fetchall()
            for code, value in found:
                values.setdefault(code, []).append(value)
            told = self._all(f"select code, count(*), {finer} from picked group by code")
        finally:
            self._connection.execute("drop table picked")
        return {
            code: Numbers(persons, tuple(values[code][1:-1]), values[code][0], values[code][-1],
                          next((d for d, more in enumerate(counts) if more < self._threshold), 5))
            for code, persons, *counts in told
        }  # fmt: skip

    def _number(self, column: str) -> str:
        c, kind = quoted(column), self._types[column]
        if kind in (ColumnType.date, ColumnType.timestamp):
            return f"case when isfinite({c}) then datediff('day', date '1970-01-01', {c}::date) end"
        return f"{c}::double"

    def alone(self, column: str) -> float:
        """The share of persons' rows whose value no other person holds: near 1 for an identifier of persons or of their records."""
        c, k = quoted(column), self._key
        found = self._all(
            f"with c as materialized (select {c} as code, {k} as person, count(*) n from {self._rows} where {c} is not null group by all),"
            f" u as (select code from c group by code having count(*) = 1),"
            f" p as (select person, coalesce(sum(n) filter (code in (select code from u)), 0) * {_PARTS} // sum(n) as own from c"
            " group by all) select count(*), sum(own) from p"
        )
        persons, own = found[0]
        return float(own) / _PARTS / persons if persons else 0.0

    def rows_per_person(self, most: int = 30) -> dict[int, int]:
        """How many persons have 1, 2, … rows; the last entry stands for that many or more."""
        return dict(
            self._all(
                f"select least(n, {most}) as rows, count(*) from (select count(*) n from {self._rows} group by {self._key}) group by rows"
            )
        )

    def pairs(self, first: str, second: str) -> list[tuple[CodeValue, CodeValue]]:
        """The pairs of two columns' values that at least the threshold of persons hold in a row."""
        return self._all(
            f"select {quoted(first)} as a, {quoted(second)} as b from {self._rows} where a is not null and b is not null"
            f" group by a, b having count(distinct {self._key}) >= {self._threshold} order by a, b"
        )

    def turned(self, start: str, end: str) -> int:
        """Persons with a row whose end comes before its start."""
        persons: int = self._all(f"select count(distinct {self._key}) from {self._rows} where {quoted(end)} < {quoted(start)}")[0][0]
        return persons


def sample_rows(connection: duckdb.DuckDBPyConnection, table: SourceTable, key: str, name: str) -> None:
    """Copy the sampled persons' rows of a table to the temporary table ``name``, in the catalogue's types.

    The temporary table ``sampled`` holds the persons. Numbers that are not finite count as missing, as pandas reads them;
    texts are cut just past the longest code.
    """

    def stored(column: str, kind: ColumnType) -> str:
        c = f"t.{quoted(column)}"
        if column == key:
            return f"{c} as {quoted(column)}"
        if kind is ColumnType.double:
            return f"case when isfinite({c}::double) then {c}::double end as {quoted(column)}"
        if kind is ColumnType.varchar:
            return f"left({c}::varchar, {_LONGEST + 1}) as {quoted(column)}"
        return f"{c}::{DUCKDB_TYPES[kind]} as {quoted(column)}"

    columns = ", ".join(stored(column, kind) for column, kind in table.columns.items() if kind is not None)
    connection.execute(
        f"create temp table {name} as select {columns} from {table.relation} t semi join sampled s on t.{quoted(key)} = s.person"
    )
