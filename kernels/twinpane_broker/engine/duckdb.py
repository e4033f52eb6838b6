"""DuckDB as the broker's engine: the snapshot's file opened read-only, locked down, one connection per question."""

import logging
from datetime import date, datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import duckdb

from twinpane_broker.check import Bound
from twinpane_broker.errors import EngineError
from twinpane_broker.evidence import CellEvidence, Evidence, Spread
from twinpane_broker.grid import Axis
from twinpane_broker.predicates import code_order

from .lockdown import AT_OPENING, lock_down
from .statement import LISTED, SPREAD_COLUMNS, Parameter, cells_sql, one_row_each_sql, persons_sql


class DuckEngine:
    """Measures evidence on a file made by ``build``. Safe to call from many threads.

    Its errors go to ``log`` with the engine's text, which can carry values of rows and stays inside; callers get EngineError alone.
    """

    def __init__(
        self,
        file: Path,
        *,
        memory: str = "2GB",
        threads: int = 2,
        seconds: float = 30,
        log: logging.Logger | None = None,
    ) -> None:
        """Open and lock down; raises EngineError, for a steward to read, where that is not possible."""
        self._log = log or logging.getLogger(__name__)
        if not file.is_file():
            raise EngineError(f"there is no file {file}: make it with build() first")
        try:
            self._root = duckdb.connect(str(file), read_only=True, config=dict(AT_OPENING))
        except duckdb.Error:
            raise EngineError(f"{file} cannot be opened as a DuckDB file") from None
        lock_down(self._root, memory=memory, threads=threads, seconds=seconds)
        # Facts of the frozen snapshot, asked once.
        self._populations: dict[tuple[Any, ...], int] = {}
        self._single: dict[str, bool] = {}
        self._seconds = seconds
        self._lock = Lock()

    def close(self) -> None:
        """Close the file."""
        self._root.close()

    def measure(self, bound: Bound) -> Evidence:
        """The evidence of a question; raises EngineError for whatever goes wrong, the time limit too."""
        try:
            with self._lock:
                cursor = self._root.cursor()
            done = Event()
            watchdog = Thread(target=_interrupt_after, args=(self._seconds, cursor, done), daemon=True)
            watchdog.start()
            try:
                return self._measure(cursor, bound)
            finally:
                done.set()
                watchdog.join()
                cursor.close()
        except EngineError:
            raise
        except Exception:
            self._log.exception("the engine could not answer the plan %s", bound.plan.hash)
            raise EngineError from None

    def _measure(self, cursor: duckdb.DuckDBPyConnection, bound: Bound) -> Evidence:
        cells: dict[tuple[int, ...], CellEvidence] = {}
        width = 2 * len(bound.axes)
        single = self._one_row_each(cursor, bound)
        for row in cursor.execute(*cells_sql(bound, one_row_each=single)).fetchall():
            index = tuple(_category(axis, row[2 * i], row[2 * i + 1]) for i, axis in enumerate(bound.axes))
            if index in cells:
                raise EngineError
            cells[index] = _cell(row[width:])
        # With one row a person the cells are a partition of the persons, and so is a table of one cell.
        adds_up = single or not bound.axes
        persons = sum(cell.persons for cell in cells.values()) if adds_up else _one(cursor, persons_sql(bound, filtered=True))
        if bound.plan.where is None:
            return Evidence(population=persons, persons=persons, cells=cells)
        return Evidence(population=self._population(cursor, bound), persons=persons, cells=cells)

    def _population(self, cursor: duckdb.DuckDBPyConnection, bound: Bound) -> int:
        """Distinct persons of the joined tables, whatever WHERE says."""
        key = (bound.plan.table, bound.plan.joins)
        if key not in self._populations:
            self._populations[key] = _one(cursor, persons_sql(bound, filtered=False))
        return self._populations[key]

    def _one_row_each(self, cursor: duckdb.DuckDBPyConnection, bound: Bound) -> bool:
        for table in bound.plan.tables:
            if table not in self._single:
                self._single[table] = bool(cursor.execute(one_row_each_sql(bound, table)).fetchone()[0])
        return all(self._single[table] for table in bound.plan.tables)


def _interrupt_after(seconds: float, cursor: duckdb.DuckDBPyConnection, done: Event) -> None:
    """Stop whatever runs on the cursor. DuckDB 2.0's own max_execution_time does not stop queries that come through Python."""
    if done.wait(seconds):
        return
    # An interrupt between two statements is lost, so one is not enough.
    while not done.wait(0.05):
        cursor.interrupt()


def _one(cursor: duckdb.DuckDBPyConnection, statement: tuple[str, list[Parameter]]) -> int:
    return int(cursor.execute(*statement).fetchone()[0])


def _category(axis: Axis, value: object, kind: int) -> int:
    if kind == LISTED:
        value = value.date() if isinstance(value, datetime) else value
        if isinstance(value, date):
            return axis.values.index(value)
        return next(i for i, code in enumerate(axis.values) if code_order(code) == code_order(value))
    return kind


def _cell(row: tuple[Any, ...]) -> CellEvidence:
    persons, rows, top = row[:3]
    largest, second = _two(top)
    spreads = tuple(_spread(row[at : at + SPREAD_COLUMNS]) for at in range(3, len(row), SPREAD_COLUMNS))
    return CellEvidence(int(persons or 0), int(rows or 0), int(largest), int(second), spreads)


def _spread(row: tuple[Any, ...]) -> Spread | None:
    persons, values, total, absolute, top, low, high, most = row
    if not persons:
        return None
    return Spread(int(persons), int(values), total, absolute, *_two(top), low, high, int(most))


def _two(top: list[Any] | None) -> tuple[Any, Any]:
    """The two largest of a list of at most two."""
    numbers = [*(top or []), 0, 0]
    return numbers[0], numbers[1]
