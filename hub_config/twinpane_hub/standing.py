"""Ends whoever does not belong here any more: servers, tokens and sessions, within a minute of the removal.

JupyterHub asks its authenticator about a person only when that person's browser asks for something, and then only asks to sign in again. A
token, a server and the kernels in it would go on. So every person with anything that goes on is asked about, again and again.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from jupyterhub import orm

from .projects import Directory, NotAdmitted

EVERY_S = 15.0
"""Seconds between two rounds. With the time that a round takes, and a cached answer of the switchboard (20 s), it stays below a minute."""
AT_ONCE = 16
"""People about whom a provider is asked at the same time."""
RESEARCHER = "researcher"


class Standing:
    """The rounds. ``app`` is the hub, ``directory`` the projects and ``shut_out`` who may not come in, both as of now."""

    def __init__(self, app: Any, directory: Callable[[], Directory], shut_out: Callable[[], frozenset[str]]) -> None:
        self._app, self._directory, self._shut_out = app, directory, shut_out

    async def go_round(self) -> None:
        """Look at everybody once. What goes wrong with one person is logged, and the others are looked at."""
        today, at_once = datetime.now(UTC).date(), asyncio.Semaphore(AT_ONCE)
        users = [self._app.users[number] for (number,) in self._app.db.query(orm.User.id)]

        async def look_at(user: Any) -> None:
            async with at_once:
                try:
                    await self._look_at(user, today)
                except Exception:
                    self._app.log.exception("Whether %s still belongs here could not be found out", user.name)

        # Those who are shut out first: the others wait for a provider, so many at a time.
        ordered = sorted(filter(_goes_on, users), key=lambda user: user.name not in self._shut_out())
        await asyncio.gather(*map(look_at, ordered))

    async def keep_on(self) -> None:
        """Go round for as long as the hub runs. Where a round fails, as while another holds the database, the next makes up for it."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.go_round()
            except Exception:
                self._app.log.exception("Nobody could be looked at: the next round is in %.0f s", EVERY_S)
                self._app.db.rollback()

    async def _look_at(self, user: Any, today: date) -> None:
        # Who is shut out is, before a provider is asked that may not answer for long.
        out = user.name in self._shut_out()
        model = False if out else await self._app.authenticator.refresh_user(user, None)
        if not model:
            await self._end(user)
            return
        if isinstance(model, dict):
            user.sync_groups(model["groups"])
            if "auth_state" in model:
                await user.save_auth_state(model["auth_state"])
        groups = {group.name for group in user.orm_user.groups}
        for name, spawner in list(user.spawners.items()):
            if spawner.active and not (RESEARCHER in groups and self._admits(user.name, name, today)):
                await self._stop(user, name)

    def _admits(self, user: str, project: str, today: date) -> bool:
        try:
            self._directory().admit(user, project, today)
        except NotAdmitted:
            return False
        return True

    async def _end(self, user: Any) -> None:
        """Sign the person out everywhere: tokens, sessions of pages, the browser, servers."""
        self._app.log.warning("%s does not belong here any more: tokens, sessions and servers end", user.name)
        for token in list(user.orm_user.api_tokens):
            if not any(spawner.orm_spawner is not None and token.id == _own(spawner) for spawner in user.spawners.values()):
                self._app.db.delete(token)
        user.orm_user.cookie_id = orm.new_token()
        self._app.db.commit()
        for name, spawner in list(user.spawners.items()):
            if spawner.active:
                await self._stop(user, name)

    async def _stop(self, user: Any, name: str) -> None:
        self._app.log.warning("The server of %s for project %s ends", user.name, name)
        await self._app.proxy.delete_user(user, name)
        await user.stop(name)


def _own(spawner: Any) -> int | None:
    """The token of a server itself: it is deleted with the server, which says with it that it ended."""
    found = orm.APIToken.find(spawner.db, spawner.api_token) if spawner.api_token else None
    return None if found is None else int(found.id)


def _goes_on(user: Any) -> bool:
    return bool(user.orm_user.api_tokens) or any(spawner.active for spawner in user.spawners.values())
