"""Finds the bins of persons' smallest and largest values on the fine grid. They give the number of persons on each side of a quantile."""

from collections.abc import Callable, Mapping
from itertools import accumulate, pairwise

from twinpane_broker.cells.cell_evidence import Bins
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.engine.index.streams import marked_sets_of
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Question, persons_sql
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.question.plan import split

from .leaf_sets import LeafSets
from .tallies import Cell, Values

SURE_PERSONS = 1000
"""So many persons on both sides of every quantile are plainly enough."""
OUTERMOST = 0.05
"""The share of values on the smaller side of the outermost quantile."""


def extremes(
    question: Question,
    store: Store,
    sets: LeafSets,
    runner: Runner,
    name: str,
    cells: Mapping[Cell, PersonSet],
    found: Mapping[Cell, Values],
    most_rows: Callable[[Cell], int],
) -> dict[Cell, Bins]:
    """The bins of a measure in the cells where it has values. ``cells`` are the persons of all cells.

    If each person can have only a few of a cell's values, the values themselves show that there are enough persons on either side.
    """
    if store.facts.table(split(name)[0]).single and not question.bound.computed((name,)):
        known = sets.fine_bins(name, question.bound.borders(name))
        within = {cell: {f: here for f, who in known.items() if (here := who & cells[cell])} for cell in found}
        return {cell: _exact(values, within[cell]) for cell, values in found.items()}
    sure = {cell: _sure(values, most_rows(cell)) for cell, values in found.items() if _is_sure(values, most_rows(cell))}
    asked = {question.keys.key(cell): cell for cell in found if cell not in sure}
    if not asked:
        return sure
    bins = len(question.bound.borders(name)) + 1
    by_key = marked_sets_of(runner.batches(*persons_sql(question, keys=asked if sure else None, bins_of=name)), bins)
    return sure | {cell: _exact(found[cell], by_key[key]) for key, cell in asked.items()}


def _is_sure(values: Values, most_rows: int) -> bool:
    return values.values * OUTERMOST >= SURE_PERSONS * most_rows


def _sure(values: Values, most_rows: int) -> Bins:
    """A lower bound, from either end, of the number of persons up to each bin."""
    highest = _at_least(values.bins[::-1], most_rows)
    return Bins(tuple(values.bins), _at_least(values.bins, most_rows), highest[::-1])


def _at_least(rows: list[int], most_rows: int) -> tuple[int, ...]:
    reached = [0, *(-(-up_to // most_rows) for up_to in accumulate(rows))]
    return tuple(after - before for before, after in pairwise(reached))


def _exact(values: Values, by_bin: Mapping[int, PersonSet]) -> Bins:
    every = range(len(values.bins))
    return Bins(tuple(values.bins), _first_time(by_bin, every), _first_time(by_bin, every[::-1])[::-1])


def _first_time(by_bin: Mapping[int, PersonSet], order: range) -> tuple[int, ...]:
    """For each bin, in this order, the number of its persons who were in no earlier bin."""
    seen, new = PersonSet(), []
    for f in order:
        here = by_bin.get(f)
        new.append(len(here) - here.intersection_cardinality(seen) if here else 0)
        if here:
            seen |= here
    return tuple(new)
