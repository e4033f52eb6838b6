"""The queue, a request with its items, and what a reviewer does with them."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from twinpane_wire.items import Form as ItemForm

from . import pages, permissions
from .context import At, Context, Here, Posted, from_script
from .model import Decision
from .policies import Denied
from .review import PAGE, NotFound
from .sessions import Session

Remark = Annotated[str, Form(max_length=8000)]

router = APIRouter()


@router.get("/")
def queue(at: At, session: Here, n: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1) -> Response:
    """What waits for reviewers; a steward who is none has a page of their own."""
    if not permissions.can_review_here(session.user, at.review.policy) and at.desk.is_steward(session.grant):
        return RedirectResponse("/steward", 303)
    waiting, done = at.review.queue(session.user, n)
    seen = pages.queue(session.user, at.review.policy, waiting, done, at.settings.clock())
    return at.page("queue.html", session, queue=seen, number=n, numbers=at.review.pages())


@router.post("/reject")
def reject(at: At, session: Posted, request: Annotated[list[str], Form(max_length=PAGE)], remark: Remark = "") -> Response:
    """Reject requests whole; ``request``: their ids."""
    at.review.reject_all(session.user, request, remark)
    return RedirectResponse("/", 303)


@router.get("/requests/{request_id}")
def show(request_id: str, at: At, session: Here) -> Response:
    """A request with all that a reviewer may see."""
    seen = at.review.open(session.user, request_id)

    def contents(number: int, twin: bool) -> bytes:
        return at.review.content(session.user, request_id, number, twin=twin, record=False)

    view = pages.request(session.user, at.review.policy, seen, contents, at.settings.clock())
    return at.page("request.html", session, view=view)


@router.get("/requests/{request_id}/items/{number}/real.png")
def real_image(request_id: str, number: int, at: At, session: Here) -> Response:
    """The picture that is asked for."""
    return _image(at, session, request_id, number, twin=False)


@router.get("/requests/{request_id}/items/{number}/twin.png")
def twin_image(request_id: str, number: int, at: At, session: Here) -> Response:
    """Its twin."""
    return _image(at, session, request_id, number, twin=True)


def _image(at: Context, session: Session, request_id: str, number: int, twin: bool) -> Response:
    item = at.review.peek(session.user, request_id).request.item(number)
    if item is None or (item.twin_form if twin else item.form) is not ItemForm.png:
        raise NotFound("There is no such picture.")
    return Response(at.review.content(session.user, request_id, number, twin=twin), media_type="image/png")


@router.post("/requests/{request_id}/items/{number}/mark")
def mark(
    request: Request, request_id: str, number: int, at: At, session: Posted,
    decision: Annotated[Decision, Form()], remark: Remark = "",
) -> Response:  # fmt: skip
    """Decide on one item."""
    error = ""
    try:
        at.review.mark(session.user, request_id, number, decision, remark)
    except NotFound:
        raise
    except Denied as denied:
        error = str(denied)
    if from_script(request):
        return _marked(at, session, request_id, number, error, remark)
    if not error:
        return RedirectResponse(f"/requests/{quote(request_id)}#item-{number}", 303)
    at.review.peek(session.user, request_id)  # who may not see the request is told that instead
    return at.said(request, session, 422, "This was not recorded", error)


def _marked(at: Context, session: Session, request_id: str, number: int, error: str, remark: str) -> Response:
    """The item's part of the page anew, with what was wrong with the decision."""
    seen = at.review.peek(session.user, request_id)
    item = seen.request.item(number)
    if item is None:
        raise NotFound("There is no such item.")
    view = pages.item_view(session.user, at.review.policy, seen, item, None, error, remark if error else None)
    bar = pages.bar(session.user, at.review.policy, seen)
    return at.page("marked.html", session, 422 if error else 200, view=view, request=seen.request, bar=bar)


@router.post("/requests/{request_id}/hand-in")
def hand_in(request_id: str, at: At, session: Posted) -> Response:
    """Make one's marks final."""
    at.review.hand_in(session.user, request_id)
    return RedirectResponse(f"/requests/{quote(request_id)}", 303)


@router.post("/requests/{request_id}/retry")
def retry(request_id: str, at: At, session: Posted) -> Response:
    """Have a stopped request carried out again."""
    at.review.retry(session.user, request_id)
    return RedirectResponse(f"/requests/{quote(request_id)}", 303)
