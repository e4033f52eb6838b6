"""Strangers at the hub's own web server: what they send before they sign in costs it nothing."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from hub_factories import Hub, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

BODY = 90 * 10**6
FLAT = 40 * 2**20


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with running(tmp_path, projects={}, sites={}, review={}) as hub:
        yield hub


def post(address: str, head: str, size: int) -> bytes:
    """Post that many bytes as fast as they are taken; returns what was answered."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as plug:
        with contextlib.suppress(OSError):
            kind = "Content-Type: application/x-www-form-urlencoded"
            plug.sendall(f"POST /hub/login HTTP/1.1\r\nHost: {parts.netloc}\r\n{kind}\r\n{head}\r\n\r\n".encode())
            for _ in range(size // 2**16):
                plug.sendall(b"x" * 2**16)
        with contextlib.suppress(OSError):
            return plug.recv(4096)
    return b""


def hub_port(hub: Hub) -> str:
    lines = (hub.folder / "hub.toml").read_text().splitlines()
    return next(line.split("=")[1].strip() for line in lines if line.startswith("hub_port"))


@pytest.mark.parametrize("direct", [True, False], ids=["at the hub", "through the proxy"])
def test_a_large_body_of_nobody_is_refused_at_its_head(hub: Hub, direct: bool) -> None:
    """90 MB at the sign-in page. Before, the hub took them all in: 492 MB more memory."""
    port = hub_port(hub)
    process = psutil.Process(hub.process.pid)
    before = process.memory_info().rss
    answer = post(f"http://127.0.0.1:{port}" if direct else hub.url, f"Content-Length: {BODY}", BODY)
    assert b"303" not in answer[:20]
    assert b" 200 " not in answer[:20]
    assert process.memory_info().rss - before < FLAT
    assert httpx.get(hub.url + "/hub/login", trust_env=False).status_code == 200


@pytest.mark.parametrize("direct", [True, False], ids=["at the hub", "through the proxy"])
def test_a_body_in_chunks_is_refused_at_its_head(hub: Hub, direct: bool) -> None:
    """Before, each chunk was work: an honest request took 140 to 360 ms beside eight strangers who sent one byte at a time."""
    parts = urlsplit(f"http://127.0.0.1:{hub_port(hub)}" if direct else hub.url)
    head = f"POST /hub/login HTTP/1.1\r\nHost: {parts.netloc}\r\nTransfer-Encoding: chunked\r\n\r\n"
    strangers = [socket.create_connection((parts.hostname, parts.port), timeout=20) for _ in range(8)]
    try:
        for plug in strangers:
            plug.sendall(head.encode() + b"1\r\nx\r\n" * 10)
        for plug in strangers:
            assert b" 411 " in plug.recv(4096).splitlines()[0]
            plug.settimeout(20)
            with contextlib.suppress(ConnectionError):
                while plug.recv(4096):
                    pass
    finally:
        for plug in strangers:
            plug.close()
    assert httpx.get(hub.url + "/hub/login", trust_env=False).status_code == 200


def test_a_strangers_dear_head_costs_the_hub_nothing(hub: Hub) -> None:
    """Before: 0.7 s of the hub for a cookie of 15 kB of backslashes (honest requests took 11 s beside four such strangers), and 31 kB of
    log for an address of 15 kB: 700 MB a minute."""
    process = psutil.Process(hub.process.pid)

    def spent() -> float:
        return sum(process.cpu_times()[:2])

    log = hub.folder / "hub.log"
    with httpx.Client(base_url=hub.url, trust_env=False, timeout=60) as stranger:
        stranger.get("/hub/login")
        before, size = spent(), log.stat().st_size
        for cookie in ('_xsrf="' + "\\" * 15_000 + '"', '_xsrf="' + "\\101" * 3_700 + '"', "; ".join(["_xsrf=1"] * 1_600)):
            for _ in range(5):
                assert stranger.get("/hub/login", headers={"Cookie": cookie}).status_code in (200, 431)
        assert spent() - before < 2, "one alone of the first kind took 0.7 s before"
        assert stranger.get("/hub/" + "a" * 15_000).status_code == 414
        for _ in range(1000):
            stranger.get("/hub/" + "a" * 4_000)
    assert log.stat().st_size - size < 10**6
