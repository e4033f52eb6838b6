"""What the steward has to know of keys: rows without a person, and keys that join to nothing. Shares are for notes, which stay inside."""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the schema.

from collections.abc import Collection, Iterator, Sequence

import duckdb

from . import names
from .source import SourceTable, quoted


def join_notes(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[SourceTable], key: str, population: str, keys: Collection[tuple[str, str]]
) -> Iterator[str]:
    """A note for every key that is missing, or that joins to nothing, in some rows."""
    owners = {table.name: table for table in tables}
    for table in tables:
        rows = _count(connection, f"select count(*) from {table.relation}")
        filled = _count(connection, f"select count({quoted(key)}) from {table.relation}")
        if filled < rows:
            yield f"{table.name}: {share(rows - filled, rows)} of the rows have no {key} and are left out"
        for column in table.columns:
            home = f"{population}.{key}" if column == key else None
            if column != key and names.looks_like_key(column):
                home = names.reference(table.name, column, keys)
            owner, _, target = (home or "").partition(".")
            if owner not in owners or owner == table.name or table.columns[column] is None:
                continue
            lost = _count(
                connection,
                f"select count(*) from {table.relation} t anti join {owners[owner].relation} o"
                f" on t.{quoted(column)} = o.{quoted(target)} where t.{quoted(column)} is not null",
            )
            if lost and column == key:
                yield (
                    f"{table.name}: {share(lost, rows)} of the rows are of persons that {owner} does not have, and are left out; complete "
                    f"{owner}; or, to keep them, take `references` off {table.name}.{key} in catalogue.toml and give `snapshot` a new name"
                )
            elif lost:
                yield f"{table.name}.{column}: {share(lost, rows)} of the rows have a value that {home} does not have; they join to nothing"


def share(part: int, whole: int) -> str:
    """A share in words, in whole percent."""
    percent = round(100 * part / whole) if whole else 0
    if percent == 0:
        return "less than 1 %"
    return "more than 99 %" if percent == 100 and part < whole else f"{percent} %"


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    found: int = connection.execute(sql).fetchall()[0][0]
    return found
