"""What a twin is made from, as one digest: the name under which it can be kept and found again."""

import hashlib
from collections.abc import Sequence

from twinpane_broker import Catalogue, canonical_json

PERSONS = 1000
"""Persons of a twin, unless said otherwise."""
METHOD = 1
"""Raised whenever the same catalogue, number and seed would give other values than before."""


def twin_digest(catalogues: Sequence[Catalogue], persons: int = PERSONS, seed: int = 0) -> str:
    """SHA-256 in hexadecimal of all that the twin's values depend on; the order of the catalogues does not matter."""
    recipes = [c.published.model_dump(mode="json") for c in sorted(catalogues, key=lambda c: c.site)]
    return hashlib.sha256(canonical_json({"method": METHOD, "persons": persons, "seed": seed, "catalogues": recipes})).hexdigest()
