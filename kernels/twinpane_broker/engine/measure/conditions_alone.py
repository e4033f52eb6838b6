"""Finds the persons for whom each single condition of a question holds, from the index and the cached person sets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from twinpane_broker.catalogue.catalogue import Role
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.secret_conditions import is_secret
from twinpane_broker.engine.sql.statement import Question
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.evidence.evidence import Condition
from twinpane_broker.question.normal_form import denied, terms_of, ways
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import AllOf, CodeSet, Predicate, leaves

from .cell_sets import Persons
from .leaf_sets import LeafSets, allowed_codes, holding


@dataclass(frozen=True)
class Alone:
    """Finds the persons of a question's population for whom its conditions hold.

    Conditions on a table of events are known only if the index answers the question, not if its rows are streamed; never those on
    differences of dates. The engine is asked only for the person set of a comparison of a person's measures or dates; that set is cached.
    """

    question: Question
    store: Store
    sets: LeafSets
    persons: Persons

    def conditions(self, cohort: Sequence[Condition]) -> tuple[Condition, ...]:
        """The known conditions: the cohort's, and those of WHERE. Those on one table of events count as one: one row must meet them."""
        found = list(cohort)
        of_rows: dict[str, list[Predicate]] = {}
        for term in terms_of(self.question.bound.plan.where):
            if not self._known(term):
                continue
            if events := self._events(term):
                of_rows.setdefault(events[0], []).append(term)
            else:
                found.append(Condition(term, self._those([term]), self._denied(term)))
        for terms in of_rows.values():
            whole = terms[0] if len(terms) == 1 else AllOf(terms=tuple(terms))
            numbers = tuple(number for term in terms for number in self._denied(term))
            found.append(Condition(whole, self._those(terms), numbers))
        return tuple(self._with_commonest(condition, found) for condition in found)

    def ways(self) -> tuple[int, ...]:
        """The number of persons for each way in which the ORs of WHERE may hold, as far as it is known.

        Of a way on known and secret things none is given: whether few persons have the secret would follow from a refusal. So it would of
        a way on the day of a first event, as everybody knows when it was, if it was at all. Nor of a way on known things in a table of
        events: whether few known persons have a row in it would follow.
        """
        bound = self.question.bound
        secret = {way: {is_secret(part, bound) for part in way} for way in ways(terms_of(bound.plan.where))}
        judged = ({True},) if self._of_events else ({True}, {False})
        return tuple(
            len(self._those(way)) for way, parts in secret.items()
            if parts in judged and all(map(self._known, way)) and not any(map(self._of_firsts, way))
        )  # fmt: skip

    def code_sets(self) -> tuple[int, ...]:
        """The persons of each resolved code set of WHERE, of the cohort and of named cases, whatever the rest of the question says."""
        bound = self.question.bound
        found = {leaf: None for where in (bound.plan.where, *(event.where for event in bound.events)) for leaf in leaves(where)}
        found |= {leaf: None for axis in bound.axes for leaf, _ in axis.arms}
        return tuple(len(self.sets.true(leaf)) for leaf in found if isinstance(leaf, CodeSet))

    def _with_commonest(self, condition: Condition, every: Sequence[Condition]) -> Condition:
        if condition.term is None:
            return condition
        columns = {leaf.column for leaf in leaves(condition.term)}
        if len(columns) != 1 or (column := self.question.bound.column(reference := columns.pop())).role is not Role.dimension:
            return condition
        others = reduce(PersonSet.intersection, (other.who for other in every if other is not condition), self.persons.population)
        codes = allowed_codes([condition.term], column, self.sets.unlisted(reference))
        most = others.intersection_cardinality(condition.who)
        # Under any rules a share of half or less is no class.
        if len(codes) > 1 and 2 * most > len(others):
            most = max(others.intersection_cardinality(self.sets.code(reference, code)) for code in codes)
        return replace(condition, commonest=most)

    def _denied(self, term: Predicate) -> tuple[int, ...]:
        """Of each comparison on known things that a condition on persons denies, the number of persons for whom it holds."""
        if self._of_events:
            return ()
        return tuple(len(self._those([each])) for each in denied(term) if not is_secret(each, self.question.bound))

    @property
    def _of_events(self) -> bool:
        bound = self.question.bound
        return any(bound.catalogue.home(bound.table(name)) is not None for name in bound.plan.tables)

    def _events(self, term: Predicate) -> list[str]:
        """The tables of events that a condition is about."""
        read = (column for leaf in leaves(term) for column in self.question.bound.read_by(leaf.column))
        tables = dict.fromkeys(split(column)[0] for column in read)
        return [table for table in tables if not self.store.facts.table(table).single]

    def _of_firsts(self, term: Predicate) -> bool:
        bound = self.question.bound
        return any(split(column)[0] in bound.firsts for leaf in leaves(term) for column in bound.read_by(leaf.column))

    def _known(self, term: Predicate) -> bool:
        return self.persons.looks_at is not None or not self._events(term)

    def _those(self, terms: Sequence[Predicate]) -> PersonSet:
        """The persons for whom all of these hold; conditions on one table of events must hold on one row."""
        who, looks_at = self.persons.population, self.persons.looks_at or {}
        of_rows: dict[str, list[Predicate]] = {}
        for term in terms:
            if events := self._events(term):
                of_rows.setdefault(events[0], []).append(term)
            else:
                who = holding(term, who, self.sets)
        for table, held in of_rows.items():
            column = looks_at[table].dimension
            allowed = allowed_codes(held, self.question.bound.column(column), self.sets.unlisted(column))
            who = who & self.sets.codes(column, allowed)
        return who
