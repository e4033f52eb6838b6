"""Decides the types of a source's columns by their values where DuckDB's own type is not enough, and reads every table in them.

Keys and concepts are whole numbers where every value is one that fits 64 bits, else text. Keys of one name have one type in all tables: a
join of text with numbers would find nothing. Of a CSV file a column has a type only if every value is written as that type is.
"""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the schema.

from collections.abc import Iterator
from dataclasses import replace

import duckdb

from twinpane_broker import ColumnType

from . import column_types, names
from .folder_tables import Unread
from .source import DraftError, Source, SourceTable, quoted

_AT_ONCE = 500
"""Expressions of one statement."""
_NUMBER = r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?"
_ABSENT = r"'NA', 'N/A', 'NULL', 'null', 'None', 'NaN', 'nan', '\N', '.'"
"""Words that programs write where a value is missing."""
_DAY = r"\d{4}-\d{2}-\d{2}"
_MOMENT = _DAY + r"[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"

Facts = dict[tuple[str, str], bool]
"""What is true of every value of a column."""


def typed(source: Source, key: str) -> tuple[Source, list[str]]:
    """The source with every table read in the catalogue's types, and notes. ``key`` is the person key.

    Raises DraftError for a person key whose numbers may have been rounded, and for a table that cannot be read to its end.
    """
    notes: list[str] = []
    facts: dict[str, Facts] = {}
    unread = list(source.unread)
    for table in source.tables:
        if key not in table.columns:  # it is not drafted: only looked into for names of concepts, if at all
            continue
        try:
            facts[table.name] = _facts(source.connection, table, key)
        except duckdb.Error as error:
            unread.append(Unread(table.name, unread_table(table, error)))
    there = tuple(table for table in source.tables if table.name in facts)
    kinds = {table.name: _kinds(table, facts[table.name], key, notes) for table in there}
    for name in sorted({column for table in there for column in table.columns if _is_key(column, key)}):
        _agree(name, there, kinds, facts, notes)
    read = [_read(source.connection, table, kinds[table.name], key, place) for place, table in enumerate(there)]
    others = [table for table in source.tables if key not in table.columns]
    return replace(source, tables=(*read, *others), unread=tuple(unread)), notes


def unread_table(table: SourceTable, error: duckdb.Error) -> str:
    """Why the site does without a view that fails. Raises DraftError for a table: its data is damaged."""
    said = str(error).splitlines()[0][:200]
    if not table.is_view:
        raise DraftError(f"{table.where}: cannot be read to its end ({said}). Repair the data and try again.") from error
    return f"{table.where}: cannot be read ({said}). Repair it; until then the site does without it."


def _is_key(column: str, key: str) -> bool:
    return column == key or names.looks_like_key(column)


def _is_identity(column: str, key: str) -> bool:
    return _is_key(column, key) or names.concept(column)


def _tests(table: SourceTable, key: str) -> Iterator[tuple[str, str, str]]:
    """Column, question, and SQL that answers it for a value."""
    for column, raw in table.raw.items():
        if table.columns[column] is None:
            continue
        x = quoted(column)
        if column_types.is_wide(raw) or (column_types.is_fraction(raw) and _is_identity(column, key)):
            yield column, "fits", column_types.fits(x, raw)
        elif raw == "VARCHAR" and (column in table.untyped or _is_identity(column, key)):
            yield column, "fits", column_types.as_written(x)
        if column in table.untyped or (column == key and raw == "VARCHAR"):
            yield column, "plain", f"{x} NOT IN ({_ABSENT})"
        if column in table.untyped:
            yield column, "empty", f"{x} IS NULL"
            yield column, "truth", f"lower({x}) IN ('true', 'false')"
            whole = f"TRY_CAST({x} AS BIGINT) IS NOT NULL"
            yield column, "number", f"regexp_full_match({x}, '{_NUMBER}') AND (regexp_matches({x}, '[.eE]') OR {whole})"
            yield column, "day", f"regexp_full_match({x}, '{_DAY}') AND TRY_CAST({x} AS DATE) IS NOT NULL"
            yield column, "moment", f"regexp_full_match({x}, '{_MOMENT}') AND TRY_CAST({x} AS TIMESTAMP) IS NOT NULL"


