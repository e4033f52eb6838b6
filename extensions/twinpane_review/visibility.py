"""Who may see which reviewer's work, and when: the blind rule, in one place."""

from collections.abc import Iterable

from .model import Happening, Mark, Request
from .states import State

BLIND = frozenset({State.waiting, State.in_review})
"""In these states reviewers do not see each other's work, whatever they have done themselves."""

SITE = "the site"
"""The actor of what the site itself did: no person's name, since names have no blanks."""


def may_see_review(reader: str, reviewer: str, request: Request) -> bool:
    """Whether ``reader`` may see what ``reviewer`` marked and wrote in the request.

    The author: never. One's own: always. Another's: once the quorum is in, and only of reviewers who handed in.
    """
    if reader == request.author:
        return False
    if reader == reviewer:
        return True
    return request.state not in BLIND and request.has_handed_in(reviewer)


def visible_marks(reader: str, request: Request) -> Iterable[Mark]:
    """The marks that ``reader`` may see."""
    return (mark for mark in request.marks if may_see_review(reader, mark.reviewer, request))


def visible_history(reader: str, request: Request, history: Iterable[Happening]) -> Iterable[Happening]:
    """The lines of the history that ``reader`` may see: author's and site's always, reviewers' by the blind rule."""
    return (
        line
        for line in history
        if reader != request.author and (line.actor in (SITE, request.author) or may_see_review(reader, line.actor, request))
    )
