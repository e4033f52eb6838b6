"""Checks a plan against the site's catalogue. Only listed columns exist, and each may be used only as its role allows.

Every reason here is static: it depends on the plan and on what the catalogue publishes, never on rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial

from twinpane_broker.aggregates.aggregate import OfCell, OfPair, OfValues
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.catalogue.catalogue import Catalogue, Column, Role, Table
from twinpane_broker.catalogue.edges import is_width, step_of, wider_step
from twinpane_broker.question.cohort import Event
from twinpane_broker.question.firsts import First
from twinpane_broker.question.plan import Difference, Group, Plan, split
from twinpane_broker.question.predicates import AllOf, AnyOf, Leaf, Not, Predicate, Range, conjuncts, leaves

from .axes import Axis, axis_of, axis_of_cases, cells_of
from .cell_grids import CellGrids
from .cohort_check import Settle, settled_cohort, settled_event
from .day_counts import counted, day_count, words
from .first_day_tables import with_first_days
from .grids import OwnGrid
from .listed import listed_column, listed_table, not_allowed
from .narrowed import Grids, narrowed, on_stored
from .ruled_out import met_by_all, possible
from .terms import settled
from .vocabulary import Vocabulary, is_code_set


@dataclass(frozen=True)
class ResolvedPlan:
    """A plan that the catalogue allows, with its names resolved. Engines accept nothing else.

    ``plan`` is the question alone (no labels, no post-processing), with codes typed as the columns are and ranges half-open.
    """

    plan: Plan
    catalogue: Catalogue
    """The site's, with a table for each first event of the plan."""
    axes: tuple[Axis, ...]
    cells: tuple[tuple[int, ...], ...] = field(repr=False)
    """The shown cells, in order: a category index per axis. Totals (``plan.margins``) are not among them."""
    identity: str
    """The digest of the question. It depends on the question and the catalogue alone, never on the codes that the data hold."""
    recurs: bool = False
    """Whether it is asked beside another question, of what is known or of everybody. Such questions recur, so their evidence is kept."""
    firsts: Mapping[str, First] = field(default_factory=dict)
    """The first events, their conditions resolved, by the names of their tables."""
    weighed: int = 0
    """Of how many persons it is asked how much they weigh in each cell (``CellEvidence.weight``)."""

    @property
    def populated(self) -> tuple[str, ...]:
        """The tables whose persons the question chooses from. A first event is a condition on these, as an event of a cohort is."""
        listed = tuple(table for table in self.plan.tables if table not in self.firsts)
        return listed or (self.firsts[self.plan.table].event.table,)

    @property
    def events(self) -> tuple[Event, ...]:
        """All events that are looked for, resolved: the cohort's, and the first events."""
        return (*(self.plan.cohort.events if self.plan.cohort is not None else ()), *(first.event for first in self.firsts.values()))

    @property
    def value_columns(self) -> tuple[str, ...]:
        """The measure columns whose values the engine sums up, each once, in the order of the plan's measures."""
        columns = (m.column for m in self.plan.measures if isinstance(m, OfValues))
        return tuple(dict.fromkeys(columns))

    @property
    def value_pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of measure columns whose correlation is asked, each once, in the order of the plan's measures."""
        return tuple(dict.fromkeys((m.column, m.other) for m in self.plan.measures if isinstance(m, OfPair)))

    def needs_squares(self, column: str) -> bool:
        """Whether an aggregate of the plan needs a measure's sum of squares."""
        return any(of.needs_squares for of in self._asked_of(column))

    def needs_bins(self, column: str) -> bool:
        """Whether an aggregate of the plan needs the number of a measure's values in each bin of its grid."""
        return any(of.needs_bins for of in self._asked_of(column))

    def needs_clipped(self, column: str) -> bool:
        """Whether an aggregate of the plan says how many of a measure's values were clipped."""
        return any(of.tells_clipped for of in self._asked_of(column))

    def _asked_of(self, column: str) -> list[OfValues]:
        return [m for m in self.plan.measures if isinstance(m, OfValues) and m.column == column]

    def table(self, name: str) -> Table:
        """A table of the plan; raises KeyError for one that the catalogue does not have."""
        return self.catalogue.known_table(name)

    def difference(self, reference: str) -> Difference | None:
        """The difference of dates of that name; None for a column."""
        return next((one for one in self.plan.differences if one.name == reference), None)

    def computed(self, references: Iterable[str]) -> bool:
        """Whether any of these is no column, but a difference of dates."""
        return any(self.difference(reference) is not None for reference in references)

    def read_by(self, reference: str) -> tuple[str, ...]:
        """The columns that a measure, a group or a condition reads: itself, or the two of a difference."""
        difference = self.difference(reference)
        return (reference,) if difference is None else (difference.since, difference.until)

    @cached_property
    def _day_counts(self) -> dict[str, Column]:
        tables = {name: self.table(name) for name in self.plan.tables}
        return {one.name: day_count(one, tables) for one in self.plan.differences}

    def column(self, reference: str) -> Column:
        """A column of the plan, or a difference of dates; raises KeyError for one that the catalogue does not show."""
        if reference in self._day_counts:
            return self._day_counts[reference]
        table, name = split(reference)
        return self.table(table).known_column(name)

    def gridded(self, reference: str) -> Column:
        """A measure column of the plan with the grid of its ranges and bins (``narrowed``)."""
        return self._gridded[reference]

    def knots_of(self, reference: str, kept: tuple[int, ...], cell: tuple[int, ...]) -> tuple[float, ...]:
        """The catalogue's quantiles of a measure's values in a cell of the axes ``kept``: of the code that the cell or WHERE fixes.

        None of days between two dates, and of first events: the catalogue has no quantiles of these.
        """
        return self._cell_grids[reference].of(kept, cell).knots

    def grid_of(self, reference: str, kept: tuple[int, ...], cell: tuple[int, ...]) -> OwnGrid:
        """The grid of a measure's quantiles in a cell of the axes ``kept``: of the code that the cell or WHERE fixes."""
        return self._cell_grids[reference].of(kept, cell)

    def borders(self, reference: str) -> tuple[float, ...]:
        """The borders of the grids of a measure's quantiles in all cells, rising. Raises Refused where they are too many."""
        return self._cell_grids[reference].borders

    def coarse_steps(self, reference: str) -> tuple[float, float] | None:
        """The smallest and the largest step of the grids of a measure's quantiles; None where these are as fine as its values."""
        return self._cell_grids[reference].coarse

    @cached_property
    def _cell_grids(self) -> dict[str, CellGrids]:
        conditions = conjuncts(self.plan.where)
        # Of first events the catalogue has no quantiles.
        found = {
            name: CellGrids(name, grids.column if split(name)[0] in self.firsts else grids, self.axes, conditions)
            for name, grids in self._grids.items()
        }
        return found | {name: CellGrids(name, column, self.axes, ()) for name, column in self._day_counts.items()}

    @cached_property
    def _grids(self) -> dict[str, Grids]:
        """By measure column of the plan; differences of dates have one grid."""
        columns = self._measured - self._day_counts.keys()
        return {reference: Grids(self.table(split(reference)[0]), split(reference)[1]) for reference in columns}

    @cached_property
    def _gridded(self) -> dict[str, Column]:
        conditions = conjuncts(self.plan.where)
        return {reference: grids.narrowed(conditions) for reference, grids in self._grids.items()} | self._day_counts

    @property
    def _measured(self) -> set[str]:
        """The measure columns of which values are summed up, or that are grouped in bins."""
        return {*self.value_columns, *(axis.column for axis in self.axes if axis.width is not None)}


