"""``twinpane demo``: a hub, three hospitals and their data on this machine, from nothing to ready in one command."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import httpx

from twinpane_ground.children import end_descendants, take_in_orphans
from twinpane_ground.ports import is_free

from . import demo_layout
from .demo_layout import PEOPLE, PROJECTS, RESEARCHERS, REVIEWERS, SITES, DemoSite, Known, Layout
from .hub import hub_command, hub_environment
from .pages import online
from .processes import ChildFailed, Children
from .proxy import ROOT, proxy_command
from .settings import SettingsError, load

PATIENCE = 120.0
"""Seconds until the demo gives up waiting for its parts."""
TWINPANE = [sys.executable, "-I", "-m", "twinpane_cli"]


class Progress:
    """Lines that say what happens, with the seconds since the start."""

    def __init__(self) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        """Say one line."""
        click.echo(f"{time.monotonic() - self._began:6.1f} s  {text}")


def _environment(**more: str) -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"LANG": "C.UTF-8", **more}


async def make_site(children: Children, layout: Layout, site: DemoSite, known: Known, persons: int, say: Progress) -> None:
    """Make a site's data and folder, unless they exist."""
    data, folder, here = layout.data(site), layout.site(site), layout.folder
    if not (folder / "site.toml").exists():
        # An earlier start was interrupted: make again what is half made.
        for half in (data, folder):
            shutil.rmtree(half, ignore_errors=True)
        data.parent.mkdir(exist_ok=True)
        folder.parent.mkdir(exist_ok=True)
        make = ["data", "make", str(data), "--persons", str(persons), "--seed", str(site.seed), "--mix", site.mix]
        await children.run(f"data-{site.id}", [*TWINPANE, *make], _environment(), here)
        trial = here / "data" / "actg175" / f"site-{SITES.index(site) + 1}"
        for table in trial.glob("*.parquet"):
            shutil.copyfile(table, data / table.name)
        say(f"{site.title}: {persons:,} generated patients and a third of the ACTG 175 trial")
        words = ["site", "init", str(folder), "--id", site.id, "--title", site.title, "--data", str(data)]
        words += [word for project in PROJECTS for word in ("--project", project)]
        words += [word for member in RESEARCHERS for word in ("--member", member)]
        words += [word for reviewer in REVIEWERS for word in ("--reviewer", reviewer)]
        words += ["--review-port", str(known.ports[site.id]), "--review-sign-in", "hub"]
        await children.run(f"init-{site.id}", [*TWINPANE, *words], _environment(), here)
        say(f"{site.title}: catalogue and policy drafted")
    demo_layout.adjust_site(layout, site, known)


async def serve_site(children: Children, layout: Layout, site: DemoSite, known: Known) -> None:
    """Start a site's agent."""
    environment = _environment(
        TWINPANE_SITE_TOKEN=known.tokens[site.id], TWINPANE_REVIEW_CLIENT_ID=f"service-review-{site.id}",
        TWINPANE_REVIEW_CLIENT_SECRET=known.review[site.id], TWINPANE_HUB_PUBLIC_URL=f"http://localhost:{known.port}",
    )  # fmt: skip
    words = ["site", "serve", str(layout.site(site)), "--hub", f"ws://127.0.0.1:{known.ports['switchboard']}"]
    await children.start(f"site-{site.id}", [*TWINPANE, *words], environment, layout.folder)


async def start_sites(children: Children, layout: Layout, known: Known, persons: int, say: Progress) -> None:
    """Make the sites that are not there yet, and start their agents."""
    trial = layout.folder / "data" / "actg175"
    last = trial / f"site-{len(SITES)}" / "trial.parquet"  # written last, so that an interrupted start is resumed
    if not last.exists() and not all((layout.site(site) / "site.toml").exists() for site in SITES):
        trial.parent.mkdir(exist_ok=True)
        words = ["data", "actg175", str(trial), "--sites", str(len(SITES))]
        await children.run("data-actg175", [*TWINPANE, *words], _environment(), layout.folder)

    async def start(site: DemoSite) -> None:
        await make_site(children, layout, site, known, persons, say)
        await serve_site(children, layout, site, known)

    await asyncio.gather(*(start(site) for site in SITES))


async def _answers(address: str, below: int = 500) -> None:
    """Wait for an answer with a status below ``below``."""
    async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(address)).status_code < below:
                    return
            await asyncio.sleep(0.1)


