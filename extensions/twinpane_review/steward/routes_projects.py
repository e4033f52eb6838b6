"""The pages of projects: the inbox of what the hub proposes, and each project with what a steward may do."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi import Path as InPath
from fastapi.responses import RedirectResponse, Response

from twinpane_review.context import At, Here, Posted
from twinpane_wire.messages import Decline

HOME = "/steward/projects"
REASONS = {
    Decline.not_taking_part: "The site takes no part in it",
    Decline.not_held: "It asks for tables or columns that the site does not have",
    Decline.too_much: "It asks for more than its purpose needs",
    Decline.purpose: "Its purpose is unclear, or not one the site may serve",
    Decline.legal_basis: "Its legal basis is missing, or does not hold here",
    Decline.people: "Somebody in it cannot be accepted",
}
"""The reasons, in the words of the page."""

Name = Annotated[str, InPath(pattern="^[a-z][a-z0-9-]{0,39}$")]
Digest = Annotated[str, Form(pattern="^[0-9a-f]{64}$")]
Names = Annotated[list[Annotated[str, Form(max_length=80)]], Form(max_length=300)]

router = APIRouter(prefix=HOME)


@router.get("")
def projects(at: At, session: Here) -> Response:
    """Every project, with what waits for a decision first."""
    return at.page("projects.html", session, views=at.desk.projects.all(session.grant))


@router.get("/{name}")
def project(at: At, session: Here, name: Name) -> Response:
    """One project."""
    view = at.desk.projects.one(session.grant, name)
    return at.page("project.html", session, view=view, reasons=REASONS, budget=at.desk.budget(session.grant))


@router.post("/{name}/accept")
def accept(
    at: At, session: Posted, name: Name, proposal: Digest, until: Annotated[date, Form()], members: Names = [], tables: Names = []  # noqa: B006
) -> Response:  # fmt: skip
    """Accept it, in whole or in part."""
    at.desk.projects.accept(session.grant, name, proposal, members, tables, until)
    return _back(name)


@router.post("/{name}/decline")
def decline(at: At, session: Posted, name: Name, proposal: Digest, reason: Annotated[Decline, Form()]) -> Response:
    """Decline it."""
    at.desk.projects.decline(session.grant, name, proposal, reason)
    return _back(name)


@router.post("/{name}/suspend")
def suspend(at: At, session: Posted, name: Name) -> Response:
    """Suspend it."""
    at.desk.projects.suspend(session.grant, name)
    return _back(name)


@router.post("/{name}/go-on")
def go_on(at: At, session: Posted, name: Name) -> Response:
    """Let it go on."""
    at.desk.projects.go_on(session.grant, name)
    return _back(name)


@router.post("/{name}/end")
def end(at: At, session: Posted, name: Name, typed: Annotated[str, Form(max_length=80)] = "") -> Response:
    """End it for good."""
    at.desk.projects.end(session.grant, name, typed)
    return _back(name)


@router.post("/{name}/members")
def members(at: At, session: Posted, name: Name, members: Annotated[str, Form(max_length=30_000)] = "") -> Response:
    """Say anew who may work in it."""
    at.desk.projects.set_members(session.grant, name, members)
    return _back(name)


def _back(name: str) -> Response:
    return RedirectResponse(f"{HOME}/{name}", 303)