def check(plan: Plan, catalogue: Catalogue, vocabulary: Vocabulary | None = None, today: date | None = None) -> ResolvedPlan:
    """The plan bound to the catalogue. Raises Refused, with a static reason, if the catalogue does not allow it.

    Code sets with descendants are resolved by the site's ``vocabulary``. Bins of dates end with ``today``.
    """
    settle = partial(_settle, vocabulary=vocabulary)
    firsts = {first.name: _settled_first(first, catalogue, settle) for first in plan.firsts}
    catalogue = with_first_days(firsts, catalogue)
    tables = {name: listed_table(name, catalogue) for name in plan.tables}
    _check_joins(plan, tables)
    tables = counted(plan.differences, tables)
    for measure in plan.measures:
        _check_measure(measure, tables)
    question = plan.question
    if plan.where is not None:
        question = question.model_copy(update={"where": settle(plan.where, tables)})
    if plan.cohort is not None:
        question = question.model_copy(update={"cohort": settled_cohort(plan.cohort, catalogue, settle)})
    met = met_by_all(question, catalogue)
    axes = tuple(possible(_axis(group, tables, question.where, vocabulary, today), met) for group in question.group_by)
    cells = tuple(cells_of(axes, plan.margins))
    identity = plan.question.hash if _has_code_sets(plan) else question.hash
    bound = ResolvedPlan(plan=question, catalogue=catalogue, axes=axes, cells=cells, identity=identity, firsts=firsts)
    for reference in bound.value_columns:
        if bound.needs_bins(reference):
            bound.borders(reference)
    return bound


