"""A whole release against the rules: every number it shows, and every set of persons behind one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pandas as pd

from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.aggregates.value import Value
from twinpane_broker.errors import RefusalCode
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.release.release import Refusal, Release, Row
from twinpane_broker.rules.policy import Rules

from .cells import members
from .classes import class_disclosure, sparse
from .earlier import Earlier, left_of_another, left_over, open_axes
from .marked import faults_of_marked, tells_known_rows
from .numbers import primary, rounded
from .question import COUNTED, Question, group_of_share
from .regions import must_be_marked, others
from .rows import PERSON
from .sums import Persons
from .values import beside_another, expected, faults_of, faults_of_clipped, of_nearly_all, tells_few, with_values


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
    values: dict[str, list[Persons]] = field(default_factory=dict)
    """By kind, what it is that they have values of, the persons with values behind each number that was told of these."""
    known: list[Persons] = field(default_factory=list)
    """The sets whose numbers a later answer may show for sets that equal them or are near: those of ``sets``, those by which shares are
    divided, the unions of a line's shown cells, whether or not a reader can add them up, and the persons with values, or with values beyond
    the bounds."""


def verdict_on(answer: Release | Refusal, question: Question, earlier: Collection[Persons] = ()) -> Verdict:
    """Whether an answer shows nothing but what the rules allow. ``earlier`` are the ``known`` sets of the answers before it, and perhaps
    whether their own numbers were shown.

    A number of persons that is marked *about* is an earlier set's, and adds no set of its own: it tells of that one. Where it is that of
    the whole question, the table may be that set's: it is judged as if the question had been asked of that set. Which one it was the
    answer does not say, so one that has no faults is looked for.
    """
    if isinstance(answer, Refusal):
        if answer.code is RefusalCode.unavailable:
            return Verdict(faults=["a well-formed question broke the broker"])
        return Verdict()
    everybody = (Category(kind=CategoryKind.total),) * len(question.plan.group_by)
    told = {everybody: answer.persons} if answer.persons is not None else {}
    told |= {row.key: row.persons for row in answer.rows}
    question = replace(question, keys=tuple(row.key for row in answer.rows), told=told)
    sure = tuple(who for who in earlier if who and (not isinstance(earlier, Mapping) or earlier[who]))
    earlier = Earlier(tuple(earlier), sure, question.who, known=tuple(question.known()), parts=question.parts(question.who))
    if not answer.about:
        return _judged(answer, question, question, earlier)
    if question.everybody is None:
        return _with_known(_judged(answer, question, question, earlier), question, earlier)
    inside = frozenset(question.everybody[PERSON])
    near = [old for old in earlier.around(question.who, question.rules) if old <= inside]
    told = [old for old in near if answer.persons in rounded(len(old), question.rules.base)] or [question.who]
    verdicts = [_judged(answer, question, question.of(old), earlier) for old in told]
    if earlier.may_be_summed(question.who, question.rules):  # a sum of sets has no table
        verdicts.append(_judged(answer, question, question, earlier))
    found = next((verdict for verdict in verdicts if not verdict.faults), verdicts[0])
    return _with_known(found, question, earlier)


def _with_known(verdict: Verdict, question: Question, earlier: Earlier) -> Verdict:
    """A known set that stands in for the question's persons is released with the answer."""
    verdict.known += _known_instead(question, earlier)
    return verdict


def _known_instead(question: Question, earlier: Earlier) -> list[Persons]:
    """The known sets that may stand in for the question's persons."""
    return [old for old in earlier.around(question.who, question.rules) if old in earlier.known]


