"""A SELECT as said, made into a plan: names are looked up, positions and labels resolved. Both readings of a text pass through here."""

import re
from collections.abc import Iterator
from itertools import chain, combinations

from twinpane_broker.aggregates.aggregate import MAX_DIMENSIONS, OfValues
from twinpane_broker.aggregates.count import Count
from twinpane_broker.aggregates.persons import Persons
from twinpane_broker.aggregates.registry import AGGREGATES, Measure, MeasureKind, measure_of
from twinpane_broker.catalogue.catalogue import Catalogue, ColumnType, Role
from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import MAX_MEASURES, Difference, Group, Having, Order, Plan, names_used, split
from twinpane_broker.question.predicates import Missing, Not

from .case_arms import case_of
from .flattened import flattened
from .frame import Frame
from .from_where import frame_of
from .members import Members, cohort_of
from .only_rows import of_one_condition, refuse_own_groups
from .refusals import HAVING, ONE_VALUE, PERSONS, QUALIFY, RANKED, ROWS, SHARE, SHARE_OF_ROWS, TOTALS, reason_of
from .said import (
    MIRRORED,
    Aggregate,
    Between,
    Cases,
    Compared,
    Condition,
    Constant,
    Days,
    Every,
    Everything,
    Extreme,
    Item,
    Name,
    Numbered,
    Position,
    Query,
    Sorted,
    Split,
    Term,
    What,
)
from .scope import Looked, OfMembers, Scope
from .where import flat

LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
Part = Group | Measure | None
"""What an item of the SELECT list is in the plan; None for a literal, which says nothing."""


def compose(query: Query, catalogue: Catalogue | None) -> Plan:
    """The plan that a query says; raises Refused, or pydantic's ValidationError where it is more or less than one plan."""
    _refuse_monsters(query)
    if query.first is not None:
        raise Refused(QUALIFY)
    said = flattened(query, Scope(catalogue))
    query = of_one_condition(said)
    frame = frame_of(query, catalogue)
    scope = frame.scope
    labels = {item.label for item in query.items if item.label is not None}
    items = [_part(item, scope, labels) for item in query.items]
    groups = _groups(query, items, scope)
    measures = [item for item in items if item is not None and not isinstance(item, Group)]
    if not measures and groups:
        # SELECT DISTINCT, and GROUP BY without a measure: which categories there are is told by how many.
        measures.append(Count())
    if not measures:
        raise Refused("A query needs a measure: count(*), count(distinct person_id) or avg(column). Rows themselves are never shown.")
    bare = [_bare(group) for group in groups]
    if loose := [item for item in items if isinstance(item, Group) and _bare(item) not in bare]:
        raise Refused(f"{loose[0].column} is selected but not in GROUP BY: write GROUP BY {loose[0].column}.")
    refuse_own_groups(said, frame, groups)
    _shares_are_within(query, groups, frame)
    margins = _margins(query, groups)
    if margins and any(measure.takes_within for measure in measures):
        raise Refused("Shares and CUBE in one query: sum(…) OVER () would add the totals up again. Ask for totals in a query of their own.")
    _present(query, measures, frame)
    asked = _having(query, measures, items, scope)
    measures += [measure for measure, _, _ in asked if _bare(measure) not in map(_bare, measures)]
    firsts = frame.take_first_events()
    table = _table(frame, measures)
    cohort = cohort_of(frame.formulas, frame.dated)
    draft = Plan(
        table=table, joins=tuple(frame.joins), cohort=cohort, where=frame.where, group_by=groups, measures=tuple(measures), margins=margins,
        differences=_used(scope, frame, groups, measures), firsts=firsts,
    )  # fmt: skip
    having = tuple(Having.model_validate({"by": _named(measure, draft), "op": op, "value": value}) for measure, op, value in asked)
    order = tuple(order for term in query.order if (order := _order(term, draft, items, scope)) is not None)
    if not order and query.limit is None and not having:
        return draft
    return Plan(
        table=table, joins=draft.joins, cohort=cohort, where=draft.where, group_by=groups, measures=draft.measures, margins=margins,
        order_by=order, limit=query.limit, having=having, differences=draft.differences,
        firsts=firsts,
    )  # fmt: skip


