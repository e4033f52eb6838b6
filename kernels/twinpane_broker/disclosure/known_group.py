"""The group of a question: who meets its conditions on what acquaintances know of persons (``sensitive = false``), whatever else it asks.

Everybody may know such a group. If a few persons follow from several groups, then a refusal or a zero told whether one of these few has
what the questions ask about. So a question about such a group is refused by its group alone (simulatable auditing, Kenthapadi, Mishra and
Nissim 2005).
"""

from dataclasses import replace

from twinpane_broker.aggregates.persons import Persons
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import AllOf, Predicate, leaves

from .beside import Measured

GROUPS = "groups"
"""Their kind in the memory."""


def known_group(bound: ResolvedPlan, measured: Measured) -> PersonSet | None:
    """The group of a question; None if its tables belong to no table of persons, or to several. Raises EngineError."""
    homes = {(bound.catalogue.home(bound.table(name)) or bound.table(name)).name for name in bound.plan.tables}
    if len(homes) != 1:
        return None
    (home,) = homes
    known = tuple(term for term in terms_of(bound.plan.where) if _is_known(term, bound, home))
    plan = bound.plan.model_copy(
        update={
            "table": home, "joins": (), "cohort": None, "differences": (), "firsts": (), "group_by": (), "measures": (Persons(),),
            "margins": False, "where": AllOf(terms=known) if len(known) > 1 else known[0] if known else None,
        }
    )  # fmt: skip
    return measured(replace(bound, plan=plan, axes=(), cells=((),), firsts={})).who


def _is_known(term: Predicate, bound: ResolvedPlan, home: str) -> bool:
    return all(
        bound.difference(leaf.column) is None and split(leaf.column)[0] == home and not bound.column(leaf.column).sensitive
        for leaf in leaves(term)
    )  # fmt: skip
