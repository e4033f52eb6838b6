"""A hub and a site one version apart understand each other: what earlier versions said on the link is read today as it was meant."""

import json
from pathlib import Path

import pytest

from twinpane_site.keys import verify
from twinpane_wire import messages as wire
from twinpane_wire.hello import hello_message

RECORDED = sorted((Path(__file__).parents[1] / "data" / "upgrades").glob("link-*.jsonl"))
BEFORE = {"hello": wire.SiteHello, "challenge": wire.Challenge, "joined": wire.Joined}
"""What is said before a link stands."""


def frames(file: Path, way: str) -> list[str]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line["frame"] for line in lines if line["way"] == way]


def is_kept(said: object, read: object) -> bool:
    """Whether all that was said is in what is read. What is read may have further fields, with their defaults."""
    if isinstance(said, dict):
        return isinstance(read, dict) and all(name in read and is_kept(value, read[name]) for name, value in said.items())
    if isinstance(said, list):
        return isinstance(read, list) and len(said) == len(read) and all(map(is_kept, said, read))
    return said == read


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.name)
@pytest.mark.parametrize(("way", "kind"), [("out", wire.FromAgent), ("into", wire.ToAgent)])
def test_what_an_earlier_version_said_is_read_whole(file: Path, way: str, kind: type[wire.FromAgent] | type[wire.ToAgent]) -> None:
    """From an earlier agent to a hub of today, and from an earlier hub to an agent of today. Nothing is dropped or changed."""
    found = frames(file, way)
    assert len(found) > 5
    for frame in found:
        read = wire.decode(BEFORE.get(json.loads(frame).get("kind", ""), kind), frame)
        assert is_kept(json.loads(frame), json.loads(wire.encode(read))), frame


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.name)
def test_the_proof_of_an_earlier_agent_is_a_proof_today(file: Path) -> None:
    """What a site signs to join is the same text: else each would be refused after an upgrade of the hub."""
    hello = wire.decode(wire.SiteHello, frames(file, "out")[0])
    nonce = wire.decode(wire.Challenge, frames(file, "into")[0]).nonce
    assert verify(hello.public_key, hello_message(hello.hub, hello.site, nonce), hello.signature)
