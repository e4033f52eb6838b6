"""``python -I -m twinpane_kernel -f CONNECTION_FILE``: the process that a kernelspec's argv starts.

The clear kernel is started first and everything else is imported while it boots: a session's start is what people wait for.
"""

import gc
import json
import os
import sys
from pathlib import Path
from typing import TypedDict

from twinpane_sandbox.errors import SandboxError

from . import clear_kernel


class SiteSettings(TypedDict):
    """The fields of `serve.Sites`, which is not imported yet."""

    url: str
    project: str
    token: str
    later: bool


def settings() -> tuple[Path, Path, SiteSettings]:
    """Connection file, workspace folder, and where the sites are, see `serve.Sites`."""
    arguments = sys.argv[1:]
    if len(arguments) != 2 or arguments[0] != "-f":
        raise SystemExit("usage: python -I -m twinpane_kernel -f CONNECTION_FILE (Jupyter starts it from the kernelspec)")
    workspace = Path(os.environ.get("TWINPANE_WORKSPACE") or Path.cwd())
    if not workspace.is_dir():
        raise SystemExit(f"the workspace folder {workspace} does not exist; set TWINPANE_WORKSPACE to one that does")
    token = os.environ.get("TWINPANE_TOKEN") or os.environ.get("JUPYTERHUB_API_TOKEN", "")
    sites: SiteSettings = {
        "url": os.environ.get("TWINPANE_SWITCHBOARD", ""), "project": os.environ.get("TWINPANE_PROJECT", ""), "token": token,
        "later": os.environ.get("TWINPANE_SITES_LATER") == "1",
    }  # fmt: skip
    return Path(arguments[1]), workspace, sites


def main() -> int:
    """Run the pane until the kernel is shut down or its clear kernel dies."""
    connection_file, workspace, sites = settings()
    connection = json.loads(connection_file.read_text())
    seed = int(os.environ.get("TWINPANE_SEED") or int.from_bytes(os.urandom(4))) % 2**32
    covered = tuple(path for path in os.environ.get("TWINPANE_COVERED", "").split("\n") if path)
    session = os.urandom(16).hex()
    place = clear_kernel.Place.of(workspace, Path.cwd(), covered)
    try:
        kernel = clear_kernel.start(place, seed, str(connection.get("key", "")), session)
    except SandboxError as error:
        print(f"Twinpane cannot start a kernel: {error}", file=sys.stderr)
        return 1
    try:
        gc.disable()  # nothing of what is imported is garbage
        from .serve import Sites, serve

        gc.enable()
        return serve(connection, kernel, session, place, seed, Sites(**sites))
    finally:
        kernel.close()


if __name__ == "__main__":
    raise SystemExit(main())
