"""Each server has a host name of its own."""

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from twinpane_hub.accounts import NAME
from twinpane_hub.server_hosts import Hosts

HOSTS = Hosts("https://hub.example.org:8443")
PROJECT = r"[a-z][a-z0-9-]{0,29}"


@given(user=st.from_regex(NAME, fullmatch=True), project=st.from_regex(PROJECT, fullmatch=True))
def test_a_servers_name_is_one_label_below_the_hubs(user: str, project: str) -> None:
    """So a wildcard record and certificate for the hub's name serve all servers. Nobody reads on the network who it is."""
    parts = urlsplit(HOSTS.server(user, project))
    label, _, rest = (parts.hostname or "").partition(".")
    assert rest == "hub.example.org"
    assert len(label) <= 63
    assert label.strip("-") == label
    assert label == f"{project}-{label[-16:]}"
    assert parts.port == 8443


def test_two_servers_never_share_a_name() -> None:
    """Neither two projects of a person, nor two people in a project, nor names that run together."""
    names = [HOSTS.server(user, project) for user, project in (("mia", "a"), ("mia", "b"), ("ben", "a"), ("mia/a", "a"), ("mia", "a-a"))]
    assert len(set(names)) == len(names)


def test_the_proxy_is_told_the_name_without_a_port() -> None:
    host = urlsplit(HOSTS.server("mia", "first")).hostname
    assert HOSTS.routespec("mia", "/user/mia/", "first") == f"{host}/user/mia/first/"
    assert HOSTS.server_url("mia", "/user/mia/", "first") == f"https://{host}:8443/user/mia/first/"


def test_the_hub_knows_its_own_name_whatever_the_port() -> None:
    """A proxy before it may listen on another one."""
    assert HOSTS.is_own("hub.example.org")
    assert HOSTS.is_own("HUB.example.org:443")
    assert not HOSTS.is_own("first-0123456789abcdef.hub.example.org:8443")
    assert not HOSTS.is_own("127.0.0.1:8443")
    assert not HOSTS.is_own("")
