"""The uses of the site's key for the broker: it signs releases, and the secret of cell-key noise is derived from it."""

import hashlib

from twinpane_broker import SIGNED_AS, Release

from .keys import SiteKey

NOISE = b"twinpane-cell-key-noise:"
"""The secret of cell-key noise is made of the site key's signature of this, which is given out nowhere."""


def noise_secret(key: SiteKey) -> bytes:
    """The site's secret of cell-key noise, 32 bytes: the same for as long as the site keeps its key."""
    return hashlib.sha256(key.sign(NOISE).encode()).digest()


def signed(release: Release, key: SiteKey) -> Release:
    """The release with the site's signature over all of its content."""
    return release.model_copy(update={"signature": key.sign(SIGNED_AS + release.content)})
