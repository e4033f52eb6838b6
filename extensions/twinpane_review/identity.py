"""Who is at the browser: sign-in through the hub (OAuth 2, authorization code with PKCE), behind a small interface.

Threat: the hub says who someone is, so where site.toml lets reviewers sign in through it, a hostile hub can pose as a reviewer, see what
a reviewer sees, and vote in their name. The site's policy limits that to the names it lists, less those with an account of the site, and
every sign-in, view and vote is in the site's ledger. Where site.toml does not, only the site's own accounts sign in. Stewards never sign
in otherwise.

This does not use Authlib: it is only two requests and one SHA-256, and we would still have to interpret the hub's answers. Authlib would
bring 220 files of OAuth and JOSE into the process that strangers reach.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx
from pydantic import TypeAdapter, ValidationError

from twinpane_wire.messages import UserName

_NAME: TypeAdapter[str] = TypeAdapter(UserName)


class HubDown(Exception):
    """The hub does not answer, so nobody can be told who is at the browser; the message is fit to show."""


class HubRefused(Exception):
    """The hub answers, and says no; the message is fit to show."""


@dataclass(frozen=True)
class Grant:
    """The result of a sign-in: a name, and the token with which to ask later whether it is still valid."""

    user: str
    token: str = field(repr=False)
    own: bool = False
    """Whether an account of the site itself signed in; the hub's word never makes one so."""


@dataclass(frozen=True)
class Begin:
    """Where to send the browser, and what to remember until it comes back."""

    url: str
    verifier: str = field(repr=False)


class Identity(Protocol):
    """How people sign in. The pages call ``begin`` when someone signs in, ``finish`` when they come back, ``stands`` every few minutes."""

    def begin(self, state: str) -> Begin:
        """Where to send the browser; it comes back with ``state`` and a code."""
        ...

    async def finish(self, code: str, verifier: str) -> Grant:
        """Who came back with the code; raises HubDown, HubRefused."""
        ...

    async def stands(self, grant: Grant) -> bool:
        """Whether the person may still come in; raises HubDown."""
        ...


class HubIdentity:
    """Sign-in through a JupyterHub that has the pages registered as a service.

    ``hub`` is the hub's address as browsers know it (``https://hub.example.org/``), ``api`` as this process reaches it (default:
    the same); ``client_id`` is ``service-<name>``, ``client_secret`` the service's API token, ``redirect`` the registered callback.
    """

    def __init__(
        self, hub: str, client_id: str, client_secret: str, redirect: str, *,
        api: str = "", transport: httpx.AsyncBaseTransport | None = None, timeout: float = 10,
    ) -> None:  # fmt: skip
        self._authorize = hub.rstrip("/") + "/hub/api/oauth2/authorize"
        self._api = (api or hub).rstrip("/") + "/hub/api"
        self._client_id, self._secret, self._redirect = client_id, client_secret, redirect
        self._transport, self._timeout = transport, timeout

    def begin(self, state: str) -> Begin:
        """The hub's page that asks the person to sign in, with a fresh PKCE challenge."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": self._client_id, "redirect_uri": self._redirect, "response_type": "code", "state": state,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return Begin(f"{self._authorize}?{urlencode(query)}", verifier)

    async def finish(self, code: str, verifier: str) -> Grant:
        """Change the code for a token, and ask the hub whose it is."""
        data = {
            "client_id": self._client_id, "client_secret": self._secret, "grant_type": "authorization_code", "code": code,
            "redirect_uri": self._redirect, "code_verifier": verifier,
        }  # fmt: skip
        reply = await self._ask("POST", "/oauth2/token", data=data)
        token = reply.get("access_token") if reply else None
        if not isinstance(token, str):
            raise HubRefused("The hub did not accept this sign-in. It may have taken too long; sign in again.")
        user = await self._user(token)
        if user is None:
            raise HubRefused("The hub did not say who you are. Sign in again.")
        return Grant(user, token)

    async def stands(self, grant: Grant) -> bool:
        """Whether the token still names the same person."""
        return await self._user(grant.token) == grant.user

    async def _user(self, token: str) -> str | None:
        reply = await self._ask("GET", "/user", headers={"Authorization": f"token {token}"})
        if not reply or reply.get("kind") != "user":
            return None
        try:
            return _NAME.validate_python(reply.get("name"))
        except ValidationError:
            return None

    async def _ask(self, method: str, path: str, **what: Any) -> dict[str, Any] | None:
        """The hub's reply as a dict; None where it says no (4xx). Raises HubDown for silence, failure and what is not JSON."""
        try:
            # Ignore the environment's proxies and .netrc: they must not decide whom the site asks.
            async with httpx.AsyncClient(transport=self._transport, timeout=self._timeout, trust_env=False) as client:
                reply = await client.request(method, self._api + path, **what)
            if 400 <= reply.status_code < 500:
                return None
            value = reply.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise HubDown("The hub does not answer, so this site cannot confirm who you are. Nothing you did here is lost.") from None
        return value if isinstance(value, dict) else None
