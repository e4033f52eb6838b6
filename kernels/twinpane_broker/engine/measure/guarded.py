"""Writes an engine's own errors to the site's log. The caller gets one error that repeats nothing of them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.errors import EngineError


@contextmanager
def guarded(log: logging.Logger, bound: ResolvedPlan) -> Iterator[None]:
    """Turn every exception into EngineError. The engine's own text can carry values of rows, so it is logged inside."""
    try:
        yield
    except EngineError:
        log.exception("the engine could not answer the plan %s", bound.plan.hash)
        raise
    except Exception:
        log.exception("the engine could not answer the plan %s", bound.plan.hash)
        raise EngineError from None
