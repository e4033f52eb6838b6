"""Round the glass: a cell, the contents API and the server's own process against the hub's machine.

Before, all of this worked, with one researcher alone: a cell planted links, the contents API followed them as the hub's user (copying a
folder, restoring and making checkpoints, a large upload raced by a swapped folder, in 3 tries), so the cookie secret and the hub's
database were read, both reviewers' cookies forged and the researcher's own request approved: 20 real rows released with a valid
receipt; and where hub and site shared a machine, the site's key and all its rows were read.
"""

import contextlib
import hashlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import tomlkit

from integration.hub_factories import Browser, Hub, command_of, environment_of, running
from redteam import server_probe
from redteam.hub_cell import run_cell
from twinpane_ground import children
from twinpane_sandbox import server_sandbox as box
from twinpane_sandbox.host import survey
from twinpane_sandbox.server_sandbox import ServerBox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROJECTS = {
    "first": {"title": "First look", "sites": ["a"], "members": ["researcher", "researcher2"], "expires": date(2100, 1, 1)},
}
SERVER = "/user/researcher/first"
REVIEW_TOKEN = "review-token-" + "r" * 40
FIRST_USER = 1_900_000_000
SITE_KEY = "private key of the site"
OTHERS = "the other researcher's words"


@dataclass(frozen=True)
class World:
    """A hub in the demo's layout: one Linux user, hub state, a site's folder and all workspaces below one folder."""

    hub: Hub
    browser: Browser
    token: str
    pid: int
    kernel: str

    @property
    def state(self) -> Path:
        return self.hub.folder / "hub"

    @property
    def workspace(self) -> Path:
        return self.state / "users" / "researcher" / "first" / "workspace"

    @property
    def owner(self) -> int:
        """The user that the server runs under; 0: the hub's own."""
        return self.workspace.stat().st_uid if os.geteuid() == 0 else 0

    @property
    def secrets(self) -> list[str]:
        """What nobody but hub and site may read."""
        accounts = re.findall(r'"(\$argon2[^"]+)"', (self.hub.folder / "accounts.toml").read_text())
        assert len(accounts) > 3
        kept = (self.state / "cookie_secret").read_text().strip()
        return [kept, REVIEW_TOKEN, SITE_KEY, OTHERS, *accounts]

    def cell(self, code: str) -> str:
        return run_cell(self.browser.hosts.server("researcher", "first"), SERVER, self.token, self.kernel, code)

    def contents(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.browser.send(method, f"{SERVER}/api/contents/{path}", body)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "sites" / "a" / "keys").mkdir(parents=True)
    (folder / "sites" / "a" / "keys" / "site.key").write_text(SITE_KEY)
    (folder / "sites" / "a" / "data.csv").write_text(SITE_KEY)
    theirs = folder / "hub" / "users" / "researcher2" / "first" / "workspace"
    theirs.mkdir(parents=True)
    (theirs / "notes.txt").write_text(OTHERS)
    review = {"a": {"token": REVIEW_TOKEN}}
    with running(folder, projects=PROJECTS, sites={"a": {"title": "A", "review_url": "http://127.0.0.1:9"}}, review=review) as hub:
        browser = hub.sign_in("researcher")
        browser.open_project("researcher", "first")
        (pid,) = hub.servers()
        started = browser.send("POST", f"{SERVER}/api/kernels", {"name": "twinpane"})
        assert started.status_code == 201, started.text
        yield World(hub, browser, environment_of(pid)["JUPYTERHUB_API_TOKEN"], pid, started.json()["id"])


@pytest.fixture(autouse=True)
def untouched(world: World) -> Iterator[None]:
    """Check after every attack that what hub and site keep is unchanged, and that the database is whole."""
    kept = [world.state / "cookie_secret", world.hub.folder / "accounts.toml", world.hub.folder / "sites" / "a" / "keys" / "site.key"]
    before = [hashlib.sha256(path.read_bytes()).digest() for path in kept]
    yield
    assert [hashlib.sha256(path.read_bytes()).digest() for path in kept] == before
    with contextlib.closing(sqlite3.connect(f"file:{world.state / 'jupyterhub.sqlite'}?mode=ro", uri=True)) as base:
        assert base.execute("pragma quick_check").fetchone() == ("ok",)


PLANT = """\
import os, shutil
targets = {targets}
shutil.rmtree('trap', ignore_errors=True)
os.makedirs('trap/deep/.ipynb_checkpoints')
open('trap/deep/x.txt', 'w').write('mine')
for number, target in enumerate(targets):
    os.symlink(target, f'trap/deep/link{{number}}')
    os.symlink(target, f'trap/deep/link{{number}}.txt')
os.symlink(targets[0], 'trap/deep/.ipynb_checkpoints/x-checkpoint.txt')
print('planted')
"""


