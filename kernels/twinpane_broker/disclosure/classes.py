"""Class disclosure: if nearly all persons of a group hold one category, the table discloses it for each of them, however large the group.

Source: ESSnet guidelines for output checking (no category above 90 %); docs/disclosure.md. The rule judges every line of a sensitive
dimension, date or measure; the line's persons are the group. A bin is a class only if nearly all rows of the group lie in it too: a person
with many values may have one in every bin, which tells nothing of the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.check.axes import Axis
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.table import Index, Line, Table
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import CodeOrder, In, Missing, Range, Window, code_order, conjuncts
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.sdc_rules import class_rule, threshold_rule


@dataclass(frozen=True)
class Class:
    """A category that holds too much of its group."""

    cell: Index
    line: Line
    group: int
    """Persons of the line."""
    held_back: tuple[Index, ...]
    """What must not be shown: the line's whole split; where persons are in several cells, the cell alone, as others do not tell it."""


def classes(table: Table, bound: ResolvedPlan, rules: Rules) -> Iterator[Class]:
    """Every class that the table would disclose.

    Two tables disclose nothing new. One is a table of one dimension over everybody: the catalogue publishes its shares. The other has a
    category that holds more than ``class_share`` of all rows by the catalogue: for a group it is news only if it covers everybody, or
    leaves fewer persons than the threshold. Of a bin the catalogue says so if all its published quantiles lie in it. If WHERE or a cohort
    leaves one category of a dimension, that dimension splits nothing.

    Nor does a cell disclose what the catalogue says of the group: that a unit goes with one test only (``_goes_with``).
    """
    if len(table.kept) == 1 and about_everybody(bound):
        return
    for line in table.lines:
        if line.axis < 0 or len(line.shown) + len(line.outside) < 2:
            continue
        axis = bound.axes[table.kept[line.axis]]
        column = bound.column(axis.column)
        if not column.sensitive:
            continue
        cells = (*line.shown, *line.outside)
        group = table.number(cells)
        rows = sum(table.cell(cell).rows for cell in cells) if _is_binned(axis) else 0
        if not threshold_rule(group, rules.threshold):
            continue
        for cell in line.shown:
            part = table.size(cell)
            if _is_routine(cell[line.axis], axis, column):
                continue
            if class_rule(part, group, rules) or (rows and class_rule(table.cell(cell).rows, rows, rules)):
                continue
            knots = bound.knots_of(axis.column, table.kept, cell) if axis.width is not None else ()
            told = split(axis.column)[0] not in bound.firsts  # of a first event's day no quantiles are published
            usual = told and _published(cell[line.axis], axis, column, knots) * 100 > rules.class_share
            in_bin = _is_binned(axis) and cell[line.axis] < len(axis.values)
            if (usual and (in_bin or group - part >= rules.threshold)) or _goes_with(cell, line, table, bound):
                continue
            yield Class(cell, line, group, line.shown if table.adds_up(line) else (cell,))


def _is_routine(place: int, axis: Axis, column: Column) -> bool:
    """Whether a category is a routine test, of which to have had it tells nothing."""
    return place < len(axis.values) and not (axis.arms or _is_binned(axis)) and column.are_routine((axis.values[place],))  # type: ignore[arg-type]  # bins of dates have a bin


def _goes_with(cell: Index, line: Line, table: Table, bound: ResolvedPlan) -> bool:
    """Whether the group is of rows with a code that, by the catalogue, goes with this cell's code alone.

    A column that follows another holds one value for each of its codes: the unit of a test, the name of a concept. Whoever knows that a
    person is in the group then knows the cell's code beforehand. Only pairs that the catalogue publishes count, so the rule tells nothing
    of the data; and it is of one table, where both codes are on one row.
    """
    codes = {}
    for place, kept in enumerate(table.kept):
        axis = bound.axes[kept]
        if axis.bin is None and axis.width is None and not axis.arms and cell[place] < len(axis.values):
            codes[axis.column] = code_order(axis.values[cell[place]])  # type: ignore[arg-type]  # bins of dates have a bin
    own = bound.axes[table.kept[line.axis]].column
    fixed = {
        term.column: code_order(term.codes[0]) for term in conjuncts(bound.plan.where) if isinstance(term, In) and len(term.codes) == 1
    }
    if own not in codes:
        return False
    return any(_is_told(own, codes[own], other, code, bound) for other, code in (fixed | codes).items() if other != own)


