"""What a choice of ours costs or saves, beside the usual thing: kept as long as the figure says so."""

import hashlib
import os
import time
from collections.abc import Callable

from twinpane_broker.cells.person_sets import digest

from .figures import Line, Spread

SET = 2_000_000
"""Bytes of a set of persons: half of 16 million, at random."""


def digests(repeat: int) -> list[Line]:
    """The digest that finds equal person sets (GMAC) beside BLAKE2b."""
    body = os.urandom(SET)
    pairs = [(_milliseconds(lambda: digest(body)), _milliseconds(lambda: hashlib.blake2b(body, digest_size=16))) for _ in range(repeat)]
    ours, plain = zip(*pairs, strict=True)
    ratio = Spread.of([one / other for one, other in pairs])
    note = "GMAC beside BLAKE2b, over a set of 2 MB; a table of twenty cells has twenty"
    return [Line("digest of a person set", "ms", Spread.of(ours), Spread.of(plain), ratio, pairs=repeat, note=note)]


def _milliseconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000
