"""The table of a stand-in: the same categories, of the persons of a released set that stands in for those of a question.

It can be made where the categories are the persons' own (sex, year of birth) and the numbers are of persons. Then nothing of the table
depends on whom the question asks about. Rows of events are not persons': of these, the released set has no table.
"""

from dataclasses import replace

from twinpane_broker.aggregates.aggregate import OfCell
from twinpane_broker.aggregates.persons import Persons
from twinpane_broker.cells.cell_evidence import EMPTY, CellEvidence
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.question.plan import split

from .beside import Measured


def table_of_stand_in(bound: ResolvedPlan, evidence: Evidence, who: PersonSet, measured: Measured) -> Evidence | None:
    """The evidence of a question as if it were asked of ``who``; None if that cannot be made.

    What is told of values stays the question's own: the memory places the persons with values by themselves. Totals of values would lack
    those of categories in which the stand-in has nobody.
    """
    everybody = _of_everybody(bound)
    values_in_totals = bound.plan.margins and bool(bound.value_columns or bound.value_pairs)
    if everybody is None or values_in_totals:
        return None
    found = measured(everybody)
    if not found.one_row_each or not who.issubset(found.who):
        return None
    cells = {index: _within(cell.who & who, evidence.cells.get(index, EMPTY)) for index, cell in found.cells.items()}
    return replace(evidence, who=who, cells={index: cell for index, cell in cells.items() if cell.who}, one_row_each=True)


def _within(who: PersonSet, asked: CellEvidence) -> CellEvidence:
    persons = len(who)
    return CellEvidence(who, persons, min(persons, 1), int(persons > 1), asked.spreads, asked.pairs)


def _of_everybody(bound: ResolvedPlan) -> ResolvedPlan | None:
    """The same table of everybody, from the table of persons alone; None if rows of other tables decide on it."""
    plan, catalogue = bound.plan, bound.catalogue
    homes = {(catalogue.home(bound.table(name)) or bound.table(name)).name for name in plan.tables}
    if len(homes) != 1:
        return None
    (home,) = homes
    of_persons = all(isinstance(measure, OfCell) and not measure.of_rows for measure in plan.measures)
    computed = bound.computed(axis.column for axis in bound.axes)
    if computed or (plan.tables != (home,) and not of_persons) or any(split(axis.column)[0] != home for axis in bound.axes):
        return None
    alone = {"table": home, "joins": (), "where": None, "cohort": None, "differences": (), "firsts": ()}
    persons = tuple(measure for measure in plan.measures if isinstance(measure, OfCell)) or (Persons(),)
    return replace(bound, plan=plan.model_copy(update=alone | {"measures": persons}), firsts={})
