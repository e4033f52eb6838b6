"""Measures the data over persons: one person changes any number by at most one person's weight.

A person counts once, whatever the number of their rows. Shares are averaged over persons; quantiles use one row per person. Nothing is
rounded yet; ``rounding`` and ``columns`` decide what may be published.
"""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the schema; values are bound.

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from twinpane_broker import CodeValue, ColumnType

from .column_types import DUCKDB_TYPES
from .rounding import TAIL, probabilities, tail
from .source import SourceTable, quoted

_PARTS = 1_000_000  # shares are summed as whole millionths, so that the order of threads cannot change a sum
_LONGEST = 200
WIDE = 50
"""Columns that are looked at together; the cost of one query grows faster than their number."""
VALUES = 2_000_000
"""Values that are looked at together, at most."""


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
    outer: float = TAIL
    """Share of persons beyond each of ``low`` and ``high``."""


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
        """How each column is filled."""
        found: dict[str, Presence] = {}
        for some in _batches(columns, WIDE):
            empty = ", ".join(f"count(*) - count({quoted(c)}) as m{i}" for i, c in enumerate(some))
            sums = ", ".join(f"count(*) filter (m{i} < n), count(*) filter (m{i} > 0), sum(m{i} * {_PARTS} // n)" for i in range(len(some)))
            row = self._all(
                f"with p as (select count(*) n, {empty} from {self._rows} group by {self._key}) select count(*), {sums} from p"
            )[0]
            for i, c in enumerate(some):
                found[c] = Presence(row[0], row[1 + 3 * i], row[2 + 3 * i], float(row[3 + 3 * i] or 0) / _PARTS / max(row[0], 1))
        return found

    def about_distinct(self, columns: Sequence[str]) -> dict[str, int]:
        """About how many distinct values each column holds: only to spare work, never to publish."""
        found: dict[str, int] = {}
        for some in _batches(columns, WIDE):
            row = self._all(f"select {', '.join(f'approx_count_distinct({quoted(c)})' for c in some)} from {self._rows}")[0]
            found.update(zip(some, row, strict=True))
        return found

    def codes(self, columns: Sequence[str]) -> dict[str, Codes]:
        """The values of each column that at least the threshold of persons hold."""
        return {c: found for some in self._alike(columns) for c, found in self._codes(some).items()}

    def numbers(self, columns: Sequence[str]) -> dict[str, Numbers]:
        """Quantiles of one value per person, picked without regard to it; without columns of fewer than ten times the threshold of persons.

        Dates and times count as days since 1970.
        """
        found: dict[str, Numbers] = {}
        for some in self._alike(columns):
            values = ", ".join(f"{self._number(c)} as v{i}" for i, c in enumerate(some))
            names = ", ".join(f"v{i}" for i in range(len(some)))
            unpivoted = f"unpivot (select {self._key} as person, {values} from {self._rows}) on {names} into name code value x"
            by_place = self._quantiles(f"select code, person, x from ({unpivoted})")
            found.update({c: by_place[f"v{i}"] for i, c in enumerate(some) if f"v{i}" in by_place})
        return found

    def numbers_by(self, column: str, by: str) -> dict[CodeValue, Numbers]:
        """``numbers`` of a column within the rows of each value of another column."""
        return self._quantiles(
            f"select * from (select {quoted(by)} as code, {self._key} as person, {self._number(column)} as x from {self._rows})"
            " where x is not null and code is not null"
        )

    def alone(self, columns: Sequence[str]) -> dict[str, float]:
        """The share of persons' rows whose value no other person holds: near 1 for an identifier of persons or of their records."""
        found: dict[str, float] = {}
        for some in self._alike(columns):
            with self._counted(some):
                rows = self._all(
                    "with u as (select name, code from counted group by all having count(*) = 1),"
                    f" p as (select c.name, c.person, coalesce(sum(n) filter (u.code is not null), 0) * {_PARTS} // sum(n) as own"
                    " from counted c left join u using (name, code) group by all) select name, count(*), sum(own) from p group by name"
                )
            found.update({some[int(name[1:])]: float(own) / _PARTS / persons for name, persons, own in rows})
        return found

    def _codes(self, columns: Sequence[str]) -> dict[str, Codes]:
        short = f" and length(code) <= {_LONGEST}" if self._types[columns[0]] is ColumnType.varchar else ""
        with self._counted(columns):
            self._connection.execute(
                "create or replace temp table held as with p as (select name, person, sum(n) as total from counted group by all)"
                f" select name, code, count(*) persons, sum(n * {_PARTS} // total) weight from counted join p using (name, person)"
                f" group by name, code having count(*) >= {self._threshold}{short}"
            )
            listed = self._all("select name, code, persons, weight from held order by name, code")
            persons = self._all(
                "select c.name, count(distinct person), count(distinct person) filter (h.code is null)"
                " from counted c left join held h using (name, code) group by c.name"
            )
        codes: dict[str, list[CodeCount]] = {f"v{i}": [] for i in range(len(columns))}
        for name, value, holders, weight in listed:
            codes[name].append(CodeCount(value, holders, float(weight) / _PARTS))
        people = {name: (everybody, rest) for name, everybody, rest in persons}
        return {c: Codes(tuple(codes[f"v{i}"]), *people.get(f"v{i}", (0, 0))) for i, c in enumerate(columns)}

    @contextmanager
    def _counted(self, columns: Sequence[str]) -> Iterator[None]:
        """The table ``counted``: how many rows (``n``) of a ``person`` hold a ``code`` of the column ``v0``, ``v1``, … (``name``)."""
        values = ", ".join(f"{quoted(c)} as v{i}" for i, c in enumerate(columns))
        names = ", ".join(f"v{i}" for i in range(len(columns)))
        unpivoted = f"unpivot (select {self._key} as person, {values} from {self._rows}) on {names} into name name value code"
        self._connection.execute(
            f"create or replace temp table counted as select name, code, person, count(*) n from ({unpivoted}) group by all"
        )
        try:
            yield
        finally:
            self._connection.execute("drop table counted; drop table if exists held")

    def _alike(self, columns: Sequence[str]) -> Iterator[Sequence[str]]:
        """Columns of one type that are looked at together: many of a small table, one at a time of a large one."""
        at_once = max(1, min(WIDE, VALUES // max(self._all(f"select count(*) from {self._rows}")[0][0], 1)))
        for kind in dict.fromkeys(self._types[c] for c in columns):
            yield from _batches([c for c in columns if self._types[c] is kind], at_once)

    def _quantiles(self, rows: str) -> dict[Any, Numbers]:
        """``Numbers`` by ``code`` of rows with ``code``, ``person`` and a number ``x``."""
        finer = ", ".join(f"count(*) filter (abs(x * 1e{d} - round(x * 1e{d})) > 1e-6 * greatest(1, abs(x)))" for d in range(5))
        # Choose by a hash of the person's own values: other persons must not change the row that stands for a person.
        self._connection.execute(
            f"create or replace temp table picked as with v as materialized"
            f" (select code, min_by(x, hash(person, x)) x from ({rows}) group by code, person),"
            f" g as (select code, count(*) n from v group by code having count(*) >= {10 * self._threshold})"
            " select code, x::double as x, n, row_number() over (partition by code order by x) - 1 as i from v join g using (code)"
        )
        try:
            asked = {n: (tail(n, self._threshold), *probabilities(n, self._threshold), 1 - tail(n, self._threshold))
                     for (n,) in self._all("select distinct n from picked")}  # fmt: skip
            places = [(n, place, p * (n - 1)) for n, steps in asked.items() for place, p in enumerate(steps)]
            found = (
                self._connection.execute(
                    "with q as (select unnest($1) as n, unnest($2) as place, unnest($3) as at)"
                    " select a.code, a.x + (b.x - a.x) * (q.at - floor(q.at)) from q"
                    " join picked a on a.n = q.n and a.i = floor(q.at)::bigint"
                    " join picked b on b.code = a.code and b.i = ceil(q.at)::bigint"
                    " order by a.code, q.place",
                    [list(part) for part in zip(*places, strict=True)],
                ).fetchall()
                if places
                else []
            )
            told = self._all(f"select code, count(*), {finer} from picked group by code")
        finally:
            self._connection.execute("drop table picked")
        values: dict[Any, list[float]] = {}
        for code, value in found:
            values.setdefault(code, []).append(value)
        return {code: _numbers(persons, values[code], counts, self._threshold) for code, persons, *counts in told}

    def _number(self, column: str) -> str:
        c, kind = quoted(column), self._types[column]
        if kind in (ColumnType.date, ColumnType.timestamp):
            return f"case when isfinite({c}) then datediff('day', date '1970-01-01', {c}::date) end"
        return f"{c}::double"

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

    def longest(self, start: str, end: str, bounds: Sequence[int]) -> int:
        """The first of the rising bounds that the days from start to end exceed for fewer persons than the threshold; else the last."""
        known = f"isfinite({quoted(start)}) and isfinite({quoted(end)})"
        days = f"case when {known} then datediff('day', {quoted(start)}::date, {quoted(end)}::date) end"
        beyond = ", ".join(f"count(distinct {self._key}) filter (days > {bound})" for bound in bounds)
        (persons,) = self._all(f"select {beyond} from (select {self._key}, {days} as days from {self._rows}) spans")
        return next((bound for bound, n in zip(bounds, persons, strict=True) if n < self._threshold), bounds[-1])

    def turned(self, start: str, end: str) -> int:
        """Persons with a row whose end comes before its start."""
        persons: int = self._all(f"select count(distinct {self._key}) from {self._rows} where {quoted(end)} < {quoted(start)}")[0][0]
        return persons


def _batches(columns: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    return (columns[at : at + most] for at in range(0, len(columns), most))


def _numbers(persons: int, values: Sequence[float], finer: Sequence[int], threshold: int) -> Numbers:
    """``values``: the lower outer quantile, the steps, the upper one; ``finer``: how many have more decimals than 0, 1, …"""
    recorded = next((d for d, more in enumerate(finer) if more < threshold), 5)
    return Numbers(persons, tuple(values[1:-1]), values[0], values[-1], recorded, tail(persons, threshold))


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
