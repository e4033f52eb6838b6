"""Measures the evidence of a checked question on any engine: exact person sets, sums, and single persons' contributions."""

import math
from collections.abc import Mapping

from twinpane_broker.cells.cell_evidence import Bins, CellEvidence, Pair, Spread
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.sql.dialect import Sql
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Question
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.evidence.evidence import Evidence

from .cell_sets import Persons, persons_of_cells
from .certify import absolute_at_least, largest_at_most, most_rows
from .clipped import clipped
from .cohort_sets import conditions_of_cohort, persons_of_cohort
from .conditions_alone import Alone
from .ends import column_ends, set_ends
from .extremes import extremes
from .first_days import conditions_of_firsts, with_first_days
from .holders import Holders
from .leaf_sets import LeafSets
from .row_numbers import rows_by_sets
from .shares import Disagreement, Shares, contributed
from .tallies import Cell, Pairs, Values, tallies
from .weights import weights


def measure(bound: ResolvedPlan, store: Store, runner: Runner) -> Evidence:
    """The evidence of a question. Raises what the engine raises, and Disagreement if store, facts and index do not agree."""
    cohort = _cohort(bound, runner)
    sets = LeafSets(store, runner, bound)
    only_listed = {axis.column for axis in bound.axes if not sets.unlisted(axis.column)}
    question = Question.of(bound, runner.dialect, cohort, only_listed)
    store = with_first_days(store, bound, sets)
    persons = persons_of_cells(question, store, sets, runner, persons_of_cohort(bound, store, runner))
    single = all(store.facts.table(table).single for table in bound.plan.tables)
    # A question without measures asks who is in its cells, and nothing of their rows.
    if not bound.plan.measures or (single and not (bound.value_columns or bound.value_pairs)):
        cells = {cell: _of_persons(who) for cell, who in persons.cells.items()}
    else:
        counted = None if bound.weighed else rows_by_sets(question, store, sets, persons)
        cells = _of_rows(question, store, sets, runner, persons) if counted is None else counted
    of_cohort = (
        *conditions_of_cohort(bound, persons.population, store, runner), *conditions_of_firsts(bound, persons.population, sets),
    )  # fmt: skip
    alone = Alone(question, store, sets, persons)
    return Evidence(
        population=persons.population, who=persons.who, cells=cells, one_row_each=single,
        conditions=alone.conditions(of_cohort), ways=alone.ways(), code_sets=alone.code_sets(),
    )  # fmt: skip


def _cohort(bound: ResolvedPlan, runner: Runner) -> Sql | None:
    if bound.plan.cohort is None:
        return None
    from twinpane_broker.engine.sql.cohort_sql import cohort_persons_sql  # plans without a cohort, nearly all, do not need it

    return cohort_persons_sql(bound.plan.cohort, bound, runner.dialect)


def _of_persons(who: PersonSet) -> CellEvidence:
    """A cell in which each row is a person."""
    persons = len(who)
    return CellEvidence(who=who, rows=persons, largest=min(persons, 1), second=int(persons > 1))


def _of_rows(question: Question, store: Store, sets: LeafSets, runner: Runner, persons: Persons) -> dict[Cell, CellEvidence]:
    bound, most = question.bound, most_rows(question, store)
    ends = column_ends(question, store, persons.cells, most)
    found = tallies(question, runner, one_value=ends is not None)
    # Two ways to the same cells must agree. An index of another store, or an engine that loses rows, gives no answer.
    if found.keys() != persons.cells.keys() or any(found[cell].rows < len(who) for cell, who in persons.cells.items()):
        raise Disagreement(f"the rows of {bound.plan.tables} and the person-set index do not tell of the same cells")
    if ends is not None:
        set_ends(question, runner, found, ends, most)
    shares = contributed(question, runner, found, most, persons.population.max() if persons.population else 0)
    weighed = weights(question, runner, found, persons.cells, most, persons.population.max()) if bound.weighed and found else {}
    holders = Holders(question, store, sets, runner, persons)
    spreads: list[Mapping[Cell, Spread]] = []
    for place, name in enumerate(bound.value_columns):
        values = {cell: tally.values[place] for cell, tally in found.items() if tally.values[place].values}
        who = holders.of((name,), found, {cell: of.values for cell, of in values.items()})
        asked = bound.needs_bins(name)
        beyond = clipped(question, store, runner, name) if bound.needs_clipped(name) else {}
        bins = extremes(question, store, sets, runner, name, persons.cells, values, most) if asked else {}
        spreads.append({
            cell: _spread(
                of, who[cell], most(cell), shares[cell], place, bins.get(cell), beyond.get(cell),
                weighed[cell].values[place] if bound.weighed else 0.0,
            )
            for cell, of in values.items()
        })  # fmt: skip
    pairs: list[Mapping[Cell, Pair]] = []
    for place, names in enumerate(bound.value_pairs):
        both = {cell: tally.pairs[place] for cell, tally in found.items() if tally.pairs[place].values}
        who = holders.of(names, found, {cell: of.values for cell, of in both.items()})
        pairs.append({cell: _pair(of, who[cell], most(cell), shares[cell], place) for cell, of in both.items()})
    return {
        cell: CellEvidence(
            who=persons.cells[cell],
            rows=tally.rows,
            largest=largest,
            second=second,
            spreads=tuple(spread.get(cell) for spread in spreads),
            pairs=tuple(pair.get(cell) for pair in pairs),
            weight=weighed[cell].rows if bound.weighed else 0.0,
            often=weighed[cell].often if bound.weighed else 0,
        )
        for cell, tally in found.items()
        for largest, second in [_most_rows(shares[cell], most(cell))]
    }


def _most_rows(shares: Shares, most: int) -> tuple[int, int]:
    """The most rows of a person of a cell, and the second most."""
    return (int(shares.exact.rows.first), int(shares.exact.rows.second)) if shares.exact else (most, most)


def _spread(
    values: Values, who: PersonSet, most: int, shares: Shares, place: int, bins: Bins | None, beyond: CellEvidence | None,
    weight: float,
) -> Spread:  # fmt: skip
    known = shares.exact.values[place] if shares.exact else None
    limit = largest_at_most(values, most)
    return Spread(
        who=who,
        values=values.values,
        total=values.total,
        absolute=known.absolute if known else absolute_at_least(values, shares.sampled[place] if shares.sampled else 0.0),
        largest=known.largest.first if known else limit,
        second=known.largest.second if known else limit,
        low=values.low,
        high=values.high,
        most_values=known.most_values if known else most,
        squares=None if values.squares is None else math.fsum(values.squares),
        bins=bins,
        clipped=beyond,
        weight=weight,
    )


def _pair(pairs: Pairs, who: PersonSet, most: int, shares: Shares, place: int) -> Pair:
    x, y, xx, yy, xy = (math.fsum(sums) for sums in pairs.sums)
    most = shares.exact.pairs[place] if shares.exact else most
    return Pair(who=who, values=pairs.values, x=x, y=y, xx=xx, yy=yy, xy=xy, most_values=most)
