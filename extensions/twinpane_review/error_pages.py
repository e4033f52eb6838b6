"""The browser's answer to each error of a request. Every answer has a sentence that says what to do."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from twinpane_site.errors import SiteError

from . import permissions
from .context import SignedOut, context_of, from_script, is_local
from .identity import HubDown, HubRefused
from .policies import Denied
from .review import NotFound
from .sessions import Session
from .store import Altered


def add_error_pages(app: FastAPI) -> None:
    """Answer every error that a handler lets out."""
    app.exception_handler(SignedOut)(on_signed_out)
    app.exception_handler(NotFound)(on_not_found)
    app.exception_handler(Denied)(on_denied)
    app.exception_handler(HubDown)(on_hub_down)
    app.exception_handler(HubRefused)(on_hub_refused)
    app.exception_handler(Altered)(on_altered)
    app.exception_handler(SiteError)(on_site_error)
    app.exception_handler(RequestValidationError)(on_malformed)
    app.exception_handler(HTTPException)(on_http)


def on_signed_out(request: Request, _error: SignedOut) -> Response:
    """Nobody is signed in: ask for it, and come back here."""
    if from_script(request):
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    path = request.url.path if request.method == "GET" and is_local(request.url.path) else "/"
    return context_of(request).page("sign_in.html", None, 401, next=path, wrong=False)


def on_not_found(request: Request, error: NotFound) -> Response:
    """There is no such thing, for this person."""
    return _said(request, 404, "Not here", str(error))


def on_denied(request: Request, error: Denied) -> Response:
    """A rule forbids it. A person who is no reviewer here gets a page that names the reviewers."""
    at, session = context_of(request), _session(request)
    if session and not permissions.can_review_here(session.user, at.review.policy) and not at.desk.is_steward(session.grant):
        return at.page("not_reviewer.html", session, 403)
    return _said(request, 403, "Not allowed", str(error))


def on_hub_down(request: Request, error: HubDown) -> Response:
    """The hub cannot say who this is."""
    return context_of(request).page("hub.html", None, 503, heading="The hub does not answer", text=str(error))


def on_hub_refused(request: Request, error: HubRefused) -> Response:
    """The hub says no."""
    return context_of(request).page("hub.html", None, 403, heading="Not signed in", text=str(error))


def on_altered(request: Request, error: Altered) -> Response:
    """What lies in the store is not what was stored."""
    return _said(request, 409, "An item has changed", f"{error} Nothing has left. Tell the steward.")


def on_site_error(request: Request, error: SiteError) -> Response:
    """The site cannot do it now."""
    text = f"The site could not do this, so it was not done: {error} What is not recorded does not happen. Tell the steward."
    return _said(request, 503, "Not done", text)


def on_malformed(request: Request, _error: RequestValidationError) -> Response:
    """No page of ours sends that."""
    return _said(request, 422, "Not understood", "This form or address is not one of this site's, so nothing was done.")


def on_http(request: Request, error: HTTPException) -> Response:
    """No page, or not in that way."""
    text = "There is no such page at this site." if error.status_code == 404 else "This page cannot be used that way."
    return _said(request, error.status_code, "Not here", text)


def _said(request: Request, status: int, heading: str, text: str) -> Response:
    return context_of(request).said(request, _session(request), status, heading, text)


def _session(request: Request) -> Session | None:
    return getattr(request.state, "session", None)
