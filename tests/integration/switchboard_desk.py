"""A switchboard of two projects and three sites, and what panes and agents say, played by a test."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_ground import limits
from twinpane_hub.projects import Directory, Project, Site
from twinpane_hub.switchboard import CatalogueStore, PinnedKeys, Router, Sessions, Timing, switchboard
from twinpane_wire.hello import hello_message
from twinpane_wire.messages import (
    Catalogued,
    Challenge,
    FromAgent,
    Joined,
    Link,
    LinkCode,
    Open,
    Principal,
    SiteHello,
    ToPane,
    ToSite,
    decode,
    encode,
)
from twinpane_wire.prefix_code import PrefixCode

TOKEN = "one-time-token-of-a"
KEYS = {site: Ed25519PrivateKey.generate() for site in ("a", "b", "c")}
S1, S2 = "1" * 32, "2" * 32
USERS = {"t-ana": "ana", "t-ben": "ben", "t-eve": "eve"}


def public(site: str) -> str:
    return KEYS[site].public_key().public_bytes_raw().hex()


DIRECTORY = Directory(
    projects={
        "first": Project(title="First", sites=("a", "b"), members=("ana", "ben"), expires=date.max),
        "second": Project(title="Second", sites=("b", "c"), members=("ana", "eve"), expires=date.max),
        "ended": Project(title="Ended", sites=("a",), members=("ana",), expires=date.today() - timedelta(days=2)),
    },
    sites={
        "a": Site(title="Hospital A", token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest()),
        "b": Site(title="Hospital B", public_key=public("b")),
        "c": Site(public_key=public("c")),
    },
)


def identify(token: str, project: str) -> Principal | None:
    user = USERS.get(token)
    if user is None:
        return None
    DIRECTORY.admit(user, project, date.today())
    return Principal(user=user, project=project)


class Desk:
    """A running switchboard and its state folder."""

    def __init__(self, folder: Path, **timing: float) -> None:
        self.folder = folder
        self.sessions = Sessions(folder / "sessions.db")
        self.router = Router(lambda: DIRECTORY, self.sessions, CatalogueStore(folder / "catalogues"))
        self.app = switchboard(self.router, identify, PinnedKeys(folder / "pins"), Timing(**timing))
        self.url = ""

    def pane(self, token: str = "t-ana", project: str = "first", **more: Any) -> Any:
        headers = {"Authorization": f"token {token}"} if token else {}
        return connect(f"{self.url}/pane?project={project}", additional_headers=headers, max_size=limits.FRAME, proxy=None, **more)

    def dial(self, **more: Any) -> Any:
        return connect(f"{self.url}/agent", max_size=limits.FRAME, proxy=None, **more)

    @contextlib.asynccontextmanager
    async def agent(self, site: str, token: str = "", key: Ed25519PrivateKey | None = None, **more: Any) -> AsyncIterator[ClientConnection]:
        async with self.dial(**more) as socket:
            await hello(socket, site, token, key)
            joined = decode(Joined, await told(socket))
            assert joined.projects == DIRECTORY.projects_of_site(site)
            yield socket


@contextlib.contextmanager
def opened(folder: Path, **timing: float) -> Iterator[Desk]:
    desk = Desk(folder, **timing)
    try:
        yield desk
    finally:
        desk.sessions.close()


async def told(socket: ClientConnection) -> str:
    async with asyncio.timeout(5):
        return str(await socket.recv())


async def pane_told(socket: ClientConnection) -> Any:
    return decode(ToPane, await told(socket))


def address_of(socket: ClientConnection) -> str:
    """The switchboard's own address on this machine."""
    return f"ws://127.0.0.1:{socket.remote_address[1]}"


async def hello(
    socket: ClientConnection, site: str, token: str = "", key: Ed25519PrivateKey | None = None, over: bytes | None = None, hub: str = ""
) -> None:
    nonce = decode(Challenge, await told(socket)).nonce
    key, hub = key or KEYS[site], hub or address_of(socket)
    signature = key.sign(over or hello_message(hub, site, nonce)).hex()
    public_key = key.public_key().public_bytes_raw().hex()
    await socket.send(encode(SiteHello(hub=hub, site=site, public_key=public_key, signature=signature, token=token)))


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """The close code and reason; what comes before it is passed over."""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


async def nothing(socket: ClientConnection) -> None:
    """Nothing waits for this end: what was sent before a ping came back would have come before it."""
    async with asyncio.timeout(5):
        await (await socket.ping())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await socket.recv()


def opening(session: str = S1, site: str = "b", n: int = 1) -> str:
    return encode(ToSite(site=site, n=n, body=Open(session=session, seed=7)))


def ack(session: str = S1, n: int = 1) -> str:
    return encode(FromAgent(body=Link(session=session, code=LinkCode.ack, n=n)))


def catalogued(site: str = "b", project: str = "first", persons: int = 100) -> Catalogued:
    catalogue = Catalogue(site=site, snapshot="s1", persons=persons, tables=())
    return Catalogued(
        project=project, catalogue=catalogue, code=PrefixCode(), environment={}, public_key=public(site), day_bits=1024, total_bits=16384
    )
