"""A network as its people see it: a real hub, real sites with their own pages, and a notebook in a researcher's server."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect

from harness.federation import PYTHON
from integration.hub_factories import PASSWORDS, Browser, Hub, free_ports
from twinpane_ground import limits
from twinpane_hub.data.make import make_data
from twinpane_hub.project_tokens import NETWORK
from twinpane_sandbox import protocol

LATER = (
    "import sys; from datetime import timedelta; import twinpane_cli.site_agent as agent; now = agent.now; "
    "agent.now = lambda: now() + timedelta(days={days}); from twinpane_cli.command import main; main()"
)
"""Starts the command line with an agent whose clock is ahead."""


def until(holds: Callable[[], Any], seconds: float = 60, told: Callable[[], object] = lambda: "") -> Any:
    """Wait until something is so; returns it."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, told()
        time.sleep(0.2)
    return found


def twinpane(*words: str, fails: bool = False, **more: Any) -> str:
    """The command line; what it says."""
    done = subprocess.run([*PYTHON, "twinpane_cli", *words], capture_output=True, text=True, timeout=120, check=False, **more)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


@dataclass
class Hospital:
    """A site: its folder, its agent, and its steward."""

    folder: Path
    name: str
    port: int
    steward: str = "sten"
    process: "subprocess.Popen[bytes] | None" = None
    passwords: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, base: Path, name: str, title: str, seed: int = 0, persons: int = 600) -> "Hospital":
        """A site that has accepted nothing yet, with a steward's account."""
        (port,) = free_ports(1)
        make_data(base / f"data-{name}", persons, seed=seed, mix="metro")
        made = cls(base / name, name, port)
        twinpane(
            "site", "init", str(made.folder), "--id", name, "--title", title, "--data", str(base / f"data-{name}"), "--reviewer",
            "reviewer-a", "--reviewer", "reviewer-b", "--review-port", str(port), "--review-url", made.url,
        )  # fmt: skip
        for who in (made.steward, "stina"):
            made.passwords[who] = twinpane("site", "account", "add", str(made.folder), who, "--steward").rpartition(": ")[2].strip()
        return made

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the agent said."""
        return (self.folder / "agent.log").read_text()

    def start(self, hub: Hub, token: str = "", days_ahead: int = 0) -> None:
        """Start the agent; with ``days_ahead``, as if it were so many days later."""
        how = [sys.executable, "-c", LATER.format(days=days_ahead)] if days_ahead else [*PYTHON, "twinpane_cli"]
        own = {**os.environ, "TWINPANE_SITE_TOKEN": token}
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*how, "site", "serve", str(self.folder), "--hub", hub.switchboard], stdout=log, stderr=log, env=own
            )  # fmt: skip

    def stop(self) -> None:
        """End the agent."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def until_open(self) -> None:
        """Wait until its pages answer."""
        until(self._is_open, told=lambda: self.log)

    def _is_open(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self.url, trust_env=False).status_code < 500
        return False

    def run(self, *words: str, fails: bool = False) -> str:
        """A command of ``twinpane site``: ``project accept`` and the like, or ``ledger verify``."""
        count = 2 if words[0] in ("project", "ledger", "account") else 1
        return twinpane("site", *words[:count], str(self.folder), *words[count:], fails=fails)


class StewardsBrowser:
    """A steward at the site's own pages."""

    def __init__(self, site: Hospital) -> None:
        self.client = httpx.Client(base_url=site.url, follow_redirects=True, timeout=30, trust_env=False, headers={"origin": site.url})
        site.until_open()
        answer = self.client.post("/sign-in", data={"name": site.steward, "password": site.passwords[site.steward]})
        assert answer.status_code == 200, answer.text

    def close(self) -> None:
        """Close the browser."""
        self.client.close()

    def page(self, name: str = "") -> str:
        """The page of projects, or of one; empty where there is none yet."""
        answer = self.client.get(f"/steward/projects/{name}".rstrip("/"))
        return answer.text if answer.status_code == 200 else ""

    def press(self, name: str, act: str, **form: Any) -> None:
        """Send a form of a project's page."""
        page = self.page(name)
        csrf, proposal = (re.search(rf'name="{key}" value="([^"]+)"', page) for key in ("csrf", "proposal"))
        assert csrf
        known = {"csrf": csrf[1], **({"proposal": proposal[1]} if proposal else {})}
        answer = self.client.post(f"/steward/projects/{name}/{act}", data={**known, **form})
        assert answer.status_code == 200, answer.text


