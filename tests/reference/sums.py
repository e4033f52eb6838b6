"""The numbers that a reader can add up from those of earlier sets, near a set that was asked about: the slow way, as masks of bits."""

from collections.abc import Collection, Iterator
from itertools import combinations, permutations

from twinpane_broker.rules.policy import Rules

from .numbers import rounded

Persons = frozenset


def is_sum_for(number: int, who: Persons, rules: Rules, earlier: Collection[Persons], whole: Persons) -> bool:
    """Whether a number of persons is a sum or difference of the numbers of earlier sets, and of the question's, that the set is like.

    What two sets share, or are together, is like an earlier set, or like nobody, at the asked set's distance too: it is drawn, so here it
    is the largest that may be. At the threshold it would be a scale for one person.
    """
    return any(number in some for some in _sums(who, rules, earlier, whole))


def sums_for(who: Persons, rules: Rules, earlier: Collection[Persons], whole: Persons) -> set[int]:
    """All numbers of which this is so."""
    return {number for some in _sums(who, rules, earlier, whole) for number in some}


def _sums(who: Persons, rules: Rules, earlier: Collection[Persons], whole: Persons) -> Iterator[Collection[int]]:
    """Of sums of many sets it is only asked that the earlier sets cover the set, and that the number is not further off than it may be."""
    places = {person: at for at, person in enumerate(sorted(whole.union(who, *earlier)))}
    new, *old = (sum(1 << places[person] for person in each) for each in (who, *dict.fromkeys(earlier)))
    covered, most = 0, rules.most_about
    for one in old:
        if (one & ~new).bit_count() <= most:
            covered |= one
    if (new & ~covered).bit_count() <= most:
        off = rules.most_about_sum + rules.base
        yield range(new.bit_count() - off, new.bit_count() + off + 1)
    asked = [] if whole == who or whole in earlier else [sum(1 << places[person] for person in whole)]
    yield from (rounded(one, rules.base) for one in _of_two(new, old + asked, rules))


def _of_two(new: int, old: list[int], rules: Rules) -> Iterator[int]:
    most = rules.most_about
    for x, y in combinations(old, 2):
        if _alike(x | y, new, most):
            yield from (_size(x, y) - m for m in _shared(x & y, old, most))
        if _alike(x & y, new, most):
            yield from (_size(x, y) - z.bit_count() for z in old if _alike(z, x | y, most))
    for z, x in permutations(old, 2):
        if _alike(x | new, z, most):
            yield from (z.bit_count() - x.bit_count() + m for m in _shared(x & new, old, most))


def _shared(both: int, old: list[int], most: int) -> Iterator[int]:
    if both.bit_count() <= most:
        yield 0
    yield from (m.bit_count() for m in old if _alike(m, both, most))


def _size(*sets: int) -> int:
    return sum(one.bit_count() for one in sets)


def _alike(one: int, other: int, most: int) -> bool:
    return (one & ~other).bit_count() <= most and (other & ~one).bit_count() <= most
