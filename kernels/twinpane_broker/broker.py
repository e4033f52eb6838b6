"""The broker: from a plan to a signed release or a refusal. A library of its own; knows nothing of notebooks or links.

The steps for a question: check it against the catalogue, look into the memory, measure, judge beside all earlier releases, remember,
and only then sign and hand out. Evidence before effect: an answer that cannot be remembered does not leave.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

from twinpane_broker.aggregates.aggregate import OfCell, OfPair
from twinpane_broker.aggregates.registry import Measure, MeasureKind
from twinpane_broker.aggregates.sums import least_decimals
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan, check
from twinpane_broker.check.vocabulary import Vocabulary
from twinpane_broker.disclosure.applied import applied
from twinpane_broker.disclosure.beside import Beside
from twinpane_broker.disclosure.costs import Cost, Spent, cost_of
from twinpane_broker.disclosure.judge import WITHHELD, Answer, Judged, judge
from twinpane_broker.disclosure.known_group import GROUPS, known_groups
from twinpane_broker.disclosure.set_names import SetNames, name_of_everybody
from twinpane_broker.engine.engine import Engine
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.question.plan import Group, Plan
from twinpane_broker.release.account_line import AccountLine, account_lines
from twinpane_broker.release.arrange import arranged, left_out
from twinpane_broker.release.release import Refusal, Release, ReleasedColumn
from twinpane_broker.rules.cell_key import Counter
from twinpane_broker.rules.policy import Rules

from .disclosure import differential_privacy
from .errors import EngineError, RefusalCode, Refused
from .memory import Decision, Memory, Standing, Totals, release_id
from .model import canonical_json

DISTANCE = b"twinpane-distance:"
"""Goes before what is hashed: the site's secret serves other ends too."""
Signer = Callable[[Release], Release]
"""Gives a release the site's signature: ``lambda release: sign(release, key)``."""


def _today() -> date:
    return datetime.now(UTC).date()


