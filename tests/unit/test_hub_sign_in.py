"""Where a sign-in comes from: wrong tries are counted by that."""

from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders

from twinpane_hub.local_sign_in import address_of

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
