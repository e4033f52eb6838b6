"""What a question costs the account of what was released: each set that it describes, for each attribute that it tells of.

The cost follows from question and catalogue alone. Fresh numbers, those of stand-ins and withheld ones cost the same, so that neither what
is left nor a refusal tells anything of the data. A set that was asked before costs nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from twinpane_broker.aggregates.aggregate import OfPair, OfValues
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.errors import RefusalCode, Refused
from twinpane_broker.evidence.table import Index
from twinpane_broker.memory import PERSONS, Charge, Overdrawn, Standing, Totals, charge_of
from twinpane_broker.release.account_line import AccountLine, account_lines
from twinpane_broker.rules.policy import Rules

from .attributes import Attributes
from .beside import Places
from .judge import totals
from .set_names import SetNames

SAME = {"sum": "mean", "var": "sd"}
"""Measures that tell no more of the same values than another one."""

OF_VALUES = 2
"""A number about values costs as many as two sets: its digits tell more than a rounded count, and half of the persons are above the middle
of a measure, which is more easily guessed than what most of them are."""


class Spent(Refused):
    """The account has no room for a question."""

    def __init__(self, reason: str, account: tuple[AccountLine, ...]) -> None:
        super().__init__(reason, RefusalCode.spent)
        self.account = account
        """The attribute that has least room for it."""


@dataclass(frozen=True)
class Cost:
    """What a question costs."""

    charge: Charge
    sets: int
    """How many sets it describes."""

    def pay(self, charged: Callable[[Charge, int], Overdrawn | None], rules: Rules, persons: int) -> None:
        """Enter the cost by ``charged``. Raises Spent if there is no room for it in a site of so many persons."""
        most = rules.most_sets(persons)
        if over := charged(self.charge, most):
            raise Spent(
                f"The site tells of {over.attribute[:200]} by {most:,} sets of persons at most, {rules.sets_percent:g} for every hundred "
                f"persons: more would tell of single ones. {over.told:,} were asked for, and this question has {over.more:,} more. "
                "Questions that were answered before are still answered. Ask with fewer groups, or ask the site's steward.",
                account_lines({over.attribute: over.told}, most),
            )

    def covering(self, places: Places) -> Places:
        """The same, but raises ValueError for more sets than were paid for, and one: the stand-in of all, by its own name."""
        asked: set[bytes] = set()

        def place(who: PersonSet, name: bytes, kind: str, totals: Totals, part: bytes = b"") -> Standing:
            if kind == PERSONS:  # what is told of values is told of cells that were placed before
                asked.add(name)
            if len(asked) > self.sets + 1:
                raise ValueError("a number would be told of a set that is not in the account")
            return places(who, name, kind, totals, part)

        return place


def cost_of(bound: ResolvedPlan, names: SetNames) -> Cost:
    """The cost of a question under the names of its sets."""
    attributes, told, every = Attributes(bound), dict[str, set[bytes]](), set[bytes]()
    valued = [measure for measure in bound.plan.measures if isinstance(measure, OfValues | OfPair)]
    for kept, cell in _sets(bound):
        name = names.of(kept, cell)
        every.add(name)
        for attribute in attributes.of(kept, cell):
            told.setdefault(attribute, set()).add(name)
        for measure in valued:
            of = _names_of_values(measure, name)
            for column in _columns(measure):
                for attribute in attributes.of_values(column, kept, cell):
                    told.setdefault(attribute, set()).update(of)
    return Cost(charge_of(told), len(every))


def _sets(bound: ResolvedPlan) -> Iterator[tuple[tuple[int, ...], Index]]:
    """All of the question's persons, its cells, and those of its totals."""
    full = tuple(range(len(bound.axes)))
    yield (), ()
    yield from ((full, cell) for cell in bound.cells)
    for kept in totals(bound, full):
        yield from dict.fromkeys((kept, tuple(cell[axis] for axis in kept)) for cell in bound.cells)


def _columns(measure: OfValues | OfPair) -> tuple[str, ...]:
    return (measure.column, measure.other) if isinstance(measure, OfPair) else (measure.column,)


def _names_of_values(measure: Measure, name: bytes) -> tuple[bytes, ...]:
    what = [SAME.get(measure.kind, measure.kind), str(measure.percent), str(measure.column), str(measure.other)]
    return tuple(name + "\n".join([*what, str(one)]).encode() for one in range(OF_VALUES))
