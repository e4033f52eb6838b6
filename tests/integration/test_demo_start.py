"""`twinpane demo`: ready in one command, nothing left behind however it ends, and everything kept for the next start."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_factories import Browser, command_of, free_ports, store_of

from twinpane_ground import children
from twinpane_hub.network.life import amend
from twinpane_hub.pages import online

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
PEOPLE = ("researcher", "researcher2", "reviewer-a", "reviewer-b", "steward", "admin")


class Demo:
    """A demo that was started as a user does."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.output = folder.parent / "output.txt"
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "twinpane_cli", "demo", "--dir", str(folder), "--port", str(port), "--persons", "600"],
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    @property
    def text(self) -> str:
        return self.output.read_text()

    def ready(self) -> "Demo":
        until = time.monotonic() + 150
        while "Twinpane is ready" not in self.text or "Ctrl-C" not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < until, self.text
            time.sleep(0.2)
        return self

    def passwords(self) -> dict[str, str]:
        return dict(re.findall(r"^  ([a-z0-9-]+) +([a-z0-9]{4}(?:-[a-z0-9]{4}){3}) ", self.text, re.MULTILINE))

    def left(self) -> list[str]:
        """Command lines of processes that name the demo's folder or port, or work in its folder."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            command = command_of(int(entry))
            place = ""
            with contextlib.suppress(OSError):
                place = os.readlink(f"/proc/{entry}/cwd")
            if str(self.folder).encode() in command or place.startswith(str(self.folder)):
                found.append(f"{entry} {command[:200]!r}")
        return found

    def gone(self, seconds: float = 30) -> list[str]:
        until = time.monotonic() + seconds
        while (left := self.left()) and time.monotonic() < until:
            time.sleep(0.2)
        return left

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("demo") / "state"
    children.end_descendants()


@pytest.fixture(scope="module")
def passwords(folder: Path) -> dict[str, str]:
    """The first start: what it prints, what works, and that Ctrl-C ends all of it, a notebook's kernel too."""
    (port,) = free_ports(1)
    demo = Demo(folder, port).ready()
    try:
        found = demo.passwords()
        assert set(found) == set(PEOPLE)
        assert f"http://localhost:{port}" in demo.text
        assert demo.text.count("online") == 3
        browser = sign_in(demo, "researcher", found["researcher"])
        home = browser.get("/hub/home").text
        for words in ("First look", "ACTG 175", "Metro General Hospital", "online"):
            assert words in home
        assert "offline" not in home
        browser.open_project("researcher", "first")
        started = browser.send("POST", "/user/researcher/first/api/kernels", {"name": "twinpane"})
        assert started.status_code == 201, started.text
        time.sleep(3)
        (folder / "hub" / "users" / "researcher" / "first" / "workspace" / "mine.txt").write_text("kept")
        assert demo.left()
        status = demo.end(signal.SIGINT)
    finally:
        demo.process.kill()
    assert status == 0, demo.text
    assert demo.text.rstrip().endswith("Stopped.")
    assert demo.gone(2) == []
    return found


def metro(demo: Demo) -> list[int]:
    """The agent of one site."""
    pids = [int(line.split()[0]) for line in demo.left()]
    words = {pid: command_of(pid).split(b"\0") for pid in pids}
    return [pid for pid in pids if b"serve" in words[pid] and str(demo.folder / "sites" / "metro").encode() in words[pid]]


def sign_in(demo: Demo, name: str, password: str) -> Browser:
    browser = Browser(f"http://localhost:{demo.port}")
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', browser.get("/hub/login").text)
    assert xsrf
    answer = browser.client.post("/hub/login", data={"username": name, "password": password, "_xsrf": xsrf[1]})
    assert answer.status_code == 200, answer.text[:500]
    return browser


def test_the_first_start_works_and_ctrl_c_leaves_no_process(passwords: dict[str, str]) -> None:
    assert len(set(passwords.values())) == len(PEOPLE)


def test_secrets_are_for_this_user_alone(folder: Path, passwords: dict[str, str]) -> None:
    for name in ("accounts.txt", "accounts.toml", "demo.json", "hub.toml", "hub/cookie_secret"):
        assert (folder / name).stat().st_mode & 0o077 == 0, name
    assert folder.stat().st_mode & 0o077 == 0
    assert all(word not in (folder / "accounts.toml").read_text() for word in passwords.values())


def test_a_second_start_keeps_everything(folder: Path, passwords: dict[str, str]) -> None:
    """A second start on another port keeps everything. SIGTERM ends it."""
    keys = {path: path.read_bytes() for path in folder.glob("sites/*/keys/*")}
    store_of(folder).change("tests", amend("first", title="My project"))
    (port,) = free_ports(1)
    demo = Demo(folder, port).ready()
    try:
        assert demo.passwords() == passwords
        note = folder / "hub" / "switchboard" / "online.json"
        (agent,) = metro(demo)
        time.sleep(12)  # it counts as started after ten seconds
        os.kill(agent, signal.SIGKILL)
        until = time.monotonic() + 90
        again = "site-metro ended with status -9, and is started again"
        while not (again in demo.text and metro(demo) and "metro" in (online(note, time.time()) or ())):
            assert time.monotonic() < until, demo.text
            time.sleep(0.2)
        assert metro(demo) != [agent], "the other sites and the hub went on meanwhile"
        twice = subprocess.run(
            [sys.executable, "-m", "twinpane_cli", "demo", "--dir", str(folder), "--port", str(free_ports(1)[0])],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (twice.returncode, "runs in" in twice.stderr) == (1, True), twice.stderr
        assert "My project" in sign_in(demo, "researcher2", passwords["researcher2"]).get("/hub/home").text
        assert {path: path.read_bytes() for path in folder.glob("sites/*/keys/*")} == keys
        assert (folder / "hub" / "users" / "researcher" / "first" / "workspace" / "mine.txt").read_text() == "kept"
        assert demo.end(signal.SIGTERM) == 0
        assert demo.gone(2) == []
    finally:
        demo.process.kill()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_closed_terminal_or_a_killed_demo_leaves_no_process(folder: Path, passwords: dict[str, str], number: int) -> None:
    (port,) = free_ports(1)
    demo = Demo(folder, port).ready()
    try:
        sign_in(demo, "researcher", passwords["researcher"]).open_project("researcher", "first")
    finally:
        demo.end(number)
    assert demo.gone() == []


def test_ctrl_c_at_the_start_leaves_no_process_and_no_obstacle(tmp_path: Path) -> None:
    """Ctrl-C while the demo starts leaves no process, and the next start works."""
    (port,) = free_ports(1)
    demo = Demo(tmp_path / "state", port)
    while "hub is starting" not in demo.text:
        time.sleep(0.05)
    time.sleep(1.5)
    assert demo.end(signal.SIGINT) == 0
    assert demo.gone(2) == []
    again = Demo(tmp_path / "state", port).ready()
    assert again.end() == 0


def test_a_port_in_use_is_a_clear_message_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = subprocess.run(
            [sys.executable, "-m", "twinpane_cli", "demo", "--dir", str(tmp_path / "state"), "--port", str(port)],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert answer.returncode == 1
    assert f"port {port} is in use" in answer.stderr
    assert "make demo PORT=" in answer.stderr
    assert not (tmp_path / "state").exists()
