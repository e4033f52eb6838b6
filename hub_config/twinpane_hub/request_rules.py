"""Requests that JupyterHub would take, and this hub does not.

At a name that is not its own; sign-ins with a weak proof; what another page asks for in the person's name; and too many cookies.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LogoutHandler
from jupyterhub.utils import new_token
from tornado.web import Finish, HTTPError

from twinpane_wire.request_head import COOKIES

from .server_hosts import Hosts

AUTHORIZE = "/hub/api/oauth2/authorize"
HEALTH = "/hub/health"
SIGN_OUT = "/hub/logout"
SPAWN = "/hub/spawn/"
MOST_COOKIES = 12 * 1024
"""Bytes of all cookies of a request, at most. The hub's own and what else a hospital's page may set have a few hundred each."""
TEMPLATES = Path(__file__).parent / "templates"


def install(hosts: Hosts, inside: str) -> None:
    """Put the rules before every handler. ``inside`` is the hub's ``host:port`` for its own services and servers."""
    prepare, signed_out = BaseHandler.prepare, LogoutHandler._backend_logout_cleanup
    too_many = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template("cookies.html")

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
        cookies = asked.headers.get("Cookie", "")
        if len(cookies) > MOST_COOKIES or cookies.count(";") >= COOKIES - 1:
            _clear_cookies(handler, too_many.render(address=hosts.address, name=hosts.name))
        # JupyterHub demands PKCE, and takes *plain*: a proof that is sent along with what it proves.
        if asked.path == AUTHORIZE and handler.get_argument("code_challenge_method", "") != "S256":
            raise HTTPError(400, "This sign-in has no proof of the kind S256, so it was refused.")
        await prepare(handler)
        # JupyterLab's own *Log Out* comes from a server's name, and so may what a cell shows: the person says whether it was meant.
        if asked.path == SIGN_OUT and not _is_meant(asked, hosts):
            handler.finish(await handler.render_template("sign_out.html"))
            raise Finish
        # A link starts a server, with what its notebooks run at their start.
        if asked.path.startswith(SPAWN) and asked.method in ("GET", "HEAD") and handler.current_user and not _is_meant(asked, hosts):
            project = asked.path.rstrip("/").rpartition("/")[2]
            handler.finish(await handler.render_template("spawn_asked.html", asked=asked.uri, project=project))
            raise Finish

    BaseHandler.prepare = with_rules
    LogoutHandler._backend_logout_cleanup = sign_out


def _is_meant(asked: Any, hosts: Hosts) -> bool:
    """Whether the person typed the address, or followed a link on a page of the hub's own.

    Browsers say so, but for old ones, and all of them on a trial's plain http. There the page where the link stands must be named.
    """
    if site := asked.headers.get("Sec-Fetch-Site", ""):
        return site in ("same-origin", "none")
    return hosts.is_page(asked.headers.get("Referer", ""))


def _clear_cookies(handler: Any, page: str) -> None:
    """Have the browser delete the cookies of the hub's name, all of which a server's page may have set, and say so.

    Nothing else is done with them: to read them costs time, and the hub's own may be missing among so many.
    """
    handler.clear_header("Set-Cookie")
    handler.set_status(431)
    handler.set_header("Clear-Site-Data", '"cookies"')
    handler.finish(page)
    raise Finish


def _send_home(handler: Any, address: str) -> None:
    """Send whoever opens a page of the hub at another name to the hub's own. Nothing else is served there: it may be a server's origin."""
    path = handler.request.path
    if handler.request.method not in ("GET", "HEAD"):
        raise HTTPError(421, f"This hub is at {address}.")
    handler.redirect(f"{address}{handler.request.uri if path.startswith('/hub/') else f'/hub{handler.request.uri}'}")
    raise Finish
