"""The broker: from a plan to a signed release or a refusal. A library of its own; knows nothing of notebooks or links.

The way of a question: check against the catalogue, look into the memory, measure, judge, remember, and only then sign and hand
out. Evidence before effect: an answer that cannot be remembered does not leave.
"""

import hashlib
import logging
from collections.abc import Callable
from threading import Lock

from .arrange import arranged
from .catalogue import Catalogue
from .check import Bound, check
from .closed import canonical_json
from .engine import Engine
from .errors import EngineError, Refused
from .judge import Answer, judge
from .memory import Memory, Remembered
from .plan import Measure, MeasureKind, Plan
from .policy import Rules
from .release import Refusal, RefusalCode, Release, ReleasedColumn
from .rules import described

Signer = Callable[[Release], Release]
"""Gives a release the site's signature: ``lambda release: sign(release, key)``."""


class Broker:
    """Answers plans for one project of one site. Thread-safe; ``run`` never raises for what a plan says or the data holds."""

    def __init__(
        self,
        catalogue: Catalogue,
        rules: Rules,
        engine: Engine,
        signer: Signer,
        memory: Memory | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.rules = rules
        self._engine = engine
        self._sign = signer
        self._memory = memory if memory is not None else Remembered()
        self._log = log or logging.getLogger(__name__)
        self._gate = Lock()

    def run(self, plan: Plan) -> Release | Refusal:
        """The answer to a plan: the same bytes for the same plan, snapshot and rules, before and after a restart."""
        try:
            bound = check(plan, self.catalogue)
        except Refused as refused:
            return self._refusal(plan, refused.code, refused.reason)
        try:
            answer = self._answer(bound)
            if answer.withheld:
                return self._refusal(plan, RefusalCode.withheld)
            return self._sign(self._release(plan, bound, answer))
        except EngineError:
            return self._refusal(plan, RefusalCode.unavailable)
        except Exception:
            # Whatever it was, its text may carry values: it stays in the site's log.
            self._log.exception("the broker could not answer the plan %s", plan.hash)
            return self._refusal(plan, RefusalCode.unavailable)

    def _answer(self, bound: Bound) -> Answer:
        key = self._key(bound)
        if (known := self._remembered(key)) is not None:
            return known
        evidence = self._engine.measure(bound)
        with self._gate:
            # Measuring may run side by side, deciding may not: two answers that are safe one by one need not be so together.
            if (known := self._remembered(key)) is not None:
                return known
            answer = judge(bound, evidence, self.rules)
            # Here the memory against differencing will judge the answer beside everything released before.
            self._memory.put(key, answer.canonical())
            return answer

    def _remembered(self, key: str) -> Answer | None:
        body = self._memory.get(key)
        return None if body is None else Answer.model_validate_json(body)

    def _key(self, bound: Bound) -> str:
        catalogue = self.catalogue
        return hashlib.sha256(
            canonical_json([catalogue.site, catalogue.snapshot, catalogue.digest(), self.rules.digest(), bound.plan.hash])
        ).hexdigest()

    def _release(self, plan: Plan, bound: Bound, answer: Answer) -> Release:
        columns = tuple(
            ReleasedColumn(name=name, **self._meaning(part, bound))
            for name, part in zip(plan.names, (*plan.group_by, *plan.measures), strict=True)
        )
        identity = canonical_json([plan.hash, self._key(bound), hashlib.sha256(answer.canonical()).hexdigest()])
        means = any(measure.kind is MeasureKind.mean for measure in plan.measures)
        return Release(
            id=hashlib.sha256(identity).hexdigest()[:32],
            site=self.catalogue.site,
            plan_hash=plan.hash,
            snapshot=self.catalogue.snapshot,
            policy=self.rules.version,
            rules=described(self.rules, means=means, grouped=bool(plan.group_by)),
            persons=answer.persons,
            columns=columns,
            rows=arranged(answer.rows, plan),
        )

    @staticmethod
    def _meaning(part: object, bound: Bound) -> dict[str, str]:
        if not isinstance(part, Measure):
            return {"kind": "dimension", "label": bound.column(part.column).label}
        if part.kind is not MeasureKind.mean:
            return {"kind": part.kind.value}
        column = bound.column(part.column)
        return {"kind": part.kind.value, "unit": column.unit, "label": column.label}

    def _refusal(self, plan: Plan, code: RefusalCode, reason: str = "") -> Refusal:
        return Refusal(site=self.catalogue.site, plan_hash=plan.hash, code=code, reason=reason)
