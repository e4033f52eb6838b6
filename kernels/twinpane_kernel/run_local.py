"""A switchboard and sites for one run on this machine: started as processes of their own, and ended whatever happens.

Two sandboxes on one machine can signal to each other through the resources that they share. So the sites take a notebook's cells and
answer its questions to their brokers, but start no inside kernel yet. They start one only once they are told that the clear kernel has
ended and its outputs are recorded. One run of this kind goes on at a time.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import secrets
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from twinpane_ground import limits
from twinpane_wire import messages as wire

from .run_children import Processes, RunError
from .run_traces import LEFT, Traces
from .state_dir import state_dir

TURN = b"run\n"
"""What an agent's parent writes when inside kernels may start, see `twinpane_site.start_signal`."""
PROJECT = USER = "local"
START = 60.0
"""Seconds for the switchboard and all sites to be ready: a site's first start freezes its data."""


@dataclass(frozen=True)
class SiteFolder:
    """A site's folder: where it is, who it is, and the public key that it proves itself with."""

    path: Path
    id: str
    title: str
    public_key: str
    source: Path
    """Its data."""


@dataclass(frozen=True)
class Link:
    """What a pane needs to reach the sites."""

    url: str
    project: str
    token: str


def read_folder(path: Path) -> SiteFolder:
    """What site.toml and the public key say; raises RunError when ``path`` is no site folder."""
    remedy = f"`twinpane site init {path} --id ID --data PATH` makes one"
    if not (path / "site.toml").is_file():
        raise RunError(f"{path} is not a site folder (it has no site.toml): {remedy}")
    try:
        told = tomllib.loads((path / "site.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"{path / 'site.toml'} cannot be read: {error}") from None
    site = told.get("id")
    if not isinstance(site, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", site):
        raise RunError(f'{path / "site.toml"} names no site: it needs id = "…" of small letters, digits and dashes')
    try:
        key = (path / "keys" / "site.pub").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} has no public key (keys/site.pub): {error}; {remedy}") from None
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        raise RunError(f"{path / 'keys' / 'site.pub'} is not a public key: restore it from your backup")
    title = told.get("title")
    source = told.get("source")
    if not isinstance(source, str) or not source:
        raise RunError(f'{path / "site.toml"} names no data: it needs source = "…"')
    return SiteFolder(path.resolve(), site, title if isinstance(title, str) and title else site, key, (path / source).resolve())


def read_folders(paths: Sequence[Path]) -> list[SiteFolder]:
    """All of them; raises RunError also where two are the same site."""
    folders = [read_folder(path) for path in paths]
    for place, folder in enumerate(folders):
        twice = next((other for other in folders[:place] if other.id == folder.id), None)
        if twice is not None:
            raise RunError(f"{twice.path} and {folder.path} are both site {folder.id}: name each site once")
    return folders


def covered(folders: Sequence[SiteFolder], workspace: Path) -> list[str]:
    """The parts of the workspace that the notebook must not see: the sites' folders and their data, by relative paths.

    Raises RunError where the workspace lies within one of them.
    """
    found = []
    for place in (path for folder in folders for path in (folder.path, folder.source)):
        if workspace.is_relative_to(place):
            raise RunError(f"the notebook's folder {workspace} lies within {place}, which belongs to a site: put the notebook elsewhere")
        if place.is_relative_to(workspace):
            found.append(str(place.relative_to(workspace)))
    return sorted(set(found))


@dataclass(frozen=True)
class LocalSites:
    """Sites that wait for their turn."""

    link: Link
    agents: tuple[asyncio.subprocess.Process, ...]

    async def begin(self) -> None:
        """Tell the sites that the clear kernel has ended and what it showed is recorded: inside kernels may start."""
        for agent in self.agents:
            assert agent.stdin is not None
            with contextlib.suppress(OSError):  # a site that ended shows as one that is offline
                agent.stdin.write(TURN)
                await agent.stdin.drain()


@contextlib.asynccontextmanager
async def local_sites(folders: Sequence[SiteFolder], say: Callable[[str], None]) -> AsyncIterator[LocalSites]:
    """A switchboard with these sites joined while the block runs; raises RunError when one does not come up, with its last words."""
    token = secrets.token_hex(24)
    async with alone(say) as lock:
        with tempfile.TemporaryDirectory(prefix="twinpane-run-") as logs:
            traces = Traces.make()
            if not traces.kept:
                say(f"note: {LEFT}")
            processes = Processes(Path(logs), traces.enter)
            try:
                board = await processes.start("switchboard", switchboard_command(folders), {"TWINPANE_TOKEN": token}, read=True)
                url = await _address(board, processes)
                agents = [await processes.start(folder.id, site_command(folder, url), {}, write=True, keep=lock) for folder in folders]
                await _all_joined(Link(url, PROJECT, token), {folder.id for folder in folders}, processes, say)
                yield LocalSites(Link(url, PROJECT, token), tuple(agents))
            finally:
                await processes.end()
                await asyncio.to_thread(traces.forget)


@contextlib.asynccontextmanager
async def alone(say: Callable[[str], None]) -> AsyncIterator[int]:
    """Wait until no other run with sites of this user goes on: the clear kernel of one may not run beside the inside kernels of another.

    Gives a descriptor: other runs wait until every process that has it is gone.
    """
    state_dir().mkdir(parents=True, exist_ok=True)
    handle = os.open(state_dir() / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        said = False
        while not _locked(handle):
            if not said:
                say("another run with sites goes on; this one waits until it has ended")
            said = True
            await asyncio.sleep(0.2)
        yield handle
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def switchboard_command(folders: Sequence[SiteFolder]) -> list[str]:
    """The switchboard for one user and project; it reads its token from TWINPANE_TOKEN and prints its address as its first line."""
    sites = [word for folder in folders for word in ("--site", f"{folder.id}={folder.public_key}={folder.title}")]
    return [sys.executable, "-I", "-m", "twinpane_hub.switchboard.standalone", "--project", PROJECT, "--user", USER, *sites]


def site_command(folder: SiteFolder, url: str) -> list[str]:
    """The agent of a site folder, told to accept the project and user of this run."""
    return [sys.executable, "-I", "-m", "twinpane_cli", "site", "serve", str(folder.path), "--hub", url, "--local"]


async def _address(board: asyncio.subprocess.Process, processes: Processes) -> str:
    assert board.stdout is not None
    try:
        line = (await asyncio.wait_for(board.stdout.readline(), START)).decode(errors="replace").strip()
    except TimeoutError:
        raise RunError("the switchboard did not come up in time") from None
    if not re.fullmatch(r"ws://127\.0\.0\.1:\d+", line):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(board.wait(), 1)
        processes.check()
        raise RunError(f"the switchboard did not say its address, but {line!r}")
    return line


async def _all_joined(link: Link, sites: set[str], processes: Processes, say: Callable[[str], None]) -> None:
    """Wait until every site is online and has published its catalogue: what a pane would see."""
    end = asyncio.get_running_loop().time() + START
    ready: set[str] = set()
    while True:
        watching = asyncio.create_task(_watch(link, sites, ready, say))
        while not watching.done():
            await asyncio.wait({watching}, timeout=0.2)
            try:
                processes.check()
                if asyncio.get_running_loop().time() > end:
                    raise RunError(f"not all sites came up in {START:g} seconds: {', '.join(sorted(sites - ready))} did not")
            except RunError:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
                raise
        if ready >= sites:
            return
        await asyncio.sleep(0.2)  # the switchboard closed on us; try again until the time is over


async def _watch(link: Link, sites: set[str], ready: set[str], say: Callable[[str], None]) -> None:
    headers = {"Authorization": f"token {link.token}"}
    address = f"{link.url}/pane?project={link.project}"
    with contextlib.suppress(OSError, WebSocketException, TimeoutError):
        async with connect(address, additional_headers=headers, max_size=limits.FRAME, compression=None, proxy=None) as socket:
            async for frame in socket:
                message = wire.decode(wire.ToPane, frame)
                for state in message.sites if isinstance(message, wire.Welcome) else [message]:
                    if isinstance(state, wire.SiteState) and state.online and state.catalogued is not None and state.site not in ready:
                        ready.add(state.site)
                        say(f"{state.title or state.site} is ready")
                    elif isinstance(state, wire.FromSite) and isinstance(state.body, wire.Catalogued) and state.site not in ready:
                        ready.add(state.site)
                        say(f"{state.site} is ready")
                if ready >= sites:
                    return
