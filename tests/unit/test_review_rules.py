"""Who may do what, who may see whose votes, and what votes add up to."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from twinpane_review import permissions, policies
from twinpane_review.decisions import complete, decide, item_decision, outcome, remark_for_author
from twinpane_review.model import Ask, Decision, HandedIn, Happening, Mark, Request, ReviewItem, ReviewPolicy
from twinpane_review.policies import Denied
from twinpane_review.release_names import release_names
from twinpane_review.states import Action, Role, State
from twinpane_review.visibility import SITE, may_see_review, visible_history, visible_marks
from twinpane_wire.items import Form

NOW = datetime(2026, 3, 2, tzinfo=UTC)
POLICY = ReviewPolicy(("a", "b", "c"), quorum=2)
YES, CHANGES, NO = Decision.approve, Decision.changes, Decision.reject


def item(number: int = 1, form: Form | None = Form.text, **what: object) -> ReviewItem:
    return ReviewItem(
        **{"number": number, "index": 0, "cell": 7, "path": None, "form": form, "label": "x", "sha256": "0" * 64, "size": 1, **what}
    )


def request(state: State = State.waiting, votes: dict[str, Decision] | None = None, done: tuple[str, ...] = (), **what: object) -> Request:
    bare = Request("1" * 32, "2" * 32, "p", "author", "why", "who", "how", state, NOW, None, "", (Ask(0, 7, None, "code"),), (item(),))
    marks = tuple(Mark(1, who, said, f"{who} says", "", NOW) for who, said in (votes or {}).items())
    return replace(bare, marks=marks, handed_in=tuple(HandedIn(who, NOW) for who in done), **what)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(
    "check", [permissions.check_can_open, permissions.check_can_mark, permissions.check_can_hand_in, permissions.check_can_retry]
)
def test_an_author_who_is_a_reviewer_too_stays_the_author(state: State, check: object) -> None:
    policy = ReviewPolicy(("author", "a", "b"))
    with pytest.raises(Denied, match="You wrote this request"):
        check("author", request(state), policy)  # type: ignore[operator]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(
    "check", [permissions.check_can_open, permissions.check_can_mark, permissions.check_can_hand_in, permissions.check_can_retry]
)
def test_whom_the_policy_does_not_name_may_do_nothing(state: State, check: object) -> None:
    with pytest.raises(Denied, match="Only the reviewers"):
        check("admin", request(state), POLICY)  # type: ignore[operator]


def test_nobody_votes_twice() -> None:
    with pytest.raises(Denied, match="final"):
        permissions.check_can_mark("a", request(State.in_review, {"a": YES}, ("a",)), POLICY)
    with pytest.raises(Denied, match="final"):
        permissions.check_can_hand_in("a", request(State.in_review, {"a": YES}, ("a",)), POLICY)


def test_a_review_is_handed_in_whole() -> None:
    with pytest.raises(Denied, match="1 of 1 to go"):
        permissions.check_can_hand_in("a", request(), POLICY)
    permissions.check_can_hand_in("a", request(votes={"a": YES}), POLICY)


@pytest.mark.parametrize("decision", [CHANGES, NO])
@pytest.mark.parametrize("remark", ["", "  \n"])
def test_what_is_not_approved_needs_a_remark(decision: Decision, remark: str) -> None:
    with pytest.raises(Denied, match="Write a remark"):
        policies.check_can_decide(item(), decision, remark)
    policies.check_can_decide(item(), decision, "round it")
    policies.check_can_decide(item(), YES, "")


def test_a_remark_has_a_length_that_a_page_can_show() -> None:
    policies.check_can_decide(item(), NO, "x" * 1000)
    with pytest.raises(Denied, match="1,000 characters"):
        policies.check_can_decide(item(), NO, "x" * 1001)


def test_what_a_state_forbids_is_said_in_a_sentence() -> None:
    """To who may do it in another state: why not now. To whom no state allows it: that it is not theirs to do."""
    for state in (State.released, State.changes, State.rejected):
        assert "closed" in permissions.why_not(permissions.check_can_mark, "a", request(state), POLICY)
        assert not permissions.can_mark("a", request(state), POLICY)
        assert not permissions.can_retry("a", request(state), POLICY)
    with pytest.raises(Denied, match="not for the author of a request"):
        policies.check_state_allows(State.waiting, Action.mark, Role.author)


def test_what_is_allowed_has_no_sentence() -> None:
    assert permissions.why_not(permissions.check_can_open, "a", request(), POLICY) == ""
    assert permissions.can_mark("a", request(), POLICY)
    assert permissions.can_retry("a", request(State.stopped), POLICY)
    assert permissions.can_review_here("a", POLICY)
    permissions.check_can_mark_item("a", request(), POLICY, item(), YES, "")


def test_what_has_no_form_cannot_be_approved() -> None:
    with pytest.raises(Denied, match="nothing here in a form"):
        policies.check_can_decide(item(form=None), YES, "fine")
    policies.check_can_decide(item(form=None), NO, "send a picture")


def test_a_request_that_could_wait_for_ever_says_so() -> None:
    with pytest.raises(Denied, match="names 1 reviewer besides"):
        policies.check_can_reach_quorum(request(), ReviewPolicy(("author", "a")))
    policies.check_can_reach_quorum(request(), POLICY)


@pytest.mark.parametrize("bad", [{"reviewers": ("a",), "quorum": 0}, {"reviewers": ("a", "a")}])
def test_a_policy_under_which_nobody_decides_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"policy\.toml"):
        ReviewPolicy(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "done", "reader", "reviewer", "sees"),
    [
        (State.waiting, (), "a", "a", True),
        (State.waiting, (), "a", "b", False),
        (State.in_review, ("b",), "a", "b", False),
        (State.in_review, ("a", "b"), "a", "b", False),  # a quorum of three: blind until all are in
        (State.in_review, ("a",), "author", "a", False),
        (State.decided, ("a", "b"), "a", "b", True),
        (State.released, ("a", "b"), "c", "b", True),
        (State.released, ("a", "b"), "a", "c", False),  # a draft that was never handed in stays its writer's
        (State.released, ("a", "b"), "author", "b", False),
        (State.stopped, ("a", "b"), "a", "b", True),
    ],
)
def test_reviewers_are_blind_to_each_other_until_the_quorum(
    state: State, done: tuple[str, ...], reader: str, reviewer: str, sees: bool
) -> None:
    """Reviewers are blind to each other until the quorum is in."""
    r = request(state, {reviewer: YES}, done)
    assert may_see_review(reader, reviewer, r) is sees
    assert bool(list(visible_marks(reader, r))) is sees
    assert bool(list(visible_history(reader, r, [Happening(1, NOW, reviewer, "voted")]))) is sees


def test_the_history_always_shows_what_author_and_site_did() -> None:
    lines = [Happening(1, NOW, "author", "asked"), Happening(2, NOW, SITE, "stopped")]
    assert list(visible_history("a", request(), lines)) == lines


def test_no_user_can_be_called_like_the_site() -> None:
    import re

    assert not re.fullmatch(r"[A-Za-z0-9._@-]{1,80}", SITE)


def marks(*said: Decision) -> list[Mark]:
    return [Mark(1, f"r{n}", decision, "", "", NOW) for n, decision in enumerate(said)]


@pytest.mark.parametrize(
    ("said", "quorum", "result"),
    [
        ([YES, YES], 2, YES),
        ([YES], 2, CHANGES),
        ([], 2, CHANGES),
        ([YES, CHANGES], 2, CHANGES),
        ([YES, NO], 2, NO),
        ([CHANGES, NO], 2, NO),
        ([YES, YES, YES], 3, YES),
        ([YES, YES], 3, CHANGES),
        ([YES, YES, CHANGES], 2, CHANGES),
        ([YES], 1, YES),
    ],
)
def test_approval_needs_every_vote_of_the_quorum(said: list[Decision], quorum: int, result: Decision) -> None:
    assert item_decision(marks(*said), quorum) is result


def test_two_marks_of_one_person_are_one_vote() -> None:
    assert item_decision([Mark(1, "a", YES, "", "", NOW)] * 2, 2) is CHANGES


def test_votes_of_people_no_longer_named_do_not_count() -> None:
    r = request(State.in_review, {"a": YES, "x": YES}, ("a", "x"))
    assert not complete(r, POLICY)
    assert decide(r, POLICY) == {1: CHANGES}


def test_a_vote_of_the_author_never_counts_however_it_got_there() -> None:
    r = request(State.in_review, {"a": YES, "author": YES}, ("a", "author"))
    assert not complete(r, ReviewPolicy(("author", "a", "b")))


@pytest.mark.parametrize(
    ("decisions", "action"),
    [
        ({1: YES, 2: NO}, Action.release),
        ({1: CHANGES, 2: NO}, Action.send_back),
        ({1: NO}, Action.turn_down),
    ],
)
def test_the_outcome_follows_the_items(decisions: dict[int, Decision], action: Action) -> None:
    assert outcome(decisions) is action


def test_the_author_reads_remarks_without_names() -> None:
    """The author reads the remarks without names, and does not learn how many outputs were held."""
    r = request(State.decided, done=("a", "b"), items=(item(1), item(2), item(3)))
    r = replace(r, marks=tuple(Mark(n, who, CHANGES, "round it", "", NOW) for n in (1, 2, 3) for who in ("a", "b")))
    assert remark_for_author(r, POLICY, 4000) == "cell 7: changes requested. round it"
    assert len(remark_for_author(r, POLICY, 10)) == 10


@pytest.mark.parametrize("change", ["sha256", "author", "project", "purpose", "population", "controls", "form"])
def test_an_approval_is_of_bytes_recipient_and_purpose(change: str) -> None:
    r, i = request(), item()
    before = r.binding(i)
    if change == "sha256":
        i = replace(i, sha256="1" * 64)
    elif change == "form":
        i = replace(i, form=Form.csv)
    else:
        r = replace(r, **{change: "other"})
    assert r.binding(i) != before


def test_released_files_are_named_by_the_ask_without_collisions() -> None:
    """Names of released files come from the ask and do not collide."""
    items = [
        item(1, Form.png),
        item(2, Form.png),
        item(3, Form.text),
        item(4, None),
        item(5, Form.csv, cell=None, path="out/Übersicht §.csv"),
        item(6, Form.csv, cell=None, path="b/CELL-7.csv"),
        item(7, Form.csv, cell=None, path="a/cell-7.csv"),
        item(8, Form.text, cell=None, path="x/...txt"),
    ]
    names = release_names(items)
    assert names[1] == "cell-7.png"
    assert names[2] == "cell-7-2.png"
    assert names[3] == "cell-7.txt"
    assert 4 not in names
    assert names[8] == "file.txt"
    assert len({name.lower() for name in names.values()}) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") for name in names.values())
