"""Start a researcher's Jupyter server: one per project, named like it, in a sandbox, with its own folders and a fixed environment.

The server's gate (`twinpane_kernel.gate`) runs as the hub's user; the server itself runs in the gate's sandbox.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner, SpawnException
from traitlets import Any as AnyTrait
from traitlets import Bool, Integer, Unicode
from traitlets import List as ListTrait

from twinpane_ground.lifeline import tied
from twinpane_sandbox import server_sandbox as box
from twinpane_sandbox.bubblewrap import PROJECT

from .folders import Folders, folders, lay_out_notebooks
from .own_users import owner
from .projects import Directory, NotAdmitted
from .server_hosts import Hosts


class TwinpaneSpawner(LocalProcessSpawner):  # type: ignore[misc]  # JupyterHub is written without types
    """Starts one gate on this machine for each server. Its users need no account of the operating system.

    The server's name is the project's id, so the token that the hub makes for a server says which project it may work in.
    A request with options (``user_options``) is refused.
    """

    state_folder = Unicode(config=True, help="Where users' folders lie.")
    notebooks = Unicode("", config=True, help="A folder of notebooks that each workspace starts with.")
    switchboard = Unicode(config=True, help="The switchboard's address for panes, ws://host:port.")
    reach: ListTrait[tuple[int, int | str]] = ListTrait(
        config=True, help="Ports that a server sees, each with a port or unix socket of this machine that it leads to."
    )
    kernels = Integer(config=True, help="Kernels that one server may run at a time.")
    pane_mb = Integer(2048, config=True, help="MiB of memory of one notebook's pane.")
    users_from = Integer(0, config=True, help="First number of the users that servers run under, where the hub is root; 0: its own.")
    directory = AnyTrait(config=True, help="A callable that gives the projects as of now.")
    hosts = AnyTrait(config=True, help="The servers' host names, see `twinpane_hub.server_hosts`.")
    die_with_hub = Bool(False, config=True, help="End the server when the hub ends, whatever ends it.")

    user_options: dict[str, object]
    """The options that came with the request for the server."""
    _opening: str | None = None
    _owner = 0

    def __init__(self, **kwargs: Any) -> None:
        """Called by the hub, which knows users' names alone and not servers'."""
        super().__init__(**kwargs)
        if self.name:
            self.proxy_spec = self._hosts.routespec(self.user.name, self.user.base_url, self.name)

    @property
    def _hosts(self) -> Hosts:
        hosts: Hosts = self.hosts
        return hosts

    @property
    def _callback(self) -> str:
        """Where the hub sends a browser back to that signs in at the server."""
        return f"{self._hosts.server_url(self.user.name, self.user.base_url, self.name)}oauth_callback"

    async def start(self) -> tuple[str, int]:
        """Called by the hub; refuses what the network does not allow."""
        found = self._admitted()
        self.orm_spawner.oauth_client.redirect_uri = self._callback
        self.db.commit()
        found.make()
        self._owner = self._user_of(found)
        self._opening = lay_out_notebooks(Path(self.notebooks) if self.notebooks else None, found, self._owner)
        address: tuple[str, int] = await super().start()
        return address

    def _user_of(self, found: Folders) -> int:
        try:
            return owner(found, Path(self.state_folder) / "users", self.users_from)
        except OSError as error:
            raise SpawnException(f"This server can have no user of its own: {error}.", reason="no_user", status_code=500) from None

    def _admitted(self) -> Folders:
        give: Callable[[], Directory] = self.directory
        if not self.name:
            raise SpawnException("Choose a project: every server belongs to one.", reason="no_project", status_code=400)
        if self.user_options:
            # Otherwise the hub would pass them again at the next start.
            self.user_options = {}
            self.orm_spawner.user_options = {}
            raise SpawnException("A server takes no options.", reason="options", status_code=400)
        try:
            give().admit(self.user.name, self.name, datetime.now(UTC).date())
            return folders(Path(self.state_folder), self.user.name, self.name)
        except NotAdmitted as refused:
            raise SpawnException(str(refused), reason="not_admitted", status_code=403) from None
        except ValueError:
            raise SpawnException("This name cannot have a server.", reason="name", status_code=403) from None

    @property
    def _folders(self) -> Folders:
        return folders(Path(self.state_folder), self.user.name, self.name)

    def get_args(self) -> list[str]:
        """No arguments: everything is in the environment and in the package's own configuration."""
        return []

    def get_env(self) -> dict[str, str]:
        """The whole environment of gate and server: only the variables listed here, with paths as the server sees them."""
        env: dict[str, str] = super().get_env()
        found = self._folders
        gate = {
            "name": f"{self.user.name}/{self.name}", "workspace": str(found.workspace), "server": str(found.server),
            "port": self.port, "reach": list(self.reach), "kernels": self.kernels, "owner": self._owner,
        }  # fmt: skip
        return env | {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC",
            "HOME": f"{box.FOLDER}/home", "USER": self.user.name, "SHELL": "/usr/sbin/nologin",
            "IPYTHONDIR": f"{box.FOLDER}/ipython",
            "JUPYTER_CONFIG_DIR": f"{box.FOLDER}/config", "JUPYTER_DATA_DIR": f"{box.FOLDER}/data",
            "JUPYTER_RUNTIME_DIR": f"{box.FOLDER}/runtime", "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTERHUB_OAUTH_CALLBACK_URL": self._callback, "JUPYTERHUB_DISABLE_USER_CONFIG": "1", "JUPYTERHUB_ALLOW_TOKEN_IN_URL": "0",
            "JUPYTERHUB_DEFAULT_URL": f"/lab/tree/{self._opening}" if self._opening else "/lab",
            "TWINPANE_SERVER_DIR": box.FOLDER, "TWINPANE_WORKSPACE": PROJECT,
            "TWINPANE_PROJECT": self.name, "TWINPANE_SWITCHBOARD": self.switchboard, "TWINPANE_CACHE": f"{box.FOLDER}/cache",
            "TWINPANE_KERNELS": str(self.kernels), "TWINPANE_PANE_MB": str(self.pane_mb), "TWINPANE_GATE": json.dumps(gate),
            # For the gate alone: where compiled filters are kept, out of every sandbox's reach.
            "XDG_CACHE_HOME": str(Path(self.state_folder) / "cache"),
        }  # fmt: skip

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Called by ``get_env`` of the base class, whose own version looks the user up in the system's accounts."""
        return env

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """What runs in the child before the gate: leave a folder that somebody could remove, and set up the lifeline."""

        def prepare() -> None:
            os.umask(0o077)
            os.chdir("/")

        return tied(prepare) if self.die_with_hub else prepare

    async def move_certs(self, paths: dict[str, str]) -> dict[str, str]:
        """Leave the certificates of internal TLS where they are: the same user reads them."""
        return paths


def command() -> list[str]:
    """The command that the spawner starts: this interpreter, isolated from the environment and the working directory."""
    return [sys.executable, "-I", "-m", "twinpane_kernel.gate"]
