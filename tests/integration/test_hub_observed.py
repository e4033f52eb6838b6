"""What a hub tells those who watch it: its log, who came and what was changed. Content is in none of it."""

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hub_factories import Hub, SignInRefused, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROJECTS = {"first": {"title": "First look", "sites": ["a"], "members": ["researcher"], "expires": date(2100, 1, 1)}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    with running(folder, projects=PROJECTS, sites={"a": {}}, review={}, log_format="json") as hub:
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
