"""Whether the hub lies on the site's own machine, where its clear kernels could hear the site's inside kernels."""

import contextlib
import socket
from urllib.parse import urlsplit

WARNING = (
    "The hub is on this machine: its clear kernels and this site's inside kernels share processors, page cache and disks here, and can "
    "signal to each other through them past the meter. That is for trying out, not for data of patients: keep hub and site on "
    "machines of their own."
)


def on_this_machine(url: str) -> bool:
    """Whether one of the addresses of the URL's host is this machine's own; a host that has none is not."""
    try:
        found = socket.getaddrinfo(urlsplit(url).hostname, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return False
    return any(_own(family, address[0]) for family, _, _, _, address in found)


def _own(family: int, address: str | int) -> bool:
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.bind((address, 0))
        return True
    return False
