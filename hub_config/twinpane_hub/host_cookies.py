"""Over https, the hub's own cookies have names that begin with ``__Host-``.

A server's page may set cookies for the names above its own, and so for the hub's. Browsers take one with such a name from the hub itself
alone. JupyterHub has a setting for the cookie of the sign-in; here are those that it does not cover. The number of a session
(``jupyterhub-session-id``) is shared with servers on purpose, and lets nobody in.
"""

from typing import Any

from jupyterhub import _xsrf_utils
from jupyterhub.handlers.base import BaseHandler

PREFIX = "__Host-"
OWN = frozenset({"_xsrf", "oauthenticator-state", "twinpane-device", "twinpane-fresh"})
XSRF = "_xsrf"


def install() -> None:
    """Name them so in this process."""
    set_cookie, get_cookie = BaseHandler.set_cookie, BaseHandler.get_cookie

    def setting(handler: Any, name: str, *args: Any, **more: Any) -> None:
        if name in OWN:
            more.pop("domain", None)
            name, more = PREFIX + name, more | {"path": "/", "secure": True}
        set_cookie(handler, name, *args, **more)

    def getting(handler: Any, name: str, *args: Any) -> Any:
        return get_cookie(handler, PREFIX + name if name in OWN else name, *args)

    BaseHandler.set_cookie, BaseHandler.get_cookie = setting, getting
    _xsrf_utils._get_xsrf_token_cookie = _xsrf


def _xsrf(handler: Any) -> tuple[bytes | None, bytes | None]:
    """The token against forged requests and what it is for, as JupyterHub's own function finds them among any number of cookies."""
    token = (handler.get_cookie(XSRF) or "").encode("ascii", "replace")
    found = _xsrf_utils._get_signed_value_urlsafe(handler, XSRF, token) if token else None
    return (token, found) if found else (None, None)
