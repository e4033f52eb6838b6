"""Whether a set may be released beside the known ones: all rules, in order, the cheap ones first."""

from collections.abc import Sequence

import numpy as np

from twinpane_broker.cells.person_sets import PersonSet

from .candidate_set import CandidateSet
from .differencing import completes_a_union, is_near_a_set, is_near_a_union
from .intersections import completes_an_intersection
from .partitions import is_near_a_sum
from .released_sets import ReleasedSets


def singles_out(who: PersonSet, threshold: int, known: ReleasedSets, together: Sequence[int] = ()) -> bool:
    """Whether numbers about a set and about known ones would together tell of fewer than ``threshold`` persons.

    ``who`` is neither known nor empty. ``together`` are the known sets that the same answer is to release.
    """
    if len(who) < threshold:
        return True
    if not len(known):
        return False
    newcomer = CandidateSet(who, threshold, known)
    return (
        is_near_a_set(newcomer)
        or is_near_a_union(newcomer)
        or completes_a_union(newcomer)
        or completes_an_intersection(newcomer)
        or is_near_a_sum(newcomer, np.array(together, dtype=np.int64))
    )
