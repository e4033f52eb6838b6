"""Have the hub note each sign-in, refusal and sign-out in its audit log, whichever way people sign in."""

from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.handlers.login import LogoutHandler
from tornado.web import HTTPError

from .audit import AuditLog, Kind
from .local_sign_in import address_of


def install(audit: AuditLog, proxies: frozenset[str]) -> None:
    """Put the notes around JupyterHub's own handlers. ``proxies``: those whose word about addresses is believed."""
    authenticate, signed_out = BaseHandler.authenticate, LogoutHandler._backend_logout_cleanup

    async def noted(handler: Any, data: Any) -> Any:
        came = {"from": address_of(handler.request, proxies)}
        try:
            found = await authenticate(handler, data)
        except HTTPError as error:
            audit.note(Kind.refused, _known(handler, data), status=str(error.status_code), **came)
            raise
        if found:
            audit.note(Kind.signed_in, found["name"], **came)
        else:
            audit.note(Kind.refused, _known(handler, data), **came)
        return found

    def sign_out(handler: Any, name: str) -> None:
        signed_out(handler, name)
        audit.note(Kind.signed_out, name)

    BaseHandler.authenticate = noted
    LogoutHandler._backend_logout_cleanup = sign_out


def _known(handler: Any, data: Any) -> str:
    """The name that was tried, if somebody signed in with it before: others may be passwords in the wrong field."""
    name = str(data.get("username", "")).lower() if isinstance(data, dict) else ""
    return name if name and handler.find_user(name) is not None else ""
