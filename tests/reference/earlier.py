"""The sets that were released before an answer, and what may be shown beside them: the number of one, a sum, or what is left of one."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.rules.policy import Rules

from .cells import Key
from .numbers import rounded
from .regions import Part, sums
from .sums import Persons, is_sum_for, sums_for


@dataclass(frozen=True)
class Earlier:
    """What was released before an answer."""

    sets: tuple[Persons, ...]
    sure: tuple[Persons, ...]
    """Those whose own numbers were shown, and so are remembered."""
    whole: Persons
    """The persons of the question itself, whose number leaves with any answer."""

    left_over: tuple[Persons, ...] = ()
    """Of each line of a cell whose total is shown with its own number: the persons who are in no other cell that is."""

    left_of_another: tuple[int, ...] = ()
    """Of a table of one dimension beside another set's number: what may be left of that, which is known as it is rounded only."""

    known: tuple[Persons, ...] = ()
    """The sets around the one that is judged of which everybody may know the size: they count as released."""

    parts: tuple[Part, ...] = ()
    """Those of the set that is judged, where it is told as the sum of their numbers."""

    def may_be_summed(self, who: Persons, rules: Rules) -> bool:
        """Whether no earlier set is nearer than any distance that may be drawn: such a one would stand in itself."""
        near = stand_ins(who, rules, self.sure)
        return all(max(len(old - who), len(who - old)) >= rules.threshold for old in near)

    def may_show(self, number: int | None, who: Persons, rules: Rules) -> bool:
        """Whether a number of persons may be shown for a set, marked: an earlier set's that it equals or is near, or else a sum of some."""
        if number is None:
            return False
        if any(number in rounded(len(old), rules.base) for old in self.around(who, rules)):
            return True
        if number in self.left_of_another and abs(number - len(who)) <= rules.most_about + rules.base:
            return True
        if any(who <= rest and number in rounded(len(rest), rules.base) and len(rest - who) <= rules.most_about for rest in self.left_over):
            return True
        if self.parts and number in sums(who, self.parts, rules, lambda part: self._numbers(part, rules)):
            return True
        asked = [who, *(old for old in self.around(who, rules) if old in self.known)]
        return any(self.may_be_summed(one, rules) and is_sum_for(number, one, rules, self.sets, self.whole) for one in asked)

    def _numbers(self, part: Persons, rules: Rules) -> set[int]:
        """What may be told of a part: its own number, an earlier set's, or what can be added up."""
        near = set().union(*(rounded(len(old), rules.base) for old in (part, *stand_ins(part, rules, self.sets))))
        return near | sums_for(part, rules, self.sets, self.whole)

    def around(self, who: Persons, rules: Rules) -> list[Persons]:
        """The sets whose numbers may stand in for a set, or for a known one that does so."""
        every = (*self.sets, *self.known)
        near = stand_ins(who, rules, every)
        known = [old for old in near if old in self.known]
        return list(dict.fromkeys([*near, *(other for old in known for other in stand_ins(old, rules, every))]))


def stand_ins(who: Persons, rules: Rules, earlier: Collection[Persons]) -> list[Persons]:
    """The earlier sets whose numbers may be shown for a set: those that equal it, or lack fewer than twice the threshold less one of its
    persons, and it of theirs. How many fewer, from the threshold on, is drawn for each description, so that no reader knows it.
    """
    most = rules.most_about
    return [
        old for old in earlier
        if abs(len(old) - len(who)) <= most and len(old - who) <= most and len(who - old) <= most
    ]  # fmt: skip


def open_axes(key: Key) -> list[int]:
    """The axes of which a row has a category, and not the total."""
    return [axis for axis, each in enumerate(key) if each.kind is not CategoryKind.total]


def left_of_another(total: int, key: Key, shown: Mapping[Key, Persons], rules: Rules) -> tuple[int, ...]:
    """What may be left of another set's number, which is rounded and stands for the question's persons, beside the cells of a line that
    are shown with their own: the line of which the question's persons are the total, in the table or in its totals."""
    others = frozenset[str]().union(*(who for other, who in shown.items() if other != key and open_axes(other) == open_axes(key)))
    off = 2 * rules.base
    return tuple(set().union(*(rounded(total - len(others) + more, rules.base) for more in range(-off, off + 1))))


def left_over(key: Key, own: Mapping[Key, Persons], everybody: Persons) -> Iterator[Persons]:
    """Of each line of a cell whose total is told as its own number: the persons who are in none of the line's other cells that are.

    ``own``: the persons of the rows that show their own number. That of ``everybody`` in the question is told with any answer.
    """
    total = Category(kind=CategoryKind.total)
    for axis in open_axes(key):
        before, after = key[:axis], key[axis + 1 :]
        line = {cell[axis]: who for cell, who in own.items() if (cell[:axis], cell[axis + 1 :]) == (before, after)}
        whole = everybody if all(each.kind is CategoryKind.total for each in (*before, *after)) else line.get(total)
        if whole is not None:
            yield whole.difference(*(who for category, who in line.items() if category not in (total, key[axis])))
