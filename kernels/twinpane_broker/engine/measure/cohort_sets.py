"""The persons of a question's cohort, and those of each condition that the cohort puts on them."""

from collections.abc import Iterator

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.class_conditions import asks_for_code, tells_of_class
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.index.streams import persons_of
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.evidence.evidence import Condition
from twinpane_broker.question.cohort import Cohort, Happened, Step, Times


def persons_of_cohort(bound: ResolvedPlan, store: Store, runner: Runner) -> PersonSet | None:
    """The persons of the cohort; None if the question is about everybody."""
    cohort = bound.plan.cohort
    return None if cohort is None else _asked(cohort, bound, store, runner)


def conditions_of_cohort(bound: ResolvedPlan, population: PersonSet, store: Store, runner: Runner) -> Iterator[Condition]:
    """The cohort as one condition. Without an entry event its steps do not build on each other, so each is a condition by itself."""
    cohort = bound.plan.cohort
    if cohort is None:
        return
    if cohort.entry is not None:
        yield Condition(None, population & _asked(cohort, bound, store, runner))
        return
    for step in cohort.steps:
        alone = cohort.model_copy(update={"steps": (step,)})
        who = population & _asked(alone, bound, store, runner)
        yield Condition(None, who, of_class=_is_sensitive(step, bound), excludes=step.exclude)


def _asked(cohort: Cohort, bound: ResolvedPlan, store: Store, runner: Runner) -> PersonSet:
    from twinpane_broker.engine.sql.cohort_sql import cohort_persons_sql  # plans without a cohort, nearly all, do not need it

    everybody = bound.populated[0] if cohort.entry is None else ""
    return store.kept.one(
        ("cohort", cohort.digest(), everybody), lambda: persons_of(runner.batches(*cohort_persons_sql(cohort, bound, runner.dialect)))
    )


def _is_sensitive(step: Step, bound: ResolvedPlan) -> bool:
    happened = [criterion for criterion in step.criteria if isinstance(criterion, Happened)]
    return any((tells_of_class if _requires(step, one) else asks_for_code)(one.event.where, bound) for one in happened)


def _requires(step: Step, happened: Happened) -> bool:
    """Whether a step requires an event, and no more: not two, nor none."""
    return not step.exclude and happened.times is Times.at_least and happened.count == 1
