"""What the state of a request and the site's policy allow, whoever asks. A rule ``check_can_x`` raises.

The sentence of the refusal is fit to show: it becomes the tooltip of the disabled button, the text of the page and of the log.
"""

from .model import Decision, Request, ReviewItem, ReviewPolicy
from .states import Action, Role, State, targets


class Denied(PermissionError):
    """Not allowed; the message is a sentence for the person who asked."""


WHY_NOT: dict[State, str] = {
    State.waiting: "No review has been handed in yet.",
    State.in_review: "Not enough reviews have been handed in yet.",
    State.decided: "Enough reviews are in: the decision is made and is being carried out.",
    State.released: "This request is closed: the approved items have been released.",
    State.changes: "This request is closed: changes were asked for. The author can send a new one.",
    State.rejected: "This request is closed: it was rejected. The author can send a new one.",
    State.stopped: "This request is stopped: what lies in the store is not what was approved. Nothing has left.",
}


def check_state_allows(state: State, action: Action, role: Role) -> None:
    """Raises Denied unless the table of states has the row."""
    if targets(state, action, role):
        return
    if any(targets(other, action, role) for other in State):
        raise Denied(WHY_NOT[state])
    raise Denied(f"This is not for the {role.value} of a request to do.")


def check_can_decide(item: ReviewItem, decision: Decision, remark: str) -> None:
    """Raises Denied for a decision that the item does not bear, or that lacks the remark the author needs."""
    if decision is Decision.approve and item.form is None:
        raise Denied("There is nothing here in a form that can leave. Ask for changes or reject, and say why.")
    if decision is not Decision.approve and not remark.strip():
        raise Denied("Write a remark: the author has to know what to change, or why not.")
    if len(remark) > 1000:
        raise Denied("A remark has at most 1,000 characters.")


def check_can_reach_quorum(request: Request, policy: ReviewPolicy) -> None:
    """Raises Denied when the site names too few reviewers besides the author: the request could wait for ever."""
    others = [name for name in policy.reviewers if name != request.author]
    if len(others) < policy.quorum:
        raise Denied(
            f"This site asks for {policy.quorum} reviews and names {len(others)} reviewer{'' if len(others) == 1 else 's'} "
            "besides the author. The steward has to name more in policy.toml before this request can be decided."
        )
