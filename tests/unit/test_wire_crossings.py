"""The closed list of crossings: exactly these leave a site."""

import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from twinpane_ground import limits
from twinpane_wire import messages as wire

SESSION = "0" * 32
OUTWARD = set(typing.get_args(typing.get_args(wire.Outward)[0]))


def test_the_table_of_crossings_is_the_designs() -> None:
    """Seven kinds, and no eighth."""
    assert set(wire.CROSSINGS) == {"catalogue", "standing", "release", "verdict", "reveal", "export", "link"}


def test_the_link_carries_outward_the_table_and_nothing_else() -> None:
    """What the link carries outward is the table and nothing else.

    A message type that is not in the table cannot be sent: the envelope does not take it.
    """
    assert {kind for kind, _ in wire.CROSSINGS.values()} == OUTWARD
    for kind, (message, _) in wire.CROSSINGS.items():
        assert message.model_fields["kind"].default == kind


@pytest.mark.parametrize("body", [
    wire.Interrupt(session=SESSION, cell=1), wire.Close(session=SESSION), wire.Twin(session=SESSION, cell=1, outputs="0" * 64, calls=0),
    wire.Open(session=SESSION, seed=1),
])  # fmt: skip
def test_messages_of_the_other_direction_do_not_leave(body: object) -> None:
    """What is for the inside is refused in the envelope for the outside."""
    with pytest.raises(ValueError, match="Input tag"):
        wire.FromAgent.model_validate({"body": body.model_dump()})


@pytest.mark.parametrize("change", [
    {"extra": 1}, {"outcome": "maybe"}, {"failure": "SecretValue42"}, {"tick": 41}, {"cell": 0}, {"session": "x"},
    {"line": 1}, {"kind": "hint"},
])  # fmt: skip
def test_a_verdict_cannot_say_more_than_its_type(change: dict[str, object]) -> None:
    """Unknown fields, free class names, lines without failures: refused."""
    body = {"kind": "verdict", "session": SESSION, "cell": 1, "outcome": "differs", "tick": 0, "left": 1.0} | change
    with pytest.raises(wire.WireError):
        wire.decode(wire.FromAgent, json.dumps({"v": 1, "body": body}))


def test_a_message_of_another_version_is_refused() -> None:
    """Versions are not guessed."""
    frame = wire.encode(wire.FromAgent(body=wire.Link(session=SESSION, code=wire.LinkCode.ack, n=1))).replace('"v":1', '"v":2')
    with pytest.raises(wire.WireError):
        wire.decode(wire.FromAgent, frame)


def test_a_message_over_the_limit_is_refused_before_it_is_read() -> None:
    """Either way."""
    with pytest.raises(wire.WireError, match="limit"):
        wire.decode(wire.ForAgent, "x" * (limits.FRAME + 1))


def test_a_refusal_repeats_nothing_of_the_message() -> None:
    """An error about a message cannot carry it."""
    with pytest.raises(wire.WireError) as refused:
        wire.decode(wire.FromAgent, json.dumps({"v": 1, "body": {"kind": "verdict", "session": "canary-4711"}}))
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b", "a//b", ".", "a\\b", "a\x00b", ""])
def test_a_workspace_path_stays_below_the_workspace(path: str) -> None:
    """Nothing climbs out."""
    with pytest.raises(ValueError, match=r"path|String|string"):
        wire.WorkspaceFile(path=path, content=None)


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_no_bytes_crash_the_decoder(frame: bytes | str) -> None:
    """Anything is a message or a WireError."""
    for kind in (wire.ToSite, wire.ForAgent, wire.FromAgent, wire.ToPane, wire.SiteHello, wire.Challenge, wire.Joined):
        with pytest.raises(wire.WireError):
            wire.decode(kind, frame)


def test_crossings_kept_until_received_have_their_own_names() -> None:
    """Crossings that are kept until received have names of their own. One name a crossing: a second copy is known as such."""
    adapter = TypeAdapter(wire.Outward)
    verdicts = [
        adapter.validate_python({"kind": "verdict", "session": SESSION, "cell": n, "outcome": "same", "tick": 0, "left": 0}) for n in (1, 2)
    ]
    reveal = adapter.validate_python({"kind": "reveal", "session": SESSION, "cell": 1, "call": 1, "value": 1.0, "tick": 0, "left": 0})
    assert len({wire.crossing_id(message) for message in (*verdicts, reveal)}) == 3
    with pytest.raises(TypeError):
        wire.crossing_id(wire.Link(session=SESSION, code=wire.LinkCode.ack))
