"""Numbers of rows by set algebra, where a question asks of one table of events only how many rows there are.

The persons are kept by the binary digits of how many rows each has: a bit-sliced index (O'Neil and Quass, "Improved query performance with
variant indexes", SIGMOD 1997). The rows of any persons, and the most that one of them has, follow from these few sets, and other questions
about the same rows need no engine.
"""

from collections.abc import Mapping

from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.engine.sql.statement import Question
from twinpane_broker.engine.store.frozen import Store

from .cell_sets import Persons
from .certify import certain, most_rows
from .exact import ROWS_AT_ONCE
from .leaf_sets import LeafSets
from .shares import Disagreement
from .tallies import Cell

Digits = Mapping[int, PersonSet]
"""By place, the persons whose number has that binary digit."""


def rows_by_sets(question: Question, store: Store, sets: LeafSets, persons: Persons) -> dict[Cell, CellEvidence] | None:
    """The cells of a question about rows; None if it asks more than numbers of rows, or of several tables of events, or of a large one.

    Raises Disagreement if the rows are not those of the persons of the index.
    """
    bound, events = question.bound, persons.looks_at or {}
    if bound.value_columns or bound.value_pairs or len(events) != 1:
        return None
    ((table, looked),) = events.items()
    if looked.axis is not None or store.facts.table(table).rows > ROWS_AT_ONCE:
        return None
    digits = sets.rows(table, looked.conditions)
    known = sets.present(table) if looked.column is None else sets.codes(looked.column, looked.codes(bound, sets))
    if PersonSet().union(*digits.values()) != known:
        raise Disagreement(f"the rows of {table} and the person-set index do not tell of the same persons")
    most = most_rows(question, store)
    return {cell: _counted(who, digits, most(cell)) for cell, who in persons.cells.items()}


def _counted(who: PersonSet, digits: Digits, most: int) -> CellEvidence:
    rows = sum(held.intersection_cardinality(who) << place for place, held in digits.items())
    largest, second = (most, most) if certain(rows, most) else two_largest(who, digits)
    return CellEvidence(who=who, rows=rows, largest=largest, second=second)


def two_largest(who: PersonSet, digits: Digits) -> tuple[int, int]:
    """The largest number of one of these persons, and the second largest; 0 where there is none."""
    first, having = _largest(who, digits)
    return first, first if len(having) > 1 else _largest(who - having, digits)[0]


def _largest(who: PersonSet, digits: Digits) -> tuple[int, PersonSet]:
    number = 0
    for place in sorted(digits, reverse=True):
        if having := who & digits[place]:
            who, number = having, number | 1 << place
    return number, who
