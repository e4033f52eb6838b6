"""What every handler of the pages works with: the review behind them, who is at the browser, and how an answer looks."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment

from . import permissions
from .identity import Identity
from .policies import Denied
from .review import Review
from .sessions import Sealed, Session, Sessions
from .steward.desk import Desk


@dataclass(frozen=True)
class Settings:
    """Where the pages are and what they are called. ``address``: as browsers know it, without a path (``https://review.site-a.example``)."""

    address: str
    title: str = ""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ticks: Callable[[], float] = time.monotonic
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
            raise ValueError(f"the review's address has to be http(s)://host[:port] without a path, not {self.address!r}")


class SignedOut(Exception):
    """No session, or one that ended."""


@dataclass(frozen=True)
class Context:
    """One site's pages, shared by all their requests."""

    review: Review
    desk: Desk
    identity: Identity | None
    """The hub's sign-in; None where only the site's own accounts sign in."""
    settings: Settings
    sessions: Sessions
    sealed: Sealed
    templates: Environment

    @property
    def secure(self) -> bool:
        """Whether browsers reach the pages by https."""
        return self.settings.address.startswith("https:")

    @property
    def cookie(self) -> str:
        """The session cookie's name."""
        # Cookies do not tell ports apart: several sites on one machine must not share one. On https nobody else can set ours.
        return f"{'__Host-' if self.secure else ''}twinpane-review-{self.review.site}"

    def set_cookie(self, reply: Response, name: str, value: str, seconds: float) -> None:
        """Have the browser keep a cookie."""
        reply.set_cookie(name, value, max_age=int(seconds), path="/", httponly=True, samesite="lax", secure=self.secure)

    def delete_cookie(self, reply: Response, name: str) -> None:
        """Have the browser forget a cookie."""
        reply.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=self.secure)

    def page(self, template: str, session: Session | None, status: int = 200, **values: object) -> HTMLResponse:
        """A template as an answer."""
        shared: dict[str, object] = {
            "site": self.review.site, "site_title": self.settings.title or self.review.site, "user": session.user if session else "",
            "csrf": session.csrf if session else "", "policy": self.review.policy, "frozen": self.desk.frozen(),
            "reviewer": session is not None and permissions.can_review_here(session.user, self.review.policy),
            "steward": session is not None and self.desk.is_steward(session.grant), "through_hub": self.identity is not None,
        }  # fmt: skip
        return HTMLResponse(self.templates.get_template(template).render(**shared, **values), status)

    def said(self, request: Request, session: Session | None, status: int, heading: str, text: str) -> Response:
        """A sentence as an answer: a page of its own, or where a script asked, a note on the page."""
        if from_script(request):
            return self.page("toast.html", session, status, text=text)
        return self.page("message.html", session, status, heading=heading, text=text)


def from_script(request: Request) -> bool:
    """Whether htmx sent it, and puts the answer into the page."""
    return bool(request.headers.get("hx-request"))


def is_local(path: str) -> bool:
    """Whether a path is one of ours to come back to; anything else could lead the browser elsewhere."""
    request = path.startswith("/requests/") and len(path) == 42 and all(c in "0123456789abcdef" for c in path[10:])
    return request or path in ("/", "/steward", "/steward/ledger", "/steward/projects", "/steward/sessions")


def context_of(request: Request) -> Context:
    """The context that the application was made with."""
    context: Context = request.app.state.context
    return context


async def _context(request: Request) -> Context:
    return context_of(request)  # a plain function would be called in a thread


At = Annotated[Context, Depends(_context)]
"""Of a handler: the context."""


async def signed_in(request: Request, at: At) -> Session:
    """Whose request it is; raises SignedOut, HubDown."""
    token = request.cookies.get(at.cookie, "")
    session = at.sessions.get(token)
    if session is None:
        raise SignedOut
    if not await asyncio.to_thread(at.desk.stands, session.grant):
        at.sessions.end(token)
        raise SignedOut
    if not session.grant.own and at.sessions.stale(session):
        if at.identity is None or not await at.identity.stands(session.grant):
            at.sessions.end(token)
            raise SignedOut
        at.sessions.confirm(token)
    request.state.session = session
    return session


Here = Annotated[Session, Depends(signed_in)]
"""Of a handler: the session of who reads."""


def posted(session: Here, csrf: Annotated[str, Form(max_length=200)] = "") -> Session:
    """Whose form it is; raises Denied for a form of another session."""
    if not secrets.compare_digest(csrf.encode(), session.csrf.encode()):
        raise Denied("This form is from another session, so nothing was done. Go back, reload the page and try again.")
    return session


Posted = Annotated[Session, Depends(posted)]
"""Of a handler: the session of who sent a form."""
