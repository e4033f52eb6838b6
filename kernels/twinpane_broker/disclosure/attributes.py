"""The attributes that a question tells of: what an attacker who knows all else about everybody could try to work out.

They follow from question and catalogue alone. What the catalogue calls not sensitive in the table of persons (sex, age) is known to
anybody, and is no attribute. Other columns there are one each, as a person has one value: the numbers of one code give those of the others.
In a table of events each code is an attribute of its own, as a person has several; a list of most codes asks about the others too. Dates
and values are those of the codes that the question names, or of the table where it names none.
"""

from collections.abc import Iterator
from functools import cached_property

from twinpane_broker.catalogue.catalogue import Role, Table
from twinpane_broker.check.axes import Axis
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.table import Index
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.question.cohort import Aged, Event
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import CodeSet, In, Leaf, leaves

MOST_NAMED = 100
"""Codes of one list that are attributes of the question: the most frequent ones. Of any other it tells too little beside these."""


class Attributes:
    """The attributes of a question's sets."""

    def __init__(self, bound: ResolvedPlan) -> None:
        self._bound = bound

    def of(self, kept: tuple[int, ...], cell: Index) -> frozenset[str]:
        """The attributes that the persons of a cell are told by; with no axes kept, of all persons of the question."""
        found = set(self._of_cohort)
        for table in self._bound.plan.tables:
            found |= self._told(table, kept, cell)
        return frozenset(found)

    def of_values(self, column: str, kept: tuple[int, ...], cell: Index) -> frozenset[str]:
        """The attributes that a column's values in a cell tell of."""
        found = set[str]()
        for read in self._bound.read_by(column):
            table = self._bound.table(split(read)[0])
            found |= self._told(table.name, kept, cell) if self._is_of_events(table) else set(self._column(read))
        return frozenset(found)

    def _told(self, table: str, kept: tuple[int, ...], cell: Index) -> frozenset[str]:
        named = set(self._by_where.get(table, ()))
        for axis, place in zip(kept, cell, strict=True):
            told = self._tables_of_axes[axis]
            if told is None:
                named |= self._of_difference(self._bound.axes[axis].column, table)
            elif told == table:
                named |= self._by_category[axis][place]
        first = self._bound.firsts.get(table)
        return frozenset(named or (self._by_itself(self._bound.table(table)) if first is None else self._of_event(first.event)))

    @cached_property
    def _tables_of_axes(self) -> tuple[str | None, ...]:
        """The table of each axis; None for a difference of dates, which may be of two."""
        return tuple(None if self._bound.computed((axis.column,)) else split(axis.column)[0] for axis in self._bound.axes)

    @cached_property
    def _by_where(self) -> dict[str, set[str]]:
        """By table, the attributes that the conditions name."""
        found: dict[str, set[str]] = {}
        for leaf in leaves(self._bound.plan.where):
            if self._bound.computed((leaf.column,)):
                for table in {split(column)[0] for column in self._bound.read_by(leaf.column)}:
                    found.setdefault(table, set()).update(self._of_difference(leaf.column, table))
            else:
                found.setdefault(split(leaf.column)[0], set()).update(self._named(leaf))
        return found

    def _of_difference(self, column: str, table: str) -> set[str]:
        """The attributes of one table that a difference of dates names; of events it names none, so these are told by themselves."""
        return {name for read in self._bound.read_by(column) if split(read)[0] == table for name in self._stored(read)}

    @cached_property
    def _by_category(self) -> tuple[tuple[frozenset[str], ...], ...]:
        """By axis and category, the attributes that it names."""
        return tuple(tuple(frozenset(self._of_category(axis, place)) for place in range(len(axis.categories))) for axis in self._bound.axes)

    @cached_property
    def _of_cohort(self) -> frozenset[str]:
        cohort = self._bound.plan.cohort
        if cohort is None:
            return frozenset()
        found = {name for one in cohort.criteria if isinstance(one, Aged) for name in self._column(one.birth)}
        return frozenset(found.union(*map(self._of_event, cohort.events)))

    def _of_event(self, event: Event) -> set[str]:
        """The attributes that to have such an event tells of, however a question puts it."""
        named = {name for leaf in leaves(event.where) for name in self._named(leaf)}
        return named or self._by_itself(self._bound.catalogue.known_table(event.table))

    def _of_category(self, axis: Axis, place: int) -> Iterator[str]:
        category = axis.categories[place]
        if axis.arms:
            # A row is in a category also because no earlier comparison holds for it.
            for leaf, _ in axis.arms:
                yield from self._named(leaf)
        elif axis.bin is None and axis.width is None and category.kind is CategoryKind.code and category.value is not None:
            yield from self._named(In(column=axis.column, codes=(category.value,)))
        elif axis.bin is None and axis.width is None:
            yield from self._code(axis.column, f"({category.kind})")
        else:
            yield from self._column(axis.column)

    def _named(self, leaf: Leaf) -> Iterator[str]:
        if isinstance(leaf, In):
            yield from self._codes(leaf)
        else:
            yield from self._column(leaf.column)

    def _codes(self, leaf: In) -> Iterator[str]:
        shares = {code.value: code.share for code in self._bound.column(leaf.column).codes}
        # Which unlisted codes a vocabulary found is a fact of the data: they are one attribute, whether or not there are any.
        codes = [code for code in leaf.codes if code in shares]
        if isinstance(leaf, CodeSet):
            yield from self._code(leaf.column, f"({CategoryKind.other})")
        # To have one of these is to have none of the others, where everybody has one row. So few others are asked about as much.
        others = shares.keys() - set(codes)
        for told in (codes, [code for code in shares if code in others] if len(others) <= len(codes) else []):
            for code in sorted(told, key=lambda code: -shares[code])[:MOST_NAMED] if len(told) > MOST_NAMED else told:
                yield from self._code(leaf.column, str(code))

    def _code(self, column: str, code: str) -> Iterator[str]:
        if not self._is_of_events(self._bound.catalogue.known_table(split(column)[0])):
            yield from self._column(column)
        elif self._is_sensitive(column):
            followed, means = self._followed(column)
            yield from (f"{followed} = {one}" for one in means.get(code, (code,)))

    def _column(self, column: str) -> Iterator[str]:
        for read in self._bound.read_by(column):
            yield from self._stored(read)

    def _stored(self, column: str) -> Iterator[str]:
        if not self._is_of_events(self._bound.catalogue.known_table(split(column)[0])) and self._is_sensitive(column):
            yield self._followed(column)[0]

    def _followed(self, column: str) -> tuple[str, dict[str, list[str]]]:
        """The column that codes the same thing, with its codes by this one's: a name stands for its code. Otherwise the column itself."""
        table, name = split(column)
        known = self._bound.catalogue.known_table(table).column(name)
        if known is None or known.role is not Role.dimension or not known.follows or not known.given:
            return column, {}
        followed, means = f"{table}.{known.follows}", dict[str, list[str]]()
        if not self._is_sensitive(followed) or any(one.value is None for one in known.given):
            return column, {}
        for one in known.given:
            means.setdefault(str(one.value), []).append(str(one.code))
        return followed, means

    def _by_itself(self, table: Table) -> set[str]:
        """To have a row in it tells nothing if everybody has one."""
        return {table.name} if self._is_of_events(table) else set()

    def _is_of_events(self, table: Table) -> bool:
        return self._bound.catalogue.home(table) is not None

    def _is_sensitive(self, column: str) -> bool:
        table, name = split(column)
        known = self._bound.catalogue.known_table(table).column(name)
        return known is None or known.sensitive
