"""What may be told of a cell's values and rows: its own, those of nearly all its persons, and what stands beside another set's number."""

from dataclasses import replace

import numpy as np
import pandas as pd

from twinpane_broker.aggregates.mean import Mean
from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.aggregates.value import Value
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.predicates import leaves
from twinpane_broker.release.release import Row
from twinpane_broker.rules.policy import Rules

from .numbers import MOST_ROWS_EACH, MOST_TIMES, Number, correlated, counted, hidden, of_values, primary, rounded, summed
from .question import COUNTED, Question, group_of_share
from .rows import PERSON, beyond, column_of, is_missing
from .sums import Persons


def coarse(part: pd.DataFrame, question: Question) -> list[int]:
    """A number of rows or values beside another set's persons: rounded to the rows of as many persons as the sets may differ by.

    How many rows a person has is the catalogue's average, which is not known here; fewer than one it is not.
    """
    most = question.rules.most_about
    return list(dict.fromkeys(each for base in range(most, most * MOST_ROWS_EACH) for each in rounded(len(part), base)))


def rows_beside(part: pd.DataFrame, persons: int, question: Question) -> list[int]:
    """The same of rows, of which everybody has one: not fewer than the persons shown, unless there are surely fewer."""
    most = question.rules.most_about
    bases = range(most, most * MOST_ROWS_EACH)
    # No first multiple is told that is far more than the persons.
    told = ((0 if r == base > MOST_TIMES * persons else r, base) for base in bases for r in rounded(len(part), base))
    return list(dict.fromkeys(max(r, min(persons, (r or base * (base > MOST_TIMES * persons)) + base - 1)) for r, base in told))


