"""The sets around those of a question of which everybody may know the size, without asking.

A question may leave out, or take in, by something secret those who come in one month: *all but the ill of May 1999*. Who knows everybody's
months knows the set with that one person and without him. So a count of the question's set tells whether he is ill: by a refusal, as he is
a few; by the mark of a near set; by rounding, where the size is one at which it turns. So these sets count as released. A set that equals
one of them, or is near it, bears its number, marked.

Two of them may be known: where whatever is secret in such a condition holds for everybody, and where it holds for nobody. Conditions that
are secret alone (*ill*) stay as they are: a group's ill ones are no set that anybody knows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from twinpane_broker.aggregates.persons import Persons
from twinpane_broker.cells.person_sets import PersonSet, near
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.check.secret_conditions import is_mixed, is_secret
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.evidence.table import Index, Table, table_of
from twinpane_broker.question.normal_form import literals, terms_of
from twinpane_broker.question.predicates import AllOf, AnyOf, Predicate

from .set_names import SetNames


@dataclass(frozen=True)
class KnownSet:
    """A set that counts as released, as a question describes it."""

    who: PersonSet
    name: bytes
    totals: frozenset[bytes]


@dataclass(frozen=True)
class KnownAround:
    """The known sets around those of a question."""

    bound: ResolvedPlan
    measured: Callable[[ResolvedPlan], Evidence]

    @property
    def any(self) -> bool:
        """Whether there are some."""
        return self.bound.plan.cohort is not None or any(is_mixed(term, self.bound) for term in terms_of(self.bound.plan.where))

    def near(self, who: PersonSet, kept: tuple[int, ...], cell: Index, distance: int) -> KnownSet | None:
        """The known set that equals that of a cell of some of the question's axes, or is near it. Raises EngineError."""
        for names, table in self._tables:
            over = table.over(kept)
            known = over.cell(cell).who if kept else table.who
            if known and (known == who or near(known, who, distance)):
                return KnownSet(known, names.of(kept, cell), names.around(kept, cell))
        return None

    @cached_property
    def _tables(self) -> tuple[tuple[SetNames, Table], ...]:
        return tuple((SetNames(bound), table_of(bound, self.measured(bound))) for bound in self._wider_and_narrower()) if self.any else ()

    def _wider_and_narrower(self) -> Iterator[ResolvedPlan]:
        terms = terms_of(self.bound.plan.where)
        yield self._of(tuple(term for term in terms if not is_mixed(term, self.bound)))
        if self.bound.plan.cohort is None:
            yield self._of(tuple(_without_secrets(term, self.bound) if is_mixed(term, self.bound) else term for term in terms))

    def _of(self, terms: tuple[Predicate, ...]) -> ResolvedPlan:
        where = AllOf(terms=terms) if len(terms) > 1 else next(iter(terms), None)
        plan = self.bound.plan.model_copy(update={"where": where, "cohort": None, "measures": (Persons(),), "margins": False})
        return replace(self.bound, plan=plan)


def _without_secrets(term: Predicate, bound: ResolvedPlan) -> Predicate:
    known = tuple(literal for literal in literals(term) if not is_secret(literal, bound))
    return AnyOf(terms=known) if len(known) > 1 else known[0]
