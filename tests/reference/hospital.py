"""A hospital with a broker on it, as a site has it: files, durable memory, restarts, several projects."""

import logging
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.memory import SqliteMemory
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.release import Refusal, Release, sign
from twinpane_broker.rules.policy import Rules, load_rules
from twinpane_broker.sql import parse_sql

SECRET = b"s" * 32
"""So that a conversation goes the same way each time."""
KEY = Ed25519PrivateKey.from_private_bytes(b"h" * 32)
UNCOUNTED = {"withheld_per_day": 10_000, "sets_percent": 100_000}
"""Neither cap nor account end a conversation: the other rules are looked at."""
TEN_FIVE = load_rules({"preset": "10-5", "threshold": 10, **UNCOUNTED})
EXACT = load_rules({"preset": "cms-11", "threshold": 11, **UNCOUNTED})


class Hospital:
    """Tables in a folder, and brokers on them that share one memory file, whatever project asks."""

    def __init__(
        self,
        folder: Path,
        catalogue: Catalogue,
        tables: Mapping[str, pd.DataFrame],
        rules: Rules = TEN_FIVE,
        *,
        memory: Path | None = None,
        register: Path | None = None,
        today: Callable[[], date] = lambda: date(2026, 11, 22),
    ) -> None:
        """``memory`` and ``register``: the site's, of several snapshots; in the folder by default."""
        self.folder, self.catalogue, self.tables, self.rules = folder, catalogue, dict(tables), rules
        self._memory_file = memory or folder / "memory.db"
        self._register = register
        self._today = today
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in self.tables.items():
            frame.to_parquet(folder / f"{name}.parquet")
        self._engine: DuckEngine | None = None
        self._brokers: dict[str, Broker] = {}
        self.restart()

    def restart(self) -> None:
        """Close everything and open it again, as a site does after the machine went down."""
        self.close()
        self._engine = DuckEngine(build_store(self.folder, self.catalogue, register=self._register))
        self._brokers = {}

    def close(self) -> None:
        """Let go of the files."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    @property
    def engine(self) -> DuckEngine:
        """The engine that is open now."""
        return self._engine

    def broker(self, project: str = "one") -> Broker:
        """A project's broker; every one has a connection of its own to the site's memory."""
        if project not in self._brokers:
            self._brokers[project] = Broker(
                self.catalogue, self.rules, self._engine, SqliteMemory(self._memory_file), signer=lambda release: sign(release, KEY),
                project=project, secret=SECRET, today=self._today, log=logging.getLogger("twinpane.tests"),
            )  # fmt: skip
        return self._brokers[project]

    def run(self, plan: Plan, project: str = "one") -> Release | Refusal:
        """The answer to a plan."""
        return self.broker(project).run(plan)

    def ask(self, sql: str, project: str = "one") -> Release | Refusal:
        """The answer to a SELECT; raises Refused where the grammar has no such thing."""
        return self.run(parse_sql(sql, self.catalogue), project)

    def cells(self, sql: str, project: str = "one") -> dict[tuple[str, ...], tuple[float | None, ...]]:
        """The released values by the categories' texts; empty where the answer is a refusal."""
        answer = self.ask(sql, project)
        if isinstance(answer, Refusal):
            return {}
        return {tuple(_text(each) for each in row.key): tuple(value.value for value in row.values) for row in answer.rows}

    def one(self, sql: str, project: str = "one") -> float | None:
        """The only number of an answer without groups; None where it is suppressed or refused."""
        return self.cells(sql, project).get((), (None,))[0]

    def naive(self, sql: str) -> list[tuple]:
        """What an engine without a broker answers: plain DuckDB on the same tables."""
        with duckdb.connect() as connection:
            for name, frame in self.tables.items():
                connection.register(f"{name}_frame", frame)
                connection.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_frame")
            return connection.execute(sql).fetchall()


def _text(category) -> str:
    return f"({category.kind})" if category.value is None else str(category.value)
