"""FROM and WHERE of a SELECT: the tables and keys of a plan, its conditions, and which persons it is about.

A SELECT in brackets, or in WITH, is looked through: one that only chooses rows and columns becomes tables and conditions of the plan; one
that gives each person once becomes a formula of events. What is neither is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.errors import Refused
from twinpane_broker.question.cohort import Event
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import In

from .concept_lists import counts_no_rows, listed, of_lists, refuse_few, rows_below, selects, without_concept
from .first_event import of_first
from .frame import Frame, formula_of, members_of, view_of
from .members import Both, Formula, Happens, Members, NotSo, OneOf
from .refusals import COLUMNS, CONCEPT, DERIVED, KEYS, LEFT, MIXED, PAIRED, PERSONS, QUALIFY, RANKED, TWICE
from .said import (
    Belongs,
    Compared,
    Condition,
    Days,
    Derived,
    Either,
    Every,
    IsNull,
    Joined,
    Name,
    Negated,
    Query,
    Source,
)
from .same_persons import SamePersons
from .scope import Differences, Looked, OfMembers, Scope, Target, View, Vocabulary
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
    """What all SELECTs of one text share: the catalogue, how many may still be looked through, and their differences of dates."""

    catalogue: Catalogue | None
    left: int = MAX_SELECTS
    differences: Differences = field(default_factory=dict)

    def frame(self, query: Query, named: Mapping[str, Named], outer: Scope | None = None, *, of_persons: bool = False) -> "Frame":
        """FROM and WHERE of a query; raises Refused for what a plan cannot say.

        ``of_persons``: it does not matter how many rows a person has.
        """
        self.left -= 1
        if self.left < 0:
            raise Refused(f"A query has at most {MAX_SELECTS} SELECTs, those of a WITH each time they are named.")
        known = dict(named)
        for name, inner in query.named:
            known[name.casefold()] = Named(inner, dict(known))
        return _Reading(query, known, Scope(self.catalogue, outer, self.differences), self, of_persons=of_persons).frame()


def frame_of(query: Query, catalogue: Catalogue | None) -> Frame:
    """FROM and WHERE of a query; raises Refused for what a plan cannot say."""
    return Reader(catalogue).frame(query, {})


class _Reading:
    """One SELECT while it is read."""

    def __init__(self, query: Query, named: Mapping[str, Named], scope: Scope, reader: Reader, *, of_persons: bool) -> None:
        self._query, self._named, self._scope, self._reader = query, named, scope, reader
        self._of_persons = of_persons or counts_no_rows(query)
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
        """Rows of concept_ancestor that are joined are those of one concept: of several, they would count rows twice, but not persons."""
        for relation in self._scope.relations.values():
            if isinstance(relation, Vocabulary) and relation.name == "concept_ancestor":
                told = [term for term in self._frame.terms if isinstance(term, In) and term.descendants and term.column == relation.column]
                if not told:
                    raise Refused(CONCEPT)
                if not self._of_persons and all(len(term.codes) > 1 for term in told):
                    raise Refused(rows_below(told[0]))

    # ------------------------------------------------------------ FROM

    def _enter(self, source: Source | Derived, *, joined: bool = True) -> str:
        """Bring a relation into play; returns its alias, casefolded."""
        if isinstance(source, Source) and source.table.casefold() in self._named:
            named = self._named[source.table.casefold()]
            return self._derived(named.query, source.alias or source.table, named.knows, joined=joined)
        if isinstance(source, Derived):
            return self._derived(source.query, source.alias or f" {len(self._scope.relations)}", self._named, joined=joined)
        alias = (source.alias or source.table).casefold()
        if self._scope.is_vocabulary(source.table):
            self._scope.enter(alias, Vocabulary(source.table.casefold(), outer=not joined))
            return alias
        table = self._scope.table_name(source.table)
        if joined and table in self._frame.tables:
            raise Refused(TWICE.format(name=table[:63], table=table[:63]))
        self._scope.enter(alias, table)
        if joined:
            self._frame.tables.append(table)
        return alias

    def _derived(self, query: Query, alias: str, named: Mapping[str, Named], *, joined: bool) -> str:
        alias = alias.casefold()
        refuse_few(query)
        # Of what a LEFT JOIN finds nothing in, it does not matter how many rows a person has.
        inner = self._reader.frame(query, named, of_persons=not joined)
        members = members_of(query, inner, any_rows=not joined, only_key=joined)
        if members is not None:
            self._scope.enter(alias, members)
            self._frame.members.append(members)
            return alias
        if query.first is not None:
            raise Refused(QUALIFY)
        if query.groups != () or query.having is not None or query.distinct or inner.correlated:
            raise Refused(DERIVED)
        self._scope.enter(alias, view_of(query.items, inner.scope))
        if any(table in self._frame.tables for table in inner.tables):
            raise Refused(TWICE.format(name=inner.tables[0][:63], table=inner.tables[0][:63]))
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
                if self._are_days(condition.left, condition.right, condition.op):
                    continue
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

    def _are_days(self, one: Name, other: Name, op: str) -> bool:
        """Whether two columns are dates, which are compared by the days between them; raises Refused where one is of a SELECT around."""
        if not self._scope.are_days(one, other, op):
            return False
        if not (self._scope.owns(one) and self._scope.owns(other)):
            raise Refused(PAIRED)
        return True

    def _join(self) -> None:
        """Make joins of the links, in the order of the tables; bind what is looked through."""
        between: list[tuple[str, str]] = []
        persons = SamePersons()
        for one, other in self._links:
            if isinstance(other, Looked) and not isinstance(one, Looked):
                one, other = other, one
            if isinstance(one, Looked):
                self._bind(one, other)
            elif isinstance(one, OfMembers) or isinstance(other, OfMembers):
                self._same_persons(one, other)
                persons.link(one, other)
            elif isinstance(one, str) and isinstance(other, str):
                if split(one)[0] == split(other)[0]:
                    raise Refused(COLUMNS)
                between.append((one, other))
                if self._scope.is_person_key(one) and self._scope.is_person_key(other):
                    persons.link(one, other)
            else:
                raise Refused(KEYS)
        self._frame.join([*between, *persons.pairs()])
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
        if looked.of.name == "concept" and not looked.of.outer and meaning is not None:
            self._frame.terms += without_concept(other, meaning)

    def _same_persons(self, one: Target, other: Target) -> None:
        scope = self._scope
        if not (scope.is_person_key(one) and scope.is_person_key(other)):
            raise Refused("A SELECT of persons is joined on the key of persons alone.")
        for target in (one, other):
            if isinstance(target, OfMembers):
                self._linked.append(target.of)

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

    def _is_of(self, name: Name | Days, alias: str) -> bool:
        return isinstance(name, Name) and name.table is not None and name.table.casefold() == alias

    # ------------------------------------------------------------ WHERE

    def _condition(self, condition: Condition) -> None:
        if of_lists(condition, self._scope) or not list(selects(condition)):
            if not of_first(condition, self._scope):
                self._frame.terms.append(predicate_of(condition, self._scope, lambda said: listed(said, self._scope)))
            return
        self._frame.formulas.append(self._formula(condition))

    def _formula(self, condition: Condition) -> Formula:
        """A condition on persons."""
        match condition:
            case Belongs() if not of_lists(condition, self._scope):
                return self._belongs(condition)
            case Negated():
                return NotSo(self._formula(condition.term))
            case Every():
                return Both(tuple(self._formula(part) for part in condition.terms))
            case Either():
                return OneOf(tuple(self._formula(part) for part in condition.terms))
        raise Refused(MIXED)

    def _belongs(self, condition: Belongs) -> Formula:
        refuse_few(condition.query)
        if condition.column is None:
            inner = self._reader.frame(condition.query, self._named, self._scope, of_persons=True)
            plain = condition.query.groups == () and condition.query.having is None and condition.query.first is None
            if not inner.correlated or not plain:
                raise Refused(PERSONS)
            return formula_of(inner)
        if not self._scope.is_person_key(self._scope.target(condition.column, person_key=True)):
            raise Refused(PERSONS)
        inner = self._reader.frame(condition.query, self._named, of_persons=condition.query.having is None)
        members = members_of(condition.query, inner, any_rows=True) if len(condition.query.items) == 1 else None
        if members is None or (members.rank and not members.chosen):
            raise Refused(PERSONS)
        return members.formula


def _is_in(target: Target, relation: object) -> bool:
    """Whether a name means a column of this table, or of this SELECT of persons."""
    return target.of is relation if isinstance(target, OfMembers) else isinstance(target, str) and split(target)[0] == relation


def _is_link(condition: Condition) -> bool:
    """Whether a condition is the equality of two columns."""
    return (
        isinstance(condition, Compared) and condition.op == "=" and isinstance(condition.left, Name) and isinstance(condition.right, Name)
    )
