"""What a question costs the account of what was released: each set that it describes, for each attribute that it tells of.

The cost follows from question and catalogue alone. Fresh numbers, those of stand-ins and withheld ones cost the same, so that neither what
is left nor a refusal tells anything of the data. A set that was asked before costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from twinpane_broker.aggregates.aggregate import OfPair, OfValues
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.described_sets import OF_VALUES, described_sets, value_kind
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.errors import RefusalCode, Refused
from twinpane_broker.memory import PERSONS, Charge, Overdrawn, Standing, Totals, charge_of
from twinpane_broker.release.account_line import AccountLine, account_lines
from twinpane_broker.rules.policy import Rules

from .attributes import Attributes
from .beside import Places
from .set_names import SetNames

AGAIN = b"again"
"""After the name of a set that the question describes twice: a table of another set, which stands in, may tell of two."""


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
                account_lines({over.attribute: over.told}, most, {over.attribute: over.told}),
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
    for kept, cell in described_sets(bound):
        name = names.of(kept, cell)
        # What a condition says already, a category adds nothing to: women by sex. Of a set that stands in it says something.
        while name in every:
            name += AGAIN
        every.add(name)
        chosen = attributes.of(kept, cell)
        for attribute in chosen:
            told.setdefault(attribute, set()).add(name)
        for measure in valued:
            # Of known values too (the mean age of the ill) each number is an equation on who was chosen.
            of_values = (attributes.of_values(column, kept, cell) for column in _columns(measure))
            for attribute in chosen.union(*of_values):
                told.setdefault(attribute, set()).update(_names_of_values(measure, name))
    return Cost(charge_of(told), len(every))


def _columns(measure: OfValues | OfPair) -> tuple[str, ...]:
    return (measure.column, measure.other) if isinstance(measure, OfPair) else (measure.column,)


def _names_of_values(measure: Measure, name: bytes) -> tuple[bytes, ...]:
    return tuple(name + "\n".join([*value_kind(measure), str(one)]).encode() for one in range(OF_VALUES))
