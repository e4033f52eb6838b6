"""The smallest and largest value of each cell, asked for only where they matter.

To find them takes an engine more than half as long as all else of a pass over many rows. The rules need little of them: whether a cell's
values are all equal, and how large a value can be. In a cell of many persons one value beside the sum shows the first, and the ends of the
whole column are enough for the second.
"""

from collections.abc import Callable, Mapping, Sequence

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Question, ends_sql
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.question.plan import split

from .certify import is_certain
from .tallies import Cell, Tally, Values

MANY = 10_000
"""Persons of a cell, for each row that one may have in it: nobody dominates it, unless nearly all values are tiny beside the largest."""
ROUNDING = 1e-6
"""The relative error of a sum, at most: far above that of a thousand million doubles."""
Ends = tuple[float, float]


def column_ends(
    question: Question, store: Store, cells: Mapping[Cell, PersonSet], most_rows: Callable[[Cell], int]
) -> Sequence[Ends] | None:
    """The ends of each measure's column, if they can stand for those of the cells, at first; ``cells`` are the cells' persons.

    None if a cell has few persons, or if a column has values of both signs: of these the rules ask more.
    """
    if not question.bound.value_columns or any(len(who) < MANY * most_rows(cell) for cell, who in cells.items()):
        return None
    found = [_ends(question, store, name) for name in question.bound.value_columns]
    known = [ends for ends in found if ends is not None and (ends[0] >= 0 or ends[1] <= 0)]
    return known if len(known) == len(found) else None


def _ends(question: Question, store: Store, name: str) -> Ends | None:
    if question.bound.difference(name) is not None:
        return question.bound.column(name).known_bounds
    table, column = split(name)
    facts = store.facts.table(table).measure(column)
    return None if facts.low is None or facts.high is None else (facts.low, facts.high)


def set_ends(question: Question, runner: Runner, found: dict[Cell, Tally], ends: Sequence[Ends], most_rows: Callable[[Cell], int]) -> None:
    """Give cells of which one value is known the ends of the columns; those for which this is not enough their own, from the engine."""
    asked: dict[int, Cell] = {}
    for cell, tally in found.items():
        differ = all(map(_differ, tally.values))
        for values, (low, high) in zip(tally.values, ends, strict=True):
            values.low, values.high = low, high
        if not differ or not is_certain(tally, most_rows(cell)):
            asked[question.keys.key(cell)] = cell
    if not asked:
        return
    for key, *numbers in runner.rows(*ends_sql(question, asked)):
        parts = iter(numbers)
        for values in found[asked[int(key)]].values:
            low, high = next(parts), next(parts)
            if values.values:
                values.low, values.high = float(low), float(high)


def _differ(values: Values) -> bool:
    """Whether the values are surely not all equal, where ``low`` is one of them."""
    if not values.values or values.low < values.high:
        return True
    equal = values.values * values.low
    return abs(values.total - equal) > ROUNDING * abs(equal)
