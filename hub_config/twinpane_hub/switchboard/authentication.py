"""Authenticate who dials in: the hub vouches for a pane's token, and an agent signs with its site's key."""

import inspect
import re
import secrets
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from twinpane_ground.closing import Closing
from twinpane_hub.projects import Directory, HubSilent, NotAdmitted, token_hash
from twinpane_wire.hello import hello_message
from twinpane_wire.messages import Principal, SiteHello

from .catalogue_store import PinnedKeys
from .link_ended import LinkEnded, Unsaid

Identify = Callable[[str, str], "Principal | Awaitable[Principal | None] | None"]
"""``identify(token, project)``: the principal; None for an unknown token; raises NotAdmitted with a reason to show."""


def bearer(header: str | None) -> str:
    """The token of an Authorization header, in the hub's form (``token T``) or the usual one (``Bearer T``); raises LinkEnded."""
    match = re.fullmatch(r"(?:token|bearer) +([\x21-\x7e]{1,500})", header or "", re.IGNORECASE)
    if match is None:
        raise LinkEnded(Closing.not_proven, "no token: send the header Authorization: token T")
    return match[1]


async def identified(identify: Identify, token: str, project: str) -> Principal:
    """The principal behind a token, for that project; raises LinkEnded, Unsaid where the hub does not say."""
    try:
        answer = identify(token, project)
        principal = await answer if inspect.isawaitable(answer) else answer
    except HubSilent as error:
        raise Unsaid(Closing.not_admitted, str(error)) from None
    except NotAdmitted as error:
        raise LinkEnded(Closing.not_admitted, str(error)) from None
    if principal is None or principal.project != project:
        raise LinkEnded(Closing.not_proven, "the hub does not know this token: sign in again")
    return principal


def new_nonce() -> str:
    """A fresh challenge: 32 random bytes, in hexadecimal."""
    return secrets.token_hex(32)


def verify_hello(hello: SiteHello, nonce: str, directory: Directory, pins: PinnedKeys, own: Collection[str]) -> None:
    """Check that a site means this hub, that its signature is valid, and that its key is the pinned one.

    The first visit pins the key, if it brings the one-time token. ``own``: the addresses at which sites reach us. Raises LinkEnded.
    """
    if hello.hub not in own:
        raise LinkEnded(Closing.not_proven, "the site dialled an address that is none of this hub's: see switchboard_urls in hub.toml")
    signed = hello_message(hello.hub, hello.site, nonce)
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(hello.public_key)).verify(bytes.fromhex(hello.signature), signed)
    except (InvalidSignature, ValueError):
        raise LinkEnded(Closing.not_proven, "the signature of the challenge does not match the key") from None
    site = directory.sites.get(hello.site)
    if site is None:
        raise LinkEnded(Closing.not_admitted, f"site {hello.site} is not listed at this hub")
    try:
        known = site.public_key or pins.get(hello.site)
    except ValueError as error:
        raise LinkEnded(Closing.not_proven, str(error)) from None
    if known is None:
        if wrong := site.refuses_token(hello.token, datetime.now(UTC)):
            raise LinkEnded(Closing.not_proven, f"first visit of site {hello.site}: the one-time token {wrong}")
        if not pins.use_up(token_hash(hello.token)):
            raise LinkEnded(Closing.not_proven, f"first visit of site {hello.site}: the one-time token was used before")
        try:
            pins.pin(hello.site, hello.public_key)
        except FileExistsError:
            raise LinkEnded(Closing.not_proven, f"site {hello.site} came with another key at the same moment") from None
    elif not secrets.compare_digest(known, hello.public_key):
        raise LinkEnded(Closing.not_proven, f"site {hello.site} is known under another key: the hub's administrator can forget that one")
