"""Sums of many sets at once, where one answer released them together: the cells of a table, added up to nearly all of a new set.

What ``differencing`` does for every one and every two sets, this does for the disjoint sets of single answers, largest first. What it
finds is there; it need not find all: a cell whose witnesses are among the few whom it has outside the new set is passed over.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet, near

from .candidate_set import CandidateSet


def is_near_a_sum(newcomer: CandidateSet, together: NDArray[np.int64]) -> bool:
    """Whether disjoint sets that one answer released, or the decision under way admitted ``together``, are nearly the newcomer."""
    known, cover, k = newcomer.known, newcomer.cover, newcomer.threshold
    parts = known.shelf.probably_inside(newcomer.who) & (known.shelf.persons < newcomer.persons + k)
    answers, members = known.memberships
    answers = np.concatenate([answers, np.full(len(together), known.families)])
    members = np.concatenate([members, together])
    held = np.bincount(answers, np.where(parts, cover.counts, 0)[members], minlength=1)
    likely = (held > cover.size - k)[answers] & parts[members]
    answers, members = answers[likely], members[likely]
    looked_at: set[bytes] = set()
    for start, stop in pairwise([*np.flatnonzero(np.diff(answers, prepend=-1)).tolist(), len(answers)]):
        some = members[start:stop]
        if some.tobytes() in looked_at or cover.bits[:, some].any(axis=1).sum() <= cover.size - k:
            continue
        looked_at.add(some.tobytes())
        largest_first = some[np.argsort(-known.shelf.persons[some], kind="stable")]
        if _counts_leave_a_few(newcomer, largest_first) and near(newcomer.who, _sum(newcomer, largest_first), k):
            return True
    return False


def _counts_leave_a_few(newcomer: CandidateSet, parts: NDArray[np.int64]) -> bool:
    """What ``_sum`` would leave of the newcomer, and add to it, judged by the counts of the pictures alone."""
    left = newcomer.counts.copy()
    for counts in newcomer.known.shelf.counts[parts]:
        rest = left - counts
        if np.maximum(np.minimum(counts, -rest), 0).sum() < newcomer.threshold:
            left = rest
    return bool(left.any()) and abs(left[left > 0].sum()) < newcomer.threshold and abs(left[left < 0].sum()) < newcomer.threshold


def _sum(newcomer: CandidateSet, parts: Iterable[int]) -> PersonSet:
    """The first of the parts that are nearly in the newcomer and have nobody in common."""
    together, spilled = PersonSet(), 0
    for number in parts:
        part = newcomer.known.who(number)
        outside = len(part) - part.intersection_cardinality(newcomer.who)
        if spilled + outside < newcomer.threshold and not part.intersect(together):
            spilled += outside
            together |= part
    return together
