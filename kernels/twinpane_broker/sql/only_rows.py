"""Aggregates of the rows that meet a condition, where all of a SELECT are of the same rows: the condition is one of WHERE."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import Group

from .frame import Frame
from .refusals import SOME_ROWS
from .said import Aggregate, Compared, Condition, Every, Name, Query
from .where import flat

MOST = 150
"""Characters of a condition that a message repeats."""


def of_one_condition(query: Query) -> Query:
    """The SELECT with the condition of its aggregates in WHERE; raises Refused where they are not all of the same rows."""
    asked = [item.what for item in query.items if isinstance(item.what, Aggregate)]
    some = next((one for one in asked if one.only is not None), None)
    if some is None or some.only is None:
        return query
    others = [*asked, *(term.by for term in query.order if isinstance(term.by, Aggregate)), *_in_having(query.having)]
    if any(one.only != some.only for one in others):
        raise Refused(_of_some(some.asked))
    items = tuple(replace(item, what=replace(item.what, only=None)) if isinstance(item.what, Aggregate) else item for item in query.items)
    order = tuple(replace(term, by=replace(term.by, only=None)) if isinstance(term.by, Aggregate) else term for term in query.order)
    where = some.only if query.where is None else Every(terms=(query.where, some.only))
    return replace(query, items=items, order=order, where=where)


def refuse_own_groups(query: Query, frame: Frame, groups: tuple[Group, ...]) -> None:
    """Refuse such a condition on what is grouped by: it would leave out the groups of which the text says 0."""
    some = next((item.what for item in query.items if isinstance(item.what, Aggregate) and item.what.only is not None), None)
    grouped = {group.column for group in groups}
    if some is not None and any(frame.scope.target(name, person_key=True) in grouped for name in _names(some.only)):
        raise Refused(_of_some(some.asked))


def _names(part: object) -> Iterator[Name]:
    """The columns that a condition names."""
    if isinstance(part, Name):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from _names(each)
    elif is_dataclass(part) and not isinstance(part, Query):
        for each in fields(part):
            yield from _names(getattr(part, each.name))


def _of_some(asked: str) -> str:
    return SOME_ROWS.format(asked=asked if len(asked) <= MOST else "condition")


def _in_having(having: Condition | None) -> list[Aggregate]:
    parts = flat(Every(terms=(having,))) if having is not None else []
    return [side for part in parts if isinstance(part, Compared) for side in (part.left, part.right) if isinstance(side, Aggregate)]
