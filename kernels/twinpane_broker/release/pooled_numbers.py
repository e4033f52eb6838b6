"""One pooled number from the sites' released parts, for each kind of measure. Parts that are missing are named, never guessed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from twinpane_broker.catalogue.catalogue import SiteId

MEAN_DIGITS = 3
"""Significant digits of pooled means and sums: no more than the sites' own."""
SPREAD_DIGITS = 2
"""Significant digits of pooled standard deviations and variances, decimals of pooled correlations."""
NEARLY_ONE = 0.995
"""A correlation that is released as 1 may be this small; Fisher's z of 1 itself is infinite."""

How = Literal["", "within the sites", "see the sites"]


@dataclass(frozen=True)
class Part:
    """What a site released of one number: see ``release.Value``. ``mean`` is that of the same column, where it was asked for too."""

    value: int | float | None = None
    n: int | None = None
    of: int | None = None
    mean: int | float | None = None


@dataclass(frozen=True)
class PooledValue:
    """One number over sites: None where no site released its part; ``without`` names the sites whose part is not in it."""

    value: int | float | None
    without: tuple[SiteId, ...] = ()
    how: How = ""
    """``within the sites``: a spread around each site's own mean, without the difference between the sites' means.
    ``see the sites``: of a kind that cannot be pooled."""

    @property
    def partial(self) -> bool:
        """Whether a site's part is missing: a count is then *at least* this."""
        return bool(self.without)


Parts = Mapping[SiteId, Part]
Absent = tuple[SiteId, ...]


def added(parts: Parts, absent: Absent, *, rounded: bool = False) -> PooledValue:
    """Counts, persons and sums add up; sums at the digits of their parts."""
    usable = {site: part for site, part in parts.items() if part.value is not None}
    if not usable:
        return PooledValue(None, _without(parts, usable, absent))
    total = sum(part.value for part in usable.values())
    return PooledValue(_digits(total, MEAN_DIGITS) if rounded else total, _without(parts, usable, absent))


def pooled_share(parts: Parts, absent: Absent) -> PooledValue:
    """Percent, from the sites' persons and the persons they are of, one decimal."""
    usable = {site: part for site, part in parts.items() if part.value is not None and part.n is not None and part.of}
    if not usable:
        return PooledValue(None, _without(parts, usable, absent))
    share = 100 * sum(part.n for part in usable.values()) / sum(part.of for part in usable.values())
    return PooledValue(round(min(share, 100.0), 1), _without(parts, usable, absent))


def pooled_mean(parts: Parts, absent: Absent) -> PooledValue:
    """The mean of the sites' means, weighted by the released numbers of values they are over."""
    usable = {site: part for site, part in parts.items() if part.value is not None and part.n}
    if not usable:
        return PooledValue(None, _without(parts, usable, absent))
    mean = sum(part.value * part.n for part in usable.values()) / sum(part.n for part in usable.values())
    return PooledValue(_digits(mean, MEAN_DIGITS), _without(parts, usable, absent))


def pooled_spread(parts: Parts, absent: Absent, *, variance: bool) -> PooledValue:
    """Standard deviation or variance: around the pooled mean where every site's mean is known, else around each site's own.

    Sums of squares add up, within the sites and between them (one-way analysis of variance). The second way is too small where the
    sites' means differ, so it says so.
    """
    usable = {site: part for site, part in parts.items() if part.value is not None and part.n is not None and part.n > 1}
    if not usable:
        return PooledValue(None, _without(parts, usable, absent))
    inside = sum((part.n - 1) * (part.value if variance else part.value**2) for part in usable.values())
    n = sum(part.n for part in usable.values())
    if len(usable) == 1:
        pooled, how = inside / (n - 1), ""
    elif all(part.mean is not None for part in usable.values()):
        middle = sum(part.n * part.mean for part in usable.values()) / n
        pooled, how = (inside + sum(part.n * (part.mean - middle) ** 2 for part in usable.values())) / (n - 1), ""
    else:
        pooled, how = inside / (n - len(usable)), "within the sites"
    return PooledValue(_digits(pooled if variance else math.sqrt(pooled), SPREAD_DIGITS), _without(parts, usable, absent), how)


def pooled_correlation(parts: Parts, absent: Absent) -> PooledValue:
    """Pearson's correlation within the sites: the mean of Fisher's z of each, weighted by its n - 3 (Fisher 1921)."""
    usable = {site: part for site, part in parts.items() if part.value is not None and part.n is not None and part.n > 3}
    if not usable:
        return PooledValue(None, _without(parts, usable, absent))
    weight = sum(part.n - 3 for part in usable.values())
    z = sum((part.n - 3) * math.atanh(max(-NEARLY_ONE, min(NEARLY_ONE, part.value))) for part in usable.values()) / weight
    how: How = "within the sites" if len(usable) > 1 else ""
    value = next(iter(usable.values())).value if len(usable) == 1 else round(math.tanh(z), SPREAD_DIGITS)
    return PooledValue(value, _without(parts, usable, absent), how)


def _without(parts: Parts, usable: Parts, absent: Absent) -> tuple[SiteId, ...]:
    return (*(site for site in parts if site not in usable), *absent)


def _digits(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")
