"""Sign-in for JupyterHub: local accounts, or OpenID Connect with its groups mapped to ours."""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from jupyterhub.auth import Authenticator
from oauthenticator.generic import GenericOAuthenticator
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler
from traitlets import Any as AnyTrait
from traitlets import List as ListTrait
from traitlets import Unicode, default
from traitlets.config import Config

from twinpane_wire.connection_limiter import LOOPBACK, behind, neighbourhood

from . import accounts
from .pages import User
from .settings import OidcSignIn


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
    """Signs in against an accounts file; the file is read at every sign-in, so a removed account is gone at once."""

    file = Unicode(config=True, help="The accounts file, see `twinpane_hub.accounts`.")
    proxies = ListTrait(Unicode(), sorted(LOOPBACK), config=True, help="Addresses of proxies before the hub.")
    close = AnyTrait(help="The limit on wrong tries at a name from an address.")
    wide = AnyTrait(help="The limit on wrong tries at a name, and from an address: wider, so that nobody can lock others out easily.")

    @default("close")
    def _close_default(self) -> accounts.Tries:
        return accounts.Tries(time.monotonic, free=5)

    @default("wide")
    def _wide_default(self) -> accounts.Tries:
        return accounts.Tries(time.monotonic, free=50)

    async def authenticate(self, handler: RequestHandler | None, data: dict[str, str]) -> SignedIn | None:
        """Called by the hub's login handler; None is a wrong name or password."""
        name, password = data["username"].lower(), data["password"]
        address = f"from {address_of(handler.request, frozenset(self.proxies))}" if handler else "from here"
        both = f"{name} {address}"
        wait = max(self.close.wait(both), self.wide.wait(name, address))
        if wait > 0:
            raise HTTPError(429, f"Too many wrong tries. Try again in {wait:.0f} seconds.")
        known = accounts.load(Path(self.file))
        # Count before checking, so that simultaneous attempts count too.
        self.close.failed(both)
        if not await asyncio.to_thread(accounts.verify, known, name, password):
            self.wide.failed(name, address)
            self.log.warning("Wrong name or password, %s", address)
            return None
        self.close.succeeded(both)
        return {"name": name, "groups": list(known[name].groups)}

    async def refresh_user(self, user: User, handler: RequestHandler | None = None) -> bool | SignedIn:
        """Called by the hub from time to time for a signed-in user: ends removed accounts and applies changed groups."""
        account = accounts.load(Path(self.file)).get(user.name)
        return False if account is None else {"name": user.name, "groups": list(account.groups)}


def groups_of(settings: OidcSignIn, claims: Mapping[str, object]) -> set[str]:
    """Our groups for a provider's claims: those it maps, no others."""
    found = claims.get(settings.groups_claim, [])
    groups = [found] if isinstance(found, str) else found
    if not isinstance(groups, list):
        return set()
    return {settings.roles[group] for group in groups if isinstance(group, str) and group in settings.roles}


def configure_oidc(c: Config, settings: OidcSignIn) -> None:
    """Set oauthenticator up. A user without a role here may sign in, but sees an empty page."""
    c.JupyterHub.authenticator_class = GenericOAuthenticator
    c.GenericOAuthenticator.client_id = settings.client_id
    c.GenericOAuthenticator.client_secret = os.environ.get("OAUTH_CLIENT_SECRET", "")
    c.GenericOAuthenticator.oauth_callback_url = settings.callback_url
    c.GenericOAuthenticator.authorize_url = settings.authorize_url
    c.GenericOAuthenticator.token_url = settings.token_url
    c.GenericOAuthenticator.userdata_url = settings.userdata_url
    c.GenericOAuthenticator.scope = list(settings.scope)
    c.GenericOAuthenticator.username_claim = settings.username_claim
    c.GenericOAuthenticator.login_service = settings.name
    c.GenericOAuthenticator.enable_pkce = True
    c.GenericOAuthenticator.manage_groups = True
    c.GenericOAuthenticator.auth_state_groups_key = lambda state: groups_of(settings, state.get("oauth_user") or {})
    c.GenericOAuthenticator.allowed_groups = {"researcher", "reviewer", "steward", "admin"}


def configure_local(c: Config, file: Path, proxies: tuple[str, ...] = ()) -> None:
    """Set the local account store up. ``proxies``: addresses of proxies besides this machine's own."""
    c.JupyterHub.authenticator_class = LocalAccounts
    c.LocalAccounts.file = str(file)
    c.LocalAccounts.proxies = sorted(LOOPBACK | set(proxies))
    c.LocalAccounts.allow_all = True  # everyone in the file
    c.LocalAccounts.manage_groups = True
    c.Authenticator.auth_refresh_age = 60
