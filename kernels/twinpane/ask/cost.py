"""What a question may cost the sites' accounts, before it is asked."""

from typing import Any

from twinpane.catalogues.browser import Browser
from twinpane.errors import Refused
from twinpane_broker import Plan, most_cost
from twinpane_broker import Refused as RefusedByBroker

from .ask_sites import read


class Cost(dict[str, int]):
    """Of how many sets of persons each site would tell of an attribute at most, by the site's title. Shows as a line per site."""

    def __repr__(self) -> str:
        """A line per site, and what the numbers mean."""
        return "\n".join([*(f"{site}: at most {sets:,} sets of persons" for site, sets in self.items()), MEANS])


MEANS = (
    "Of each attribute that the question is about, told or withheld. What was asked before costs nothing. tp.account() shows what is left."
)


def cost(text: str) -> Cost:
    """See ``twinpane.cost``."""
    return cost_of(read(text))


def cost_of(plan: Plan) -> Cost:
    """What an answer to a plan costs at each site at most; raises Refused where a catalogue does not allow it."""
    return Cost({catalogue.title or site: _of(plan, catalogue) for site, catalogue in Browser.ask().sites.items()})


def _of(plan: Plan, catalogue: Any) -> int:
    try:
        return most_cost(plan, catalogue)
    except RefusedByBroker as refusal:
        raise Refused(refusal.reason, str(refusal.code)) from None
