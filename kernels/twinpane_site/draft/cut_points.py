"""Where the field cuts a measure: clinical cut points, which are the same at all sites, and ages and years of birth at single years.

Ranges may cut there. Quantiles do not snap to them: a median age would be a person's own.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from twinpane_broker import CodeValue, Column, Role

from . import names

_STANDARD = (
    (r"bmi|body[ _]mass[ _]index", (18.5, 25.0, 30.0, 35.0, 40.0)),
    (r"e?gfr|glomerular[ _]filtration.*", (15.0, 30.0, 45.0, 60.0, 90.0)),
    (r"(hb|hgb)_?a1c|a1c|h(a)?emoglobin a1c.*|glycated h(a)?emoglobin.*", (5.7, 6.5)),
)
"""By the words of a column or a test: WHO's classes of body mass index, KDIGO's stages of kidney disease, ADA's diagnosis of diabetes."""
_ADULT = (18.0, 65.0)


def with_cut_points(columns: Sequence[Column]) -> list[Column]:
    """The columns; measures with the field's cut points, by their own name and by the names of the tests that they hold values of."""
    labels = {c.name: {code.value: code.label for code in c.codes} for c in columns}

    def cut(column: Column) -> Column:
        if column.role is not Role.measure:
            return column
        own = (*column.cuts, *(_ADULT if names.age_in_years(column.name) else ()), *_of_words(column.name))
        known = labels.get(column.follows or "", {})
        given = tuple(one.model_copy(update={"cuts": _of_words(known.get(one.code, ""))}) for one in column.given)
        low, high = column.known_bounds
        return column.model_copy(update={"cuts": tuple(sorted({each for each in own if low < each < high})), "given": given})

    return [cut(column) for column in columns]


def single_years(years: Iterable[CodeValue], edges: Iterable[float]) -> tuple[float, ...]:
    """The years, rising, at which a range may cut beside the other ``edges``: each stretch between two holds one of these ``years``.

    So it holds enough persons, as each of ``years`` does.
    """
    held = sorted(float(year) for year in years if isinstance(year, int | float))
    others, cuts = sorted(set(edges)), list[float]()
    for before, year in pairwise(held):
        last = max((edge for edge in (*others, *cuts) if edge < year), default=before)
        if last <= before and year not in others:
            cuts.append(year)
    return tuple(cuts)


def _of_words(words: str) -> tuple[float, ...]:
    """The cut points of a test, or of a column."""
    bare = re.sub(r"\s*[(\[].*|/.*", "", words.strip().casefold())
    return next((cuts for pattern, cuts in _STANDARD if re.fullmatch(pattern, bare)), ())
