"""The one command starts quickly, and the hub's side never loads the site's."""

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from twinpane_cli.command import COMMANDS, main
from twinpane_hub import configure, demo_ports
from twinpane_hub.hub import hub
from twinpane_review import app


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*(m for m in sys.modules if '.' not in m))"
    return set(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split())


def test_help_lists_every_command_and_loads_none_of_them() -> None:
    loaded = modules_after(
        "from click.testing import CliRunner; from twinpane_cli.command import main; assert CliRunner().invoke(main).output"
    )
    assert not loaded & {"twinpane_site", "twinpane_review", "twinpane_kernel", "duckdb", "pandas", "numpy", "jupyterhub", "httpx"}
    help_text = CliRunner().invoke(main, ["--help"]).output
    assert all(name in help_text for name in COMMANDS)


@pytest.mark.slow
def test_switchboard_and_hub_never_load_the_site() -> None:
    loaded = modules_after("import twinpane_hub.switchboard.__main__, twinpane_hub.configure, twinpane_hub.demo")
    assert not loaded & {"twinpane_site", "twinpane_review", "twinpane_kernel", "duckdb", "pandas", "sqlglot"}


def test_an_unknown_command_is_an_error() -> None:
    answer = CliRunner().invoke(main, ["nonsense"])
    assert answer.exit_code == 2
    assert "nonsense" in answer.output


def test_a_site_token_goes_to_the_steward_its_hash_to_the_hub() -> None:
    """A site token is given to the steward, and its hash to the hub."""
    output = CliRunner().invoke(hub, ["site-token"]).output
    token = output.rpartition("TWINPANE_SITE_TOKEN=")[2].strip()
    assert hashlib.sha256(token.encode()).hexdigest() in output


def test_an_account_is_stored_and_its_password_printed_once(tmp_path: Path) -> None:
    """An account is added to the store, and its password is printed once."""
    (tmp_path / "hub.toml").write_text('[sign_in]\nkind = "local"\n')
    answer = CliRunner().invoke(hub, ["account", str(tmp_path / "hub.toml"), "ana", "--group", "researcher"])
    assert answer.exit_code == 0, answer.output
    password = answer.output.split(": ")[1].strip()
    assert password not in (tmp_path / "accounts.toml").read_text()
    assert CliRunner().invoke(hub, ["account", str(tmp_path / "hub.toml"), "../ana"]).exit_code == 1


def test_the_same_ports_come_again_and_a_taken_one_is_replaced() -> None:
    first = demo_ports.choose(20500, ("a", "b"), {})
    assert len({20500, *first.values()}) == 6
    assert demo_ports.choose(20500, ("a", "b"), first) == first
    moved = demo_ports.choose(first["hub"], ("a", "b"), first)
    assert moved["hub"] != first["hub"]
    assert moved["a"] == first["a"]


def test_hub_and_review_pages_agree_where_a_sign_in_comes_back() -> None:
    assert configure.CALLBACK == app.CALLBACK


@pytest.mark.parametrize("when", ["loaded", "run"])
def test_a_missing_package_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Also where a command imports it only when it runs: a traceback came before."""

    def lacks() -> None:
        raise ModuleNotFoundError("no module", name="tomlkit")

    def load() -> click.Command:
        if when == "loaded":
            lacks()
        return click.Command("hub", callback=lacks)

    monkeypatch.setitem(COMMANDS, "hub", dataclasses.replace(COMMANDS["hub"], load=load))
    answer = CliRunner().invoke(main, ["hub"])
    assert answer.exit_code == 1
    assert "`twinpane hub` needs tomlkit: pip install 'twinpane[hub]'" in answer.output
