"""Decides what a person may do with a request now: from their role (here) and from the request's state (policies.py).

Default: no. The author is excluded first, before any right they hold as a reviewer.
"""

from collections.abc import Callable
from typing import ParamSpec

from .model import Decision, Request, ReviewItem, ReviewPolicy
from .policies import Denied, check_can_decide, check_state_allows
from .states import Action, Role

P = ParamSpec("P")


def check_can_review_here(person: str, policy: ReviewPolicy) -> None:
    """Raises Denied for people the site's policy does not name as reviewers."""
    if person not in policy.reviewers:
        raise Denied("Only the reviewers that this site names in its policy can see its requests.")


def _check_reviews_it(person: str, request: Request, policy: ReviewPolicy) -> None:
    if person == request.author:
        raise Denied("You wrote this request. Others review it; its real items are not shown to you.")
    check_can_review_here(person, policy)


def _check_not_handed_in(person: str, request: Request) -> None:
    if request.has_handed_in(person):
        raise Denied("You have handed in your review; it is final.")


def check_can_open(person: str, request: Request, policy: ReviewPolicy) -> None:
    """Reviewers other than the author see a request, in every state."""
    _check_reviews_it(person, request, policy)
    check_state_allows(request.state, Action.open, Role.reviewer)


def check_can_mark(person: str, request: Request, policy: ReviewPolicy) -> None:
    """Reviewers mark items until they hand in, or until the request is decided without them."""
    _check_reviews_it(person, request, policy)
    _check_not_handed_in(person, request)
    check_state_allows(request.state, Action.mark, Role.reviewer)


def check_can_mark_item(person: str, request: Request, policy: ReviewPolicy, item: ReviewItem, decision: Decision, remark: str) -> None:
    """A mark on this item, with this decision and this remark."""
    check_can_mark(person, request, policy)
    check_can_decide(item, decision, remark)


def check_can_hand_in(person: str, request: Request, policy: ReviewPolicy) -> None:
    """Every item needs a mark of one's own before the review is handed in; once."""
    _check_reviews_it(person, request, policy)
    _check_not_handed_in(person, request)
    check_state_allows(request.state, Action.hand_in, Role.reviewer)
    missing = [item.number for item in request.items if request.mark_of(person, item.number) is None]
    if missing:
        raise Denied(f"Decide on every item first: {len(missing)} of {len(request.items)} to go.")


def check_can_retry(person: str, request: Request, policy: ReviewPolicy) -> None:
    """Reviewers may have a stopped request checked again, once the store is repaired."""
    _check_reviews_it(person, request, policy)
    check_state_allows(request.state, Action.retry, Role.reviewer)


def _answers(check: Callable[P, None]) -> Callable[P, bool]:
    def can(*args: P.args, **named: P.kwargs) -> bool:
        try:
            check(*args, **named)
        except Denied:
            return False
        return True

    can.__name__ = check.__name__.removeprefix("check_")
    can.__doc__ = f"Whether ``{check.__name__}`` passes."
    return can


can_review_here = _answers(check_can_review_here)
can_mark = _answers(check_can_mark)
can_retry = _answers(check_can_retry)


def why_not(check: Callable[P, None], *args: P.args, **named: P.kwargs) -> str:
    """The sentence of a refusal, empty when it is allowed: what a page puts on a disabled button."""
    try:
        check(*args, **named)
    except Denied as denied:
        return str(denied)
    return ""
