"""First events among a question's tables: what the store would know of them, and the condition that each puts on persons."""

from collections.abc import Iterator
from dataclasses import replace

from twinpane_broker.catalogue.catalogue import Table
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.class_conditions import tells_of_class
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.store.facts import MeasureFacts, TableFacts
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.evidence.evidence import Condition

from .leaf_sets import LeafSets


def with_first_days(store: Store, bound: ResolvedPlan, sets: LeafSets) -> Store:
    """The store with the facts of the first events of a question: one row for each person who has one."""
    if not bound.firsts:
        return store
    sizes = {table: len(sets.present(table)) for table in bound.firsts}
    made = tuple(
        TableFacts(name=table, rows=size, persons=size, most_rows=min(size, 1), measures=_measures(bound.table(table), size))
        for table, size in sizes.items()
    )
    return replace(store, facts=store.facts.model_copy(update={"tables": (*store.facts.tables, *made)}))


def _measures(table: Table, size: int) -> tuple[MeasureFacts, ...]:
    """Of a value, or a number of kinds, nothing is known beforehand: any row may lack it, or be clipped."""
    return tuple(
        MeasureFacts(column=column.name, low=None, high=None, missing=size, clipped=size) for column in table.columns if column.measured
    )


def conditions_of_firsts(bound: ResolvedPlan, population: PersonSet, sets: LeafSets) -> Iterator[Condition]:
    """That a person has such an event, as a condition by itself: the same as an event that a cohort requires."""
    for table, first in bound.firsts.items():
        yield Condition(None, population & sets.present(table), of_class=tells_of_class(first.event.where, bound), implied_by=table)
