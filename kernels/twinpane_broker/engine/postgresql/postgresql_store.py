"""Makes the broker's store of a snapshot inside a PostgreSQL database: rows never leave the server, but for persons' keys and codes.

Needs a role that may read the source's tables and create a schema; questions are asked by another role, which may only read.
"""

import hashlib
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psycopg
from psycopg import ClientCursor

from twinpane_broker.catalogue.catalogue import Catalogue, Column, ColumnType, Role, Table
from twinpane_broker.engine.index.person_index import Index
from twinpane_broker.engine.sql.dialect import PERSON
from twinpane_broker.engine.sql.layout import (
    FIRST_MONTH,
    LAST_MONTH,
    check_names,
    code_indexes,
    code_type,
    month_name,
    needed,
    person_column,
    store_shape,
    stored,
)
from twinpane_broker.engine.store.facts import Facts, read_facts
from twinpane_broker.engine.store.register import Register
from twinpane_broker.engine.store.survey import survey
from twinpane_broker.errors import EngineError
from twinpane_broker.model import canonical_json
from twinpane_ground import atomic

from .postgresql_runner import PostgresDialect, PostgresRunner

SQL_TYPES = {
    ColumnType.boolean: "boolean",
    ColumnType.integer: "bigint",
    ColumnType.double: "double precision",
    ColumnType.varchar: "text",
    ColumnType.date: "date",
    ColumnType.timestamp: "timestamp",
}
WHOLE = r"^(0|-?[1-9][0-9]{0,18})$"
"""Texts that may be a whole number as it is written: where it fits 64 bits, they name the same person as the number."""
MOST = 2**63


@dataclass(frozen=True)
class PostgresStore:
    """A store: its schema in the database, and the folder with its facts and index."""

    schema: str
    folder: Path

    @property
    def facts(self) -> Path:
        """The facts' file."""
        return self.folder / f"{self.schema}.facts.json"

    @property
    def index(self) -> Path:
        """The index's file."""
        return self.folder / f"{self.schema}.index"


def opened(store: PostgresStore, connection: psycopg.Connection) -> tuple[Facts, Index]:
    """The facts and the open index of a store. Raises EngineError unless the database's tables were made together with them."""
    facts, index = read_facts(store.facts), Index(store.index)
    row = connection.execute(f"SELECT made_of FROM {_quoted(store.schema)}.twinpane_store").fetchone()  # noqa: S608
    if row is None or not row[0] == facts.made_of == index.made_of:
        index.close()
        raise EngineError(f"the schema {store.schema} and the files in {store.folder} were not made together: prepare the store again")
    return facts, index


def prepare_postgresql(conninfo: str, source: str, catalogue: Catalogue, folder: Path, register: Path, reader: str) -> PostgresStore:
    """Make the store of the tables in the schema ``source``, and let the role ``reader`` read it; facts and index go to ``folder``.

    Does nothing where a store of this catalogue's snapshot and shape is there: a snapshot is frozen when it is first prepared.
    Raises EngineError, for a steward to read, for a missing table or column, a wrong type, or a damaged register.
    """
    check_names(catalogue)
    persons = Register(register)
    made_of = hashlib.sha256(canonical_json([catalogue.snapshot, store_shape(catalogue), source, persons.identity])).hexdigest()
    store = PostgresStore(f"twinpane_{made_of[:24]}", folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with psycopg.connect(conninfo, cursor_factory=ClientCursor) as connection:
            try:
                with connection.transaction():
                    opened(store, connection)[1].close()
                    return store
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, EngineError):
                pass
            _Making(connection, source, catalogue, store, persons, made_of).run(reader)
    except psycopg.errors.UndefinedTable as error:
        raise EngineError(f"PostgreSQL: {error.diag.message_primary}; the catalogue lists it") from None
    except psycopg.errors.UndefinedColumn as error:
        raise EngineError(f"PostgreSQL: {error.diag.message_primary}; the catalogue lists it") from None
    except psycopg.errors.DataError:
        raise EngineError("a column does not have the type that the catalogue gives it") from None
    except psycopg.Error as error:
        why = f"the store cannot be made in PostgreSQL ({type(error).__name__}): may the role read the source and create a schema?"
        raise EngineError(why) from None
    return store


