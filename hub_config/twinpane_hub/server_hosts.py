"""Gives each server a host name of its own, so that browsers keep its pages apart from the hub's and from those of other projects.

What a cell shows may hold script. On one host name, that script could act at the hub as the person who looks at it, and read the person's
other projects. JupyterHub gives each *user* a host name. Here each *server* gets one: ``first-0123456789abcdef.hub.example.org``.
JupyterHub 6 asks for these addresses in places that no setting reaches, so ``install`` replaces two of its methods.
"""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.handlers.base import UserUrlHandler
from jupyterhub.user import User
from jupyterhub.utils import url_escape_path

DIGEST = 8
"""Bytes of the digest in a name: two servers must not share one by chance."""


@dataclass(frozen=True)
class Hosts:
    """The host names of a hub. ``address`` is the hub's own for browsers, ``http://localhost:8000``, without a trailing slash."""

    address: str

    def server(self, user: str, project: str) -> str:
        """The origin of a project's server. The name says the project, and who it is by a digest alone: names are seen on the network."""
        digest = hashlib.blake2b(f"{user}/{project}".encode(), digest_size=DIGEST).hexdigest()
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{project}-{digest}.{parts.netloc}"

    def server_url(self, user: str, base_url: str, project: str) -> str:
        """Where a project's server is, with a trailing slash. ``base_url`` is the path of the person's servers, ``/user/mia/``."""
        return f"{self.server(user, project)}{base_url}{url_escape_path(project)}/"

    def routespec(self, user: str, base_url: str, project: str) -> str:
        """The same for the proxy: its name without a port, and its path."""
        return f"{urlsplit(self.server(user, project)).hostname}{base_url}{url_escape_path(project)}/"

    def is_own(self, host: str) -> bool:
        """Whether a ``Host`` header names the hub itself. Ports do not count: a proxy before the hub may listen on another one."""
        try:
            return urlsplit(f"//{host}").hostname == self.name
        except ValueError:
            return False

    def is_page(self, address: str) -> bool:
        """Whether an address is a page of the hub itself."""
        try:
            return self.is_own(urlsplit(address).netloc)
        except ValueError:
            return False

    @property
    def name(self) -> str:
        """The hub's own name, without a port."""
        return urlsplit(self.address).hostname or ""


def one_name(name: str, domain: str, kind: str) -> str:
    """JupyterHub's ``subdomain_hook``. Services are at the hub's own name: they have no pages. Servers are given theirs by ``Hosts``."""
    return domain if kind == "service" else f"servers.{domain}"


def install(hosts: Hosts) -> None:
    """Teach this process's JupyterHub the servers' names."""
    redirect = UserUrlHandler._redirect_to_user_server

    def server_url(user: Any, server_name: str = "") -> str:
        return hosts.server_url(user.name, user.base_url, server_name) if server_name else f"{hosts.address}{user.base_url}"

    @dataclass(frozen=True)
    class At:
        """Whom the original method asks for nothing but the server's origin."""

        host: str

    async def redirect_to_server(handler: Any, user: Any, spawner: Any) -> None:
        await redirect(handler, At(hosts.server(user.name, spawner.name)), spawner)

    User.server_url = server_url
    UserUrlHandler._redirect_to_user_server = redirect_to_server
