"""The one command starts quickly, and the hub's side never loads the site's."""

import contextlib
import dataclasses
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from traitlets.config import Config

from twinpane_cli.command import COMMANDS, main
from twinpane_hub import accounts, configure, demo_ports
from twinpane_hub.hub import hub
from twinpane_hub.network.store import NetworkStore
from twinpane_hub.settings import LocalSignIn, load
from twinpane_hub.subjects import Subjects
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


def test_an_account_is_stored_and_its_password_printed_once(tmp_path: Path) -> None:
    """An account is added to the store, and its password is printed once."""
    (tmp_path / "hub.toml").write_text('[sign_in]\nkind = "local"\n')
    answer = CliRunner().invoke(hub, ["account", str(tmp_path / "hub.toml"), "ana", "--group", "researcher"])
    assert answer.exit_code == 0, answer.output
    password = answer.output.split(": ")[1].strip()
    assert password not in (tmp_path / "accounts.toml").read_text()
    assert CliRunner().invoke(hub, ["account", str(tmp_path / "hub.toml"), "../ana"]).exit_code == 1


def test_shutting_out_an_unknown_name_says_so(tmp_path: Path) -> None:
    """A typo shuts nobody out. Before, `disable` said that it had. On purpose, a name is shut out before it comes."""
    file = hub_folder(tmp_path)
    assert CliRunner().invoke(hub, ["account", str(file), "ana"]).exit_code == 0
    answer = CliRunner().invoke(hub, ["disable", str(file), "anna"])
    assert answer.exit_code == 2
    assert "nobody here has the name 'anna'" in answer.output
    assert not (tmp_path / "hub" / "disabled.toml").exists()
    assert CliRunner().invoke(hub, ["enable", str(file), "anna"]).exit_code == 2
    assert CliRunner().invoke(hub, ["disable", str(file), "anna", "--unknown"]).exit_code == 0
    assert CliRunner().invoke(hub, ["disable", str(file), "ana"]).exit_code == 0
    assert CliRunner().invoke(hub, ["enable", str(file), "anna"]).exit_code == 0


def test_whoever_signed_in_before_is_known(tmp_path: Path) -> None:
    """Also without an account here: people of a provider, and people whose account is gone while their tokens may go on."""
    file = hub_folder(tmp_path)
    (tmp_path / "hub").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "hub" / "jupyterhub.sqlite")) as db:
        db.execute("create table users (name text)")
        db.execute("insert into users values ('ben')")
        db.commit()
    Subjects(tmp_path / "hub").bind("mia", "https://id.test", "1")
    for name in ("ben", "mia"):
        assert CliRunner().invoke(hub, ["disable", str(file), name]).exit_code == 0


def test_a_new_password_takes_no_roles_away(tmp_path: Path) -> None:
    """Before, `account` without roles left the person without any."""
    file = hub_folder(tmp_path)
    for words in (["--group", "researcher"], []):
        assert CliRunner().invoke(hub, ["account", str(file), "ana", *words]).exit_code == 0
    assert accounts.load(tmp_path / "accounts.toml")["ana"].groups == ("researcher",)


def test_a_hub_can_demand_a_second_factor(tmp_path: Path) -> None:
    """By one command, which keeps the rest of the settings and who may read them; where people come from a provider, it says so."""
    file = hub_folder(tmp_path)
    for words, demanded in (([], True), (["--off"], False)):
        assert CliRunner().invoke(hub, ["require-second-factor", str(file), *words]).exit_code == 0
        settings = load(file)
        assert isinstance(settings.sign_in, LocalSignIn)
        assert settings.sign_in.require_second_factor == demanded
        assert settings.review["a"].token == "r" * 40
        assert file.stat().st_mode & 0o777 == 0o600
    answer = CliRunner().invoke(hub, ["require-second-factor", str(hub_folder(tmp_path, **{"hub.toml": OIDC}))])
    assert answer.exit_code == 1
    assert "`acr` or `amr`" in answer.output