def _used(scope: Scope, frame: Frame, groups: tuple[Group, ...], measures: list[Measure]) -> tuple[Difference, ...]:
    """The differences of dates that the question is about; a SELECT in brackets may name more."""
    named = names_used(groups, measures, frame.where)
    return tuple(one for one in scope.differences.values() if one.name in named)


def _refuse_monsters(query: Query) -> None:
    """Refuse what is far beyond one plan before it is looked at; the plan's own limits are narrower."""
    most = MAX_DIMENSIONS + MAX_MEASURES
    for said, parts in (("SELECT", query.items), ("GROUP BY", query.groups or ()), ("ORDER BY", query.order), ("FROM", query.joins)):
        if len(parts) > most:
            raise Refused(f"{said} has {len(parts):,} parts; a plan has at most {MAX_DIMENSIONS} dimensions and {MAX_MEASURES} measures.")
    if query.sets is not None and len(query.groups or ()) > MAX_DIMENSIONS:
        raise Refused(f"A plan has at most {MAX_DIMENSIONS} dimensions. {TOTALS}")


def _table(frame: Frame, measures: list[Measure]) -> str:
    """The plan's first table. Where all of FROM is a SELECT of persons, each row is a person of one of its tables."""
    if frame.tables:
        return frame.tables[0]
    tables = [table for relation in frame.scope.relations.values() if isinstance(relation, Members) for table in relation.tables]
    if not tables or not all(isinstance(measure, Count | Persons) for measure in measures):
        raise Refused(PERSONS)
    measures[:] = [Persons(label=measure.label) for measure in measures]
    return tables[0]


def _present(query: Query, measures: list[Measure], frame: Frame) -> None:
    """``count(column)`` counts the rows with a value: a condition, where nothing beside it counts other rows."""
    columns = {
        frame.scope.column(item.what.column, person_key=True)
        for item in query.items if isinstance(item.what, Aggregate) and item.what.present and isinstance(item.what.column, Name)
        if not _never_null(item.what.column, frame.scope)
    }  # fmt: skip
    if not columns:
        return
    others = [m for m in measures if not isinstance(m, Count) and not (isinstance(m, OfValues) and {m.column} == columns)]
    counts = [item for item in query.items if isinstance(item.what, Aggregate) and item.what.kind is MeasureKind.count]
    alone = all(item.what.present for item in counts if isinstance(item.what, Aggregate))
    if len(columns) > 1 or others or not alone:
        raise Refused(reason_of("count"))
    frame.terms.append(Not(term=Missing(column=columns.pop())))


def _never_null(name: Name, scope: Scope) -> bool:
    """Whether a column has a value on every row of the store: the key of persons, and a table's own key."""
    if scope.is_person_key(scope.target(name, person_key=True)):
        return True
    table, column = split(scope.column(name, person_key=True))
    return column.casefold() == f"{table}_id".casefold()


def _part(item: Item, scope: Scope, taken: set[str]) -> Part:
    """A selected expression: a dimension, or a measure, with its label. A label that SQL gives by itself is added to those ``taken``."""
    if item.label is not None and not LABEL.fullmatch(item.label):
        raise Refused("A label is a plain name of letters, digits and underscores: … AS n.")
    made, label = _made(item.what, scope), item.label
    if label is None and isinstance(item.what, Split) and isinstance(item.what.column, Name) and item.what.column.column not in taken:
        target = scope.target(item.what.column)
        named = isinstance(target, Looked) and target.column == "concept_name"
        if named or isinstance(target, Group) or (isinstance(target, str) and scope.is_difference(target)):
            label = item.what.column.column
            taken.add(label)
    return made.model_copy(update={"label": label}) if made is not None else None