def _judged(answer: Release, own: Question, told: Question, earlier: Earlier) -> Verdict:
    """The verdict on an answer whose table is told of the persons of ``told``: the question's own, or an earlier set's."""
    verdict, rules = Verdict(), own.rules
    if (why := _withheld(own)) and not answer.about:
        verdict.faults.append(f"answered, though {why}")
    if answer.persons is not None:
        _judge_persons("the question", answer, own.who, rules, earlier, verdict)
    elif answer.about:
        verdict.faults.append("the question is marked, but hides its persons")
    parts, owns = (
        [each.rows[members(key, own.plan.group_by, list(own.keys), each.rows, own.catalogue)] for key in own.keys] for each in (told, own)
    )  # fmt: skip
    if told is not own:
        # A mean of all would tell, beside those of the categories, of persons in categories in which the other set has nobody.
        shared = _places(own).isin(set(_places(told)))
        owns = [values[shared[values.index]] for values in owns]
    shown = {
        row.key: frozenset(part[PERSON]) for row, part in zip(answer.rows, parts, strict=True) if _is_its_own(row, part, told is own, rules)
    }  # fmt: skip
    # A known set whose number is the question's leaves with it: a reader can add cells up with that.
    released = (*earlier.sets, *_known_instead(own, earlier)) if answer.about else earlier.sets
    for row, part, values in zip(answer.rows, parts, owns, strict=True):
        of_another = answer.about and told is own and len(open_axes(row.key)) == 1 and answer.persons is not None
        left = left_of_another(answer.persons, row.key, shown, rules) if of_another else ()
        lines = () if of_another else tuple(left_over(row.key, shown, told.who))
        # The answer does not say whether its table is another set's: if that has the same persons, cells may bear known numbers.
        around = tuple(own.known(row.key)) if told.who == own.who else ()
        split = own.parts(frozenset(part[PERSON]), row.key) if told is own else ()
        # A cell may follow from an earlier total and the other cells that are shown with their own numbers.
        beside_it = tuple(who for key, who in shown.items() if key != row.key)
        beside = replace(
            earlier,
            sets=(*released, *beside_it) if row.about else released,
            left_over=lines,
            left_of_another=left,
            known=around,
            parts=split,
        )
        _judge_row(row, part, values, told, own, answer, beside, verdict)
    if told is own:
        verdict.sets += _sums(answer, parts)
    shares = [measure for measure in own.plan.measures if measure.kind == MeasureKind.share]
    wholes = {group_of_share(measure, row, told) for measure in shares for row in answer.rows}
    verdict.known += [who for who in wholes if len(who) >= rules.threshold]
    verdict.known += [*verdict.sets, *_unions(answer, parts, told is not own)]
    verdict.faults += class_disclosure(answer, told, parts)
    verdict.faults += sparse(answer, told, parts)
    return verdict


def _is_its_own(row: Row, part: pd.DataFrame, is_own: bool, rules: Rules) -> bool:
    """Whether a row shows the number of its own persons; in the table of another set, all rows are marked."""
    return bool(row.persons) and (not row.about if is_own else row.persons in rounded(part[PERSON].nunique(), rules.base))


def _places(question: Question) -> pd.Series:
    """For each row its place in the table: by dimension the category that it is in, or none."""
    rows, plan = question.rows, question.plan
    places = np.full((len(plan.group_by), len(rows)), -1)
    for axis, group in enumerate(plan.group_by):
        listed = list(dict.fromkeys(key[axis] for key in question.keys if key[axis].kind is not CategoryKind.total))
        for place, category in enumerate(listed):
            places[axis][members((category,), (group,), [(each,) for each in listed], rows, question.catalogue)] = place
    return pd.Series(list(map(tuple, places.T)), index=rows.index, dtype=object)


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


def _unions(answer: Release, parts: list[pd.DataFrame], of_another: bool) -> list[Persons]:
    """The persons of each line's shown cells, in the table and in its totals."""
    lines: dict[tuple, list[Persons]] = {}
    for row, part in zip(answer.rows, parts, strict=True):
        axes_of_row = open_axes(row.key)
        if (row.about and not of_another) or not row.persons:
            continue
        for size in range(1, len(axes_of_row) + 1):
            for axes in combinations(axes_of_row, size):
                along = tuple(None if axis in axes else each for axis, each in enumerate(row.key))
                lines.setdefault(along, []).append(frozenset(part[PERSON]))
    return [frozenset().union(*line) for line in lines.values()]


def _judge_persons(name: str, told: Release | Row, who: Persons, rules: Rules, earlier: Earlier, verdict: Verdict) -> None:
    """A number of persons: the set's own, or, if marked, that of an earlier set which equals it or is near."""
    verdict.numbers += 1
    verdict.known += [left for known, left in others(who, earlier.parts, rules) if known is not None and len(left) >= rules.threshold]
    if not told.about:
        verdict.sets.append(who)
        if who and must_be_marked(earlier.parts, rules):
            verdict.faults.append(f"{name} has its own number, though all of some known region are in it")
        if told.persons not in rounded(len(who), rules.base):
            verdict.faults.append(f"{name} has {told.persons} persons, not {len(who)} rounded")
        near = [old for old in earlier.known if len(old - who) < rules.threshold and len(who - old) < rules.threshold]
        if who and near:
            verdict.faults.append(f"{name} shows its {len(who)} persons, beside {len(near[0])} of whom everybody may know")
        return
    verdict.about += 1
    if not earlier.may_show(told.persons, who, rules):
        verdict.faults.append(f"{name} is about {told.persons} persons, which is the number of no earlier set near its {len(who)}")


def _withheld(question: Question) -> str:
    """Why nothing may be told, or nothing."""
    k, asked_about = question.rules.threshold, len(question.who)
    if asked_about < k:
        return f"it is about {asked_about} persons"
    return ""


