"""Which columns may lack values, by catalogue and question: there, who has a value is another set than who is asked about.

If the data decided, what is told twice of a set would tell whether anybody in it lacks a value.
"""

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.predicates import Missing, Not, Range


def may_lack(bound: ResolvedPlan, columns: str) -> bool:
    """Whether rows may have no value of one of these columns, which spaces part."""
    terms = terms_of(bound.plan.where)
    sure = {term.column for term in terms if isinstance(term, Range)}
    sure |= {term.term.column for term in terms if isinstance(term, Not) and isinstance(term.term, Missing)}
    return any(bound.column(column).may_lack for column in columns.split() if column not in sure)
