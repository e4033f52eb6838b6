"""The rules that an answer went through: codes with their numbers in the release, sentences where they are shown."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StrictFloat, StrictInt

from twinpane_broker.aggregates.registry import AGGREGATES
from twinpane_broker.aggregates.value import MOST
from twinpane_broker.catalogue.catalogue import Identifier, Text
from twinpane_broker.model import Closed

SENTENCES: Mapping[str, str] = {
    "threshold": "Cells of fewer than {persons} persons are suppressed, and so are cells that leave out fewer than {persons}.",
    "differencing": (
        "So is every number that differs from earlier answers by fewer than {persons} persons; or it is the number of a near group, or of "
        "the same one, marked ≈ (about)."
    ),
    "account": (
        "Of one attribute (a column of persons, a code of events) the site tells by at most {percent:g} sets of persons for every hundred "
        "persons, to all projects together; questions beyond that are refused."
    ),
    "conditions": (
        "A question is withheld where one of its conditions on what is not sensitive, or a term of one, leaves out fewer than {persons} "
        "persons, or so few of those for whom other such conditions hold, whatever else it asks. What is sensitive may leave out a few: "
        "then the number without it is shown, marked ≈ (about)."
    ),
    "class_of_conditions": (
        "So it is where a condition on a sensitive dimension holds for more than {percent:g} % of those for whom all its "
        "other conditions hold, unless the catalogue says as much of everybody."
    ),
    "cell_key": "Counts carry a noise of at most {bound} that depends on their persons alone; means and shares are made from them.",
    "rounding": "Counts are rounded to a multiple of {base}, up or down by a secret draw, each on its own: parts may not add up to totals.",
    "row_rounding": (
        "Numbers of rows and of values are rounded to {base}, as a person has several of them, but are never below the persons': "
        "so they may be off by nearly that, and say between which numbers the true one is. "
        "Beside an earlier group's number (≈), and where a few of a group may lack a value, they are rounded more coarsely."
    ),
    "clipping": (
        "Values beyond a column's bounds count as lying on them. If these are {share} % or more of the values of a mean, sum or spread, "
        "and of {persons} persons or more, it says so; a quantile at a bound is marked."
    ),
    "every_code": "Every approved code has its row.",
    "every_code_or_small": (
        "Every approved code has its row; one that nobody is in is suppressed like a small one, and so is another beside it."
    ),
    "secondary": (
        "Where a suppressed cell could be worked out from the others, further ones are suppressed too: "
        "it stays able to have {counts} different counts."
    ),
    "class_disclosure": (
        "Where more than {percent:g} % of a group hold one category of a sensitive dimension, or lie in one bin, "
        "the group's split is held back, unless the catalogue says as much."
    ),
    "dominance": "Suppressed where one person holds over {one:g} % or two over {two:g} % of it (p% rule: {p:g}).",
    "differential_privacy": (
        "Differential privacy with the person as the unit: epsilon {answer:g} for this answer, of "
        "{project:g} in all for the project. The catalogue is outside of this account."
    ),
    "laplace": "Numbers carry noise of the discrete Laplace mechanism (OpenDP), so parts need not add up to the total.",
    "noisy_threshold": "Cells whose noisy count is below {persons} are suppressed.",
    "noisy_rounding": "Noisy counts are rounded to {base}.",
    **{aggregate.code: aggregate.sentence for aggregate in AGGREGATES.values() if aggregate.code},
}
"""By code, with the rule's numbers in braces; those of one aggregate alone stand in its module."""


RuleNumber = Annotated[StrictInt | StrictFloat, Field(ge=-MOST, le=MOST)]


class AppliedRule(Closed):
    """One rule and its numbers."""

    code: Identifier
    numbers: Annotated[dict[Identifier, RuleNumber], Field(max_length=8)] = {}

    @property
    def sentence(self) -> str:
        """The rule in words; of a code that is not known here, the code and its numbers."""
        try:
            return SENTENCES[self.code].format(**self.numbers)
        except (LookupError, ValueError):
            return " ".join([self.code, *(f"{name} {number:g}" for name, number in sorted(self.numbers.items()))])


AnyRule = AppliedRule | Text
"""A rule as releases carry it; those of older releases are sentences."""


def in_words(rule: AppliedRule | str) -> str:
    """A rule as a sentence."""
    return rule if isinstance(rule, str) else rule.sentence


def thresholds(rules: tuple[AppliedRule | str, ...]) -> set[int]:
    """The numbers of persons that cells need at least, by these rules."""
    codes = ("threshold", "noisy_threshold")
    stated = (rule for rule in rules if isinstance(rule, AppliedRule) and rule.code in codes)
    return {int(rule.numbers["persons"]) for rule in stated if "persons" in rule.numbers}
