"""A whole release against the rules: every number it shows, and every set of persons behind one."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pandas as pd

from twinpane_broker.aggregates.mean import Mean
from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.aggregates.value import Value
from twinpane_broker.catalogue.catalogue import Catalogue, Column
from twinpane_broker.errors import RefusalCode
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.plan import Group, Plan, split
from twinpane_broker.question.predicates import leaves
from twinpane_broker.release.release import Refusal, Release, Row
from twinpane_broker.rules.policy import Rules

from .cells import members
from .known import KnownRows, asks_for_secrets, home, is_secret, known_around, largest_leverage
from .numbers import Number, correlated, counted, hidden, of_values, rounded, summed
from .regions import Part, are_several, parts, sums
from .rows import PERSON, beyond, column_of, is_missing, joined, kind_and_value, truth
from .sums import is_sum_for, sums_for

Persons = frozenset
Key = tuple[Category, ...]
COUNTED = (MeasureKind.persons, MeasureKind.count, MeasureKind.share)
MOST_ROWS_EACH = 20
"""More rows a person has on average in no table of the hospitals here."""
MOST_LEVERAGE = 0.25 * (1 + 1e-6)
"""The largest share of all squares that a person may have in a number of what everybody knows."""
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
    values: dict[str, list[Persons]] = field(default_factory=dict)
    """By kind, what it is that they have values of, the persons with values behind each number that was told of these."""
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
    keys: tuple[Key, ...] = ()
    """The categories of the answer's rows."""
    told: Mapping[Key, int | None] = field(default_factory=dict)
    """By these, the persons that the rows show."""
    around: tuple[KnownRows, ...] = ()
    """Those of whom everybody may know how many they are."""
    everybody: pd.DataFrame | None = None
    """The rows of everybody, where the cells are of persons, and so are the numbers: the table could be made of any set of persons."""

    _shows: dict[tuple, bool] = field(default_factory=dict, init=False, compare=False, repr=False)

    def of(self, who: Persons) -> "Question":
        """The question as if it were asked of these persons."""
        rows = self.everybody
        return self if rows is None else replace(self, rows=rows[rows[PERSON].isin(who)].reset_index(drop=True))

    def known(self, key: tuple[Category, ...] = ()) -> list[Persons]:
        """The sets around that of a cell of which everybody may know the size."""
        kept = [place for place, each in enumerate(key) if each.kind is not CategoryKind.total]
        groups, key = tuple(self.plan.group_by[place] for place in kept), tuple(key[place] for place in kept)
        table = [tuple(each[place] for place in kept) for each in self.keys]
        if any(is_secret(group.column, self.catalogue) for group in groups):
            return []
        inside = [known for known in self.around if all(split(group.column)[0] in known.tables for group in groups)]
        return [frozenset(known.rows[members(key, groups, table, known.rows, self.catalogue)][PERSON]) for known in inside]

    def parts(self, who: Persons, key: tuple[Category, ...] = ()) -> tuple[Part, ...]:
        """The parts of a cell's persons, where what decides of them differs with what everybody knows."""
        if not are_several(self.plan, self.catalogue):
            return ()
        kept = [place for place, each in enumerate(key) if each.kind is not CategoryKind.total]
        groups, key = tuple(self.plan.group_by[place] for place in kept), tuple(key[place] for place in kept)
        table, is_known = (
            [tuple(each[place] for place in kept) for each in self.keys],
            not any(is_secret(group.column, self.catalogue) for group in groups),
        )
        rows = self.everything[members(key, groups, table, self.everything, self.catalogue)] if is_known else self.everything
        return tuple(parts(who, self.plan, self.catalogue, rows, is_known))

    def one_shows(self, key: tuple[Category, ...], column: str) -> bool:
        """Whether everybody knows a column's values, or with no name the rows, of a cell as if nothing secret were asked, and that one
        person weighs most of them there. Whoever knows the others would see whether he is in a number of the cell."""
        if column and is_secret(column, self.catalogue):
            return False
        open_axes = [place for place, each in enumerate(key) if each.kind is not CategoryKind.total]
        kept = [place for place in open_axes if not is_secret(self.plan.group_by[place].column, self.catalogue)]
        of_persons = home(self.plan, self.catalogue)
        secrets = asks_for_secrets(self.plan, self.catalogue)
        events = bool(column) and split(column)[0] == of_persons and self.plan.tables != (of_persons,)
        if kept == open_axes and not secrets and not events:
            return False
        groups, cell = tuple(self.plan.group_by[place] for place in kept), tuple(key[place] for place in kept)
        if (groups, cell, column) not in self._shows:
            self._shows[groups, cell, column] = self._one_weighs(groups, kept, cell, column, known_too=not secrets)
        return self._shows[groups, cell, column]

    def _one_weighs(self, groups: tuple[Group, ...], kept: list[int], cell: Key, column: str, *, known_too: bool) -> bool:
        table, named = (
            [tuple(each[place] for place in kept) for each in self.keys],
            [*(g.column for g in groups), *([column] if column else [])],
        )
        own = (KnownRows(self.plan.tables, self.rows),) if known_too else ()
        parts = [each for each in (*self.around, *own) if all(split(name)[0] in each.tables for name in named)]
        inside = (each.rows[members(cell, groups, table, each.rows, self.catalogue)] for each in parts)
        return any(largest_leverage(rows, column) > MOST_LEVERAGE for rows in inside)

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
    around = tuple(known_around(plan, catalogue, tables))
    return Question(plan, catalogue, rules, everything, rows, around=around, everybody=_everybody(plan, catalogue, tables))


