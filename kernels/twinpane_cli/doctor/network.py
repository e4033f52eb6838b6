"""Ports, and the clock beside the hub's."""

import http.client
import ssl
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from twinpane_ground.ports import Holder, holder, is_free

from .diagnosis import Diagnosis, fine, warning, wrong

PATIENCE_S = 5.0
APART_S, FAR_APART_S = 5.0, 60.0
"""Seconds from which clocks that differ are a warning, and from which they are wrong: days of budgets begin by them."""


def port(name: str, number: int, host: str, own: Callable[[Holder], bool]) -> Diagnosis:
    """Whether a port of the settings is free, or held by the program that it is for (``own``)."""
    title, by = f"port {number} ({name})", holder(number)
    if by is not None and own(by):
        return fine(title, f"it is used by this one, which runs: {by}")
    try:
        if is_free(number, host):
            return fine(title, f"it is free at {host}")
    except OSError as error:
        return wrong(title, f"this machine has no address {host} ({error.strerror})", "correct the address in the settings")
    said = f"{by} uses it" if by else f"it cannot be used at {host}: another program or user has it, or the address or number is not ours"
    return wrong(title, said, f"stop that program, or set another `{name}`")


def date_of(url: str) -> tuple[float, float]:
    """The Date of the server at an address (Unix time), and this machine's own time halfway between question and answer.

    Raises OSError, http.client.HTTPException, or ValueError where it says none.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme in ("https", "wss"):
        connection = http.client.HTTPSConnection(host, parts.port, timeout=PATIENCE_S, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=PATIENCE_S)
    try:
        before = time.time()
        connection.request("HEAD", "/hub/health")
        said = connection.getresponse().getheader("Date")
        after = time.time()
    finally:
        connection.close()
    if not said:
        raise ValueError("it says no time")
    return parsedate_to_datetime(said).timestamp(), (before + after) / 2


def clock(url: str, ask: Callable[[str], tuple[float, float]] = date_of) -> Diagnosis:
    """How far this machine's clock is from the hub's."""
    remedy = "have both machines set their clocks by NTP (systemd-timesyncd or chrony)"
    try:
        theirs, ours = ask(url)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return warning("clock", f"the hub's time cannot be asked at {url} ({error})", "see that the hub runs and that the address is right")
    apart = max(0.0, abs(theirs + 0.5 - ours) - 0.5)  # the header has whole seconds
    found = f"it is {apart:.0f} s from the hub's"
    if apart >= FAR_APART_S:
        return wrong("clock", found, remedy)
    return warning("clock", found, remedy) if apart >= APART_S else fine("clock", found)
