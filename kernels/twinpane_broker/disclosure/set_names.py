"""Names person sets by how questions describe them: conditions, tables, cohort and category, never by who is in them.

Two questions of one catalogue that describe a set alike get the same set whatever the data hold, so that nothing is told by showing its
own number again. Which codes are *other* is the catalogue's: so a name is one beside the catalogue's digest.

A name is the digests of what describes the set, in order: so the name of a category of a set follows from the set's name.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from twinpane_broker.check.axes import Axis, days_of_bin, wider_axes
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.table import Index
from twinpane_broker.model import canonical_json
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.question.firsts import DAY
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import CodeValue, In, Predicate, Window, code_order

DIGEST = 16
"""Bytes of a name's digests."""
Differences = Mapping[str, list[str | None]]
"""What differences of dates are, by name."""
Part = tuple[bytes, frozenset[bytes]]
"""The name of a category, and those of the terms of WHERE that hold for each of its rows, whatever the data are."""


class SetNames:
    """The names of a question's sets: the whole, and each cell of its tables of totals."""

    def __init__(self, bound: ResolvedPlan, whole: bytes | None = None) -> None:
        """``whole`` is the name of the set that the question's persons are, where that is another than its own description."""
        self._bound = bound
        self._given = whole
        self._names: dict[tuple[tuple[int, ...], Index], bytes] = {}

    def of(self, kept: tuple[int, ...], cell: Index) -> bytes:
        """The name of a cell's persons; with no axes kept, that of all persons of the question."""
        if (kept, cell) not in self._names:
            self._names[kept, cell] = self._name(kept, cell)
        return self._names[kept, cell]

    def around(self, kept: tuple[int, ...], cell: Index) -> frozenset[bytes]:
        """The names of the totals of a cell: of its lines, and of all persons of the question."""
        return frozenset[bytes]().union(*(self.of_line(kept, cell, axis) for axis in range(len(kept))), {self.of((), ())})

    def of_line(self, kept: tuple[int, ...], cell: Index, axis: int) -> frozenset[bytes]:
        """The names of the total of one line of a cell, and of all persons of the question; of these alone for the whole table (-1)."""
        line = self.of(kept[:axis] + kept[axis + 1 :], cell[:axis] + cell[axis + 1 :]) if axis >= 0 else self.of((), ())
        return frozenset({line, self.of((), ())})

    def wider(self, kept: tuple[int, ...], cell: Index) -> Iterator[tuple[bytes, tuple[Index, ...]]]:
        """The name of each wider bin that holds a cell, and all cells that it holds: they make it up whatever the data are."""
        own = [self._category(axis, place) for axis, place in zip(kept, cell, strict=True)]
        for at, (axis, place) in enumerate(zip(kept, cell, strict=True)):
            for part, places in self._wider.get(axis, {}).get(place, ()):
                held = tuple((*cell[:at], each, *cell[at + 1 :]) for each in places)
                yield self._named([*own[:at], part, *own[at + 1 :]]), held

    def together(self, kept: tuple[int, ...], cells: Iterable[Index]) -> bytes:
        """The name of the persons who are in any of these cells."""
        return hashlib.blake2b(b"".join(sorted(self.of(kept, cell) for cell in cells)), digest_size=DIGEST).digest()

    def _name(self, kept: tuple[int, ...], cell: Index) -> bytes:
        return self._named([self._category(axis, place) for axis, place in zip(kept, cell, strict=True)])

    def _named(self, found: list[Part]) -> bytes:
        implied = frozenset[bytes]().union(*(more for _, more in found))
        return b"".join(sorted({*(self._whole - implied), *(name for name, _ in found)}))

    @cached_property
    def _wider(self) -> dict[int, dict[int, list[tuple[Part, tuple[int, ...]]]]]:
        """By axis and place, the categories of wider bins that hold a bin: their names, and the places of all the bins that they hold."""
        found: dict[int, dict[int, list[tuple[Part, tuple[int, ...]]]]] = {}
        for at, axis in enumerate(self._bound.axes):
            for wide, holds in wider_axes(axis):
                for place, held in enumerate(holds):
                    part = self._part(wide, place) if held else (b"", frozenset[bytes]())
                    for each in held:
                        found.setdefault(at, {}).setdefault(each, []).append((part, held))
        return found

    @cached_property
    def _whole(self) -> frozenset[bytes]:
        if self._given is not None:
            return frozenset(self._given[at : at + DIGEST] for at in range(0, len(self._given), DIGEST))
        return frozenset({_digest(canonical_json(self._around).decode()), *self._terms.values()})

    @cached_property
    def _terms(self) -> Mapping[Predicate, bytes]:
        return {term: _digest(_term(term, self._differences)) for term in terms_of(self._bound.plan.where)}

    @cached_property
    def _differences(self) -> Differences:
        """What differences of dates are, by what this question calls them."""
        return {one.name: [one.since, one.until, one.unit] for one in self._bound.plan.differences}

    def _category(self, axis: int, place: int) -> Part:
        if (axis, place) not in self._categories:
            self._categories[axis, place] = self._part(self._bound.axes[axis], place)
        return self._categories[axis, place]

    def _part(self, axis: Axis, place: int) -> Part:
        implied = frozenset(name for term, name in self._terms.items() if _holds_throughout(term, axis, place))
        return _digest(_category(axis, place, self._differences)), implied

    @cached_property
    def _categories(self) -> dict[tuple[int, int], Part]:
        return {}

    @property
    def _around(self) -> Mapping[str, Any]:
        plan, catalogue = self._bound.plan, self._bound.catalogue
        homes = {home.name for table in plan.tables if (home := catalogue.home(self._bound.table(table))) is not None}
        # Joined to its persons, a table of events has the persons that it has alone.
        cohort = plan.cohort.digest() if plan.cohort is not None else None
        # A table of first events is named by its events; where others stand for these (``known_plans``), by them.
        tables = (first.name if (first := self._bound.firsts.get(name)) else name for name in set(plan.tables) - homes)
        return _described(sorted(tables), _joins(self._bound), cohort)


