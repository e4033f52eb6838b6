"""The example of a TLS proxy, run by nginx as it is shipped but for names and ports, before a real hub."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hub_factories import Browser, Hub, free_ports, running
from websockets.sync.client import connect

EXAMPLE = Path(__file__).parents[2] / "hub_config" / "service" / "nginx-hub.conf"
FETCHED = Path(sys.prefix) / "servers" / "nginx"
NGINX = shutil.which("nginx") or (str(FETCHED) if FETCHED.exists() else None)
NAME = "hub.localhost"
PROJECT = {"title": "First", "sites": ["north"], "members": ["researcher"], "expires": "2099-12-31"}
pytestmark = [pytest.mark.slow, pytest.mark.skipif(NGINX is None, reason="needs nginx")]


@dataclass(frozen=True)
class Front:
    """The proxy before a hub."""

    hub: Hub
    port: int
    plain: int
    trust: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"


def certificate(folder: Path) -> Path:
    """A throwaway certificate for the hub's name and those below it; its key is beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.DNSName(f"*.{NAME}")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1))
    signed = made.add_extension(names, False).add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    (folder / "hub.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "hub.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "hub.pem"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("proxy")
    port, plain = free_ports(2)
    pem = certificate(folder)
    with running(
        tmp_path_factory.mktemp("hub"), projects={"first": PROJECT}, sites={"north": {"title": "North"}}, review={},
        public_url=f"https://{NAME}:{port}",
    ) as hub:  # fmt: skip
        text = EXAMPLE.read_text().replace("hub.example.org", NAME).replace("/etc/twinpane", str(folder))
        text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("listen 80", f"listen 127.0.0.1:{plain}")
        (folder / "hub.conf").write_text(text.replace("http://127.0.0.1:8000", hub.url.replace("localhost", "127.0.0.1")))
        user = "user root;\n" if os.geteuid() == 0 else ""
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(
            f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{temporary}include {folder}/hub.conf;\n}}\n"
        )
        assert NGINX is not None
        words = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        proxy = subprocess.Popen(words, stderr=subprocess.PIPE)
        try:
            until = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert proxy.poll() is None, proxy.stderr and proxy.stderr.read().decode()
                    assert time.monotonic() < until
                    time.sleep(0.05)
            yield Front(hub, port, plain, ssl.create_default_context(cafile=str(pem)))
        finally:
            proxy.terminate()
            proxy.communicate(timeout=20)


@pytest.fixture
def browser(front: Front) -> Iterator[Browser]:
    made = Browser(front.url, front.trust)
    yield made
    made.client.close()


def test_people_work_through_the_proxy(front: Front, browser: Browser) -> None:
    """They sign in, a server at a name of its own comes up, and its kernels' websocket opens."""
    assert browser.fill_in("researcher").status_code == 200
    page = browser.open_project("researcher", "first")
    assert page.url.host != NAME
    assert page.url.host.endswith(f".{NAME}")
    cookies = "; ".join(f"{c.name}={c.value}" for c in browser.client.cookies.jar if c.domain.removesuffix(".local") in ("", page.url.host))
    with connect(
        f"wss://{page.url.host}:{front.port}/user/researcher/first/api/events/subscribe", ssl=front.trust,
        sock=socket.create_connection(("127.0.0.1", front.port)), server_hostname=page.url.host,
        origin=f"https://{page.url.host}:{front.port}", additional_headers={"Cookie": cookies},
    ) as opened:  # fmt: skip
        assert opened.response is not None
        assert opened.response.status_code == 101


def test_a_site_reaches_the_switchboard_through_the_proxy(front: Front) -> None:
    """It is asked to prove who it is."""
    url = f"wss://{NAME}:{front.port}/services/switchboard/agent"
    with connect(url, ssl=front.trust, sock=socket.create_connection(("127.0.0.1", front.port)), server_hostname=NAME) as opened:
        assert "challenge" in str(opened.recv(timeout=10))


def test_headers_over_the_proxy_are_as_a_scanner_expects(front: Front, browser: Browser) -> None:
    """HSTS, cookies that are the hub's own, no version of a program; plain http leads to https and nowhere else."""
    page = browser.get("/hub/login")
    assert page.headers["strict-transport-security"].startswith("max-age=31536000")
    assert not re.search(r"\d", page.headers["server"])
    lines = page.headers.get_list("set-cookie")
    assert lines
    assert all(line.startswith("__Host-") and "secure" in line.lower() for line in lines)
    plain = httpx.get(f"http://127.0.0.1:{front.plain}/hub/login?a=1", headers={"Host": NAME}, trust_env=False)
    assert (plain.status_code, plain.headers["location"]) == (308, f"https://{NAME}/hub/login?a=1")


def test_nobody_chooses_the_address_that_they_are_counted_by(front: Front, browser: Browser) -> None:
    """Wrong passwords are counted for an address: the proxy says it, whatever a client writes."""
    browser.client.headers.update(dict.fromkeys(("X-Forwarded-For", "X-Real-Ip", "Forwarded"), "203.0.113.9"))
    browser.fill_in("researcher", "wrong-word")
    assert "researcher" in front.hub.log
    assert "203.0.113.9" not in front.hub.log


def test_large_bodies_stop_at_the_proxy_and_large_heads_do_not(front: Front, browser: Browser) -> None:
    """A form has a few hundred bytes; a person with too many cookies has to reach the page that clears them."""
    assert browser.client.post("/hub/login", content=b"x" * (2**20 + 1)).status_code == 413
    cookies = "; ".join(f"c{n}={'x' * 4000}" for n in range(150))
    answer = httpx.get(front.url + "/hub/home", headers={"Cookie": cookies}, trust_env=False, verify=front.trust)
    assert (answer.status_code, answer.headers["clear-site-data"]) == (431, '"cookies"')


def test_other_names_get_no_answer(front: Front) -> None:
    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", front.port)) as plain:
        front.trust.wrap_socket(plain, server_hostname="elsewhere.example")