def _made(what: What, scope: Scope) -> Part:
    match what:
        case Split():
            return _group(what, scope)
        case Cases():
            return case_of(what, scope)
        case Aggregate():
            return _measure(what, scope)
        case Extreme():
            raise Refused(_extreme(what, scope))
        case Numbered():
            raise Refused(RANKED)
        case Everything():
            raise Refused(ROWS)
        case Constant():
            return None


def _extreme(what: Extreme, scope: Scope) -> str:
    column, table = what.column.column, f"{what.column.table}." if what.column.table else ""
    meaning = scope.meaning(found) if isinstance(found := scope.target(what.column), str) else None
    if meaning is not None and (meaning.role is Role.date or meaning.type in (ColumnType.date, ColumnType.timestamp)):
        instead = f"group by date_trunc('year', {table}{column}), or see the days in the catalogue (tp.catalogue())"
    else:
        percent, words = ("0.05", "5th") if what.name == "min" else ("0.95", "95th")
        instead = f"use quantile_cont({table}{column}, {percent}), the {words} percentile"
    return f"{what.name}() {ONE_VALUE}; {instead}."


def _group(split_: Split, scope: Scope) -> Group:
    target = scope.target(split_.column)
    if isinstance(target, Group):
        if split_.bin is not None or split_.width is not None:
            raise Refused("What is binned in a SELECT in brackets is binned already.")
        return target
    column = scope.column(split_.column)
    # A number of kinds has no codes: each number is a bin.
    alone = split_.bin is None and split_.width is None and isinstance(target, OfMembers) and target.column == target.of.kinds
    return Group(column=column, bin=split_.bin, width=1 if alone else split_.width)


def _measure(said: Aggregate, scope: Scope) -> Measure:
    if said.kind is MeasureKind.count:
        return Count()
    persons = AGGREGATES[said.kind].of_persons
    column = _persons_column(said.column, scope) if persons and isinstance(said.column, Name) else None
    if said.column is not None and not persons:
        column = scope.column(said.column)
    other = scope.column(said.other) if said.other is not None else None
    within = tuple(dict.fromkeys(_group(part, scope).column for part in said.within))
    return measure_of(said.kind, column=column, other=other, percent=said.percent, within=within)


def _persons_column(name: Name, scope: Scope) -> str | None:
    """The key of persons that is counted; None where it is that of a SELECT of persons, which is the same person."""
    target = scope.target(name, person_key=True)
    return None if not isinstance(target, str) and scope.is_person_key(target) else scope.column(name, person_key=True)


def _groups(query: Query, items: list[Part], scope: Scope) -> tuple[Group, ...]:
    """The dimensions, in the order of the SELECT; those that are not selected come last."""
    selected = _once([item for item in items if isinstance(item, Group)])
    if query.groups is None or (query.groups == () and query.distinct):
        return tuple(selected)
    wanted: list[Group] = []
    for term in query.groups:
        part = _pointed(term, items, scope)
        if part is None:
            continue
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


def _once(groups: list[Group]) -> list[Group]:
    """A concept's code and its name are one dimension: the first stands for both."""
    found: dict[Group | Measure, Group] = {}
    for group in groups:
        found.setdefault(_bare(group), group)
    return list(found.values())


def _shares_are_within(query: Query, groups: tuple[Group, ...], frame: Frame) -> None:
    """Refuse a share whose PARTITION BY names what is not grouped exactly so, or whose text says more than persons of a whole.

    Summed over cells, persons who are in several cells count several times; the plan's share counts them once.
    """
    scope = frame.scope
    shares = [item.what for item in query.items if isinstance(item.what, Aggregate) and item.what.kind is MeasureKind.share]
    for share in shares:
        if share.of_rows and not _one_row_each(share.column, frame):
            raise Refused(SHARE)
        within = [_group(split_, scope) for split_ in share.within]
        for part in within:
            if [group for group in map(_bare, groups) if group.column == part.column] != [part]:
                raise Refused(f"A share is within dimensions that are grouped by, and {part.column} is not, or not so: add it to GROUP BY.")
        for group in groups:
            # The sum is over the categories of what PARTITION BY does not name.
            for column in scope.read_by(group.column):
                table = scope.known_table(split(column)[0])
                if _bare(group) not in within and table is not None and len(table.rows_per_person) > 2:
                    raise Refused(SHARE_OF_ROWS.format(column=group.column, table=table.name))


