"""Turns marks into a decision. Approval needs every vote of the quorum; anything less is not approval."""

from collections.abc import Iterable

from twinpane_wire.messages import ExportState

from .model import Decision, Mark, Request, ReviewItem, ReviewPolicy
from .states import Action, State

ENDS = {Action.release: State.released, Action.send_back: State.changes, Action.turn_down: State.rejected}
"""The state that what the site does leaves a request in."""
AUTHOR_SEES: dict[State, ExportState] = {
    State.waiting: ExportState.submitted,
    State.in_review: ExportState.submitted,
    State.decided: ExportState.submitted,
    State.stopped: ExportState.submitted,
    State.released: ExportState.released,
    State.changes: ExportState.changes,
    State.rejected: ExportState.rejected,
}
"""What the author is told of each state: how far reviewers are, or that a release was stopped, stays inside."""


def counted(request: Request, policy: ReviewPolicy) -> tuple[str, ...]:
    """The reviewers whose handed-in reviews count today: named by the policy as it stands now, and not the author."""
    return tuple(r.reviewer for r in request.handed_in if r.reviewer in policy.reviewers and r.reviewer != request.author)


def complete(request: Request, policy: ReviewPolicy) -> bool:
    """Whether the quorum is in."""
    return len(set(counted(request, policy))) >= policy.quorum


def marks_on(request: Request, policy: ReviewPolicy, item: ReviewItem) -> tuple[Mark, ...]:
    """The marks that count on an item."""
    voters = counted(request, policy)
    return tuple(mark for mark in request.marks if mark.number == item.number and mark.reviewer in voters)


def item_decision(marks: Iterable[Mark], quorum: int) -> Decision:
    """Approve when at least ``quorum`` different reviewers say so and no one says otherwise; reject when anyone does; else changes."""
    by_reviewer = {mark.reviewer: mark.decision for mark in marks}
    said = set(by_reviewer.values())
    if said == {Decision.approve} and len(by_reviewer) >= quorum:
        return Decision.approve
    return Decision.reject if Decision.reject in said else Decision.changes


def decide(request: Request, policy: ReviewPolicy) -> dict[int, Decision]:
    """The decision on each item, by its number."""
    return {item.number: item_decision(marks_on(request, policy, item), policy.quorum) for item in request.items}


def outcome(decisions: dict[int, Decision]) -> Action:
    """What the site does: release what was approved (partial release is allowed), else send back, else turn down."""
    said = set(decisions.values())
    if Decision.approve in said:
        return Action.release
    return Action.send_back if Decision.changes in said else Action.turn_down


def remark_for_author(request: Request, policy: ReviewPolicy, limit: int) -> str:
    """What the reviewers wrote on what was not approved, without their names.

    One line for each cell or file of the ask, not for each item: how many things were held of a cell is not told.
    """
    words = {Decision.changes: "changes requested", Decision.reject: "rejected"}
    decisions = decide(request, policy)
    lines = []
    for ask in request.asks:
        refused = [item for item in request.items if item.index == ask.index and decisions[item.number] is not Decision.approve]
        if not refused:
            continue
        worst = Decision.reject if any(decisions[item.number] is Decision.reject for item in refused) else Decision.changes
        said = [m.remark.strip() for item in refused for m in marks_on(request, policy, item) if m.decision is not Decision.approve]
        lines.append(f"{ask.subject}: {words[worst]}. " + " / ".join(dict.fromkeys(said)))
    text = "\n".join(lines)
    return text if len(text) <= limit else text[: limit - 1] + "…"
