"""What a provider's ID token must say."""

import time
from typing import Any

import jwt
import pytest

from twinpane_hub.id_token import SKEW_S, BadToken, claims_of, signed_in_since
from twinpane_hub.settings import OidcSignIn

SETTINGS = OidcSignIn(
    kind="oidc", name="Hospital", issuer="https://id.test", authorize_url="https://id.test/a", token_url="https://id.test/t",
    userdata_url="https://id.test/u", client_id="hub", callback_url="https://hub.test/hub/oauth_callback", roles={},
)  # fmt: skip


def token(**more: Any) -> str:
    claims = {"iss": "https://id.test", "sub": "1", "aud": "hub", "exp": time.time() + 600, "iat": time.time(), **more}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, "k" * 32)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://other.test"}, {"iss": "https://id.test/a"}, {"iss": None}, {"aud": "another"}, {"aud": ["hub", "another"]},
        {"sub": "2"}, {"sub": None}, {"exp": 1}, {"exp": None},
    ],
)  # fmt: skip
def test_a_token_of_elsewhere_lets_nobody_in(wrong: dict[str, Any]) -> None:
    """Another issuer, another client, another person, an old one. Before, ID tokens were not looked at."""
    assert claims_of(SETTINGS, token(), "1")["sub"] == "1"
    with pytest.raises(BadToken):
        claims_of(SETTINGS, token(**wrong), "1")


@pytest.mark.parametrize("text", [None, "", "x.y.z", 1, {}])
def test_what_is_no_token_lets_nobody_in(text: object) -> None:
    with pytest.raises(BadToken):
        claims_of(SETTINGS, text, "1")


@pytest.mark.parametrize(
    ("demanded", "claims", "enough"),
    [
        ({"acr": ("gold",)}, {"acr": "gold"}, True), ({"acr": ("gold",)}, {"acr": "tin"}, False), ({"acr": ("gold",)}, {}, False),
        ({"amr": ("mfa", "hwk")}, {"amr": ["pwd", "mfa"]}, True), ({"amr": ("mfa",)}, {"amr": ["pwd"]}, False),
        ({"amr": ("mfa",)}, {}, False), ({"amr": ("mfa",)}, {"amr": "mfa"}, False), ({"amr": ("mfa",)}, {"amr": [{}, "mfa"]}, True),
    ],
)  # fmt: skip
def test_a_weaker_sign_in_than_demanded_lets_nobody_in(demanded: dict[str, Any], claims: dict[str, Any], enough: bool) -> None:
    """The settings demand a class (acr) or a way (amr) of proof; the token must state it."""
    settings = SETTINGS.model_copy(update=demanded)
    if enough:
        claims_of(settings, token(**claims), "1")
    else:
        with pytest.raises(BadToken):
            claims_of(settings, token(**claims), "1")


@pytest.mark.parametrize(
    ("when", "fresh"),
    [
        (1000, True), (1005.5, True), (1000 - SKEW_S - 1, False), (1010 + SKEW_S + 1, False), (None, False), ("1000", False), (True, False),
    ],
)  # fmt: skip
def test_only_a_sign_in_after_asking_is_a_fresh_proof(when: object, fresh: bool) -> None:
    """A provider that knows the browser may answer without asking its person."""
    assert signed_in_since({} if when is None else {"auth_time": when}, 1000.0, 1010.0) == fresh
