"""Finds the persons with a value of a measure in a cell: everybody if no row lacks it, otherwise all but those whose every row lacks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from twinpane_broker.aggregates.count import Count
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.axes import Axis
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.index.streams import sets_of
from twinpane_broker.engine.sql.category_keys import OTHER
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Question, having_too_sql, persons_sql
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import Group, Plan, split

from .cell_sets import EventTable, Persons
from .leaf_sets import LeafSets
from .tallies import Cell, Tally

Measures = tuple[str, ...]
"""One measure, or the two of a pair."""
GAPS_AT_ONCE = 8_000_000
"""Rows without a value that may be gone through apart from the others,"""
FEW_GAPS = 0.25
"""and the share of all rows that they may be."""


@dataclass(frozen=True)
class Holders:
    """Finds the persons who have values in the cells of a question."""

    question: Question
    store: Store
    sets: LeafSets
    runner: Runner
    persons: Persons

    def of(self, measures: Measures, found: Mapping[Cell, Tally], counts: Mapping[Cell, int]) -> dict[Cell, PersonSet]:
        """The persons with a row that has values of all the measures, by cell. ``counts`` are the numbers of these rows, none of them 0."""
        cells = self.persons.cells
        full = {cell: cells[cell] for cell, count in counts.items() if count == found[cell].rows}
        asked = [cell for cell in counts if cell not in full]
        if not asked:
            return full
        computed = self.question.bound.computed(measures)
        if not computed and self._one_row_each(measures):
            lacking = [self.sets.missing(name) for name in measures]
            return full | {cell: PersonSet.difference(cells[cell], *lacking) for cell in asked}
        if not computed and self.persons.looks_at is not None and not self._names_unlisted:
            return full | {cell: self._by_table(self.persons.looks_at, measures, cell) for cell in asked}
        rows = sum(found[cell].rows for cell in asked)
        gaps = rows - sum(counts[cell] for cell in asked)
        keys = {cell: self.question.keys.key(cell) for cell in asked}
        who = {keys[cell]: cells[cell] for cell in asked}
        having = having_values(self.question, self.runner, who, measures, rows, gaps, every=len(asked) == len(found))
        return full | {cell: having[keys[cell]] for cell in asked}

    def _one_row_each(self, measures: Measures) -> bool:
        return all(self.store.facts.table(split(name)[0]).single for name in measures)

    def _by_table(self, looks_at: Mapping[str, EventTable], measures: Measures, cell: Cell) -> PersonSet:
        """A join combines all rows of a person over tables. So a person with a value in each table has both on one joined row."""
        who = self.persons.cells[cell]
        for table in dict.fromkeys(split(name)[0] for name in measures):
            own = tuple(name for name in measures if split(name)[0] == table)
            if self._one_row_each(own):
                who = PersonSet.difference(who, *(self.sets.missing(name) for name in own))
                continue
            looked = looks_at[table]
            lacking = self._lacking(table, looked.column, own)
            codes = self._codes[table][None if looked.axis is None else cell[looked.axis]]
            if len(codes) == 1:
                who = who - lacking[codes[0]]
            else:
                who = who & PersonSet.union(*(self.sets.code(looked.dimension, code) - lacking[code] for code in codes))
        return who

    @property
    def _names_unlisted(self) -> bool:
        """Whether a condition is about codes that are not approved: no set is kept of those who lack values beside one of these."""
        held = (code for by_category in self._codes.values() for codes in by_category.values() for code in codes)
        return any(code is not None and code < OTHER for code in held)

    @cached_property
    def _codes(self) -> Mapping[str, Mapping[int | None, list[int | None]]]:
        """By table of events and category of its axis, the codes that rows may hold; without an axis, all under None.

        Where the question looks at no dimension of a table, this is one code, None.
        """
        found: dict[str, dict[int | None, list[int | None]]] = {}
        for table, looked in (self.persons.looks_at or {}).items():
            of = found[table] = {}
            for code in [None] if looked.column is None else looked.codes(self.question.bound, self.sets):
                category = None if looked.axis is None else self.question.keys.axes[looked.axis].category_of(code)
                of.setdefault(category, []).append(code)
        return found

    def _lacking(self, table: str, column: str | None, measures: Measures) -> Mapping[int | None, PersonSet]:
        """The persons of a table without any row that has values of all measures, by code of a dimension; without one, under None."""
        return self.store.kept.get(("lacking", table, column, measures), lambda: self._ask_lacking(table, column, measures))

    def _ask_lacking(self, table: str, column: str | None, measures: Measures) -> Mapping[int | None, PersonSet]:
        question = _whole_table(self.question, table, column)
        facts = self.store.facts.table(table)
        gaps = sum(facts.measure(split(name)[1]).missing for name in measures)
        keys: dict[int | None, int] = {None: 0}
        if column is None:
            who = {0: self.sets.present(table)}
        else:
            (key,) = question.keys.axes
            keys = {code: key.digit_of(category) for code, category in key.categories.items()}
            who = {keys[code]: self.sets.code(column, code) for code in keys}
        having = having_values(question, self.runner, who, measures, facts.rows, gaps, every=True)
        return {code: who[keys[code]] - having[keys[code]] for code in keys}


def having_values(
    question: Question, runner: Runner, who: Mapping[int, PersonSet], measures: Measures, rows: int, gaps: int, *, every: bool
) -> dict[int, PersonSet]:
    """The persons with a row that has values of all the measures, by key.

    ``who`` are the persons of these keys. Together they have ``rows`` rows, of which at most ``gaps`` lack a value. ``every`` says
    that the question has no other keys.
    """
    keys = None if every else who
    if gaps > min(rows * FEW_GAPS, GAPS_AT_ONCE):
        having = sets_of(runner.batches(*persons_sql(question, keys=keys, having=measures)))
        return {key: having.get(key, PersonSet()) for key in who}
    gapped = sets_of(runner.batches(*persons_sql(question, keys=keys, lacking=measures)))
    if not gapped:
        return dict(who)
    too = sets_of(runner.batches(*having_too_sql(question, keys, measures)))
    return {key: of - (gapped[key] - too.get(key, PersonSet())) if key in gapped else of for key, of in who.items()}


def _whole_table(question: Question, table: str, column: str | None) -> Question:
    """All rows of one table, by every code of a dimension, those that are not approved and missing ones."""
    catalogue = question.bound.catalogue
    plan = Plan(table=table, group_by=(Group(column=column),) if column else (), measures=(Count(),))
    axes: tuple[Axis, ...] = ()
    if column is not None:
        codes = [code.value for code in question.bound.column(column).codes]
        kinds = (CategoryKind.other, CategoryKind.missing)
        categories = (*(Category(value=code) for code in codes), *(Category(kind=kind) for kind in kinds))
        axes = (Axis(column=column, bin=None, categories=categories, values=tuple(codes)),)
    return Question.of(ResolvedPlan(plan=plan, catalogue=catalogue, axes=axes, cells=(), identity=""), question.dialect)
