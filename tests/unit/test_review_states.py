"""The table of states: every state × action × role has one cell, and what is not in the table is forbidden."""

import itertools

import pytest

from twinpane_review.policies import WHY_NOT, Denied, check_state_allows
from twinpane_review.states import OWNERS, TABLE, Action, Role, State, closed, mermaid, targets

W, I, D, R, C, X, S = (  # noqa: E741
    State.waiting,
    State.in_review,
    State.decided,
    State.released,
    State.changes,
    State.rejected,
    State.stopped,
)

ALLOWED: dict[tuple[State, Action, Role], set[State]] = {
    **{(state, Action.open, Role.reviewer): {state} for state in State},
    (W, Action.mark, Role.reviewer): {W},
    (I, Action.mark, Role.reviewer): {I},
    (W, Action.hand_in, Role.reviewer): {I, D},
    (I, Action.hand_in, Role.reviewer): {I, D},
    (D, Action.release, Role.site): {R},
    (D, Action.send_back, Role.site): {C},
    (D, Action.turn_down, Role.site): {X},
    (D, Action.stop, Role.site): {S},
    (D, Action.retry, Role.reviewer): {D},
    (S, Action.retry, Role.reviewer): {D},
}
"""Written out by hand, so that a change of the table has to be meant."""

CELLS = list(itertools.product(State, Action, Role))


@pytest.mark.parametrize(("state", "action", "role"), CELLS, ids=lambda value: value.value)
def test_every_cell_of_the_table_is_as_written_here(state: State, action: Action, role: Role) -> None:
    expected = ALLOWED.get((state, action, role), set())
    assert targets(state, action, role) == expected
    if expected:
        check_state_allows(state, action, role)
    else:
        with pytest.raises(Denied, match=r"\.$"):
            check_state_allows(state, action, role)


def test_every_state_has_one_owner_and_a_sentence() -> None:
    assert OWNERS.keys() == WHY_NOT.keys() == set(State)


def test_an_author_moves_no_request_and_only_the_site_releases() -> None:
    """An author never moves a request, and nobody but the site releases."""
    assert all(row.targets == {row.state} for row in TABLE if row.role is Role.author)
    assert {row.role for row in TABLE if State.released in row.targets and row.state is not State.released} == {Role.site}


def test_released_is_reached_only_through_decided() -> None:
    assert {row.state for row in TABLE if State.released in row.targets} - {State.released} == {State.decided}


def test_closed_states_are_those_that_nothing_leaves() -> None:
    assert {state for state in State if closed(state)} == {R, C, X}


def test_no_row_is_written_twice() -> None:
    keys = [(row.state, row.action, row.role) for row in TABLE]
    assert len(keys) == len(set(keys))


def test_the_diagram_shows_every_state_and_every_move() -> None:
    text = mermaid()
    for row in TABLE:
        for target in row.targets - {row.state}:
            assert f"{row.state.value} --> {target.value}: {row.action.value} ({row.role.value})" in text
    assert all(f"{state.value} [{OWNERS[state].value}]" in text for state in State)
