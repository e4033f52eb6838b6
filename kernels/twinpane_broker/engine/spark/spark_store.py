"""Makes the broker's store of a snapshot with Spark: coded, clipped and numbered tables as Parquet, with facts and index beside them."""

import hashlib
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import SparkSession

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

from .spark_runner import SparkDialect, SparkRunner

SQL_TYPES = {
    ColumnType.boolean: "BOOLEAN",
    ColumnType.integer: "BIGINT",
    ColumnType.double: "DOUBLE",
    ColumnType.varchar: "STRING",
    ColumnType.date: "DATE",
    ColumnType.timestamp: "TIMESTAMP_NTZ",
}


@dataclass(frozen=True)
class SparkStore:
    """A store: its folder, and what tells it from others in one session."""

    folder: Path
    prefix: str

    @property
    def facts(self) -> Path:
        """The facts' file."""
        return self.folder / f"{self.prefix}facts.json"

    @property
    def index(self) -> Path:
        """The index's file."""
        return self.folder / f"{self.prefix}.index"

    def table(self, name: str) -> Path:
        """The folder of a table's Parquet files."""
        return self.folder / f"{self.prefix}tables" / name

    def view(self, name: str) -> str:
        """The session's name of a table."""
        return self.prefix + name


def opened(store: SparkStore) -> tuple[Facts, Index]:
    """The facts and the open index of a store. Raises EngineError unless they were made together."""
    facts, index = read_facts(store.facts), Index(store.index)
    if facts.made_of != index.made_of or any(not (store.table(table.name) / "_SUCCESS").exists() for table in facts.tables):
        index.close()
        raise EngineError(f"the files of the store in {store.folder} were not made together: prepare it again")
    return facts, index


def prepare_spark(session: SparkSession, source: Path, catalogue: Catalogue, folder: Path, register: Path) -> SparkStore:
    """Make the store of ``source/<table>.parquet`` (a file, or a folder of them); both folders are where the whole cluster sees them.

    Does nothing where a store of this catalogue's snapshot and shape is there: a snapshot is frozen when it is first prepared.
    Raises EngineError, for a steward to read, for a missing table or column, or a damaged register.
    """
    check_names(catalogue)
    persons = Register(register)
    made_of = hashlib.sha256(canonical_json([catalogue.snapshot, store_shape(catalogue), str(source), persons.identity])).hexdigest()
    store = SparkStore(folder, f"twinpane_{made_of[:24]}_")
    try:
        opened(store)[1].close()
        return store
    except EngineError:
        pass
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for rest in (store.facts, store.index):
        rest.unlink(missing_ok=True)
    shutil.rmtree(folder / f"{store.prefix}tables", ignore_errors=True)
    scratch = folder / f"{store.prefix}scratch"
    try:
        _Making(session, source, catalogue, store, persons, scratch).run(made_of)
    except AnalysisException as error:
        kind = error.getCondition() or "a column or file is not as the catalogue says"
        raise EngineError(f"Spark cannot read what the catalogue lists in {source}: {kind}") from None
    except PySparkException as error:
        raise EngineError(f"the store cannot be made with Spark ({type(error).__name__})") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return store


