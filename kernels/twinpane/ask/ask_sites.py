"""A plan goes to every site, and what they release comes back as one result."""

from twinpane import _host
from twinpane.errors import Refused
from twinpane_broker import Plan
from twinpane_broker import Refused as RefusedByBroker

from .account import hear
from .all_catalogues import all_catalogues
from .result import Result


def sql(text: str) -> Result:
    """See ``twinpane.sql``."""
    return ask(read(text))


def read(text: str) -> Plan:
    """The plan that a SELECT says; raises Refused where none can."""
    from twinpane_broker import parse_sql

    known = all_catalogues()
    try:
        return parse_sql(text, known)
    except RefusedByBroker as refusal:
        raise Refused(refusal.reason, str(refusal.code)) from None


def ask(plan: Plan) -> Result:
    """Send a plan to every site and join what they released; raises Refused or TwinpaneError when no site released anything.

    The choice of rows, order and limit stay here: they apply to the joined table, so every site gets the question without them.
    """
    question = plan.model_copy(update={"having": (), "order_by": (), "limit": None})
    reply = _host.call("query", plan=question.model_dump(mode="json"))
    hear(reply)
    return Result.of(plan, reply)
