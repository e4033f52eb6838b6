"""Random numbers that are the same on every machine and with every version of numpy.

Numpy promises stable streams for its bit generators, not for its distributions, so only raw bits are used, and only
operations on them that IEEE 754 fixes to the last bit.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Streams:
    """Independent uniform numbers by name: what one column draws does not shift what another draws."""

    def __init__(self, seed: int, site: str) -> None:
        self._root = f"{seed}\n{site}"

    def uniform(self, count: int, *names: str) -> Floats:
        """``count`` numbers in [0, 1), a function of the seed, the site and the names."""
        digest = hashlib.sha256("\n".join((self._root, *names)).encode()).digest()
        bits = np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest))).random_raw(count)
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
