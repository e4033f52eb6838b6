"""A SELECT's FROM and WHERE, read, and what it gives to the SELECT around it: persons, or rows and columns."""

from dataclasses import dataclass, field

from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.errors import Refused
from twinpane_broker.question.cohort import Event, Times
from twinpane_broker.question.firsts import First
from twinpane_broker.question.plan import Group, Join, split
from twinpane_broker.question.predicates import Predicate, leaves

from .case_arms import case_of
from .members import Both, Formula, Happens, Members
from .refusals import DERIVED, FIRST_VALUE, KEYS, KINDS, LAST, PAIRED, PER_PERSON, PERSONS, QUALIFY, RANKED
from .said import Aggregate, Cases, Compared, Everything, Extreme, Item, Name, Numbered, Position, Query, Split, Term
from .scope import OfMembers, Scope, View
from .where import conjoined


@dataclass
class Frame:
    """A SELECT's FROM and WHERE, read."""

    scope: Scope
    tables: list[str] = field(default_factory=list)
    """The catalogue's tables, those of looked-through SELECTs too."""
    joins: list[Join] = field(default_factory=list)
    terms: list[Predicate] = field(default_factory=list)
    formulas: list[Formula] = field(default_factory=list)
    members: list[Members] = field(default_factory=list)
    """The SELECTs of persons that are joined."""
    correlated: bool = False
    """Whether its persons are those of the SELECT around it."""

    @property
    def where(self) -> Predicate | None:
        """All conditions on rows."""
        return conjoined(self.terms) if self.terms else None

    @property
    def dated(self) -> list[Members]:
        """The SELECTs of persons whose day is asked about, and nothing more."""
        return [one for one in self.members if one.windows and not one.counted]

    def take_first_events(self) -> tuple[First, ...]:
        """Make tables of the first events whose days group or are counted from, joined by the key of persons; these come last."""
        firsts: dict[str, First] = {}
        for one in self.members:
            if not one.counted:
                continue
            first = one.as_table
            self.terms += [window.model_copy(update={"column": first.day}) for window in one.windows]
            # That such an event happened is said by the join.
            happened = Happens(first.event.model_copy(update={"date": None}))
            self.formulas = [formula for formula in self.formulas if formula != happened]
            if firsts.get(first.name, first) != first:
                raise Refused(FIRST_VALUE)
            if first.name not in firsts:
                firsts[first.name] = first
                key = split(self.scope.person_key(first.event.table))[1]
                if self.tables:
                    self.joins.append(Join(table=first.name, left=self._person_key, right=f"{first.name}.{key}"))
                self.tables.append(first.name)
        return tuple(firsts.values())

    @property
    def _person_key(self) -> str:
        """That of the first table, which may be a first event."""
        first = next((one.as_table for one in self.members if one.counted and one.as_table.name == self.tables[0]), None)
        table = self.tables[0]
        return self.scope.person_key(table) if first is None else f"{table}.{split(self.scope.person_key(first.event.table))[1]}"

    def join(self, between: list[tuple[str, str]]) -> None:
        """Joins from each table to an earlier one. Beside another key, that of persons says nothing: rows join within one person only."""
        known = [self.tables[0]] if self.tables else []
        done = {join.table for join in self.joins}
        for table in self.tables[1:]:
            keys = []
            for one, other in between:
                left, right = (one, other) if split(other)[0] == table else (other, one)
                if split(right)[0] == table and split(left)[0] in known:
                    keys.append((left, right))
            if not keys and table not in done:
                raise Refused(f"{KEYS} {table[:63]} is joined to nothing before it (a CROSS JOIN).")
            own = [pair for pair in keys if not all(self.scope.is_person_key(each) for each in pair)] or keys[:1]
            if len(own) > 1:
                raise Refused(KEYS)
            self.joins += [Join(table=table, left=left, right=right) for left, right in own if table not in done]
            known.append(table)
        used = {(join.left, join.right) for join in self.joins}
        for one, other in between:
            persons = self.scope.is_person_key(one) and self.scope.is_person_key(other)
            if not persons and (one, other) not in used and (other, one) not in used:
                raise Refused(KEYS)
        self.joins.sort(key=lambda join: self.tables.index(join.table))


