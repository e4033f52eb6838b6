"""A question on the tables as a site has them: its rows, those of its cells, and the sets around them whose size everybody may know."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.question.plan import Group, Plan, split
from twinpane_broker.release.release import Row
from twinpane_broker.rules.policy import Rules

from .cells import Key, members
from .known import KnownRows, asks_for_secrets, home, is_secret, known_around, largest_leverage, rows_of_a_person
from .regions import Part, are_several, parts
from .rows import PERSON, joined, truth
from .sums import Persons

MOST_LEVERAGE = 0.25 * (1 + 1e-6)
"""The largest share of all squares that a person may have in a number of what everybody knows."""
COUNTED = (MeasureKind.persons, MeasureKind.count, MeasureKind.share)


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

    def known(self, key: Key = ()) -> list[Persons]:
        """The sets around that of a cell of which everybody may know the size."""
        kept = [place for place, each in enumerate(key) if each.kind is not CategoryKind.total]
        groups, key = tuple(self.plan.group_by[place] for place in kept), tuple(key[place] for place in kept)
        table = [tuple(each[place] for place in kept) for each in self.keys]
        if any(is_secret(group.column, self.catalogue) for group in groups):
            return []
        inside = [known for known in self.around if all(split(group.column)[0] in known.tables for group in groups)]
        return [frozenset(known.rows[members(key, groups, table, known.rows, self.catalogue)][PERSON]) for known in inside]

    def parts(self, who: Persons, key: Key = ()) -> tuple[Part, ...]:
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

    def one_shows(self, key: Key, column: str) -> bool:
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
        table = [tuple(each[place] for place in kept) for each in self.keys]
        named = [*(group.column for group in groups), *([column] if column else [])]
        own = (KnownRows(self.plan.tables, self.rows),) if known_too else ()
        parts = [each for each in (*self.around, *own) if all(split(name)[0] in each.tables for name in named)]
        inside = (each.rows[members(cell, groups, table, each.rows, self.catalogue)] for each in parts)
        return any(largest_leverage(rows, column, self.rules.threshold) > MOST_LEVERAGE for rows in inside)

    @cached_property
    def row_base(self) -> int:
        """What numbers of rows and values are rounded to: by how often those come of whom it would be if it asked for nothing secret.

        How many rows a person has by the catalogue is not known here: about one.
        """
        secrets = asks_for_secrets(self.plan, self.catalogue)
        if not secrets and not any(is_secret(group.column, self.catalogue) for group in self.plan.group_by):
            return self.rules.base
        groups = [known.rows for known in self.around] + ([] if secrets else [self.rows])
        often, differ = rows_of_a_person(groups, self.rules.threshold)
        several = self.rules.threshold * often if differ and often > 1 else 1
        base = self.rules.base
        return max(base, math.floor(several / base + 0.5) * base, base * often if base > 1 else 1)

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


def group_of_share(measure, row: Row, question: Question) -> Persons:
    """The persons by which a share is divided."""
    within = np.ones(len(question.rows), dtype=bool)
    for place, group in enumerate(question.plan.group_by):
        if group.column in measure.within:
            listed = [(key[place],) for key in question.keys]
            within &= members((row.key[place],), (group,), listed, question.rows, question.catalogue)
    return frozenset(question.rows[within][PERSON])