def _settled_first(first: First, catalogue: Catalogue, settle: Settle) -> First:
    return first.model_copy(update={"event": settled_event(first.event, catalogue, settle, dated=first.kinds is None)})


def _has_code_sets(plan: Plan) -> bool:
    return any(is_code_set(leaf) for where in (plan.where, *(event.where for event in plan.events)) for leaf in leaves(where))


def column_of(reference: str, tables: dict[str, Table]) -> Column:
    """The visible column of ``table.column``; a hidden column does not exist."""
    name, column_name = split(reference)
    if name not in tables:
        raise not_allowed(f"{reference} is used, but {name} is neither in FROM nor in JOIN.")
    return listed_column(tables[name], column_name)


def _check_joins(plan: Plan, tables: dict[str, Table]) -> None:
    for join in plan.joins:
        left, right = column_of(join.left, tables), column_of(join.right, tables)
        left_is_person, right_is_person = _is_person_key(join.left, tables), _is_person_key(join.right, tables)
        declared = (
            (left_is_person and right_is_person)
            or left.references == join.right
            or right.references == join.left
            or (left.references is not None and left.references == right.references)
        )
        keys = all(c.role is Role.key or person for c, person in ((left, left_is_person), (right, right_is_person)))
        # A person key joins only with person keys: the store holds a number instead of the key.
        if not (declared and keys and left_is_person is right_is_person):
            earlier = plan.tables[: plan.tables.index(join.table)]
            possible = [f"{name}.{tables[name].person_key} = {join.table}.{tables[join.table].person_key}" for name in earlier]
            raise not_allowed(f"{join.left} = {join.right} is not a declared join. Write ON {possible[0]}.")


def _is_person_key(reference: str, tables: dict[str, Table]) -> bool:
    name, column = split(reference)
    return tables[name].person_key == column


def _check_measure(measure: Measure, tables: dict[str, Table]) -> None:
    if isinstance(measure, OfCell):
        if measure.column is not None:
            _check_person_key(measure.column, tables)
        return
    for reference in (measure.column, measure.other) if isinstance(measure, OfPair) else (measure.column,):
        column = column_of(reference, tables)
        if not column.measured:
            raise not_allowed(f"{measure.sql[0]}({reference}) needs a measure, and {reference} is {_role(column)}. {_instead(column)}")
    if measure.column == measure.other:
        raise not_allowed(f"corr({measure.column}, {measure.other}) is a measure with itself: name two.")


def _check_person_key(reference: str, tables: dict[str, Table]) -> None:
    if split(reference)[0] not in tables or not _is_person_key(reference, tables):
        key = f"{next(iter(tables))}.{next(iter(tables.values())).person_key}"
        raise not_allowed(
            f"count(distinct …) counts persons: write count(distinct {key}). Which codes there are is in the catalogue; each person's "
            "different codes are counted in a SELECT in brackets, grouped by the key of persons."
        )


