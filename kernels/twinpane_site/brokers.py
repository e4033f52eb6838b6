"""Opens the trusted query engine on a site's snapshot, with the broker's own store and its memory.

Its files lie in ``broker/`` in the site's folder, apart from the snapshot: no kernel ever sees them. ``persons`` and ``memory.db`` belong
together and are never made anew: what was released stays released.
"""

import sqlite3
from pathlib import Path

import duckdb

from twinpane_broker import (
    Broker,
    Catalogue,
    DamagedMemory,
    DuckEngine,
    Engine,
    EngineError,
    PolicyError,
    Register,
    Signer,
    SqliteMemory,
    Vocabulary,
    build_store,
    codes_of,
    store_shape,
)

from .config import EngineConfig, Site
from .errors import ConfigError, StoreError
from .snapshot import Snapshot

FOLDER = "broker"
MEMORY = "memory.db"
REGISTER = "persons"


def open_broker(
    site: Site, catalogue: Catalogue, snapshot: Snapshot, secret: bytes, project: str = "", signer: Signer | None = None
) -> Broker:
    """The broker for what one project may know (``catalogue``), on the site's snapshot; register and memory span all projects.

    ``secret`` is the secret of cell-key noise (``signing``). Without a ``signer`` releases are not signed. Makes the engine's store if
    there is none, which takes a while on large data. Raises ConfigError if snapshot and catalogue do not fit or the engine cannot be
    locked down, StoreError if the disk is full.
    """
    home = site.folder / FOLDER
    try:
        home.mkdir(mode=0o700, exist_ok=True)
        home.chmod(0o700)
        engine = _engine(site.config.engine, home, catalogue, snapshot)
        vocabulary = Vocabulary.load(site.vocabulary, codes_of(catalogue) | engine.unlisted_codes)
        memory = SqliteMemory(home / MEMORY, register=Register(home / REGISTER).identity)
        return Broker(
            catalogue, site.policy.rules, engine, memory, whole=site.catalogue.published, signer=signer, vocabulary=vocabulary,
            project=project, secret=secret,
        )  # fmt: skip
    except (EngineError, PolicyError, DamagedMemory) as error:
        raise ConfigError(f"The broker of {site.folder} does not start: {str(error).rstrip('.')}.") from None
    except (OSError, sqlite3.Error, duckdb.Error) as error:
        raise StoreError(f"The broker's files in {home} cannot be written: {str(error).splitlines()[0]}. Free some space.") from None


def _engine(config: EngineConfig, home: Path, catalogue: Catalogue, snapshot: Snapshot) -> Engine:
    """The engine that site.toml names, on a store of this catalogue's shape."""
    # PostgreSQL's and Spark's clients are extras: only sites that use them have them.
    try:
        match config.kind:
            case "postgresql":
                from psycopg import conninfo

                from twinpane_broker import PostgresEngine, prepare_postgresql

                reader = conninfo.conninfo_to_dict(config.ask).get("user")
                if not reader:
                    raise EngineError("[engine] ask in site.toml names no user=…: the role that answers are asked as")
                made = prepare_postgresql(config.prepare, config.tables, catalogue, home, home / REGISTER, str(reader))
                return PostgresEngine(config.ask, made)
            case "spark":
                from twinpane_broker import SparkEngine, local_spark, prepare_spark

                session = local_spark(home / "spark", cores=config.cores)
                return SparkEngine(session, prepare_spark(session, snapshot.folder, catalogue, home, home / REGISTER))
            case "duckdb":
                name = f"{snapshot.name}-{store_shape(catalogue)[:12]}.duckdb"
                return DuckEngine(build_store(snapshot.folder, catalogue, home / name, home / REGISTER))
    except ImportError as error:
        raise EngineError(f"the Python package {error.name} is missing: pip install 'twinpane[{config.kind}]'") from None
