"""The page of sessions: who works at the site now, what each session uses, and the button that ends one."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from twinpane_review.context import At, Here, Posted
from twinpane_wire.types import SessionId

HOME = "/steward/sessions"

router = APIRouter(prefix=HOME)


@router.get("")
def sessions(at: At, session: Here) -> Response:
    """Every open session."""
    return at.page("sessions.html", session, running=at.desk.sessions(session.grant))


@router.post("/stop")
def stop(at: At, session: Posted, stopped: Annotated[SessionId, Form(alias="session")]) -> Response:
    """Stop one."""
    at.desk.stop_session(session.grant, stopped)
    return RedirectResponse(HOME, 303)
