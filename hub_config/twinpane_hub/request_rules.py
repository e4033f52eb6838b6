"""Requests that JupyterHub would take, and this hub does not: at a name that is not its own, and sign-ins with a weak proof."""

from typing import Any

from jupyterhub.handlers.base import BaseHandler
from tornado.web import Finish, HTTPError

from .server_hosts import Hosts

AUTHORIZE = "/hub/api/oauth2/authorize"
HEALTH = "/hub/health"


def install(hosts: Hosts, inside: str) -> None:
    """Put the rules before every handler. ``inside`` is the hub's ``host:port`` for its own services and servers."""
    prepare = BaseHandler.prepare

    async def with_rules(handler: Any) -> None:
        asked = handler.request
        # Programs may reach the API at an address that browsers do not know. They send no cookies: their tokens say who they are.
        of_program = asked.path == HEALTH or (asked.path.startswith("/hub/api/") and "Cookie" not in asked.headers)
        if not (hosts.is_own(asked.host) or asked.host == inside or of_program):
            _send_home(handler, hosts.address)
        # JupyterHub demands PKCE, and takes *plain*: a proof that is sent along with what it proves.
        if asked.path == AUTHORIZE and handler.get_argument("code_challenge_method", "") != "S256":
            raise HTTPError(400, "This sign-in has no proof of the kind S256, so it was refused.")
        await prepare(handler)

    BaseHandler.prepare = with_rules


def _send_home(handler: Any, address: str) -> None:
    """Send whoever opens a page of the hub at another name to the hub's own. Nothing else is served there: it may be a server's origin."""
    path = handler.request.path
    if handler.request.method not in ("GET", "HEAD"):
        raise HTTPError(421, f"This hub is at {address}.")
    handler.redirect(f"{address}{handler.request.uri if path.startswith('/hub/') else f'/hub{handler.request.uri}'}")
    raise Finish
