"""One number over sites, from the sites' released parts. Parts that are missing are named, never guessed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from twinpane_broker.catalogue.catalogue import SiteId
from twinpane_broker.rules.rounding import at_decimals

from .true_span import Ends, around, is_much

How = Literal["", "within the sites", "see the sites"]


@dataclass(frozen=True)
class Part:
    """A site's released part of one number; see ``Value``. ``mean`` is the mean of the same column, if the question asks for it too."""

    value: int | float | None = None
    n: int | None = None
    of: int | None = None
    mean: int | float | None = None
    decimals: int = 0
    """To which the site says the number."""
    about: bool = False
    clipped: bool = False
    """Whether the site says that many of its values were clipped."""
    within: Ends | None = None
    """Between which numbers it truly lies, where the site says that (``within_of``)."""
    off: int = 0
    """By how many persons it may be off, where it is about and the site does not say."""

    @property
    def ends(self) -> Ends:
        """Between which numbers it lies, as far as anything is said of that."""
        return self.within or around(self.value or 0, self.off)


@dataclass(frozen=True)
class PooledValue:
    """One number over sites; None if no site released its part. ``without`` names the sites whose part is missing."""

    value: int | float | None
    without: tuple[SiteId, ...] = ()
    how: How = ""
    """``within the sites``: a spread around each site's own mean, without the difference between the sites' means.
    ``see the sites``: of a kind that cannot be pooled, or a site tells its part but not over how many values."""
    about: bool = False
    """Whether a site's part is about: a stand-in's number, or made from one."""
    clipped: bool = False
    """Whether many values of a site's part were clipped."""
    within: Ends | None = None
    """Between which numbers it lies, where sites round numbers of rows coarsely, or where it is about and may be off by much."""
    decimals: int | None = None
    """Of a mean or a share: the decimals of the least exact part, to which it is known; below 0 before the point."""

    @property
    def partial(self) -> bool:
        """Whether a site's part is missing: a count is then *at least* this."""
        return bool(self.without)


@dataclass(frozen=True)
class Known:
    """A part that a site released in full; pooling computes with these."""

    value: float
    n: int = 0
    of: int = 0
    mean: float | None = None
    decimals: int = 0


Parts = Mapping[SiteId, Part]
Absent = tuple[SiteId, ...]


def pooled(
    parts: Parts,
    absent: Absent,
    combine: Callable[[list[Known]], tuple[int | float, How]],
    *,
    least: int | None = None,
    of: bool = False,
    as_sure: bool = False,
    within: Callable[[list[Part], float], Ends | None] | None = None,
) -> PooledValue:
    """Combine the known parts, and name the missing ones.

    With ``least``, a part counts only if it has at least so many values (``n``). With ``of``, it counts only if it gives its denominator.
    Where a site tells its part without the one or the other, nothing is pooled: a number without that part would pass for all sites', and
    be a small site's. ``combine`` gets at least one part. ``as_sure``: the number is cut to the decimals of its least exact part.
    ``within``: between which numbers the pooled one lies, of the used parts and the number; None where that is not said.
    """
    unweighed = [
        site for site, part in parts.items()
        if part.value is not None and ((least is not None and part.n is None) or (of and not (part.n is not None and part.of)))
    ]  # fmt: skip
    if unweighed:
        return PooledValue(None, (*(site for site, part in parts.items() if part.value is None), *absent), "see the sites")
    usable = {
        site: Known(part.value, part.n or 0, part.of or 0, part.mean, part.decimals)
        for site, part in parts.items()
        if part.value is not None and (least is None or (part.n or 0) >= least)
    }
    without = (*(site for site in parts if site not in usable), *absent)
    if not usable:
        return PooledValue(None, without)
    value, how = combine(list(usable.values()))
    decimals = min(part.decimals for part in usable.values()) if as_sure else None
    shown = value if decimals is None else at_decimals(value, decimals)
    used = [parts[site] for site in usable]
    return PooledValue(shown, without, how, *_marks(used), (within or all_within)(used, shown), decimals)


def added(parts: Parts, absent: Absent) -> PooledValue:
    """Counts add up."""
    # The parts are whole numbers here, and so is their sum.
    usable = {site: part.value for site, part in parts.items() if part.value is not None}
    without = (*(site for site in parts if site not in usable), *absent)
    if not usable:
        return PooledValue(None, without)
    used, value = [parts[site] for site in usable], sum(usable.values())
    # Without a site's part nothing is known of how many there are at most.
    return PooledValue(value, without, "", *_marks(used), None if without else all_within(used, value))


def all_within(used: list[Part], value: float) -> Ends | None:
    """Between which numbers all parts lie together: where a site says it of its own, or they may be off by much."""
    ends = sum(part.ends[0] for part in used), sum(part.ends[1] for part in used)
    return ends if any(part.within for part in used) or (any(part.off for part in used) and is_much(value, ends)) else None


def _marks(used: list[Part]) -> tuple[bool, bool]:
    """Whether a part is about, and whether one is clipped."""
    return any(part.about for part in used), any(part.clipped for part in used)


def significant(value: float, digits: int) -> float:
    """A number at so many significant digits."""
    return float(f"{value:.{digits - 1}e}")
