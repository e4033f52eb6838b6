"""``twinpane site serve``: the command. What it runs is ``site_agent``."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import click

from twinpane_ground.json_lines import log_as_json
from twinpane_site.cli import FOLDER, plainly
from twinpane_site.config import Hub, load_config
from twinpane_site.instance_lock import only_one
from twinpane_wire.log_limiter import limit_log

from . import site_agent


@click.command()
@FOLDER
@click.option("--hub", default=None, help="The hub's address; default: the one in site.toml.")
@click.option("--token", default="", envvar="TWINPANE_SITE_TOKEN", help="One-time token of the first visit (or TWINPANE_SITE_TOKEN).")
@click.option("--local", is_flag=True, help="For a run on this machine: accept the project “local”, start no review pages.")
def serve(folder: Path, hub: str | None, token: str, local: bool) -> None:
    """Run the agent: dial out to the hub, run cells inside, let out what the policy allows."""
    with plainly():
        config = load_config(folder)
        given = Hub(url=hub) if hub else config.hub
        if given is None:
            raise click.UsageError("--hub is missing, and site.toml has no [hub] url.")
        if local and urlsplit(given.url).hostname not in ("127.0.0.1", "::1", "localhost"):
            raise click.UsageError("--local is for a switchboard on this machine: anyone at a hub could call themselves “local”.")
        if config.log_format == "json":
            log_as_json()
        limit_log()
        with only_one(folder):
            asyncio.run(site_agent.serve(folder, given.socket_url, token, local))
