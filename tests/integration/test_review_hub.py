"""Sign-in against a real JupyterHub: the callback, the scopes and the PKCE of these pages are those that a hub accepts."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest
import uvicorn
from review_factories import A, make_site

from twinpane_review.app import CALLBACK, Settings, create_app
from twinpane_review.identity import HubIdentity

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PROXY = ROOT / "node_modules" / ".bin" / "configurable-http-proxy"
SECRET = "review-service-token-of-this-test"

CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.hub_port = {inner}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = ["{command}"]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "word-for-this-test-only"
c.Authenticator.allow_all = True
c.JupyterHub.oauth_require_pkce = True
c.JupyterHub.services = [dict(
    name="review-site-a", api_token="{secret}", oauth_client_id="service-review-site-a",
    oauth_redirect_uri="{redirect}", oauth_no_confirm=True,
)]
c.JupyterHub.load_roles = [dict(name="reviewer", users=["{reviewer}"], scopes=["access:services!service=review-site-a"])]
c.JupyterHub.cleanup_servers = True
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A running hub; its address and that of the pages it knows."""
    port, pages = free_port(), f"http://127.0.0.1:{free_port()}"
    config = tmp_path / "jupyterhub_config.py"
    config.write_text(
        CONFIG.format(hub=port, inner=free_port(), proxy=free_port(), command=PROXY, secret=SECRET, redirect=pages + CALLBACK, reviewer=A)
    )
    with (tmp_path / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": "proxy-token-of-this-test"},
        )
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(240):
                try:
                    if httpx.get(f"{address}/hub/api", timeout=2, trust_env=False).status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                assert process.poll() is None, (tmp_path / "hub.log").read_text()
                time.sleep(0.25)
            else:
                raise AssertionError((tmp_path / "hub.log").read_text())
            yield address, pages
        finally:
            process.terminate()
            process.wait(30)


async def sign_in(browser: httpx.AsyncClient, pages: str, user: str) -> httpx.Response:
    """Through the hub's own sign-in form, as a person would."""
    reply = await browser.get(f"{pages}/sign-in?next=/")
    form = unescape(re.search(r'<form action="([^"]+)"', reply.text)[1])  # type: ignore[index]
    xsrf = unescape(re.search(r'name="_xsrf" value="([^"]+)"', reply.text)[1])  # type: ignore[index]
    values = {"username": user, "password": "word-for-this-test-only", "_xsrf": xsrf}
    return await browser.post(reply.url.join(form), data=values, headers={"referer": str(reply.url)})


async def test_a_reviewer_signs_in_through_the_hub_and_others_do_not(hub: tuple[str, str], tmp_path: Path) -> None:
    address, pages = hub
    site = make_site(tmp_path / "site")
    identity = HubIdentity(address, "service-review-site-a", SECRET, pages + CALLBACK)
    app = create_app(site.review, site.desk, identity, Settings(pages, "Site A"))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=int(pages.rsplit(":", 1)[1]), log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.05)
        async with httpx.AsyncClient(trust_env=False, timeout=20, follow_redirects=True) as browser:
            reply = await sign_in(browser, pages, A)
            assert reply.status_code == 200, reply.text
            assert str(reply.url) == f"{pages}/"
            assert "Nothing waits for you" in reply.text
        async with httpx.AsyncClient(trust_env=False, timeout=20, follow_redirects=True) as browser:
            reply = await sign_in(browser, pages, "researcher")
            assert "Nothing waits for you" not in reply.text
            assert (await browser.get(pages)).status_code == 401, "the hub gave them no way in"
        assert [entry.body["user"] for entry in site.ledger.entries() if entry.kind.value == "signed_in"] == [A]
    finally:
        server.should_exit = True
        await serving
