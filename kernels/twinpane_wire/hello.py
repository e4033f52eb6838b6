"""What a site signs to prove who it is: for this hub, as this site, once."""

from twinpane_broker import canonical_json

PURPOSE = "twinpane-link:2"
"""The purpose of the signature. No other bytes that a site's key signs begin with it."""


def hello_message(hub: str, site: str, nonce: str) -> bytes:
    """The bytes of the signature. ``hub``: the address that the site dialled (``address.dialled``).

    A hub that relays another hub's challenge gets a signature that names its own address, which the other hub does not accept.
    """
    return canonical_json([PURPOSE, hub, site, nonce])
