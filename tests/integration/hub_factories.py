"""A real hub on free ports, with accounts and projects, and people who sign in over HTTP."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.request import Request

import httpx
import tomlkit

from harness.loopback_names import resolve_here
from twinpane_ground import children
from twinpane_hub import accounts
from twinpane_hub.network.life import declared
from twinpane_hub.network.store import NetworkStore
from twinpane_hub.projects import Directory
from twinpane_hub.server_hosts import Hosts

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
    browsers: "list[Browser]" = field(default_factory=list)
    """All that were opened; they close with the hub."""

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text(errors="replace")

    def sign_in(self, name: str, password: str | None = None, **headers: str) -> "Browser":
        """A browser that signed in, with what its requests say beside; raises SignInRefused."""
        browser = Browser(self.url)
        self.browsers.append(browser)
        browser.client.headers.update(headers)
        answer = browser.fill_in(name, password)
        if answer.status_code != 200 or "login_error" in answer.text:
            raise SignInRefused(answer.status_code, answer.text)
        return browser

    def servers(self) -> list[int]:
        """Pids of the Jupyter servers that run, in the order in which they started: pids begin again from low numbers."""
        found = [(pid, command_of(pid).split(b"\0")) for pid in children.descendants(self.process.pid)]
        return sorted((pid for pid, words in found if words[1:4] == [b"-I", b"-m", b"twinpane_kernel.server"]), key=started)


class AsBrowsersDo(DefaultCookiePolicy):
    """A cookie for the whole of ``localhost`` is kept for that name alone (RFC 6265, 5.3). Python's own policy refuses it."""

    def set_ok_domain(self, cookie: Cookie, request: Request) -> bool:
        if cookie.domain.lstrip(".") != "localhost":
            return super().set_ok_domain(cookie, request)
        cookie.domain, cookie.domain_specified = "localhost.local", False
        return True


class Browser:
    """Somebody's browser: cookies, redirects, and the header against forged requests."""

    def __init__(self, url: str, verify: ssl.SSLContext | bool = True) -> None:
        resolve_here()
        self.hosts = Hosts(url)
        jar = CookieJar(AsBrowsersDo())
        self.client = httpx.Client(base_url=url, cookies=jar, follow_redirects=True, timeout=60, trust_env=False, verify=verify)

    def get(self, path: str) -> httpx.Response:
        """Open a page as a person does, by a link."""
        return self.client.get(self.at(path), headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"})

    def fill_in(self, name: str, password: str | None = None, code: str = "") -> httpx.Response:
        """Fill in the form of the hub; what comes back."""
        page = self.get("/hub/login")
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert xsrf, page.text[:300]
        form = {"username": name, "password": password or PASSWORDS[name], "otp": code, "_xsrf": xsrf[1]}
        return self.client.post("/hub/login", data=form)

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """What a page's own script sends."""
        url = httpx.URL(self.hosts.address).join(self.at(path))
        kept = [c for c in self.client.cookies.jar if c.name == "_xsrf" and c.domain.removesuffix(".local") == url.host]
        cookies = [c for c in kept if url.path.startswith(c.path)]
        token = max(cookies, key=lambda c: len(c.path)).value if cookies else ""
        return self.client.request(method, url, json=body, headers={"X-XSRFToken": token or ""})

    def at(self, path: str) -> str:
        """The whole address of what a project's server has; the hub's own paths stay as they are."""
        _, kind, *rest = path.split("/")
        return f"{self.hosts.server(rest[0], rest[1])}{path}" if kind == "user" and len(rest) > 1 else path

    def open_project(self, user: str, project: str) -> httpx.Response:
        """Start the project's server and wait for its page."""
        answer = self.get(f"/hub/spawn/{user}/{project}")
        assert answer.status_code == 200, answer.text
        until = time.monotonic() + 60
        while time.monotonic() < until:
            answer = self.get(f"/user/{user}/{project}/lab")
            if answer.status_code == 200 and "jupyter-config-data" in answer.text:
                return answer
            time.sleep(0.3)
        raise AssertionError(f"no server after a minute: {answer.status_code} {answer.url}")


def command_of(pid: int) -> bytes:
    """A process's command line, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def started(pid: int) -> int:
    """When a process started, in ticks since the machine did; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def environment_of(pid: int) -> dict[str, str]:
    """A process's environment."""
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def store_of(folder: Path) -> NetworkStore:
    """The store of the network of a hub in a folder."""
    return NetworkStore(f"sqlite:///{folder / 'hub' / 'network.sqlite'}")


def write_settings(folder: Path, projects: dict[str, Any], sites: dict[str, Any], review: dict[str, Any], **more: Any) -> tuple[str, str]:
    """Write hub.toml and accounts.toml, and fill the hub's store; returns the addresses of hub and switchboard."""
    port, hub_port, proxy_port, switchboard_port = free_ports(4)
    settings = {
        "port": port, "hub_port": hub_port, "proxy_port": proxy_port, "switchboard_port": switchboard_port,
        "proxy": [str(ROOT / "node_modules" / ".bin" / "configurable-http-proxy")], "die_with_parent": True,
        "sign_in": {"kind": "local"}, "review": review, **more,
    }  # fmt: skip
    (folder / "hub.toml").write_text(tomlkit.dumps(settings))
    (folder / "hub").mkdir(exist_ok=True, mode=0o700)
    store_of(folder).change("tests", declared(Directory.model_validate({"projects": projects, "sites": sites})))
    accounts.save(
        folder / "accounts.toml",
        {name: accounts.Account(password=accounts.hashed(word), groups=(GROUPS[name],)) for name, word in PASSWORDS.items()},
    )
    port = settings["port"]
    return f"http://localhost:{port}", f"ws://127.0.0.1:{switchboard_port}"


@contextlib.contextmanager
def running(folder: Path, environment: dict[str, str] | None = None, **settings: Any) -> Iterator[Hub]:
    """A hub, from its first answer until everything it started is gone. ``environment``: variables beside its own."""
    url, switchboard = write_settings(folder, **settings)
    children.take_in_orphans()
    own = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder), "TWINPANE_HUB_SETTINGS": str(folder / "hub.toml"),
                   "SECRET_OF_THE_HOST": "not for servers", **(environment or {})}  # fmt: skip
    with (folder / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "twinpane_hub.app", "-f", str(ROOT / "hub_config" / "jupyterhub_config.py")],
            cwd=folder, env=own, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
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
        for browser in hub.browsers:
            browser.client.close()
        # Its own alone: the browser of other tests is a descendant of this process too.
        started = children.descendants(process.pid)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        for pid in (*started, process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for pid in started:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
