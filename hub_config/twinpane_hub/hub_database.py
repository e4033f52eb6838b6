"""JupyterHub's own database: a file in the state folder, or a schema of its own in the PostgreSQL database that ``database`` names.

A schema of its own, because JupyterHub and our store both keep the number of their tables' version in a table of the same name.
"""

from collections.abc import Sequence

from sqlalchemy import NullPool, create_engine, inspect, select, table
from sqlalchemy import column as of_table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from twinpane_ground import sqlite

from .network.database import WAIT_S, StoreError, plain
from .settings import HubSettings

FILE = "jupyterhub.sqlite"
"""In the hub's state folder."""
SCHEMA = "jupyterhub"


def is_file(settings: HubSettings) -> bool:
    """Whether it is the file."""
    return not (settings.database or "").startswith("postgresql")


def address(settings: HubSettings) -> str:
    """The database's address, as SQLAlchemy writes it."""
    if is_file(settings):
        return f"sqlite:///{settings.state_folder / FILE}"
    url = make_url(settings.store_url)
    options = f"{url.query.get('options', '')} -c search_path={SCHEMA}".strip()
    return url.update_query_dict({"options": options}).render_as_string(hide_password=False)


def prepare(settings: HubSettings) -> None:
    """Make the schema where it is missing, or the file, closed to others; JupyterHub makes the tables. Raises StoreError."""
    try:
        if is_file(settings):
            sqlite.private(settings.state_folder / FILE)
            return
        engine = create_engine(settings.store_url, poolclass=NullPool, connect_args={"connect_timeout": WAIT_S})
        if SCHEMA not in inspect(engine).get_schema_names():
            with engine.begin() as connection:
                connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    except (ArgumentError, ModuleNotFoundError) as error:
        raise StoreError(f"`database` in hub.toml is no address of a database that this hub can use: {error}") from None
    except OSError as error:
        raise StoreError(f"{settings.state_folder / FILE} cannot be closed to others: {error.strerror}. Check whose it is.") from None
    except SQLAlchemyError as error:
        raise StoreError(
            f"JupyterHub's part of the database cannot be made ({plain(error)}): let its role create the schema {SCHEMA}, or make it for it"
        ) from None


def users_in_server(settings: HubSettings) -> frozenset[str]:
    """The names of whoever signed in before, where the database is a server's. Raises StoreError."""
    try:
        engine = create_engine(address(settings), poolclass=NullPool, connect_args={"connect_timeout": WAIT_S})
        with engine.connect() as connection:
            known = inspect(connection).has_table("users")
            found: Sequence[object] = connection.scalars(select(of_table("name")).select_from(table("users"))).all() if known else []
    except SQLAlchemyError as error:
        raise StoreError(f"JupyterHub's database cannot be read: {plain(error)}") from None
    return frozenset(map(str, found))
