"""The content of the pages, as values, before any template. It is made only from what a person may see. All rules are elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from twinpane_wire.items import Form, NotAForm

from . import checks, permissions, policies, render
from .model import Ask, Decision, Mark, Request, ReviewItem, ReviewPolicy
from .review import Seen
from .states import State, closed
from .store import Altered
from .visibility import BLIND

STATE_WORDS: dict[State, tuple[str, str]] = {
    State.waiting: ("Waiting for reviews", "No review has been handed in yet."),
    State.in_review: ("In review", "Some reviews are in. They stay hidden until enough are."),
    State.decided: ("Being carried out", "Enough reviews are in. The decision has not been carried out yet."),
    State.released: ("Released", "What was approved has been sent to the author, each item with a signed receipt."),
    State.changes: ("Changes requested", "Nothing has left. The author has the remarks and can ask again."),
    State.rejected: ("Rejected", "Nothing has left. The author has the remarks."),
    State.stopped: ("Stopped", "Nothing has left: what lies in the store is not what was approved."),
}
"""How a state is called, and what it means."""


@dataclass(frozen=True)
class QueueRow:
    """A request in the queue."""

    id: str
    author: str
    project: str
    purpose: str
    items: str
    age: str
    submitted_at: datetime
    state: State
    state_words: str
    reviews_in: int
    quorum: int
    mine: str
    yours: bool
    """The person wrote it: others review it, and it does not open."""


@dataclass(frozen=True)
class Queue:
    """The queue in the order of what a reviewer has to do."""

    for_you: list[QueueRow] = field(default_factory=list)
    with_others: list[QueueRow] = field(default_factory=list)
    done: list[QueueRow] = field(default_factory=list)


def queue(person: str, policy: ReviewPolicy, waiting: list[Seen], done: list[Seen], now: datetime) -> Queue:
    """The queue page of a person."""
    found = Queue()
    for seen in waiting:
        request = seen.request
        acts = permissions.can_mark(person, request, policy) or permissions.can_retry(person, request, policy)
        (found.for_you if acts else found.with_others).append(_row(person, policy, seen, now))
    found.done.extend(_row(person, policy, seen, now) for seen in done)
    return found


def _row(person: str, policy: ReviewPolicy, seen: Seen, now: datetime) -> QueueRow:
    request = seen.request
    decided = sum(request.mark_of(person, item.number) is not None for item in request.items)
    yours = person == request.author
    if yours:
        mine = "yours; others review it"
    elif permissions.can_retry(person, request, policy):
        mine = "needs to be checked again"
    elif request.has_handed_in(person):
        mine = "your review is in"
    elif closed(request.state) or not permissions.can_mark(person, request, policy):
        mine = "not reviewed by you"
    elif decided:
        mine = f"{decided} of {len(request.items)} decided"
    else:
        mine = "not begun"
    return QueueRow(
        request.id, request.author, request.project, request.purpose, "" if yours else render.plural(len(request.items), "item"),
        render.age(request.submitted_at, now), request.submitted_at, request.state, STATE_WORDS[request.state][0],
        seen.others_in + request.has_handed_in(person), policy.quorum, mine, yours,
    )  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """One side of the pair: the real item or its twin, ready to be shown."""

    form: Form | None
    text: Markup = Markup("")  # noqa: RUF009 - Markup is an immutable str
    wide: bool = False
    table: list[list[render.Cell]] = field(default_factory=list)
    numeric: tuple[bool, ...] = ()
    """Of each column of a table, whether it holds numbers."""
    image: str = ""
    facts: checks.PictureFacts | None = None
    fault: str = ""


@dataclass(frozen=True)
class ItemView:
    """An item with its twin, what the checks found, and the decisions that the person may see."""

    item: ReviewItem
    real: Panel
    twin: Panel
    results: tuple[checks.Result, ...]
    mine: Mark | None
    others: tuple[Mark, ...]
    why_not: str
    """Why the person cannot decide on it now; empty when they can."""
    why_not_approve: str
    error: str = ""
    """What was wrong with the decision just sent."""
    remark: str = ""

    @property
    def found(self) -> tuple[checks.Result, ...]:
        return tuple(result for result in self.results if result.found)

    @property
    def clear(self) -> tuple[checks.Result, ...]:
        return tuple(result for result in self.results if not result.found)


@dataclass(frozen=True)
class AskView:
    """A cell or file that was asked for, with its items."""

    ask: Ask
    items: tuple[ItemView, ...]


@dataclass(frozen=True)
class Bar:
    """The bar at the foot: how far the person is, and the button that hands in."""

    done: int
    total: int
    why_not: str
    handed_in: bool
    can_act: bool


@dataclass(frozen=True)
class RequestView:
    """The page of a request."""

    seen: Seen
    request: Request
    title: str
    meaning: str
    age: str
    reviews_in: int
    blind: bool
    warning: str
    why_not_retry: str
    asks: tuple[AskView, ...]
    bar: Bar


Contents = Callable[[int, bool], bytes]
"""(number of an item, whether its twin) -> bytes; raises Altered."""


def request(person: str, policy: ReviewPolicy, seen: Seen, contents: Contents, now: datetime) -> RequestView:
    """The page of a request, for a person who may see it."""
    r = seen.request
    title, meaning = STATE_WORDS[r.state]
    views = {item.number: item_view(person, policy, seen, item, contents) for item in r.items}
    return RequestView(
        seen=seen, request=r, title=title, meaning=meaning, age=render.age(r.submitted_at, now),
        reviews_in=seen.others_in + r.has_handed_in(person),
        blind=r.state in BLIND,
        warning="" if closed(r.state) else permissions.why_not(policies.check_can_reach_quorum, r, policy),
        why_not_retry=permissions.why_not(permissions.check_can_retry, person, r, policy),
        asks=tuple(AskView(ask, tuple(views[i.number] for i in r.items if i.index == ask.index)) for ask in r.asks),
        bar=bar(person, policy, seen),
    )  # fmt: skip


def bar(person: str, policy: ReviewPolicy, seen: Seen) -> Bar:
    """The bar at the foot of a request."""
    r = seen.request
    return Bar(
        done=sum(r.mark_of(person, item.number) is not None for item in r.items),
        total=len(r.items),
        why_not=permissions.why_not(permissions.check_can_hand_in, person, r, policy),
        handed_in=r.has_handed_in(person),
        can_act=permissions.can_mark(person, r, policy),
    )


def item_view(
    person: str, policy: ReviewPolicy, seen: Seen, item: ReviewItem, contents: Contents | None, error: str = "", remark: str | None = None
) -> ItemView:
    """One item; without ``contents`` only its decision part."""
    r = seen.request
    results: tuple[checks.Result, ...] = ()
    real = twin = Panel(None)
    if contents is not None:
        base = f"/requests/{r.id}/items/{item.number}"
        try:
            content = contents(item.number, False) if item.form else b""
            results = checks.run(item.form, content, policy.threshold) if item.form else ()
            real = _panel(item.form, content, f"{base}/real.png", results)
        except (Altered, NotAForm) as fault:
            real = Panel(None, fault=str(fault))
        try:
            twin = _panel(item.twin_form, contents(item.number, True) if item.twin_form else b"", f"{base}/twin.png", ())
        except (Altered, NotAForm) as fault:
            twin = Panel(None, fault=str(fault))
    mine = r.mark_of(person, item.number)
    return ItemView(
        item=item, real=real, twin=twin, results=results, mine=mine,
        others=tuple(mark for mark in r.marks if mark.number == item.number and mark.reviewer != person),
        why_not=permissions.why_not(permissions.check_can_mark, person, r, policy),
        why_not_approve=permissions.why_not(policies.check_can_decide, item, Decision.approve, ""),
        error=error, remark=remark if remark is not None else (mine.remark if mine else ""),
    )  # fmt: skip


def _panel(form: Form | None, content: bytes, image: str, results: tuple[checks.Result, ...]) -> Panel:
    match form:
        case Form.text:
            return Panel(form, text=render.text(content, results), wide=render.is_wide(content))
        case Form.csv:
            table = render.table(content, results)
            return Panel(form, table=table, numeric=tuple(any(row[c].number for row in table[1:]) for c in range(len(table[0]))))
        case Form.png:
            return Panel(form, image=image, facts=checks.picture_facts(content))
    return Panel(None)
