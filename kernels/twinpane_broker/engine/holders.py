"""Who has a value of a measure in a cell, and where persons' smallest and largest values lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twinpane_broker.evidence import Bins
from twinpane_broker.persons import PersonSet
from twinpane_broker.plan import MeasureKind, split

from .fine import fine_bins
from .frozen import Store
from .leafsets import LeafSets
from .runner import Runner
from .statement import Question, persons_sql
from .streams import marked_sets_of
from .tallies import Cell, Tally

Measures = tuple[str, ...]
"""One measure, or the two of a pair."""


@dataclass(frozen=True)
class Holders:
    """The persons with a value of all of some measures, by those measures and cell. Cells where nobody has are left out."""

    sets: Mapping[tuple[Measures, Cell], PersonSet]
    bins: Mapping[tuple[str, Cell], Bins]

    def of(self, measures: Measures, cell: Cell) -> PersonSet:
        """Those of one cell."""
        return self.sets[measures, cell]


def holders(
    question: Question, store: Store, sets: LeafSets, runner: Runner, cells: Mapping[Cell, PersonSet], found: Mapping[Cell, Tally]
) -> Holders:
    """Who has values. Where every row of a cell has one, everybody does; where a row is a person, who has none is known."""
    bound = question.bound
    held: dict[tuple[Measures, Cell], PersonSet] = {}
    bins: dict[tuple[str, Cell], Bins] = {}
    for place, name in enumerate(bound.value_columns):
        if bound.asks(name, MeasureKind.quantile):
            rows = {cell: tuple(tally.values[place].bins) for cell, tally in found.items() if tally.values[place].values}
            for cell, by_bin in _by_bin(question, store, sets, runner, name, cells, rows).items():
                held[(name,), cell] = PersonSet.union(*by_bin.values())
                bins[name, cell] = _bins(rows[cell], by_bin)
    wanted: list[tuple[Measures, list[Cell]]] = []
    for measures, counts in _counts(question, found):
        asked = [cell for cell, count in counts.items() if count and (measures, cell) not in held]
        held |= {(measures, cell): cells[cell] for cell in asked if counts[cell] == found[cell].rows}
        asked = [cell for cell in asked if (measures, cell) not in held]
        if all(store.facts.table(split(name)[0]).single for name in measures):
            for cell in asked:
                lacking = [sets.missing(name) for name in measures]
                held[measures, cell] = PersonSet.difference(cells[cell], *lacking)
        elif asked:
            wanted.append((measures, asked))
    if wanted:
        _stream(question, runner, wanted, held)
    return Holders(held, bins)


def _counts(question: Question, found: Mapping[Cell, Tally]) -> list[tuple[Measures, dict[Cell, int]]]:
    """The rows that have values of all of some measures, by cell."""
    bound = question.bound
    counts: list[tuple[Measures, dict[Cell, int]]] = []
    for place, name in enumerate(bound.value_columns):
        counts.append(((name,), {cell: tally.values[place].values for cell, tally in found.items()}))
    for place, pair in enumerate(bound.value_pairs):
        counts.append((pair, {cell: tally.pairs[place].values for cell, tally in found.items()}))
    return counts


def _stream(
    question: Question, runner: Runner, wanted: Sequence[tuple[Measures, list[Cell]]], held: dict[tuple[Measures, Cell], PersonSet]
) -> None:
    """One pass over the rows of the cells in question; the i-th group of measures is marked by 2ⁱ."""
    cells = {cell for _, asked in wanted for cell in asked}
    keys = {cell: question.keys.key(cell) for cell in cells}
    marked = [measures for measures, _ in wanted]
    found = marked_sets_of(runner.batches(*persons_sql(question, keys=keys.values(), marked=marked)), 2 ** len(marked))
    for place, (measures, asked) in enumerate(wanted):
        for cell in asked:
            having = [who for mark, who in found[keys[cell]].items() if mark >> place & 1]
            held[measures, cell] = PersonSet.union(*having)


def _by_bin(
    question: Question, store: Store, sets: LeafSets, runner: Runner, name: str, cells: Mapping[Cell, PersonSet], rows: Mapping[Cell, tuple]
) -> dict[Cell, dict[int, PersonSet]]:
    """The persons with a value in each fine bin, by cell."""
    if store.facts.table(split(name)[0]).single:
        known = sets.fine_bins(name)
        return {cell: {f: here for f, who in known.items() if (here := who & cells[cell])} for cell in rows}
    bins = fine_bins(question.bound.column(name))
    found = marked_sets_of(runner.batches(*persons_sql(question, bins_of=name)), bins)
    return {question.keys.cell(key): by_bin for key, by_bin in found.items()}


def _bins(rows: tuple[int, ...], by_bin: Mapping[int, PersonSet]) -> Bins:
    every = range(len(rows))
    return Bins(rows, _first_time(by_bin, every), _first_time(by_bin, every[::-1])[::-1])


def _first_time(by_bin: Mapping[int, PersonSet], order: range) -> tuple[int, ...]:
    """How many persons each bin has who were in none before it, going through them in this order."""
    seen, new = PersonSet(), []
    for f in order:
        here = by_bin.get(f)
        new.append(len(here) - here.intersection_cardinality(seen) if here else 0)
        if here:
            seen |= here
    return tuple(new)
