"""Spark as the broker's engine, for sites whose data does not fit one machine: the store is Parquet that a cluster reads."""

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from pyspark.sql import SparkSession

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.measure.evidence_of import evidence_of
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.errors import EngineError
from twinpane_broker.evidence.evidence import Evidence

from .spark_runner import SparkDialect, SparkRunner
from .spark_store import SparkStore, opened

SETTINGS = {
    "spark.ui.enabled": "false",
    # No failing cast or division by zero may decide between an answer and an error: that would tell of a row.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.catalogImplementation": "in-memory",
}
"""What the broker's session needs of Spark, wherever it runs."""
CHECKED = ("spark.sql.ansi.enabled", "spark.sql.session.timeZone")


def local_spark(work: Path, *, cores: int = 2, memory: str = "1g") -> SparkSession:
    """A session in this process's own Java. It serves no web pages, is reachable from this machine only, and writes to ``work``."""
    builder = SparkSession.builder.master(f"local[{cores}]").appName("twinpane").config("spark.driver.memory", memory)
    places = {"spark.local.dir": str(work), "spark.sql.warehouse.dir": str(work / "warehouse"), "spark.sql.shuffle.partitions": str(cores)}
    for name, value in (*SETTINGS.items(), *places.items()):
        builder = builder.config(name, value)
    return builder.getOrCreate()


class SparkEngine:
    """Measures evidence on a store made by ``prepare``. Safe to call from many threads. The session is the broker's alone.

    Its errors go to ``log`` with Spark's text, which can carry values of rows and stays inside; callers get EngineError alone.
    """

    def __init__(self, session: SparkSession, store: SparkStore, *, seconds: float = 120, log: logging.Logger | None = None) -> None:
        """Open a store. Raises EngineError, for a steward to read, if the store is incomplete or the session has other settings."""
        for name in CHECKED:
            if session.conf.get(name) != SETTINGS[name]:
                raise EngineError(f"Spark's setting {name} is {session.conf.get(name)}, not {SETTINGS[name]}, so the broker does not start")
        self.session, self.store, self._seconds = session, store, seconds
        self._log = log or logging.getLogger(__name__)
        facts, self._index = opened(store)
        self._known = Store(facts, self._index)
        self._jobs = itertools.count()
        for table in facts.tables:
            session.read.parquet(str(store.table(table.name))).createOrReplaceTempView(store.view(table.name))

    @property
    def unlisted_codes(self) -> frozenset[int]:
        """See Engine."""
        return self._index.unlisted_codes

    def measure(self, bound: ResolvedPlan) -> Evidence:
        """The evidence of a question; raises EngineError for whatever goes wrong, the time limit too."""
        return evidence_of(bound, self._known, self._asking, self._log)

    def close(self) -> None:
        """Let go of the store; the session goes on."""
        for table in self._known.facts.tables:
            self.session.catalog.dropTempView(self.store.view(table.name))
        self._index.close()

    @contextmanager
    def _asking(self) -> Iterator[SparkRunner]:
        """A group of jobs of its own for one question, stopped at the time limit."""
        context, group = self.session.sparkContext, f"twinpane-{next(self._jobs)}"
        context.setJobGroup(group, "a question", interruptOnCancel=True)
        timer = Timer(self._seconds, context.cancelJobGroup, (group,))
        timer.daemon = True
        timer.start()
        try:
            yield SparkRunner(self.session, SparkDialect(prefix=self.store.prefix))
        finally:
            timer.cancel()