@pytest.mark.parametrize("name", ["jupyterhub.sqlite", "subjects.sqlite", "network.sqlite"])
def test_a_broken_database_is_one_sentence_with_a_remedy(tmp_path: Path, name: str) -> None:
    """Before, it was a traceback of JupyterHub's."""
    file = hub_folder(tmp_path)
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / name).write_bytes(b"no database at all" * 100)
    answer = CliRunner().invoke(hub, ["run", str(file)])
    assert answer.exit_code == 1
    assert name in answer.output
    assert "put a copy of it back" in answer.output
    assert len(answer.output.splitlines()) == 1


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


def hub_folder(tmp_path: Path, **more: str) -> Path:
    """A hub's settings and accounts, on ports that are free; what is given replaces a file, and nothing removes it."""
    with contextlib.ExitStack() as open_now:
        ports = [open_now.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(4)]
    names = ("port", "hub_port", "proxy_port", "switchboard_port")
    lines = "".join(f"{name} = {port}\n" for name, port in zip(names, ports, strict=True))
    files = {
        "hub.toml": f'{lines}proxy = ["proxy"]\n[sign_in]\nkind = "local"\n[review.a]\ntoken = "{"r" * 40}"\n',
        "accounts.toml": "[accounts]\n", **more,
    }  # fmt: skip
    for name, text in files.items():
        if text:
            (tmp_path / name).write_text(text.replace("PORTS", lines))
            (tmp_path / name).chmod(0o600)
    return tmp_path / "hub.toml"


OIDC = (
    'PORTS\nproxy = ["proxy"]\n[sign_in]\nkind = "oidc"\nname = "ID"\nissuer = "https://id.test"\n'
    'authorize_url = "https://id.test/a"\ntoken_url = "https://id.test/t"\n'
    'userdata_url = "https://id.test/u"\nclient_id = "hub"\ncallback_url = "https://hub.test/hub/oauth_callback"\nroles = {}\n'
)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"projects.toml": "[projects.x]\n"}, "twinpane hub apply"), ({"accounts.toml": ""}, "there are no accounts yet"),
        ({"accounts.toml": "[accounts.ana]\n"}, "accounts.toml"), ({"hub.toml": "port = 1"}, "sign_in"),
        ({"hub.toml": OIDC}, "OAUTH_CLIENT_SECRET"),
    ],
)  # fmt: skip
def test_what_stops_a_hub_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], words: str) -> None:
    """Before, each of these was a traceback of JupyterHub's."""
    monkeypatch.delenv("OAUTH_CLIENT_SECRET", raising=False)
    answer = CliRunner().invoke(hub, ["run", str(hub_folder(tmp_path, **more))])
    assert answer.exit_code == 1
    assert words in answer.output
    assert len(answer.output.splitlines()) == 1


def test_a_port_in_use_is_named_with_its_key(tmp_path: Path) -> None:
    file = hub_folder(tmp_path)
    with socket.create_server(("127.0.0.1", load(file).switchboard_port)):
        answer = CliRunner().invoke(hub, ["run", str(file)])
    assert "set another `switchboard_port`" in answer.output


def test_a_hubs_secrets_that_others_can_read_stop_it(tmp_path: Path) -> None:
    file = hub_folder(tmp_path)
    file.chmod(0o644)
    answer = CliRunner().invoke(hub, ["run", str(file)])
    assert f"chmod 600 {file}" in answer.output


@pytest.mark.parametrize(("address", "secure"), [("https://hub.example.org", True), (None, False)])
def test_over_https_cookies_are_secure_and_browsers_stay_there(tmp_path: Path, address: str | None, secure: bool) -> None:
    """As a hospital's scanner expects."""
    file = hub_folder(tmp_path)
    settings = load(file).model_copy(update={"public_url": address})
    c = Config()
    configure._network(c, settings, tmp_path, NetworkStore(f"sqlite:///{tmp_path}/network.sqlite"))
    tornado = c.JupyterHub.tornado_settings
    assert tornado["cookie_options"]["secure"] == tornado["xsrf_cookie_kwargs"]["secure"] == secure
    assert ("Strict-Transport-Security" in tornado["headers"]) == secure
    assert c.JupyterHub.cookie_host_prefix_enabled == secure
    assert c.JupyterHub.subdomain_host == (address or f"http://localhost:{settings.port}")
