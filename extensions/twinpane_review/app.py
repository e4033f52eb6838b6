"""The review pages: a FastAPI application that the agent serves on the site's own address.

Handlers that read or write are plain functions, so they run in threads and the agent's loop goes on. Every rule is asked of
``Review``; the pages only show its answers. Pages work without JavaScript; htmx only saves the scroll place.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, FastAPI, Form, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from twinpane_site.errors import SiteError
from twinpane_wire.items import Form as ItemForm

from . import pages, permissions, render
from .guard import Guard
from .identity import HubDown, HubRefused, Identity
from .model import Decision
from .policies import Denied
from .review import PAGE, NotFound, Review
from .sessions import LONGEST, SIGN_IN, Sealed, Session, Sessions
from .store import Altered

CALLBACK = "/oauth_callback"
"""Where the hub sends a browser back to; the hub has it registered under this name."""


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


def create_app(review: Review, identity: Identity, settings: Settings) -> FastAPI:
    """The application. ``review`` may be called from several threads; nothing else is shared with the agent."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, address=settings.address.rstrip("/"))
    app.mount("/static", StaticFiles(directory=render.HERE / "static"), name="static")
    env = render.environment()
    sessions, sealed = Sessions(settings.ticks), Sealed(settings.secret, settings.ticks)
    secure = settings.address.startswith("https:")
    # Cookies do not tell ports apart: several sites on one machine must not share one. On https nobody else can set ours.
    cookie = f"{'__Host-' if secure else ''}twinpane-review-{review.site}"
    title = settings.title or review.site

    def page(template: str, session: Session | None, status: int = 200, **values: object) -> HTMLResponse:
        shared = {
            "site": review.site, "site_title": title, "user": session.user if session else "", "csrf": session.csrf if session else "",
            "policy": review.policy,
        }  # fmt: skip
        return HTMLResponse(env.get_template(template).render(**shared, **values), status)

    def said(session: Session | None, status: int, heading: str, text: str, request: Request) -> Response:
        if request.headers.get("hx-request"):
            return page("toast.html", session, status, text=text)
        return page("message.html", session, status, heading=heading, text=text)

    # ------------------------------------------------------------ who

    async def signed_in(request: Request) -> Session:
        token = request.cookies.get(cookie, "")
        session = sessions.get(token)
        if session is None:
            raise SignedOut
        if sessions.stale(session):
            if not await identity.stands(session.grant):
                sessions.end(token)
                raise SignedOut
            sessions.confirm(token)
        request.state.session = session
        return session

    def posted(session: Annotated[Session, Depends(signed_in)], csrf: Annotated[str, Form(max_length=200)] = "") -> Session:
        if not secrets.compare_digest(csrf.encode(), session.csrf.encode()):
            raise Denied("This form is from another session, so nothing was done. Go back, reload the page and try again.")
        return session

    Here = Annotated[Session, Depends(signed_in)]
    Posted = Annotated[Session, Depends(posted)]

    @app.get("/sign-in")
    def sign_in(next: str = "/") -> Response:
        state = secrets.token_urlsafe(24)
        begin = identity.begin(state)
        reply = RedirectResponse(begin.url, 303)
        value = sealed.seal(state=state, verifier=begin.verifier, next=next if _is_local(next) else "/")
        reply.set_cookie(f"{cookie}-sign-in", value, max_age=int(SIGN_IN), path="/", httponly=True, samesite="lax", secure=secure)
        return reply

    @app.get(CALLBACK)
    async def callback(request: Request, state: str = "", code: str = "") -> Response:
        kept = sealed.unseal(request.cookies.get(f"{cookie}-sign-in", ""))
        if kept is None or not code or not secrets.compare_digest(kept["state"].encode(), state.encode()):
            raise HubRefused("This sign-in was not begun in this browser, was refused at the hub, or took too long. Sign in again.")
        grant = await identity.finish(code, kept["verifier"])
        review.signed_in(grant.user, request.client.host if request.client else "")
        reply = RedirectResponse(kept["next"], 303)
        reply.delete_cookie(f"{cookie}-sign-in", path="/", httponly=True, samesite="lax", secure=secure)
        reply.set_cookie(cookie, sessions.start(grant), max_age=int(LONGEST), path="/", httponly=True, samesite="lax", secure=secure)
        return reply

    @app.post("/sign-out")
    def sign_out(request: Request, session: Posted) -> Response:
        sessions.end(request.cookies.get(cookie, ""))
        reply = RedirectResponse("/", 303)
        reply.delete_cookie(cookie, path="/", httponly=True, samesite="lax", secure=secure)
        return reply

    # ------------------------------------------------------------ what

    @app.get("/")
    def queue(session: Here, n: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1) -> Response:
        waiting, done = review.queue(session.user, n)
        seen = pages.queue(session.user, review.policy, waiting, done, settings.clock())
        return page("queue.html", session, queue=seen, number=n, numbers=review.pages())

    @app.post("/reject")
    def reject(
        session: Posted, request: Annotated[list[str], Form(max_length=PAGE)], remark: Annotated[str, Form(max_length=8000)] = ""
    ) -> Response:
        review.reject_all(session.user, request, remark)
        return RedirectResponse("/", 303)

    @app.get("/requests/{request_id}")
    def show(request_id: str, session: Here) -> Response:
        seen = review.open(session.user, request_id)

        def contents(number: int, twin: bool) -> bytes:
            return review.content(session.user, request_id, number, twin=twin, record=False)

        view = pages.request(session.user, review.policy, seen, contents, settings.clock())
        return page("request.html", session, view=view)

    def image(session: Session, request_id: str, number: int, twin: bool) -> Response:
        item = review.peek(session.user, request_id).request.item(number)
        if item is None or (item.twin_form if twin else item.form) is not ItemForm.png:
            raise NotFound("There is no such picture.")
        return Response(review.content(session.user, request_id, number, twin=twin), media_type="image/png")

    @app.get("/requests/{request_id}/items/{number}/real.png")
    def real_image(request_id: str, number: int, session: Here) -> Response:
        return image(session, request_id, number, twin=False)

    @app.get("/requests/{request_id}/items/{number}/twin.png")
    def twin_image(request_id: str, number: int, session: Here) -> Response:
        return image(session, request_id, number, twin=True)

    @app.post("/requests/{request_id}/items/{number}/mark")
    def mark(
        request: Request, request_id: str, number: int, session: Posted,
        decision: Annotated[Decision, Form()], remark: Annotated[str, Form(max_length=8000)] = "",
    ) -> Response:  # fmt: skip
        error = ""
        try:
            review.mark(session.user, request_id, number, decision, remark)
        except NotFound:
            raise
        except Denied as denied:
            error = str(denied)
        if not error and not request.headers.get("hx-request"):
            return RedirectResponse(f"/requests/{quote(request_id)}#item-{number}", 303)
        seen = review.peek(session.user, request_id)
        item = seen.request.item(number)
        if item is None:
            raise NotFound("There is no such item.")
        if error and not request.headers.get("hx-request"):
            return said(session, 422, "This was not recorded", error, request)
        view = pages.item_view(session.user, review.policy, seen, item, None, error, remark if error else None)
        bar = pages.bar(session.user, review.policy, seen)
        return page("marked.html", session, 422 if error else 200, view=view, request=seen.request, bar=bar)

    @app.post("/requests/{request_id}/hand-in")
    def hand_in(request_id: str, session: Posted) -> Response:
        review.hand_in(session.user, request_id)
        return RedirectResponse(f"/requests/{quote(request_id)}", 303)

    @app.post("/requests/{request_id}/retry")
    def retry(request_id: str, session: Posted) -> Response:
        review.retry(session.user, request_id)
        return RedirectResponse(f"/requests/{quote(request_id)}", 303)

    # ------------------------------------------------------------ what went wrong

    def here(request: Request) -> Session | None:
        return getattr(request.state, "session", None)

    @app.exception_handler(SignedOut)
    def on_signed_out(request: Request, _error: SignedOut) -> Response:
        if request.headers.get("hx-request"):
            return Response(status_code=401, headers={"HX-Refresh": "true"})
        path = request.url.path if request.method == "GET" and _is_local(request.url.path) else "/"
        return page("sign_in.html", None, 401, next=quote(path))

    @app.exception_handler(NotFound)
    def on_not_found(request: Request, error: NotFound) -> Response:
        return said(here(request), 404, "Not here", str(error), request)

    @app.exception_handler(Denied)
    def on_denied(request: Request, error: Denied) -> Response:
        session = here(request)
        if session and not permissions.can_review_here(session.user, review.policy):
            return page("not_reviewer.html", session, 403)
        return said(session, 403, "Not allowed", str(error), request)

    @app.exception_handler(HubDown)
    def on_hub_down(request: Request, error: HubDown) -> Response:
        return page("hub.html", None, 503, heading="The hub does not answer", text=str(error))

    @app.exception_handler(HubRefused)
    def on_hub_refused(request: Request, error: HubRefused) -> Response:
        return page("hub.html", None, 403, heading="Not signed in", text=str(error))

    @app.exception_handler(Altered)
    def on_altered(request: Request, error: Altered) -> Response:
        return said(here(request), 409, "An item has changed", f"{error} Nothing has left. Tell the steward.", request)

    @app.exception_handler(SiteError)
    def on_site_error(request: Request, error: SiteError) -> Response:
        text = f"The site could not do this, so it was not done: {error} What is not recorded does not happen. Tell the steward."
        return said(here(request), 503, "Not done", text, request)

    @app.exception_handler(RequestValidationError)
    def on_malformed(request: Request, _error: RequestValidationError) -> Response:
        return said(here(request), 422, "Not understood", "This form or address is not one of this site's, so nothing was done.", request)

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> Response:
        text = "There is no such page at this site." if error.status_code == 404 else "This page cannot be used that way."
        return said(here(request), error.status_code, "Not here", text, request)

    return app


def _is_local(path: str) -> bool:
    """Whether a path is one of ours to come back to; anything else could lead the browser elsewhere."""
    return path == "/" or (path.startswith("/requests/") and len(path) == 42 and all(c in "0123456789abcdef" for c in path[10:]))
