"""Hostile outputs in a real browser: what script in a cell's output reaches, beside the page that it is on.

Before, all servers were at the hub's own name. Script in an output took a token for the hub's API from its pages, made a token that never
ended, for all projects, read the notebooks of another project, and sent them away in the address of a window that it opened.
"""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from walkthrough_lab import Lab

from integration.hub_factories import PASSWORDS, Hub, running
from twinpane_hub.server_hosts import Hosts

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(400)]

PROJECTS = {
    name: {"title": name.title(), "sites": ["a"], "members": ["researcher"], "expires": date(2100, 1, 1)} for name in ("first", "second")
}
TRIES = """async ([hub, other]) => {
    const found = {};
    const attempt = async (name, what) => {
        try { found[name] = await what(); } catch (error) { found[name] = 'refused: ' + error.name; }
    };
    const text = async (address, how) => {
        const answer = await fetch(address, {credentials: 'include', redirect: 'follow', ...how});
        return answer.type === 'opaque' ? 'opaque' : answer.status + ' ' + (await answer.text()).slice(0, 20000);
    };
    await attempt('page of the hub', () => text(hub + '/hub/home'));
    await attempt('page of the hub, at this name', () => text('/hub/home'));
    await attempt('token of the hub', () => text(hub + '/hub/api/users/researcher/tokens', {method: 'POST', body: '{}'}));
    await attempt('form of the hub', () => text(hub + '/hub/token', {method: 'POST', mode: 'no-cors',
        headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: 'project=second&days=90'}));
    await attempt('other project', () => text(other + '/user/researcher/second/api/contents/secret.txt'));
    await attempt('other project, at this name', () => text('/user/researcher/second/api/contents/secret.txt'));
    await attempt('socket of the other project', () => new Promise((done, fail) => {
        const socket = new WebSocket(other.replace('http', 'ws') + '/user/researcher/second/api/events/subscribe');
        socket.onopen = () => done('open'); socket.onerror = () => fail(new Error());
    }));
    for (const [name, address] of [['hub', hub + '/hub/home'], ['other project', other + '/user/researcher/second/lab']])
        await attempt('frame of the ' + name, () => new Promise((done, fail) => {
            const frame = document.createElement('iframe');
            frame.onload = () => { try { done(frame.contentDocument.body.innerHTML); } catch (error) { fail(error); } };
            frame.src = address; document.body.append(frame); setTimeout(() => fail(new Error()), 4000);
        }));
    await attempt('token of the page', async () => {
        const config = JSON.parse(document.getElementById('jupyter-config-data').textContent);
        return config.token ? 'a token: jupyterhub' : 'none';
    });
    await attempt('window of the hub', async () => {
        const opened = window.open(hub + '/hub/home');
        await new Promise(done => setTimeout(done, 2000));
        return opened.document.body.innerHTML;
    });
    return found;
}"""
SECRETS = ("sesame", "Second", "xsrf", "jupyterhub")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    sites = {"a": {"title": "Hospital A", "review_url": "http://127.0.0.1:9"}}
    with running(tmp_path_factory.mktemp("hub"), projects=PROJECTS, sites=sites, review={"a": {"token": "r" * 40}}) as hub:
        for project in PROJECTS:
            workspace = hub.folder / "hub" / "users" / "researcher" / project / "workspace"
            workspace.mkdir(parents=True)
            (workspace / "secret.txt").write_text("sesame")
            (workspace / "hostile.ipynb").write_text(json.dumps(hostile()))
        yield hub


def hostile() -> dict[str, Any]:
    """A notebook whose saved output has script, as one from a stranger would."""
    script = "<img src=x onerror=\"document.title='ran'\"><script>document.title = 'ran'</script><b>saved</b>"
    output = {"output_type": "display_data", "data": {"text/html": script}, "metadata": {}}
    cell = {"cell_type": "code", "id": "c1", "source": "1", "outputs": [output], "metadata": {"trusted": True}, "execution_count": 1}
    kernel = {"kernelspec": {"name": "twinpane", "display_name": "Twinpane", "language": "python"}}
    return {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def page(hub: Hub, chromium: Any) -> Iterator[Page]:
    """The researcher, signed in, with both projects' servers open."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(hub.url)
    page.fill("input[name=username]", "researcher")
    page.fill("input[name=password]", PASSWORDS["researcher"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/hub/home")
    for project in ("second", "first"):
        page.goto(f"{hub.url}/hub/spawn/researcher/{project}")
        page.wait_for_url("**/lab**")
        page.wait_for_selector("#jp-main-dock-panel")
    yield page
    context.close()


def test_script_of_an_output_on_disk_does_not_run(hub: Hub, page: Page) -> None:
    """What somebody else's notebook holds is shown without its script, on disk or uploaded."""
    at = f"{Hosts(hub.url).server('researcher', 'first')}/user/researcher/first/lab/tree/hostile.ipynb"
    page.goto(at)
    page.get_by_text("saved", exact=True).wait_for()
    page.wait_for_timeout(500)
    assert page.title() != "ran"


def test_script_of_a_live_output_reaches_its_own_server_alone(hub: Hub, page: Page) -> None:
    """No page or token of the hub, no other project: not by fetch, form, socket, frame or window."""
    hosts = Hosts(hub.url)
    lab = Lab.__new__(Lab)
    lab.page = page
    lab.wait_idle()
    asked = json.dumps([hub.url, hosts.server("researcher", "second")])
    script = f"<b>live</b><script>window.found = ({TRIES})({asked})</script>"
    code = f"from IPython.display import HTML\nHTML({script!r})"
    lab.write(0, code)
    lab.start(0)
    page.get_by_text("live", exact=True).wait_for()
    page.wait_for_function("window.found !== undefined")
    found = page.evaluate("window.found")
    told = {name: text for name, text in found.items() if any(word in text for word in SECRETS) or text == "open"}
    assert not told, {name: text[:300] for name, text in told.items()}
    assert len(found) == 11
    assert any(text.startswith("refused") for text in found.values())


def test_script_of_an_output_made_no_token(hub: Hub, page: Page) -> None:
    """Whatever it could send, nothing was done by it."""
    page.goto(f"{hub.url}/hub/token")
    assert "None." in page.locator("main, .container").last.inner_text()
    own = page.request.get(f"{hub.url}/hub/home")
    assert own.status == 200, "the person herself still may"
    page.screenshot(path=Path(__file__).parents[2] / "screenshots" / "tokens.png")