def plant(world: World) -> int:
    """A real cell plants links, absolute and relative, to what hub, site and the other researcher keep; returns their number."""
    kept = ["hub/cookie_secret", "hub/jupyterhub.sqlite", "accounts.toml", "sites/a/keys/site.key", "hub", "sites", "hub/users/researcher2"]
    targets = [str(world.hub.folder / path) for path in kept] + [os.path.relpath(world.hub.folder / path, world.workspace / "trap" / "deep")
                                                                for path in kept]  # fmt: skip
    assert world.cell(PLANT.format(targets=targets)) == "planted\n"
    return len(targets)


def test_no_link_that_a_cell_plants_is_followed(world: World) -> None:
    """No operation follows a link that a cell plants: not reading, listing, copying, restoring or writing."""
    count = plant(world)
    answers = [world.contents("GET", "trap/deep")]
    for number in range(count):
        for path in (f"trap/deep/link{number}", f"trap/deep/link{number}.txt", f"trap/deep/link{number}/cookie_secret"):
            answers += [
                world.contents("GET", path), world.contents("GET", f"{path}?type=file&format=base64"),
                world.contents("POST", "trap", {"copy_from": path}), world.contents("POST", f"{path}/checkpoints"),
                world.contents("PUT", path, {"type": "file", "format": "text", "content": "forged"}),
                world.contents("PUT", path, {"type": "file", "format": "text", "content": "forged", "chunk": 2}),
                world.contents("PATCH", path, {"path": f"trap/stolen{number}"}), world.contents("DELETE", f"{path}/cookie_secret"),
            ]  # fmt: skip
    answers += [
        world.contents("POST", "", {"copy_from": "trap"}), world.contents("POST", "trap", {"copy_from": "trap/deep"}),
        world.contents("POST", "trap/deep/x.txt/checkpoints/checkpoint"), world.contents("POST", "trap/deep/x.txt/checkpoints"),
        world.contents("GET", "trap/deep/x.txt"),
    ]  # fmt: skip
    for answer in answers:
        assert not [secret for secret in world.secrets if secret in answer.text]
        assert str(world.hub.folder) not in answer.text, "an error tells where the hub's files lie"
    for folder in [path for path in world.workspace.rglob("*") if path.is_file() and not path.is_symlink()]:
        assert not [secret for secret in world.secrets if secret.encode() in folder.read_bytes()], folder


SWAP = """\
import os, threading, time
os.makedirs('raced', exist_ok=True)
def swap(end):
    while time.monotonic() < end:
        os.rename('raced', 'kept'); os.symlink({target!r}, 'raced'); os.unlink('raced'); os.rename('kept', 'raced'); time.sleep(0.002)
threading.Thread(target=swap, args=(time.monotonic() + {seconds},)).start()
"""


def test_a_large_upload_wins_the_race_against_a_swapped_folder(world: World) -> None:
    """Before, three tries wrote a file of the hub. Ten seconds of tries, in the folder that holds the cookie secret."""
    world.cell(SWAP.format(target=str(world.state), seconds=10))
    end, got = time.monotonic() + 10, []
    while time.monotonic() < end:
        for chunk in (1, 2, -1):
            body = {"type": "file", "format": "text", "content": "forged" * 1000, "chunk": chunk}
            got.append(world.contents("PUT", "raced/cookie_secret", body).status_code)
        got.append(world.contents("POST", "", {"copy_from": "raced/jupyterhub.sqlite"}).status_code)
    assert {200, 201} & set(got), "the race was never open"
    assert "forged" not in (world.state / "cookie_secret").read_text()


def evidence(world: World, ports: list[int], pids: list[int], environment: dict[str, str], abstract: str) -> dict[str, Any]:
    """What a probe finds in the sandbox that the server itself is in: same folders, same walls, same environment."""
    host = survey(box.PACKAGES)
    sockets = world.hub.folder / f"s{os.urandom(4).hex()}"
    sockets.mkdir(mode=0o755)
    asked = {
        # Encoded: its own command line is among what the probe reads.
        "secrets": [b64encode(secret.encode()).decode() for secret in world.secrets], "ports": ports, "pids": pids, "abstract": abstract,
        "environment": [str(path) for path in (*host.environment, *host.packages)],
        "paths": [str(world.hub.folder), str(world.state), "/root", "/home", "/var", "/etc/shadow", "/etc/machine-id", "/run/dbus"],
    }  # fmt: skip
    room = ServerBox(workspace=world.workspace, server=world.workspace.parent / "server", sockets=sockets, owner=world.owner)
    command = [sys.executable, "-I", "-c", Path(server_probe.__file__).read_text(), json.dumps(asked)]
    process, group = box.start(room, host, command, environment)
    try:
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        group.remove()
    assert b"EVIDENCE" in said, said.decode(errors="replace")
    found: dict[str, Any] = json.loads(said.partition(b"EVIDENCE")[2])
    return found


