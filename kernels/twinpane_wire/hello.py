"""What a site signs to prove who it is: for this hub, as this site, once."""

from twinpane_broker import canonical_json

PURPOSE = "twinpane-link:2"
"""What the signature is for; nothing else that a site's key signs begins so."""


def hello_message(hub: str, site: str, nonce: str) -> bytes:
    """The bytes of the signature. ``hub``: the address that the site dialled (``address.dialled``).

    A hub that relays another's challenge gets a signature that names itself, which is of no use to it there.
    """
    return canonical_json([PURPOSE, hub, site, nonce])
