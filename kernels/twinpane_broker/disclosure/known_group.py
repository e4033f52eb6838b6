"""The group of a question: who meets its conditions on what acquaintances know of persons (``sensitive = false``), whatever else it asks.

Everybody may know such a group. If a few persons follow from several groups, then a refusal or a zero told whether one of these few has
what the questions ask about. So a question about such a group is refused by its group alone (simulatable auditing, Kenthapadi, Mishra and
Nissim 2005).
"""

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan

from .beside import Measured
from .known_plans import of_persons

GROUPS = "groups"
"""Their kind in the memory."""


def known_group(bound: ResolvedPlan, measured: Measured) -> PersonSet | None:
    """The group of a question; None if its tables belong to no table of persons, or to several. Raises EngineError."""
    alone = of_persons(bound)
    return measured(alone).who if alone is not None else None
