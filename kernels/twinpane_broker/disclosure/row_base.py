"""What numbers of rows and values are rounded to: the base, times the rows of a person.

Twelve rows a person, rounded to 5, would be a lens: they tell exactly how many persons there are. Where counts are exact, rows of which all
have as many are exact too.

The rows of a person are the average ones of the table by the catalogue, though a cell may have fewer, and its numbers would be finer with
its own. But a cell's average can be thinned: to some who have twelve rows of a code, a question adds a thousand who have one. The base
would fall to 5, while the difference to the question without the some is twelve for each of them, so that it tells exactly how many they
are. And a base that depends on the rows of the asked set tells of them by itself.

A known group may have more: all of a ward 24, where the table's average is three. Then these count. Or some of a group have: a tenth of
them 24, and all others one. Rows beside persons would tell exactly how many of these are in a set, and so in sets that share all of them
but a few, which the memory does not see. So rows are rounded to those of as many persons as the threshold, with the rows that as many of
the known group have at least (``known_values``); fewer than these are seen by how much they weigh. Whoever knows the group knows as much.
The rows of a group are one of 1, 2, 5, 10, 20 …, as an answer says what it rounds to.
"""

from typing import NamedTuple

from twinpane_broker.catalogue.catalogue import Table
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.question.plan import split
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.rounding import round_to


class Often(NamedTuple):
    """How often persons of a known group come."""

    rows: int = 0
    """Rows that as many of them as the threshold have at least; 0 of fewer."""
    differ: bool = False
    """Whether not all have as many."""


NOBODY_OFTEN = Often()


def row_base(bound: ResolvedPlan, rules: Rules, often: Often = NOBODY_OFTEN) -> int:
    """The base for numbers of rows of a question: a multiple of the policy's base."""
    usual = rules.base * _usual(bound, often) if rules.base > 1 else 1  # else what is shown is exact, or noisy
    several = rules.threshold * _stepped(often.rows) if often.differ and often.rows > 1 else 0
    return max(rules.base, round_to(round(max(usual, several)), rules.base))


def coarse_row_base(bound: ResolvedPlan, rules: Rules, often: Often = NOBODY_OFTEN) -> int:
    """The base for numbers of rows beside another set's number of persons: the rows of as many persons as the two sets may differ by.

    A base that follows from the rows of a cell would tell whether anybody in it has a second one.
    """
    return max(rules.most_about, round(rules.most_about * _usual(bound, often)))


def _usual(bound: ResolvedPlan, often: Often) -> float:
    rows = _rows_each(bound)
    return rows if often.rows <= rows else _stepped(often.rows)


def _rows_each(bound: ResolvedPlan) -> float:
    """About how many joined rows a person has: as many as in the table with most, times those of tables that are joined by person."""
    rows = rows_per_person(bound.table(bound.plan.table))
    for join in bound.plan.joins:
        table = bound.table(join.table)
        by_person = split(join.right)[1] == table.person_key
        rows = rows * rows_per_person(table) if by_person else max(rows, rows_per_person(table))
    return rows


def _stepped(rows: int) -> int:
    """The first of 1, 2, 5, 10, 20 … that is not less."""
    power = 1
    while 10 * power < rows:
        power *= 10
    return power * min(step for step in (1, 2, 5, 10) if step * power >= rows)


def rows_per_person(table: Table) -> float:
    """The average number of rows of the persons who have one, by the catalogue."""
    with_rows = sum(table.rows_per_person[1:])
    return sum(rows * share for rows, share in enumerate(table.rows_per_person)) / with_rows if with_rows else 1.0
