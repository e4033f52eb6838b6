"""The narrowed grid of a measure whose meaning the question fixes: HbA1c from 0 to 17, not all laboratory values from 0 to 200.

A column of laboratory values follows the column that names the laboratory test. If WHERE fixes that column to one code, the catalogue's
numbers for this code make the grid. Ranges, bins and quantiles cut at this grid. It depends on plan and catalogue alone, so everybody
can work it out beforehand.

Only the grid narrows. The values behind means and spreads stay clipped to the bounds of the whole column. Otherwise two means of the same
rows, clipped in two ways, would tell the sum of the few values beyond the narrower bounds. Values beyond the narrowed bounds count as
lying on them: they fall into the end bins, and a range that begins at the lower bound includes all values below it.
"""

import math
from collections.abc import Iterable
from functools import cached_property

from twinpane_broker.catalogue.catalogue import CodeValue, Column, ColumnType, Given, Role, Table
from twinpane_broker.catalogue.edges import STEPS, step_at_least
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import CodeOrder, In, Predicate, Range, code_order

from .grids import with_decimals

STRETCH = 1.0
"""How far the bounds reach beyond a code's knots, the 5th to the 95th percentile, on either side, as a share of the span between."""


def narrowed(table: Table, name: str, conditions: Iterable[Predicate]) -> Column:
    """The visible column ``name`` of ``table`` with the bounds, knots and precision of the one code that the ``conditions`` fix.

    All conditions hold. If they fix no code, or the catalogue has no numbers for it, the column stays as it is.
    """
    return Grids(table, name).narrowed(conditions)


class Grids:
    """The grids of a measure, by the code that conditions fix. What the many cells of a table need is worked out once."""

    def __init__(self, table: Table, name: str) -> None:
        self._table = table
        self.column = table.known_column(name)
        self.root = _followed(table, self.column)
        """The dimension that the measure follows; None if there is none."""
        self._known: dict[str, frozenset[CodeOrder]] = {}

    def narrowed(self, conditions: Iterable[Predicate]) -> Column:
        """See ``narrowed``."""
        given = self._given(tuple(conditions))
        return _of(self.column, given) if given is not None else self.column

    def of_quantiles(self, conditions: Iterable[Predicate]) -> Column:
        """The grid of quantiles: that of the code, or, where values of any size may lie together, with all short decimal numbers."""
        made = self.narrowed(conditions)
        return made if made is not self.column else self._with_decimals

    def knots(self, conditions: Iterable[Predicate]) -> tuple[float, ...]:
        """The catalogue's quantiles where the ``conditions`` hold: those of the one code that they fix, else the column's."""
        given = self._given(tuple(conditions))
        return given.knots if given is not None else self.column.knots

    def follows(self, reference: str) -> bool:
        """Whether a column of the plan tells the code: it is the dimension that the measure follows, or follows that itself."""
        table, name = split(reference)
        column = self._table.column(name) if table == self._table.name else None
        return self.root is not None and column is not None and self.root.name in (column.name, column.follows)

    def _given(self, conditions: tuple[Predicate, ...]) -> Given | None:
        if self.root is None:
            return None
        for term in conditions:
            if not isinstance(term, In) or term.descendants:
                continue
            fixed = term.column.removeprefix(f"{self._table.name}.")
            # A resolved code set may hold codes that are not approved, which only the data tell.
            approved = {code_order(code) for code in term.codes} & self._approved(fixed)
            if len(approved) != 1:
                continue
            (code,) = approved
            codes = {code} if fixed == self.root.name else _codes_of_name(self._table.column(fixed), code, self.root)
            if len(listed := codes & self._listed) == 1 and (only := listed.pop()) in self._numbers:
                return self._numbers[only]
        return None

    def _approved(self, name: str) -> frozenset[CodeOrder]:
        if name not in self._known:
            column = self._table.column(name)
            self._known[name] = frozenset(code_order(code.value) for code in (column.codes if column is not None else ()))
        return self._known[name]

    @cached_property
    def _listed(self) -> frozenset[CodeOrder]:
        return self._approved(self.root.name) if self.root is not None else frozenset()

    @cached_property
    def _numbers(self) -> dict[CodeOrder, Given]:
        known = {code_order(given.code): given for given in self.column.given if given.knots} if self.root is not None else {}
        return {code: given for code, given in known.items() if code in self._listed}

    @cached_property
    def _with_decimals(self) -> Column:
        return with_decimals(self.column) if self._numbers else self.column


def choices(table: Table, column: Column) -> tuple[Column, tuple[CodeValue, ...]] | None:
    """The dimension that a measure follows, with the codes for which the catalogue has numbers; None if there is no such dimension."""
    root = _followed(table, column)
    if root is None:
        return None
    known = {code_order(given.code) for given in column.given if given.knots}
    codes = tuple(code.value for code in root.codes if code_order(code.value) in known)
    return (root, codes) if codes else None


def on_stored(term: Range, column: Column, whole: Column) -> Range:
    """A range over a narrowed ``column``, translated to the stored values, which keep the bounds of the ``whole`` column.

    Values below the narrowed bounds count as the lower bound. So an end there becomes the lower bound of the whole column.
    """
    low = column.known_bounds[0]
    ends = {end: value for end in ("low", "high") if (value := getattr(term, end)) is not None}
    return term.model_copy(update={end: whole.known_bounds[0] for end, value in ends.items() if math.isclose(value, low, abs_tol=1e-12)})


def _followed(table: Table, column: Column) -> Column | None:
    """The dimension that a measure follows, if it is visible."""
    if column.role is not Role.measure or column.follows is None:
        return None
    root = table.column(column.follows)
    return root if root is not None and root.role is Role.dimension else None


def _codes_of_name(name: Column | None, value: CodeOrder, root: Column) -> set[CodeOrder]:
    """The codes of ``root`` that go with one value of a column that follows it."""
    if name is None or name.follows != root.name:
        return set()
    return {code_order(given.code) for given in name.given if given.value is not None and code_order(given.value) == value}


def _of(column: Column, given: Given) -> Column:
    """The column with a code's grid, never beyond its own bounds."""
    span = given.knots[-1] - given.knots[0]
    if span <= 0:
        return column
    low, high = given.knots[0] - span * STRETCH, given.knots[-1] + span * STRETCH
    precision = max(given.precision or 0.0, column.precision or 0.0) or None
    # Rounding outward adds up to two steps.
    step = step_at_least(max((high - low) / (STEPS - 2), precision or 0.0), whole=column.type is ColumnType.integer)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    low, high = max(column.known_bounds[0], float(f"{low:.12g}")), min(column.known_bounds[1], float(f"{high:.12g}"))
    if not low < high or (low, high) == column.known_bounds:
        return column
    knots = tuple(knot for knot in given.knots if low <= knot <= high)
    # A range may still say "from 0" where that is the whole column's bound.
    edges, cuts = column.known_bounds, given.cuts or column.cuts
    return column.model_copy(update={"bounds": (low, high), "knots": knots, "precision": precision, "edges": edges, "cuts": cuts})
