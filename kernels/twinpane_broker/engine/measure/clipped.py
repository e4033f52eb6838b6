"""The values of a measure that were clipped to the catalogue's bounds, by cell: how many, and whose."""

from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Question, clipped_sql
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.question.plan import split

from .tallies import Cell

MOST = 8_000_000
"""Clipped values of a table that are gone through for a question; of more, nothing is said."""


def clipped(question: Question, store: Store, runner: Runner, name: str) -> dict[Cell, CellEvidence]:
    """The cells with a clipped value: their persons who have one, and how many such values they have."""
    table, column = split(name)
    if not question.bound.computed((name,)) and not 0 < store.facts.table(table).measure(column).clipped <= MOST:
        return {}
    persons: dict[int, list[int]] = {}
    counts: dict[int, list[int]] = {}
    for keys, who, rows in runner.batches(*clipped_sql(question, name)):
        for key, person, count in zip(keys.tolist(), who.tolist(), rows.tolist(), strict=True):
            persons.setdefault(key, []).append(person)
            counts.setdefault(key, []).append(count)
    found = {}
    for key, of in counts.items():
        first, second = [*sorted(of, reverse=True)[:2], 0][:2]
        found[question.keys.cell(key)] = CellEvidence(PersonSet(persons[key]), sum(of), first, second)
    return found
