"""The threshold rule of a site, as its release states it."""

import re

from twinpane_broker.release import Release

_FEWER = re.compile(r"fewer than (\d{1,5}) persons")


def threshold(release: Release) -> int | None:
    """How many persons a number must be about at least to be released; None where the release's rules tell none."""
    return next((int(found[1]) for rule in release.rules if (found := _FEWER.search(rule))), None)