def _facts(connection: duckdb.DuckDBPyConnection, table: SourceTable, key: str) -> Facts:
    tests = list(_tests(table, key))
    found: Facts = {}
    for start in range(0, len(tests), _AT_ONCE):
        part = tests[start : start + _AT_ONCE]
        asked = ", ".join(f"coalesce(bool_and({sql}), true)" for _, _, sql in part)
        row = connection.execute(f"select {asked} from {table.relation}").fetchall()[0]
        found |= {(column, question): answer for (column, question, _), answer in zip(part, row, strict=True)}
    return found


def _kinds(table: SourceTable, facts: Facts, key: str, notes: list[str]) -> dict[str, ColumnType | None]:
    kinds: dict[str, ColumnType | None] = {}
    for column, kind in table.columns.items():
        fits = facts.get((column, "fits"))
        if not facts.get((column, "plain"), True):
            how = "holds NA, NULL or another word for a missing value. Leave such fields empty"
            if column == key:
                raise DraftError(f"{table.where}: the person key {column} {how}, or all of them are one person.")
            notes.append(f"{table.name}.{column}: read as text, as it {how}")
        if kind is None:
            kinds[column] = None
        elif column in table.untyped:
            kinds[column] = _of_text(column, facts, key)
        elif fits is None or (kind is ColumnType.varchar and _is_key(column, key)):
            kinds[column] = kind
        elif fits:
            kinds[column] = ColumnType.integer
        elif column_types.is_floating(table.raw[column]):
            why = "holds numbers that are not whole, or so large that a floating point number may have merged two of them"
            if column == key:
                raise DraftError(f"{table.where}: the person key {column} {why}. Write it as whole numbers or as text.")
            notes.append(f"{table.name}.{column}: left out, as it {why}; write it as whole numbers or as text")
        else:
            kinds[column] = ColumnType.varchar
    return kinds


def _of_text(column: str, facts: Facts, key: str) -> ColumnType:
    """The type of a column that came as text: one that every value is written in, else text."""
    if facts[column, "empty"]:
        return ColumnType.varchar
    if facts[column, "fits"]:
        return ColumnType.integer
    if _is_identity(column, key) or names.written_code(column):
        return ColumnType.varchar
    kinds = {"truth": ColumnType.boolean, "number": ColumnType.double, "day": ColumnType.date, "moment": ColumnType.timestamp}
    return next((kind for question, kind in kinds.items() if facts[column, question]), ColumnType.varchar)


def _agree(
    name: str, tables: tuple[SourceTable, ...], kinds: dict[str, dict[str, ColumnType | None]], facts: dict[str, Facts], notes: list[str]
) -> None:
    """Give a key the same type in all tables, with a note where that was not so."""
    holders = [table for table in tables if kinds[table.name].get(name) in (ColumnType.integer, ColumnType.varchar)]
    if len({kinds[table.name][name] for table in holders}) < 2:
        return
    texts = [table.name for table in holders if kinds[table.name][name] is ColumnType.varchar]
    fit = all(facts[table].get((name, "fits"), False) for table in texts)
    for table in holders:
        kinds[table.name][name] = ColumnType.integer if fit else ColumnType.varchar
    said = "whole numbers" if fit else "text, as not all of it is whole numbers as they are usually written"
    notes.append(f"{name}: text in {', '.join(texts)} and a number in other tables; read as {said}")


def _read(
    connection: duckdb.DuckDBPyConnection, table: SourceTable, kinds: dict[str, ColumnType | None], key: str, place: int
) -> SourceTable:
    chosen = []
    for column, kind in kinds.items():
        if kind is not None:
            read = column_types.key_in_type if column == key else column_types.in_type
            chosen.append(f"{read(quoted(column), table.raw[column], kind)} as {quoted(column)}")
    if not chosen:
        return replace(table, columns=kinds)
    connection.execute(f"create temp view typed_{place} as select {', '.join(chosen)} from {table.relation}")
    return replace(table, columns=kinds, relation=f"typed_{place}")
