"""Sign-in against an accounts file of this machine."""

import asyncio
import re
import secrets
import time
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from jupyterhub.auth import Authenticator
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler
from traitlets import Any as AnyTrait
from traitlets import List as ListTrait
from traitlets import Unicode, default
from traitlets.config import Config

from twinpane_wire.connection_limiter import LOOPBACK, behind, neighbourhood

from . import accounts
from .disabled import DisabledList
from .pages import User
from .project_tokens import ProjectTokens
from .tries import Tries

DEVICE = "twinpane-device"
"""The cookie of a browser that somebody signed in with before. It names who, and a number of its own; it lets nobody in."""
DEVICE_DAYS = 180
MOST_CHECKS = 16
"""Passwords that are checked at the same time."""
_DEVICE = re.compile(r"(?P<number>[0-9a-f]{32}) (?P<name>.+)", re.DOTALL)


class SignedIn(TypedDict):
    """What the hub learns about a user who signs in."""

    name: str
    groups: list[str]


def address_of(request: HTTPServerRequest, proxies: frozenset[str]) -> str:
    """The address that a request comes from: the one that connected, or the one that our own proxies name.

    Tornado believes ``X-Forwarded-For`` and ``X-Real-Ip`` from everybody. None of our proxies writes ``X-Real-Ip``, so it always comes from
    a client. The gates of researchers' servers connect from an address that is not a proxy's, so a server's headers are not believed.
    """
    found = request.connection.context.address  # type: ignore[union-attr]  # tornado does not type its own server's connections
    peer = str(found[0]) if isinstance(found, tuple) else ""
    return neighbourhood(behind(peer, ",".join(request.headers.get_list("X-Forwarded-For")), proxies) or peer)


class LocalAccounts(Authenticator):  # type: ignore[misc]  # JupyterHub is written without types
    """Signs in against an accounts file; the file is read at every sign-in, so a removed account is gone at once.

    Wrong tries are counted for a name from an address, and, more widely, for each alone: then everybody waits a little, nobody long. A
    browser that a person signed in with before is counted by itself: strangers cannot make that person wait.
    """

    file = Unicode(config=True, help="The accounts file, see `twinpane_hub.accounts`.")
    state = Unicode(config=True, help="The hub's state folder, which says who is shut out.")
    proxies = ListTrait(Unicode(), sorted(LOOPBACK), config=True, help="Addresses of proxies before the hub.")
    close = AnyTrait(help="The limit on wrong tries at a name from an address, or from a known device.")
    wide = AnyTrait(help="The limit on wrong tries at a name, and from an address.")

    _checking = 0

    @cached_property
    def _shut_out(self) -> DisabledList:
        return DisabledList(Path(self.state))

    @default("close")
    def _close_default(self) -> Tries:
        return Tries(time.monotonic, free=5)

    @default("wide")
    def _wide_default(self) -> Tries:
        return Tries(time.monotonic, free=50, longest=10)

    async def authenticate(self, handler: RequestHandler | None, data: dict[str, str]) -> SignedIn | None:
        """Called by the hub's login handler; None is a wrong name or password."""
        name, password = data.get("username", "").lower(), data.get("password", "")
        address = f"from {address_of(handler.request, frozenset(self.proxies))}" if handler else "from here"
        device = _device(handler, name)
        close, wide = (f"device {device}", ()) if device else (f"{name} {address}", (name, address))
        wait = max(self.close.wait(close), self.wide.wait(*wide))
        if wait > 0:
            raise HTTPError(429, f"Too many wrong tries. Try again in {wait:.0f} seconds.")
        known = accounts.load(Path(self.file))
        # Let few wait, as each check takes a processor for a while; what is not checked is no wrong try.
        if self._checking >= MOST_CHECKS:
            raise HTTPError(429, "Too many people sign in at this moment. Try again in a few seconds.")
        # Count before checking, so that simultaneous attempts count too.
        self.close.failed(close)
        self.wide.failed(*wide)
        self._checking += 1
        try:
            right = await asyncio.to_thread(accounts.verify, known, name, password)
        finally:
            self._checking -= 1
        if not right or name in self._shut_out():
            self.log.warning("Wrong name or password, %s", address)
            return None
        self.close.succeeded(close)
        self.wide.took_back(*wide)
        if handler is not None:
            _know(handler, name, device)
        return {"name": name, "groups": list(known[name].groups)}

    asks_password = True

    async def confirms(self, handler: RequestHandler, name: str, password: str) -> str:
        """See ``project_tokens.Confirming``: the password again, with the same limits on wrong ones."""
        found = await self.authenticate(handler, {"username": name, "password": password})
        return "" if found else "This is not your password. Nothing was made."

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """Called by the hub: pages that come before its own."""
        return [*super().get_handlers(app), ("/token", ProjectTokens)]

    async def refresh_user(self, user: User, handler: RequestHandler | None = None) -> bool | SignedIn:
        """Called by the hub from time to time for a signed-in user: ends removed accounts and applies changed groups."""
        account = accounts.load(Path(self.file)).get(user.name)
        if account is None or user.name in self._shut_out():
            return False
        return {"name": user.name, "groups": list(account.groups)}


def _device(handler: Any, name: str) -> str:
    """The number of the browser, if this person signed in with it before."""
    value = handler.get_secure_cookie(DEVICE, max_age_days=DEVICE_DAYS) if handler else None
    found = _DEVICE.fullmatch(value.decode("utf-8", "replace")) if value else None
    return found["number"] if found and found["name"] == name else ""


def _know(handler: Any, name: str, device: str) -> None:
    """Let the browser be known from now on."""
    value = f"{device or secrets.token_hex(16)} {name}"
    secure = handler.settings.get("cookie_options", {}).get("secure", False)
    handler.set_secure_cookie(
        DEVICE, value, expires_days=DEVICE_DAYS, path=handler.hub.base_url, httponly=True, samesite="Lax", secure=secure
    )


def configure(c: Config, file: Path, state: Path, proxies: tuple[str, ...] = ()) -> None:
    """Set the local account store up. ``proxies``: addresses of proxies besides this machine's own."""
    c.JupyterHub.authenticator_class = LocalAccounts
    c.LocalAccounts.file = str(file)
    c.LocalAccounts.state = str(state)
    c.LocalAccounts.proxies = sorted(LOOPBACK | set(proxies))
    c.LocalAccounts.allow_all = True  # everyone in the file
    c.LocalAccounts.manage_groups = True
    c.Authenticator.auth_refresh_age = 30
