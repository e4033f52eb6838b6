"""Real sites for tests: folders made by `twinpane site init`, agents in processes of their own, one switchboard."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import connect

from twinpane_ground import limits
from twinpane_hub.switchboard import local_switchboard, serving
from twinpane_wire import messages as wire

from .tap import Tap, tapped

PROJECT = USER = "local"
TOKEN = "token-of-the-tests"
PYTHON = [sys.executable, "-I", "-m"]


def make_site(folder: Path, name: str, data: Path, *options: str) -> Path:
    """A site folder as a steward drafts it, for the project and user of the tests."""
    command = [*PYTHON, "twinpane_cli", "site", "init", str(folder), "--id", name, "--data", str(data), "--title", f"Site {name.upper()}"]
    subprocess.run(
        [
            *command, "--project", PROJECT, "--member", USER, "--reviewer", "reviewer-a", "--reviewer", "reviewer-b",
            "--review-sign-in", "hub", *options,
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return folder


def same_site_on(folder: Path, model: Path, data: Path) -> Path:
    """The same site (key, catalogue, policy) on other rows."""
    folder.mkdir()
    shutil.copytree(model / "keys", folder / "keys")
    (folder / "keys").chmod(0o700)
    for name in ("catalogue.toml", "policy.toml"):
        shutil.copy(model / name, folder / name)
    text = (model / "site.toml").read_text()
    (folder / "site.toml").write_text(re.sub(r'(?m)^source = ("[^"]*"|\'[^\']*\')', f'source = "{data}"', text))
    return folder


def set_policy(folder: Path, key: str, value: object) -> None:
    """Change one number of policy.toml."""
    path = folder / "policy.toml"
    text, changed = re.subn(rf"(?m)^{key} = [^#\n]*", f"{key} = {value} ", path.read_text())
    assert changed == 1, f"{key} is not in {path}"
    path.write_text(text)


@dataclass
class Site:
    """A site at work: its folder, its agent, the tap on its link."""

    folder: Path
    name: str
    tap: Tap
    url: str
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the agent."""
        with (self.folder / "agent.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *PYTHON, "twinpane_cli", "site", "serve", str(self.folder), "--hub", self.url, stdout=log, stderr=log,
            )  # fmt: skip

    async def stop(self, kill: bool = False) -> None:
        """End the agent by a request, or kill it."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.kill() if kill else self.process.terminate()
        await asyncio.wait_for(self.process.wait(), 20)

    @property
    def log(self) -> str:
        """What the agent said to its steward."""
        return (self.folder / "agent.log").read_text()


@dataclass
class Federation:
    """Sites, switchboard, and what a notebook needs to reach them."""

    url: str
    sites: dict[str, Site]

    def environment(self, workspace: Path, **more: str) -> dict[str, str]:
        """Environment of a kernel that works with these sites."""
        given = {
            "TWINPANE_SWITCHBOARD": self.url, "TWINPANE_PROJECT": PROJECT, "TWINPANE_TOKEN": TOKEN, "TWINPANE_WORKSPACE": str(workspace),
            "TWINPANE_CACHE": str(workspace.parent / f"{workspace.name}-cache"),
        }  # fmt: skip
        return {**os.environ, **given, **more}

    async def all_joined(self, names: Sequence[str] | None = None, seconds: float = 60) -> None:
        """Wait until these sites are online and have published."""
        wanted = set(names if names is not None else self.sites)
        address = f"{self.url}/pane?project={PROJECT}"
        async with asyncio.timeout(seconds):
            headers = {"Authorization": f"token {TOKEN}"}
            async with connect(address, additional_headers=headers, max_size=limits.FRAME, proxy=None) as pane:
                async for frame in pane:
                    message = wire.decode(wire.ToPane, frame)
                    states = message.sites if isinstance(message, wire.Welcome) else (message,)
                    wanted -= {s.site for s in states if isinstance(s, wire.SiteState) and s.online and s.catalogued}
                    if not wanted:
                        return
                    for site in self.sites.values():
                        ended = site.process is not None and site.process.returncode is not None
                        assert not (site.name in wanted and ended), f"the agent of {site.name} ended: {site.log[-3000:]}"


@contextlib.asynccontextmanager
async def federation(folders: Mapping[str, Path], start: bool = True) -> AsyncIterator[Federation]:
    """Run these sites while the block runs, each with a tap on its link."""
    keys = {name: (folder / "keys" / "site.pub").read_text().strip() for name, folder in folders.items()}
    taps: set[str] = set()
    app = local_switchboard(PROJECT, USER, keys, TOKEN, {name: f"Site {name.upper()}" for name in folders}, taps)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(app))
        sites = {}
        for name, folder in folders.items():
            address, tap = await stack.enter_async_context(tapped(url))
            taps.add(address)
            sites[name] = Site(folder, name, tap, address)
            stack.push_async_callback(sites[name].stop)
        running = Federation(url, sites)
        if start:
            for site in sites.values():
                await site.start()
            await running.all_joined()
        yield running
