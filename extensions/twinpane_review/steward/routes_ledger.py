"""The ledger in the browser: search, pages, files, and the steward's mark of having seen it."""

from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from twinpane_review.context import At, Here, Posted
from twinpane_review.policies import Denied
from twinpane_site.ledger import who
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.ledger_export import Format, exported, in_words
from twinpane_site.ledger_search import Wanted

PAGE = 100
"""Lines on one page."""
NEWEST = 2**53
"""No line has this number."""
MOST = 50_000
"""Lines of one file: what is served within a request's time."""
TYPES = {Format.csv: "text/csv; charset=utf-8", Format.jsonl: "application/jsonl; charset=utf-8"}

router = APIRouter(prefix="/steward")


def wanted(
    kind: Annotated[LedgerEvent | Literal[""], Query()] = "", project: Annotated[str, Query(max_length=40)] = "",
    person: Annotated[str, Query(max_length=80)] = "", since: Annotated[date | Literal[""], Query()] = "",
    until: Annotated[date | Literal[""], Query()] = "",
) -> Wanted:  # fmt: skip
    """What the form of the page asks for; an empty field asks for nothing."""
    return Wanted(kind or None, project.strip(), person.strip().lower(), since or None, until or None)


Asked = Annotated[Wanted, Depends(wanted)]


def query_of(asked: Wanted) -> str:
    """The same as a part of an address."""
    kind = asked.kind and asked.kind.value
    given = {"kind": kind, "project": asked.project, "person": asked.person, "since": asked.since, "until": asked.until}
    return urlencode({name: value for name, value in given.items() if value})


@router.get("/ledger")
def show(at: At, session: Here, asked: Asked, before: Annotated[int, Query(ge=1, le=NEWEST)] = NEWEST) -> Response:
    """A page of the ledger, the newest lines first."""
    entries, marks = at.desk.ledger(session.grant, asked, PAGE + 1, before)
    shown, newest = entries[:PAGE], asked == Wanted() and before == NEWEST
    return at.page(
        "ledger.html", session, wanted=asked, entries=shown, kinds=list(LedgerEvent), before=before < NEWEST, query=query_of(asked),
        marks=marks, older=shown[-1].seq if len(entries) > PAGE else None, whole=newest, who=who, in_words=in_words, most=MOST,
    )  # fmt: skip


@router.get("/ledger.{form}")
def file(form: Format, at: At, session: Here, asked: Asked) -> Response:
    """All lines that fit, as a file. Never a part of them: too many are refused."""
    entries = at.desk.all_of_ledger(session.grant, asked, MOST)
    if entries is None:
        raise Denied(f"More than {MOST:,} lines fit. Give a shorter time, or use `twinpane site ledger show` at the site's terminal.")
    headers = {"Content-Disposition": f'attachment; filename="ledger-{at.review.site}.{form.value}"'}
    return StreamingResponse(exported(entries, form), media_type=TYPES[form], headers=headers)


@router.post("/ledger/seen")
def seen(at: At, session: Posted, upto: Annotated[int, Form(ge=1, le=2**53)]) -> Response:
    """Sign off."""
    at.desk.sign_off(session.grant, upto)
    return RedirectResponse("/steward/ledger", 303)
