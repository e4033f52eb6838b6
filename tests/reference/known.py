"""The sets around a question of which everybody may know the size: the same question without what is secret in it, the slow way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd

from twinpane_broker.catalogue.catalogue import Catalogue, Role
from twinpane_broker.question.normal_form import literals, terms_of
from twinpane_broker.question.plan import Join, Plan, split
from twinpane_broker.question.predicates import AnyOf, Predicate, leaves

from .rows import PERSON, column_of, is_missing, joined, truth

TINY = 1e-9
"""Squares that are no larger come of rounding."""


@dataclass(frozen=True)
class KnownRows:
    """The rows of a question that asks for nothing secret, of some of the tables."""

    tables: tuple[str, ...]
    rows: pd.DataFrame


def is_secret(column: str, catalogue: Catalogue) -> bool:
    """Whether acquaintances do not know it of a person."""
    of = column_of(column, catalogue)
    return of.sensitive and of.role is not Role.date


def asks_for_secrets(plan: Plan, catalogue: Catalogue) -> bool:
    """Whether a condition is about what acquaintances do not know."""
    return any(is_secret(leaf.column, catalogue) for leaf in leaves(plan.where))


def largest_leverage(rows: pd.DataFrame, column: str, threshold: int) -> float:
    """The largest share of all squares that a person has, by how far his rows, or what his values of a column sum up to, are from the
    average person's rows, or from as many average values; also when some who are further are left out, so many that the three next
    ones are fewer than the threshold with them."""
    if column:
        rows = rows[~is_missing(rows[column])]
        off = (rows[column] - rows[column].mean()).groupby(rows[PERSON]).sum()
    else:
        each = rows.groupby(PERSON).size()
        off = each - each.mean()
    far = off.sort_values(key=abs, ascending=False).to_numpy(dtype="float64")
    return max((_share(far[out:]) for out in range(max(1, threshold - 3))), default=0.0)


def _share(far: np.ndarray) -> float:
    """The first one's share of the squares around the average."""
    squares = (far - far.mean()) ** 2 if len(far) else far
    return float(squares[0] / squares.sum()) if len(squares) and squares[0] > TINY else 0.0


def rows_of_a_person(groups: list[pd.DataFrame], threshold: int) -> tuple[int, bool]:
    """The rows that as many persons as the threshold have at least in one of these groups, made one of 1, 2, 5, 10, 20 …; and whether
    persons of a group have different numbers of rows."""
    sizes = [sorted(rows.groupby(PERSON).size(), reverse=True) for rows in groups]
    most = max((each[threshold - 1] for each in sizes if len(each) >= threshold), default=0)
    stepped = next(step for step in (digit * 10**power for power in range(9) for digit in (1, 2, 5)) if step >= most)
    return stepped, any(len(set(each)) > 1 for each in sizes)


def home(plan: Plan, catalogue: Catalogue) -> str:
    """The table of persons of a question's tables."""
    (name,) = {(catalogue.home(catalogue.table(name)) or catalogue.table(name)).name for name in plan.tables}
    return name


def known_terms(plan: Plan, catalogue: Catalogue, tables: tuple[str, ...]) -> list[tuple[Predicate | None, ...]]:
    """Of each condition what it may be if whatever is unknown holds for everybody (None), or for nobody."""
    found = []
    for term in terms_of(plan.where):
        parts = literals(term)
        known = tuple(
            part for part in parts
            if all(split(leaf.column)[0] in tables and not is_secret(leaf.column, catalogue) for leaf in leaves(part))
        )  # fmt: skip
        if known:
            found.append((term,) if len(known) == len(parts) else (None, AnyOf(terms=known)))
    return found


def known_around(plan: Plan, catalogue: Catalogue, tables: Mapping[str, pd.DataFrame]) -> Iterator[KnownRows]:
    """All such questions, but for the asked one."""
    of_persons = home(plan, catalogue)
    events = [name for name in plan.tables if name != of_persons]
    for size in range(len(events) + 1):
        for some in combinations(events, size):
            kept = (of_persons, *some) if not some or of_persons in plan.tables else some
            everything = joined(_joined_by_persons(plan, kept, catalogue), catalogue, tables)
            for chosen in product(*known_terms(plan, catalogue, kept)):
                if {*kept} == {*plan.tables} and {*chosen} == {*terms_of(plan.where)}:
                    continue
                rows = everything
                for term in chosen:
                    rows = rows if term is None else rows[truth(term, rows, catalogue).holds]
                yield KnownRows(kept, rows)


def _joined_by_persons(plan: Plan, kept: tuple[str, ...], catalogue: Catalogue) -> Plan:
    asked, joins = {join.table: join for join in plan.joins}, []
    for place, name in enumerate(kept[1:], 1):
        if name in asked and split(asked[name].left)[0] in kept[:place]:
            joins.append(asked[name])
        else:
            left, right = (f"{each}.{catalogue.table(each).person_key}" for each in (kept[0], name))
            joins.append(Join(table=name, left=left, right=right))
    return plan.model_copy(update={"table": kept[0], "joins": tuple(joins), "where": None})
