"""The sets around those of a question of which everybody may know the size, without asking.

A question may leave out, or take in, by something secret those who come in one month: *all but the ill of May 1999*. Who knows everybody's
months knows the set with that one person and without him. So a count of the question's set tells whether he is ill: by a refusal, as he is
a few; by the mark of a near set; by rounding, where the size is one at which it turns. So these sets count as released. A set that equals
one of them, or is near it, bears its number, marked.

Two of them may be known: where whatever is secret in such a condition holds for everybody, and where it holds for nobody. Conditions that
are secret alone (*ill*) make the set one that nobody knows: then there is none, and the memory alone decides.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from twinpane_broker.aggregates.persons import Persons
from twinpane_broker.cells.person_sets import PersonSet, near
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.check.secret_conditions import is_mixed, is_secret, is_secret_column
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.evidence.table import Index, Table, table_of
from twinpane_broker.question.cohort import Criterion, Happened, Step
from twinpane_broker.question.normal_form import literals, terms_of
from twinpane_broker.question.predicates import AllOf, AnyOf, Predicate, leaves

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

    @cached_property
    def any(self) -> bool:
        """Whether there are some."""
        plan = self.bound.plan
        steps = plan.cohort.steps if plan.cohort is not None else ()
        of_events = any(_is_secret_criterion(criterion, self.bound) for step in steps for criterion in step.criteria)
        return of_events or self._enters_by_secret or any(is_mixed(term, self.bound) for term in terms_of(plan.where))

    @property
    def _enters_by_secret(self) -> bool:
        """Whether what lets a person into the cohort is secret; then its steps count from days that nobody knows."""
        cohort = self.bound.plan.cohort
        events = cohort.entry.events if cohort is not None and cohort.entry is not None else ()
        return any(is_secret(leaf, self.bound) for event in events for leaf in leaves(event.where))

    def near(self, who: PersonSet, kept: tuple[int, ...], cell: Index, distance: int) -> KnownSet | None:
        """The known set that equals that of a cell of some of the question's axes, or is near it. Raises EngineError."""
        if any(is_secret_column(self.bound.axes[axis].column, self.bound) for axis in kept):
            return None
        for names, table in self._tables:
            over = table.over(kept)
            known = over.cell(cell).who if kept else table.who
            if known and (known == who or near(known, who, distance)):
                return KnownSet(known, names.of(kept, cell), names.around(kept, cell))
        return None

    @cached_property
    def _tables(self) -> tuple[tuple[SetNames, Table], ...]:
        if not self.any or self._is_secret_besides:
            return ()
        return tuple((SetNames(bound), table_of(bound, self.measured(bound))) for bound in self._wider_and_narrower())

    @property
    def _is_secret_besides(self) -> bool:
        """Whether anything else that is secret decides on the question's persons: nobody knows how many they are then."""
        alone = (term for term in terms_of(self.bound.plan.where) if not is_mixed(term, self.bound))
        return bool(self.bound.plan.firsts) or any(is_secret(term, self.bound) for term in alone)

    def _wider_and_narrower(self) -> Iterator[ResolvedPlan]:
        terms = terms_of(self.bound.plan.where)
        for widest in (True, False):
            steps = self._steps(widest)
            if steps is None:
                continue  # nobody is surely in it
            mixed = ((term, is_mixed(term, self.bound)) for term in terms)
            yield self._of(
                tuple(_without_secrets(term, self.bound) if is_one else term for term, is_one in mixed if not (is_one and widest)), steps
            )

    def _steps(self, widest: bool) -> tuple[Step, ...] | None:
        """The cohort's steps as far as they are known, with as many or as few persons as there may be; None for nobody."""
        cohort, steps = self.bound.plan.cohort, list[Step]()
        if self._enters_by_secret:
            return () if widest else None
        for step in cohort.steps if cohort is not None else ():
            known = tuple(one for one in step.criteria if not _is_secret_criterion(one, self.bound))
            secrets_hold = widest is not step.exclude
            if len(known) < len(step.criteria) and (not known or secrets_hold is step.any):
                if secrets_hold is step.exclude:
                    return None
                continue
            steps.append(step.model_copy(update={"criteria": known}))
        return tuple(steps)

    def _of(self, terms: tuple[Predicate, ...], steps: tuple[Step, ...]) -> ResolvedPlan:
        plan, where = self.bound.plan, AllOf(terms=terms) if len(terms) > 1 else next(iter(terms), None)
        kept = plan.cohort is not None and not self._enters_by_secret and (plan.cohort.entry is not None or steps)
        cohort = plan.cohort.model_copy(update={"steps": steps}) if plan.cohort is not None and kept else None
        return replace(
            self.bound, plan=plan.model_copy(update={"where": where, "cohort": cohort, "measures": (Persons(),), "margins": False})
        )


def _is_secret_criterion(criterion: Criterion, bound: ResolvedPlan) -> bool:
    return isinstance(criterion, Happened) and any(is_secret(leaf, bound) for leaf in leaves(criterion.event.where))


def _without_secrets(term: Predicate, bound: ResolvedPlan) -> Predicate:
    known = tuple(literal for literal in literals(term) if not is_secret(literal, bound))
    return AnyOf(terms=known) if len(known) > 1 else known[0]
