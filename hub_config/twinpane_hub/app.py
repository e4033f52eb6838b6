"""``python -m twinpane_hub.app -f jupyterhub_config.py``: JupyterHub, and beside it what JupyterHub has no hook for."""

import asyncio
from pathlib import Path
from typing import Any

from jupyterhub.app import JupyterHub
from prometheus_client import REGISTRY

from .audit import AuditLog, Kind
from .disabled import DisabledList
from .hub_metrics import HubNumbers
from .network.store import NetworkStore
from .standing import Standing


class TwinpaneHub(JupyterHub):  # type: ignore[misc]  # JupyterHub is written without types
    """The hub."""

    name = "jupyterhub"
    _rounds: "asyncio.Task[None] | None" = None

    async def start(self) -> Any:
        """Start the hub, and the rounds that end who does not belong here any more."""
        found = await super().start()
        directory: NetworkStore = self.config.TwinpaneSpawner.directory
        shut_out = DisabledList(Path(self.config.TwinpaneSpawner.state_folder))
        REGISTRY.register(HubNumbers(directory, self.tornado_settings["twinpane_settings"].online_note, shut_out))
        audit: AuditLog = self.tornado_settings["twinpane_audit"]
        standing = Standing(self, directory, shut_out, lambda name: audit.note(Kind.put_out, name))
        self._rounds = asyncio.create_task(standing.keep_on())
        return found


if __name__ == "__main__":
    TwinpaneHub.launch_instance()