class _Making:
    """One store under construction, in one transaction: half a store is never seen."""

    def __init__(
        self, connection: psycopg.Connection, source: str, catalogue: Catalogue, store: PostgresStore, register: Register, made_of: str
    ) -> None:  # fmt: skip
        self._connection, self._source, self._catalogue = connection, source, catalogue
        self._store, self._register, self._made_of = store, register, made_of

    def run(self, reader: str) -> None:
        schema = _quoted(self._store.schema)
        execute = self._connection.execute
        execute("SET LOCAL TimeZone = 'UTC'")
        execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        execute(f"CREATE SCHEMA {schema}")
        self._number()
        for table in self._catalogue.tables:
            execute(*self._table(table, schema))
            name = f"{schema}.{_quoted(table.name)}"
            (lost,) = execute(f"SELECT count(*) FROM {name} WHERE {PERSON} IS NULL").fetchone()  # noqa: S608
            if lost:
                raise EngineError(f"persons of {table.name} have no number in the register: it is damaged")
            execute(f"CREATE INDEX ON {name} ({PERSON})")
            execute(f"ANALYZE {name}")
        execute(f"CREATE TABLE {schema}.twinpane_store AS SELECT %s::text AS made_of", [self._made_of])
        runner = PostgresRunner(self._connection, PostgresDialect(schema=self._store.schema))
        facts = survey(runner, self._catalogue, self._made_of, self._store.index)
        atomic.write(self._store.facts, facts.canonical() + b"\n")
        execute("DROP TABLE twinpane_numbers")
        execute(f"GRANT USAGE ON SCHEMA {schema} TO {_quoted(reader)}")
        execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {_quoted(reader)}")

    def _number(self) -> None:
        """Give every person of the source a number, and bring the numbers into the database."""
        everybody = " UNION ".join(
            f"SELECT {integer} AS integer, {text} AS text FROM {self._from(table)}"  # noqa: S608
            for table in self._catalogue.tables for integer, text in [_key(table)]
        )  # fmt: skip
        with tempfile.TemporaryDirectory(dir=self._store.folder, prefix="persons-") as name, closing(duckdb.connect()) as local:
            keys, numbers = Path(name) / "keys.csv", Path(name) / "numbers.csv"
            with keys.open("wb") as file, self._connection.cursor().copy(f"COPY ({everybody}) TO STDOUT (FORMAT csv)") as copy:
                for block in copy:
                    file.write(block)
            columns = "{'integer': 'BIGINT', 'text': 'VARCHAR'}"
            local.execute(
                f"CREATE VIEW people AS SELECT * FROM read_csv('{keys}', header = false, columns = {columns}, "  # noqa: S608
                "nullstr = '', allow_quoted_nulls = false)"
            )
            self._register.enrol(local, "people")
            local.execute(f"COPY ({self._register.numbers()}) TO '{numbers}' (FORMAT csv, HEADER false, FORCE_QUOTE (text))")
            self._connection.execute("CREATE TEMP TABLE twinpane_numbers (number integer, integer bigint, text text)")
            with numbers.open("rb") as file, self._connection.cursor().copy("COPY twinpane_numbers FROM STDIN (FORMAT csv)") as copy:
                while block := file.read(1 << 20):
                    copy.write(block)
        self._connection.execute("CREATE INDEX ON twinpane_numbers (integer)")
        self._connection.execute("CREATE INDEX ON twinpane_numbers (text) WHERE text IS NOT NULL")
        self._connection.execute("ANALYZE twinpane_numbers")

    def _table(self, table: Table, schema: str) -> tuple[str, list[list[object]]]:
        integer, text = _key(table)
        chosen, joins, parameters = [f"n.number AS {PERSON}"], [f"LEFT JOIN twinpane_numbers n ON n.integer = {integer}"], []
        if person_column(table).type is not ColumnType.integer:
            joins.append(f"LEFT JOIN twinpane_numbers m ON m.text = {text}")
            chosen = [f"coalesce(n.number, m.number) AS {PERSON}"]
        for place, column in enumerate(stored(table)):
            name = _quoted(column.name)
            if column.role is Role.dimension:
                codes, kind = code_indexes(column), code_type(column)
                compared = "text" if column.type in (ColumnType.date, ColumnType.timestamp) else SQL_TYPES[column.type]
                value = f"{_typed(column)}::{compared}"
                joins.append(f"LEFT JOIN unnest(%s::{compared}[], %s::{kind}[]) AS c{place}(value, i) ON c{place}.value = {value}")
                parameters += [[value for value, _ in codes], [index for _, index in codes]]
                chosen.append(f"CASE WHEN {value} IS NOT NULL THEN coalesce(c{place}.i, (-1)::{kind}) END AS {name}")
            elif column.role is Role.measure:
                chosen.append(f"{_clipped(column)} AS {name}")
            elif column.role is Role.date:
                day = f"CASE WHEN isfinite({_typed(column)}) THEN {_typed(column)}::date END"
                month = f"extract(year FROM {day})::bigint * 12 + extract(month FROM {day})::bigint - 1"
                month = f"CASE WHEN {day} IS NOT NULL THEN least(greatest({month}, {FIRST_MONTH}), {LAST_MONTH})::smallint END"
                chosen += [f"{day} AS {name}", f"{month} AS {_quoted(month_name(column.name))}"]
            else:
                chosen.append(f"{_typed(column)} AS {name}")
        sql = (
            f"CREATE TABLE {schema}.{_quoted(table.name)} AS SELECT {', '.join(chosen)} FROM {self._from(table)} {' '.join(joins)} "  # noqa: S608
            f"WHERE {integer} IS NOT NULL OR {text} IS NOT NULL ORDER BY 1"
        )
        return sql, parameters

    def _from(self, table: Table) -> str:
        for column in needed(table):
            if "%" in column.name:
                raise EngineError(f"{table.name}.{column.name}: a name may not have a % in it")
        return f"{_quoted(self._source)}.{_quoted(table.name)} s"


