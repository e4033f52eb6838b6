"""An address has one way to be written, so that two ends mean the same hub by it."""

import pytest

from twinpane_hub.settings import HubSettings, LocalSignIn
from twinpane_wire.address import dialled, stays_private


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("wss://Hub.Example:443/services/switchboard/", "wss://hub.example/services/switchboard"),
        ("wss://hub.example./x", "wss://hub.example/x"),
        ("ws://localhost:8082", "ws://127.0.0.1:8082"),
        ("ws://[::1]:80", "ws://[::1]"),
        ("wss://hub.example:8443", "wss://hub.example:8443"),
    ],
)
def test_ways_to_write_an_address_become_one(given: str, written: str) -> None:
    assert dialled(given) == written
    assert dialled(written) == written


@pytest.mark.parametrize(
    "given", ["https://hub.example", "wss://", "wss://u:p@hub.example", "wss://hub.example?x=1", "hub.example", "wss://h:x"]
)
def test_what_is_no_address_is_none(given: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        dialled(given)


@pytest.mark.parametrize("given", ["ws://hub.example", "ws://192.168.0.1:1", "ws://127.0.0.1.evil.example", "ws://0.0.0.0:1"])
def test_only_this_machine_and_encrypted_ways_are_private(given: str) -> None:
    assert not stays_private(given)
    assert stays_private("wss" + given.removeprefix("ws"))


def test_a_hubs_addresses_are_its_public_one_and_its_settings(tmp_path) -> None:
    """A hub's addresses are its public one and those its settings name."""
    settings = HubSettings(
        folder=tmp_path,
        sign_in=LocalSignIn(kind="local"),
        public_url="https://hub.example/",
        switchboard_urls=("wss://hub-2.example:443/x",),
    )
    assert settings.switchboard_addresses == {"wss://hub.example/services/switchboard", "wss://hub-2.example/x"}
