"""The groups of a question: who meets its conditions on what acquaintances know of persons (``sensitive = false``), whatever else it asks.

Everybody may know such a group. If a few persons follow from several groups, then a refusal or a zero told whether one of these few has
what the questions ask about. So a question about such a group is refused by its group alone (simulatable auditing, Kenthapadi, Mishra and
Nissim 2005).
"""

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan

from .beside import Measured
from .known_plans import of_persons
from .known_regions import KnownRegions

GROUPS = "groups"
"""Their kind in the memory."""


def known_groups(bound: ResolvedPlan, measured: Measured) -> tuple[PersonSet, ...]:
    """The groups of a question: who meets its conditions on persons; all its known conditions, also on days; each region of which another
    secret decides (``known_regions``).

    There is none if its tables belong to no table of persons, or to several. Raises EngineError.
    """
    alone = of_persons(bound)
    if alone is None:
        return ()
    regions = KnownRegions(bound, measured)
    apart = regions.parts(PersonSet(), (), ()) if not regions.are_too_many else ()
    groups = (measured(alone).who, *(part.region for part in apart if not part.is_sure or not regions.are_several))
    return tuple(group for at, group in enumerate(groups) if group not in groups[:at])