def _is_told(own: str, code: CodeOrder, other: str, of: CodeOrder, bound: ResolvedPlan) -> bool:
    """Whether rows with the code ``of`` in the column ``other`` have ``code`` in ``own``, by the catalogue."""
    (table, name), (same, beside) = split(own), split(other)
    if table != same:
        return False
    column, partner = bound.column(own), bound.column(other)
    if column.follows == beside:
        return any(given.value is not None and (code_order(given.code), code_order(given.value)) == (of, code) for given in column.given)
    goes_with = {code_order(given.code) for given in partner.given if given.value is not None and code_order(given.value) == of}
    if partner.follows == name:
        return goes_with == {code}
    if column.follows is None or column.follows != partner.follows:
        return False
    # A name and a unit that both follow the test: the name stands for its tests, and all of these have the unit.
    told = {code_order(given.code): code_order(given.value) for given in column.given if given.value is not None}
    return bool(goes_with) and all(told.get(test) == code for test in goes_with)


def about_everybody(bound: ResolvedPlan) -> bool:
    """Whether a question covers everybody whom the catalogue's shares cover: no WHERE, no cohort, no join, no first event."""
    plan = bound.plan
    return plan.where is None and not plan.joins and not plan.firsts and plan.cohort is None


def _is_binned(axis: Axis) -> bool:
    """Whether categories are spans of a measure or date, of which a person may have one in each; named spans too."""
    named = any(isinstance(leaf, Range | Window) for leaf, _ in axis.arms)
    return axis.bin is not None or axis.width is not None or named


def _published(place: int, axis: Axis, column: Column, knots: tuple[float, ...]) -> float:
    """The share of rows that hold a category, by the catalogue; of a bin 1 or 0, as all published quantiles lie in it or not."""
    if axis.arms:
        return _published_case(place, axis, column)
    category = axis.categories[place]
    if category.kind is CategoryKind.missing:
        return column.missing
    if _is_binned(axis):
        return float(category.kind is CategoryKind.code and _holds_all(place, axis, column, knots))
    listed = {code.value: code.share for code in column.codes}
    if category.kind is CategoryKind.other:
        return column.unlisted
    # True is 1 as a key of a dict, but a column has codes of one type.
    return listed.get(category.value, 0.0) if category.value is not None else 0.0


def _holds_all(place: int, axis: Axis, column: Column, knots: tuple[float, ...]) -> bool:
    """Whether a bin holds all the catalogue's quantiles of its measure or date."""
    if axis.bin is not None:
        start = axis.values[place]
        end = axis.values[place + 1] if place + 1 < len(axis.values) else axis.end
        return bool(column.days) and isinstance(start, date) and isinstance(end, date) and start <= column.days[0] <= column.days[-1] < end
    start, width = float(axis.values[place]), axis.width or 0.0  # type: ignore[arg-type]  # bins of a width are numbers
    last = place + 1 == len(axis.values)
    return bool(knots) and start <= min(knots) and (max(knots) <= start + width if last else max(knots) < start + width)


def _published_case(place: int, axis: Axis, column: Column) -> float:
    """The share of rows that hold a named case: that of its codes, whatever it is called. Of ranges and windows none is published."""
    shares = {code_order(code.value): code.share for code in column.codes}
    owners: dict[CodeOrder | None, int] = {}
    for leaf, category in axis.arms:
        if not isinstance(leaf, In | Missing):
            return 0.0
        for key in [code_order(code) for code in leaf.codes] if isinstance(leaf, In) else [None]:
            owners.setdefault(key, category)
    held = [0.0] * (axis.outside + 1)
    for key, category in owners.items():
        held[category] += column.missing if key is None else shares.get(key, 0.0)
    return held[place] if place != axis.rest else max(0.0, 1 - sum(held) + held[place])