def test_code_in_the_servers_process_finds_nothing_of_the_host(world: World) -> None:
    """Code in the server's own process finds nothing of the machine.

    Before, it had the hub's user: all of the hub's files, every site's where one user runs both, every port, every process.
    """
    settings = tomlkit.parse((world.hub.folder / "hub.toml").read_text())
    hub_ports = [int(settings[name]) for name in ("port", "hub_port", "proxy_port", "switchboard_port")]  # type: ignore[arg-type]
    name = f"\0twinpane-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as other, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(name)
        abstract.listen()
        ports = [*hub_ports, other.getsockname()[1]]
        pids = [os.getpid(), world.hub.process.pid, world.pid]
        found = evidence(world, ports, pids, environment_of(world.pid), name)
    assert found["leaks"] == []
    assert set(found["there"]) <= {"/root"}, "the environment of this machine's Python may lie below it"
    assert not [path for path in found["files"] if not path.startswith(("/project/", "/server/", "/etc/", "/run/twinpane/", "/tmp/"))]
    assert set(found["ports"].values()) == {"ECONNREFUSED"}
    assert (found["abstract"], found["network"]) == ("ECONNREFUSED", "ENETUNREACH")
    assert found["interfaces"] == ["lo"]
    assert set(found["signals"].values()) == {"ESRCH"}
    assert len(found["processes"]) <= 3
    assert found["linger"] == [0, 0], "a connection that it hands over makes nobody wait who closes it; before, its gate for 8 s of 8"
    assert found["status"] == {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}


def test_the_server_holds_no_socket_of_the_machines_network(world: World) -> None:
    """Whoever holds a TCP socket can shut it down and connect it anew. So the server does not even get the one it is reached at."""
    assert world.contents("GET", "").status_code == 200
    ours = {line.split()[9] for name in ("tcp", "tcp6", "udp") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]}
    for pid in [*children.descendants(world.pid), world.pid]:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                inode = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{descriptor}"))
                assert inode is None or inode[1] not in ours


def test_another_networks_listening_socket_would_be_a_way_out() -> None:
    """A listening socket of another network would be a way out.

    Why: a process without a network, given nothing but a listening socket of this one, reaches any port by it.
    """
    with socket.create_server(("127.0.0.1", 0)) as target, socket.create_server(("127.0.0.1", 0)) as given:
        code = (
            "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); s.shutdown(socket.SHUT_RDWR); "
            "s.connect(('127.0.0.1', int(sys.argv[2]))); s.send(b'out')"
        )
        line = ["unshare", "--net", "--map-root-user", sys.executable, "-I", "-c", code]
        words = [str(given.fileno()), str(target.getsockname()[1])]
        done = subprocess.run([*line, *words], pass_fds=[given.fileno()], capture_output=True, timeout=30, check=False)
        if b"unshare" in done.stderr:
            pytest.skip("needs networks")
        assert done.returncode == 0, done.stderr
        connection, _ = target.accept()
        assert connection.recv(3) == b"out"