def name_of_everybody(table: str) -> bytes:
    """The name of all persons of a table."""
    return _digest(canonical_json(_described([table], [], None)).decode())


def _described(tables: list[str], joins: list[list[str]], cohort: str | None) -> Mapping[str, Any]:
    return {"tables": tables, "joins": joins, "cohort": cohort}


def _digest(of: str) -> bytes:
    return hashlib.blake2b(of.encode(), digest_size=DIGEST).digest()


def _term(term: Predicate, differences: Differences) -> str:
    if isinstance(term, In):
        term = In(column=term.column, codes=tuple(sorted(term.codes, key=code_order)))
    return canonical_json(_told(term.model_dump(mode="json"), differences)).decode()


def _told(part: Any, differences: Differences) -> Any:
    """A part of a question, with what each difference of dates is instead of its name."""
    if isinstance(part, dict):
        return {key: differences.get(value, value) if key == "column" else _told(value, differences) for key, value in part.items()}
    return [_told(each, differences) for each in part] if isinstance(part, list) else part


def _joins(bound: ResolvedPlan) -> list[list[str]]:
    """The pairs of keys by which rows are joined. Rows join within one person anyway, so person keys say nothing more."""
    persons = {f"{name}.{bound.table(name).person_key}" for name in bound.plan.tables}
    return sorted(sorted((join.left, join.right)) for join in bound.plan.joins if not {join.left, join.right} <= persons)


def _category(axis: Axis, place: int, differences: Differences) -> str:
    """A category as the condition that it is: codes, listed by a case too, have the name of a condition on these codes alone."""
    column = differences.get(axis.column, axis.column)
    if codes := _codes(axis, place):
        return _term(In(column=axis.column, codes=tuple(codes)), differences)
    if axis.arms:
        # What a case is called says nothing of who is in it: the first arm that holds for a row decides.
        arms = [[_term(leaf, differences), at == place] for leaf, at in axis.arms]
        return canonical_json({"column": column, "arms": arms, "rest": axis.rest == place}).decode()
    value = axis.categories[place].model_dump(mode="json", exclude={"label"})
    means = {"column": column, "bin": axis.bin, "width": axis.width, "category": value, "among": _bins_around(axis, place)}
    return canonical_json(means).decode()


def _codes(axis: Axis, place: int) -> frozenset[CodeValue]:
    """The codes that a category holds; none if other things decide: it is a bin, all other codes, or a case that lists no codes."""
    if not axis.arms:
        category = axis.categories[place]
        plain = category.kind is CategoryKind.code and axis.bin is None and axis.width is None
        return frozenset({category.value}) if plain and category.value is not None else frozenset()
    if place == axis.rest:
        return frozenset()
    own, earlier = set[CodeValue](), set[CodeValue]()
    last = max(at for at, (_, arm) in enumerate(axis.arms) if arm == place)
    for leaf, arm in axis.arms[: last + 1]:
        if type(leaf) is not In:
            return frozenset()
        (own if arm == place else earlier).update({*leaf.codes} - own - earlier)
    return frozenset(own)


def _holds_throughout(term: Predicate, axis: Axis, place: int) -> bool:
    """Whether a condition says no more than a category does: codes of which it is one, days among which it lies."""
    if not isinstance(term, In | Window) or term.column != axis.column:
        return False
    if isinstance(term, In):
        codes = _codes(axis, place)
        return bool(codes) and codes <= {*term.codes}
    span = days_of_bin(axis, place)
    if span is None:
        return False
    start, end = span
    begins = term.start is None or term.start < start or (term.start == start and not term.after)
    return begins and (term.end is None or end <= term.end)


def _bins_around(axis: Axis, place: int) -> list[str | bool]:
    """What else decides who is in a bin: whether values below or beyond all bins are in it; of the days in no bin, which bins there are."""
    if axis.width is not None and place < len(axis.values):
        return [place == 0, place == len(axis.values) - 1]
    if axis.bin is not None and place == axis.other:
        return [str(axis.values[0]), str(axis.end)] if axis.values else []
    return []


def meaning_of(bound: ResolvedPlan, columns: str) -> str:
    """What the values of one column or of two mean: it follows from what they are, not from how a question puts them."""
    return " ".join(sorted(_meaning(bound, column) for column in columns.split()))


def _meaning(bound: ResolvedPlan, column: str) -> str:
    days = bound.difference(column)
    # Counted backwards, the days are the same but for their sign.
    return _stored(bound, column) if days is None else "-".join(sorted((_stored(bound, days.since), _stored(bound, days.until))))


def _stored(bound: ResolvedPlan, reference: str) -> str:
    """A column; of a first event the one that tells its day or value, since one event can be described in many ways."""
    table, name = split(reference)
    first = bound.firsts.get(table)
    if first is None:
        return reference
    return f"{first.event.table}.{first.event.date if name == DAY else name}"
