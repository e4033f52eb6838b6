"""What a provider's ID token must say before its person is let in: from whom, for whom, about whom, how proven, and when.

The token comes from the provider itself over TLS, so its signature is not looked at (OpenID Connect Core 1.0, section 3.1.3.7, point 6).
"""

from collections.abc import Mapping

import jwt

from .settings import OidcSignIn

SKEW_S = 60.0
"""Seconds by which the provider's clock may differ from ours."""
CHECKED = {"verify_signature": False, "verify_aud": True, "verify_iss": True, "verify_exp": True, "require": ["iss", "sub", "aud", "exp"]}


class BadToken(Exception):
    """The token cannot be used; the message is fit to show."""


def claims_of(settings: OidcSignIn, token: object, subject: str) -> dict[str, object]:
    """The claims of an ID token about ``subject``, whom the provider named elsewhere too; raises BadToken."""
    if not isinstance(token, str):
        raise BadToken("it sent no ID token")
    try:
        claims: dict[str, object] = jwt.decode(
            token, options=CHECKED, audience=settings.client_id, issuer=settings.issuer, leeway=SKEW_S  # type: ignore[arg-type]
        )  # fmt: skip
    except jwt.InvalidIssuerError:
        raise BadToken("another provider than this hub knows wrote its ID token (iss)") from None
    except jwt.PyJWTError:
        raise BadToken("its ID token is not one for this hub now") from None
    if claims["sub"] != subject:
        raise BadToken("it says two different things about who you are (sub)")
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != settings.client_id:
        raise BadToken("its ID token is not one for this hub now")
    _check_strength(settings, claims)
    return claims


def _check_strength(settings: OidcSignIn, claims: Mapping[str, object]) -> None:
    """See that the person signed in as strongly as the settings demand."""
    if settings.acr and claims.get("acr") not in settings.acr:
        raise BadToken("you did not sign in there as strongly as this hub demands (acr)")
    ways = claims.get("amr")
    if settings.amr and not (isinstance(ways, list) and set(settings.amr) & {way for way in ways if isinstance(way, str)}):
        raise BadToken("you did not sign in there in a way that this hub demands (amr)")


def signed_in_since(claims: Mapping[str, object], asked: float, now: float) -> bool:
    """Whether the person proved at the provider who they are after ``asked`` (Unix time)."""
    when = claims.get("auth_time")
    return isinstance(when, int | float) and not isinstance(when, bool) and asked - SKEW_S <= when <= now + SKEW_S
