"""Where a hub's switchboard is. Both ends of the link are given the hub's address, as people copy it from the browser.

The address also identifies the hub: a site signs the address that it dialled, and a switchboard accepts only its own.
"""

import ipaddress
from urllib.parse import urlsplit, urlunsplit

SERVICE = "/services/switchboard"
"""Where the hub proxies its switchboard."""
PORTS = {"ws": 80, "wss": 443}


def switchboard_url(hub: str) -> str:
    """The switchboard of a hub: ``https://hub.example`` → ``wss://hub.example/services/switchboard``; ``ws(s)://…`` stays as it is.

    Raises ValueError for anything else.
    """
    parts = urlsplit(hub)
    if parts.scheme in ("ws", "wss") and parts.netloc:
        return hub.rstrip("/")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"{hub} is not a hub's address: write https://…")
    path = parts.path.rstrip("/").removesuffix("/hub").removesuffix(SERVICE)
    return urlunsplit(("wss" if parts.scheme == "https" else "ws", parts.netloc, path + SERVICE, "", ""))


def dialled(url: str) -> str:
    """The normal form of a switchboard's address: lower case, no default port, no trailing slash, ``127.0.0.1`` for localhost.

    Raises ValueError for anything but ``ws(s)://host[:port][/path]``.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in PORTS or not host or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{url} is not a switchboard's address")
    host = "127.0.0.1" if host == "localhost" else host
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{shown}{port}{parts.path.rstrip('/')}"


def stays_private(url: str) -> bool:
    """Whether nobody on the way can read or change what is sent to that address: it is encrypted, or does not leave the machine."""
    parts = urlsplit(url)
    return parts.scheme in ("wss", "https") or is_loopback(parts.hostname or "")


def is_address(host: str) -> bool:
    """Whether a host is a number, and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
