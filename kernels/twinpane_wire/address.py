"""Where a hub's switchboard is: both ends of the link are told the hub's address, as people copy it from the browser."""

from urllib.parse import urlsplit, urlunsplit

SERVICE = "/services/switchboard"
"""Where the hub proxies its switchboard."""


def switchboard_url(hub: str) -> str:
    """The switchboard of a hub: ``https://hub.example`` → ``wss://hub.example/services/switchboard``; ``ws(s)://…`` is taken as it is.

    Raises ValueError for what is no such address.
    """
    parts = urlsplit(hub)
    if parts.scheme in ("ws", "wss") and parts.netloc:
        return hub.rstrip("/")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"{hub} is not a hub's address: write https://…")
    path = parts.path.rstrip("/").removesuffix("/hub").removesuffix(SERVICE)
    return urlunsplit(("wss" if parts.scheme == "https" else "ws", parts.netloc, path + SERVICE, "", ""))
