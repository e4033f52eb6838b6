"""From a checked question to its evidence, on any engine: exact person sets, sums, and how much single persons contribute."""

import math

from twinpane_broker.check import Bound
from twinpane_broker.errors import EngineError
from twinpane_broker.evidence import Bins, CellEvidence, Evidence, Pair, Spread
from twinpane_broker.persons import PersonSet

from .certify import absolute_at_least, is_certain, largest_at_most, most_rows
from .dialect import Sql
from .exact import Exact, ExactValues, exact
from .frozen import Store
from .holders import Holders, holders
from .leafsets import LeafSets
from .personsets import Persons, persons_of_cells
from .runner import Runner
from .statement import Question
from .streams import persons_of
from .tallies import Cell, Pairs, Tally, Values, tallies


def measure(bound: Bound, store: Store, runner: Runner) -> Evidence:
    """The evidence of a question. Raises what the engine raises, and EngineError where store, facts and index do not agree."""
    cohort = _cohort(bound, runner)
    question = Question.of(bound, runner.dialect, cohort)
    sets = LeafSets(store, runner, bound.catalogue)
    within = None
    if cohort is not None:
        name = ("cohort", bound.plan.cohort.digest())
        within = store.kept.one(name, lambda: persons_of(runner.batches(*cohort)))
    persons = persons_of_cells(question, store, sets, runner, within)
    if not (bound.value_columns or bound.value_pairs) and all(store.facts.table(table).single for table in bound.plan.tables):
        cells = {cell: _of_persons(who) for cell, who in persons.cells.items()}
    else:
        cells = _of_rows(question, store, sets, runner, persons)
    return Evidence(population=persons.population, who=persons.who, cells=cells)


def _cohort(bound: Bound, runner: Runner) -> Sql | None:
    if getattr(bound.plan, "cohort", None) is None:
        return None
    from .cohorts import cohort_persons_sql  # plans without a cohort, nearly all, do not need it

    return cohort_persons_sql(bound, runner.dialect)


def _of_persons(who: PersonSet) -> CellEvidence:
    """A cell of rows that are persons."""
    persons = len(who)
    return CellEvidence(who=who, rows=persons, largest=min(persons, 1), second=int(persons > 1))


def _of_rows(question: Question, store: Store, sets: LeafSets, runner: Runner, persons: Persons) -> dict[Cell, CellEvidence]:
    found = tallies(question, runner)
    # Two ways to the same cells must meet: an index of another store, or an engine that loses rows, answers nothing.
    if found.keys() != persons.cells.keys() or any(found[cell].rows < len(who) for cell, who in persons.cells.items()):
        raise EngineError
    most = most_rows(question, store)
    doubtful = [cell for cell, tally in found.items() if not is_certain(tally, most(cell))]
    rows = sum(found[cell].rows for cell in doubtful)
    last = persons.population.max() if persons.population else 0
    known = exact(question, runner, doubtful, rows, last, every=len(doubtful) == len(found))
    if any(cell not in known or known[cell].total != found[cell].rows for cell in doubtful):
        raise EngineError
    having = holders(question, store, sets, runner, persons.cells, found)
    return {
        cell: _cell(question.bound, cell, persons.cells[cell], tally, most(cell), known.get(cell), having) for cell, tally in found.items()
    }


def _cell(bound: Bound, cell: Cell, who: PersonSet, tally: Tally, most: int, known: Exact | None, having: Holders) -> CellEvidence:
    return CellEvidence(
        who=who,
        rows=tally.rows,
        largest=int(known.rows.first) if known else most,
        second=int(known.rows.second) if known else most,
        spreads=tuple(
            _spread(values, having.of((name,), cell), most, known.values[place] if known else None, having.bins.get((name, cell)))
            if values.values
            else None
            for place, (name, values) in enumerate(zip(bound.value_columns, tally.values, strict=True))
        ),
        pairs=tuple(
            _pair(pairs, having.of(both, cell), known.pairs[place] if known else most) if pairs.values else None
            for place, (both, pairs) in enumerate(zip(bound.value_pairs, tally.pairs, strict=True))
        ),
    )


def _spread(values: Values, who: PersonSet, most: int, known: ExactValues | None, bins: Bins | None) -> Spread:
    bound = largest_at_most(values, most)
    return Spread(
        who=who,
        values=values.values,
        total=values.total,
        absolute=known.absolute if known else absolute_at_least(values),
        largest=known.largest.first if known else bound,
        second=known.largest.second if known else bound,
        low=values.low,
        high=values.high,
        most_values=known.most_values if known else most,
        squares=None if values.squares is None else math.fsum(values.squares),
        bins=bins,
    )


def _pair(pairs: Pairs, who: PersonSet, most: int) -> Pair:
    x, y, xx, yy, xy = (math.fsum(sums) for sums in pairs.sums)
    return Pair(who=who, values=pairs.values, x=x, y=y, xx=xx, yy=yy, xy=xy, most_values=most)
