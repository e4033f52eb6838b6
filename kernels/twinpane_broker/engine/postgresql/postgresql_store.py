"""Makes the broker's store of a snapshot inside a PostgreSQL database. Only persons' keys and codes leave the server, never whole rows.

Needs a role that may read the source's tables and create a schema. Another role, which may only read, asks the questions.
"""

import hashlib
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psycopg
from psycopg import ClientCursor
from sqlglot import exp

from twinpane_broker.catalogue.catalogue import Catalogue, ColumnType, Table
from twinpane_broker.engine.index.person_index import Index
from twinpane_broker.engine.sql.dialect import PERSON
from twinpane_broker.engine.sql.layout import check_names, person_column, store_shape
from twinpane_broker.engine.store.coded_table import NUMBERS, SQL_TYPES, CodedTables
from twinpane_broker.engine.store.facts import Facts, read_facts
from twinpane_broker.engine.store.register import Register
from twinpane_broker.engine.store.survey import survey
from twinpane_broker.errors import EngineError
from twinpane_broker.model import canonical_json
from twinpane_ground import atomic

from .postgresql_runner import PostgresDialect, PostgresRunner

WHOLE = r"^(0|-?[1-9][0-9]{0,18})$"
"""Texts that may be a whole number as it is written: where it fits 64 bits, they name the same person as the number."""
MOST = 2**63


class PostgresTables(CodedTables):
    """PostgreSQL's differences from DuckDB: the source is a schema, and a failing cast ends the statement."""

    dialect = "postgres"

    def __init__(self, catalogue: Catalogue, schema: str) -> None:
        super().__init__(catalogue)
        self._catalogue, self._schema = catalogue, schema

    def source(self, table: Table) -> exp.Table:
        """See CodedTables."""
        return exp.table_(table.name, db=self._schema, quoted=True)

    def rows(self, table: Table) -> exp.Select:
        """See CodedTables. The source is no frozen snapshot: rows of unknown persons, which no snapshot has, are left out here."""
        rows, home, key = super().rows(table), self._catalogue.home(table), exp.column(table.person_key, table="s", quoted=True)
        kind = SQL_TYPES[person_column(table).type]
        if person_column(table).type is ColumnType.varchar:
            rows = rows.where(key.neq(exp.Literal.string("")))
        if home is None:
            return rows
        known = exp.cast(exp.column(home.person_key, table="known", quoted=True), kind)
        persons = exp.select("1").from_(exp.alias_(self.source(home), "known", table=True)).where(known.eq(key))
        return rows.where(exp.Exists(this=persons))

    def whole(self, text: exp.Expr) -> exp.Expr:
        """See CodedTables."""
        alike = exp.RegexpLike(this=text.copy(), expression=exp.Literal.string(WHOLE))
        number = exp.case().when(alike, exp.cast(text, "DECIMAL"))
        return exp.case().when(number.between(exp.Literal.number(-MOST), exp.Literal.number(MOST - 1)), exp.cast(text, "BIGINT"))


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

    Does nothing if a store of this catalogue's snapshot and shape exists: a snapshot is frozen when it is first prepared.
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
    except (psycopg.errors.TooManyColumns, psycopg.errors.ProgramLimitExceeded):
        why = "a table has more or wider columns than PostgreSQL stores in one row: leave columns out of the catalogue"
        raise EngineError(f"the store cannot be made in PostgreSQL: {why}") from None
    except psycopg.errors.DataError:
        raise EngineError("a column does not have the type that the catalogue gives it") from None
    except psycopg.Error as error:
        why = f"the store cannot be made in PostgreSQL ({type(error).__name__}): may the role read the source and create a schema?"
        raise EngineError(why) from None
    return store


class _Making:
    """One store under construction, in one transaction: nobody ever sees half a store."""

    def __init__(
        self, connection: psycopg.Connection, source: str, catalogue: Catalogue, store: PostgresStore, register: Register, made_of: str
    ) -> None:  # fmt: skip
        self._connection, self._catalogue, self._coded = connection, catalogue, PostgresTables(catalogue, source)
        self._store, self._register, self._made_of = store, register, made_of

    def run(self, reader: str) -> None:
        schema = _quoted(self._store.schema)
        execute = self._connection.execute
        execute("SET LOCAL TimeZone = 'UTC'")
        execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        execute(f"CREATE SCHEMA {schema}")
        self._number()
        self._list_codes()
        for table in self._catalogue.tables:
            name = f"{schema}.{_quoted(table.name)}"
            self._write(table, name)
            [(lost,)] = execute(f"SELECT count(*) FROM {name} WHERE {PERSON} IS NULL").fetchall()  # noqa: S608
            if lost:
                raise EngineError(f"persons of {table.name} have no number in the register: it is damaged")
            execute(f"CREATE INDEX ON {name} ({PERSON})")
            execute(f"ANALYZE {name}")
        execute(f"CREATE TABLE {schema}.twinpane_store AS SELECT %s::text AS made_of", [self._made_of])
        runner = PostgresRunner(self._connection, PostgresDialect(schema=self._store.schema))
        facts = survey(runner, self._catalogue, self._made_of, self._store.index)
        atomic.write(self._store.facts, facts.canonical() + b"\n")
        execute(f"GRANT USAGE ON SCHEMA {schema} TO {_quoted(reader)}")
        execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {_quoted(reader)}")

    def _write(self, table: Table, name: str) -> None:
        """Make one table of the store; of very many dimensions in steps."""
        *before, last = self._coded.steps(table, "twinpane_step_{}".format)
        for place, step in enumerate(before):
            self._connection.execute(f"CREATE TEMP TABLE twinpane_step_{place} ON COMMIT DROP AS {self._coded.sql(step)}")
            if place:
                self._connection.execute(f"DROP TABLE twinpane_step_{place - 1}")
        self._connection.execute(f"CREATE TABLE {name} AS {self._coded.sql(last)} ORDER BY {PERSON}")
        if before:
            self._connection.execute(f"DROP TABLE twinpane_step_{len(before) - 1}")

    def _number(self) -> None:
        """Give every person of the source a number, and bring the numbers into the database."""
        with tempfile.TemporaryDirectory(dir=self._store.folder, prefix="persons-") as name, closing(duckdb.connect()) as local:
            keys, numbers, everybody = Path(name) / "keys.csv", Path(name) / "numbers.csv", self._coded.everybody()
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
            self._connection.execute(f"CREATE TEMP TABLE {NUMBERS} (number integer, integer bigint, text text) ON COMMIT DROP")
            with numbers.open("rb") as file, self._connection.cursor().copy(f"COPY {NUMBERS} FROM STDIN (FORMAT csv)") as copy:
                while block := file.read(1 << 20):
                    copy.write(block)
        self._connection.execute(f"CREATE INDEX ON {NUMBERS} (integer) WHERE integer IS NOT NULL")
        self._connection.execute(f"CREATE INDEX ON {NUMBERS} (text) WHERE text IS NOT NULL")
        self._connection.execute(f"ANALYZE {NUMBERS}")

    def _list_codes(self) -> None:
        for codes in self._coded.code_lists():
            self._connection.execute(
                f"CREATE TEMP TABLE {codes.name} ON COMMIT DROP AS "  # noqa: S608
                f"SELECT * FROM unnest(%s::{codes.value_type}[], %s::{codes.index_type}[]) AS listed (value, i)",
                [[value for value, _ in codes.rows], [index for _, index in codes.rows]],
            )
            self._connection.execute(f"ANALYZE {codes.name}")


def _quoted(name: str) -> str:
    return PostgresDialect().quoted(name)
