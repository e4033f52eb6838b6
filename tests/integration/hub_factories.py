"""A real hub on free ports, with accounts and projects, and people who sign in over HTTP."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import tomlkit

from twinpane_hub import accounts, lifeline

ROOT = Path(__file__).parents[2]
PASSWORDS = {name: f"password-of-{name}" for name in ("researcher", "researcher2", "reviewer-a", "steward", "admin")}
GROUPS = {"researcher": "researcher", "researcher2": "researcher", "reviewer-a": "reviewer", "steward": "steward", "admin": "admin"}


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]


class SignInRefused(Exception):
    """Status and page of a sign-in that failed."""


@dataclass(frozen=True)
class Hub:
    """A running hub."""

    folder: Path
    url: str
    switchboard: str
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text(errors="replace")

    def sign_in(self, name: str, password: str | None = None) -> httpx.Client:
        """A browser that signed in."""
        browser = httpx.Client(base_url=self.url, follow_redirects=True, timeout=60, trust_env=False)
        page = browser.get("/hub/login")
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert xsrf, page.text[:300]
        form = {"username": name, "password": password or PASSWORDS[name], "_xsrf": xsrf[1]}
        answer = browser.post("/hub/login", data=form)
        if answer.status_code != 200:
            raise SignInRefused(answer.status_code, answer.text)
        return browser


def write_settings(folder: Path, projects: dict[str, Any], sites: dict[str, Any], review: dict[str, Any], **more: Any) -> tuple[str, str]:
    """Write hub.toml, projects.toml and accounts.toml; returns the addresses of hub and switchboard."""
    port, hub_port, proxy_port, switchboard_port = free_ports(4)
    settings = {
        "port": port, "hub_port": hub_port, "proxy_port": proxy_port, "switchboard_port": switchboard_port,
        "proxy": [str(ROOT / "node_modules" / ".bin" / "configurable-http-proxy")], "die_with_parent": True,
        "sign_in": {"kind": "local"}, "review": review, **more,
    }  # fmt: skip
    (folder / "hub.toml").write_text(tomlkit.dumps(settings))
    (folder / "projects.toml").write_text(tomlkit.dumps({"projects": projects, "sites": sites}))
    accounts.save(
        folder / "accounts.toml",
        {name: accounts.Account(password=accounts.hashed(word), groups=(GROUPS[name],)) for name, word in PASSWORDS.items()},
    )
    return f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{switchboard_port}"


@contextlib.contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Hub]:
    """A hub, from its first answer until everything it started is gone."""
    url, switchboard = write_settings(folder, **settings)
    lifeline.take_in_orphans()
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder), "TWINPANE_HUB_SETTINGS": str(folder / "hub.toml"),
                   "SECRET_OF_THE_HOST": "not for servers"}  # fmt: skip
    with (folder / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(ROOT / "hub_config" / "jupyterhub_config.py")],
            cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    hub = Hub(folder, url, switchboard, process)
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url + "/hub/health", trust_env=False).status_code == 200:
                    break
            assert process.poll() is None, hub.log
            assert time.monotonic() < until, hub.log
            time.sleep(0.1)
        yield hub
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        lifeline.end_descendants()
