"""Numbers of persons and rows that are marked as another set's, or stand in a cell that is."""

import pandas as pd

from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.aggregates.value import Value
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.release.release import Row

from .earlier import Earlier
from .known import asks_for_secrets
from .numbers import rounded
from .question import COUNTED, Question, group_of_share
from .rows import PERSON
from .values import percent_of, rows_beside


def faults_of_marked(measure, value: Value, row: Row, part: pd.DataFrame, question: Question, earlier: Earlier) -> list[str]:
    """What is wrong with a marked number of persons or rows, or with an unmarked one of a marked cell."""
    if not value.about:
        return [f"is {value.value} without a mark, in a cell that has one"]
    if measure.kind == MeasureKind.share:
        return _share_about(measure, value, row, question, earlier)
    if not row.about:
        return ["is marked, and its cell is not"]
    if value.within is not None and not value.within[0] <= len(part) <= value.within[1]:
        return [f"is {value.value} of {len(part)}, beyond what it says: {value.within}"]
    value = value.model_copy(update={"within": None})
    # Where everybody has one row, rows are persons; other numbers of rows are the cell's own, told coarsely.
    if measure.kind == MeasureKind.persons or len(question.rows) == len(question.who):
        return [] if value == Value(value=row.persons, about=True) else [f"is {value.value}, not the {row.persons} persons of its cell"]
    rows = rows_beside(part, row.persons, question)
    return [] if value in [Value(value=each, about=True) for each in rows] else [f"is {value.value}, not about {rows[0]}"]


def _share_about(measure, value: Value, row: Row, question: Question, earlier: Earlier) -> list[str]:
    """What is wrong with a marked share. If the answer has a row of the group that it is of, it is divided by what that row shows."""
    faults = [] if value.n == row.persons else [f"is over {value.n}, not {row.persons}"]
    whole, rules = group_of_share(measure, row, question), question.rules
    own, total = rounded(len(whole), rules.base), Category(kind=CategoryKind.total)
    group = tuple(each if by.column in measure.within else total for each, by in zip(row.key, question.plan.group_by, strict=True))
    if group in question.told:
        if value.of != question.told[group]:
            faults.append(f"is out of {value.of}, and its group's row shows {question.told[group]}")
    elif not (row.about and value.of in own) and not earlier.may_show(value.of, whole, rules):
        faults.append(f"is out of {value.of}, which is neither its group's number nor that of an earlier set near it")
    if value.of and value.n is not None and value.value != percent_of(value.n, value.of, rules):
        faults.append(f"is {value.value}, not {value.n} of {value.of}")
    return faults


def tells_known_rows(measure, value: Value, part: pd.DataFrame, own: Question, earlier: Earlier) -> bool:
    """Whether a number of rows, or of values, is told beside a known set: who knows when its persons came would see one missing."""
    who = frozenset(part[PERSON])
    near = [old for old in earlier.known if len(old - who) < own.rules.threshold and len(who - old) < own.rules.threshold]
    rows = measure.kind == MeasureKind.count or (measure.kind not in COUNTED and value.n is not None)
    return bool(near) and rows and len(own.rows) != len(own.who) and asks_for_secrets(own.plan, own.catalogue)
