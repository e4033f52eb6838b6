"""A Runner on an open DuckDB connection, for the statements that run while a store is made."""

from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import numpy as np

from twinpane_broker.engine.sql.dialect import Dialect, Parameter

BATCH = 1_000_000


class LocalRunner:
    """Runs SQL on the connection; see ``Runner``."""

    dialect = Dialect()

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, sql: str, parameters: Sequence[Parameter]) -> list[tuple[Any, ...]]:
        """All rows."""
        return self._connection.execute(sql, list(parameters)).fetchall()

    def batches(self, sql: str, parameters: Sequence[Parameter]) -> Iterator[tuple[np.ndarray, ...]]:
        """Columns as arrays, up to ``BATCH`` rows at a time."""
        for batch in self._connection.sql(sql, params=list(parameters)).to_arrow_reader(BATCH):
            if batch.num_rows:
                yield tuple(column.to_numpy(zero_copy_only=False) for column in batch.columns)
