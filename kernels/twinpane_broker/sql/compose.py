"""A SELECT as said, made into a plan: names are looked up, positions and labels resolved. Both readings of a text pass through here."""

import re
from itertools import chain, combinations

from twinpane_broker.aggregates.aggregate import MAX_DIMENSIONS
from twinpane_broker.aggregates.registry import AGGREGATES, Measure, measure_of
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import MAX_MEASURES, Group, Join, Order, Plan

from .refusals import TOTALS
from .said import Aggregate, Item, Joined, Position, Query, Sorted, Split, Term
from .scope import Scope
from .where import predicate_of

LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def compose(query: Query, catalogue: Catalogue | None) -> Plan:
    """The plan that a query says; raises Refused, or pydantic's ValidationError where it is more or less than one plan."""
    _refuse_monsters(query)
    scope = Scope(catalogue)
    table = scope.enter(query.source)
    joins = tuple(_join(join, scope) for join in query.joins)
    items = [_part(item, scope) for item in query.items]
    groups = _groups(query, items, scope)
    where = predicate_of(query.where, scope) if query.where is not None else None
    measures = tuple(item for item in items if not isinstance(item, Group))
    margins = _margins(query, groups)
    if not measures:
        raise Refused("A query needs a measure: count(*), count(distinct person_id) or avg(column). Rows themselves are never shown.")
    if loose := [item for item in items if isinstance(item, Group) and _bare(item) not in map(_bare, groups)]:
        raise Refused(f"{loose[0].column} is selected but not in GROUP BY: write GROUP BY {loose[0].column}.")
    _shares_are_within(query, groups, scope)
    if margins and any(measure.takes_within for measure in measures):
        raise Refused("Shares and CUBE in one query: sum(…) OVER () would add the totals up again. Ask for totals in a query of their own.")
    draft = Plan(table=table, joins=joins, where=where, group_by=groups, measures=measures, margins=margins)
    if not query.order and query.limit is None:
        return draft
    order = tuple(_order(term, draft, items, scope) for term in query.order)
    return Plan(
        table=table, joins=joins, where=where, group_by=groups, measures=measures, margins=margins, order_by=order, limit=query.limit
    )


def _refuse_monsters(query: Query) -> None:
    """Refuse what is far beyond one plan before it is looked at; the plan's own limits are narrower."""
    most = MAX_DIMENSIONS + MAX_MEASURES
    for said, parts in (("SELECT", query.items), ("GROUP BY", query.groups or ()), ("ORDER BY", query.order), ("FROM", query.joins)):
        if len(parts) > most:
            raise Refused(f"{said} has {len(parts):,} parts; a plan has at most {MAX_DIMENSIONS} dimensions and {MAX_MEASURES} measures.")
    if query.sets is not None and len(query.groups or ()) > MAX_DIMENSIONS:
        raise Refused(f"A plan has at most {MAX_DIMENSIONS} dimensions. {TOTALS}")


def _join(join: Joined, scope: Scope) -> Join:
    before = dict(scope.tables)
    table = scope.enter(join.source)
    if isinstance(join.on, str):
        left = scope.named(join.on, within=before)
        return Join(table=table, left=left, right=scope.named(join.on, within={table: table}))
    left, right = (scope.column(name) for name in join.on)
    if left.partition(".")[0] == table:
        left, right = right, left
    return Join(table=table, left=left, right=right)


def _part(item: Item, scope: Scope) -> Group | Measure:
    """A selected expression: a dimension, or a measure, with its label."""
    if item.label is not None and not LABEL.fullmatch(item.label):
        raise Refused("A label is a plain name of letters, digits and underscores: … AS n.")
    made = _group(item.what, scope) if isinstance(item.what, Split) else _measure(item.what, scope)
    return made.model_copy(update={"label": item.label})


def _group(split: Split, scope: Scope) -> Group:
    return Group(column=scope.column(split.column), bin=split.bin, width=split.width)


def _measure(said: Aggregate, scope: Scope) -> Measure:
    column = scope.column(said.column, person_key=AGGREGATES[said.kind].of_persons) if said.column is not None else None
    other = scope.column(said.other) if said.other is not None else None
    within = tuple(dict.fromkeys(scope.column(split.column) for split in said.within))
    return measure_of(said.kind, column=column, other=other, percent=said.percent, within=within)


def _groups(query: Query, items: list[Group | Measure], scope: Scope) -> tuple[Group, ...]:
    """The dimensions, in the order of the SELECT; those that are not selected come last."""
    selected = [item for item in items if isinstance(item, Group)]
    if query.groups is None:
        return tuple(selected)
    wanted: list[Group] = []
    for term in query.groups:
        part = _pointed(term, items, scope)
        if not isinstance(part, Group):
            raise Refused("GROUP BY takes dimensions, not measures.")
        if _bare(part) not in map(_bare, wanted):
            wanted.append(part)
    if query.sets is not None and len(wanted) < len(query.groups):
        raise Refused(f"A dimension stands twice in GROUP BY. {TOTALS}")
    asked = [_bare(part) for part in wanted]
    listed = [part for part in selected if _bare(part) in asked]
    named = [_bare(part) for part in listed]
    return (*listed, *(part for part in wanted if _bare(part) not in named))


def _shares_are_within(query: Query, groups: tuple[Group, ...], scope: Scope) -> None:
    """Refuse a share whose PARTITION BY names what is not grouped exactly so: the plan names columns, not expressions."""
    for item in query.items:
        for split in item.what.within if isinstance(item.what, Aggregate) else ():
            part = _group(split, scope)
            if [group for group in map(_bare, groups) if group.column == part.column] != [part]:
                raise Refused(f"A share is within dimensions that are grouped by, and {part.column} is not, or not so: add it to GROUP BY.")


def _margins(query: Query, groups: tuple[Group, ...]) -> bool:
    """Whether the grouping sets are those of a cube: every dimension's totals and the grand total."""
    if query.sets is None or query.groups is None:
        return False
    places = range(len(query.groups))
    if query.sets == (frozenset(places),):
        return False
    cube = {frozenset(chosen) for chosen in chain.from_iterable(combinations(places, size) for size in range(len(places) + 1))}
    if set(query.sets) != cube or len(query.sets) != len(cube) or not groups:
        raise Refused(TOTALS)
    return True


def _pointed(term: Term, items: list[Group | Measure], scope: Scope) -> Group | Measure:
    """The part of the result that a term of GROUP BY or ORDER BY means: by position, by label, or written out."""
    if isinstance(term, Position):
        if not 1 <= term.place <= len(items):
            raise Refused(f"Position {term.place} is not in the SELECT list.")
        return items[term.place - 1]
    if isinstance(term, Split):
        name = term.column
        plain = name.table is None and term.bin is None and term.width is None
        if plain and (found := [item for item in items if item.label and item.label.casefold() == name.column.casefold()]):
            return found[0]
        return _group(term, scope)
    return _measure(term, scope)


def _order(term: Sorted, draft: Plan, items: list[Group | Measure], scope: Scope) -> Order:
    part = _pointed(term.by, items, scope)
    parts = draft.parts
    same = [name for name, own in zip(draft.names, parts, strict=True) if own == part]
    same = same or [name for name, own in zip(draft.names, parts, strict=True) if _bare(own) == _bare(part)]
    if not same:
        raise Refused("ORDER BY takes a column of the result: its name, its label or its position.")
    return Order(by=same[0], descending=term.descending)


def _bare(part: Group | Measure) -> Group | Measure:
    return part.model_copy(update={"label": None})
