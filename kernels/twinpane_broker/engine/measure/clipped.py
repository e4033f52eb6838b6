"""The values of a measure that were clipped to the catalogue's bounds, by cell: how many, and whose."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.engine.index.streams import sets_of
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Question, clipped_sql
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.question.plan import split

from .tallies import Cell


@dataclass
class _Rows:
    """The clipped values of a cell: how many, and the most and second most of a person."""

    all: int = 0
    first: int = 0
    second: int = 0


def clipped(question: Question, store: Store, runner: Runner, name: str) -> dict[Cell, CellEvidence]:
    """The cells with a clipped value: their persons who have one, and how many such values they have."""
    table, column = split(name)
    if not question.bound.computed((name,)) and store.facts.table(table).measure(column).clipped == 0:
        return {}
    rows: dict[int, _Rows] = {}
    sets = sets_of(_added_up(runner.batches(*clipped_sql(question, name)), rows))
    return {question.keys.cell(key): CellEvidence(who, of.all, of.first, of.second) for key, who in sets.items() for of in [rows[key]]}


def _added_up(batches: Iterable[tuple[np.ndarray, ...]], rows: dict[int, _Rows]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The keys and persons of batches; their numbers of values are added to ``rows``. A key has a person once."""
    for keys, who, counts in batches:
        if not len(keys):
            continue
        order = np.lexsort((counts, keys))
        sorted_keys, starts = np.unique(keys[order], return_index=True)
        for key, own in zip(sorted_keys.tolist(), np.split(counts[order], starts[1:]), strict=True):
            of = rows.setdefault(key, _Rows())
            of.all += int(own.sum())
            of.second, of.first = sorted([of.first, of.second, *own[-2:].tolist()])[-2:]
        yield keys, who