def _one_row_each(counted: Name | Days | None, frame: Frame) -> bool:
    """Whether the rows that are counted are persons: those of a table of persons, not of their events."""
    if isinstance(counted, Name) and not _never_null(counted, frame.scope):
        return False
    catalogue, tables = frame.scope.catalogue, [frame.scope.known_table(name) for name in frame.tables]
    return catalogue is not None and all(
        table is not None and catalogue.home(table) is None and len(table.rows_per_person) <= 2 for table in tables
    )


def _having(query: Query, measures: list[Measure], items: list[Part], scope: Scope) -> list[tuple[Measure, str, float]]:
    """The conditions on the released table: a measure, how it is compared, and with what."""
    if query.having is None:
        return []
    asked: list[tuple[Measure, str, float]] = []
    for part in _ends(flat(Every(terms=(query.having,)))):
        said, op, value = _comparison(part)
        found = _pointed(Split(column=said) if isinstance(said, Name) else said, items, scope)
        if found is None or isinstance(found, Group):
            raise Refused(HAVING)
        asked.append((found, op, value))
    return asked


def _ends(parts: list[Condition]) -> Iterator[Condition]:
    """The parts, with BETWEEN as its two ends."""
    for part in parts:
        if isinstance(part, Between) and isinstance(part.column, Name | Aggregate):
            yield Compared(op=">=", left=part.column, right=part.low)
            yield Compared(op="<=", left=part.column, right=part.high)
        else:
            yield part


def _comparison(part: Condition) -> tuple[Name | Aggregate, str, float]:
    if not isinstance(part, Compared):
        raise Refused(HAVING)
    op, said, value = part.op, part.left, part.right
    if isinstance(value, Name | Aggregate):
        op, said, value = MIRRORED.get(op, op), value, said
    if not isinstance(said, Name | Aggregate) or isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(HAVING)
    return said, op, float(value)


def _named(measure: Measure, draft: Plan) -> str:
    names = draft.names[len(draft.group_by) :]
    exact = [name for name, own in zip(names, draft.measures, strict=True) if own == measure]
    return exact[0] if exact else next(name for name, own in zip(names, draft.measures, strict=True) if _bare(own) == _bare(measure))


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


def _pointed(term: Term, items: list[Part], scope: Scope) -> Part:
    """The part of the result that a term of GROUP BY or ORDER BY means: by position, by label, or written out."""
    if isinstance(term, Position):
        if not 1 <= term.place <= len(items):
            raise Refused(f"Position {term.place} is not in the SELECT list.")
        return items[term.place - 1]
    if isinstance(term, Split):
        name = term.column
        plain = isinstance(name, Name) and name.table is None and term.bin is None and term.width is None
        label = name.column.casefold() if plain and isinstance(name, Name) else None
        if label and (found := [item for item in items if item and item.label and item.label.casefold() == label]):
            return found[0]
        return _group(term, scope)
    return _made(term, scope)


def _order(term: Sorted, draft: Plan, items: list[Part], scope: Scope) -> Order | None:
    part = _pointed(term.by, items, scope)
    if part is None:
        return None
    parts = draft.parts
    same = [name for name, own in zip(draft.names, parts, strict=True) if own == part]
    same = same or [name for name, own in zip(draft.names, parts, strict=True) if _bare(own) == _bare(part)]
    if not same:
        raise Refused("ORDER BY takes a column of the result: its name, its label or its position.")
    return Order(by=same[0], descending=term.descending)


def _bare(part: Group | Measure) -> Group | Measure:
    return part.model_copy(update={"label": None})
