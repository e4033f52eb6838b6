"""The states of an export request and who owns each, as one table. Enforcement, pages, diagram and tests are all made from it.

An action without a row in the table is forbidden to everyone, in every state.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a request stands."""

    waiting = "waiting"  # nobody has handed in a review
    in_review = "in_review"  # some reviews are in, blind to each other, fewer than the quorum
    decided = "decided"  # the quorum is in; the site carries the decision out
    released = "released"  # at least one item left, with its receipt
    changes = "changes"  # nothing left; a reviewer asked for changes
    rejected = "rejected"  # nothing left
    stopped = "stopped"  # an approved item is not what was approved any more; nothing left


class Role(StrEnum):
    """A person's role in a request. The author of a request is only its author, whatever other roles the site gives them."""

    author = "author"
    reviewer = "reviewer"
    site = "site"  # the agent itself, never a person


class Action(StrEnum):
    """What can be done with a request."""

    open = "open"  # see the code, the real items, the twins, the checks
    mark = "mark"  # approve one item, ask for changes or reject it: a draft of one's own
    hand_in = "hand_in"  # make one's marks final
    release = "release"  # let the approved items out
    send_back = "send_back"  # tell the author that changes are asked for
    turn_down = "turn_down"  # tell the author that nothing will be released
    stop = "stop"  # refuse to release: bytes, recipient or purpose are not those that were approved
    retry = "retry"  # have a stopped or stuck request checked and carried out again


OWNERS: dict[State, Role] = {
    State.waiting: Role.reviewer,
    State.in_review: Role.reviewer,
    State.decided: Role.site,
    State.released: Role.author,
    State.changes: Role.author,
    State.rejected: Role.author,
    State.stopped: Role.reviewer,
}
"""Whose turn it is. Exactly one owner for each state."""


@dataclass(frozen=True)
class Transition:
    """In ``state``, ``role`` may take ``action``, and the request is then in one of ``targets`` (which one, a rule says)."""

    state: State
    action: Action
    role: Role
    targets: frozenset[State]


def _row(state: State, action: Action, role: Role, *targets: State) -> Transition:
    return Transition(state, action, role, frozenset(targets or (state,)))


TABLE: tuple[Transition, ...] = (
    *(_row(state, Action.open, Role.reviewer) for state in State),
    _row(State.waiting, Action.mark, Role.reviewer),
    _row(State.in_review, Action.mark, Role.reviewer),
    _row(State.waiting, Action.hand_in, Role.reviewer, State.in_review, State.decided),
    _row(State.in_review, Action.hand_in, Role.reviewer, State.in_review, State.decided),
    _row(State.decided, Action.release, Role.site, State.released),
    _row(State.decided, Action.send_back, Role.site, State.changes),
    _row(State.decided, Action.turn_down, Role.site, State.rejected),
    _row(State.decided, Action.stop, Role.site, State.stopped),
    _row(State.decided, Action.retry, Role.reviewer),
    _row(State.stopped, Action.retry, Role.reviewer, State.decided),
)

_INDEX = {(row.state, row.action, row.role): row.targets for row in TABLE}


def targets(state: State, action: Action, role: Role) -> frozenset[State]:
    """The states a request may be in after the action; empty when the table has no such row, which means forbidden."""
    return _INDEX.get((state, action, role), frozenset())


def closed(state: State) -> bool:
    """Whether nothing moves the request any more."""
    return all(row.targets == {state} for row in TABLE if row.state is state)


def mermaid() -> str:
    """The table as a Mermaid state diagram, owners in brackets."""
    lines = ["stateDiagram-v2", "    [*] --> waiting: submit (author)"]
    for state in State:
        lines.append(f"    {state.value}: {state.value} [{OWNERS[state].value}]")
    for row in TABLE:
        lines += [
            f"    {row.state.value} --> {target.value}: {row.action.value} ({row.role.value})"
            for target in State
            if target in row.targets and (target is not row.state or row.action is Action.hand_in)
        ]
    lines += [f"    {state.value} --> [*]" for state in State if closed(state)]
    return "\n".join(lines) + "\n"
