"""Opens the trusted query engine on a site's snapshot: the broker's own file, its memory, and the site's signature on what it releases.

``broker/`` in the site's folder, apart from the snapshot: what lies there is never shown to a kernel.
"""

import hashlib
import sqlite3
from pathlib import Path

import duckdb

from twinpane_broker.broker import Broker
from twinpane_broker.catalogue import Catalogue
from twinpane_broker.closed import canonical_json
from twinpane_broker.engine.build import build, queryable
from twinpane_broker.engine.duckdb import DuckEngine
from twinpane_broker.errors import EngineError
from twinpane_broker.memory import SqliteMemory
from twinpane_broker.policy import Rules
from twinpane_broker.release import SIGNED_AS, Release

from .errors import ConfigError, StoreError
from .keys import SiteKey
from .snapshot import Snapshot

FOLDER = "broker"
MEMORY = "memory.db"
REGISTER = "persons"


def open_broker(folder: Path, catalogue: Catalogue, rules: Rules, snapshot: Snapshot, key: SiteKey, project: str = "") -> Broker:
    """The broker for what one project may know (``catalogue``), on the site's snapshot; register and memory span all projects.

    Builds the engine's file where it is not there yet, which takes a while on large data. Raises ConfigError where snapshot and
    catalogue do not fit or the engine cannot be locked down, StoreError where the disk is full.
    """
    home = folder / FOLDER
    try:
        home.mkdir(mode=0o700, exist_ok=True)
        home.chmod(0o700)
        store = build(snapshot.folder, catalogue, home / f"{snapshot.name}-{_shape(catalogue)}.duckdb", home / REGISTER)
        engine = DuckEngine(store)
        memory = SqliteMemory(home / MEMORY)
    except EngineError as error:
        raise ConfigError(f"The broker of {folder} does not start: {error}.") from None
    except (OSError, sqlite3.Error, duckdb.Error) as error:
        raise StoreError(f"The broker's files in {home} cannot be written: {str(error).splitlines()[0]}. Free some space.") from None
    return Broker(catalogue, rules, engine, memory, signer=lambda release: signed(release, key), project=project)


def signed(release: Release, key: SiteKey) -> Release:
    """The release with the site's signature over all of its content."""
    return release.model_copy(update={"signature": key.sign(SIGNED_AS + release.content)})


def _shape(catalogue: Catalogue) -> str:
    columns = [[table.name, [[column.name, column.type] for column in queryable(table)]] for table in catalogue.tables]
    return hashlib.sha256(canonical_json(columns)).hexdigest()[:12]
