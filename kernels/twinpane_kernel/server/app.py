"""The server application: fewer services than Jupyter's, only the named extensions, and this package's configuration alone."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from jupyter_server.serverapp import ServerApp
from jupyterhub.singleuser.extension import JupyterHubSingleUser
from tornado.httpserver import HTTPServer

from twinpane_wire.tornado_server import BoundedServer

from . import signed_out
from .given_sockets import GivenSockets, enter

HERE = Path(__file__).parent
EXTENSIONS = {"twinpane_kernel.server": True}
"""Server extension packages that run: ours, with the hub's sign-in and JupyterLab in it. What is not here does not."""


class LockedServer(ServerApp):
    """Jupyter's server without what could run, convert or serve files that a cell planted: no nbconvert, view or files handlers."""

    name = "jupyter-server"
    given: ClassVar[GivenSockets]
    default_services = ("api", "auth", "config", "contents", "kernels", "kernelspecs", "security", "sessions", "shutdown", "events")  # type: ignore[assignment]  # fewer

    def _find_http_port(self) -> None:
        """Called at start: there is no port to find, the gate listens at it."""

    def _bind_http_server(self) -> None:
        """Called once the loop runs: serve what the gate carries here, until the gate wishes the end."""
        self.http_server.add_socket(self.given.http)
        self.io_loop.add_handler(self.given.line.fileno(), self._end, self.io_loop.READ)

    def _end(self, line: int, _events: int) -> None:
        """Called when the gate wishes the end: as on a signal, kernels first."""
        self.io_loop.remove_handler(line)
        self.stop(from_signal=True)

    def init_signal(self) -> None:
        """Called at start: without a terminal the base class leaves the hub's SIGINT to Python, and kernels would outlive the server."""
        super().init_signal()
        signal.signal(signal.SIGINT, self._signal_stop)

    @property
    def config_file_paths(self) -> list[str]:
        """Where configuration is read from, by the server and its extensions: this package, nowhere else."""
        return [str(HERE)]

    def find_server_extensions(self) -> None:
        """Called at start: the base class would enable whatever configuration folders name."""
        wanted = {name: EXTENSIONS.get(name, False) for name in {*EXTENSIONS, *self.jpserver_extensions}}
        self.jpserver_extensions = wanted
        self.config.ServerApp.jpserver_extensions = wanted


class LockedSingleUser(JupyterHubSingleUser):
    """The hub's single-user extension on top of the locked server."""

    serverapp_class = LockedServer

    @classmethod
    def get_extension_package(cls) -> str:
        """Called at start: the package that is this extension."""
        return "twinpane_kernel.server"

    def initialize(self, args: list[str] | None = None) -> None:
        """Called at start: take back what every visitor, and every page's script, would be told."""
        super().initialize(args)
        settings = self.serverapp.web_app.settings
        headers = settings["headers"]
        # The hub compares versions by this header: it gets the part that it needs.
        headers |= {"Server": "Twinpane", "X-JupyterHub-Version": headers["X-JupyterHub-Version"].partition(".")[0]}
        settings["page_config_hook"] = partial(_without_token, settings["page_config_hook"])


def _without_token(original: Callable[[Any, dict[str, Any]], dict[str, Any]], handler: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a page of JupyterLab, without the token that JupyterHub writes into it: script in an output could read it.

    The page's requests carry the same token in a cookie, which script cannot read.
    """
    return original(handler, config) | {"token": ""}


def main() -> None:
    """Start the server as the gate's environment says."""
    LockedServer.given = enter()
    HTTPServer.configure(BoundedServer)
    signed_out.install()
    LockedSingleUser.launch_instance([])
