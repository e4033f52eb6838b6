"""Sign-in against an accounts file of this machine."""

import asyncio
import re
import secrets
import time
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from jupyterhub.auth import Authenticator
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler
from traitlets import Any as AnyTrait
from traitlets import Bool, Float, Unicode, default
from traitlets import List as ListTrait
from traitlets.config import Config

from twinpane_wire.connection_limiter import LOOPBACK, behind, neighbourhood

from . import accounts
from .account_page import AccountPage
from .accounts import Account, AccountsError, AccountsFile
from .disabled import DisabledList
from .ending import end
from .own_handlers import own_handlers
from .second_factors import SecondFactors
from .settings import HubSettings, LocalSignIn
from .tries import Tries

DEVICE = "twinpane-device"
"""The cookie of a browser that somebody signed in with before. It names who, and a number of its own; it lets nobody in."""
DEVICE_DAYS = 180
OF = "twinpane_password"
"""In what the hub keeps of a sign-in, sealed: which password it was, as `accounts.mark` has it."""
MOST_CHECKS = 16
"""Passwords that are checked at the same time."""
_DEVICE = re.compile(r"(?P<number>[0-9a-f]{32}) (?P<name>.+)", re.DOTALL)


class SignedIn(TypedDict):
    """What the hub learns about a user who signs in."""

    name: str
    groups: list[str]
    auth_state: NotRequired[dict[str, str]]


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

    The hub keeps with each person which password let the person in. Where the account has another one, all that went on before ends.

    Wrong tries are counted for a name from an address, and, more widely, for each alone: then everybody waits a little, nobody long. A
    browser that a person signed in with before is counted by itself: strangers cannot make that person wait.
    """

    file = Unicode(config=True, help="The accounts file, see `twinpane_hub.accounts`.")
    state = Unicode(config=True, help="The hub's state folder, which says who is shut out.")
    grace = Float(600, config=True, help="Seconds for which people who are in may go on while the accounts file cannot be read.")
    proxies = ListTrait(Unicode(), sorted(LOOPBACK), config=True, help="Addresses of proxies before the hub.")
    demands_factor = Bool(False, config=True, help="Whether people without a second factor have no roles.")
    codes = AnyTrait(help="The limit on wrong codes of a name, by whoever has its password, or from a known device.")
    close = AnyTrait(help="The limit on wrong tries at a name from an address, or from a known device.")
    wide = AnyTrait(help="The limit on wrong tries at a name, and from an address.")

    _checking = 0

    @cached_property
    def _accounts(self) -> AccountsFile:
        return AccountsFile(Path(self.file), time.monotonic)

    @cached_property
    def factors(self) -> SecondFactors:
        """The second factors of this hub's people."""
        return SecondFactors(Path(self.state))

    @cached_property
    def _shut_out(self) -> DisabledList:
        return DisabledList(Path(self.state))

    @default("state")
    def _state_default(self) -> str:
        return str(Path(self.file).parent)

    @default("close")
    def _close_default(self) -> Tries:
        return Tries(time.monotonic, free=5)

    @default("codes")
    def _codes_default(self) -> Tries:
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
        try:
            known = self._accounts()
        except (AccountsError, OSError) as error:
            self.log.error("Nobody can sign in, because the accounts cannot be read: %s", error)
            raise HTTPError(
                503, "The accounts of this hub cannot be read, so nobody can sign in now. Its administrator finds why in the log."
            ) from None
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
        if self.factors.has(name) and not self._code_is_right(name, device, data.get("otp", "")):
            self.log.warning("Wrong code, %s", address)
            return None
        self.close.succeeded(close)
        self.wide.took_back(*wide)
        account = known[name]
        if handler is not None:
            _know(handler, name, device)
            user = handler.find_user(name)  # type: ignore[attr-defined]  # JupyterHub's handler
            if user is not None and not await _is_of(account, user):
                await end(user, handler.proxy, handler.db, self.log)  # type: ignore[attr-defined]
        return {"name": name, "groups": self._groups(name, account), "auth_state": {OF: accounts.mark(account)}}

    asks_password = True

    async def confirms(self, handler: RequestHandler, name: str, password: str, code: str) -> str:
        """See ``project_tokens.Confirming``: the password again, and a code, with the same limits on wrong ones."""
        found = await self.authenticate(handler, {"username": name, "password": password, "otp": code})
        with_code = ", or not a code that is good now" if self.factors.has(name) else ""
        return "" if found else f"This is not your password{with_code}. Nothing was made."

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """Called by the hub: pages that come before its own."""
        return [*super().get_handlers(app), *own_handlers(), ("/account", AccountPage)]

    async def refresh_user(self, user: Any, handler: RequestHandler | None = None) -> bool | SignedIn:
        """Called by the hub from time to time for a signed-in user: ends removed accounts and old passwords, and applies changed groups."""
        if user.name in self._shut_out():
            return False
        try:
            account = self._accounts().get(user.name)
        except (AccountsError, OSError) as error:
            left = self.grace - self._accounts.silent_s
            self.log.error("The accounts cannot be read, so all who are in are put out in %.0f s: %s", max(0.0, left), error)
            return left > 0
        if account is None or not await _is_of(account, user):
            return False
        return {"name": user.name, "groups": self._groups(user.name, account)}

    def _groups(self, name: str, account: Account) -> list[str]:
        """The person's roles: none where a second factor is demanded and missing."""
        return list(account.groups) if not self.demands_factor or self.factors.has(name) else []

    def _code_is_right(self, name: str, device: str, code: str) -> bool:
        """Wrong codes are counted for the name, wherever they come from: whoever tries them has the password already."""
        key = f"device {device}" if device else name
        if (wait := self.codes.wait(key)) > 0:
            raise HTTPError(429, f"Too many wrong codes. Try again in {wait:.0f} seconds.")
        self.codes.failed(key)
        if not self.factors.accepts(name, code):
            return False
        self.codes.succeeded(key)
        return True

    def confirm_factor(self, handler: RequestHandler, name: str, code: str) -> tuple[str, ...]:
        """Turn a new second factor on; see ``SecondFactors.confirm``. Wrong codes are counted as at a sign-in."""
        if (wait := self.codes.wait(name)) > 0:
            raise HTTPError(429, f"Too many wrong codes. Try again in {wait:.0f} seconds.")
        self.codes.failed(name)
        found = self.factors.confirm(name, code)
        if found:
            self.codes.succeeded(name)
        return found

    def change_password(self, name: str, password: str) -> dict[str, str]:
        """Give the account another password; what the hub shall keep of it. Raises AccountsError and OSError."""
        fresh = accounts.hashed(password)

        def changed(known: dict[str, Account]) -> dict[str, Account]:
            if name not in known:
                raise AccountsError(f"{name} has no account any more")
            return known | {name: known[name].model_copy(update={"password": fresh})}

        accounts.change(Path(self.file), changed)
        return {OF: accounts.mark(self._accounts()[name])}


