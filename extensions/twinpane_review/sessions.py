"""Sessions of signed-in people, in this process's memory. A restart of the agent signs everyone out. A sign-out is final at once."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from itsdangerous import BadData, URLSafeSerializer

from .identity import Grant

IDLE = 2 * 3600.0
LONGEST = 10 * 3600.0
RECHECK = 40.0
"""Seconds: without a request, in all, and between two questions to the hub whether the sign-in still stands."""
MOST = 1000
"""Sessions at once; the oldest goes."""
SIGN_IN = 600.0
"""Seconds that a sign-in at the hub may take."""


@dataclass(frozen=True)
class Session:
    """A signed-in person; ``csrf`` is in every form of theirs."""

    grant: Grant
    csrf: str = field(repr=False)
    began: float
    seen: float
    checked: float

    @property
    def user(self) -> str:
        return self.grant.user


class Sessions:
    """All sessions, by the SHA-256 of their cookie. ``clock`` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def start(self, grant: Grant) -> str:
        """A new session; returns what the cookie says."""
        token, now = secrets.token_urlsafe(32), self._clock()
        while len(self._sessions) >= MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen)]
        self._sessions[_key(token)] = Session(grant, secrets.token_urlsafe(32), now, now, now)
        return token

    def get(self, token: str) -> Session | None:
        """The session of a cookie; None when there is none, or it idled or lasted too long."""
        key, now = _key(token), self._clock()
        session = self._sessions.get(key)
        if session is None:
            return None
        if now - session.seen > IDLE or now - session.began > LONGEST:
            del self._sessions[key]
            return None
        self._sessions[key] = session = replace(session, seen=now)
        return session

    def stale(self, session: Session) -> bool:
        """Whether the hub has to be asked again."""
        return self._clock() - session.checked > RECHECK

    def confirm(self, token: str) -> None:
        """Note that the hub has confirmed the session."""
        if session := self._sessions.get(_key(token)):
            self._sessions[_key(token)] = replace(session, checked=self._clock())

    def end(self, token: str) -> None:
        """Sign out."""
        self._sessions.pop(_key(token), None)


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Sealed:
    """Values that a browser carries to the hub and back, signed and valid for ten minutes."""

    def __init__(self, secret: bytes, clock: Callable[[], float]) -> None:
        how = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self._signed, self._clock = URLSafeSerializer(secret, salt="twinpane-review-sign-in", signer_kwargs=how), clock

    def seal(self, **values: str) -> str:
        """The values as a cookie."""
        # The library's own times are the machine's clock, which somebody may set back.
        return self._signed.dumps([self._clock() + SIGN_IN, values])

    def unseal(self, cookie: str) -> dict[str, str] | None:
        """The values; None when the cookie is too old or not ours."""
        try:
            until, values = self._signed.loads(cookie)
        except BadData:
            return None
        return values if self._clock() < until else None
