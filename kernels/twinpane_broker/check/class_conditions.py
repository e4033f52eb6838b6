"""Which conditions class disclosure is judged on: those that ask for a sensitive code, unless it is that of a routine test."""

from twinpane_broker.question.predicates import In, Predicate, leaves

from .resolve import ResolvedPlan


def asks_for_code(term: Predicate | None, bound: ResolvedPlan) -> bool:
    """Whether a condition compares a sensitive dimension with codes."""
    return any(isinstance(leaf, In) and bound.column(leaf.column).sensitive for leaf in leaves(term))


def tells_of_class(term: Predicate | None, bound: ResolvedPlan) -> bool:
    """Whether it would tell of a group's persons that nearly all meet a condition.

    To have had a routine test tells nothing; but to have had none, or a result in some range, or the test or something else, may tell.
    """
    had_routine_test = isinstance(term, In) and bound.column(term.column).are_routine(term.codes)
    return not had_routine_test and asks_for_code(term, bound)
