"""Sign-in through OpenID Connect: oauthenticator, strict about what the provider says, and bounded in how long silence is borne."""

import asyncio
import math
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oauthenticator.generic import GenericOAuthenticator
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.web import HTTPError
from traitlets import Any as AnyTrait
from traitlets import Float, Unicode, default
from traitlets.config import Config

from .accounts import NAME
from .disabled import DisabledList
from .id_token import BadToken, claims_of, signed_in_since
from .oidc_handlers import FromProvider, SignOut, ToProvider, is_fresh, note_fresh
from .own_handlers import own_handlers
from .settings import OidcSignIn
from .subjects import Subjects, Taken

CONFIRMED = "twinpane_confirmed"
"""In what the hub keeps of a sign-in, sealed: the Unix time at which the provider last said who this is."""
AGAIN_S = 5.0
"""Seconds for which what a provider said of a person holds."""
ANSWER_S, MOST_ASKED = 8.0, 100
"""Seconds that the provider has for an answer, and questions that wait for one at the same time: one that hangs must delay nobody long."""
THERE = "twinpane_name_there"
"""In what the hub keeps of a sign-in: the name that the provider gives the person now. The name here stays."""
GROUPS = ("researcher", "reviewer", "steward", "admin")
OF_ANOTHER = "your name there belongs to somebody else here. The hub's administrator can free it."
MOST_CLAIM = 255
"""Letters of a subject (OpenID Connect Core 1.0, section 2)."""


class BadClaims(Exception):
    """What the provider said of a person cannot be used; the message is fit to show."""


def groups_of(settings: OidcSignIn, claims: Mapping[str, object]) -> set[str]:
    """Our groups for a provider's claims: those it maps, no others. Raises BadClaims for anything but a text or a list of texts."""
    found = claims.get(settings.groups_claim)
    groups = [] if found is None else [found] if isinstance(found, str) else found
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise BadClaims(f"it gives your groups ({settings.groups_claim}) in a form that is no list of names")
    return {settings.roles[group] for group in groups if group in settings.roles}


def who(settings: OidcSignIn, claims: Mapping[str, object]) -> tuple[str, str]:
    """Name and subject of a person; raises BadClaims."""
    name, subject = claims.get(settings.username_claim), claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MOST_CLAIM:
        raise BadClaims("it does not say which person you are (sub)")
    if not isinstance(name, str) or not re.fullmatch(NAME, name.lower()):
        raise BadClaims(f"its name for you ({settings.username_claim}) cannot be one here: letters, digits and ._@- only")
    return name.lower(), subject


def _says_no(error: Exception) -> bool:
    """Whether the provider answered, and refused. 401 and 403 of a token, 400 of a code or a refresh token."""
    code = error.code if isinstance(error, HTTPClientError) else error.status_code if isinstance(error, HTTPError) else 0
    return code in (400, 401, 403)