def _key(table: Table) -> tuple[str, str]:
    """The person's key as a whole number and, where it is none, as text (``register.key_columns``)."""
    column = person_column(table)
    value = _typed(column)
    if column.type is ColumnType.integer:
        return value, "NULL::text"
    if column.type is ColumnType.double:
        value = f"CASE WHEN {value} = trunc({value}) AND abs({value}) < 1e15 THEN {value}::bigint::text ELSE {value}::text END"
    text = f"({value})::text"
    fits = f"CASE WHEN {text} ~ '{WHOLE}' THEN ({text})::numeric END"
    whole = f"CASE WHEN ({fits}) BETWEEN {-MOST} AND {MOST - 1} THEN ({text})::bigint END"
    return whole, f"CASE WHEN ({whole}) IS NULL THEN {text} END"


def _typed(column: Column) -> str:
    value = f"s.{_quoted(column.name)}::{SQL_TYPES[column.type]}"
    return f"nullif({value}, 'NaN'::double precision)" if column.type is ColumnType.double else f"({value})"


def _clipped(column: Column) -> str:
    low, high = (f"{end!r}::double precision" for end in map(float, column.bounds))
    value = f"{_typed(column)}::integer" if column.type is ColumnType.boolean else _typed(column)
    # greatest() and least() would turn a missing value into a bound.
    return f"CASE WHEN {value} IS NOT NULL THEN least(greatest({value}::double precision, {low}), {high}) END"


def _quoted(name: str) -> str:
    return PostgresDialect().quoted(name)
