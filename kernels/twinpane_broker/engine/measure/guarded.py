"""What an engine says goes to the site's log; what leaves it is one error that says nothing."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.errors import EngineError


@contextmanager
def guarded(log: logging.Logger, bound: ResolvedPlan) -> Iterator[None]:
    """Turn whatever goes wrong into EngineError; the engine's own text, which can carry values of rows, is logged inside."""
    try:
        yield
    except EngineError:
        log.exception("the engine could not answer the plan %s", bound.plan.hash)
        raise
    except Exception:
        log.exception("the engine could not answer the plan %s", bound.plan.hash)
        raise EngineError from None
