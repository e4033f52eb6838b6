"""``identify`` for the switchboard: ask the hub whose token it is, and whether it may work in that project.

A server's own token may enter only that server, and a server is named like its project. So the token of one project's server does not
admit to another project. A researcher's own token (``twinpane run``) may enter all of the researcher's servers.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
from pydantic import TypeAdapter, ValidationError

from twinpane_wire.messages import Principal, UserName

from .projects import Directory, HubSilent, NotAdmitted

_NAME: TypeAdapter[str] = TypeAdapter(UserName)
CACHE = 20.0
"""Seconds that the hub's answer about a token is cached, so that a revoked token ends within a minute."""
FRIEND = 600.0
"""Seconds for which a token that was valid is checked with the hub without waiting behind unknown tokens."""
STRANGERS = 4
"""Unknown tokens checked with the hub at the same time, at most, so that made-up tokens leave the hub time for those who work."""


def may_enter(scopes: object, user: str, project: str) -> bool:
    """Whether a token's scopes let it into the user's server of that project."""
    wanted = {"access:servers", f"access:servers!user={user}", f"access:servers!server={user}/{project}"}
    return isinstance(scopes, list) and not wanted.isdisjoint(scope for scope in scopes if isinstance(scope, str))


class HubIdentity:
    """Ask the hub's API, with the caller's token, who the caller is."""

    def __init__(self, api: str, directory: Callable[[], Directory], transport: httpx.AsyncBaseTransport | None = None) -> None:
        """``api`` is the hub's API address, ``…/hub/api``."""
        self._client = httpx.AsyncClient(base_url=api.rstrip("/") + "/", transport=transport, timeout=10, trust_env=False)
        self._directory = directory
        self._known: dict[str, tuple[float, dict[str, object]]] = {}
        self._strangers = asyncio.Semaphore(STRANGERS)

    async def __call__(self, token: str, project: str) -> Principal | None:
        """The principal; None for a token the hub does not know; raises NotAdmitted."""
        model = await self._model(token)
        if model is None or model.get("kind") != "user":
            return None
        try:
            user = _NAME.validate_python(model.get("name"))
        except ValidationError:
            return None
        self._directory().admit(user, project, datetime.now(UTC).date())
        if not may_enter(model.get("scopes"), str(model["name"]), project):
            raise NotAdmitted(f"this token is not for project {project!r}: use the one of its server, or make one at the hub")
        return Principal(user=user, project=project)

    async def _model(self, token: str) -> dict[str, object] | None:
        now = time.monotonic()
        kept = self._known.get(token)
        if kept is not None and now - kept[0] < CACHE:
            return kept[1]
        async with contextlib.nullcontext() if kept is not None else self._strangers:
            model = await self._asked(token)
        self._known.pop(token, None)
        if model is not None:
            self._known[token] = (now, model)
            while now - self._known[oldest := next(iter(self._known))][0] > FRIEND:
                del self._known[oldest]
        return model

    async def _asked(self, token: str) -> dict[str, object] | None:
        try:
            reply = await self._client.get("user", headers={"Authorization": f"token {token}"})
            model = reply.json() if reply.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            raise HubSilent("the hub does not answer: try again") from None
        if reply.status_code >= 500:
            raise HubSilent("the hub does not answer: try again")
        return model if isinstance(model, dict) else None