def _axis(group: Group, tables: dict[str, Table], where: Predicate | None, vocabulary: Vocabulary | None, today: date | None) -> Axis:
    whole = column_of(group.column, tables)
    table, name = split(group.column)
    if group.case is not None:
        leaf = partial(_settled_leaf, tables=tables, vocabulary=vocabulary, fixed=conjuncts(where))
        return axis_of_cases(group, tuple(leaf(arm.where) for arm in group.case.arms))
    column = narrowed(tables[table], name, conjuncts(where))
    _check_group(group, column)
    return axis_of(group, column, where, whole, today)


def _check_group(group: Group, column: Column) -> None:
    if group.width is not None:
        if not column.measured:
            raise not_allowed(f"{group.column} is {_role(column)}: only measures have bins of a width.")
        if not is_width(column, group.width):
            step = step_of(column)
            raise not_allowed(
                f"{group.width:g} is no width for bins of {words(group.column, column)}: use a multiple of {step:g}, "
                f"like {wider_step(column):g}."
            )
        return
    if column.role is Role.date:
        if group.bin is None:
            raise not_allowed(f"{group.column} is a date: group by date_trunc('month', {group.column}), 'quarter' or 'year'.")
        return
    if group.bin is not None:
        raise not_allowed(f"{group.column} is {_role(column)} and has no months to group by.")
    if column.role is Role.measure:
        wide = wider_step(column)
        if (told := words(group.column, column)) != group.column:
            raise not_allowed(f"{told} are grouped by CASE WHEN … < 18 THEN … END, or in bins: floor((…) / {wide:g}) * {wide:g}.")
        raise not_allowed(f"{group.column} is a measure: group it in bins, like floor({group.column} / {wide:g}) * {wide:g}.")
    if column.role is not Role.dimension:
        raise not_allowed(f"{group.column} is {_role(column)}: only dimensions and dates can be grouped by.")


def _settle(predicate: Predicate, tables: dict[str, Table], vocabulary: Vocabulary | None) -> Predicate:
    """Settle a whole predicate, dimensions first: one fixed code may narrow the grid of the ranges beside it."""

    leaf = partial(_settled_leaf, tables=tables, vocabulary=vocabulary)

    def every(term: Predicate) -> Predicate:
        if isinstance(term, AllOf | AnyOf):
            return term.model_copy(update={"terms": tuple(map(every, term.terms))})
        return Not(term=every(term.term)) if isinstance(term, Not) else leaf(term, fixed=fixed)

    single = (term for term in conjuncts(predicate) if not isinstance(term, AllOf | AnyOf | Not))
    fixed = tuple(leaf(term) for term in single if column_of(term.column, tables).role is Role.dimension)
    return every(predicate)


def _settled_leaf(term: Leaf, tables: dict[str, Table], vocabulary: Vocabulary | None, fixed: tuple[Predicate, ...] = ()) -> Leaf:
    """One comparison, settled on the grid that the ``fixed`` conditions leave, and translated to the stored values."""
    whole = column_of(term.column, tables)
    table, name = split(term.column)
    column = narrowed(tables[table], name, fixed)
    made = settled(term, column, vocabulary)
    return on_stored(made, column, whole) if isinstance(made, Range) else made


def _instead(column: Column) -> str:
    """What to ask of a column that is no measure. The mean of two values is the share of one, which is judged as a code."""
    numbers = [code.value for code in column.codes if isinstance(code.value, int | float) and not isinstance(code.value, bool)]
    if len(numbers) == 2 and column.role is Role.dimension:
        return f"It is {numbers[0]:,.12g} or {numbers[1]:,.12g}: group by it, and its mean follows from how many rows have each."
    return "Group by it, or filter with it."


def _role(column: Column) -> str:
    return f"{'an' if column.role is Role.image else 'a'} {column.role}" if column.role is not Role.text else "free text"
