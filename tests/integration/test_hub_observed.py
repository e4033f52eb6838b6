"""What a hub tells those who watch it: its log, who came and what was changed. Content is in none of it."""

import json
import re
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from hub_factories import Hub, SignInRefused, running
from prometheus_client.parser import text_string_to_metric_families

from twinpane_cli.command import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROJECTS = {"first": {"title": "First look", "sites": ["a"], "members": ["researcher"], "expires": date(2100, 1, 1)}}

TOKEN = "of-prometheus-" + "x" * 20


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    with running(folder, projects=PROJECTS, sites={"a": {}}, review={}, log_format="json", metrics_token=TOKEN) as hub:
        yield hub


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_hub_and_switchboard_log_json_lines(hub: Hub) -> None:
    """Every line of ours is an object. The proxy is a program of its own, whose lines stay as they are."""
    with pytest.raises(SignInRefused):
        hub.sign_in("steward", "wrong")
    parts = {line["part"] for line in objects(hub.log)}
    assert "TwinpaneHub" in parts
    assert any(line["message"].startswith("Wrong name or password") for line in objects(hub.log))
    assert not [line for line in hub.log.splitlines() if re.match(r"\[[DIWE] .* (TwinpaneHub|JupyterHub)|switchboard: |Traceback", line)]


def audit_of(hub: Hub) -> list[dict[str, Any]]:
    return objects((hub.folder / "hub" / "audit.jsonl").read_text())


def test_the_audit_log_says_who_came_and_who_was_refused(hub: Hub) -> None:
    """Sign-ins, refusals and sign-outs, each with who and from where; never a password, nor a name that nobody has."""
    browser = hub.sign_in("researcher")
    for name, word in (("researcher", "not-the-password"), ("my-password-in-the-wrong-field", "x")):
        with pytest.raises(SignInRefused):
            hub.sign_in(name, word)
    browser.send("GET", "/hub/logout")
    browser.client.post("/hub/logout")
    lines = audit_of(hub)
    told = [(line["event"], line.get("who", "")) for line in lines]
    assert ("signed_in", "researcher") in told
    assert told[-2:] == [("refused", "researcher"), ("refused", "")] or told[-3:-1] == [("refused", "researcher"), ("refused", "")]
    assert all(line["from"] for line in lines if line["event"] in ("signed_in", "refused"))
    said = (hub.folder / "hub" / "audit.jsonl").read_text()
    assert not [word for word in ("not-the-password", "wrong-field", "password-of") if word in said]
    assert (hub.folder / "hub" / "audit.jsonl").stat().st_mode & 0o077 == 0


def test_the_audit_log_has_what_is_changed_and_who_is_put_out(hub: Hub) -> None:
    """A project that an administrator ends by the API, a token, a person who is shut out at the terminal: each with who did it."""
    researcher = hub.sign_in("researcher2")
    made = researcher.get("/hub/home")
    assert made.status_code == 200
    ran = CliRunner().invoke(main, ["hub", "disable", str(hub.folder / "hub.toml"), "researcher2"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    changed = CliRunner().invoke(main, ["hub", "project", "suspend", str(hub.folder / "hub.toml"), "first"], catch_exceptions=False)
    assert changed.exit_code == 0, changed.output
    until = time.monotonic() + 60
    while not any(line["event"] == "put_out" and line["who"] == "researcher2" for line in audit_of(hub)):
        assert time.monotonic() < until, audit_of(hub)
        time.sleep(0.3)
    words = [line["what"] for line in audit_of(hub) if line["event"] == "changed" and line["by"].endswith(", at the terminal")]
    assert words[0] == "shut researcher2 out"
    assert "first" in words[1]


def test_prometheus_alone_reads_the_numbers_and_nothing_else(hub: Hub) -> None:
    """By its token, which opens nothing else; nobody without one, and no person of the hub."""
    by_token = {"Authorization": f"Bearer {TOKEN}"}
    found = httpx.get(f"{hub.url}/hub/metrics", headers=by_token, trust_env=False)
    assert found.status_code == 200
    families = {family.name: family.samples for family in text_string_to_metric_families(found.text)}
    assert families["twinpane_store_up"][0].value == families["twinpane_switchboard_up"][0].value == 1
    assert {sample.labels["site"]: sample.value for sample in families["twinpane_site_online"]} == {"a": 0}
    assert sum(sample.value for sample in families["twinpane_projects"]) == 1
    assert "jupyterhub_total_users" in families
    assert "researcher" not in found.text
    assert httpx.get(f"{hub.url}/hub/metrics", trust_env=False).status_code in (302, 401, 403)
    assert hub.sign_in("admin").get("/hub/metrics").status_code == 403
    for path in ("users", "groups", "network", "proxy", "services"):
        assert httpx.get(f"{hub.url}/hub/api/{path}", headers=by_token, trust_env=False).status_code == 403