def _with_value(measure, part: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a value of each of a measure's columns."""
    columns = [each for each in (measure.column, measure.other) if each]
    return part[~np.logical_or.reduce([is_missing(part[each]) for each in columns])]


def _lacking(measure, part: pd.DataFrame) -> int:
    """How many persons of a cell have no value."""
    return part[PERSON].nunique() - _with_value(measure, part)[PERSON].nunique()


def _may_lack(measure, question: Question) -> bool:
    """Whether values may be missing, by the catalogue."""
    return any(column_of(each, question.catalogue).may_lack for each in (measure.column, measure.other) if each)


def tells_few(measure, part: pd.DataFrame, question: Question) -> bool:
    """Whether it would tell of a few of a cell to say how many have a value; a condition may see to it that all have one."""
    asked = {leaf.column for term in terms_of(question.plan.where) for leaf in leaves(term)}
    sure = measure.column in asked or measure.other in asked
    return _may_lack(measure, question) and not sure and _lacking(measure, part) < question.rules.threshold


def of_nearly_all(measure, row: Row, part: pd.DataFrame, question: Question, value: Value) -> Number:
    """What may be told of values that few persons of a cell lack, or nobody: over about as many values as the cell's number says.

    The same where nothing is told of how many there are, as one person would show in that.
    """
    most, have = question.rules.most_about, _with_value(measure, part)
    who = frozenset(have[PERSON])
    # Then the number is hidden in another cell of the line too.
    rows_show = value.n is None and any(question.one_shows(key, "") for key in question.keys)
    if not rows_show and not _may_lack(measure, question):
        return hidden(who, "the catalogue says that nobody lacks a value")
    if not rows_show and _lacking(measure, part) > most:
        return hidden(who, "many lack a value")
    if not rows_show and part[PERSON].nunique() - most < question.rules.threshold:
        return hidden(who, "those with a value might be few")
    if value.n is not None and not (value.within and value.within[0] <= len(have) <= value.within[1]):
        return hidden(who, f"it is over {len(have)} values, and says {value.within}")
    mean = measure if measure.kind != MeasureKind.sum else Mean(column=measure.column)
    sizes = coarse(have, question)
    numbers = [expected(mean, row, part, question, size) for size in sizes]
    told = [(each, size) for number, size in zip(numbers, sizes, strict=True) for each in number.allowed]
    if measure.kind == MeasureKind.sum and value.n is not None and value.within is not None:
        off, column = max(value.n - value.within[0], value.within[1] - value.n), column_of(measure.column, question.catalogue)
        return replace(
            numbers[0], allowed=frozenset(summed(each, value.n, off, column, question.rules, size) for each, size in told), n=None
        )
    return replace(numbers[0], allowed=frozenset(each for each, _ in told), n=None)


def beside_another(measure, row: Row, part: pd.DataFrame, question: Question, shown: int | None) -> Number:
    """What may be told of a cell's own values, beside another set's persons. ``shown``: over how many the answer says that it is."""
    sizes = coarse(_with_value(measure, part), question)
    n = shown if shown in sizes else sizes[0]
    number = expected(measure, row, part, question, n)
    return replace(number, n=frozenset({n}) if n else None)


def with_values(part: pd.DataFrame, question: Question) -> list[Persons]:
    """The persons of a cell with a value of each column, or of both, that is computed with, and those with one beyond its bounds."""
    found = []
    for measure in (each for each in question.plan.measures if each.column):
        name, columns = measure.column, [each for each in (measure.column, measure.other) if each]
        given = part[~np.logical_or.reduce([is_missing(part[each]) for each in columns])]
        found.append(frozenset(given[PERSON]))
        found.append(frozenset(given[given[beyond(name)]][PERSON]))
    return [each for each in found if each]


def expected(measure, row: Row, part: pd.DataFrame, question: Question, n: int | None = None) -> Number:
    """What a number of a cell may be; with ``n`` values shown, where that is not their number rounded as usual."""
    rules, catalogue, who = question.rules, question.catalogue, frozenset(part[PERSON])
    match measure.kind:
        case MeasureKind.persons:
            return Number(who, frozenset(map(float, rounded(len(who), rules.base))))
        case MeasureKind.count:
            return counted(part, rules, question.row_base)
        case MeasureKind.share:
            return _share(measure, row, who, question)
        case MeasureKind.correlation:
            columns = (column_of(measure.column, catalogue), column_of(measure.other, catalogue))
            return correlated(measure, columns, part, rules, question.row_base)
    return of_values(measure, column_of(measure.column, catalogue), part, rules, question.row_base, n)


def _share(measure, row: Row, who: Persons, question: Question) -> Number:
    """Percent of the persons in the same categories of the columns it is within: both parts rounded first."""
    rules, whole = question.rules, group_of_share(measure, row, question)
    if primary(len(whole), len(question.who), rules) or not whole:
        return hidden(who, "the group it is a share of may not be shown")
    n, of = rounded(len(who), rules.base), rounded(len(whole), rules.base)
    if of == {0}:
        return hidden(who, "a share of nobody")
    return Number(who, frozenset(percent_of(one, whole, rules) for one in n for whole in of if whole), n=n, of=of)


def percent_of(n: int, of: int, rules: Rules) -> float:
    """To one decimal, or to none where two rounded numbers leave it unsure by 1 or more."""
    percent, off = min(100.0, 100 * n / of), rules.base - 1
    return round(percent, 0 if off * 100 * (1 / of + percent / 100 / of) >= 1 else 1)


def faults_of(value: Value, number: Number) -> list[str]:
    """What is wrong with a number that may only be this one."""
    if number.why:
        return [f"is {value.value}, though {number.why}"]
    faults = []
    if not number.permits(float(value.value)):
        faults.append(f"is {value.value}, not {' or '.join(str(each) for each in sorted(number.allowed)[:4])}")
    if value.n is not None and number.n is not None and value.n not in number.n:
        faults.append(f"is over {value.n}, not {sorted(number.n)}")
    if value.of is not None and number.of is not None and value.of not in number.of:
        faults.append(f"is out of {value.of}, not {sorted(number.of)}")
    return faults


def faults_of_clipped(measure, value: Value, part: pd.DataFrame, rules: Rules) -> list[str]:
    """What is wrong with the share of a number's values that it says was clipped, or with saying none."""
    if measure.kind in COUNTED or measure.other or measure.kind == MeasureKind.quantile:
        return ["says what was clipped"] if value.clipped else []
    have = part[~is_missing(part[measure.column])]
    cut = have[have[beyond(measure.column)]]
    persons, share = cut[PERSON].nunique(), 100 * len(cut) / len(have)
    if value.clipped is None:
        return [f"does not say that {share:.0f} % were clipped"] if persons >= 2 * rules.threshold and share >= 10 else []
    if persons < rules.threshold:
        return [f"says that {persons} persons' values were clipped"]
    low, high = value.clipped
    return [] if low <= share <= high else [f"says that {low} to {high} % were clipped, and {share:.1f} % were"]
