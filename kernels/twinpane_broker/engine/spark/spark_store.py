"""Makes the broker's store of a snapshot with Spark: coded, clipped and numbered tables as Parquet, with facts and index beside them."""

import hashlib
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from sqlglot import exp

from twinpane_broker.catalogue.catalogue import Catalogue, Table
from twinpane_broker.engine.index.person_index import Index
from twinpane_broker.engine.sql.dialect import PERSON
from twinpane_broker.engine.sql.layout import check_names, needed, store_shape
from twinpane_broker.engine.store.coded_table import NUMBERS, CodedTables
from twinpane_broker.engine.store.facts import Facts, read_facts
from twinpane_broker.engine.store.register import Register
from twinpane_broker.engine.store.survey import survey
from twinpane_broker.errors import EngineError
from twinpane_broker.model import canonical_json
from twinpane_ground import atomic

from .spark_runner import SparkDialect, SparkRunner


class SparkTables(CodedTables):
    """Spark's differences from DuckDB: it has no infinite days."""

    dialect = "spark"

    def day(self, value: exp.Expr) -> exp.Expr:
        """See CodedTables."""
        return exp.cast(value, "DATE")


@dataclass(frozen=True)
class SparkStore:
    """A store: its folder, and the name that distinguishes it in one session."""

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
    """Make the store of ``source/<table>.parquet`` (a file, or a folder of files). The whole cluster must see both folders.

    Does nothing if a store of this catalogue's snapshot and shape exists: a snapshot is frozen when it is first prepared.
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
        self._session, self._source, self._catalogue, self._coded = session, source, catalogue, SparkTables(catalogue)
        self._store, self._register, self._scratch = store, register, scratch

    def run(self, made_of: str) -> None:
        for table in self._catalogue.tables:
            frame = self._session.read.parquet(str(self._source / f"{table.name}.parquet"))
            for column in needed(table):
                if column.name not in frame.columns:
                    raise EngineError(f"{table.name}.parquet has no column {column.name}, which the catalogue lists")
            frame.createOrReplaceTempView(self._coded.source(table).name)
        self._number()
        for codes in self._coded.code_lists():
            # Make it from an Arrow table: from a Python list Spark would start Python processes that outlive it.
            rows = pa.table({"value": [value for value, _ in codes.rows], "i": [index for _, index in codes.rows]})
            listed = self._session.createDataFrame(rows, f"value {codes.value_type}, i {codes.index_type}")
            listed.createOrReplaceTempView(codes.name)
        for table in self._catalogue.tables:
            made = self._coded_rows(table)
            made.sortWithinPartitions(PERSON).write.mode("overwrite").parquet(str(self._store.table(table.name)))
            kept = self._session.read.parquet(str(self._store.table(table.name)))
            if kept.where(f"{PERSON} IS NULL").count():
                raise EngineError(f"persons of {table.name} have no number in the register: it is damaged")
            kept.createOrReplaceTempView(self._store.view(table.name))
        runner = SparkRunner(self._session, SparkDialect(prefix=self._store.prefix))
        facts = survey(runner, self._catalogue, made_of, self._store.index)
        atomic.write(self._store.facts, facts.canonical() + b"\n")

    def _coded_rows(self, table: Table) -> DataFrame:
        """The rows of one table of the store; of very many dimensions in steps."""
        *before, last = self._coded.steps(table, "twinpane_step_{}".format)
        for place, step in enumerate(before):
            name = f"twinpane_step_{place}"
            folder = str(self._scratch / f"{table.name}_{place}")
            self._session.sql(self._coded.sql(step)).write.mode("overwrite").parquet(folder)
            self._session.read.parquet(folder).createOrReplaceTempView(name)
        return self._session.sql(self._coded.sql(last))

    def _number(self) -> None:
        """Give every person of the source a number, and let Spark read the numbers."""
        self._session.sql(self._coded.everybody()).write.mode("overwrite").parquet(str(self._scratch / "keys"))
        numbers = self._scratch / "numbers.parquet"
        with closing(duckdb.connect()) as local:
            local.execute(f"CREATE VIEW people AS SELECT integer, text FROM read_parquet('{self._scratch / 'keys'}/*.parquet')")  # noqa: S608
            self._register.enrol(local, "people")
            local.execute(f"COPY ({self._register.numbers()}) TO '{numbers}' (FORMAT parquet)")
        self._session.read.parquet(str(numbers)).createOrReplaceTempView(NUMBERS)
