"""The disclosure rules a site has set: presets as data, and strict loading. No policy, no threshold: no answer."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from .closed import Closed
from .errors import PolicyError

USUAL_FLOOR = 10
"""Thresholds below this need the steward's explicit word (SDAP handbook, ABS, ONS use 10 as the usual rule of thumb)."""

PRESETS: dict[str, dict[str, Any]] = {
    # ONS "10-5": suppress below 10, round the rest to 5; zeros look like small counts.
    "10-5": {"threshold": 10, "base": 5, "zeros": "hidden"},
    # US CMS cell size suppression policy: 1 to 10 hidden, zero may be shown, nothing derivable.
    "cms-11": {"threshold": 11, "base": 1, "zeros": "shown"},
    # NIH All of Us dissemination policy: 1 to 20 hidden, zero may be shown, nothing derivable.
    "all-of-us-20": {"threshold": 21, "base": 1, "zeros": "shown"},
    # OHDSI tools' usual minCellCount of 5.
    "omop-5": {"threshold": 5, "base": 1, "zeros": "shown"},
}


class Rules(Closed):
    """The numbers of the disclosure rules. Sources: research on disclosure control, sections 3 and 4; ABS DataLab for dominance."""

    preset: Literal["10-5", "cms-11", "all-of-us-20", "omop-5", "own"] = "10-5"
    threshold: Annotated[int, Field(ge=3, le=10_000)]
    """Distinct persons, at least, in a cell, and in its complement within the question, if there is anyone in that."""
    base: Annotated[int, Field(ge=1, le=1000)] = 5
    """Counts are rounded to multiples of this; 1 leaves them as they are."""
    zeros: Literal["hidden", "shown"] = "hidden"
    """Whether a cell that nobody is in looks like a small one (hidden) or says 0 (shown)."""
    digits: Annotated[int, Field(ge=1, le=6)] = 3
    """Significant digits of a mean."""
    dominance_p: Annotated[float, Field(ge=0, le=100)] = 10.0
    """p% rule: what all but the two largest contributors hold is at least p% of the largest's."""
    dominance_one: Annotated[float, Field(gt=0, le=100)] = 50.0
    """(1,k) rule: no contributor holds more than k% of a cell."""
    dominance_two: Annotated[float, Field(gt=0, le=100)] = 67.0
    """(2,k) rule: no two contributors hold more than k% of a cell."""
    sparse: Annotated[float, Field(gt=0, le=1)] = 0.4
    """A table of ten or more cells is withheld where more than this share of them would be suppressed."""
    class_share: Annotated[float, Field(gt=50, le=100)] = 90.0
    """Class disclosure: the split of a group is held back where more than this percentage of it hold one category."""
    digits_spread: Annotated[int, Field(ge=1, le=6)] = 2
    """Significant digits of standard deviations, variances and correlations."""
    spread_persons: Annotated[int, Field(ge=10, le=10_000)] = 30
    """Persons that a standard deviation or variance needs at least."""
    correlation_persons: Annotated[int, Field(ge=10, le=10_000)] = 50
    """Persons that a correlation needs at least."""
    withheld_per_day: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Answers that the data may withhold from a project in a day; afterwards it gets no new ones until tomorrow (UTC)."""
    accept_low_threshold: bool = False
    """The steward's word that a threshold below 10 is meant."""

    @model_validator(mode="after")
    def _threshold_and_base_fit(self) -> Self:
        if self.threshold < USUAL_FLOOR and not self.accept_low_threshold:
            raise ValueError(
                f"threshold {self.threshold} is below {USUAL_FLOOR}, the usual floor: raise it, "
                "or add accept_low_threshold = true if the site has decided so"
            )
        if self.base > 1:
            # A threshold of 6 rounded to 5 would show 5 only for 6 and 7 (OpenSAFELY's lesson).
            shown_alike = sum(round_to(n, self.base) == round_to(self.threshold, self.base) for n in self._near())
            if shown_alike < min(3, self.base):
                raise ValueError(
                    f"threshold {self.threshold} and base {self.base} do not fit: the smallest number shown would stand for "
                    f"{shown_alike} count{'s' if shown_alike > 1 else ''} only; "
                    f"use threshold {self._fitting()} with this base, or base 1"
                )
        return self

    def _near(self) -> range:
        return range(self.threshold, self.threshold + self.base)

    def _fitting(self) -> int:
        """The next threshold at which a rounding window begins."""
        above = range(self.threshold, self.threshold + 2 * self.base)
        return next(n for n in above if round_to(n, self.base) != round_to(n - 1, self.base))

    @property
    def version(self) -> str:
        """What a release names its policy by: the preset and the digest of all numbers."""
        return f"{self.preset}/{self.digest()[:16]}"


def round_to(count: int, base: int) -> int:
    """A count rounded to the nearest multiple of ``base``, halves up."""
    return (2 * count + base) // (2 * base) * base


def load_rules(table: Mapping[str, Any] | None, where: str = "policy.toml [rules]") -> Rules:
    """The rules of a policy file's ``[rules]`` table: a preset, whose numbers single keys may change, and always a threshold.

    Raises PolicyError that names the key and says what to do: for no rules, an unknown key, an unknown preset, a missing threshold.
    """
    if not table:
        raise PolicyError(f'{where} is missing: add preset = "10-5" and threshold = 10. Without rules nothing is answered.')
    preset = table.get("preset", "own")
    if preset != "own" and preset not in PRESETS:
        raise PolicyError(f"{where}: there is no preset {str(preset)[:40]!r}; use one of {', '.join(PRESETS)} or own.")
    if "threshold" not in table:
        known = PRESETS.get(preset, PRESETS["10-5"])["threshold"]
        raise PolicyError(f"{where}: threshold is missing; write threshold = {known}, the number of persons a cell needs at least.")
    try:
        return Rules.model_validate({**PRESETS.get(preset, {}), **table, "preset": preset})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "rules"
        if first["type"] == "extra_forbidden":
            raise PolicyError(f"{where}: there is no key {key}; remove it, or use one of {', '.join(Rules.model_fields)}.") from None
        raise PolicyError(f"{where}: {key}: {first['msg'].removeprefix('Value error, ')}.") from None
