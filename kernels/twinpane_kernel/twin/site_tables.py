"""One site's part of the twin: its persons, the rows of each table, keys that join, and every column in its turn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from twinpane_broker import Catalogue, Column, ColumnType, Role, Table

from . import column_values
from .stream import Bools, Floats, Ints, Streams


@dataclass(frozen=True)
class Rows:
    """The rows of a table: to which of the site's persons each belongs, sorted, and for which of them how many there are."""

    person: Ints
    first: Ints
    many: Ints

    @classmethod
    def of(cls, many: Ints) -> "Rows":
        """``many[i]`` rows for person ``i``."""
        return cls(np.repeat(np.arange(len(many)), many), np.cumsum(many) - many, many)


def draw_site(catalogue: Catalogue, persons: int, before: int, offsets: dict[str, int], seed: int) -> dict[str, pa.Table]:
    """The tables of one site with ``persons`` persons, numbered after the ``before`` persons of other sites.

    ``offsets`` are the numbers of rows that other sites have in each table, so that the tables' own keys never meet.
    """
    streams, published = Streams(seed, catalogue.site), catalogue.published
    rows: dict[str, Rows] = {}
    keys: dict[tuple[str, str], Ints] = {}
    drawn = {}
    for table in _parents_first(published):
        rows[table.name] = _draw_rows(table, persons, rows, streams)
        count = len(rows[table.name].person)
        numbers = np.arange(count) + offsets.get(table.name, 0) + 1
        part = _Part(table, rows, keys, streams, before, numbers)
        drawn[table.name] = pa.table({c.name: part.column(c) for c in table.columns}, schema=schema(table))
    return {table.name: drawn[table.name] for table in published.tables}


def schema(table: Table) -> pa.Schema:
    """The table's columns in the types its Parquet files have."""
    return pa.schema([(c.name, column_values.ARROW_TYPES[c.type]) for c in table.columns])


def _joins(table: Table) -> dict[str, tuple[str, str]]:
    """The table's keys that join to another table's own key, by column; the person key is not among them."""
    found = {}
    for c in table.columns:
        if c.role is Role.key and c.references and c.name != table.person_key:
            parent, _, key = c.references.partition(".")
            if parent != table.name:
                found[c.name] = (parent, key)
    return found


def _parents_first(catalogue: Catalogue) -> list[Table]:
    waiting, done = list(catalogue.tables), []
    while waiting:
        there = {t.name for t in waiting}
        ready = [t for t in waiting if not any(parent in there - {t.name} for parent, _ in _joins(t).values())] or waiting[:1]
        done += ready
        waiting = [t for t in waiting if t not in ready]
    return done


def _draw_rows(table: Table, persons: int, rows: dict[str, Rows], streams: Streams) -> Rows:
    """How many rows each person has. A person with many visits also has many rows in tables that join to visits."""
    parents = [(c, rows.get(parent)) for c, (parent, _) in _joins(table).items()]
    latent = next((parent for parent, _ in _joins(table).values() if parent in rows), table.name)
    many = column_values.pick(streams.uniform(persons, latent, "rows"), table.rows_per_person)
    for name, parent in parents:
        column = table.column(name)
        if parent is not None and column is not None and column.missing == 0:
            many = np.where(parent.many > 0, many, 0)
    return Rows.of(many)


class _Part:
    """The columns of one table, each drawn once and after those it depends on."""

    def __init__(
        self,
        table: Table,
        rows: dict[str, Rows],
        keys: dict[tuple[str, str], Ints],
        streams: Streams,
        before: int,
        numbers: Ints,
    ) -> None:
        self._table = table
        self._rows = rows
        self._keys = keys
        self._streams = streams
        self._before = before
        self._numbers = numbers
        self._drawn: dict[str, column_values.Choices | column_values.Numbers] = {}

    def column(self, column: Column) -> pa.Array:
        """The column's values in the catalogue's type."""
        if column.role is Role.key:
            return self._key(column)
        return self._values(column, frozenset()).arrow(column.type)

    def _uniform(self, column: str, what: str = "value") -> Floats:
        return self._streams.uniform(len(self._numbers), self._table.name, column, what)

    def _missing(self, column: Column) -> Bools:
        return column_values.missing_mask(self._uniform(column.name, "missing"), column.missing)

    def _values(self, column: Column, above: frozenset[str]) -> column_values.Choices | column_values.Numbers:
        if column.name not in self._drawn:
            self._drawn[column.name] = self._draw(column, above | {column.name})
        return self._drawn[column.name]

    def _root(self, column: Column, above: frozenset[str]) -> column_values.Choices | None:
        root = self._table.column(column.follows) if column.follows and column.follows not in above else None
        if root is None or root.role is not Role.dimension:
            return None
        codes = self._values(root, above)
        assert isinstance(codes, column_values.Choices)
        return codes

    def _draw(self, column: Column, above: frozenset[str]) -> column_values.Choices | column_values.Numbers:
        if column.role is Role.dimension:
            own, root = column_values.draw_codes(column, self._uniform(column.name)), self._root(column, above)
            if root is None or not column.given:
                return own.without(self._missing(column))
            followed = column_values.follow_codes(column, root, own)
            return followed.without(self._missing(column)) if column.missing > 0 and (followed.index >= 0).all() else followed
        if column.role is Role.measure:
            return column_values.Numbers(
                column_values.draw_measure(column, self._uniform(column.name), self._root(column, above)), self._missing(column)
            )
        if column.role is Role.date:
            return column_values.Numbers(self._days(column, above), self._missing(column))
        return column_values.placeholder(column, len(self._numbers)).without(self._missing(column))

    def _days(self, column: Column, above: frozenset[str]) -> Floats:
        start = self._table.column(column.after) if column.after and column.after not in above else None
        if start is None or start.role is not Role.date:
            return column_values.draw_days(column, self._uniform(column.name))
        # An early start goes with an early end: both come from the same random number.
        first, at = start, above
        while first.after and first.after not in at and (before := self._table.column(first.after)) is not None:
            at |= {first.name}
            first = before
        earlier = self._values(start, above)
        assert isinstance(earlier, column_values.Numbers)
        return np.maximum(column_values.draw_days(column, self._uniform(first.name)), earlier.data)

    def _key(self, column: Column) -> pa.Array:
        rows = self._rows[self._table.name]
        join = _joins(self._table).get(column.name)
        missing = np.zeros(len(self._numbers), dtype=bool)
        if column.name == self._table.person_key:
            numbers = rows.person + self._before + 1
        elif join is None or join not in self._keys:
            numbers, missing = self._numbers, self._missing(column)
        else:
            parent = self._rows[join[0]]
            place = parent.first[rows.person] + np.floor(self._uniform(column.name) * parent.many[rows.person]).astype(np.int64)
            orphan = parent.many[rows.person] == 0
            taken = self._keys[join]
            numbers = taken[np.where(orphan, 0, place)] if len(taken) else np.zeros(len(place), dtype=np.int64)
            missing = orphan | self._missing(column)
        self._keys[self._table.name, column.name] = numbers
        return _key_array(numbers, missing, column.type)


def _key_array(numbers: Ints, missing: Bools, kind: ColumnType) -> pa.Array:
    values: Any = pa.array(numbers.astype(np.int64), mask=missing)
    return values.cast(column_values.ARROW_TYPES[kind])
