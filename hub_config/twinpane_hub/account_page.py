"""The page of a local account: a new password, and the second factor."""

from typing import Any
from urllib.parse import urlsplit

from jupyterhub.handlers.base import BaseHandler
from tornado.web import HTTPError, authenticated

from twinpane_ground import one_time_codes

from . import second_factors
from .audit import Kind
from .ending import end

LETTERS = 12
"""Letters of a password, at least."""


class AccountPage(BaseHandler):  # type: ignore[misc]  # JupyterHub is written without types
    """``/hub/account``."""

    @authenticated
    async def get(self) -> None:
        """The page."""
        await self._show()

    @authenticated
    async def post(self) -> None:
        """Do what the pressed button says, once it is proven who asks."""
        what = self.get_body_argument("do", "")
        acts = {"password": self._change_password, "begin": self._begin, "confirm": self._confirm}
        if what not in acts:
            raise HTTPError(400, "This form says nothing that can be done.")
        await acts[what]()

    async def _change_password(self) -> None:
        new = self._field("new")
        if len(new) < LETTERS:
            await self._refuse(f"A password has {LETTERS} letters or more. Nothing was changed.")
        elif new != self._field("again"):
            await self._refuse("The two new passwords differ. Nothing was changed.")
        elif why_not := await self._unproven():
            await self._refuse(why_not)
        else:
            user = self.current_user
            try:
                state = self.authenticator.change_password(user.name, new)
            except (OSError, ValueError) as error:
                self.log.error("The password of %s could not be changed: %s", user.name, error)
                await self._refuse(
                    "The accounts cannot be written now, so nothing was changed. The hub's administrator finds why in the log."
                )
                return
            self.settings["twinpane_audit"].note(Kind.account, user.name, what="a new password")
            await self._end_others(state)
            await self._show(done="You have a new password. Other browsers, tokens and your notebooks' servers have ended.")

    async def _begin(self) -> None:
        if why_not := await self._unproven():
            await self._refuse(why_not)
            return
        secret = self._factors.begin(self.current_user.name)
        await self._show(secret=secret)

    async def _confirm(self) -> None:
        name = self.current_user.name
        codes = self.authenticator.confirm_factor(self, name, self._field("code"))
        if codes:
            self.settings["twinpane_audit"].note(Kind.account, name, what="a second factor")
            await self._end_others(await self.current_user.get_auth_state())
            await self._show(codes=codes)
        else:
            # The secret is not shown again: whoever sits at this browser may be another, who never gave the password.
            await self._refuse("This is no code of now. See that your telephone has the right time, and try the next one.", waits=True)

    async def _end_others(self, state: dict[str, str]) -> None:
        """End all that was opened by less than is demanded now; this browser goes on. ``state``: what the hub keeps of the sign-in."""
        user = self.current_user
        await end(user, self.proxy, self.db, self.log)
        await user.save_auth_state(state)
        user._auth_refreshed = 0  # the person's roles may be others now
        self.set_login_cookie(user)

    async def _unproven(self) -> str:
        why_not: str = await self.authenticator.confirms(self, self.current_user.name, self._field("password"), self._field("otp"))
        return why_not

    @property
    def _factors(self) -> second_factors.SecondFactors:
        found: second_factors.SecondFactors = self.authenticator.factors
        return found

    def _field(self, name: str) -> str:
        found: str = self.get_body_argument(name, "", strip=False)
        return found

    async def _refuse(self, wrong: str, waits: bool = False) -> None:
        self.set_status(403)
        await self._show(wrong=wrong, waits=waits)

    async def _show(self, secret: str = "", **more: Any) -> None:
        name, hub = self.current_user.name, urlsplit(self.settings["public_url"].geturl()).hostname or "hub"
        self.finish(
            await self.render_template(
                "account.html", letters=LETTERS, has_factor=self._factors.has(name), demanded=self.authenticator.demands_factor,
                secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
                link=one_time_codes.link(secret, name, f"Twinpane {hub}") if secret else "", **more,
            )
        )  # fmt: skip
