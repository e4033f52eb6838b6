"""A SELECT around one that groups, where it only chooses, names and sorts the released columns: the inner one, with that done.

``SELECT c.concept_name, g.n FROM (SELECT code, count(*) AS n FROM t GROUP BY code) g JOIN concept c ON c.concept_id = g.code ORDER BY g.n``
"""

from dataclasses import replace

from twinpane_broker.aggregates.registry import AGGREGATES
from twinpane_broker.errors import Refused

from .refusals import DERIVED
from .said import Aggregate, Compared, Condition, Every, Everything, Item, Joined, Name, Query, Side, Source, Split, Term
from .scope import Scope
from .where import flat


def flattened(query: Query, scope: Scope) -> Query:
    """The one SELECT that says the same; the query itself where it is another."""
    inner, alias = _grouped(query)
    if inner is None or query.groups != () or query.sets is not None or query.distinct or query.having is not None:
        return query
    if any(isinstance(item.what, Aggregate) for item in query.items):
        return query
    if inner.limit is not None or inner.sets is not None or inner.first is not None:
        raise Refused(DERIVED)
    chosen = _Chosen(inner, alias, scope)
    shares = any(isinstance(item.what, Aggregate) and AGGREGATES[item.what.kind].takes_within for item in inner.items)
    if query.joins and shares:
        raise Refused(DERIVED)
    asked = flat(Every(terms=(query.where,))) if query.where is not None else []
    having = tuple(map(chosen.condition, asked)) + ((inner.having,) if inner.having is not None else ())
    return replace(
        inner,
        joins=(*inner.joins, *map(chosen.join, query.joins)),
        items=tuple(item for each in query.items for item in chosen.items(each)),
        having=Every(terms=having) if having else None,
        order=tuple(replace(term, by=chosen.told(term.by)) for term in query.order),
        limit=query.limit,
        named=(*query.named, *inner.named),
    )


def _grouped(query: Query) -> tuple[Query | None, str]:
    """The SELECT in FROM if it groups and counts, and its alias."""
    source = query.source
    named = {name.casefold(): inner for name, inner in query.named}
    if isinstance(source, Source):
        inner, alias = named.get(source.table.casefold()), source.alias or source.table
    else:
        inner, alias = source.query, source.alias or ""
    counts = inner is not None and any(isinstance(item.what, Aggregate) for item in inner.items)
    return (inner if counts else None), alias.casefold()


class _Chosen:
    """The columns of the inner SELECT, by name."""

    def __init__(self, inner: Query, alias: str, scope: Scope) -> None:
        self._alias, self._scope = alias, scope
        self._columns: dict[str, Item] = {}
        for item in inner.items:
            own = item.what.column if isinstance(item.what, Split) else None
            name = item.label or (own.column if isinstance(own, Name) else "")
            self._columns[name.casefold()] = item

    def _item(self, name: Name) -> Item | None:
        if name.table is not None and name.table.casefold() != self._alias:
            return None
        return self._columns.get(name.column.casefold())

    def items(self, item: Item) -> list[Item]:
        """What an item of the outer SELECT is in the inner one."""
        what = item.what
        if isinstance(what, Everything):
            return list(self._columns.values())
        if isinstance(what, Split) and isinstance(what.column, Name) and what.bin is None and what.width is None:
            found = self._item(what.column)
            return [replace(found, label=item.label or found.label) if found is not None else item]
        raise Refused(DERIVED)

    def told(self, term: Term) -> Term:
        """A column to sort by, without the inner SELECT's alias."""
        if not isinstance(term, Split) or not isinstance(term.column, Name) or self._item(term.column) is None:
            return term
        return replace(term, column=Name(term.column.column))

    def condition(self, condition: Condition) -> Condition:
        """A condition on a released measure, which is one of HAVING."""
        if not isinstance(condition, Compared):
            raise Refused(DERIVED)
        return replace(condition, left=self._measure(condition.left), right=self._measure(condition.right))

    def _measure(self, side: Side) -> Side:
        if not isinstance(side, Name):
            return side
        found = self._item(side)
        if found is None or not isinstance(found.what, Aggregate):
            raise Refused(DERIVED)
        return found.what

    def join(self, join: Joined) -> Joined:
        """The names of concepts, joined to a column of the inner SELECT, as a join inside it. Any other table would count its rows."""
        on, name = join.on, join.source.table if isinstance(join.source, Source) else ""
        if not isinstance(on, Compared) or on.op != "=" or name.casefold() != "concept" or not self._scope.is_vocabulary(name):
            raise Refused(DERIVED)
        return replace(join, on=replace(on, left=self._key(on.left), right=self._key(on.right)))

    def _key(self, side: Side) -> Side:
        found = self._item(side) if isinstance(side, Name) else None
        if found is None:
            return side
        what = found.what
        if not isinstance(what, Split) or not isinstance(what.column, Name) or what.bin is not None or what.width is not None:
            raise Refused(DERIVED)
        return what.column