class Broker:
    """Answers plans for one project of one site. Thread-safe; ``run`` never raises for what a plan says or the data holds."""

    def __init__(
        self,
        catalogue: Catalogue,
        policy: Rules,
        engine: Engine,
        memory: Memory,
        *,
        whole: Catalogue | None = None,
        signer: Signer | None = None,
        vocabulary: Vocabulary | None = None,
        project: str = "",
        secret: bytes = b"",
        today: Callable[[], date] = _today,
        log: logging.Logger | None = None,
    ) -> None:
        """``whole``: the site's catalogue, of which ``catalogue`` has some tables: a set that two projects describe alike has one name.

        Without a ``signer`` releases are not signed; without a ``vocabulary`` code sets have no descendants.

        Withheld answers and spent epsilon are counted per ``project``. ``secret`` is the site's secret, by which all is
        drawn: which way a count is rounded, cell key noise, how near a set must be to a released one to get its number. Without one,
        another is drawn at each start.
        Raises PolicyError if the policy needs a secret or a library that is not there.
        """
        Counter(policy, secret)
        if policy.dp is not None:
            differential_privacy.opendp()
        self.catalogue = catalogue
        self.rules = policy
        # These digests never change, and a catalogue is large: compute them once.
        self._asked_of = (catalogue.site, catalogue.snapshot, catalogue.digest(), policy.digest())
        self._catalogue = bytes.fromhex((whole or catalogue).digest())[:16]
        self._everybody = {name_of_everybody(table.name) for table in catalogue.tables if catalogue.home(table) is None}
        self._version = policy.version
        self._engine = engine
        self._memory = memory
        self._vocabulary = vocabulary
        self._sign = signer or (lambda release: release)
        self._project = project
        self._draws = secret or secrets.token_bytes(16)
        self._today = today
        self._log = log or logging.getLogger(__name__)

    @staticmethod
    def warm() -> None:
        """Load what some answers need, which takes a while: else the first of them would be late, and tell that it needs it.

        For whoever answers people; who asks but once, at the site, does without.
        """
        from .disclosure import linear_program  # noqa: F401

    def run(self, plan: Plan) -> Release | Refusal:
        """The answer to a plan: the same bytes for the same plan, snapshot and rules, before and after a restart."""
        try:
            bound = check(plan, self.catalogue, self._vocabulary, self._today())
            if self.rules.dp is not None:
                differential_privacy.require(bound, self.rules)
        except Refused as refused:
            return self._refusal(plan, refused.code, refused.reason)
        try:
            answer = self._answer(bound)
            if answer.withheld:
                return self._refusal(plan, RefusalCode.withheld, account=answer.account)
            return self._sign(self._release(plan, bound, answer))
        except Spent as spent:
            return self._refusal(plan, spent.code, spent.reason, spent.account)
        except Refused as refused:
            return self._refusal(plan, refused.code, refused.reason)
        except EngineError:
            return self._refusal(plan, RefusalCode.unavailable)
        except Exception:
            # The text of any error may carry values: it stays in the site's log.
            self._log.exception("the broker could not answer the plan %s", plan.hash)
            return self._refusal(plan, RefusalCode.unavailable)

    def _answer(self, bound: ResolvedPlan) -> Answer:
        key = self._key(bound)
        if (known := self._memory.get(key)) is not None:
            return Answer.model_validate_json(known)
        names = SetNames(bound)
        cost = cost_of(bound, names)
        self._require_room(cost)
        evidence = self._engine.measure(bound)
        # Questions may be measured side by side, but decided one by one: two answers that are safe alone may be unsafe together.
        with self._memory.decision(exact=self.rules.tells_counts) as decision:
            if (known := decision.get(key)) is not None:
                return Answer.model_validate_json(known)
            day = self._today()
            self._require_below_cap(decision.withheld(self._project, day))
            judged = self._judged(bound, evidence, names, cost, decision)
            counted = (self._project, day) if judged.answer.withheld else None
            decision.put(key, judged.answer.body, judged.released, counted, judged.values)
        return judged.answer

    def _require_room(self, cost: Cost) -> None:
        """Raises Refused where earlier questions left no room, before the engine is asked: such a refusal's time tells nothing of the data.

        The decision asks again, as others may have taken the room meanwhile.
        """
        self._require_below_cap(self._memory.withheld_before(self._project, self._today()))
        if self.rules.dp is not None:
            differential_privacy.Account(self._memory, self._project).require(self.rules.dp)
        else:
            cost.pay(self._memory.overdrawn, self.rules, self.catalogue.persons)

    def _require_below_cap(self, withheld: int) -> None:
        """Raises Refused for every new question, whatever the data hold: the cap tells nothing about this one."""
        if withheld >= self.rules.withheld_per_day:
            raise Refused("", RefusalCode.capped)

    def _judged(self, bound: ResolvedPlan, evidence: Evidence, names: SetNames, cost: Cost, decision: Decision) -> Judged:
        if self.rules.dp is not None:
            judged = differential_privacy.private(bound, evidence, self.rules)
            differential_privacy.pay(self.rules.dp, decision, self._project)
            return judged
        threshold = self.rules.threshold
        before = decision.told(dict.fromkeys(cost.charge, frozenset()))
        cost.pay(decision.charge, self.rules, self.catalogue.persons)
        lines = account_lines(decision.told(cost.charge), self.rules.most_sets(self.catalogue.persons), before)
        groups = known_groups(bound, self._measured) if self.rules.tells_counts else ()
        if not all(decision.admits_group(group, GROUPS, threshold) for group in groups):
            return replace(WITHHELD, answer=WITHHELD.answer.model_copy(update={"account": lines}))
        judged = judge(
            bound, evidence, self.rules,
            Beside(
                places=cost.covering(partial(self._placed, decision)), admits=partial(self._admits, decision),
                admits_rows=partial(decision.admits_rows, threshold=threshold), stands_in=decision.stands_in, instead=decision.instead,
                distance=self._distance, measured=self._measured,
            ), self._draws, names,
        )  # fmt: skip
        if groups and not judged.answer.withheld:
            judged = replace(judged, values={**judged.values, GROUPS: groups})
        return replace(judged, answer=judged.answer.model_copy(update={"account": lines}))

    def _measured(self, around: ResolvedPlan) -> Evidence:
        """The evidence of a question around the asked one."""
        return self._engine.measure(replace(around, recurs=True))

    def _placed(self, decision: Decision, who: PersonSet, name: bytes, kind: str, totals: Totals, part: bytes = b"") -> Standing:
        """See ``Decision.place``. Names are beside a catalogue: a set that was released under another one has no name here."""
        name += part
        said, around = self._catalogue + name, self._named(totals)
        standing = decision.place(who, said, self.rules.threshold, self._distance(name), kind, around)
        if standing.stand_in is None or not standing.stand_in.said:
            return standing
        own = standing.stand_in.said.startswith(self._catalogue)
        said = standing.stand_in.said.removeprefix(self._catalogue) if own else b""
        return replace(standing, stand_in=replace(standing.stand_in, said=said))

    def _admits(self, decision: Decision, who: PersonSet, name: bytes, totals: Totals) -> bool:
        """See ``Decision.admits``."""
        return decision.admits(who, self.rules.threshold, self._catalogue + name, self._distance(name), self._named(totals))

    def _named(self, totals: Totals) -> Totals:
        return Totals(self._catalogue + name for name in totals)

    def _distance(self, name: bytes) -> int:
        """From the threshold to one less than twice as many persons: drawn for each description, the same each time it is asked.

        Sets that lack fewer persons of everybody bear everybody's number, and were not released themselves. So everybody's own number is
        told whatever was asked before, if nothing nearer than the threshold was.
        """
        if name in self._everybody:
            return self.rules.threshold
        drawn = hmac.digest(self._draws, DISTANCE + self._catalogue + name, "sha256")
        return self.rules.threshold + int.from_bytes(drawn) % self.rules.threshold

    def _key(self, bound: ResolvedPlan) -> str:
        return hashlib.sha256(canonical_json([*self._asked_of, bound.identity])).hexdigest()

    def _release(self, plan: Plan, bound: ResolvedPlan, answer: Answer) -> Release:
        columns = tuple(_column(name, part, bound, self.rules) for name, part in zip(plan.names, plan.parts, strict=True))
        rows = arranged(answer.rows, plan)
        return Release(
            id=release_id(plan.hash, self._key(bound), hashlib.sha256(answer.body).hexdigest()),
            site=self.catalogue.site,
            plan_hash=plan.hash,
            snapshot=self.catalogue.snapshot,
            policy=self._version,
            rules=applied(self.rules, plan, answer.row_base),
            persons=answer.persons,
            about=answer.about,
            columns=columns,
            rows=rows,
            left_out=left_out(answer.rows, rows),
            account=answer.account,
        )

    def _refusal(self, plan: Plan, code: RefusalCode, reason: str = "", account: tuple[AccountLine, ...] = ()) -> Refusal:
        return Refusal(site=self.catalogue.site, plan_hash=plan.hash, code=code, reason=reason, account=account)


def _column(name: str, part: Group | Measure, bound: ResolvedPlan, rules: Rules) -> ReleasedColumn:
    """The description of one column of the release."""
    if isinstance(part, Group):
        column = bound.column(part.column)
        unit = column.unit if part.width is not None else ""
        return ReleasedColumn(name=name, kind="dimension", label=column.label, unit=unit)
    kind = MeasureKind(part.kind)
    if isinstance(part, OfCell):
        return ReleasedColumn(name=name, kind=kind, decimals=0 if kind is MeasureKind.share else None)
    column = bound.column(part.column)
    if isinstance(part, OfPair):
        labels = [label for label in (column.label, bound.column(part.other).label) if label]
        return ReleasedColumn(name=name, kind=kind, label=" and ".join(labels)[:300])
    decimals = least_decimals(column, rules) if kind is MeasureKind.mean else None
    low, high = column.known_bounds
    return ReleasedColumn(
        name=name, kind=kind, unit=part.unit(column.unit), label=column.label, decimals=decimals, bounds=(float(low), float(high)),
        steps=bound.coarse_steps(part.column) if part.needs_bins else None,
    )  # fmt: skip
