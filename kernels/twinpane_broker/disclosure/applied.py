"""The rules that apply to a plan's answer, with their numbers. The same plan and policy give the same rules."""

from collections.abc import Iterator

from twinpane_broker.aggregates.aggregate import OfPair, OfValues
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.applied_rules import AppliedRule
from twinpane_broker.rules.policy import Dp, Rules

from .clipped_share import STATED


def applied(rules: Rules, plan: Plan, row_base: int | None = None) -> tuple[AppliedRule, ...]:
    """The rules, in the order in which people read them; at most 32. ``row_base``: what numbers of rows are rounded to (``row_base``)."""
    if rules.dp is not None:
        return tuple(_noisy(rules, rules.dp, plan))
    return (*_of_cells(rules, plan, row_base or rules.base), *_of_aggregates(rules, plan))


def _of_cells(rules: Rules, plan: Plan, row_base: int) -> Iterator[AppliedRule]:
    yield _rule("threshold", persons=rules.threshold)
    yield _rule("differencing", persons=rules.threshold)
    yield _rule("account", percent=rules.sets_percent)
    if plan.where is not None or plan.cohort is not None or plan.firsts:
        yield _rule("conditions", persons=rules.threshold)
    if plan.where is not None:
        yield _rule("class_of_conditions", percent=rules.class_share)
    if rules.noise == "cell_key":
        yield _rule("cell_key", bound=rules.noise_bound)
    if rules.base > 1:
        yield _rule("rounding", base=rules.base)
    if row_base > rules.base and any(measure.of_rows for measure in plan.measures):
        yield _rule("row_rounding", base=row_base)
    if plan.group_by:
        yield _rule("every_code_or_small" if rules.zeros == "hidden" else "every_code")
        yield _rule("secondary", counts=rules.candidates)
        yield _rule("class_disclosure", percent=rules.class_share)
    yield _rule("dominance", one=rules.dominance_one, two=rules.dominance_two, p=rules.dominance_p)


def _of_aggregates(rules: Rules, plan: Plan) -> Iterator[AppliedRule]:
    if any(isinstance(measure, OfValues | OfPair) for measure in plan.measures):
        yield _rule("clipping", share=STATED, persons=rules.threshold)
    told = {measure.code: measure for measure in plan.measures if measure.code}
    for code, measure in told.items():
        yield AppliedRule(code=code, numbers=dict(measure.parameters(rules)))


def _noisy(rules: Rules, dp: Dp, plan: Plan) -> Iterator[AppliedRule]:
    yield _rule("differential_privacy", answer=dp.epsilon_per_answer, project=dp.epsilon_total)
    yield _rule("laplace")
    yield _rule("noisy_threshold", persons=rules.threshold)
    if plan.group_by:
        yield _rule("every_code")
    if rules.base > 1:
        yield _rule("noisy_rounding", base=rules.base)


def _rule(code: str, **numbers: float) -> AppliedRule:
    return AppliedRule(code=code, numbers=numbers)
