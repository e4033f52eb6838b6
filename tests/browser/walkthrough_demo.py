"""The demo as a user starts it, small, and the people who sign in to it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHOTS = Path(__file__).parents[2] / "screenshots"
PERSONS = 1500
"""Generated patients of a site: enough that a model finds something and a twin of 1,000 is told apart."""
READY_S = 150


@dataclass
class Demo:
    """A running demo."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    output: Path
    url: str

    @property
    def passwords(self) -> dict[str, str]:
        return dict(line.split()[:2] for line in (self.folder / "accounts.txt").read_text().splitlines() if line.strip())

    @property
    def review_pages(self) -> dict[str, str]:
        """Title of a site -> the address of its review pages, as printed at the start."""
        block = self.output.read_text().partition("Review pages")[2].partition("What to try")[0]
        return dict(re.findall(r"^  (.+?) {2,}(http://\S+)$", block, re.MULTILINE))

    def workspace(self, user: str, project: str = "first") -> Path:
        return self.folder / "hub" / "users" / user / project / "workspace"

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def start(folder: Path) -> Demo:
    """Start a demo in this folder on a free port and wait until it says that it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    output = folder / "output.txt"
    words = ["demo", "--dir", str(folder / "demo"), "--port", str(port), "--persons", str(PERSONS)]
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "twinpane_cli", *words],
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    demo = Demo(process, folder / "demo", output, f"http://localhost:{port}")
    until = time.monotonic() + READY_S
    while "Ctrl-C stops everything" not in output.read_text():
        assert process.poll() is None, output.read_text()
        if time.monotonic() > until:
            demo.stop()
            raise AssertionError(f"the demo was not ready after {READY_S} s:\n{output.read_text()}")
        time.sleep(0.2)
    return demo


class Person:
    """Someone at a browser of their own."""

    def __init__(self, chromium: Any, demo: Demo, name: str, **context: Any) -> None:
        self.name, self.demo = name, demo
        self.page = chromium.new_context(viewport={"width": 1280, "height": 800}, **context).new_page()
        self.page.set_default_timeout(60_000)

    def sign_in(self) -> "Person":
        """At the hub."""
        self.page.goto(self.demo.url)
        self._fill_in()
        self.page.wait_for_url("**/hub/home")
        return self

    def sign_in_at(self, site: str) -> "Person":
        """At a site's review pages, through the hub, where the form is filled in unless they are signed in there already."""
        self.page.goto(self.demo.review_pages[site])
        self.page.get_by_role("link", name="Sign in through the hub").click()
        self.page.wait_for_load_state()
        if self.page.locator("input[name=password]").count():
            self._fill_in()
            self.page.wait_for_load_state()
        return self

    def _fill_in(self) -> None:
        self.page.fill("input[name=username]", self.name)
        self.page.fill("input[name=password]", self.demo.passwords[self.name])
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def shot(self, name: str, **how: Any) -> None:
        """Keep what is on the screen, to be looked at."""
        SHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", **how)

    def text(self) -> str:
        return str(self.page.locator("body").inner_text())
