"""A whole release against the rules: every number it shows, and every set of persons behind one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.aggregates.value import Value
from twinpane_broker.catalogue.catalogue import Catalogue, Column
from twinpane_broker.errors import RefusalCode
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import Group, Plan
from twinpane_broker.release.release import Refusal, Release, Row
from twinpane_broker.rules.policy import Rules

from .cells import members
from .numbers import Number, correlated, counted, hidden, of_values, rounded
from .rows import PERSON, column_of, is_missing, joined, kind_and_value, truth

Persons = frozenset
SPARSE_FROM = 10
"""Inhabited cells from which the sparse rule holds."""


@dataclass
class Verdict:
    """What the reference says of an answer."""

    faults: list[str] = field(default_factory=list)
    sets: list[Persons] = field(default_factory=list)
    """The persons behind each number that was shown."""
    numbers: int = 0
    """Numbers shown."""
    about: int = 0
    """Of these, the persons of an earlier set that are shown for a set that equals it or is near."""
    known: list[Persons] = field(default_factory=list)
    """The sets whose numbers a later answer may show for sets that equal them or are near: those of ``sets``, those by which shares are
    divided, the unions of a line's shown cells, whether or not a reader can add them up, and the persons with values, or with values beyond
    the bounds."""


@dataclass(frozen=True)
class Question:
    """A plan's rows, before and after its condition."""

    plan: Plan
    catalogue: Catalogue
    rules: Rules
    everything: pd.DataFrame
    rows: pd.DataFrame

    @property
    def population(self) -> Persons:
        """The persons of the joined tables."""
        return frozenset(self.everything[PERSON])

    @property
    def who(self) -> Persons:
        """The persons of the question."""
        return frozenset(self.rows[PERSON])


def asked(plan: Plan, catalogue: Catalogue, rules: Rules, tables: Mapping[str, pd.DataFrame]) -> Question:
    """The question of a plan (without a limit) on the tables as a site has them."""
    everything = joined(plan, catalogue, tables)
    rows = everything if plan.where is None else everything[truth(plan.where, everything, catalogue).holds]
    return Question(plan, catalogue, rules, everything, rows)


def verdict_on(answer: Release | Refusal, question: Question, earlier: Collection[Persons] = ()) -> Verdict:
    """Whether an answer shows nothing but what the rules allow. ``earlier`` are the ``known`` sets of the answers before it.

    A number of persons that is marked *about* is an earlier set's, and adds no set of its own: it tells of that one.
    """
    verdict = Verdict()
    if isinstance(answer, Refusal):
        if answer.code is RefusalCode.unavailable:
            verdict.faults.append("the broker could not answer")
        return verdict
    rules = question.rules
    if why := _withheld(question):
        verdict.faults.append(f"answered, though {why}")
    if answer.persons is not None:
        _judge_persons("the question", answer, question.who, rules, earlier, verdict)
    elif answer.about:
        verdict.faults.append("the question is marked, but hides its persons")
    keys = [row.key for row in answer.rows]
    parts = [question.rows[members(key, question.plan.group_by, keys, question.rows, question.catalogue)] for key in keys]
    for row, part in zip(answer.rows, parts, strict=True):
        _judge_row(row, part, question, answer, earlier, verdict)
    verdict.sets += _sums(answer, parts)
    verdict.known += [*verdict.sets, *_unions(answer, parts)]
    verdict.faults += _class_disclosure(answer, question, parts)
    verdict.faults += _sparse(answer, question, parts)
    return verdict


def _sums(answer: Release, parts: list[pd.DataFrame]) -> list[Persons]:
    """The persons of a line's shown cells, and of all shown cells, where nobody is in two cells: their numbers can be added up."""
    at = [
        place for place, row in enumerate(answer.rows)
        if row.key and row.persons and not row.about and all(each.kind is not CategoryKind.total for each in row.key)
    ]  # fmt: skip
    sets = {place: frozenset(parts[place][PERSON]) for place in at}
    if sum(map(len, sets.values())) != len(frozenset().union(*sets.values())):
        return []
    lines: dict[tuple, list[Persons]] = {}
    for place in at:
        key = answer.rows[place].key
        for axis in range(len(key)):
            lines.setdefault((axis, key[:axis] + key[axis + 1 :]), []).append(sets[place])
    return [frozenset().union(*line) for line in [*lines.values(), list(sets.values())]]


def _unions(answer: Release, parts: list[pd.DataFrame]) -> list[Persons]:
    """The persons of each line's shown cells, in the table and in its totals."""
    lines: dict[tuple, list[Persons]] = {}
    for row, part in zip(answer.rows, parts, strict=True):
        open_axes = [axis for axis, each in enumerate(row.key) if each.kind is not CategoryKind.total]
        if row.about or not row.persons:
            continue
        for size in range(1, len(open_axes) + 1):
            for axes in combinations(open_axes, size):
                along = tuple(None if axis in axes else each for axis, each in enumerate(row.key))
                lines.setdefault(along, []).append(frozenset(part[PERSON]))
    return [frozenset().union(*line) for line in lines.values()]


