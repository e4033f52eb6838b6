"""Requests that JupyterHub would take, and this hub does not: at a name that is not its own, and sign-ins with a weak proof."""

from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LogoutHandler
from jupyterhub.utils import new_token
from tornado.web import Finish, HTTPError

from .server_hosts import Hosts

AUTHORIZE = "/hub/api/oauth2/authorize"
HEALTH = "/hub/health"
SIGN_OUT = "/hub/logout"


def install(hosts: Hosts, inside: str) -> None:
    """Put the rules before every handler. ``inside`` is the hub's ``host:port`` for its own services and servers."""
    prepare, signed_out = BaseHandler.prepare, LogoutHandler._backend_logout_cleanup

    def sign_out(handler: Any, name: str) -> None:
        """Renew what the person's browsers are known by: a copy of the cookie is worth nothing from now on."""
        user = handler.current_user
        signed_out(handler, name)
        user.orm_user.cookie_id = new_token()
        handler.db.commit()

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
        # JupyterLab's own *Log Out* comes from a server's name, and so may what a cell shows: the person says whether it was meant.
        if asked.path == SIGN_OUT and asked.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            handler.finish(await handler.render_template("sign_out.html"))
            raise Finish

    BaseHandler.prepare = with_rules
    LogoutHandler._backend_logout_cleanup = sign_out


def _send_home(handler: Any, address: str) -> None:
    """Send whoever opens a page of the hub at another name to the hub's own. Nothing else is served there: it may be a server's origin."""
    path = handler.request.path
    if handler.request.method not in ("GET", "HEAD"):
        raise HTTPError(421, f"This hub is at {address}.")
    handler.redirect(f"{address}{handler.request.uri if path.startswith('/hub/') else f'/hub{handler.request.uri}'}")
    raise Finish