class Provider(GenericOAuthenticator):  # type: ignore[misc]  # oauthenticator is written without types
    """The organisation's own sign-in."""

    settings = AnyTrait(config=True, help="The section `sign_in` of hub.toml.")
    state = Unicode(config=True, help="The hub's state folder: who has which name, and who is shut out.")
    grace = Float(600, config=True, help="Seconds for which a person may go on while the provider does not answer.")

    login_handler, callback_handler, logout_handler = ToProvider, FromProvider, SignOut

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._subjects = Subjects(Path(self.state))
        self._subjects.move(self.settings.authorize_url, self.settings.issuer)
        self._shut_out = DisabledList(Path(self.state))
        self._asking: dict[str, asyncio.Lock] = {}
        self._asked: dict[str, float] = {}

    @default("http_client")
    def _bounded_client(self) -> AsyncHTTPClient:
        bounds = {"request_timeout": ANSWER_S, "connect_timeout": ANSWER_S}
        return AsyncHTTPClient(force_instance=True, max_clients=MOST_ASKED, defaults=bounds)

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> Any:
        """Called when a browser comes back from the provider."""
        try:
            model = await super().authenticate(handler, data, **kwargs)
        except BadClaims as error:
            raise HTTPError(403, f"{self.login_service} let you in, but {error}. Its administrator can change that.") from None
        except Taken:
            raise HTTPError(403, f"{self.login_service} let you in, but {OF_ANOTHER}") from None
        except Exception as error:  # whatever becomes of the reply of a provider that is down, slow or broken
            if _says_no(error):
                raise HTTPError(403, f"{self.login_service} did not accept this sign-in. Sign in again.") from None
            self.log.warning("The provider did not answer a sign-in: %s", type(error).__name__)
            raise HTTPError(503, f"{self.login_service} does not answer, so nobody can sign in now. Try again in a few minutes.") from None
        if not model["groups"]:
            raise HTTPError(
                403, f"{self.login_service} let you in, but none of your groups has a role here. The hub's administrator gives roles."
            )
        name, (there, subject) = model["name"], who(self.settings, model["auth_state"][self.user_auth_state_key])
        try:
            claims = claims_of(self.settings, model["auth_state"]["id_token"], subject)
            self._subjects.bind(name, self.settings.issuer, subject)  # whoever has no role takes no name
        except BadToken as error:
            raise HTTPError(403, f"{self.login_service} let you in, but {error}. Its administrator can change that.") from None
        except Taken:
            raise HTTPError(403, f"{self.login_service} let you in, but {OF_ANOTHER}") from None
        if {name, there} & self._shut_out():
            raise HTTPError(403, "Your access to this hub has ended. The hub's administrator can give it back.")
        if there != name:
            self.log.info("The provider calls %s by another name now: %s. The name here stays.", name, there)
        if handler.asked is not None:
            if not signed_in_since(claims, handler.asked, time.time()):
                raise HTTPError(
                    403, f"{self.login_service} did not ask you again who you are (auth_time), so this proves nothing. "
                    "Its administrator can change that.",
                )  # fmt: skip
            note_fresh(handler, name)
        return model

    asks_password = False

    async def confirms(self, handler: Any, name: str, password: str, code: str) -> str:
        """See ``project_tokens.Confirming``: a fresh sign-in in this browser."""
        return (
            ""
            if is_fresh(handler, name)
            else f"To be sure that it is you, sign in at {self.login_service} again. It holds for five minutes."
        )

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """Called by the hub: pages that come before its own."""
        return [*super().get_handlers(app), *own_handlers()]

    def user_info_to_username(self, user_info: Mapping[str, object]) -> str:
        """The name here: the one that the subject has, or else the provider's for it."""
        there, subject = who(self.settings, user_info)
        return self._subjects.name_of(self.settings.issuer, subject) or there

    async def get_user_groups(self, auth_state: Mapping[str, Any]) -> set[str]:
        """Our groups."""
        return groups_of(self.settings, auth_state[self.user_auth_state_key])

    async def update_auth_model(self, auth_model: dict[str, Any]) -> dict[str, Any]:
        """See that the name is the subject's, and note that the provider confirms both now."""
        there, subject = who(self.settings, auth_model["auth_state"][self.user_auth_state_key])
        self._subjects.check(auth_model["name"], self.settings.issuer, subject)
        auth_model["auth_state"] |= {CONFIRMED: time.time(), THERE: there}
        return auth_model

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> Any:
        """Called by the hub from time to time: False ends whoever the provider does not know any more, or who has no role left.

        A provider that does not answer ends nobody for ``grace`` seconds since it last did.
        """
        if user.name in self._shut_out():
            return False
        # One at a time: a refresh token that two use at once looks stolen to the provider.
        async with self._asking.setdefault(user.name, asyncio.Lock()):
            last = self._asked.get(user.name, -math.inf)
            if time.monotonic() - last < AGAIN_S:
                return True
            found = await self._refreshed(user)
            if isinstance(found, dict):
                await user.save_auth_state(found["auth_state"])
            if found:  # silence holds for as long: else each request of a browser would wait for a provider that hangs
                self._asked[user.name] = time.monotonic()
            return found

    async def _refreshed(self, user: Any) -> Any:
        kept = await user.get_auth_state()
        if not kept:
            return False
        try:
            model = await self._asked_again(kept)
        except (BadClaims, Taken):
            return False
        except Exception as error:  # as above
            if _says_no(error):
                return False
            self.log.warning("The provider did not answer about %s: %s", user.name, type(error).__name__)
            last = kept.get(CONFIRMED)
            return isinstance(last, int | float) and time.time() - last < self.grace
        belongs = model["name"] == user.name and model["groups"] and model["auth_state"][THERE] not in self._shut_out()
        return model if belongs else False

    async def _asked_again(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """What the provider says by the tokens that are kept. oauthenticator's own method takes silence, at the refresh token, for a no."""
        tokens, refresh = kept["token_response"], kept.get("refresh_token")
        try:
            model: dict[str, Any] = await self._token_to_auth_model(tokens)
        except HTTPClientError as error:
            if not refresh or not _says_no(error):
                raise
            tokens = await self.get_token_info(None, self.build_refresh_token_request_params(refresh))
            model = await self._token_to_auth_model({"refresh_token": refresh, **tokens})
        return model


def configure(c: Config, settings: OidcSignIn, state: Path) -> None:
    """Set oauthenticator up. Whoever has no role here cannot sign in."""
    c.JupyterHub.authenticator_class = Provider
    c.Provider.settings = settings
    c.Provider.state = str(state)
    c.Provider.grace = settings.grace_minutes * 60
    c.Provider.client_id = settings.client_id
    c.Provider.client_secret = os.environ.get("OAUTH_CLIENT_SECRET", "")
    c.Provider.oauth_callback_url = settings.callback_url
    c.Provider.authorize_url = settings.authorize_url
    c.Provider.token_url = settings.token_url
    c.Provider.userdata_url = settings.userdata_url
    c.Provider.scope = list(settings.scope)
    c.Provider.username_claim = settings.username_claim
    c.Provider.login_service = settings.name
    c.Provider.enable_pkce = True
    if settings.acr:
        c.Provider.extra_authorize_params = {"acr_values": " ".join(settings.acr)}
    c.Provider.manage_groups = True
    c.Provider.allowed_groups = set(GROUPS)
    # What the provider gave is kept, sealed: without it the hub could not ask again, and nobody would ever be found to be gone.
    c.Provider.enable_auth_state = True
    c.Provider.refresh_pre_spawn = True
    c.Authenticator.auth_refresh_age = 30
    if settings.logout_url:
        c.Provider.logout_redirect_url = settings.logout_url
