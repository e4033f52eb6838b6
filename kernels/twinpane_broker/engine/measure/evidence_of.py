"""What every engine does with a question: measure it, keep what recurs, and let nothing out of the engine's own errors."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.errors import EngineError
from twinpane_broker.evidence.evidence import Evidence

from .measure import measure


def evidence_of(bound: ResolvedPlan, store: Store, asking: Callable[[], AbstractContextManager[Runner]], log: logging.Logger) -> Evidence:
    """The evidence of a question, for which ``asking`` gives a runner of its own.

    Turns every exception into EngineError. The engine's own text can carry values of rows, so it is logged inside.
    """

    def measured() -> Evidence:
        with asking() as runner:
            return measure(bound, store, runner)

    try:
        if not bound.recurs:
            return measured()
        return store.evidence.get((bound.plan, bound.axes, bound.weighed, *bound.firsts.items()), measured)
    except EngineError:
        log.exception("the engine could not answer the plan %s", bound.plan.hash)
        raise
    except Exception:
        log.exception("the engine could not answer the plan %s", bound.plan.hash)
        raise EngineError from None
