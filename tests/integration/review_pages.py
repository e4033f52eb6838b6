"""A sign-in for tests: whoever is named comes back from a hub that does not exist."""

from twinpane_review.app import CALLBACK
from twinpane_review.identity import Begin, Grant, HubDown


class NamedIdentity:
    """An Identity that lets in whom the test names."""

    def __init__(self, user: str) -> None:
        self.user, self.valid, self.down = user, True, False

    def begin(self, state: str) -> Begin:
        return Begin(f"{CALLBACK}?state={state}&code={self.user}", "verifier")

    async def finish(self, code: str, verifier: str) -> Grant:
        self._check()
        return Grant(code, "token")

    async def stands(self, grant: Grant) -> bool:
        self._check()
        return self.valid

    def _check(self) -> None:
        if self.down:
            raise HubDown("The hub does not answer, so this site cannot confirm who you are.")
