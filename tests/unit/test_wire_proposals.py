"""Proposals come from hubs that may be hostile: every part is bounded, and a standing says only what goes with its state."""

import json
from datetime import date

import pytest

from twinpane_ground import limits
from twinpane_wire import messages as wire

ASKED = {"project": "p", "title": "A title", "expires": "2030-01-31"}
SAID = {"kind": "standing", "project": "p", "proposal": "0" * 64, "state": "accepted"}


def proposed(change: dict[str, object]) -> str:
    return json.dumps({"v": 1, "kind": "proposed", "proposal": ASKED | change})


def test_a_proposal_is_read_and_named_by_its_digest() -> None:
    """Two versions of a project have two names, equal ones have one."""
    one, same, other = (wire.decode(wire.ToAgent, proposed(change)) for change in ({}, {}, {"title": "Another"}))
    assert isinstance(one, wire.Proposed)
    assert isinstance(same, wire.Proposed)
    assert isinstance(other, wire.Proposed)
    assert one.proposal.expires == date(2030, 1, 31)
    assert one.proposal.digest() == same.proposal.digest() != other.proposal.digest()


@pytest.mark.parametrize("change", [
    {"project": "../x"}, {"title": ""}, {"title": "x" * 301}, {"purpose": "x" * (limits.PURPOSE + 1)}, {"expires": "soon"},
    {"people": [{"user": f"u{n}", "role": "researcher"} for n in range(limits.PEOPLE + 1)]},
    {"people": [{"user": "u", "role": "steward"}]}, {"people": [{"user": "u v", "role": "reviewer"}]},
    {"people": [{"user": "Mia", "role": "reviewer"}, {"user": "mia", "role": "reviewer"}]},
    {"tables": [{"table": f"t{n}"} for n in range(limits.TABLES + 1)]}, {"tables": [{"table": "t"}, {"table": "t"}]},
    {"tables": [{"table": "t", "columns": []}]}, {"tables": [{"table": "t", "columns": ["c", "c"]}]}, {"tables": [{"table": "t; drop"}]},
    {"tables": [{"table": f"t{n}", "columns": [f"c{m}" for m in range(limits.COLUMNS // 2 + 1)]} for n in range(2)]},
    {"day_bits": -1}, {"day_bits": float("inf")}, {"total_bits": 1e12}, {"standpoint": "accepted"}, {"accepted": True},
])  # fmt: skip
def test_a_proposal_beyond_its_bounds_is_refused(change: dict[str, object]) -> None:
    """Sizes, counts and names: a hostile hub cannot send what does not fit."""
    with pytest.raises(wire.WireError):
        wire.decode(wire.ToAgent, proposed(change))


@pytest.mark.parametrize("change", [
    {"decline": "purpose"}, {"state": "declined"}, {"state": "declined", "decline": "because of Mrs Smith"},
    {"state": "declined", "decline": "purpose", "researchers": ["mia"]}, {"state": "ended", "tables": [{"table": "t"}]},
    {"state": "ended", "until": "2030-01-31"}, {"state": "waiting"}, {"remark": "x"}, {"proposal": "x"},
    {"tables": [{"table": "t"}, {"table": "t"}]},
])  # fmt: skip
def test_a_standing_says_only_what_goes_with_its_state(change: dict[str, object]) -> None:
    """There is no free text in it, and a refusal tells nothing but its reason from the list."""
    with pytest.raises(wire.WireError):
        wire.decode(wire.FromAgent, json.dumps({"v": 1, "body": SAID | change}))


def test_a_partial_acceptance_says_who_and_what() -> None:
    """Which people, tables and columns were accepted."""
    body = SAID | {"researchers": ["Mia"], "tables": [{"table": "person", "columns": ["sex"]}], "until": "2030-01-31"}
    message = wire.decode(wire.FromAgent, json.dumps({"v": 1, "body": body})).body
    assert isinstance(message, wire.Standing)
    assert message.researchers == ("mia",)
    assert message.tables == (wire.TableScope(table="person", columns=("sex",)),)