def _everybody(plan: Plan, catalogue: Catalogue, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    homes = {(catalogue.home(catalogue.table(name)) or catalogue.table(name)).name for name in plan.tables}
    (home,) = homes if len(homes) == 1 else (None,)
    of_persons = plan.tables == (home,) or all(each.kind in (MeasureKind.persons, MeasureKind.share) for each in plan.measures)
    values_in_totals = plan.margins and any(each.kind not in COUNTED for each in plan.measures)
    if home is None or not of_persons or values_in_totals or any(split(group.column)[0] != home for group in plan.group_by):
        return None
    rows = joined(plan.model_copy(update={"table": home, "joins": ()}), catalogue, tables)
    return rows if rows[PERSON].is_unique else None


@dataclass(frozen=True)
class Earlier:
    """What was released before an answer."""

    sets: tuple[Persons, ...]
    sure: tuple[Persons, ...]
    """Those whose own numbers were shown, and so are remembered."""
    whole: Persons
    """The persons of the question itself, whose number leaves with any answer."""

    left_over: tuple[Persons, ...] = ()
    """Of each line of a cell whose total is shown with its own number: the persons who are in no other cell that is."""

    left_of_another: tuple[int, ...] = ()
    """Of a table of one dimension beside another set's number: what may be left of that, which is known as it is rounded only."""

    known: tuple[Persons, ...] = ()
    """The sets around the one that is judged of which everybody may know the size: they count as released."""

    parts: tuple[Part, ...] = ()
    """Those of the set that is judged, where it is told as the sum of their numbers."""

    def may_be_summed(self, who: Persons, rules: Rules) -> bool:
        """Whether no earlier set is nearer than any distance that may be drawn: such a one would stand in itself."""
        near = stand_ins(who, rules, self.sure)
        return all(max(len(old - who), len(who - old)) >= rules.threshold for old in near)

    def may_show(self, number: int | None, who: Persons, rules: Rules) -> bool:
        """Whether a number of persons may be shown for a set, marked: an earlier set's that it equals or is near, or else a sum of some."""
        if number is None:
            return False
        if any(rounded(len(old), rules.base) == number for old in self.around(who, rules)):
            return True
        if number in self.left_of_another and abs(number - len(who)) <= rules.most_about + rules.base:
            return True
        if any(who <= rest and number == rounded(len(rest), rules.base) and len(rest - who) <= rules.most_about for rest in self.left_over):
            return True
        if self.parts and number in sums(self.parts, rules, lambda part: self._numbers(part, rules)):
            return True
        asked = [who, *(old for old in self.around(who, rules) if old in self.known)]
        return any(self.may_be_summed(one, rules) and is_sum_for(number, one, rules, self.sets, self.whole) for one in asked)

    def _numbers(self, part: Persons, rules: Rules) -> set[int]:
        """What may be told of a part: its own number, an earlier set's, or what can be added up."""
        near = {rounded(len(old), rules.base) for old in (part, *stand_ins(part, rules, self.sets))}
        return near | sums_for(part, rules, self.sets, self.whole)

    def around(self, who: Persons, rules: Rules) -> list[Persons]:
        """The sets whose numbers may stand in for a set, or for a known one that does so."""
        every = (*self.sets, *self.known)
        near = stand_ins(who, rules, every)
        known = [old for old in near if old in self.known]
        return list(dict.fromkeys([*near, *(other for old in known for other in stand_ins(old, rules, every))]))


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
    question = replace(question, keys=tuple(row.key for row in answer.rows), told={row.key: row.persons for row in answer.rows})
    sure = tuple(who for who in earlier if who and (not isinstance(earlier, Mapping) or earlier[who]))
    earlier = Earlier(tuple(earlier), sure, question.who, known=tuple(question.known()), parts=question.parts(question.who))
    if not answer.about:
        return _judged(answer, question, question, earlier)
    if question.everybody is None:
        return _with_known(_judged(answer, question, question, earlier), question, earlier)
    inside = frozenset(question.everybody[PERSON])
    near = [old for old in earlier.around(question.who, question.rules) if old <= inside]
    told = [old for old in near if rounded(len(old), question.rules.base) == answer.persons] or [question.who]
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
        of_another = answer.about and told is own and len(_open_axes(row.key)) == 1 and answer.persons is not None
        left = _left_of_another(answer.persons, row.key, shown, rules) if of_another else ()
        lines = () if of_another else tuple(_left_over(row.key, shown, told.who))
        around = tuple(own.known(row.key)) if told is own else ()
        split = own.parts(frozenset(part[PERSON]), row.key) if told is own else ()
        beside = replace(earlier, sets=released, left_over=lines, left_of_another=left, known=around, parts=split)
        _judge_row(row, part, values, told, own, answer, beside, verdict)
    if told is own:
        verdict.sets += _sums(answer, parts)
    shares = [measure for measure in own.plan.measures if measure.kind == MeasureKind.share]
    wholes = {_whole(measure, row, told) for measure in shares for row in answer.rows}
    verdict.known += [who for who in wholes if len(who) >= rules.threshold]
    verdict.known += [*verdict.sets, *_unions(answer, parts, told is not own)]
    verdict.faults += _class_disclosure(answer, told, parts)
    verdict.faults += _sparse(answer, told, parts)
    return verdict


def _open_axes(key: Key) -> list[int]:
    """The axes of which a row has a category, and not the total."""
    return [axis for axis, each in enumerate(key) if each.kind is not CategoryKind.total]


def _left_of_another(total: int, key: Key, shown: Mapping[Key, Persons], rules: Rules) -> tuple[int, ...]:
    """What may be left of another set's number, which is rounded and stands for the question's persons, beside the cells of a line that
    are shown with their own: the line of which the question's persons are the total, in the table or in its totals."""
    others = frozenset[str]().union(*(who for other, who in shown.items() if other != key and _open_axes(other) == _open_axes(key)))
    return tuple(rounded(total - len(others) + more, rules.base) for more in range(-rules.base, rules.base + 1))


def _left_over(key: Key, own: Mapping[Key, Persons], everybody: Persons) -> Iterator[Persons]:
    """Of each line of a cell whose total is told as its own number: the persons who are in none of the line's other cells that are.

    ``own``: the persons of the rows that show their own number. That of ``everybody`` in the question is told with any answer.
    """
    total = Category(kind=CategoryKind.total)
    for axis in _open_axes(key):
        before, after = key[:axis], key[axis + 1 :]
        line = {cell[axis]: who for cell, who in own.items() if (cell[:axis], cell[axis + 1 :]) == (before, after)}
        whole = everybody if all(each.kind is CategoryKind.total for each in (*before, *after)) else line.get(total)
        if whole is not None:
            yield whole.difference(*(who for category, who in line.items() if category not in (total, key[axis])))


def _is_its_own(row: Row, part: pd.DataFrame, is_own: bool, rules: Rules) -> bool:
    """Whether a row shows the number of its own persons; in the table of another set, all rows are marked."""
    return bool(row.persons) and (not row.about if is_own else row.persons == rounded(part[PERSON].nunique(), rules.base))


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
        open_axes = _open_axes(row.key)
        if (row.about and not of_another) or not row.persons:
            continue
        for size in range(1, len(open_axes) + 1):
            for axes in combinations(open_axes, size):
                along = tuple(None if axis in axes else each for axis, each in enumerate(row.key))
                lines.setdefault(along, []).append(frozenset(part[PERSON]))
    return [frozenset().union(*line) for line in lines.values()]


def _judge_persons(name: str, told: Release | Row, who: Persons, rules: Rules, earlier: Earlier, verdict: Verdict) -> None:
    """A number of persons: the set's own, or, if marked, that of an earlier set which equals it or is near."""
    verdict.numbers += 1
    if earlier.parts:
        verdict.known += [part.who for part in earlier.parts if len(part.who) >= rules.threshold]
    if not told.about:
        verdict.sets.append(who)
        if who and earlier.parts:
            verdict.faults.append(f"{name} has its own number, though something known decides of it")
        if told.persons != rounded(len(who), rules.base):
            verdict.faults.append(f"{name} has {told.persons} persons, not {rounded(len(who), rules.base)}")
        near = [old for old in earlier.known if len(old - who) < rules.threshold and len(who - old) < rules.threshold]
        if who and near:
            verdict.faults.append(f"{name} shows its {len(who)} persons, beside {len(near[0])} of whom everybody may know")
        return
    verdict.about += 1
    if not earlier.may_show(told.persons, who, rules):
        verdict.faults.append(f"{name} is about {told.persons} persons, which is the number of no earlier set near its {len(who)}")


def stand_ins(who: Persons, rules: Rules, earlier: Collection[Persons]) -> list[Persons]:
    """The earlier sets whose numbers may be shown for a set: those that equal it, or lack fewer than twice the threshold less one of its
    persons, and it of theirs. How many fewer, from the threshold on, is drawn for each description, so that no reader knows it.
    """
    most = rules.most_about
    return [
        old for old in earlier
        if abs(len(old) - len(who)) <= most and len(old - who) <= most and len(who - old) <= most
    ]  # fmt: skip


def _withheld(question: Question) -> str:
    """Why nothing may be told, or nothing."""
    k, asked_about = question.rules.threshold, len(question.who)
    if asked_about < k:
        return f"it is about {asked_about} persons"
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
        verdict.known += _with_values(values, own)
    for measure, value, column in zip(own.plan.measures, row.values, answer.measures, strict=True):
        if value.suppressed:
            if value.about:
                verdict.faults.append(f"{name}: {column.name} is marked, but suppressed")
            continue
        verdict.numbers += 1
        of_values = measure.kind not in COUNTED
        if row.about and _tells_known_rows(measure, value, values, own, earlier):
            verdict.faults.append(f"{name}: {column.name} tells of the rows of persons whom everybody may know")
        if shows := _shows(measure, value, row, own):
            verdict.faults.append(f"{name}: {column.name} would tell of one person whether his {shows} are in it")
        if (row.about or value.about) and not of_values:
            verdict.faults += [f"{name}: {column.name} {fault}" for fault in _about(measure, value, row, values, told, earlier)]
            continue
        near = of_values and not row.about and (value.n is None or value.within is not None)
        if near:
            number = _of_nearly_all(measure, row, values, own, value)
        else:
            number = _beside(measure, row, values, own, value.n) if row.about else expected(measure, row, values, own)
        if value.about != ((row.about or near) and measure.kind == MeasureKind.sum):
            verdict.faults.append(f"{name}: {column.name} is marked, and is of its own values" if value.about else f"{name}: no mark")
        if not row.about and not near:
            verdict.sets.append(number.who)
            if of_values and _tells_few(measure, values, own):
                verdict.faults.append(f"{name}: {column.name} tells how many have a value, where a few lack one or nobody")
        if of_values:
            # A mean, a quantile and a correlation cannot be subtracted from each other.
            of = "quantile of " if measure.kind == MeasureKind.quantile else ""
            kind = of + " ".join(sorted(each for each in (measure.column, measure.other) if each))
            verdict.values.setdefault(kind, []).append(number.who)
        verdict.faults += [
            f"{name}: {column.name} {fault}" for fault in (*_differs(value, number), *_clipped(measure, value, values, rules))
        ]


def _tells_known_rows(measure, value: Value, part: pd.DataFrame, own: Question, earlier: Earlier) -> bool:
    """Whether a number of rows, or of values, is told beside a known set: who knows when its persons came would see one missing."""
    who = frozenset(part[PERSON])
    near = [old for old in earlier.known if len(old - who) < own.rules.threshold and len(who - old) < own.rules.threshold]
    rows = measure.kind == MeasureKind.count or (measure.kind not in COUNTED and value.n is not None)
    return bool(near) and rows and len(own.rows) != len(own.who) and asks_for_secrets(own.plan, own.catalogue)


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
    if row.persons != own and not of_others:
        verdict.faults.append(f"{name} is about {row.persons} persons, and {len(who)} of the set that stands in are in it")
    elif not of_others:
        verdict.sets.append(who)
    verdict.known.append(who)


def coarse(part: pd.DataFrame, question: Question) -> list[int]:
    """A number of rows or values beside another set's persons: rounded to the rows of as many persons as the sets may differ by.

    How many rows a person has is the catalogue's average, which is not known here; fewer than one it is not.
    """
    most = question.rules.most_about
    return list(dict.fromkeys(rounded(len(part), base) for base in range(most, most * MOST_ROWS_EACH)))


def rows_beside(part: pd.DataFrame, persons: int, question: Question) -> list[int]:
    """The same of rows, of which everybody has one: not fewer than the persons shown, unless there are surely fewer."""
    most = question.rules.most_about
    bases = range(most, most * MOST_ROWS_EACH)
    return list(dict.fromkeys(max(r, min(persons, r + base // 2)) for base in bases for r in [rounded(len(part), base)]))


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


def _tells_few(measure, part: pd.DataFrame, question: Question) -> bool:
    """Whether it would tell of a few of a cell to say how many have a value; a condition may see to it that all have one."""
    asked = {leaf.column for term in terms_of(question.plan.where) for leaf in leaves(term)}
    sure = measure.column in asked or measure.other in asked
    return _may_lack(measure, question) and not sure and _lacking(measure, part) < question.rules.threshold


def _of_nearly_all(measure, row: Row, part: pd.DataFrame, question: Question, value: Value) -> Number:
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


def _beside(measure, row: Row, part: pd.DataFrame, question: Question, shown: int | None) -> Number:
    """What may be told of a cell's own values, beside another set's persons. ``shown``: over how many the answer says that it is."""
    sizes = coarse(_with_value(measure, part), question)
    n = shown if shown in sizes else sizes[0]
    number = expected(measure, row, part, question, n)
    return replace(number, n=n or None)


def _clipped(measure, value: Value, part: pd.DataFrame, rules: Rules) -> list[str]:
    """What is wrong with the share of a number's values that it says was clipped, or with saying none."""
    if measure.kind in COUNTED or measure.other or measure.kind == MeasureKind.quantile:
        return ["says what was clipped"] if value.clipped else []
    have = part[~is_missing(part[measure.column])]
    cut = have[have[beyond(measure.column)]]
    persons, share = cut[PERSON].nunique(), 100 * len(cut) / len(have)
    if value.clipped is None:
        return [f"does not say that {share:.0f} % were clipped"] if persons >= rules.threshold and share >= 5 else []
    if persons < rules.threshold:
        return [f"says that {persons} persons' values were clipped"]
    low, high = value.clipped
    return [] if low <= share <= high else [f"says that {low} to {high} % were clipped, and {share:.1f} % were"]


def _with_values(part: pd.DataFrame, question: Question) -> list[Persons]:
    """The persons of a cell with a value of each column, or of both, that is computed with, and those with one beyond its bounds."""
    found = []
    for measure in (each for each in question.plan.measures if each.column):
        name, columns = measure.column, [each for each in (measure.column, measure.other) if each]
        given = part[~np.logical_or.reduce([is_missing(part[each]) for each in columns])]
        found.append(frozenset(given[PERSON]))
        found.append(frozenset(given[given[beyond(name)]][PERSON]))
    return [each for each in found if each]


def _about(measure, value: Value, row: Row, part: pd.DataFrame, question: Question, earlier: Earlier) -> list[str]:
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
    whole, rules = _whole(measure, row, question), question.rules
    own, total = rounded(len(whole), rules.base), Category(kind=CategoryKind.total)
    group = tuple(each if by.column in measure.within else total for each, by in zip(row.key, question.plan.group_by, strict=True))
    if group in question.told:
        if value.of != question.told[group]:
            faults.append(f"is out of {value.of}, and its group's row shows {question.told[group]}")
    elif not (row.about and value.of == own) and not earlier.may_show(value.of, whole, rules):
        faults.append(f"is out of {value.of}, which is neither its group's number nor that of an earlier set near it")
    if value.of and value.n is not None and value.value != _percent(value.n, value.of, rules):
        faults.append(f"is {value.value}, not {value.n} of {value.of}")
    return faults


def expected(measure, row: Row, part: pd.DataFrame, question: Question, n: int | None = None) -> Number:
    """What a number of a cell may be; with ``n`` values shown, where that is not their number rounded as usual."""
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
    return of_values(measure, column_of(measure.column, catalogue), part, rules, n)


def _share(measure, row: Row, who: Persons, question: Question) -> Number:
    """Percent of the persons in the same categories of the columns it is within: both parts rounded first."""
    rules, whole = question.rules, _whole(measure, row, question)
    if primary(len(whole), len(question.who), rules) or not whole:
        return hidden(who, "the group it is a share of may not be shown")
    n, of = rounded(len(who), rules.base), rounded(len(whole), rules.base)
    if of == 0:
        return hidden(who, "a share of nobody")
    return Number(who, frozenset({_percent(n, of, rules)}), n=n, of=of)


def _percent(n: int, of: int, rules: Rules) -> float:
    """To one decimal, or to none where two rounded numbers leave it unsure by 1 or more."""
    percent, off = min(100.0, 100 * n / of), rules.base // 2
    return round(percent, 0 if off * 100 * (1 / of + percent / 100 / of) >= 1 else 1)


def _whole(measure, row: Row, question: Question) -> Persons:
    """The persons by which a share is divided."""
    within = np.ones(len(question.rows), dtype=bool)
    for place, group in enumerate(question.plan.group_by):
        if group.column in measure.within:
            listed = [(key[place],) for key in question.keys]
            within &= members((row.key[place],), (group,), listed, question.rows, question.catalogue)
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


def _sparse(answer: Release, question: Question, parts: list[pd.DataFrame]) -> list[str]:
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