def _judge_persons(name: str, told: Release | Row, who: Persons, rules: Rules, earlier: Collection[Persons], verdict: Verdict) -> None:
    """A number of persons: the set's own, or, if marked, that of an earlier set which equals it or is near."""
    verdict.numbers += 1
    if not told.about:
        verdict.sets.append(who)
        if told.persons != rounded(len(who), rules.base):
            verdict.faults.append(f"{name} has {told.persons} persons, not {rounded(len(who), rules.base)}")
        return
    verdict.about += 1
    if told.persons not in stand_ins(who, rules, earlier):
        verdict.faults.append(f"{name} is about {told.persons} persons, which is the number of no earlier set near its {len(who)}")


def stand_ins(who: Persons, rules: Rules, earlier: Collection[Persons]) -> frozenset[int]:
    """The numbers that may be shown for a set: those of earlier sets that equal it, or lack fewer than twice the threshold less one of
    its persons, and it of theirs. How many fewer, from the threshold on, is drawn for each description, so that no reader knows it.
    """
    most = 2 * rules.threshold - 2
    return frozenset(
        rounded(len(old), rules.base) for old in earlier
        if abs(len(old) - len(who)) <= most and len(old - who) <= most and len(who - old) <= most
    )  # fmt: skip


def _withheld(question: Question) -> str:
    """Why nothing may be told, or nothing."""
    k, asked_about, everyone = question.rules.threshold, len(question.who), len(question.population)
    if asked_about < k:
        return f"it is about {asked_about} persons"
    if 0 < everyone - asked_about < k:
        return f"it leaves out {everyone - asked_about} persons"
    return ""


def primary(persons: int, everyone: int, rules: Rules) -> str:
    """Why a cell may not be shown, or nothing."""
    if persons == 0:
        return "" if rules.zeros == "shown" else "nobody is in it"
    if persons < rules.threshold:
        return f"{persons} persons are in it"
    if 0 < everyone - persons < rules.threshold:
        return f"it leaves out {everyone - persons} persons"
    return ""


def _judge_row(row: Row, part: pd.DataFrame, question: Question, answer: Release, earlier: Collection[Persons], verdict: Verdict) -> None:
    rules, who, name = question.rules, frozenset(part[PERSON]), " / ".join(each.text for each in row.key) or "the one cell"
    why = primary(len(who), len(question.who), rules)
    shown = [value for value in row.values if not value.suppressed]
    if why and (row.persons is not None or shown):
        verdict.faults.append(f"{name} is shown, though {why}")
        return
    if row.persons is None:
        if shown or row.about:
            verdict.faults.append(f"{name} is hidden, but shows a number or a mark")
        return
    _judge_persons(name, row, who, rules, earlier, verdict)
    if not row.about:
        verdict.known += _with_values(part, question)
    for measure, value, column in zip(question.plan.measures, row.values, answer.measures, strict=True):
        if value.suppressed:
            if value.about:
                verdict.faults.append(f"{name}: {column.name} is marked, but suppressed")
            continue
        verdict.numbers += 1
        if row.about or value.about:
            verdict.faults += [f"{name}: {column.name} {fault}" for fault in _about(measure, value, row, question, earlier)]
            continue
        number = expected(measure, row, part, question)
        verdict.sets.append(number.who)
        verdict.faults += [f"{name}: {column.name} {fault}" for fault in _differs(value, number)]
        if measure.kind == MeasureKind.share and (whole := _whole(measure, row, question)) is not None:
            verdict.known.append(whole)


def _with_values(part: pd.DataFrame, question: Question) -> list[Persons]:
    """The persons of a cell with a value of each column that is computed with, and those with one beyond its bounds."""
    found = []
    for name in dict.fromkeys(each.column for each in question.plan.measures if each.column):
        given = part[~is_missing(part[name])]
        found.append(frozenset(given[PERSON]))
        if (bounds := column_of(name, question.catalogue).bounds) is not None:
            found.append(frozenset(given[(given[name] < bounds[0]) | (given[name] > bounds[1])][PERSON]))
    return [each for each in found if each]


def _about(measure, value: Value, row: Row, question: Question, earlier: Collection[Persons]) -> list[str]:
    """What is wrong with a marked number, or with an unmarked one of a marked cell. It is made of the cell's shown persons alone."""
    if not value.about:
        return [f"is {value.value} without a mark, in a cell that has one"]
    if measure.kind == MeasureKind.share:
        return _share_about(measure, value, row, question, earlier)
    if not row.about:
        return ["is marked, and its cell is not"]
    # Of the earlier set only its persons are known to be no news; where everybody has one row, its rows are its persons.
    of_persons = measure.kind == MeasureKind.persons or (measure.kind == MeasureKind.count and len(question.rows) == len(question.who))
    if not of_persons:
        return ["is shown of a cell that shows another set's persons"]
    if value != Value(value=row.persons, about=True):
        return [f"is {value.value}, not the {row.persons} persons of its cell"]
    return []