class ServersNotebook:
    """A kernel in a researcher's server, as the notebook's page uses it."""

    def __init__(self, browser: Browser, user: str, project: str) -> None:
        self._browser, self._server = browser, f"/user/{user}/{project}"
        started = browser.send("POST", f"{self._server}/api/kernels", {"name": "twinpane"})
        assert started.status_code == 201, started.text
        self._kernel = started.json()["id"]

    def restart(self) -> None:
        """Start the kernel anew: another session at every site."""
        answer = self._browser.send("POST", f"{self._server}/api/kernels/{self._kernel}/restart")
        assert answer.status_code == 200, answer.text

    @contextlib.contextmanager
    def _socket(self) -> Iterator[Any]:
        url = httpx.URL(self._browser.at(self._server))
        path = f"{self._server}/api/kernels/{self._kernel}/channels?session_id={uuid.uuid4().hex}"
        cookies = {"Cookie": self._browser.get(f"{self._server}/api").request.headers["cookie"]}
        address = f"ws://{url.host}:{url.port}{path}"
        origin: Any = f"http://{url.host}:{url.port}"
        with connect(address, additional_headers=cookies, origin=origin, proxy=None, max_size=limits.FRAME) as socket:
            yield socket

    def run(self, code: str, seconds: float = 90) -> str:
        """Run a cell and wait until it is idle; what it printed and showed, or its error's class and text."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        said, end = "", time.monotonic() + seconds
        with self._socket() as socket:
            sent = self._send(socket, "shell", "execute_request", content)
            while True:
                heard = json.loads(socket.recv(timeout=max(0.1, end - time.monotonic())))
                if heard["parent_header"].get("msg_id") != sent or "twinpane" in (heard["content"].get("metadata") or {}):
                    continue
                match heard["msg_type"], heard["content"]:
                    case "stream", {"text": text}:
                        said += text
                    case "execute_result" | "display_data", {"data": data}:
                        said += data.get("text/plain", "")
                    case "error", {"ename": name, "evalue": value}:
                        said += f"{name}: {value}"
                    case "status", {"execution_state": "idle"}:
                        return said

    def cells(self) -> list[dict[str, Any]]:
        """The pane's reports of the cells, in the order in which they ran."""
        with self._socket() as socket:
            sent = self._send(socket, "control", "twinpane_cells_request", {})
            while True:
                heard = json.loads(socket.recv(timeout=30))
                if heard["channel"] == "control" and heard["parent_header"].get("msg_id") == sent:
                    return sorted(heard["content"]["cells"].values(), key=lambda cell: int(cell["cell"]))

    def states(self) -> dict[str, str]:
        """How the last cell stands at each site."""
        return {site["site"]: site["state"] for site in self.cells()[-1]["sites"]}

    @staticmethod
    def _send(socket: Any, channel: str, kind: str, content: dict[str, Any]) -> str:
        head = protocol.header(kind, uuid.uuid4().hex)
        rest: dict[str, Any] = {"parent_header": {}, "metadata": {}, "buffers": []}
        socket.send(json.dumps({"header": head, "content": content, "channel": channel, **rest}))
        sent: str = head["msg_id"]
        return sent


def network_token(hub: Hub, admin: Browser) -> str:
    """A token of an administrator, for the API."""
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', admin.get("/hub/token").text)
    assert xsrf
    form = {"_xsrf": xsrf[1], "project": NETWORK, "days": "1", "password": PASSWORDS["admin"]}
    page = admin.client.post("/hub/token", data=form, headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"})
    found = re.search(r'id="token">([^<]+)<', page.text)
    assert found, page.text
    return found[1]
