"""What a whole table may not show: that nearly all of a group hold one category, or more holes than cells."""

import pandas as pd

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import Group
from twinpane_broker.release.release import Release

from .cells import members
from .numbers import primary
from .question import Question
from .rows import PERSON, column_of, kind_and_value

SPARSE_FROM = 10
"""Inhabited cells from which the sparse rule holds."""


def class_disclosure(answer: Release, question: Question, parts: list[pd.DataFrame]) -> list[str]:
    """Along a sensitive dimension or bins, a group of whom nearly all hold one category does not show it.

    What the catalogue publishes is no news: a table of one dimension over everybody, and a category that nearly all rows hold anyway,
    as long as it leaves enough persons of the group. Nor is a routine test. Where persons are in several categories, only that one is told.
    """
    rules, plan = question.rules, question.plan
    about_everybody = plan.where is None and not plan.joins
    faults = []
    for place, group in enumerate(plan.group_by):
        column = column_of(group.column, question.catalogue)
        binned = group.bin is not None or group.width is not None
        if not column.sensitive:
            continue
        lines: dict[tuple, list[int]] = {}
        for at, row in enumerate(answer.rows):
            if row.key[place].kind is not CategoryKind.total:
                lines.setdefault(row.key[:place] + row.key[place + 1 :], []).append(at)
        for rest, line in lines.items():
            if about_everybody and all(each.kind is CategoryKind.total for each in rest):
                continue
            sets = [frozenset(parts[at][PERSON]) for at in line]
            rows = _whole_line(answer, place, line[0], question)
            whole = frozenset(rows[PERSON])
            if len(line) < 2 or len(whole) < rules.threshold:
                continue
            for at, who in zip(line, sets, strict=True):
                if len(who) * 100 <= rules.class_share * len(whole):
                    continue
                if binned and (
                    len(parts[at]) * 100 <= rules.class_share * len(rows) or _is_usual(answer.rows[at].key[place], group, column)
                ):
                    continue
                if (
                    not binned
                    and _published(answer.rows[at].key[place], column) * 100 > rules.class_share
                    and len(whole) - len(who) >= rules.threshold
                ):
                    continue
                if not binned and column.are_routine([answer.rows[at].key[place].value]):
                    continue
                if answer.rows[at].persons is not None:
                    faults.append(f"class disclosure: {len(who)} of {len(whole)} hold one category of {group.column}, which is shown")
    return faults


def _is_usual(category: Category, group: Group, column: Column) -> bool:
    """Whether all the catalogue's quantiles lie in a bin, or nearly all rows have no value."""
    if category.kind is not CategoryKind.code:
        return category.kind is CategoryKind.missing and column.missing > 0.9
    if group.width is not None:
        start = float(category.value)
        return bool(column.knots) and all(start <= knot < start + group.width for knot in column.knots)
    names = {"year": "{:%Y}", "month": "{:%Y-%m}"}
    quarter = {f"{day.year}-Q{(day.month + 2) // 3}" for day in column.days}
    return (quarter if group.bin == "quarter" else {names[group.bin].format(day) for day in column.days}) == {category.value}


def _published(category: Category, column: Column) -> float:
    """The share of rows that the catalogue gives a category."""
    listed = {kind_and_value(code.value): code.share for code in column.codes}
    if category.kind is CategoryKind.missing:
        return column.missing
    return listed[kind_and_value(category.value)] if category.kind is CategoryKind.code else column.unlisted


def _whole_line(answer: Release, place: int, at: int, question: Question) -> pd.DataFrame:
    """The rows of a line, in the table's categories or outside them."""
    key = answer.rows[at].key
    rest, groups = key[:place] + key[place + 1 :], question.plan.group_by[:place] + question.plan.group_by[place + 1 :]
    table = [row.key[:place] + row.key[place + 1 :] for row in answer.rows]
    found: pd.DataFrame = question.rows[members(rest, groups, table, question.rows, question.catalogue)]
    return found


def sparse(answer: Release, question: Question, parts: list[pd.DataFrame]) -> list[str]:
    """A table of which the threshold alone hides too large a share is not shown at all. What bears another set's number is not hidden."""
    cells = [
        (row, len(set(part[PERSON]))) for row, part in zip(answer.rows, parts, strict=True)
        if all(each.kind is not CategoryKind.total for each in row.key)
    ]  # fmt: skip
    inhabited = [(row, size) for row, size in cells if size]
    lost = sum(bool(primary(size, len(question.who), question.rules)) and not row.about for row, size in inhabited)
    if len(inhabited) >= SPARSE_FROM and lost > question.rules.sparse * len(inhabited):
        return [f"sparse: {lost} of {len(inhabited)} cells are hidden by the threshold, and the table is shown"]
    return []