class _Making:
    """One store under construction. The facts come last: without them there is no store."""

    def __init__(
        self, session: SparkSession, source: Path, catalogue: Catalogue, store: SparkStore, register: Register, scratch: Path
    ) -> None:  # fmt: skip
        self._session, self._source, self._catalogue = session, source, catalogue
        self._store, self._register, self._scratch = store, register, scratch

    def run(self, made_of: str) -> None:
        for table in self._catalogue.tables:
            frame = self._session.read.parquet(str(self._source / f"{table.name}.parquet"))
            for column in needed(table):
                if column.name not in frame.columns:
                    raise EngineError(f"{table.name}.parquet has no column {column.name}, which the catalogue lists")
            frame.createOrReplaceTempView(f"source_{table.name}")
        self._number()
        for table in self._catalogue.tables:
            made = self._session.sql(self._table_sql(table))
            made.sortWithinPartitions(PERSON).write.mode("overwrite").parquet(str(self._store.table(table.name)))
            kept = self._session.read.parquet(str(self._store.table(table.name)))
            if kept.where(f"{PERSON} IS NULL").count():
                raise EngineError(f"persons of {table.name} have no number in the register: it is damaged")
            kept.createOrReplaceTempView(self._store.view(table.name))
        runner = SparkRunner(self._session, SparkDialect(prefix=self._store.prefix))
        facts = survey(runner, self._catalogue, made_of, self._store.index)
        atomic.write(self._store.facts, facts.canonical() + b"\n")

    def _number(self) -> None:
        """Give every person of the source a number, and let Spark read the numbers."""
        everybody = " UNION ".join(
            f"SELECT {integer} AS integer, {text} AS text FROM `source_{table.name}` s"  # noqa: S608
            for table in self._catalogue.tables for integer, text in [_key(table)]
        )  # fmt: skip
        self._session.sql(everybody).write.mode("overwrite").parquet(str(self._scratch / "keys"))
        numbers = self._scratch / "numbers.parquet"
        with closing(duckdb.connect()) as local:
            local.execute(f"CREATE VIEW people AS SELECT integer, text FROM read_parquet('{self._scratch / 'keys'}/*.parquet')")  # noqa: S608
            self._register.enrol(local, "people")
            local.execute(f"COPY ({self._register.numbers()}) TO '{numbers}' (FORMAT parquet)")
        known = self._session.read.parquet(str(numbers))
        for name in ("integer", "text"):
            keys = known.where(f"{name} IS NOT NULL").selectExpr("number", f"{name} AS key")
            keys.createOrReplaceTempView(f"twinpane_by_{name}")

    def _table_sql(self, table: Table) -> str:
        integer, text = _key(table)
        chosen = [f"n.number AS {PERSON}"]
        joins = [f"LEFT JOIN twinpane_by_integer n ON n.key = {integer}"]
        if person_column(table).type is not ColumnType.integer:
            joins.append(f"LEFT JOIN twinpane_by_text m ON m.key = {text}")
            chosen = [f"coalesce(n.number, m.number) AS {PERSON}"]
        for place, column in enumerate(stored(table)):
            name = _quoted(column.name)
            if column.role is Role.dimension:
                value, kind = self._codes(column, place)
                joins.append(f"LEFT JOIN twinpane_codes_{place} c{place} ON c{place}.value = {value}")
                chosen.append(f"CASE WHEN {value} IS NOT NULL THEN coalesce(c{place}.i, CAST(-1 AS {kind})) END AS {name}")
            elif column.role is Role.measure:
                chosen.append(f"{_clipped(column)} AS {name}")
            elif column.role is Role.date:
                day = f"CAST({_typed(column)} AS DATE)"
                month = f"least(greatest(CAST(year({day}) AS BIGINT) * 12 + month({day}) - 1, {FIRST_MONTH}), {LAST_MONTH})"
                month = f"CASE WHEN {day} IS NOT NULL THEN CAST({month} AS SMALLINT) END"
                chosen += [f"{day} AS {name}", f"{month} AS {_quoted(month_name(column.name))}"]
            else:
                chosen.append(f"{_typed(column)} AS {name}")
        return (
            f"SELECT {', '.join(chosen)} FROM `source_{table.name}` s {' '.join(joins)} "  # noqa: S608
            f"WHERE {integer} IS NOT NULL OR {text} IS NOT NULL"
        )

    def _codes(self, column: Column, place: int) -> tuple[str, str]:
        """A view of a dimension's codes with their indexes; the SQL of the value to compare, and the type of indexes."""
        compared = "STRING" if column.type in (ColumnType.date, ColumnType.timestamp) else SQL_TYPES[column.type]
        kind = code_type(column)
        rows = [(value, index) for value, index in code_indexes(column)]
        frame = self._session.createDataFrame(rows, f"value {compared}, i {kind}")
        frame.createOrReplaceTempView(f"twinpane_codes_{place}")
        return f"CAST({_typed(column)} AS {compared})", kind


def _key(table: Table) -> tuple[str, str]:
    """The person's key as a whole number and, where it is none, as text (``register.key_columns``)."""
    column = person_column(table)
    value = _typed(column)
    if column.type is ColumnType.integer:
        return value, "CAST(NULL AS STRING)"
    if column.type is ColumnType.double:
        whole = f"{value} = floor({value}) AND abs({value}) < 1e15"
        value = f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS STRING) ELSE CAST({value} AS STRING) END"
    text = f"CAST({value} AS STRING)"
    # A text that is a whole number as it is written names the same person as the number.
    number = f"CASE WHEN CAST(TRY_CAST({text} AS BIGINT) AS STRING) = {text} THEN TRY_CAST({text} AS BIGINT) END"
    return number, f"CASE WHEN ({number}) IS NULL THEN {text} END"


def _typed(column: Column) -> str:
    value = f"CAST(s.{_quoted(column.name)} AS {SQL_TYPES[column.type]})"
    return f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END" if column.type is ColumnType.double else value


def _clipped(column: Column) -> str:
    low, high = (f"CAST({end!r} AS DOUBLE)" for end in map(float, column.bounds))
    value = f"CAST({_typed(column)} AS INT)" if column.type is ColumnType.boolean else _typed(column)
    # greatest() and least() would turn a missing value into a bound.
    return f"CASE WHEN {value} IS NOT NULL THEN least(greatest(CAST({value} AS DOUBLE), {low}), {high}) END"


def _quoted(name: str) -> str:
    return SparkDialect().quoted(name)
