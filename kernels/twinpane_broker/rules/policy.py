"""The disclosure rules a site has set: presets as data, and strict loading. No policy, no threshold: no answer."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from twinpane_broker.errors import PolicyError
from twinpane_broker.model import Closed
from twinpane_ground.mistakes import first

USUAL_FLOOR = 10
"""Thresholds below this need the steward's explicit word (SDAP handbook, ABS, ONS use 10 as the usual rule of thumb)."""
FEW_DIGITS = 3
"""Digits of a mean at which, of a hundred values or fewer, any number that is rounded to the shown one may have it."""

PRESETS: dict[str, dict[str, Any]] = {
    # ONS "10-5": suppress below 10, round the rest to 5; zeros look like small counts.
    "10-5": {"threshold": 10, "base": 5, "zeros": "hidden", "interval": 5},
    # US CMS cell size suppression policy: 1 to 10 hidden, zero may be shown, nothing derivable: counts are exact, so holes are audited.
    "cms-11": {"threshold": 11, "base": 1, "zeros": "shown", "interval": 5},
    # NIH All of Us dissemination policy: 1 to 20 hidden, zero may be shown, nothing derivable.
    "all-of-us-20": {"threshold": 21, "base": 1, "zeros": "shown", "interval": 10},
    # OHDSI tools' usual minCellCount of 5: below the usual floor, so a site must say that it means it.
    "omop-5": {"threshold": 5, "base": 1, "zeros": "shown", "interval": 4},
}


class Dp(Closed):
    """Differential privacy instead of thresholds: pure, by the discrete Laplace mechanism, with the person as the unit."""

    epsilon_per_answer: Annotated[float, Field(gt=0, le=10)]
    """What one answer spends, over all its numbers together."""
    epsilon_total: Annotated[float, Field(gt=0, le=1000)]
    """What a project may spend in all; afterwards only what was answered before is answered."""
    cells_per_person: Annotated[int, Field(ge=1, le=100)] = 4
    """Where a person can be in several cells of a table, the table may have at most so many: its noise grows with them."""

    @model_validator(mode="after")
    def _one_answer_fits(self) -> Self:
        if self.epsilon_per_answer > self.epsilon_total:
            raise ValueError("epsilon_per_answer is more than epsilon_total, so nothing could be answered: lower it")
        return self


