"""Runs the broker's SQL in a PostgreSQL transaction, for what makes a store and for what asks it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from twinpane_broker.engine.sql.dialect import Dialect, Parameter

BATCH = 200_000


@dataclass(frozen=True)
class PostgresDialect(Dialect):
    """PostgreSQL's way of saying what SQL leaves open."""

    name: str = "postgresql"
    placeholder: str = "%s"
    double: str = "double precision"
    spills: bool = True

    def divided(self, expression: str, by: int) -> str:
        """See Dialect; whole numbers stay whole."""
        return f"({expression} / {by})"

    def one_of(self, expression: str) -> str:
        """See Dialect."""
        return f"min({expression})"

    def largest(self, expression: str, most: int) -> str:
        """See Dialect."""
        return f"(array_agg({expression} ORDER BY {expression} DESC) FILTER (WHERE {expression} IS NOT NULL))[1:{most}]"


@dataclass(frozen=True)
class PostgresRunner:
    """Runs SQL in one transaction; see ``Runner``."""

    connection: psycopg.Connection
    dialect: Dialect

    def rows(self, sql: str, parameters: Sequence[Parameter]) -> list[tuple[Any, ...]]:
        """All rows."""
        return self.connection.execute(sql, list(parameters)).fetchall()

    def batches(self, sql: str, parameters: Sequence[Parameter]) -> Iterator[tuple[np.ndarray, ...]]:
        """Columns as arrays, ``BATCH`` rows at a time, through a cursor of the server's."""
        with self.connection.cursor(name="batches", binary=True) as cursor:
            cursor.execute(sql, list(parameters))
            while rows := cursor.fetchmany(BATCH):
                yield tuple(np.asarray(rows, np.int64).T)
