"""Coming and going: to the hub, back from it, and out."""

import secrets

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from .context import At, Posted, is_local
from .identity import HubRefused
from .sessions import LONGEST, SIGN_IN

CALLBACK = "/oauth_callback"
"""Where the hub sends a browser back to; the hub has it registered under this name."""

router = APIRouter()


@router.get("/sign-in")
def sign_in(at: At, next: str = "/") -> Response:
    """Send the browser to the hub; it carries what it comes back with."""
    state = secrets.token_urlsafe(24)
    begin = at.identity.begin(state)
    reply = RedirectResponse(begin.url, 303)
    value = at.sealed.seal(state=state, verifier=begin.verifier, next=next if is_local(next) else "/")
    at.set_cookie(reply, f"{at.cookie}-sign-in", value, SIGN_IN)
    return reply


@router.get(CALLBACK)
async def callback(request: Request, at: At, state: str = "", code: str = "") -> Response:
    """Begin a session for who comes back from the hub."""
    kept = at.sealed.unseal(request.cookies.get(f"{at.cookie}-sign-in", ""))
    if kept is None or not code or not secrets.compare_digest(kept["state"].encode(), state.encode()):
        raise HubRefused("This sign-in was not begun in this browser, was refused at the hub, or took too long. Sign in again.")
    grant = await at.identity.finish(code, kept["verifier"])
    at.review.signed_in(grant.user, request.client.host if request.client else "")
    reply = RedirectResponse(kept["next"], 303)
    at.delete_cookie(reply, f"{at.cookie}-sign-in")
    at.set_cookie(reply, at.cookie, at.sessions.start(grant), LONGEST)
    return reply


@router.post("/sign-out")
def sign_out(request: Request, at: At, session: Posted) -> Response:
    """End the session."""
    at.sessions.end(request.cookies.get(at.cookie, ""))
    reply = RedirectResponse("/", 303)
    at.delete_cookie(reply, at.cookie)
    return reply