async def _is_of(account: Account, user: Any) -> bool:
    """Whether the person signed in last with the password that the account has now."""
    kept = await user.get_auth_state()
    return bool(kept) and kept.get(OF) == accounts.mark(account)


def _device(handler: Any, name: str) -> str:
    """The number of the browser, if this person signed in with it before."""
    value = handler.get_secure_cookie(DEVICE, max_age_days=DEVICE_DAYS) if handler else None
    found = _DEVICE.fullmatch(value.decode("utf-8", "replace")) if value else None
    return found["number"] if found and found["name"] == name else ""


def _know(handler: Any, name: str, device: str) -> None:
    """Let the browser be known from now on."""
    handler._set_cookie(DEVICE, f"{device or secrets.token_hex(16)} {name}", expires_days=DEVICE_DAYS, path=handler.hub.base_url)


def configure(c: Config, settings: HubSettings, sign_in: LocalSignIn) -> None:
    """Set the local account store up."""
    c.JupyterHub.authenticator_class = LocalAccounts
    c.LocalAccounts.file = str(settings.path(sign_in.accounts))
    c.LocalAccounts.state = str(settings.state_folder)
    c.LocalAccounts.grace = sign_in.grace_minutes * 60
    c.LocalAccounts.proxies = sorted(LOOPBACK | set(settings.trusted_proxies))
    c.LocalAccounts.enable_auth_state = True
    c.LocalAccounts.demands_factor = sign_in.require_second_factor
    c.LocalAccounts.request_otp = True
    c.LocalAccounts.otp_prompt = "Code, if you have a second factor:"
    c.LocalAccounts.allow_all = True  # everyone in the file
    c.LocalAccounts.manage_groups = True
    c.Authenticator.auth_refresh_age = 30
