"""A hub whose databases are a server's: JupyterHub's own beside ours, and nobody is unknown for it."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from hub_factories import running

from harness import postgres
from twinpane_cli.command import main
from twinpane_hub import hub_database
from twinpane_hub.network.database import StoreError
from twinpane_hub.network.life import declared
from twinpane_hub.network.store import NetworkStore
from twinpane_hub.projects import Directory
from twinpane_hub.settings import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROJECTS = {"first": {"title": "First", "sites": ["a"], "members": ["researcher"], "expires": date(2100, 1, 1)}}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if postgres.programs() is None:
        pytest.skip(f"needs PostgreSQL: {postgres.MISSING}")
    with postgres.server() as said:
        yield said


def url(server: str, user: str = "tests") -> str:
    return f"postgresql+psycopg://{user}:p%25word@/postgres?host={server.split()[0].removeprefix('host=')}"


def test_a_hub_keeps_all_its_people_in_postgresql(server: str, tmp_path: Path) -> None:
    """Who signed in is known to commands also where no file says so, as `jupyterhub.sqlite` did; and still is after a second start."""
    NetworkStore(url(server)).change("tests", declared(Directory.model_validate({"projects": PROJECTS, "sites": {"a": {}}})))
    for name in ("researcher", "researcher2"):
        with running(tmp_path, projects=PROJECTS, sites={"a": {}}, review={}, database=url(server)) as hub:
            assert hub.sign_in(name).get("/hub/home").status_code == 200
            os.chmod(tmp_path / "hub.toml", 0o600)
            (tmp_path / "accounts.toml").rename(tmp_path / "moved")
            listed = CliRunner().invoke(main, ["hub", "people", "list", str(tmp_path / "hub.toml")], catch_exceptions=False)
            (tmp_path / "moved").rename(tmp_path / "accounts.toml")
            assert "steward" not in listed.output
            assert name in listed.output
    assert {"researcher", "researcher2"} <= hub_database.users_in_server(load(tmp_path / "hub.toml"))
    assert not (tmp_path / "hub" / hub_database.FILE).exists()
    with psycopg.connect(server) as connection:
        found = connection.execute("select schemaname, tablename from pg_tables where tablename = 'alembic_version'").fetchall()
    assert sorted(schema for schema, _ in found) == ["jupyterhub", "public"]


def test_a_role_that_may_make_no_schema_is_one_sentence(server: str, tmp_path: Path) -> None:
    """And one that finds the schema made needs no right to make it."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("drop schema if exists jupyterhub cascade")
        connection.execute("create role small login")
    (tmp_path / "hub.toml").write_text(f'database = "{url(server, "small")}"\n[sign_in]\nkind = "local"\n')
    settings = load(tmp_path / "hub.toml")
    with pytest.raises(StoreError, match="let its role create the schema jupyterhub") as refused:
        hub_database.prepare(settings)
    assert "word" not in str(refused.value)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create schema jupyterhub authorization small")
    hub_database.prepare(settings)
    assert hub_database.users_in_server(settings) == frozenset()
