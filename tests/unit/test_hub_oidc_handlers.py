"""What a browser brings back from the provider is checked before it is used."""

import base64
import json

import pytest
from oauthenticator.oauth2 import _serialize_state

from twinpane_hub.oidc_handlers import state_of


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["", "é", "null", "x", encoded("null"), encoded("1"), encoded("[]"), encoded('"a"'), encoded("{"), "====", encoded("[" * 50_000)],
)
def test_a_malformed_state_is_no_state(text: str) -> None:
    """Before, a state of JSON ``null`` and one that was no ASCII were a bare 500."""
    assert state_of(text) == {}


def test_a_state_is_read_as_it_was_written() -> None:
    assert state_of(_serialize_state({"state_id": "a"})) == {"state_id": "a"}
    assert json.dumps(state_of(encoded("{}"))) == "{}"
