"""Coming and going: by an account of the site, or to the hub and back from it; and out."""

import logging
import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from .context import At, Context, Posted, is_local
from .identity import Grant, HubRefused
from .sessions import LONGEST, SIGN_IN

CALLBACK = "/oauth_callback"
"""Where the hub sends a browser back to; the hub has it registered under this name."""

OWN_ONLY = "This site's pages are open to its own accounts alone; its steward makes them. The hub cannot sign you in here."

log = logging.getLogger(__name__)
router = APIRouter()


@router.post("/sign-in")
def own_sign_in(
    request: Request, at: At, name: Annotated[str, Form(max_length=80)] = "", password: Annotated[str, Form(max_length=200)] = "",
    code: Annotated[str, Form(max_length=20)] = "", next: Annotated[str, Form(max_length=200)] = "/",
) -> Response:  # fmt: skip
    """Begin a session for an account of the site. That the form is ours, its origin says: there is no session yet."""
    grant, local = at.desk.prove(name, password, code), next if is_local(next) else "/"
    if grant is None:
        log.warning("wrong name, password or code, from %s", _address(request))
        return at.page("sign_in.html", None, 403, next=local, wrong=True)
    return _come_in(request, at, grant, local)


@router.get("/sign-in")
def sign_in(at: At, next: str = "/") -> Response:
    """Send the browser to the hub; it carries what it comes back with."""
    if at.identity is None:
        raise HubRefused(OWN_ONLY)
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
    if at.identity is None:
        raise HubRefused(OWN_ONLY)
    grant = await at.identity.finish(code, kept["verifier"])
    if not at.desk.stands(grant):
        raise HubRefused("This name has an account of the site itself, so the hub's word is not enough: sign in with that account.")
    reply = _come_in(request, at, grant, kept["next"])
    at.delete_cookie(reply, f"{at.cookie}-sign-in")
    return reply


def _come_in(request: Request, at: Context, grant: Grant, to: str) -> Response:
    """Record who came, and begin their session."""
    at.review.signed_in(grant.user, _address(request), steward=at.desk.is_steward(grant))
    reply = RedirectResponse(to, 303)
    at.set_cookie(reply, at.cookie, at.sessions.start(grant), LONGEST)
    return reply


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


@router.post("/sign-out")
def sign_out(request: Request, at: At, session: Posted) -> Response:
    """End the session."""
    at.sessions.end(request.cookies.get(at.cookie, ""))
    reply = RedirectResponse("/", 303)
    at.delete_cookie(reply, at.cookie)
    return reply
