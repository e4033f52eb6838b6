"""Ends whoever does not belong here any more: servers, tokens and sessions, within a minute of the removal.

JupyterHub asks its authenticator about a person only when that person's browser asks for something, and then only asks to sign in again. A
token, a server and the kernels in it would go on. So every person with anything that goes on is looked at, again and again: by what the hub
knows itself, and apart from that by what the authenticator says, because a provider that hangs must keep nobody in whom the hub shut out.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

from jupyterhub import orm

from .ending import end, stop
from .projects import Directory, NotAdmitted

EVERY_S = 15.0
"""Seconds between two rounds. With the time that a round takes, and a cached answer of the switchboard (20 s), it stays below a minute."""
AT_ONCE = 100
"""People about whom the authenticator is asked at the same time."""
RESEARCHER = "researcher"


class Standing:
    """The rounds. ``app`` is the hub, ``directory`` the projects and ``shut_out`` who may not come in, both as of now.

    ``noted`` is told who was put out.
    """

    def __init__(
        self, app: Any, directory: Callable[[], Directory], shut_out: Callable[[], frozenset[str]],
        noted: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._app, self._directory, self._shut_out, self._noted = app, directory, shut_out, noted
        self._out: set[str] = set()
        """Who is shut out and was put out: a browser's sign-in that goes on alone ends once, too."""
        self._silent: set[str] = set()
        """About whom the authenticator knew nothing new the last time."""

    async def keep_on(self) -> None:
        """Go both rounds for as long as the hub runs."""
        await asyncio.gather(self._again(self.look_round), self._again(self.ask_round))

    async def look_round(self) -> None:
        """End by what the hub knows itself: who is shut out, and servers of a project that does not admit the person."""
        shut_out, today = self._shut_out(), datetime.now(UTC).date()
        self._out &= shut_out
        await self._each(
            lambda user: self._look_at(user, shut_out, today), lambda user: user.name in shut_out - self._out or _goes_on(user)
        )

    async def ask_round(self) -> None:
        """End whom the authenticator does not know any more. Those about whom it was silent come last, so that they delay no others."""
        at_once, today = asyncio.Semaphore(AT_ONCE), datetime.now(UTC).date()

        async def ask(user: Any) -> None:
            async with at_once:
                model = await self._app.authenticator.refresh_user(user, None)
            await self._heard(user, model, today)

        await self._each(ask, _goes_on)

    async def _again(self, round_: Callable[[], Awaitable[None]]) -> None:
        """Where a round fails, as while another holds the database, the next makes up for it."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await round_()
            except Exception:
                self._app.log.exception("Nobody could be looked at: the next round is in %.0f s", EVERY_S)
                self._app.db.rollback()

    async def _each(self, act: Callable[[Any], Awaitable[None]], whom: Callable[[Any], bool]) -> None:
        """Act on everybody at once. What goes wrong with one person is logged, and the others are looked at."""

        async def carefully(user: Any) -> None:
            try:
                await act(user)
            except Exception:
                self._app.log.exception("Whether %s still belongs here could not be found out", user.name)

        users = [self._app.users[number] for (number,) in self._app.db.query(orm.User.id)]
        ordered = sorted(filter(whom, users), key=lambda user: user.name in self._silent)
        await asyncio.gather(*map(carefully, ordered))

    async def _look_at(self, user: Any, shut_out: frozenset[str], today: date) -> None:
        if user.name in shut_out:
            self._out.add(user.name)
            await self._end(user)
        else:
            await self._stop_where_not_admitted(user, today)

    async def _heard(self, user: Any, model: Any, today: date) -> None:
        if model is True:
            self._silent.add(user.name)
        else:
            self._silent.discard(user.name)
        if not model:
            await self._end(user)
        elif isinstance(model, dict):
            user.sync_groups(model["groups"])
            if "auth_state" in model:
                await user.save_auth_state(model["auth_state"])
            await self._stop_where_not_admitted(user, today)

    async def _stop_where_not_admitted(self, user: Any, today: date) -> None:
        researches = RESEARCHER in {group.name for group in user.orm_user.groups}
        for name, spawner in list(user.spawners.items()):
            if spawner.active and not (researches and self._admits(user.name, name, today)):
                await stop(user, name, self._app.proxy, self._app.log)

    def _admits(self, user: str, project: str, today: date) -> bool:
        try:
            self._directory().admit(user, project, today)
        except NotAdmitted:
            return False
        return True

    async def _end(self, user: Any) -> None:
        self._noted(user.name)
        await end(user, self._app.proxy, self._app.db, self._app.log)


def _goes_on(user: Any) -> bool:
    return bool(user.orm_user.api_tokens) or any(spawner.active for spawner in user.spawners.values())