def _share_about(measure, value: Value, row: Row, question: Question, earlier: Collection[Persons]) -> list[str]:
    faults = [] if value.n == row.persons else [f"is over {value.n}, not {row.persons}"]
    whole, rules = _whole(measure, row, question), question.rules
    if whole is not None:
        own, others = rounded(len(whole), rules.base), stand_ins(whole, rules, earlier)
        if value.of not in (others | {own} if row.about else others):
            faults.append(f"is out of {value.of}, which is neither its group's number nor that of an earlier set near it")
    if value.of and value.n is not None and value.value != min(100.0, round(100 * value.n / value.of, 1)):
        faults.append(f"is {value.value}, not {value.n} of {value.of}")
    return faults


def expected(measure, row: Row, part: pd.DataFrame, question: Question) -> Number:
    """What a number of a cell may be."""
    rules, catalogue, who = question.rules, question.catalogue, frozenset(part[PERSON])
    match measure.kind:
        case MeasureKind.persons:
            return Number(who, frozenset({float(rounded(len(who), rules.base))}))
        case MeasureKind.count:
            return counted(part, rules)
        case MeasureKind.share:
            return _share(measure, row, who, question)
        case MeasureKind.correlation:
            columns = (column_of(measure.column, catalogue), column_of(measure.other, catalogue))
            return correlated(measure, columns, part, rules)
    return of_values(measure, column_of(measure.column, catalogue), part, rules)


def _share(measure, row: Row, who: Persons, question: Question) -> Number:
    """Percent of the persons in the same categories of the columns it is within: both parts rounded first, one decimal."""
    rules, whole = question.rules, _whole(measure, row, question)
    if whole is None:
        return Number(who, frozenset({float(n) / 10 for n in range(1001)}))
    if primary(len(whole), len(question.who), rules) or not whole:
        return hidden(who, "the group it is a share of may not be shown")
    n, of = rounded(len(who), rules.base), rounded(len(whole), rules.base)
    if of == 0:
        return hidden(who, "a share of nobody")
    return Number(who, frozenset({round(100 * n / of, 1)}), n=n, of=of)


def _whole(measure, row: Row, question: Question) -> Persons | None:
    """The persons by which a share is divided; None where they cannot be told from the row alone."""
    within = np.ones(len(question.rows), dtype=bool)
    for place, group in enumerate(question.plan.group_by):
        if group.column in measure.within:
            if row.key[place].kind is CategoryKind.other:
                # Which codes are not approved depends on the whole table's categories; the share of a remainder is checked by its n.
                return None
            within &= members((row.key[place],), (group,), [(row.key[place],)], question.rows, question.catalogue)
    return frozenset(question.rows[within][PERSON])


def _differs(value: Value, number: Number) -> list[str]:
    if number.why:
        return [f"is {value.value}, though {number.why}"]
    faults = []
    if not number.permits(float(value.value)):
        faults.append(f"is {value.value}, not {' or '.join(str(each) for each in sorted(number.allowed)[:4])}")
    if value.n is not None and number.n is not None and value.n != number.n:
        faults.append(f"is over {value.n}, not {number.n}")
    if value.of is not None and number.of is not None and value.of != number.of:
        faults.append(f"is out of {value.of}, not {number.of}")
    return faults


def _class_disclosure(answer: Release, question: Question, parts: list[pd.DataFrame]) -> list[str]:
    """Along a sensitive dimension or bins, a group of whom nearly all hold one category does not show it.

    What the catalogue publishes is no news: a table of one dimension over everybody, and a category that nearly all rows hold anyway,
    as long as it leaves enough persons of the group. Where persons are in several categories, only that one is told.
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


def _sparse(answer: Release, question: Question, parts: list[pd.DataFrame]) -> list[str]:
    """A table of which the threshold alone hides too large a share is not shown at all."""
    sizes = [
        len(set(part[PERSON])) for row, part in zip(answer.rows, parts, strict=True)
        if all(each.kind is not CategoryKind.total for each in row.key)
    ]  # fmt: skip
    inhabited = [size for size in sizes if size]
    lost = sum(bool(primary(size, len(question.who), question.rules)) for size in inhabited)
    if len(inhabited) >= SPARSE_FROM and lost > question.rules.sparse * len(inhabited):
        return [f"sparse: {lost} of {len(inhabited)} cells are hidden by the threshold, and the table is shown"]
    return []
