"""FROM and WHERE of a SELECT: the tables and keys of a plan, its conditions, and which persons it is about.

A SELECT in brackets, or in WITH, is looked through: one that only chooses rows and columns becomes tables and conditions of the plan; one
that gives each person once becomes a formula of events. What is neither is refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.errors import Refused
from twinpane_broker.question.cohort import Event, Indexed, Times
from twinpane_broker.question.plan import Group, Join, split
from twinpane_broker.question.predicates import In, Missing, Not, Predicate, Window, leaves

from .cases import case_of
from .members import Both, Formula, Happens, Members, NotSo, OneOf
from .refusals import COLUMNS, CONCEPT, DERIVED, KEYS, LEFT, MIXED, PERSONS, RANKED
from .said import (
    Aggregate,
    Belongs,
    Cases,
    Compared,
    Condition,
    Derived,
    Either,
    Every,
    Everything,
    Extreme,
    IsNull,
    Item,
    Joined,
    Name,
    Negated,
    Numbered,
    Query,
    Source,
    Split,
    YearOf,
)
from .scope import Looked, OfMembers, Scope, Target, View, Vocabulary
from .where import conjoined, flat, predicate_of

MAX_LINKS = 40
"""Equalities of columns in one SELECT."""
MAX_SELECTS = 40
"""SELECTs that are looked through for one plan; one of a WITH counts each time it is named."""


@dataclass(frozen=True)
class Named:
    """A SELECT of a WITH, and those that it knows itself, by casefolded name."""

    query: Query
    knows: Mapping[str, "Named"]


@dataclass
class Reader:
    """What all SELECTs of one text share: the catalogue, and how many may still be looked through."""

    catalogue: Catalogue | None
    left: int = MAX_SELECTS

    def frame(self, query: Query, named: Mapping[str, Named], outer: Scope | None = None) -> "Frame":
        """FROM and WHERE of a query; raises Refused for what a plan cannot say."""
        self.left -= 1
        if self.left < 0:
            raise Refused(f"A query has at most {MAX_SELECTS} SELECTs, those of a WITH each time they are named.")
        known = dict(named)
        for name, inner in query.named:
            known[name.casefold()] = Named(inner, dict(known))
        return _Reading(query, known, Scope(self.catalogue, outer), self).frame()


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
        """The SELECTs of persons whose day is asked about."""
        return [one for one in self.members if one.windows]


def frame_of(query: Query, catalogue: Catalogue | None) -> Frame:
    """FROM and WHERE of a query; raises Refused for what a plan cannot say."""
    return Reader(catalogue).frame(query, {})


class _Reading:
    """One SELECT while it is read."""

    def __init__(self, query: Query, named: Mapping[str, Named], scope: Scope, reader: Reader) -> None:
        self._query, self._named, self._scope, self._reader = query, named, scope, reader
        self._frame = Frame(scope)
        self._links: list[tuple[Target, Target]] = []
        self._linked: list[Members] = []

    def frame(self) -> Frame:
        """The SELECT, read."""
        query = self._query
        self._enter(query.source)
        conditions: list[Condition] = []
        outer: list[tuple[Joined, str]] = []
        for join in query.joins:
            before = dict(self._scope.relations)
            alias = self._enter(join.source, joined=not join.outer)
            if isinstance(join.on, str):
                left = self._scope.named(join.on, within=before)
                right = self._scope.named(join.on, within={alias: self._scope.relations[alias]})
                if join.outer and not self._is_lookup(alias):
                    if not (self._scope.is_person_key(left) and self._scope.is_person_key(right)):
                        raise Refused(LEFT)
                    outer.append((replace(join, on=None), alias))
                else:
                    self._links.append((left, right))
            elif join.outer and not self._is_lookup(alias):
                outer.append((join, alias))
            elif join.on is not None:
                if join.outer and any(not _is_link(part) for part in flat(Every(terms=(join.on,)))):
                    raise Refused(LEFT)
                conditions += flat(Every(terms=(join.on,)))
        conditions += flat(Every(terms=(query.where,))) if query.where is not None else []
        for join, alias in outer:
            conditions = self._anti(join, alias, conditions)
        self._split_links(conditions)
        self._join()
        for condition in conditions:
            self._condition(condition)
        for members in self._frame.members:
            if members.rank and not members.chosen:
                raise Refused(RANKED)
        self._check_vocabulary()
        return self._frame

    def _check_vocabulary(self) -> None:
        """Rows of concept_ancestor that are joined must be those of one concept: of several, they would count rows twice."""
        for relation in self._scope.relations.values():
            if isinstance(relation, Vocabulary) and relation.name == "concept_ancestor":
                told = [term for term in self._frame.terms if isinstance(term, In) and term.descendants and term.column == relation.column]
                if not any(len(term.codes) == 1 for term in told):
                    raise Refused(CONCEPT)

    # ------------------------------------------------------------ FROM

    def _enter(self, source: Source | Derived, *, joined: bool = True) -> str:
        """Bring a relation into play; returns its alias, casefolded."""
        if isinstance(source, Source) and source.table.casefold() in self._named:
            named = self._named[source.table.casefold()]
            return self._derived(named.query, source.alias or source.table, named.knows)
        if isinstance(source, Derived):
            return self._derived(source.query, source.alias or f" {len(self._scope.relations)}", self._named)
        alias = (source.alias or source.table).casefold()
        if self._scope.is_vocabulary(source.table):
            self._scope.enter(alias, Vocabulary(source.table.casefold(), outer=not joined))
            return alias
        table = self._scope.table_name(source.table)
        if joined and table in self._frame.tables:
            raise Refused(f"{table[:63]} is used twice; a plan uses a table once.")
        self._scope.enter(alias, table)
        if joined:
            self._frame.tables.append(table)
        return alias

    def _derived(self, query: Query, alias: str, named: Mapping[str, Named]) -> str:
        alias = alias.casefold()
        if query.order or query.limit is not None or query.sets is not None:
            raise Refused(DERIVED)
        inner = self._reader.frame(query, named)
        members = members_of(query, inner)
        if members is not None:
            self._scope.enter(alias, members)
            self._frame.members.append(members)
            return alias
        if query.groups != () or query.having is not None or query.distinct or inner.correlated:
            raise Refused(DERIVED)
        self._scope.enter(alias, _view(query.items, inner.scope))
        if any(table in self._frame.tables for table in inner.tables):
            raise Refused(f"{inner.tables[0][:63]} is used twice; a plan uses a table once.")
        self._frame.tables += inner.tables
        self._frame.joins += inner.joins
        self._frame.terms += inner.terms
        self._frame.formulas += inner.formulas
        self._frame.members += inner.members
        return alias

    def _is_lookup(self, alias: str) -> bool:
        relation = self._scope.relations[alias]
        return isinstance(relation, Vocabulary) and relation.name == "concept"

    # ------------------------------------------------------------ keys

    def _split_links(self, conditions: list[Condition]) -> None:
        """Take the equalities of two columns out of the conditions."""
        for condition in list(conditions):
            if isinstance(condition, Compared) and isinstance(condition.left, Name) and isinstance(condition.right, Name):
                if condition.op != "=":
                    raise Refused(COLUMNS)
                conditions.remove(condition)
                one, other = self._scope.target(condition.left), self._scope.target(condition.right)
                if self._scope.owns(condition.left) and self._scope.owns(condition.right):
                    self._links.append((one, other))
                elif self._scope.is_person_key(one) and self._scope.is_person_key(other):
                    self._frame.correlated = True
                else:
                    raise Refused(PERSONS)
        if len(self._links) > MAX_LINKS:
            raise Refused(KEYS)

    def _join(self) -> None:
        """Make joins of the links, in the order of the tables; bind what is looked through."""
        between: list[tuple[str, str]] = []
        for one, other in self._links:
            if isinstance(other, Looked) and not isinstance(one, Looked):
                one, other = other, one
            if isinstance(one, Looked):
                self._bind(one, other)
            elif isinstance(one, OfMembers) or isinstance(other, OfMembers):
                self._same_persons(one, other)
            elif isinstance(one, str) and isinstance(other, str):
                if split(one)[0] == split(other)[0]:
                    raise Refused(COLUMNS)
                between.append((one, other))
            else:
                raise Refused(KEYS)
        self._ordered(between)
        for relation in self._scope.relations.values():
            if isinstance(relation, Members):
                if relation not in self._linked and len(self._scope.relations) > 1:
                    raise Refused(KEYS)
                self._frame.formulas.append(relation.formula)
            if isinstance(relation, Vocabulary) and relation.column is None and self._scope.tables:
                raise Refused(f"{relation.name} is joined to a column of concepts: JOIN {relation.name} ON … = table.…_concept_id.")

    def _bind(self, looked: Looked, other: Target) -> None:
        told = "concept_id" if looked.of.name == "concept" else "descendant_concept_id"
        if looked.column != told or not isinstance(other, str) or looked.of.column is not None:
            raise Refused(f"{looked.of.name} is joined on its {told} alone, to a column of concepts of one table.")
        looked.of.column = other
        meaning = self._scope.meaning(other)
        if looked.of.name == "concept" and not looked.of.outer and meaning is not None and meaning.missing > 0:
            # An inner join leaves out the rows without a concept.
            self._frame.terms.append(Not(term=Missing(column=other)))

    def _same_persons(self, one: Target, other: Target) -> None:
        scope = self._scope
        if not (scope.is_person_key(one) and scope.is_person_key(other)):
            raise Refused("A SELECT of persons is joined on the key of persons alone.")
        for target in (one, other):
            if isinstance(target, OfMembers):
                self._linked.append(target.of)

    def _ordered(self, between: list[tuple[str, str]]) -> None:
        """Joins from each table to an earlier one. Beside another key, that of persons says nothing: rows join within one person only."""
        known = [self._frame.tables[0]] if self._frame.tables else []
        done = {join.table for join in self._frame.joins}
        for table in self._frame.tables[1:]:
            keys = []
            for one, other in between:
                left, right = (one, other) if split(other)[0] == table else (other, one)
                if split(right)[0] == table and split(left)[0] in known:
                    keys.append((left, right))
            if not keys and table not in done:
                raise Refused(f"{KEYS} {table[:63]} is joined to nothing before it (a CROSS JOIN).")
            own = [pair for pair in keys if not all(self._scope.is_person_key(each) for each in pair)] or keys[:1]
            if len(own) > 1:
                raise Refused(KEYS)
            self._frame.joins += [Join(table=table, left=left, right=right) for left, right in own if table not in done]
            known.append(table)
        used = {(join.left, join.right) for join in self._frame.joins}
        for one, other in between:
            persons = self._scope.is_person_key(one) and self._scope.is_person_key(other)
            if not persons and (one, other) not in used and (other, one) not in used:
                raise Refused(KEYS)
        self._frame.joins.sort(key=lambda join: self._frame.tables.index(join.table))

    # ------------------------------------------------------------ LEFT JOIN … IS NULL

    def _anti(self, join: Joined, alias: str, conditions: list[Condition]) -> list[Condition]:
        """Persons without a row in a table: LEFT JOIN, and WHERE its key IS NULL."""
        relation = self._scope.relations[alias]
        nulls = [one for one in conditions if isinstance(one, IsNull) and self._is_of(one.column, alias)]
        if not nulls or isinstance(relation, Vocabulary | View):
            raise Refused(LEFT)
        for null in nulls:
            target = self._scope.target(null.column)
            own = isinstance(target, str) and target.casefold() == f"{relation}.{relation}_id".casefold()
            if not (self._scope.is_person_key(target) or own):
                raise Refused(LEFT)
        kept: list[Condition] = []
        on = join.on if not isinstance(join.on, str) else None
        linked = on is None
        for part in flat(Every(terms=(on,))) if on is not None else []:
            if _is_link(part) and isinstance(part, Compared) and isinstance(part.left, Name) and isinstance(part.right, Name):
                targets = [self._scope.target(name) for name in (part.left, part.right)]
                own_side = [_is_in(target, relation) for target in targets]
                if not all(map(self._scope.is_person_key, targets)) or sum(own_side) != 1:
                    raise Refused(LEFT)
                linked = True
            else:
                kept.append(part)
        if not linked:
            raise Refused(LEFT)
        if isinstance(relation, Members):
            if kept:
                raise Refused(LEFT)
            self._frame.members = [one for one in self._frame.members if one is not relation]
            self._frame.formulas.append(NotSo(relation.formula))
        elif isinstance(relation, str):
            alone = Scope(self._scope.catalogue)
            alone.enter(alias, relation)
            terms = [predicate_of(part, alone) for part in kept]
            self._frame.formulas.append(NotSo(Happens(Event(table=relation, where=conjoined(terms) if terms else None))))
        del self._scope.relations[alias]
        return [one for one in conditions if one not in nulls]

    def _is_of(self, name: Name, alias: str) -> bool:
        return name.table is not None and name.table.casefold() == alias

    # ------------------------------------------------------------ WHERE

    def _condition(self, condition: Condition) -> None:
        if self._of_lists(condition) or not list(_selects(condition)):
            if not self._of_first(condition):
                self._frame.terms.append(predicate_of(condition, self._scope, self._listed))
            return
        self._frame.formulas.append(self._formula(condition))

    def _formula(self, condition: Condition) -> Formula:
        """A condition on persons."""
        match condition:
            case Belongs() if not self._of_lists(condition):
                return self._belongs(condition)
            case Negated():
                return NotSo(self._formula(condition.term))
            case Every():
                return Both(tuple(self._formula(part) for part in condition.terms))
            case Either():
                return OneOf(tuple(self._formula(part) for part in condition.terms))
        raise Refused(MIXED)

    def _belongs(self, condition: Belongs) -> Formula:
        if condition.column is None:
            inner = self._reader.frame(condition.query, self._named, self._scope)
            if not inner.correlated or condition.query.groups != () or condition.query.having is not None:
                raise Refused(PERSONS)
            return formula_of(inner)
        if not self._scope.is_person_key(self._scope.target(condition.column, person_key=True)):
            raise Refused(PERSONS)
        inner = self._reader.frame(condition.query, self._named)
        members = members_of(condition.query, inner, any_rows=True)
        if members is None or (members.rank and not members.chosen):
            raise Refused(PERSONS)
        return members.formula

    def _of_lists(self, condition: Condition) -> bool:
        """Whether a condition lists concepts by a SELECT from the vocabulary."""
        found = [one for one in _selects(condition) if one.column is not None]
        return (
            bool(found)
            and len(found) == len(list(_selects(condition)))
            and all(isinstance(one.query.source, Source) and self._scope.is_vocabulary(one.query.source.table) for one in found)
        )

    def _listed(self, condition: Belongs) -> Predicate:
        """``column IN (SELECT … FROM concept_ancestor WHERE …)``."""
        if condition.column is None:
            raise Refused(PERSONS)
        query, column = condition.query, self._scope.column(condition.column)
        inner = Scope(self._scope.catalogue)
        if not isinstance(query.source, Source) or query.joins or query.groups != () or query.where is None or len(query.items) != 1:
            raise Refused(f"{PERSONS} {CONCEPT}")
        vocabulary = Vocabulary(query.source.table.casefold(), column)
        inner.enter(query.source.alias or query.source.table, vocabulary)
        what = query.items[0].what
        wanted = "concept_id" if vocabulary.name == "concept" else "descendant_concept_id"
        if not isinstance(what, Split) or what.column.column.casefold() != wanted:
            raise Refused(f"{PERSONS} {CONCEPT}")
        told = predicate_of(query.where, inner)
        if not isinstance(told, In):
            raise Refused(CONCEPT)
        return told

    def _of_first(self, condition: Condition) -> bool:
        """Take in what is asked of the day or the number of a first event; False for any other condition."""
        name = getattr(condition, "column", None)
        if isinstance(condition, Compared):
            name = condition.left if isinstance(condition.left, Name | YearOf) else condition.right
        plain = name.column if isinstance(name, YearOf) else name
        if not isinstance(plain, Name):
            return False
        target = self._scope.target(plain)
        if not isinstance(target, OfMembers):
            return False
        members = target.of
        if target.column == members.rank:
            if not (isinstance(condition, Compared) and condition.op == "=" and 1 in (condition.left, condition.right)):
                raise Refused(RANKED)
            members.chosen = True
            return True
        if target.column != members.day or members.first is None:
            raise Refused(PERSONS)
        alone = Scope(self._scope.catalogue)
        alone.enter(plain.table or "first", members.first.table)
        asked = predicate_of(_renamed(condition, plain, Name(members.first.date or "", None)), alone)
        if not isinstance(asked, Window):
            raise Refused("The day of a first event is compared with days: a window of months.")
        members.windows.append(indexed(asked))
        return True


def _is_in(target: Target, relation: object) -> bool:
    """Whether a name means a column of this table, or of this SELECT of persons."""
    return target.of is relation if isinstance(target, OfMembers) else isinstance(target, str) and split(target)[0] == relation


def _is_link(condition: Condition) -> bool:
    """Whether a condition is the equality of two columns."""
    return (
        isinstance(condition, Compared) and condition.op == "=" and isinstance(condition.left, Name) and isinstance(condition.right, Name)
    )


def indexed(window: Window) -> Indexed:
    """A window of the index date."""
    one = timedelta(days=1)
    start = window.start + one if window.start is not None and window.after else window.start
    end = window.end + one if window.end is not None and window.through else window.end
    return Indexed(start=start, end=end)


def _renamed(condition: Condition, old: Name, new: Name) -> Condition:
    """A comparison of another column."""

    def other(part: object) -> object:
        return new if part == old else YearOf(new) if part == YearOf(old) else part

    if isinstance(condition, Compared):
        return replace(condition, left=other(condition.left), right=other(condition.right))  # type: ignore[arg-type]
    return replace(condition, column=other(condition.column))  # type: ignore[union-attr, arg-type]


def members_of(query: Query, frame: Frame, *, any_rows: bool = False) -> Members | None:
    """The persons that a SELECT gives, where it gives each once (or where ``any_rows`` does not matter); None if it gives other rows."""
    scope = frame.scope
    key, day, rank, first = "", "", "", None
    others = 0
    for item in query.items:
        what = item.what
        if isinstance(what, Split) and what.bin is None and what.width is None:
            target = scope.target(what.column, person_key=True)
            label = (item.label or what.column.column).casefold()
            if scope.is_person_key(target):
                key = label
                continue
        others += 1
        if isinstance(what, Extreme) and what.name == "min":
            day, first = (item.label or "").casefold(), scope.column(what.column)
        elif isinstance(what, Numbered):
            rank = (item.label or "").casefold()
    if not key or (any_rows and others and not rank and not day):
        return None
    grouped = query.groups not in ((), None)
    if grouped:
        if not all(
            isinstance(term, Split) and scope.is_person_key(scope.target(term.column, person_key=True)) for term in query.groups or ()
        ):
            return None
        if others > bool(day):
            return None
        return Members(_counted(query, frame), key, _first(frame, first), day)
    if rank:
        return _numbered(query, frame, key, rank)
    once = query.distinct and not others
    if once or any_rows or (not frame.tables and not others):
        return Members(formula_of(frame), key)
    return None


def _numbered(query: Query, frame: Frame, key: str, rank: str) -> Members:
    scope = frame.scope
    numbered, *more = [item.what for item in query.items if isinstance(item.what, Numbered)]
    if more or len(numbered.by) != 1 or not scope.is_person_key(scope.target(numbered.by[0], person_key=True)):
        raise Refused(RANKED)
    ordered = scope.column(numbered.order[0])
    days = [
        (item.label or item.what.column.column).casefold()
        for item in query.items
        if isinstance(item.what, Split) and item.what.bin is None and item.what.width is None and scope.target(item.what.column) == ordered
    ]
    return Members(formula_of(frame), key, _first(frame, ordered), days[0] if days else "", rank)


def _first(frame: Frame, day: str | None) -> Event | None:
    """The first event of a SELECT from one table."""
    if day is None or len(frame.tables) != 1 or frame.formulas or split(day)[0] != frame.tables[0]:
        return None
    return Event(table=frame.tables[0], where=frame.where, date=split(day)[1], first=True)


def _counted(query: Query, frame: Frame) -> Formula:
    """Persons with so many rows, where HAVING asks for a number."""
    if query.having is None:
        return formula_of(frame)
    having = query.having
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
    if frame.dated:
        raise Refused("The day of a first event is compared in the outer SELECT alone.")
    for join in frame.joins:
        if not (frame.scope.is_person_key(join.left) and frame.scope.is_person_key(join.right)):
            raise Refused(f"{PERSONS} Its tables are joined by the key of persons.")
    by_table: dict[str, list[Predicate]] = {table: [] for table in frame.tables}
    for term in frame.terms:
        tables = {split(leaf.column)[0] for leaf in leaves(term)}
        if len(tables) != 1:
            raise Refused(f"{PERSONS} Each of its conditions is about one table.")
        by_table[tables.pop()].append(term)
    events = [Happens(Event(table=table, where=conjoined(terms) if terms else None)) for table, terms in by_table.items()]
    every = (*events, *frame.formulas)
    if not every:
        raise Refused(PERSONS)
    return every[0] if len(every) == 1 else Both(every)


def _view(items: tuple[Item, ...], scope: Scope) -> View:
    view = View()
    for item in items:
        what = item.what
        if isinstance(what, Everything):
            view.whole = scope
        elif isinstance(what, Split):
            target = scope.target(what.column)
            name = (item.label or what.column.column).casefold()
            if what.bin is None and what.width is None:
                view.columns[name] = target
            elif isinstance(target, str) and item.label:
                view.columns[name] = Group(column=target, bin=what.bin, width=what.width)
        elif isinstance(what, Cases) and item.label:
            view.columns[item.label.casefold()] = case_of(what, scope)
        else:
            raise Refused(DERIVED)
    return view


def _selects(condition: Condition) -> Iterator[Belongs]:
    match condition:
        case Belongs():
            yield condition
        case Negated():
            yield from _selects(condition.term)
        case Every() | Either():
            for part in condition.terms:
                yield from _selects(part)
