"""CASE as said, made into the named cases of one column."""

from twinpane_broker.errors import Refused
from twinpane_broker.question.cases import Arm, Case
from twinpane_broker.question.normal_form import plain
from twinpane_broker.question.plan import Group
from twinpane_broker.question.predicates import AnyOf, In, Leaf, Missing, Predicate, Range, Window

from .refusals import CASES
from .said import Cases
from .scope import Scope
from .where import predicate_of


def case_of(said: Cases, scope: Scope) -> Group:
    """The term that splits by a CASE; raises Refused where its arms are not comparisons of one column."""
    arms: list[Arm] = []
    for condition, value in said.arms:
        arms += [Arm(category=value, where=leaf) for leaf in _leaves(predicate_of(condition, scope))]
    columns = {arm.where.column for arm in arms}
    if len(columns) != 1:
        raise Refused(CASES)
    return Group(column=columns.pop(), case=Case(arms=tuple(arms), otherwise=said.otherwise))


def _leaves(predicate: Predicate) -> list[Leaf]:
    """The comparisons of which one must hold."""
    told = plain(predicate)
    terms = told.terms if isinstance(told, AnyOf) else (told,)
    found: list[Leaf] = [term for term in terms if isinstance(term, In | Missing | Range | Window)]
    if len(found) < len(terms):
        raise Refused(CASES)
    return found
