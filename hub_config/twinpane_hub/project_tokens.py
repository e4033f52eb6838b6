"""The page on which a person makes a token, for some days, after proving again who asks.

A researcher's is for ``twinpane run`` in one project; an administrator's is for the API of the hub's network.

JupyterHub's own page makes tokens for all that a person may, and whoever sits in the person's browser may make one. Here nobody has the
right to make tokens over the API. This page makes them, and wants the password again, or a fresh sign-in at the provider.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from jupyterhub.handlers.base import BaseHandler
from tornado.web import HTTPError, authenticated

from .audit import Kind
from .projects import Directory
from .roles import SCOPE

DAYS = (1, 7, 30, 90)
NOTE = 80
"""Letters of a note."""
RESEARCHER = "researcher"
NETWORK = ":network"
"""What a token for the API is for: no project has this name."""


class Confirming(Protocol):
    """What this page asks of the authenticator."""

    asks_password: bool
    """Whether people prove who they are by a password here, and by a code where they have ``factors``."""

    async def confirms(self, handler: Any, name: str, password: str, code: str) -> str:
        """Why it is not proven that the person is here now, in words; empty where it is."""
        ...


@dataclass(frozen=True)
class TokenView:
    """A token, as the page shows it."""

    number: str
    project: str
    note: str
    made: datetime
    used: datetime | None
    ends: datetime


def scope_of(user: str, project: str) -> str:
    """What a project's token may do: enter that project, and say whose it is."""
    return f"access:servers!server={user}/{project}"


class ProjectTokens(BaseHandler):  # type: ignore[misc]  # JupyterHub is written without types
    """``/hub/token``."""

    @authenticated
    async def get(self) -> None:
        """The page."""
        await self._show()

    @authenticated
    async def post(self) -> None:
        """Make a token, or end one."""
        if number := self.get_body_argument("end", ""):
            self._end(number)
            self.redirect(self.request.path)
            return
        project, days = self.get_body_argument("project", ""), self.get_body_argument("days", "")
        if project not in self._choices() or days not in map(str, DAYS):
            raise HTTPError(400, "Choose what the token is for, and for how many days.")
        password, code = self.get_body_argument("password", "", strip=False), self.get_body_argument("otp", "")
        why_not = await self.authenticator.confirms(self, self.current_user.name, password, code)
        if why_not:
            self.set_status(403)
            await self._show(wrong=why_not)
            return
        user = self.current_user
        note = self.get_body_argument("note", "")[:NOTE]
        token = user.new_api_token(
            note=note, expires_in=int(days) * 86_400, scopes=[SCOPE if project == NETWORK else scope_of(user.name, project)]
        )
        self.settings["twinpane_audit"].note(Kind.token_made, user.name, what=project, days=days)
        await self._show(token=token, project=project)

    def _choices(self) -> dict[str, str]:
        """What the person can make a token for, in words."""
        return self._projects() | ({NETWORK: "The network: its API, for administrators"} if SCOPE in self.expanded_scopes else {})

    def _projects(self) -> dict[str, str]:
        """The titles of the projects in which the person works, by name."""
        user = self.current_user
        if RESEARCHER not in {group.name for group in user.orm_user.groups}:
            return {}
        directory: Directory = self.settings["twinpane_directory"]()
        today = datetime.now(UTC).date()
        return {name: project.title for name, project in directory.of(user.name).items() if not project.closed(today)}

    def _tokens(self) -> list[TokenView]:
        """The person's tokens that have not ended, newest first. Those of servers and sessions are not shown: they are no one's to keep."""
        user, now = self.current_user, datetime.now(UTC).replace(tzinfo=None)
        prefix = scope_of(user.name, "")
        found = []
        for token in user.orm_user.api_tokens:
            named = [
                NETWORK if scope == SCOPE else scope.removeprefix(prefix) for scope in token.scopes if scope.startswith((prefix, SCOPE))
            ]
            if token.client_id == "jupyterhub" and named and token.expires_at is not None and token.expires_at > now:
                found.append(TokenView(token.api_id, named[0], token.note or "", token.created, token.last_activity, token.expires_at))
        return sorted(found, key=lambda token: token.made, reverse=True)

    def _end(self, number: str) -> None:
        if number not in {token.number for token in self._tokens()}:
            raise HTTPError(404, "There is no such token. It may have ended already.")
        for token in self.current_user.orm_user.api_tokens:
            if token.api_id == number:
                self.db.delete(token)
        self.db.commit()
        self.settings["twinpane_audit"].note(Kind.token_ended, self.current_user.name)

    async def _show(self, **more: str) -> None:
        asks = self.authenticator.asks_password
        first = "" if asks else await self.authenticator.confirms(self, self.current_user.name, "", "")
        self.finish(
            await self.render_template(
                "token.html", projects=self._choices(), tokens=self._tokens(), days=DAYS, note_letters=NOTE,
                asks_password=asks, asks_code=asks and self.authenticator.factors.has(self.current_user.name), first=first, **more,
            )
        )  # fmt: skip
