"""Who may see which reviewer's marks, and when: the blind rule, in one place."""

from collections.abc import Iterable

from .model import Mark, Request
from .states import State

BLIND = frozenset({State.waiting, State.in_review})
"""In these states reviewers do not see each other's work, whatever they have done themselves."""


def may_see_review(reader: str, reviewer: str, request: Request) -> bool:
    """Whether ``reader`` may see what ``reviewer`` marked, wrote or did in the request.

    One's own: always. The author's view: never. Another's: once the quorum is in, and only of reviewers who handed in.
    """
    if reader == request.author:
        return False
    if reader == reviewer:
        return True
    return request.state not in BLIND and request.has_handed_in(reviewer)


def visible_marks(reader: str, request: Request) -> Iterable[Mark]:
    """The marks that ``reader`` may see."""
    return (mark for mark in request.marks if may_see_review(reader, mark.reviewer, request))
