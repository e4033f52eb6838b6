"""``python -m twinpane_hub.switchboard``: the switchboard as the hub's service. Its settings are the hub's."""

import asyncio
import json
import logging
import os
import signal
import sys

from twinpane_ground import atomic
from twinpane_ground.json_lines import log_as_json
from twinpane_ground.lifeline import die_with_parent
from twinpane_hub.hub_identity import HubIdentity
from twinpane_hub.network.database import StoreError
from twinpane_hub.network.store import NetworkStore
from twinpane_hub.settings import HubSettings, SettingsError, from_environment
from twinpane_wire.connection_limiter import LOOPBACK
from twinpane_wire.log_limiter import limit_log

from . import CatalogueStore, PinnedKeys, Router, Sessions, serving, serving_gates, switchboard
from .recorder import Recorder

BEAT = 15
"""Seconds between two notes of which sites are online."""


async def run(settings: HubSettings, api: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    directory = NetworkStore(settings.store_url)
    folder = settings.state_folder / "switchboard"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def note(router: Router) -> None:
        atomic.write(settings.online_note, json.dumps({"online": router.online}).encode(), mode=None, durable=False)

    router = Router(directory, Sessions(folder / "sessions.db"), CatalogueStore(folder / "catalogues"), note)
    app = switchboard(
        router, HubIdentity(api, directory), PinnedKeys(settings.pins), prefix=os.environ.get("JUPYTERHUB_SERVICE_PREFIX", ""),
        addresses=settings.switchboard_addresses, proposes=True,
    )  # fmt: skip
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    proxies = {*LOOPBACK, *settings.trusted_proxies}
    recorder = Recorder(router, directory.engine)
    async with serving(app, "127.0.0.1", settings.switchboard_port, proxies=proxies), serving_gates(app, settings.gates_socket):
        recording = asyncio.create_task(recorder.run())
        while not stop.is_set():
            note(router)
            if directory.problem:
                logging.error("%s (the last good state is used)", directory.problem)
            try:
                async with asyncio.timeout(BEAT):
                    await stop.wait()
            except TimeoutError:
                continue
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
        await recorder.keep(counts=True)
    settings.online_note.unlink(missing_ok=True)


def main() -> int:
    """Run the process."""
    logging.basicConfig(level=logging.INFO, format="switchboard: %(levelname)s %(message)s")
    try:
        settings = from_environment()
        if settings.log_format == "json":
            log_as_json(logging.INFO)
        limit_log()
        for chatty in ("httpx", "uvicorn"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        die_with_parent(os.getppid())  # a hub that is started again needs the port
        asyncio.run(run(settings, os.environ["JUPYTERHUB_API_URL"]))
    except (SettingsError, StoreError, OSError) as error:
        print(f"The switchboard cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
