"""What is known of a cell, and what may be called real or settled."""

import pytest

from twinpane_kernel.cell_report import CellReport, RevealReport, SiteReport, State


def report(*states, reveals=(), **more):
    sites = tuple(SiteReport(site=f"s{n}", state=state) for n, state in enumerate(states))
    return CellReport(cell=1, msg_id="m", sites=sites, reveals=reveals, **more)


def test_real_needs_a_site():
    assert not report().real


@pytest.mark.parametrize("other", [state for state in State if state not in (State.same, State.refused)])
def test_every_state_but_same_makes_it_synthetic(other):
    assert report(State.same, State.same).real
    assert not report(State.same, other).real


def test_a_site_that_takes_no_part_does_not_make_it_synthetic():
    """Partial networks are normal: real is what every site that ran the cell gave. Before, one that declined hid it for good."""
    partial = report(State.same, State.refused)
    assert partial.real
    assert [site.site for site in partial.named] == ["s1"]
    assert report(State.same, State.same).named == ()
    assert not report(State.refused).real
    assert not report(State.same, State.refused, State.differs).real
    assert len(report(State.same, State.refused, State.differs).named) == 3


def test_what_was_interacted_with_is_synthetic():
    assert not report(State.same, interacted=True).real


@pytest.mark.parametrize(("state", "settled"), [
    (State.queued, False), (State.running, False), (State.same, True), (State.differs, True), (State.failed, True), (State.spent, True),
    (State.refused, True), (State.rehearsal, True),
])  # fmt: skip
def test_settled_is_when_no_site_owes_a_verdict(state, settled):
    assert report(State.same, state).settled is settled


def test_every_state_has_its_place_in_these_tests():
    assert len(State) == 8


def test_every_site_owes_a_reveal_unless_it_is_sent_or_spent():
    """A reveal is owed by every site that neither sent it nor is spent."""

    def revealed(**more):
        return report(State.same, State.same, State.refused, reveals=(RevealReport(name="AUC", digits=3, **more),))

    assert not revealed().settled
    assert not revealed(values={"s0": 0.8}).settled
    assert revealed(values={"s0": 0.8, "s1": None}).settled
    assert revealed(values={"s0": 0.8}, spent=("s1",)).settled
