"""Open the database of the store, SQLite or PostgreSQL, and bring its tables to this version."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from twinpane_ground import sqlite

MIGRATIONS = Path(__file__).parent / "migrations"
WAIT_S = 15
"""Seconds that one waits for another who writes, or for a server to answer."""

logging.getLogger("alembic").setLevel(logging.WARNING)


class StoreError(Exception):
    """The store cannot be used; the message says why, and what to do."""


def opened(url: str) -> Engine:
    """The database of a URL, with the tables of this version. Raises StoreError."""
    try:
        engine = _engine(url)
        if file := _file(engine):
            sqlite.private(file)
        with writing(engine) as connection:
            _migrate(connection)
    except CommandError:
        raise StoreError(
            "the hub's store was written by a newer Twinpane: run that version, or put back the copy from before the upgrade"
        ) from None
    except (ArgumentError, ModuleNotFoundError) as error:
        raise StoreError(f"`database` in hub.toml is no address of a database that this hub can use: {error}") from None
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(f"the hub's store at {_shown(url)} cannot be used: {plain(error)}") from None
    return engine


def reachable(url: str) -> None:
    """Find out whether a database answers, without a change to it: a file that is not there yet is none. Raises StoreError."""
    try:
        engine = _engine(url)
        if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
            return
        with engine.connect() as connection:
            connection.exec_driver_sql("select 1")
    except (ArgumentError, ModuleNotFoundError) as error:
        raise StoreError(f"`database` in hub.toml is no address of a database that this hub can use: {error}") from None
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(f"the hub's store at {_shown(url)} cannot be used: {plain(error)}") from None


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that writes: it is done whole or not at all."""
    with engine.execution_options(writes=True).begin() as connection:
        yield connection


def plain(error: Exception) -> str:
    """What a database says, on one line, without SQL and values."""
    said = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error).strip().splitlines()
    return said[0] if said else type(error).__name__


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    waits = {"timeout": WAIT_S} if is_sqlite else {"connect_timeout": WAIT_S, "options": f"-c lock_timeout={WAIT_S * 1000}"}
    engine = create_engine(parsed, poolclass=NullPool, connect_args=waits)
    if is_sqlite:
        _begin_as_told(engine)
    return engine


def _begin_as_told(engine: Engine) -> None:
    """Have SQLite begin a transaction where SQLAlchemy says so: Python's own way leaves tables that are made out of it."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("begin immediate" if connection.get_execution_options().get("writes") else "begin")


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _file(engine: Engine) -> Path | None:
    """The file of an SQLite database; None where it has none that is known by its path."""
    name = engine.url.database or ":"
    return Path(name) if engine.dialect.name == "sqlite" and not name.startswith((":", "file:")) else None


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
