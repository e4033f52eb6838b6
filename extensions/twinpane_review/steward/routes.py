"""The steward's pages. A test tries every route of the router as everybody who is no steward."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from twinpane_review.context import At, Here, Posted

from .overview import DOING, LEAVING

HOME = "/steward"

router = APIRouter(prefix=HOME)


@router.get("")
def home(at: At, session: Here) -> Response:
    """The overview, with the switch."""
    grant = session.grant
    seen, stewards = at.desk.overview(grant), at.desk.stewards(grant)
    waiting = sum(view.waits for view in at.desk.projects.all(grant))
    doing = {kind.name: kind for kind in DOING}
    return at.page("steward.html", session, seen=seen, stewards=stewards, leaving=LEAVING, doing=doing, waiting=waiting)


@router.post("/freeze")
def freeze(
    at: At, session: Posted, reason: Annotated[str, Form(max_length=500)] = "", sure: Annotated[str, Form(max_length=10)] = ""
) -> Response:  # fmt: skip
    """Stop everything."""
    at.desk.freeze(session.grant, sure == "yes", reason)
    return RedirectResponse(HOME, 303)


@router.post("/unfreeze")
def unfreeze(at: At, session: Posted, entry: Annotated[int, Form(ge=1, le=2**53)]) -> Response:
    """Agree to go on; ``entry``: the freeze that the page showed."""
    at.desk.unfreeze(session.grant, entry)
    return RedirectResponse(HOME, 303)


@router.post("/reviewers")
def reviewers(at: At, session: Posted, names: Annotated[str, Form(max_length=20_000)] = "") -> Response:
    """Say anew who reviews exports."""
    at.desk.set_reviewers(session.grant, names)
    return RedirectResponse(f"{HOME}#reviewers", 303)


@router.post("/grant")
def grant(
    at: At, session: Posted, member: Annotated[str, Form(max_length=200)],
    bits: Annotated[float, Form(ge=0.1, le=1_000_000, allow_inf_nan=False)],
) -> Response:  # fmt: skip
    """Give a member more bits. ``member``: name and project, with a blank between; neither has one."""
    user, _, project = member.partition(" ")
    at.desk.grant_bits(session.grant, user, project, bits)
    return RedirectResponse(f"{HOME}#members", 303)