def members_of(query: Query, frame: Frame, *, any_rows: bool = False, only_key: bool = True) -> Members | None:
    """The persons that a SELECT gives, where it gives each once (or where ``any_rows`` does not matter); None if it gives other rows.

    Of ``any_rows`` it has no columns but the key, or their number and day, unless ``only_key`` is false: nothing asks about the others.
    """
    scope = frame.scope
    key, day, rank, first = "", "", "", None
    others = 0
    for item in query.items:
        what = item.what
        if isinstance(what, Split) and isinstance(what.column, Name) and what.bin is None and what.width is None:
            target = scope.target(what.column, person_key=True)
            label = (item.label or what.column.column).casefold()
            if scope.is_person_key(target):
                key = label
                continue
        others += 1
        if isinstance(what, Everything) and not only_key and frame.tables:
            key = key or split(scope.person_key(frame.tables[0]))[1].casefold()
        if isinstance(what, Extreme) and what.name == "min":
            day, first = (item.label or "").casefold(), scope.column(what.column)
        elif isinstance(what, Extreme):
            raise Refused(LAST)
        elif isinstance(what, Numbered):
            rank = (item.label or "").casefold()
    if not key or (any_rows and only_key and others and not rank and not day):
        return None
    if query.groups is None or (query.groups == () and query.having is not None):
        raise Refused(DERIVED)
    if query.first is not None and query.groups:
        raise Refused(QUALIFY)
    if query.groups:
        if not all(_is_key(_term(term, query), scope) for term in query.groups):
            return None
        if (kinds := _kinds(query, scope)) and others == 1:
            label, column = kinds
            return Members(_counted(query, frame), key, _event(frame, column), kinds=label, of_kinds=split(column)[1])
        if others > bool(day):
            if any(isinstance(item.what, Aggregate) for item in query.items):
                raise Refused(PER_PERSON)
            return None
        return Members(_counted(query, frame), key, _first(frame, first), day)
    if rank or query.first is not None:
        return _numbered(query, frame, key, rank)
    once = query.distinct and not others
    if once or any_rows or (not frame.tables and not others):
        return Members(formula_of(frame), key)
    return None


def _term(term: Term, query: Query) -> Term:
    """A term of GROUP BY, looked up where it is a place in the SELECT."""
    known = isinstance(term, Position) and 1 <= term.place <= len(query.items)
    return query.items[term.place - 1].what if known and isinstance(term, Position) else term


def _is_key(term: Term, scope: Scope) -> bool:
    """Whether a term is the key of persons."""
    return isinstance(term, Split) and scope.is_person_key(scope.target(term.column, person_key=True))


def _numbered(query: Query, frame: Frame, key: str, rank: str) -> Members:
    """Each person's first row, by its number: where that is asked to be 1, here (QUALIFY) or in the SELECT around."""
    scope = frame.scope
    here = query.first if isinstance(query.first, Numbered) else None
    numbered, *more = [*([here] if here is not None else []), *(item.what for item in query.items if isinstance(item.what, Numbered))]
    if isinstance(query.first, Name) and query.first.column.casefold() != rank:
        raise Refused(RANKED)
    if more or len(numbered.by) != 1 or not scope.is_person_key(scope.target(numbered.by[0], person_key=True)):
        raise Refused(RANKED)
    ordered = scope.column(numbered.order[0])
    days = [
        (item.label or item.what.column.column).casefold()
        for item in query.items
        if isinstance(item.what, Split) and isinstance(item.what.column, Name) and item.what.bin is None and item.what.width is None
        if scope.target(item.what.column) == ordered
    ]
    values, ties = _values(query, scope), tuple(split(scope.column(name))[1] for name in numbered.order[1:])
    return Members(
        formula_of(frame), key, _first(frame, ordered), days[0] if days else "", rank, chosen=query.first is not None,
        values={label: split(column)[1] for label, column in values.items() if column != ordered}, ties=ties,
    )  # fmt: skip


def _values(query: Query, scope: Scope) -> dict[str, str]:
    """The plain columns of a SELECT but the key, by name."""
    found = {}
    for item in query.items:
        what = item.what
        if isinstance(what, Split) and isinstance(what.column, Name) and what.bin is None and what.width is None:
            target = scope.target(what.column, person_key=True)
            if isinstance(target, str) and not scope.is_person_key(target) and not scope.is_difference(target):
                found[(item.label or what.column.column).casefold()] = target
    return found


def _kinds(query: Query, scope: Scope) -> tuple[str, str] | None:
    """Name and column of ``count(distinct column)`` of another column than the key of persons."""
    for item in query.items:
        what = item.what
        if isinstance(what, Aggregate) and what.kind is MeasureKind.persons and isinstance(what.column, Name) and item.label:
            column = scope.column(what.column, person_key=True)
            return None if scope.is_person_key(column) else (item.label.casefold(), column)
    return None


