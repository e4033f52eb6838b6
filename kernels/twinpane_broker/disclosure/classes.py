"""Class disclosure: if nearly all persons of a group hold one category, the table discloses it for each of them, however large the group.

Source: ESSnet guidelines for output checking (no category above 90 %); docs/disclosure.md. The rule judges every line of a sensitive
dimension; the line's persons are the group. Bins of dates and measures are never classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.check.axes import Axis
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.table import Index, Line, Table
from twinpane_broker.question.category import CategoryKind
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

    Two tables disclose nothing new. One is a table of one dimension over everybody: the catalogue publishes its shares. The other has
    a category that holds more than ``class_share`` of all rows by the catalogue: for a group it is news only if it covers everybody,
    or leaves fewer persons than the threshold. If WHERE or a cohort leaves one category of a dimension, that dimension splits nothing.
    """
    if len(table.kept) == 1 and about_everybody(bound):
        return
    for line in table.lines:
        if line.axis < 0 or len(line.shown) + len(line.outside) < 2:
            continue
        axis = bound.axes[table.kept[line.axis]]
        column = bound.column(axis.column)
        if not column.sensitive or axis.bin is not None or axis.width is not None:
            continue
        group = table.number((*line.shown, *line.outside))
        if not threshold_rule(group, rules.threshold):
            continue
        for cell in line.shown:
            part = table.size(cell)
            if class_rule(part, group, rules):
                continue
            usual = _published(cell[line.axis], axis, column) * 100 > rules.class_share
            if usual and group - part >= rules.threshold:
                continue
            yield Class(cell, line, group, line.shown if table.adds_up(line) else (cell,))


def about_everybody(bound: ResolvedPlan) -> bool:
    """Whether a question covers everybody whom the catalogue's shares cover: no WHERE, no cohort, no join."""
    plan = bound.plan
    return plan.where is None and not plan.joins and plan.cohort is None


def _published(place: int, axis: Axis, column: Column) -> float:
    """The share of rows that hold a category, by the catalogue."""
    category = axis.categories[place]
    if category.kind is CategoryKind.missing:
        return column.missing
    listed = {code.value: code.share for code in column.codes}
    if category.kind is CategoryKind.other:
        return column.unlisted
    # True is 1 as a key of a dict, but a column has codes of one type.
    return listed.get(category.value, 0.0) if category.value is not None else 0.0
