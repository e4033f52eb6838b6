"""Which conditions are about what acquaintances do not know of a person, and which about that or something known."""

from twinpane_broker.catalogue.catalogue import Role
from twinpane_broker.question.normal_form import literals
from twinpane_broker.question.predicates import Predicate, leaves

from .resolve import ResolvedPlan


def is_mixed(term: Predicate, bound: ResolvedPlan) -> bool:
    """Whether a condition is about something secret or, instead, about what everybody may know."""
    secret = {is_secret(literal, bound) for literal in literals(term)}
    return len(secret) > 1


def is_secret(part: Predicate, bound: ResolvedPlan) -> bool:
    """Whether any comparison is about what acquaintances do not know of a person. When somebody came they know; what he had they do not."""
    return any(is_secret_column(leaf.column, bound) for leaf in leaves(part))


def is_secret_column(reference: str, bound: ResolvedPlan) -> bool:
    """Whether a column, or one of those that a difference reads, is of that kind."""
    columns = map(bound.column, bound.read_by(reference))
    return any(column.sensitive and column.role is not Role.date for column in columns)
