"""The hub's proxy process: it lives as long as the hub does, and what keeps it from starting is one sentence."""

import os
import sys
from pathlib import Path

from jupyterhub.proxy import ConfigurableHTTPProxy


def with_hub(command: list[str], head: int) -> list[str]:
    """The proxy's command, ending with this process whatever ends it, and taking heads of requests up to ``head`` bytes."""
    tied = [sys.executable, "-I", "-m", "twinpane_ground.tied_program", str(os.getpid())]
    return [*tied, "/usr/bin/env", f"NODE_OPTIONS=--max-http-header-size={head}", *command]


class OwnProxy(ConfigurableHTTPProxy):  # type: ignore[misc]  # JupyterHub is written without types
    """JupyterHub's, started by this hub alone."""

    _ran = False

    async def start(self) -> None:
        """Start it. Without it nobody reaches the hub: it does not begin then; later the next look (5 s) tries again."""
        try:
            await super().start()
            self._ran = True
        except Exception as error:  # whatever kind: the process ended, its port is taken, it does not answer
            self.log.critical(
                "The proxy does not start (%s): see that its command (%s, `proxy` in hub.toml) runs, and that its ports are free",
                error, self.command[-1],
            )  # fmt: skip
            if not self._ran:
                self.app.exit(1)

    async def check_running(self) -> None:
        """Called every few seconds."""
        try:
            await super().check_running()
        except Exception as error:
            self.log.error("The proxy cannot be told which servers there are (%s): it is tried again", error)

    def _check_pid(self, pid: int) -> None:
        """Called for the number that an earlier hub left: by now it may be the number of any program."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            raise ProcessLookupError from None
        if b"configurable-http-proxy" not in words:
            raise ProcessLookupError