def _judge_row(
    row: Row, part: pd.DataFrame, values: pd.DataFrame, told: Question, own: Question,
    answer: Release, earlier: Earlier, verdict: Verdict,
) -> None:  # fmt: skip
    """A row: its persons are those of ``part``, or an earlier set's near them; what is told of values is of the rows ``values``."""
    rules, who, name = own.rules, frozenset(part[PERSON]), " / ".join(each.text for each in row.key) or "the one cell"
    # Of a few persons near an earlier set that set's number may be shown: then what is shown does not tell that they are few.
    why = "" if row.about and 0 < len(who) < rules.threshold else primary(len(who), len(told.who), rules)
    shown = [value for value in row.values if not value.suppressed]
    if why and (row.persons is not None or shown):
        verdict.faults.append(f"{name} is shown, though {why}")
        return
    if row.persons is None:
        if shown or row.about:
            verdict.faults.append(f"{name} is hidden, but shows a number or a mark")
        return
    if told is own:
        _judge_persons(name, row, who, rules, earlier, verdict)
    else:
        _judge_of_another(name, row, who, rules, earlier, verdict)
    if not row.about:
        verdict.known += with_values(values, own)
    for measure, value, column in zip(own.plan.measures, row.values, answer.measures, strict=True):
        if value.suppressed:
            if value.about:
                verdict.faults.append(f"{name}: {column.name} is marked, but suppressed")
            continue
        verdict.numbers += 1
        of_values = measure.kind not in COUNTED
        if row.about and tells_known_rows(measure, value, values, own, earlier):
            verdict.faults.append(f"{name}: {column.name} tells of the rows of persons whom everybody may know")
        if shows := _shows(measure, value, row, own):
            verdict.faults.append(f"{name}: {column.name} would tell of one person whether his {shows} are in it")
        if (row.about or value.about) and not of_values:
            verdict.faults += [f"{name}: {column.name} {fault}" for fault in faults_of_marked(measure, value, row, values, told, earlier)]
            continue
        near = of_values and not row.about and _is_of_nearly_all(measure, value, row, values, own)
        if near:
            number = of_nearly_all(measure, row, values, own, value)
        else:
            number = beside_another(measure, row, values, own, value.n) if row.about else expected(measure, row, values, own)
        if value.about != ((row.about or near) and measure.kind == MeasureKind.sum):
            verdict.faults.append(f"{name}: {column.name} is marked, and is of its own values" if value.about else f"{name}: no mark")
        if not row.about and not near:
            verdict.sets.append(number.who)
            if of_values and tells_few(measure, values, own):
                verdict.faults.append(f"{name}: {column.name} tells how many have a value, where a few lack one or nobody")
        if of_values:
            # A mean, a quantile and a correlation cannot be subtracted from each other.
            of = "quantile of " if measure.kind == MeasureKind.quantile else ""
            kind = of + " ".join(sorted(each for each in (measure.column, measure.other) if each))
            verdict.values.setdefault(kind, []).append(number.who)
        verdict.faults += [
            f"{name}: {column.name} {fault}" for fault in (*faults_of(value, number), *faults_of_clipped(measure, value, values, rules))
        ]


def _is_of_nearly_all(measure, value: Value, row: Row, values: pd.DataFrame, own: Question) -> bool:
    """Whether a number is one of values that few persons of a cell lack, or nobody: it does not say how many there are, or coarsely.

    Where rows are rounded more coarsely than persons, so does a number of all values. Then it must be right as such a one.
    """
    if value.n is None or value.within is None:
        return value.n is None
    if own.row_base == own.rules.base or value.about or tells_few(measure, values, own):
        return True
    return bool(faults_of(value, expected(measure, row, values, own)))


def _shows(measure, value: Value, row: Row, own: Question) -> str:
    """Of what everybody knows that a number tells and in which one person would show; nothing where there is none."""
    if not row.persons:
        return ""
    tells_rows = measure.kind == MeasureKind.count or (measure.kind not in COUNTED and value.n is not None)
    if tells_rows and own.one_shows(row.key, ""):
        return "rows"
    columns = [each for each in (measure.column, measure.other) if each] if measure.kind not in COUNTED else []
    return next((column for column in columns if own.one_shows(row.key, column)), "")


def _judge_of_another(name: str, row: Row, who: Persons, rules: Rules, earlier: Earlier, verdict: Verdict) -> None:
    """A number of persons in the table of another set: that of the set's own persons, or of a still earlier set; marked in any case."""
    verdict.numbers += 1
    verdict.about += 1
    own, of_others = rounded(len(who), rules.base), earlier.may_show(row.persons, who, rules)
    if not row.about:
        verdict.faults.append(f"{name} has no mark in the table of another set")
    if row.persons not in own and not of_others:
        verdict.faults.append(f"{name} is about {row.persons} persons, and {len(who)} of the set that stands in are in it")
    elif not of_others:
        verdict.sets.append(who)
    verdict.known.append(who)
