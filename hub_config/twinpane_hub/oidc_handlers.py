"""The way to the provider and back: what a browser brings along is checked before it is used, and each failure is a page with a remedy."""

import time
from typing import Any

from oauthenticator.oauth2 import STATE_COOKIE_NAME, OAuthCallbackHandler, OAuthLoginHandler, OAuthLogoutHandler
from oauthenticator.oauth2 import _deserialize_state as read_state
from oauthenticator.oauth2 import _serialize_state as written
from tornado.web import HTTPError

FRESH = "twinpane-fresh"
"""The cookie of a browser in which somebody just proved again at the provider who they are. It says who, is signed, and lets nobody in."""
FRESH_S = 300.0
"""Seconds for which it is taken that the person is still there."""
ASKED = "asked"
"""In the state of a sign-in: the Unix time at which a fresh proof was asked for."""
ELSEWHERE = "This sign-in was not begun in this browser, or is too old, so it was refused. Open the hub's first page and sign in there."
PROOF = {"prompt": "login", "max_age": "0"}
"""Asks a provider that knows the browser to let its person sign in nonetheless (OpenID Connect Core 1.0, section 3.1.2.1)."""


class ToProvider(OAuthLoginHandler):  # type: ignore[misc]  # oauthenticator is written without types
    """``/hub/oauth_login``; with ``?fresh=1`` the provider is asked for a fresh proof."""

    @property
    def _fresh(self) -> bool:
        return bool(self.get_query_argument("fresh", ""))

    def set_state_cookie(self, state_cookie_value: str) -> None:
        """Called with what the callback shall know; the time of asking goes with it."""
        more = {ASKED: time.time()} if self._fresh else {}
        super().set_state_cookie(written(read_state(state_cookie_value) | more))

    def authorize_redirect(self, *, extra_params: dict[str, str], **more: Any) -> None:
        """Send the browser to the provider."""
        super().authorize_redirect(extra_params={**extra_params, **(PROOF if self._fresh else {})}, **more)


class FromProvider(OAuthCallbackHandler):  # type: ignore[misc]  # oauthenticator is written without types
    """``/hub/oauth_callback``."""

    def check_arguments(self) -> None:
        """Refuse what this browser did not begin. What the provider, or whoever wrote the link, says of an error is not shown."""
        ours = state_of(self.get_state_cookie())
        theirs = state_of(self.get_argument("state", ""))
        if not ours.get("state_id") or ours["state_id"] != theirs.get("state_id"):
            raise HTTPError(400, ELSEWHERE)
        if self.get_argument("error", ""):
            raise HTTPError(403, f"{self.authenticator.login_service} did not let you in. Try again, or ask its administrator.")
        if not self.get_argument("code", ""):
            raise HTTPError(400, ELSEWHERE)

    @property
    def asked(self) -> float | None:
        """When a fresh proof was asked for, as Unix time; None where it was not."""
        found = state_of(self.get_state_cookie()).get(ASKED)
        return found if isinstance(found, float) else None


class SignOut(OAuthLogoutHandler):  # type: ignore[misc]  # oauthenticator is written without types
    """``/hub/logout``."""

    async def handle_logout(self) -> None:
        """Forget with the sign-in that somebody was there."""
        await super().handle_logout()
        self.clear_cookie(FRESH, path=self.hub.base_url)


def state_of(text: str) -> dict[str, object]:
    """The state in a text from outside; empty for whatever is none."""
    try:
        found = read_state(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def note_fresh(handler: Any, name: str) -> None:
    """Note in the browser that the person of this name is at it now."""
    handler._set_cookie(FRESH, name, path=handler.hub.base_url, expires_days=1)


def is_fresh(handler: Any, name: str) -> bool:
    """Whether that was noted in this browser, lately."""
    value = handler.get_secure_cookie(FRESH, max_age_days=FRESH_S / 86_400)
    return value is not None and value == name.encode()


assert STATE_COOKIE_NAME == "oauthenticator-state"  # `host_cookies` names it