def _first(frame: Frame, day: str | None) -> Event | None:
    """The first event of a SELECT from one table."""
    event = _event(frame, day) if day is not None else None
    return event.model_copy(update={"date": split(day)[1], "first": True}) if event is not None and day is not None else None


def _event(frame: Frame, column: str) -> Event | None:
    """The events of a SELECT from the one table that the column is of."""
    if len(frame.tables) != 1 or frame.formulas or split(column)[0] != frame.tables[0]:
        return None
    return Event(table=frame.tables[0], where=frame.where)


def _counted(query: Query, frame: Frame) -> Formula:
    """Persons with so many rows, where HAVING asks for a number."""
    if query.having is None:
        return formula_of(frame)
    having = query.having
    if isinstance(having, Compared) and isinstance(having.left, Aggregate) and isinstance(having.left.column, Name):
        column = frame.scope.column(having.left.column, person_key=True)
        if having.left.kind is MeasureKind.persons and not frame.scope.is_person_key(column):
            table, name = split(column)
            raise Refused(KINDS.format(column=name, table=table, number=having.right if isinstance(having.right, int) else 5))
    counts = isinstance(having, Compared) and isinstance(having.left, Aggregate) and having.left == COUNT
    if not isinstance(having, Compared) or not counts or not isinstance(having.right, int) or isinstance(having.right, bool):
        raise Refused("HAVING in a SELECT of persons is count(*) >= a whole number.")
    if len(frame.tables) != 1:
        raise Refused(PERSONS)
    (table,) = frame.tables
    event, at = Event(table=table, where=frame.where), having.right
    found: dict[str, tuple[Times, int]] = {
        ">=": (Times.at_least, at), ">": (Times.at_least, at + 1), "=": (Times.exactly, at), "<": (Times.at_most, at - 1),
        "<=": (Times.at_most, at),
    }  # fmt: skip
    if having.op not in found or not 0 < at < 100:
        raise Refused("HAVING in a SELECT of persons is count(*) >= a whole number.")
    times, count = found[having.op]
    one = () if times is not Times.at_most else (Happens(event),)
    return Both((Happens(event, count, times), *one, *frame.formulas))


COUNT = Aggregate(kind="count")  # type: ignore[arg-type]


def formula_of(frame: Frame) -> Formula:
    """The persons with a row in every table of a SELECT."""
    if any(one.windows or one.counted for one in frame.members):
        raise Refused("The day of a first event is compared in the outer SELECT alone.")
    for join in frame.joins:
        if not (frame.scope.is_person_key(join.left) and frame.scope.is_person_key(join.right)):
            raise Refused(f"{PERSONS} Its tables are joined by the key of persons.")
    by_table: dict[str, list[Predicate]] = {table: [] for table in frame.tables}
    for term in frame.terms:
        tables = {split(leaf.column)[0] for leaf in leaves(term)}
        if any(frame.scope.is_difference(leaf.column) for leaf in leaves(term)):
            raise Refused(PAIRED)
        if len(tables) != 1:
            raise Refused(f"{PERSONS} Each of its conditions is about one table.")
        by_table[tables.pop()].append(term)
    events = [Happens(Event(table=table, where=conjoined(terms) if terms else None)) for table, terms in by_table.items()]
    every = (*events, *frame.formulas)
    if not every:
        raise Refused(PERSONS)
    return every[0] if len(every) == 1 else Both(every)


def view_of(items: tuple[Item, ...], scope: Scope) -> View:
    """What the columns of a SELECT that only chooses rows and columns mean."""
    view = View()
    for item in items:
        what = item.what
        if isinstance(what, Everything):
            view.whole = scope
        elif isinstance(what, Split):
            target = scope.target(what.column)
            name = (item.label or (what.column.column if isinstance(what.column, Name) else "")).casefold()
            if not name:
                continue
            if what.bin is None and what.width is None:
                view.columns[name] = target
            elif isinstance(target, str | OfMembers) and item.label:
                view.columns[name] = Group(column=scope.column(what.column), bin=what.bin, width=what.width)
        elif isinstance(what, Cases) and item.label:
            view.columns[item.label.casefold()] = case_of(what, scope)
        else:
            raise Refused(DERIVED)
    return view
