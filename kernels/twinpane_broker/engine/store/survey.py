"""A first look at a new store, for every engine: its facts and its person-set index, in a few passes of bounded memory."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from twinpane_broker.catalogue.catalogue import Catalogue, Column, ColumnType, Table
from twinpane_broker.engine.index.in_order import counted
from twinpane_broker.engine.index.index_writer import MISSING, IndexWriter, Tally
from twinpane_broker.engine.sql.dialect import PERSON
from twinpane_broker.engine.sql.layout import FIRST_UNLISTED, clipped_name, dimensions, value_name
from twinpane_broker.engine.sql.runner import Runner

from .facts import DimensionFacts, Facts, MeasureFacts, TableFacts

AT_ONCE = 50
"""Measures that are looked at together."""
ROWS_AT_ONCE = 8_000_000
"""Rows that are grouped by person at once, where the engine keeps what it groups in memory."""


def survey(runner: Runner, catalogue: Catalogue, made_of: str, index: Path, *, in_order: bool = False) -> Facts:
    """Find the facts of a store (tables as ``layout`` says), and write its index durably to the file ``index``.

    ``made_of`` marks both. ``in_order``: the runner gives a table's rows in the order of persons without being asked. Raises what the
    engine raises, and OSError if the file cannot be written.
    """
    with IndexWriter(index, made_of) as writer:
        tables = tuple(_table(runner, table, writer, in_order) for table in catalogue.tables)
    return Facts(made_of=made_of, tables=tables)


def _table(runner: Runner, table: Table, writer: IndexWriter, in_order: bool) -> TableFacts:
    measures = [c for c in table.columns if c.measured]
    rows, last, *found = _overview(runner, table, measures)
    spans = _spans(runner, rows, last)

    def tally(column: Column | None) -> Iterator[Tally]:
        return counted(_rows(runner, table, column)) if in_order else _grouped(runner, table, column, spans)

    present = writer.add(table.name, None, 0, tally(None))
    single = present.most.get(0, 0) <= 1
    columns = []
    for column in dimensions(table):
        each = ((*pair, None) for pair in _rows(runner, table, column)) if single else tally(column)
        most = writer.add(table.name, column.name, len(column.codes), each).most
        codes = tuple(most.get(i, 0) for i in range(len(column.codes)))
        _unlisted(runner, table, column, writer, spans, in_order=in_order, any_other=most.get(-1, 0) > 0)
        columns.append(DimensionFacts(column=column.name, codes=codes, other=most.get(-1, 0), missing=most.get(MISSING, 0)))
    return TableFacts(
        name=table.name,
        rows=rows,
        persons=present.persons,
        most_rows=present.most.get(0, 0),
        dimensions=tuple(columns),
        measures=tuple(
            MeasureFacts(
                column=column.name, low=found[4 * i], high=found[4 * i + 1], missing=rows - found[4 * i + 2], clipped=found[4 * i + 3]
            )
            for i, column in enumerate(measures)
        ),
    )


def _unlisted(
    runner: Runner, table: Table, column: Column, writer: IndexWriter, spans: list[str], *, in_order: bool, any_other: bool
) -> None:
    """Write a set of persons for each code that is not approved and has a number of its own, beside the set of them all."""
    if column.type is not ColumnType.integer or not any_other:
        return
    name, person, source = runner.dialect.quoted(column.name), runner.dialect.quoted(PERSON), runner.dialect.table(table.name)
    found = runner.rows(f"SELECT DISTINCT {name} FROM {source} WHERE {name} <= {FIRST_UNLISTED} ORDER BY {name}", [])  # noqa: S608
    numbers = np.array([number for (number,) in found], np.int64)

    def dense(codes: np.ndarray) -> np.ndarray:
        return np.searchsorted(numbers, codes).astype(np.int32)

    def tally() -> Iterator[Tally]:
        if in_order:
            rows = runner.batches(f"SELECT {name}, {person} FROM {source} WHERE {name} <= {FIRST_UNLISTED}", [])  # noqa: S608
            yield from counted((dense(codes), persons) for codes, persons in rows)
            return
        for span in spans:
            sql = f"SELECT DISTINCT {name}, {person} FROM {source} WHERE {name} <= {FIRST_UNLISTED} AND {span}"  # noqa: S608
            yield from ((dense(codes), persons, None) for codes, persons in runner.batches(sql, []))

    writer.add(table.name, column.name, len(numbers), tally(), numbers)


def _overview(runner: Runner, table: Table, measures: list[Column]) -> list[Any]:
    quoted, source = runner.dialect.quoted, runner.dialect.table(table.name)
    (row,) = runner.rows(f"SELECT count(*), max({quoted(PERSON)}) FROM {source}", [])  # noqa: S608
    found = [int(row[0]), int(row[1] or 0)]
    for at in range(0, len(measures), AT_ONCE):
        parts: list[str] = []
        for column in measures[at : at + AT_ONCE]:
            name, clipped = quoted(value_name(column)), quoted(clipped_name(column.name))
            parts += [f"min({name})", f"max({name})", f"count({name})", f"count({clipped})"]
        (row,) = runner.rows(f"SELECT {', '.join(parts)} FROM {source}", [])  # noqa: S608
        found += row
    return found


def _spans(runner: Runner, rows: int, last: int) -> list[str]:
    """Conditions that divide the persons into parts with few enough rows."""
    parts = 1 if runner.dialect.spills else -(-rows // ROWS_AT_ONCE) or 1
    if parts == 1:
        return ["true"]
    person = runner.dialect.quoted(PERSON)
    edges = [last * i // parts for i in range(parts)] + [last + 1]
    return [f"{person} >= {start} AND {person} < {end}" for start, end in pairwise(edges)]


def _grouped(runner: Runner, table: Table, column: Column | None, spans: list[str]) -> Iterator[Tally]:
    """Each pair of code and person once, with its number of rows."""
    person, source = runner.dialect.quoted(PERSON), runner.dialect.table(table.name)
    for span in spans:
        if column is None:
            sql = f"SELECT {person}, count(*) FROM {source} WHERE {span} GROUP BY {person}"  # noqa: S608
            for persons, rows in runner.batches(sql, []):
                yield np.zeros(len(persons), np.int16), persons, rows
        else:
            code = _code(runner, column)
            sql = f"SELECT {code}, {person}, count(*) FROM {source} WHERE {span} GROUP BY {code}, {person}"  # noqa: S608
            yield from ((codes, persons, rows) for codes, persons, rows in runner.batches(sql, []))


def _rows(runner: Runner, table: Table, column: Column | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Code and person of every row."""
    person, source = runner.dialect.quoted(PERSON), runner.dialect.table(table.name)
    if column is None:
        for (persons,) in runner.batches(f"SELECT {person} FROM {source}", []):  # noqa: S608
            yield np.zeros(len(persons), np.int16), persons
    else:
        sql = f"SELECT {_code(runner, column)}, {person} FROM {source}"  # noqa: S608
        yield from ((codes, persons) for codes, persons in runner.batches(sql, []))


def _code(runner: Runner, column: Column) -> str:
    name = runner.dialect.quoted(column.name)
    if column.type is ColumnType.integer:
        name = f"CASE WHEN {name} <= {FIRST_UNLISTED} THEN -1 ELSE {name} END"
    return f"coalesce({name}, {MISSING})"