def reached(pid: int, port: int) -> bool:
    """Whether a process in the network of another reaches a port."""
    code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5).close()"
    line = ["nsenter", "--target", str(pid), "--net", sys.executable, "-I", "-c", code]
    return subprocess.run(line, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it enters another's network")
def test_a_servers_network_reaches_two_ports_of_the_machine(world: World) -> None:
    """The server's network reaches two ports of the machine and no other."""
    settings = tomlkit.parse((world.hub.folder / "hub.toml").read_text())
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = {name: int(settings[name]) for name in ("port", "hub_port", "proxy_port", "switchboard_port")}  # type: ignore[arg-type]
        ports["another"] = other.getsockname()[1]
        found = {name for name, port in ports.items() if reached(world.pid, port)}
    assert found == {"hub_port", "switchboard_port"}


def test_what_gets_out_of_a_servers_sandbox_is_nobody(world: World) -> None:
    """Server and kernels run under a user of their own, who reads nothing of theirs and signals nobody, even outside it."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it gives servers users of their own")
    assert world.owner >= FIRST_USER
    first = world.cell("import os\nopen('mine.txt', 'w').write('mine')\nprint(os.getuid())")
    assert (first, (world.workspace / "mine.txt").stat().st_uid) == ("1000\n", world.owner)
    theirs = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _user_of(pid) == world.owner]
    words = [command_of(pid) for pid in theirs]
    gates = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if b"twinpane_kernel.gate" in command_of(pid)]
    assert gates
    assert any(b"twinpane_kernel.server" in word for word in words), "the server"
    assert any(b"twinpane_sandbox.kernel_main" in word for word in words), "a kernel of it"
    places = [*map(str, (world.state, world.state / "cookie_secret", world.hub.folder / "sites" / "a" / "data.csv")),
              str(world.state / "users" / "researcher2" / "first" / "workspace" / "notes.txt")]  # fmt: skip
    code = (
        "import json, os, sys\nread, signalled = [], []\n"
        "for path in json.loads(sys.argv[1]):\n"
        "    try:\n        read.append(os.listdir(path) if os.path.isdir(path) else open(path).read())\n    except OSError:\n        pass\n"
        "for pid in json.loads(sys.argv[2]):\n"
        "    try:\n        os.kill(pid, 0)\n        signalled.append(pid)\n    except OSError:\n        pass\n"
        "print(read, signalled)"
    )
    out = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", code, json.dumps(places), json.dumps([*gates, os.getpid()])],
        user=world.owner, group=world.owner, extra_groups=[], capture_output=True, text=True, check=True, cwd="/", env={},
    )  # fmt: skip
    assert out.stdout == "[] []\n"


def _user_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.stat(f"/proc/{pid}").st_uid
    return None


def test_nothing_a_server_can_read_lets_it_act_as_another(world: World) -> None:
    """A thief finds only the server's own token. It opens that server, and tells the switchboard who the researcher is."""
    theirs = {"Authorization": f"token {world.token}"}
    at_server = httpx.Client(base_url=world.browser.hosts.server("researcher", "first"), headers=theirs, trust_env=False)
    assert at_server.get(f"{SERVER}/api/contents").status_code == 200
    own = httpx.Client(base_url=world.hub.url, headers=theirs, trust_env=False)
    for method, path in (
        ("GET", "/hub/api/users"), ("GET", "/hub/api/users/reviewer-a"), ("POST", "/hub/api/users/reviewer-a/tokens"),
        ("POST", "/hub/api/users/researcher/tokens"), ("POST", "/hub/api/users/researcher2/servers/first"), ("GET", "/hub/api/proxy"),
        ("GET", "/hub/api/services"), ("POST", "/hub/api/shutdown"),
    ):  # fmt: skip
        assert own.request(method, path).status_code in (403, 404), path
        assert at_server.request(method, path).status_code in (403, 404), path
    assert own.get("/user/researcher2/first/api/contents").is_redirect, "to the sign-in of the hub: the token is none there"
    proof = f"code_challenge_method=S256&code_challenge={'x' * 43}"
    query = f"client_id=service-review-a&redirect_uri=http://127.0.0.1:9/oauth_callback&response_type=code&state=s&{proof}"
    asked = own.get(f"/hub/api/oauth2/authorize?{query}")
    assert "code=" not in asked.headers.get("location", "")
    forged = httpx.Client(base_url=world.hub.url, cookies={"jupyterhub-hub-login": world.token}, trust_env=False)
    assert forged.get("/hub/api/user").status_code == 403


def test_no_secret_is_in_the_process_list(world: World) -> None:
    """A command line can be read by every user of the machine; bubblewrap would carry an environment there."""
    lines = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.descendants(world.hub.process.pid))
    assert b"twinpane_kernel.server" in lines
    assert world.token.encode() not in lines


def test_a_gate_that_is_killed_takes_server_and_kernels_along(world: World) -> None:
    """The last test here: no orphan is left, and the next start works."""
    below = children.descendants(world.hub.process.pid)
    (gate,) = [pid for pid in below if b"twinpane_kernel.gate" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    family = children.descendants(gate)
    assert len(family) > 4
    os.kill(gate, 9)
    end = time.monotonic() + 20
    while (left := [pid for pid in family if alive(pid)]) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []
    until = time.monotonic() + 60
    while world.browser.send("GET", "/hub/api/users/researcher").json().get("servers") and time.monotonic() < until:
        time.sleep(0.5)
    world.browser.open_project("researcher", "first")


def alive(pid: int) -> bool:
    """Whether a process runs and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
