"""What a browser is told where a request was not done: one answer for each error, all with a sentence of what to do."""

from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from twinpane_site.errors import SiteError

from . import permissions
from .context import Context, SignedOut, from_script, is_local
from .identity import HubDown, HubRefused
from .policies import Denied
from .review import NotFound
from .sessions import Session
from .store import Altered


def add_error_pages(app: FastAPI, at: Context) -> None:
    """Answer every error that a handler lets out."""

    def said(request: Request, status: int, heading: str, text: str) -> Response:
        return at.said(request, _session(request), status, heading, text)

    @app.exception_handler(SignedOut)
    def on_signed_out(request: Request, _error: SignedOut) -> Response:
        if from_script(request):
            return Response(status_code=401, headers={"HX-Refresh": "true"})
        path = request.url.path if request.method == "GET" and is_local(request.url.path) else "/"
        return at.page("sign_in.html", None, 401, next=quote(path))

    @app.exception_handler(NotFound)
    def on_not_found(request: Request, error: NotFound) -> Response:
        return said(request, 404, "Not here", str(error))

    @app.exception_handler(Denied)
    def on_denied(request: Request, error: Denied) -> Response:
        session = _session(request)
        if session and not permissions.can_review_here(session.user, at.review.policy):
            return at.page("not_reviewer.html", session, 403)
        return said(request, 403, "Not allowed", str(error))

    @app.exception_handler(HubDown)
    def on_hub_down(_request: Request, error: HubDown) -> Response:
        return at.page("hub.html", None, 503, heading="The hub does not answer", text=str(error))

    @app.exception_handler(HubRefused)
    def on_hub_refused(_request: Request, error: HubRefused) -> Response:
        return at.page("hub.html", None, 403, heading="Not signed in", text=str(error))

    @app.exception_handler(Altered)
    def on_altered(request: Request, error: Altered) -> Response:
        return said(request, 409, "An item has changed", f"{error} Nothing has left. Tell the steward.")

    @app.exception_handler(SiteError)
    def on_site_error(request: Request, error: SiteError) -> Response:
        text = f"The site could not do this, so it was not done: {error} What is not recorded does not happen. Tell the steward."
        return said(request, 503, "Not done", text)

    @app.exception_handler(RequestValidationError)
    def on_malformed(request: Request, _error: RequestValidationError) -> Response:
        return said(request, 422, "Not understood", "This form or address is not one of this site's, so nothing was done.")

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> Response:
        text = "There is no such page at this site." if error.status_code == 404 else "This page cannot be used that way."
        return said(request, error.status_code, "Not here", text)


def _session(request: Request) -> Session | None:
    return getattr(request.state, "session", None)
