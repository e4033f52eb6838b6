"""Choose a bin width for a measure from the sites' catalogues."""

import math
from collections.abc import Iterable

from twinpane.errors import Refused
from twinpane_broker import Column, Difference, Predicate, day_count, did_you_mean, is_width, narrowed, split, step_of

from .browser import Browser

BINS = 12
"""Bins between the 5th and the 95th percentile, at most."""
ALL_BINS = 40
"""Bins over the whole bounds, at most."""
NICE = (1, 2, 2.5, 5)


def sensible_width(reference: str, conditions: Iterable[Predicate] = (), differences: Iterable[Difference] = ()) -> float:
    """The smallest round width that puts most values into at most ``BINS`` bins and that every site with the column allows.

    If the question's ``conditions`` fix one laboratory code, only sites with values of that code count.

    ``differences`` are the question's own measures, days between dates. Asks for the catalogues. Raises Refused where no site has the
    column, where it is not a measure, or where no width suits all sites.
    """
    if (difference := next((one for one in differences if one.name == reference), None)) is not None:
        return _width_of_days(difference)
    table, name = split(reference)
    conditions = tuple(conditions)
    tables = [listed for site in Browser.ask().sites.values() if (listed := site.table(table)) is not None]
    found = [column for listed in tables if (column := listed.column(name)) is not None]
    if not found:
        known = [column.name for listed in tables for column in listed.visible]
        raise Refused(f"no site has a column {name} in {table}.{did_you_mean(name, dict.fromkeys(known))}", "catalogue")
    if not all(column.measured for column in found):
        raise Refused(f"{reference} is a {found[0].role}, and only measures have histograms: count its groups with group_by", "catalogue")
    fixed = [narrowed(listed, name, conditions) for listed in tables if listed.column(name) is not None]
    own = [column for column, whole in zip(fixed, found, strict=True) if column is not whole]
    return width_for(own or found, reference)


def _width_of_days(difference: Difference) -> float:
    """That of days between two dates, or of an age at an event; raises Refused where its bounds are not in the catalogues."""
    found = []
    for site in Browser.ask().sites.values():
        names = {split(reference)[0] for reference in (difference.since, difference.until)}
        tables = {name: listed for name in names if (listed := site.table(name)) is not None}
        if len(tables) == len(names):
            found.append(day_count(difference, tables))
    name = split(difference.name)[1]
    if not found:
        raise Refused(f"the catalogues give no bounds of {name}: give a width, as in .histogram({name!r}, 1000)", "catalogue")
    return width_for(found, name)


def width_for(columns: list[Column], reference: str) -> float:
    """The width for these columns of one name."""
    least = max(max(_middle(column) / BINS, (column.known_bounds[1] - column.known_bounds[0]) / ALL_BINS) for column in columns)
    step = max(step_of(column) for column in columns)
    power = math.floor(math.log10(step))
    rounds = [float(f"{nice * 10.0**exponent:.12g}") for exponent in range(power, power + 5) for nice in NICE]
    fitting = [width for width in rounds if all(is_width(column, width) for column in columns)]
    enough = [width for width in fitting if width >= least * (1 - 1e-9)]
    if not fitting:
        raise Refused(f"the sites' bounds of {reference} allow no bins of one width: give a width, like width={step:g}", "catalogue")
    return enough[0] if enough else fitting[-1]


def _middle(column: Column) -> float:
    """The distance from the 5th to the 95th percentile where the catalogue gives them; otherwise the distance between the bounds."""
    return column.knots[-1] - column.knots[0] if len(column.knots) > 1 else column.known_bounds[1] - column.known_bounds[0]
