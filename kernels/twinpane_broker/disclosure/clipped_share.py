"""Which share of a number's values was clipped to the catalogue's bounds, in bands that are true and as coarse as counts.

Of fewer persons than the threshold nothing is said, nor of a share below ``STATED`` percent. Where exactly saying begins is drawn for the
persons, below twice as much of both, and so are the ends of bands: at a share that everybody knows, one person would turn the band. What
is not said is small, or about a few. All else is said. The share is said to within ten points where the rules let out the number of clipped
values, and numbers of values are not coarser: ten percent of the values are then no less than the base to which their numbers are rounded.
Otherwise it is only said that the share is not small.
"""

from twinpane_broker.cells.cell_evidence import CellEvidence, Spread
from twinpane_broker.rules.cell_key import Counter
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.sdc_rules import complement_rule, threshold_rule

STATED = 5
"""The least share that is said, in percent."""
STEP = 10
"""Points from one end of a band to the other."""
Band = tuple[int, int]
"""Percent, at least and at most."""


def clipped_share(spread: Spread, counter: Counter, *, told: bool) -> Band | None:
    """The band of the share of clipped values; None if nothing is said. ``told``: the rules let out their number."""
    share = _much(spread.clipped, spread, counter)
    if share is None:
        return None
    if not (told and _is_fine(spread, counter)):
        return STATED, 100
    off = counter.rules.noise_bound if counter.rules.noise == "cell_key" else 0
    shift = counter.draw(spread.who, STEP)
    low = STATED - shift + int((share - STATED + shift) // STEP) * STEP
    further = STEP if off else 0  # two noisy numbers of values are off by as much again
    return max(0 if off else STATED, low - further), min(100, low + STEP + further)


def number_is_asked(spread: Spread, counter: Counter) -> bool:
    """Whether it matters that the rules let out the number of clipped values."""
    return _much(spread.clipped, spread, counter) is not None and _is_fine(spread, counter)


def clipped_hides(spread: Spread, rules: Rules, counter: Counter) -> bool:
    """Whether a mean is suppressed as many of its values were clipped, which may not be said of so few.

    Of fewer than twice the threshold of persons, all but a few would then be known to lie beyond the bounds.
    """
    clipped = spread.clipped
    if clipped is None or spread.persons >= 2 * rules.threshold:
        return False
    return _much(clipped, spread, counter) is not None and not complement_rule(clipped.persons, spread.persons, rules.threshold)


def _is_fine(spread: Spread, counter: Counter) -> bool:
    """Whether ten percent of the values are no less than what their numbers are rounded to, or than the noise of two numbers."""
    off = counter.rules.noise_bound if counter.rules.noise == "cell_key" else 0
    return counter.shown_rows(spread.who, spread.values) * STEP >= 100 * max(counter.row_base, 2 * off)


def _much(clipped: CellEvidence | None, spread: Spread, counter: Counter) -> float | None:
    """The share in percent where it is to be said."""
    threshold = counter.rules.threshold
    if clipped is None or not threshold_rule(clipped.persons, threshold + counter.draw(spread.who, threshold)):
        return None
    share = min(100.0, 100 * counter.unrounded(clipped.who, clipped.rows) / counter.unrounded(spread.who, spread.values))
    return share if share >= STATED + counter.draw(spread.who, STATED) else None
