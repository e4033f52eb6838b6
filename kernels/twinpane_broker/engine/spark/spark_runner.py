"""Runs the broker's SQL in a Spark session, for what makes a store and for what asks it."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as pads
from pyspark.sql import SparkSession

from twinpane_broker.engine.sql.dialect import Dialect, Parameter

BATCH = 500_000


@dataclass(frozen=True)
class SparkDialect(Dialect):
    """Spark's way of saying what SQL leaves open."""

    name: str = "spark"
    quote: str = "`"
    spills: bool = True
    prefix: str = ""
    """What the names of the store's views begin with."""

    def table(self, name: str) -> str:
        """See Dialect."""
        return self.quoted(self.prefix + name)

    def divided(self, expression: str, by: int) -> str:
        """See Dialect."""
        return f"({expression} DIV {by})"

    def one_of(self, expression: str) -> str:
        """See Dialect."""
        return f"min({expression})"

    def largest(self, expression: str, most: int) -> str:
        """See Dialect."""
        return f"slice(sort_array(collect_list({expression}), false), 1, {most})"

    def days_between(self, later: str, earlier: str) -> str:
        """See Dialect."""
        return f"datediff({later}, {earlier})"


@dataclass(frozen=True)
class SparkRunner:
    """Runs SQL in a session; see ``Runner``."""

    session: SparkSession
    dialect: Dialect

    def rows(self, sql: str, parameters: Sequence[Parameter]) -> list[tuple[Any, ...]]:
        """All rows."""
        return [tuple(row) for row in self.session.sql(sql, args=list(parameters)).collect()]

    def batches(self, sql: str, parameters: Sequence[Parameter]) -> Iterator[tuple[np.ndarray, ...]]:
        """Columns as arrays, by way of files: nothing large passes through Spark's driver."""
        scratch = Path(tempfile.mkdtemp(prefix="batches-", dir=self.session.conf.get("spark.local.dir")))
        try:
            self.session.sql(sql, args=list(parameters)).write.mode("overwrite").parquet(str(scratch / "rows"))
            for batch in pads.dataset(scratch / "rows", format="parquet").to_batches(batch_size=BATCH):
                if batch.num_rows:
                    yield tuple(column.to_numpy(zero_copy_only=False) for column in batch.columns)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
