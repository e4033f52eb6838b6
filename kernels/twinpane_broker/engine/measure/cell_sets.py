"""Finds the exact persons of every cell: by set algebra if the person-set index is enough, otherwise from the rows.

The index knows who has *a* row that holds a code. This is enough for a table with one row per person. It is enough for a table of events
if the question looks at one dimension only. With two dimensions, a person may have both codes, but never on the same row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from twinpane_broker.catalogue.catalogue import Role
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.index.streams import persons_of, sets_of
from twinpane_broker.engine.sql.category_keys import AxisKey
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Question, joins_persons, persons_sql, population_sql
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import In, Leaf, Missing, Predicate, conjuncts, leaves

from .leaf_sets import LeafSets, allowed_codes, holding

Cell = tuple[int, ...]


@dataclass(frozen=True)
class Persons:
    """The exact person sets of a question, as in ``Evidence``, without empty cells."""

    population: PersonSet
    who: PersonSet
    cells: dict[Cell, PersonSet]
    looks_at: "dict[str, EventTable] | None" = None
    """What the question looks at in each of its tables of events, where the cells are by the index."""


@dataclass
class EventTable:
    """The part of a question that concerns one table of events: conditions and an axis, all over one dimension."""

    column: str | None = None
    conditions: list[Predicate] = field(default_factory=list)
    axis: int | None = None
    """The place of the axis among the question's."""

    @property
    def dimension(self) -> str:
        """The column, where there is one; raises ValueError otherwise."""
        if self.column is None:
            raise ValueError("the question looks at no dimension of the table")
        return self.column

    def codes(self, bound: ResolvedPlan, sets: LeafSets) -> list[int | None]:
        """The codes that the conditions allow. Only if there is a dimension."""
        return allowed_codes(self.conditions, bound.column(self.dimension), sets.unlisted(self.dimension))

    def takes(self, column: str) -> bool:
        """Whether the question would still look at only one dimension if it also looked at this one."""
        if self.column is None:
            self.column = column
        return self.column == column


def persons_of_cells(question: Question, store: Store, sets: LeafSets, runner: Runner, cohort: PersonSet | None) -> Persons:
    """The persons of the question and of its cells; ``cohort`` are those of its cohort."""
    population = _population(question, store, sets, runner)
    events = _by_index(question, store)
    if events is not None:
        who = population if cohort is None else population & cohort
        for table in question.bound.firsts:
            who = who & sets.present(table)
        return _indexed(question, events, population, who, sets)
    keys = question.keys
    found = {keys.cell(key): who for key, who in sets_of(runner.batches(*persons_sql(question))).items()}
    everybody = PersonSet.union(*found.values()) if found else PersonSet()
    return Persons(population, everybody, found)


def _population(question: Question, store: Store, sets: LeafSets, runner: Runner) -> PersonSet:
    plan = question.bound.plan
    if _on_persons(question.bound):
        return reduce(PersonSet.intersection, (sets.present(table) for table in question.bound.populated))
    name = ("population", plan.table, plan.joins)
    return store.kept.one(name, lambda: persons_of(runner.batches(*population_sql(question))))


def _on_persons(bound: ResolvedPlan) -> bool:
    return all(joins_persons(bound, join) for join in bound.plan.joins)


def _by_index(question: Question, store: Store) -> dict[str, EventTable] | None:
    """The part of the question for each table of events; None if person sets of codes cannot answer it."""
    bound = question.bound
    if not _on_persons(bound) or bound.computed(key.axis.column for key in question.keys.axes):
        return None
    events = {table: EventTable() for table in bound.plan.tables if not store.facts.table(table).single}
    for place, key in enumerate(question.keys.axes):
        table = split(key.axis.column)[0]
        if table in events:
            if not key.by_code or key.names_unlisted or not events[table].takes(key.axis.column):
                return None
            events[table].axis = place
    for condition in conjuncts(bound.plan.where):
        if bound.computed(leaf.column for leaf in leaves(condition)):
            return None
        looks_at = {split(leaf.column)[0] for leaf in leaves(condition)} & set(events)
        if not looks_at:
            continue
        table = looks_at.pop()
        if looks_at or not all(_over_codes(leaf, bound) and events[table].takes(leaf.column) for leaf in leaves(condition)):
            return None
        events[table].conditions.append(condition)
    return events


def _over_codes(leaf: Leaf, bound: ResolvedPlan) -> bool:
    return isinstance(leaf, In) or (isinstance(leaf, Missing) and bound.column(leaf.column).role is Role.dimension)


def _indexed(question: Question, events: dict[str, EventTable], population: PersonSet, who: PersonSet, sets: LeafSets) -> Persons:
    bound = question.bound
    for condition in conjuncts(bound.plan.where):
        if not {split(leaf.column)[0] for leaf in leaves(condition)} & set(events):
            who = holding(condition, who, sets)
    categories: list[Mapping[int, PersonSet]] = [{}] * len(bound.axes)
    for looked in events.values():
        if looked.column is None:
            continue
        codes = looked.codes(bound, sets)
        if looked.axis is None:
            who = who & sets.codes(looked.column, codes)
        else:
            categories[looked.axis] = _categories(question.keys.axes[looked.axis], codes, sets)
    by_events = {looked.axis for looked in events.values()}
    for place, key in enumerate(question.keys.axes):
        if place not in by_events:
            categories[place] = sets.categories(key)
    cells = dict(_crossed(who, categories, within=who is sets.present(bound.plan.table)))
    if bound.plan.where is not None and any(looked.axis is not None for looked in events.values()):
        who = PersonSet.union(*cells.values()) if cells else PersonSet()
    return Persons(population, who, cells, events)


def _categories(key: AxisKey, codes: list[int | None], sets: LeafSets) -> Mapping[int, PersonSet]:
    if set(codes) == key.categories.keys():
        return sets.categories(key)
    held: dict[int, list[int | None]] = {}
    for code in codes:
        held.setdefault(key.category_of(code), []).append(code)
    return {category: sets.codes(key.axis.column, of) for category, of in held.items()}


def _crossed(
    who: PersonSet, categories: Sequence[Mapping[int, PersonSet]], cell: Cell = (), *, within: bool = False
) -> Iterator[tuple[Cell, PersonSet]]:
    """Every cell that is not empty. ``within``: all persons of the first categories are known to be in ``who``."""
    if not categories:
        if who:
            yield cell, who
        return
    for category, of in categories[0].items():
        if here := of if within else who & of:
            yield from _crossed(here, categories[1:], (*cell, category))
