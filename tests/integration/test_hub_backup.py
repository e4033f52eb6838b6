"""A hub that is lost comes back from its backup on another path, and nothing that had ended comes back with it."""

import json
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from hub_factories import PASSWORDS, Browser, running, store_of

from twinpane_cli.command import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROJECTS = {"first": {"title": "First", "sites": ["a"], "members": ["researcher"], "expires": date(2100, 1, 1)}}


def ran(*words: object) -> Result:
    return CliRunner().invoke(main, ["hub", *map(str, words)], catch_exceptions=False)


def test_a_hub_comes_back_elsewhere_with_nobody_signed_in(tmp_path: Path) -> None:
    """Projects, people, accounts, who is shut out and the audit log are there; tokens and browsers' cookies are not."""
    there, backup, here = tmp_path / "there", tmp_path / "backup", tmp_path / "elsewhere" / "hub"
    there.mkdir()
    with running(there, projects=PROJECTS, sites={"a": {}}, review={}) as hub:
        browser = hub.sign_in("researcher")
        assert ran("disable", there / "hub.toml", "researcher2").exit_code == 0
        (there / "hub" / "switchboard" / "pins" / "a.pub").write_text("0" * 64)
        taken = ran("backup", there / "hub.toml", backup)
        assert taken.exit_code == 0, taken.output
        cookies = browser.client.cookies
    assert not list(backup.rglob("sealing.key")) + list(backup.rglob("cookie_secret"))
    assert not [path for path in (backup, *backup.rglob("*")) if path.stat().st_mode & 0o077]
    restored = ran("restore", backup, here)
    assert restored.exit_code == 0, restored.output
    assert store_of(here)().projects.keys() == {"first"}
    assert (here / "hub" / "switchboard" / "pins" / "a.pub").exists()
    assert "researcher2" in (here / "hub" / "disabled.toml").read_text()
    assert any(json.loads(line)["event"] == "signed_in" for line in (here / "hub" / "audit.jsonl").read_text().splitlines())
    with closing(sqlite3.connect(here / "hub" / "jupyterhub.sqlite")) as db:
        assert ("researcher",) in db.execute("select name from users").fetchall()
        assert db.execute("select count(*) from api_tokens").fetchone() == (0,)
    with running(here, projects=PROJECTS, sites={"a": {}}, review={}) as again:
        assert httpx.get(f"{again.url}/hub/home", cookies=dict(cookies), trust_env=False).status_code == 302
        assert again.sign_in("researcher", PASSWORDS["researcher"]).get("/hub/home").status_code == 200
        shut_out = Browser(again.url)
        again.browsers.append(shut_out)
        assert shut_out.fill_in("researcher2").status_code != 200


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a hub that never ran."""
    (tmp_path / "hub.toml").write_text('[sign_in]\nkind = "local"\n')
    assert ran("account", tmp_path / "hub.toml", "ana").exit_code == 0
    assert ran("project", "list", tmp_path / "hub.toml").exit_code == 0
    assert ran("backup", tmp_path / "hub.toml", tmp_path / "backup").exit_code == 0
    return tmp_path / "backup"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda at: (at / "files" / "accounts.toml").write_text(""), "is not what was backed up"),
        (lambda at: (at / "files" / "state" / "network.sqlite").unlink(), "no whole backup"),
        (lambda at: (at / "backup.json").write_text("{"), "not JSON"),
        (lambda at: (at / "backup.json").write_text((at / "backup.json").read_text().replace("state/", "state/../../")), "cannot be used"),
    ],
)  # fmt: skip
def test_a_spoilt_backup_is_refused_and_nothing_is_written(backup: Path, tmp_path: Path, spoil: object, words: str) -> None:
    """Also one that names a place outside of the hub."""
    spoil(backup)  # type: ignore[operator]
    refused = ran("restore", backup, tmp_path / "new")
    assert refused.exit_code == 1
    assert words in refused.output
    assert not (tmp_path / "new").exists()


def test_neither_backup_nor_restore_overwrites_anything(backup: Path, tmp_path: Path) -> None:
    assert "exists already" in ran("backup", tmp_path / "hub.toml", backup).output
    assert "is not empty" in ran("restore", backup, tmp_path).output
    assert ran("restore", backup, tmp_path / "new").exit_code == 0
    assert (tmp_path / "new" / "accounts.toml").read_text() == (tmp_path / "accounts.toml").read_text()
