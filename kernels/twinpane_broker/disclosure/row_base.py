"""What numbers of rows and values are rounded to: the base, times the rows per person that the catalogue gives.

Twelve rows a person, rounded to 5, would be a lens: they tell exactly how many persons there are. An exact policy has no such base, since
it shows the persons themselves.

The rows per person are those of the table, though a cell may have fewer, and its numbers would be finer with its own. But a cell's average
can be thinned: to some who have twelve rows of a code, a question adds a thousand who have one. The base would fall to 5, while the
difference to the question without the some is twelve for each of them, so that it tells exactly how many they are. And a base that depends
on the rows tells of them by itself. The table's average is the same whatever is asked, and is published.
"""

from twinpane_broker.catalogue.catalogue import Table
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.question.plan import split
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.rounding import round_to


def row_base(bound: ResolvedPlan, rules: Rules) -> int:
    """The base for numbers of rows of a question: a multiple of the policy's base, from plan and catalogue alone."""
    if rules.base == 1:  # what is shown is exact, or noisy
        return 1
    return max(rules.base, round_to(round(rules.base * _rows_each(bound)), rules.base))


def coarse_row_base(bound: ResolvedPlan, rules: Rules) -> int:
    """The base for numbers of rows beside another set's number of persons: the rows of as many persons as the two sets may differ by.

    From plan and catalogue too. A base that follows from the rows of a cell would tell whether anybody in it has a second one.
    """
    return max(rules.most_about, round(rules.most_about * _rows_each(bound)))


def _rows_each(bound: ResolvedPlan) -> float:
    """About how many joined rows a person has: as many as in the table with most, times those of tables that are joined by person."""
    rows = rows_per_person(bound.table(bound.plan.table))
    for join in bound.plan.joins:
        table = bound.table(join.table)
        by_person = split(join.right)[1] == table.person_key
        rows = rows * rows_per_person(table) if by_person else max(rows, rows_per_person(table))
    return rows


def rows_per_person(table: Table) -> float:
    """The average number of rows of the persons who have one, by the catalogue."""
    with_rows = sum(table.rows_per_person[1:])
    return sum(rows * share for rows, share in enumerate(table.rows_per_person)) / with_rows if with_rows else 1.0