async def until_ready(layout: Layout, known: Known, say: Progress) -> None:
    """Wait until people can work: the hub's pages, every site's link, every site's review pages."""

    async def hub() -> None:
        await _answers(f"http://localhost:{known.port}/hub/login", below=400)  # the proxy answers 404 until it knows the hub
        say("hub answers")

    async def site(site: DemoSite) -> None:
        noted = load(layout.settings).online_note
        while site.id not in (online(noted, time.time()) or ()):
            await asyncio.sleep(0.1)
        await _answers(demo_layout.review_url(known, site.id))
        say(f"{site.title}: online")

    await asyncio.gather(hub(), *(site(s) for s in SITES))


def welcome(layout: Layout, known: Known) -> str:
    """What is printed when all is ready."""
    kept = dict(line.split() for line in layout.passwords.read_text("utf-8").splitlines())
    lines = [f"Twinpane is ready:  http://localhost:{known.port}", "", "  account       password"]
    lines += [f"  {name:<14}{kept.get(name, '(yours)'):<22}{', '.join(groups)}" for name, groups in PEOPLE.items()]
    lines += [f"  (kept in {layout.passwords})", "", "Review pages, for reviewer-a and reviewer-b:"]
    lines += [f"  {site.title:<26}{demo_layout.review_url(known, site.id)}" for site in SITES]
    lines += [
        "",
        "What to try:",
        "  1. Sign in as researcher, open the project First look: notebooks/first_look.ipynb opens.",
        "     Every cell shows the synthetic twin at once, and under it what the three hospitals say.",
        "  2. Ask for a real plot with tp.request_export(…), then sign in as reviewer-a and as reviewer-b",
        "     (a private window each) on the hospitals' review pages and approve it.",
        "  3. Open the project ACTG 175: notebooks/actg175.ipynb works on 2,139 real people.",
        "",
        f"Everything is kept in {layout.folder}; logs are in {layout.logs}. Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


async def run(layout: Layout, port: int, persons: int, notebooks: Path | None) -> int:
    """Start everything, print how to use it, and wait for a signal. Returns the exit status."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    say, children = Progress(), Children(layout.logs)

    async def work() -> None:
        known = demo_layout.prepare(layout, port, proxy_command(), notebooks, datetime.now(UTC).date())
        settings = load(layout.settings)
        settings.online_note.unlink(missing_ok=True)
        await children.start("hub", hub_command(settings), hub_environment(layout.settings), layout.folder)
        say("hub is starting")
        await start_sites(children, layout, known, persons, say)
        again = {f"site-{site.id}": partial(serve_site, children, layout, site, known) for site in SITES}
        watching = asyncio.create_task(children.watch(again, say))
        ready = asyncio.create_task(until_ready(layout, known, say))
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait({watching, ready}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                ready.result()
                click.echo("\n" + welcome(layout, known) + "\n")
            await watching
        finally:
            watching.cancel()
            ready.cancel()

    working, stopping = asyncio.create_task(work()), asyncio.create_task(stop.wait())
    code = 0
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    except TimeoutError:
        click.echo(f"The demo was not ready after {PATIENCE:.0f} s; its logs are in {layout.logs}.", err=True)
        code = 1
    except (ChildFailed, SettingsError, OSError) as error:
        click.echo(str(error), err=True)
        code = 1
    finally:
        click.echo("Stopping …")
        stopping.cancel()
        working.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
        await children.end(*(f"site-{site.id}" for site in SITES), patience=8)
        await children.end("hub", patience=15)
        # Remove what a killed child left behind; a second Ctrl-C does not interrupt this.
        await asyncio.to_thread(end_descendants)
        click.echo("Stopped.")
    return code


@click.command()
@click.option("--dir", "folder", default=".demo", show_default=True, type=click.Path(path_type=Path, file_okay=False), help="Its folder.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1024, 65000), help="The hub's port for browsers.")
@click.option("--persons", default=20_000, show_default=True, type=click.IntRange(200, 5_000_000), help="Generated patients of a hospital.")
@click.option("--notebooks", type=click.Path(path_type=Path, file_okay=False), help="Notebooks of new workspaces (default: the tutorials).")
def demo(folder: Path, port: int, persons: int, notebooks: Path | None) -> None:
    """Start a hub, three sites and their data on this machine. Ctrl-C stops everything; a second start keeps what was done."""
    if not is_free(port):
        raise click.ClickException(f"port {port} is in use. Stop what uses it, or choose another: make demo PORT={port + 1000}")
    tutorials = ROOT / "notebooks"
    os.umask(0o077)
    take_in_orphans()
    layout = Layout(folder.resolve())
    layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = os.open(layout.folder / "demo.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise click.ClickException(f"a demo runs in {folder} already. Stop it first, or choose another folder with --dir.") from None
    sys.exit(asyncio.run(run(layout, port, persons, notebooks or (tutorials if tutorials.is_dir() else None))))
