"""From the snapshot's Parquet files to the store's tables, in DuckDB: persons numbered, codes as indexes, values clipped."""

from pathlib import Path

import duckdb
from sqlglot import exp

from twinpane_broker.catalogue.catalogue import Catalogue, Column, Table
from twinpane_broker.engine.sql.dialect import PERSON
from twinpane_broker.engine.sql.layout import dimensions, needed, stored
from twinpane_broker.errors import EngineError

from .coded_table import NUMBERS, CodedTables
from .register import Register

WORD = 2**63
"""What the places of persons in the order of their codes are packed into."""
MOST_WORDS = 3
JOINS = 16
"""Code lists that one statement joins, at most: each takes some megabytes, however few codes it has."""
MANY = 1000
"""New persons whose order is worth a second look at their table."""


class Staging:
    """Reads one snapshot on one connection. Its temporary relations stay on it until ``clear``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, snapshot: Path, catalogue: Catalogue) -> None:
        self._connection = connection
        self._snapshot = snapshot
        self._catalogue = catalogue
        self._coded = CodedTables(catalogue)

    def check(self) -> None:
        """Raise EngineError for a file or column of the catalogue that the snapshot does not have."""
        for table in self._catalogue.tables:
            file = self._file(table)
            if not file.is_file():
                raise EngineError(f"the snapshot has no file {file.name}, but the catalogue lists the table {table.name}")
            source, path = self._coded.source(table).sql(self._coded.dialect), str(file).replace("'", "''")
            try:
                self._connection.execute(f"CREATE TEMP VIEW {source} AS SELECT * FROM read_parquet('{path}')")  # noqa: S608
                present = {row[0] for row in self._connection.execute(f"DESCRIBE {source}").fetchall()}
            except duckdb.Error:
                raise EngineError(f"{file.name} cannot be read as Parquet") from None
            for column in needed(table):
                if column.name not in present:
                    which = "its person key" if column.name == table.person_key else f"a {column.role} of the catalogue"
                    raise EngineError(f"{file.name} has no column {column.name}, {which}")

    def enrol(self, register: Register) -> None:
        """Give all persons of the snapshot their numbers.

        If many persons are new, number them in the order of their codes, from the dimension with the fewest codes. Then persons with the
        same codes have neighbouring numbers, and their sets are small and fast.
        """
        for codes in self._coded.code_lists():
            self._connection.execute(
                f"CREATE TEMP TABLE {codes.name} AS SELECT unnest(CAST(? AS {codes.value_type}[])) AS value, "
                f"unnest(CAST(? AS {codes.index_type}[])) AS i",
                [[value for value, _ in codes.rows], [index for _, index in codes.rows]],
            )
        tables = self._catalogue.tables
        for place, table in enumerate(tables):
            keys = self._coded.sql(self._coded.keys(table))
            counted = f"SELECT integer, text, count(*) AS n FROM ({keys}) GROUP BY integer, text"  # noqa: S608
            self._read(table, f"CREATE TEMP TABLE keys_{place} AS {counted}")
        try:
            self._people([f"SELECT integer, text FROM keys_{place}" for place in range(len(tables))])  # noqa: S608
            strangers = register.strangers(self._connection, "people")
            order = self._order() if strangers >= MANY else []
            if strangers:
                register.enrol(self._connection, "people", order)
        except duckdb.Error as error:
            raise EngineError(f"the persons of the snapshot cannot be numbered: {_cause(error)}") from None
        self._connection.execute("DROP VIEW people")
        for place in range(len(tables)):
            self._connection.execute(f"DROP TABLE IF EXISTS order_{place}")
            self._connection.execute(f"DROP TABLE keys_{place}")

    def write(self, register: Register, schema: str) -> None:
        """Make the store's tables in a schema of the connection."""
        self._connection.execute(f"CREATE TEMP VIEW {NUMBERS} AS {register.numbers()}")
        for table in self._catalogue.tables:
            target = f'{schema}."{table.name}"'
            # Store the rows of one person together, and the persons in the order of the index's sets.
            if len(dimensions(table)) <= JOINS:
                self._read(table, f"CREATE TABLE {target} AS {self._coded.sql(self._coded.coded(table))} ORDER BY {PERSON}")
            else:
                self._write_in_parts(table, target)
            if self._one(f"SELECT count(*) FROM {target} WHERE {PERSON} IS NULL"):  # noqa: S608
                raise EngineError(f"persons of {self._file(table).name} have no number in the register: it is damaged")

    def _write_in_parts(self, table: Table, target: str) -> None:
        """Make a table of many dimensions some columns at a time: each join with a code list takes memory for itself."""
        columns = stored(table)
        parts = [columns[at : at + JOINS] for at in range(0, len(columns), JOINS)]
        names = ["numbered", *(f"part_{place}" for place in range(len(parts)))]
        self._read(table, f"CREATE TEMP TABLE numbered AS {self._coded.sql(self._coded.numbered(table))} ORDER BY {PERSON}")
        for name, part in zip(names[1:], parts, strict=True):
            select = self._coded.sql(self._coded.coded_part(table, part, "numbered"))
            # A join may change the order of rows.
            self._read(table, f"CREATE TEMP TABLE {name} AS {select} ORDER BY s.rowid")
        chosen = ", ".join([f"numbered.{PERSON}", *(f"{name}.*" for name in names[1:])])
        self._read(table, f"CREATE TABLE {target} AS SELECT {chosen} FROM {' POSITIONAL JOIN '.join(names)}")  # noqa: S608
        for name in names:
            self._connection.execute(f"DROP TABLE {name}")

    def clear(self) -> None:
        """Drop the temporary relations: a store's table of the same name would be taken for them."""
        for table in self._catalogue.tables:
            self._connection.execute(f"DROP VIEW IF EXISTS {self._coded.source(table).sql(self._coded.dialect)}")
        self._connection.execute(f"DROP VIEW IF EXISTS {NUMBERS}")
        for codes in self._coded.code_lists():
            self._connection.execute(f"DROP TABLE IF EXISTS {codes.name}")

    def _order(self) -> list[str]:
        """Add to ``people`` the columns that order persons; returns their names."""
        words = self._words()
        names = [f"word_{i}" for i in range(len(words))]
        parts = []
        for place, table in enumerate(self._catalogue.tables):
            if any(owner == table for word in words for owner, _ in word):
                sums = [self._packed(table, word).as_(name) for word, name in zip(words, names, strict=True)]
                coded = [column for word in words for owner, column in word if owner == table]
                ordered = self._coded.with_codes(self._coded.keys(table), table, coded).select(*sums)
                self._read(table, f"CREATE TEMP TABLE order_{place} AS {self._coded.sql(ordered)}")
                parts.append(f"SELECT integer, text, {', '.join(names)} FROM order_{place}")  # noqa: S608
            else:
                parts.append(f"SELECT integer, text{''.join(f', CAST(0 AS BIGINT) AS {name}' for name in names)} FROM keys_{place}")  # noqa: S608
        self._people(parts)
        return names

    def _words(self) -> list[list[tuple[Table, Column]]]:
        """The dimensions whose codes order the persons, in groups that fit into 64 bits."""
        singles = [
            table for place, table in enumerate(self._catalogue.tables)
            if self._one(f"SELECT coalesce(max(n), 0) <= 1 FROM keys_{place}")  # noqa: S608
        ]  # fmt: skip
        columns = [(table, column) for table in singles for column in dimensions(table) if column.codes]
        columns.sort(key=lambda each: len(each[1].codes))
        words: list[list[tuple[Table, Column]]] = []
        room = 0
        for table, column in columns[:JOINS]:
            room //= len(column.codes) + 2
            if room < 1:
                words.append([])
                room = WORD // (len(column.codes) + 2)
            words[-1].append((table, column))
        return words[:MOST_WORDS]

    def _packed(self, table: Table, word: list[tuple[Table, Column]]) -> exp.Expr:
        """A table's contribution to a 64-bit word: each code's index, weighted by the dimensions after it."""
        total: exp.Expr = exp.cast(exp.Literal.number(0), "BIGINT")
        weight = 1
        for owner, column in reversed(word):
            if owner == table:
                code = exp.func("COALESCE", exp.cast(self._coded.code(table, column), "BIGINT"), exp.Literal.number(-2))
                # All codes that are not approved share one place.
                code = exp.case().when(code < -2, exp.Literal.number(-1)).else_(code)
                total = total + exp.paren(code + 2) * weight
            weight *= len(column.codes) + 2
        return total

    def _people(self, parts: list[str]) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW people AS {' UNION ALL '.join(parts)}")

    def _one(self, sql: str) -> object:
        [(value,)] = self._connection.execute(sql).fetchall()
        return value

    def _read(self, table: Table, sql: str) -> None:
        try:
            self._connection.execute(sql)
        except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.TypeMismatchException, duckdb.BinderException):
            # DuckDB's own text would repeat the value.
            raise EngineError(f"a column of {self._file(table).name} does not have the type that the catalogue gives it") from None
        except duckdb.Error as error:
            raise EngineError(f"the store's table of {self._file(table).name} cannot be made: {_cause(error)}") from None

    def _file(self, table: Table) -> Path:
        return self._snapshot / f"{table.name}.parquet"


def _cause(error: duckdb.Error) -> str:
    """What stopped DuckDB, in words without any value of a row."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return "DuckDB ran out of memory, or of room on the disk for what does not fit into it"
    if isinstance(error, duckdb.IOException):
        return "a file cannot be read or written, or the disk is full"
    return f"DuckDB stopped with {type(error).__name__}"
