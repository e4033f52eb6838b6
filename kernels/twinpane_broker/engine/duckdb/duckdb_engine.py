"""DuckDB as the broker's engine: the snapshot's file opened read-only, locked down, one connection per question."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import duckdb

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.measure.evidence_of import evidence_of
from twinpane_broker.engine.store.build import beside
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.engine.store.local_runner import LocalRunner
from twinpane_broker.errors import EngineError
from twinpane_broker.evidence.evidence import Evidence

from .lockdown import AT_OPENING, lock_down
from .watchdog import Watchdog


class DuckEngine:
    """Measures evidence on a file made by ``build``. Safe to call from many threads.

    Its errors go to ``log`` with the engine's text, which can carry values of rows and stays inside; callers get EngineError alone.
    """

    def __init__(
        self,
        file: Path,
        *,
        memory: str = "1GB",
        threads: int = 2,
        seconds: float = 30,
        log: logging.Logger | None = None,
    ) -> None:
        """Open and lock down. Raises EngineError, for a steward to read, if that is not possible.

        ``memory`` is for DuckDB alone; person sets take more. A question ends after ``seconds``.
        """
        self._log = log or logging.getLogger(__name__)
        if not file.is_file():
            raise EngineError(f"there is no file {file}: make it with build_store() first")
        try:
            self._root = duckdb.connect(str(file), read_only=True, config=dict(AT_OPENING))
        except duckdb.Error:
            raise EngineError(f"{file} cannot be opened as a DuckDB file") from None
        try:
            lock_down(self._root, memory=memory, threads=threads, seconds=seconds)
            facts, self._index = beside(file, self._root)
        except BaseException:
            self._root.close()
            raise
        self._store = Store(facts, self._index)
        self._watchdog = Watchdog(seconds)
        self._lock = Lock()

    @property
    def unlisted_codes(self) -> frozenset[int]:
        """See Engine."""
        return self._index.unlisted_codes

    def close(self) -> None:
        """Close the file."""
        self._watchdog.close()
        self._index.close()
        self._root.close()

    def measure(self, bound: ResolvedPlan) -> Evidence:
        """The evidence of a question; raises EngineError for whatever goes wrong, the time limit too."""
        return evidence_of(bound, self._store, self._asking, self._log)

    @contextmanager
    def _asking(self) -> Iterator[LocalRunner]:
        """A connection of its own for one question, stopped at the time limit."""
        with self._lock:
            cursor = self._root.cursor()
        try:
            with self._watchdog.watching(cursor):
                yield LocalRunner(cursor)
        finally:
            cursor.close()