class Rules(Closed):
    """The numbers of the disclosure rules; their sources are in docs/disclosure.md."""

    preset: Literal["10-5", "cms-11", "all-of-us-20", "omop-5", "own"] = "10-5"
    threshold: Annotated[int, Field(ge=3, le=10_000)]
    """Distinct persons, at least, in a cell, and in its complement within the question, if there is anyone in that."""
    base: Annotated[int, Field(ge=1, le=1000)] = 5
    """Counts are rounded to multiples of this; 1 leaves them as they are."""
    zeros: Literal["hidden", "shown"] = "hidden"
    """Whether a cell that nobody is in looks like a small one (hidden) or says 0 (shown)."""
    digits: Annotated[int, Field(ge=1, le=6)] = 3
    """Significant digits of a mean, of its size or of the span of the bounds (``sums.mean_decimals``)."""
    dominance_p: Annotated[float, Field(ge=0, le=100)] = 10.0
    """p% rule: what all but the two largest contributors hold is at least p% of the largest's."""
    dominance_one: Annotated[float, Field(gt=0, le=100)] = 50.0
    """(1,k) rule: no contributor holds more than k% of a cell."""
    dominance_two: Annotated[float, Field(gt=0, le=100)] = 67.0
    """(2,k) rule: no two contributors hold more than k% of a cell."""
    sparse: Annotated[float, Field(gt=0, le=1)] = 0.4
    """A table of ten or more cells is withheld where more than this share of them would be suppressed."""
    sparse_mean: Annotated[float, Field(ge=0, le=100)] = 2.0
    """So large a table is withheld too where its shown cells hold fewer persons on average than this many times the threshold."""
    interval: Annotated[int, Field(ge=2, le=10_000)] = 5
    """Counts that a suppressed cell must stay able to have, whatever a reader works out from all that is shown."""
    class_share: Annotated[float, Field(gt=50, le=100)] = 90.0
    """Class disclosure: the split of a group is held back where more than this percentage of it hold one category."""
    digits_spread: Annotated[int, Field(ge=1, le=6)] = 2
    """Significant digits of standard deviations, variances and correlations."""
    spread_dof: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Degrees of freedom, values less one, that a standard deviation or variance needs at least."""
    spread_persons: Annotated[int, Field(ge=10, le=10_000)] = 30
    """Persons that a standard deviation or variance needs at least."""
    correlation_persons: Annotated[int, Field(ge=10, le=10_000)] = 50
    """Persons that a correlation needs at least."""
    noise: Literal["none", "cell_key"] = "none"
    """Whether shown counts carry a small noise that depends on their persons alone (cell key method); needs the site's secret."""
    noise_bound: Annotated[int, Field(ge=1, le=1000)] = 5
    """The noise is a whole number from minus to plus this, each as likely."""
    dp: Dp | None = None
    """Differential privacy instead of thresholds, dominance and memory; needs the extra ``dp``."""
    withheld_per_day: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Answers that the data may withhold from a project in a day; afterwards it gets no new ones until tomorrow (UTC)."""
    sets_percent: Annotated[float, Field(gt=0, le=100_000)] = 8.0
    """Sets of persons by which the site tells of one attribute at most, for every hundred persons (``memory/account.py``)."""
    accept_low_threshold: bool = False
    """The steward's word that a threshold below 10 is meant."""

    @model_validator(mode="after")
    def _threshold_is_usual(self) -> Self:
        if self.threshold < USUAL_FLOOR and not self.accept_low_threshold:
            raise ValueError(
                f"threshold {self.threshold} is below {USUAL_FLOOR}, the usual floor: raise it, "
                "or add accept_low_threshold = true if the site has decided so"
            )
        return self

    @model_validator(mode="after")
    def _noise_fits(self) -> Self:
        if self.noise != "none" and self.dp is not None:
            raise ValueError('noise and dp exclude each other: set noise = "none", or leave dp out')
        if self.noise != "none" and self.noise_bound >= self.threshold:
            raise ValueError(
                f"noise_bound {self.noise_bound} is not below threshold {self.threshold}: a shown count could become 0; lower it"
            )
        return self

    @property
    def exact(self) -> bool:
        """Whether counts are shown as they are."""
        return self.base == 1 and self.noise == "none" and self.dp is None

    @property
    def tells_counts(self) -> bool:
        """Whether a reader can know counts: they are shown as they are, or means have so many digits that one count only fits (GRIM)."""
        return self.exact or (self.digits > FEW_DIGITS and self.noise == "none" and self.dp is None)

    def most_sets(self, persons: int) -> int:
        """By how many sets of persons a site of so many persons tells of one attribute at most."""
        return math.floor(persons * self.sets_percent / 100)

    @property
    def candidates(self) -> int:
        """The least number of counts that a small cell must leave possible: ``interval``, or all its possible counts if they are fewer."""
        return min(self.interval, self.threshold - (self.zeros == "shown"))

    @property
    def least_shown(self) -> int:
        """The least number of persons that is shown: the threshold, or the multiple of the base above it."""
        return -(-self.threshold // self.base) * self.base

    @property
    def most_about(self) -> int:
        """The most persons by which a set may differ, on either side, from the released set whose number is shown for it."""
        return 2 * self.threshold - 2

    @property
    def most_about_sum(self) -> int:
        """The most persons by which a set's number may differ from a sum of released sets' numbers that is shown for it.

        The set may lack so many of the sum's persons as of a released set's, and as many again may be counted twice.
        """
        return 2 * self.most_about

    @property
    def version(self) -> str:
        """The name of the policy in a release: the preset and the digest of all numbers."""
        return f"{self.preset}/{self.digest()[:16]}"


EXPLAINED: dict[str, str] = {
    "preset": (
        "Whose numbers the rules start from: 10-5 (ONS), cms-11 (US CMS cell size suppression policy), all-of-us-20 (NIH All of "
        "Us), omop-5 (OHDSI tools), or own. Single keys may change them."
    ),
    "threshold": (
        "Threshold rule: a number is shown only where at least so many distinct persons stand behind it, and behind what it leaves "
        "out. Two answers may not differ by fewer: a group near a released one shows that one's number, marked ≈ (about); its own "
        "differs by fewer than twice the threshold, or four times where several were added. A question is withheld where "
        "a condition, or a term of one, holds for or leaves out fewer, alone or of those for whom others hold: "
        "a refusal would tell of them. Sources: SDAP "
        "handbook, ABS, ONS: 10; US CMS: 11; All of Us: 21; Kenthapadi, Mishra, Nissim."
    ),
    "base": (
        "Counts are rounded to a multiple of this, up or down as the site's secret draws for each group: nobody knows at which person a "
        "number turns, and on average it is right. Totals are rounded on their own, so parts need not add up to them. Numbers of rows "
        "and values are rounded to this times the rows per person in the catalogue: rows must not tell persons. 1 leaves counts "
        "exact: suppressed cells are audited by linear programming, and a question is withheld if exact numbers, however many, tell "
        "together of fewer persons than the threshold (docs/memory.md). Source: ONS 10-5 rule."
    ),
    "zeros": (
        "hidden: a cell that nobody is in looks like one that few are in. shown: it says 0. Sources: ACRO (zeros are "
        "disclosive), US CMS (zero may be shown)."
    ),
    "digits": (
        "Significant digits of a mean, of its own size or relative to the span of the catalogue's bounds, whichever are more: a mean "
        "year of birth is 1958.1. Where counts are rounded, a mean has no decimals finer than the catalogue's precision divided by the "
        "fewest values that its shown number may stand for: then any such number of values may have this mean, and it does not tell "
        "how many there are. A sum is the shown mean times the shown number of values, so it tells no more. Sources: GRIM test; "
        "Handbook on SDC."
    ),
    "dominance_p": (
        "p% rule: what all but the two largest contributors hold together is at least this percentage of the largest, so that "
        "the second largest cannot work out the largest. Sources: Handbook on SDC; tau-ARGUS."
    ),
    "dominance_one": (
        "(1,k) rule: nobody holds more than this percentage of a sum, by absolute values, or of a cell's rows. Source: ABS DataLab."
    ),
    "dominance_two": "(2,k) rule: no two persons together hold more than this percentage. Source: ABS DataLab.",
    "sparse": (
        "A table of ten or more cells with somebody in them is withheld as a whole where more than this share of them would be "
        "suppressed: too much would follow from the pattern. The number is Twinpane's own."
    ),
    "sparse_mean": (
        "Such a table is withheld too where its shown cells hold fewer persons on average than this many times the threshold. "
        "Source: the minimum average cell size of the Handbook on SDC; the number is Twinpane's own."
    ),
    "interval": (
        "A suppressed cell must stay able to have at least so many different counts, whatever a reader works out from the other "
        "cells and from totals, even a reader who knows everyone that is alone in a cell; otherwise one more cell is "
        "suppressed. Source: feasibility intervals and singletons, Handbook on SDC, chapter 4."
    ),
    "class_share": (
        "Class disclosure: where more than this percentage of a group hold one category of a sensitive dimension, or lie in one bin of "
        "a measure or date, the group's split is held back, unless the catalogue says as much of everybody (of a bin it does if all its "
        "published quantiles lie in it), or that this category goes with the group's, as a test with its unit. A question is withheld "
        "where a condition on such a dimension holds for more than that of those for whom all its other conditions hold. Source: ESSnet "
        "guidelines for output checking (90 %)."
    ),
    "digits_spread": "Significant digits of standard deviations, variances and correlations.",
    "spread_dof": "Degrees of freedom (values less one) that a standard deviation or variance needs at least. Source: SDAP handbook (10).",
    "spread_persons": "Persons that a standard deviation or variance needs at least. The number is Twinpane's own.",
    "correlation_persons": "Persons that a correlation needs at least. The number is Twinpane's own.",
    "noise": (
        "none, or cell_key: every shown count carries a small whole number that depends on its persons and the site's secret "
        "alone. The same persons get the same noise in every question. It is no differential privacy. Source: cell key method "
        "of ABS and Eurostat."
    ),
    "noise_bound": "The noise lies between minus and plus this, every number as likely, zero on average. Source: cell key method.",
    "dp": (
        "Differential privacy in place of thresholds, dominance and the memory of person sets: counts by the discrete Laplace "
        "mechanism of OpenDP with the person as the unit, paid from an epsilon account per project. What the bound of a "
        "person's part is not known for is refused. Source: Dwork et al. 2006; OpenDP."
    ),
    "withheld_per_day": (
        "Answers that the data may withhold from a project in a day; afterwards it gets no new answers until tomorrow (UTC). "
        "Every refusal tells a little. Source: simulatable auditing (Kenthapadi, Mishra, Nissim)."
    ),
    "sets_percent": (
        "The account of what was released: for every hundred persons of the site, so many sets of persons may be asked for about one "
        "attribute (a column of the table of persons, a code of a table of events), over all projects and snapshots. Then questions about "
        "it are refused, until the steward raises this number. Numbers about Q sets of n persons explain at most a share of Q / n of what "
        "tells single persons apart. Sources: Dinur and Nissim 2003; the number is Twinpane's own."
    ),
    "accept_low_threshold": "The steward's word that a threshold below 10 is meant; without it such a policy is not loaded.",
}
"""Every rule in plain words, with its source."""


def load_rules(table: Mapping[str, Any] | None, where: str = "policy.toml [rules]") -> Rules:
    """The rules of a ``[rules]`` table: see ``preset_and_own``. Raises PolicyError that names the key and says what to do."""
    raw = preset_and_own(table, where)
    try:
        return Rules.model_validate(raw)
    except ValidationError as error:
        mistake = first(error)
        if mistake.kind == "extra_forbidden":
            keys = ", ".join(Rules.model_fields)
            raise PolicyError(f"{where}: there is no key {mistake.where}; remove it, or use one of {keys}.") from None
        raise PolicyError(f"{where}: {mistake.where or 'rules'}: {mistake.text}.") from None


def preset_and_own(table: Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    """All keys of a policy file's ``[rules]`` table: those of its preset, some of which it may change, and always its own threshold.

    Raises PolicyError that says what to do: for no rules, an unknown preset, a missing threshold. The values are not looked at yet.
    """
    if not table:
        raise PolicyError(f'{where} is missing: add preset = "10-5" and threshold = 10. Without rules nothing is answered.')
    preset = table.get("preset", "own")
    if not isinstance(preset, str) or (preset != "own" and preset not in PRESETS):
        raise PolicyError(f"{where}: there is no preset {str(preset)[:40]!r}; use one of {', '.join(PRESETS)} or own.")
    if "threshold" not in table:
        known = PRESETS.get(preset, PRESETS["10-5"])["threshold"]
        raise PolicyError(f"{where}: threshold is missing; write threshold = {known}, the number of persons a cell needs at least.")
    return {**PRESETS.get(preset, {}), **table, "preset": preset}
