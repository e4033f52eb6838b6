"""Which conditions are about what acquaintances do not know of a person."""

from twinpane_broker.catalogue.catalogue import Role
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import Predicate, leaves

from .resolve import ResolvedPlan


def is_secret(part: Predicate, bound: ResolvedPlan) -> bool:
    """Whether any comparison is about what acquaintances do not know of a person. When somebody came they know; what he had they do not."""
    return any(is_secret_column(leaf.column, bound) for leaf in leaves(part))


def is_secret_column(reference: str, bound: ResolvedPlan) -> bool:
    """Whether a column, or one of those that a difference reads, is of that kind; every column of a first event of that kind is."""
    return any(
        is_secret_first(split(column)[0], bound) or ((of := bound.column(column)).sensitive and of.role is not Role.date)
        for column in bound.read_by(reference)
    )


def is_secret_first(table: str, bound: ResolvedPlan) -> bool:
    """Whether a table is one of first events, and of such as ask for something secret."""
    first = bound.firsts.get(table)
    return first is not None and any(is_secret(leaf, bound) for leaf in leaves(first.event.where))
