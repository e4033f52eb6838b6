"""PostgreSQL as the broker's engine: a store in a schema of its own, read by a role that can do nothing else."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import psycopg

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.measure.evidence_of import evidence_of
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.errors import EngineError
from twinpane_broker.evidence.evidence import Evidence

from .postgresql_runner import PostgresDialect, PostgresRunner
from .postgresql_store import PostgresStore, opened

SESSION = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ",
    "SET search_path = ''",
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO'",
    "SET extra_float_digits = 1",
)
"""What every connection starts with."""
POWERS = """
SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication
    OR pg_has_role(current_user, 'pg_read_server_files', 'MEMBER')
    OR pg_has_role(current_user, 'pg_write_server_files', 'MEMBER')
    OR pg_has_role(current_user, 'pg_execute_server_program', 'MEMBER')
    OR pg_has_role(current_user, 'pg_read_all_data', 'MEMBER')
    OR has_schema_privilege(current_user, %s, 'CREATE')
FROM pg_roles WHERE rolname = current_user
"""
"""Whether the role may do more than read the store."""
DOORS = (
    "CREATE TABLE {schema}.door (i integer)",
    "DELETE FROM {schema}.twinpane_store",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/hostname')",
    "SELECT lo_import('/etc/hostname')",
)
"""Statements that must fail even where transactions may write: tried at every start."""


class PostgresEngine:
    """Measures evidence on a store made by ``prepare``. Safe to call from many threads, each question on a connection of its own.

    Its errors go to ``log`` with the engine's text, which can carry values of rows and stays inside; callers get EngineError alone.
    """

    def __init__(self, conninfo: str, store: PostgresStore, *, seconds: float = 30, log: logging.Logger | None = None) -> None:
        """Connect as the role that reads. Raises EngineError, for a steward to read, if the role may do more than read."""
        self.store = store
        self._conninfo, self._seconds = conninfo, seconds
        self._log = log or logging.getLogger(__name__)
        self._idle: list[psycopg.Connection] = []
        self._lock = Lock()
        try:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                _prove(connection, store.schema)
                facts, index = opened(store, connection)
        except psycopg.Error as error:
            raise EngineError(f"PostgreSQL cannot be asked: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
        self._index = index
        self._known = Store(facts, index)

    @property
    def unlisted_codes(self) -> frozenset[int]:
        """See Engine."""
        return self._index.unlisted_codes

    def measure(self, bound: ResolvedPlan) -> Evidence:
        """The evidence of a question; raises EngineError for whatever goes wrong, the time limit too."""
        return evidence_of(bound, self._known, self._asking, self._log)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()
        self._index.close()

    @contextmanager
    def _asking(self) -> Iterator[PostgresRunner]:
        """A connection of its own for one question; after an error none goes on."""
        connection = self._taken()
        try:
            with connection.transaction():
                yield PostgresRunner(connection, PostgresDialect(schema=self.store.schema))
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)

    def _taken(self) -> psycopg.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        for setting in (*SESSION, f"SET statement_timeout = {int(self._seconds * 1000)}"):
            connection.execute(setting)
        return connection


def _prove(connection: psycopg.Connection, schema: str) -> None:
    """Raise EngineError, which names the role and what it can do, unless the role can only read."""
    [(powerful,)] = connection.execute(POWERS, [schema]).fetchall()
    user = connection.info.user
    if powerful:
        raise EngineError(f"the PostgreSQL role {user} may do more than read the broker's store: use one made for this alone")
    quoted = PostgresDialect().quoted(schema)
    for door in DOORS:
        statement = door.format(schema=quoted)
        try:
            # Undo every statement that succeeds: the store must still exist once the steward has corrected the role.
            with connection.transaction(force_rollback=True):
                connection.execute(statement)
        except psycopg.Error:
            continue
        raise EngineError(f"the PostgreSQL role {user} can do what it must not ({statement}): use one made for this alone")
