"""From the snapshot's Parquet files to the store's tables, in DuckDB: persons numbered, codes as indexes, values clipped."""

from pathlib import Path

import duckdb

from twinpane_broker.catalogue.catalogue import Catalogue, Column, ColumnType, Role, Table
from twinpane_broker.engine.sql.dialect import PERSON
from twinpane_broker.engine.sql.layout import FIRST_MONTH, LAST_MONTH, code_indexes, code_type, month_name, needed, person_column, stored
from twinpane_broker.errors import EngineError

from .register import Register, key_columns

SQL_TYPES = {
    ColumnType.boolean: "BOOLEAN",
    ColumnType.integer: "BIGINT",
    ColumnType.double: "DOUBLE",
    ColumnType.varchar: "VARCHAR",
    ColumnType.date: "DATE",
    ColumnType.timestamp: "TIMESTAMP",
}
CODED_AS = {ColumnType.boolean: "BOOLEAN", ColumnType.integer: "BIGINT", ColumnType.double: "DOUBLE"}
"""Types in which codes are compared; all others as text."""
WORD = 2**63
"""What the places of persons in the order of their codes are packed into."""
MOST_WORDS = 3
MANY = 1000
"""New persons whose order is worth a second look at their table."""


class Staging:
    """Reads one snapshot on one connection. Temporary tables stay on it until it is closed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, snapshot: Path, catalogue: Catalogue) -> None:
        self._connection = connection
        self._snapshot = snapshot
        self._catalogue = catalogue
        self._codes: dict[tuple[str, str], str] = {}

    def check(self) -> None:
        """Raise EngineError for a file or column of the catalogue that the snapshot does not have."""
        for table in self._catalogue.tables:
            file = self._file(table)
            if not file.is_file():
                raise EngineError(f"the snapshot has no file {file.name}, but the catalogue lists the table {table.name}")
            try:
                present = {row[0] for row in self._connection.execute(f"DESCRIBE SELECT * FROM {self._source(table)}").fetchall()}  # noqa: S608
            except duckdb.Error:
                raise EngineError(f"{file.name} cannot be read as Parquet") from None
            for column in needed(table):
                if column.name not in present:
                    which = "its person key" if column.name == table.person_key else f"a {column.role} of the catalogue"
                    raise EngineError(f"{file.name} has no column {column.name}, {which}")

    def enrol(self, register: Register) -> None:
        """Give all persons of the snapshot their numbers. New ones, if many, are numbered in the order of their codes, fewest codes first:
        persons with the same codes then have neighbouring numbers, and sets of them are small and fast."""
        tables = self._catalogue.tables
        for place, table in enumerate(tables):
            integer, text = self._key(table)
            self._read(
                table,
                f"CREATE TEMP TABLE keys_{place} AS SELECT integer, text, count(*) AS n FROM "  # noqa: S608
                f"(SELECT {integer} AS integer, {text} AS text FROM {self._source(table)} AS s) "
                "WHERE integer IS NOT NULL OR text IS NOT NULL GROUP BY integer, text",
            )
        try:
            self._people([f"SELECT integer, text FROM keys_{place}" for place in range(len(tables))])  # noqa: S608
            strangers = register.strangers(self._connection, "people")
            order = self._order() if strangers >= MANY else []
            if strangers:
                register.enrol(self._connection, "people", order)
        except duckdb.Error:
            raise EngineError("the persons of the snapshot cannot be numbered: the disk or the memory is full") from None
        self._connection.execute("DROP VIEW people")
        for place in range(len(tables)):
            self._connection.execute(f"DROP TABLE IF EXISTS order_{place}")
            self._connection.execute(f"DROP TABLE keys_{place}")

    def _order(self) -> list[str]:
        """The columns to order persons by, which ``people`` has from now on."""
        words = self._words()
        names = [f"word_{i}" for i in range(len(words))]
        parts = []
        for place, table in enumerate(self._catalogue.tables):
            own = [[part for owner, part in word if owner == table.name] for word in words]
            if any(own):
                self._read(table, self._order_sql(place, table, own))
                parts.append(f"SELECT integer, text, {', '.join(names)} FROM order_{place}")  # noqa: S608
            else:
                parts.append(f"SELECT integer, text{''.join(f', CAST(0 AS BIGINT) AS {name}' for name in names)} FROM keys_{place}")  # noqa: S608
        self._people(parts)
        return names

    def _people(self, parts: list[str]) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW people AS {' UNION ALL '.join(parts)}")

    def write(self, register: Register, schema: str) -> None:
        """Make the store's tables in a schema of the connection."""
        for name in ("integer", "text"):
            self._connection.execute(
                f"CREATE TEMP VIEW by_{name} AS SELECT number, {name} AS key FROM ({register.numbers()}) WHERE {name} IS NOT NULL"  # noqa: S608
            )
        for table in self._catalogue.tables:
            self._read(table, self._table_sql(table, f'{schema}."{table.name}"'))
            (lost,) = self._connection.execute(f'SELECT count(*) FROM {schema}."{table.name}" WHERE {PERSON} IS NULL').fetchone()  # noqa: S608
            if lost:
                raise EngineError(f"persons of {self._file(table).name} have no number in the register: it is damaged")

    def _table_sql(self, table: Table, target: str) -> str:
        integer, text = self._key(table)
        source = [f"{self._source(table)} AS s", f"LEFT JOIN by_integer AS ri ON ri.key = {integer}"]
        number = "ri.number"
        if person_column(table).type is not ColumnType.integer:
            source.append(f"LEFT JOIN by_text AS rt ON rt.key = {text}")
            number = "coalesce(ri.number, rt.number)"
        chosen = [f"{number} AS {PERSON}"]
        for column in stored(table):
            if column.role is Role.dimension:
                code, join = self._coded(table, column)
                source += join
                chosen.append(f"{code} AS {_quoted(column.name)}")
            elif column.role is Role.measure:
                chosen.append(f"{_clipped(column)} AS {_quoted(column.name)}")
            elif column.role is Role.date:
                day = f"CASE WHEN isfinite({_day(column)}) THEN {_day(column)} END"
                month = f"least(greatest(CAST(year({day}) AS BIGINT) * 12 + month({day}) - 1, {FIRST_MONTH}), {LAST_MONTH})"
                month = f"CASE WHEN {day} IS NOT NULL THEN CAST({month} AS SMALLINT) END"
                chosen += [f"{day} AS {_quoted(column.name)}", f"{month} AS {_quoted(month_name(column.name))}"]
            else:
                chosen.append(f"{_typed(column)} AS {_quoted(column.name)}")
        # Rows of one person lie together, and persons in the order of the index's sets.
        return (
            f"CREATE TABLE {target} AS SELECT {', '.join(chosen)} FROM {' '.join(source)} "  # noqa: S608
            f"WHERE {integer} IS NOT NULL OR {text} IS NOT NULL ORDER BY {PERSON}"
        )

    def _words(self) -> list[list[tuple[str, str]]]:
        """The order of persons as numbers: each word a list of (table, SQL of what its dimension adds to the word)."""
        singles = [
            table for place, table in enumerate(self._catalogue.tables)
            if self._connection.execute(f"SELECT coalesce(max(n), 0) <= 1 FROM keys_{place}").fetchone()[0]  # noqa: S608
        ]  # fmt: skip
        columns = [(table, column) for table in singles for column in stored(table) if column.role is Role.dimension and column.codes]
        columns.sort(key=lambda each: len(each[1].codes))
        words: list[list[tuple[Table, Column]]] = []
        room = 0
        for table, column in columns:
            room //= len(column.codes) + 2
            if room < 1:
                words.append([])
                room = WORD // (len(column.codes) + 2)
            words[-1].append((table, column))
        return [self._packed(word) for word in words[:MOST_WORDS]]

    def _packed(self, word: list[tuple[Table, Column]]) -> list[tuple[str, str]]:
        parts, weight = [], 1
        for table, column in reversed(word):
            code, _ = self._coded(table, column)
            parts.append((table.name, f"(coalesce(CAST({code} AS BIGINT), -2) + 2) * {weight}"))
            weight *= len(column.codes) + 2
        return parts

    def _order_sql(self, place: int, table: Table, words: list[list[str]]) -> str:
        integer, text = self._key(table)
        joins = [join for column in stored(table) if column.role is Role.dimension for join in self._coded(table, column)[1]]
        sums = [f"{' + '.join(parts) or 'CAST(0 AS BIGINT)'} AS word_{i}" for i, parts in enumerate(words)]
        return (
            f"CREATE TEMP TABLE order_{place} AS SELECT {integer} AS integer, {text} AS text, {', '.join(sums)} "  # noqa: S608
            f"FROM {self._source(table)} AS s {' '.join(joins)} WHERE {integer} IS NOT NULL OR {text} IS NOT NULL"
        )

    def _coded(self, table: Table, column: Column) -> tuple[str, list[str]]:
        """The SQL of a dimension's code index, and the joins it needs."""
        value = _typed(column)
        kind = CODED_AS.get(column.type, "VARCHAR")
        value = value if column.type in CODED_AS else f"CAST({value} AS VARCHAR)"
        codes = code_indexes(column)
        if not codes:
            return f"CASE WHEN {value} IS NOT NULL THEN CAST(-1 AS {code_type(column)}) END", []
        key = (table.name, column.name)
        if key not in self._codes:
            self._codes[key] = f"codes_{len(self._codes)}"
            values, indexes = zip(*codes, strict=True)
            self._connection.execute(
                f"CREATE TEMP TABLE {self._codes[key]} AS SELECT unnest(CAST(? AS {kind}[])) AS value, "
                f"unnest(CAST(? AS {code_type(column)}[])) AS i",
                [list(values), list(indexes)],
            )
        name = self._codes[key]
        code = f"CASE WHEN {value} IS NOT NULL THEN coalesce({name}.i, CAST(-1 AS {code_type(column)})) END"
        return code, [f"LEFT JOIN {name} ON {name}.value = {value}"]

    def _key(self, table: Table) -> tuple[str, str]:
        column = person_column(table)
        return key_columns(_typed(column), column.type)

    def _read(self, table: Table, sql: str) -> None:
        try:
            self._connection.execute(sql)
        except duckdb.Error:
            name = self._file(table).name
            raise EngineError(f"a column of {name} does not have the type that the catalogue gives it, or the disk is full") from None

    def _file(self, table: Table) -> Path:
        return self._snapshot / f"{table.name}.parquet"

    def _source(self, table: Table) -> str:
        return f"read_parquet('{str(self._file(table)).replace(chr(39), 2 * chr(39))}')"


def _typed(column: Column) -> str:
    value = f"CAST(s.{_quoted(column.name)} AS {SQL_TYPES[column.type]})"
    # NaN compares as larger than every number, and would sit in every range without an upper end.
    return f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END" if column.type is ColumnType.double else value


def _clipped(column: Column) -> str:
    low, high = (f"CAST({end!r} AS DOUBLE)" for end in map(float, column.bounds))
    value = f"CAST({_typed(column)} AS INTEGER)" if column.type is ColumnType.boolean else _typed(column)
    # greatest() and least() would turn a missing value into a bound.
    return f"CASE WHEN {value} IS NOT NULL THEN least(greatest(CAST({value} AS DOUBLE), {low}), {high}) END"


def _day(column: Column) -> str:
    return f"CAST({_typed(column)} AS DATE)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
