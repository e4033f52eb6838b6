"""Where a sign-in comes from: wrong tries are counted by that. What becomes of people when their account changes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders
from tornado.web import HTTPError

from twinpane_hub import accounts
from twinpane_hub.local_sign_in import LocalAccounts, address_of

PROXIES = frozenset({"127.0.0.1", "::1", "10.0.0.2"})


def request(peer: str, *forwarded: str, **more: str) -> Any:
    headers = HTTPHeaders(more)
    for line in forwarded:
        headers.add("X-Forwarded-For", line)
    return SimpleNamespace(connection=SimpleNamespace(context=SimpleNamespace(address=(peer, 50_000))), headers=headers)


@pytest.mark.parametrize(
    ("asked", "comes_from"),
    [
        (request("127.0.0.1", "203.0.113.7"), "203.0.113.7"),
        (request("127.0.0.1", "198.51.100.1, 203.0.113.7"), "203.0.113.7"),
        (request("127.0.0.1", "198.51.100.1", "203.0.113.7, 10.0.0.2"), "203.0.113.7"),
        (request("127.0.0.1", "203.0.113.7", **{"X-Real-Ip": "198.51.100.1"}), "203.0.113.7"),
        (request("127.0.0.2", "203.0.113.7"), "127.0.0.2"),
        (request("127.0.0.2", "203.0.113.7", **{"X-Real-Ip": "198.51.100.1"}), "127.0.0.2"),
        (request("127.0.0.1"), "127.0.0.1"),
        (request("127.0.0.1", "2001:db8::7"), "2001:db8::/64"),
    ],
)  # fmt: skip
def test_only_what_our_proxies_wrote_is_believed(asked: Any, comes_from: str) -> None:
    """Before, X-Real-Ip of anybody was, and X-Forwarded-For of researchers' servers: each wrong try came from another address."""
    assert address_of(asked, PROXIES) == comes_from


ANA = accounts.Account(password=accounts.hashed("right"), groups=("researcher",))


class Person:
    """A user of the hub, as the authenticator sees one."""

    name = "ana"

    def __init__(self, state: dict[str, str] | None) -> None:
        self._state = state

    async def get_auth_state(self) -> dict[str, str] | None:
        return self._state


async def signed_in(tmp_path: Path) -> tuple[LocalAccounts, Person]:
    accounts.save(tmp_path / "accounts.toml", {"ana": ANA})
    door = LocalAccounts(file=str(tmp_path / "accounts.toml"), state=str(tmp_path))
    found = await door.authenticate(None, {"username": "ana", "password": "right"})
    assert found is not None
    return door, Person(found["auth_state"])


async def test_a_new_password_ends_what_the_old_one_opened(tmp_path: Path) -> None:
    """Before, sessions, tokens and servers went on after the password was changed."""
    door, ana = await signed_in(tmp_path)
    assert await door.refresh_user(ana) == {"name": "ana", "groups": ["researcher"]}
    accounts.save(tmp_path / "accounts.toml", {"ana": ANA.model_copy(update={"password": accounts.hashed("new")})})
    assert await door.refresh_user(ana) is False
    assert await door.refresh_user(Person(None)) is False


async def test_unreadable_accounts_let_nobody_in_and_nobody_stay_long(tmp_path: Path) -> None:
    """Nobody comes in, and who is in goes on for the time of grace. Before, it was a traceback, and they went on for ever."""
    door, ana = await signed_in(tmp_path)
    (tmp_path / "accounts.toml").write_text("[accounts")
    with pytest.raises(HTTPError) as refused:
        await door.authenticate(None, {"username": "ana", "password": "right"})
    assert refused.value.status_code == 503
    assert await door.refresh_user(ana) is True
    door.grace = 0.0
    assert await door.refresh_user(ana) is False
