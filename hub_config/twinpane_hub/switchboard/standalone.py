"""``python -m twinpane_hub.switchboard.standalone``: a switchboard for one run on this machine, as its own process.

It reads its token from TWINPANE_TOKEN, prints its address as the first line of standard output, and serves until it is told to
stop. There is no hub and no sign-in: whoever has the token is the only user of the only project.
"""

import argparse
import asyncio
import os
import re
import signal
import sys

from .local import local_switchboard
from .serve import serving

SITE = re.compile(r"(?P<site>[a-z][a-z0-9-]{0,29})=(?P<key>[0-9a-f]{64})=(?P<title>.{0,300})", re.DOTALL)


def _site(word: str) -> tuple[str, str, str]:
    found = SITE.fullmatch(word)
    if found is None:
        raise argparse.ArgumentTypeError("a site is written ID=PUBLIC_KEY=TITLE")
    return found["site"], found["key"], found["title"]


async def _serve(project: str, user: str, sites: list[tuple[str, str, str]], token: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keys, titles = {site: key for site, key, _ in sites}, {site: title for site, _, title in sites}
    async with serving(local_switchboard(project, user, keys, token, titles)) as address:
        print(address, flush=True)
        await stop.wait()


def main() -> int:
    """Run the process."""
    parser = argparse.ArgumentParser(description="A switchboard for one run on this machine.")
    parser.add_argument("--project", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--site", type=_site, action="append", default=[], metavar="ID=PUBLIC_KEY=TITLE")
    arguments = parser.parse_args()
    token = os.environ.get("TWINPANE_TOKEN", "")
    if len(token) < 20:
        print("the switchboard needs a token of at least 20 characters in TWINPANE_TOKEN", file=sys.stderr)
        return 1
    asyncio.run(_serve(arguments.project, arguments.user, arguments.site, token))
    return 0


if __name__ == "__main__":
    sys.exit(main())
