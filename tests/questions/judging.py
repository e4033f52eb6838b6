"""Why a number is missing, seen from inside the judge. A site never says; only a test may look.

``watched`` puts the judge's own classes under observation for as long as it lasts, so no code of the broker has to give a reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any
from unittest.mock import patch

import twinpane_broker.broker as asked_broker
import twinpane_broker.disclosure.conditions as conditions_module
import twinpane_broker.disclosure.judge as judge_module
from twinpane_broker.aggregates.aggregate import OfCell, OfPair
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.disclosure.beside import Beside, Measured
from twinpane_broker.disclosure.held_numbers import Told
from twinpane_broker.disclosure.judge import Judged
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.evidence.table import Index, Line, Table
from twinpane_broker.memory import REFUSED, InProcessMemory, Standing, Totals
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.sdc_rules import count_is_safe, threshold_rule


class Why(StrEnum):
    """The rule that holds a number back, or a whole question."""

    threshold = "threshold: fewer than it are in the cell, or have a value"
    leaves_few = "threshold: all but fewer than it are in the cell, or have a value"
    companion = "companion: it would give away a number that the threshold or a class holds back"
    split = "class disclosure: nearly all of a group hold one category"
    values = "dominance and rules for values: a few persons hold most of it, or the values are too much alike"
    memory = "memory: it could be differenced with an earlier answer"
    as_few = "memory: near so small a set that it must look like one of few persons"
    known = "known: acquaintances know what it is about, but for one person"
    shows = "known: acquaintances know how many rows or days persons have, and one person would show"
    within = "memory: it could be differenced with another number of the same answer"
    condition_class = "class disclosure of a condition: nearly all of a group meet it"
    conditions = "conditions: one on something known, alone or with others, leaves out fewer than the threshold"
    crowded = "too many cells of the table are held back"


ALLOWED = (Why.threshold, Why.leaves_few, Why.companion, Why.split)
"""What no broker under these rules can show. Every other reason is a use that is lost."""
FROM_INSIDE = {
    "small": Why.threshold,
    "leaves few": Why.leaves_few,
    "split": Why.split,
    "memory": Why.memory,
    "companion": Why.companion,
}


@dataclass
class Trace:
    """What the judge did with one question."""

    bound: ResolvedPlan
    evidence: Evidence
    rules: Rules
    measured: Measured
    memory_refuses: bool = False
    """Whether the memory did not admit the question's persons as a whole."""
    patterns: list["WatchedPattern"] = field(default_factory=list)
    numbers: dict[tuple[Index, Measure], Why] = field(default_factory=dict)
    """Single numbers that are held back in cells that are shown."""
    alone: "Trace | None" = None
    """The same judged by a memory without earlier answers."""

    def why(self, index: Index, measure: Measure) -> Why:
        """Why a number of the table that was asked for is missing."""
        why = self._why(index, measure)
        by_itself = why is Why.memory and self.alone is not None and self.alone.patterns
        return Why.within if by_itself and self.alone._why(index, measure) is Why.memory else why

    def _why(self, index: Index, measure: Measure) -> Why:
        pattern = self.patterns[0]
        if index in pattern.stand_ins:  # a number of persons is shown, so that another rule hides what is told beside it
            return self.numbers.get((index, measure), Why.memory)
        if index in pattern.reasons:
            return pattern.why(index)
        return self.numbers.get((index, measure), Why.companion)

    @property
    def why_nothing(self) -> Why:
        """Why the whole question is withheld."""
        evidence, threshold = self.evidence, self.rules.threshold
        if not threshold_rule(evidence.persons, threshold):
            return Why.threshold
        if not conditions_module.known_conditions_are_safe(self.bound, self.measured, self.rules):
            return Why.conditions
        if not judge_module.conditions_are_safe(self.bound, evidence, self.rules):
            places = range(len(evidence.conditions))
            classes = any(conditions_module._discloses(place, self.bound, evidence, self.rules) for place in places)
            return Why.condition_class if classes else Why.conditions
        if self.memory_refuses or not self.patterns:  # or it is near a small set that everybody knows
            return Why.memory
        causes = Counter(map(self.patterns[0].why, self.patterns[0].reasons))
        return Why.memory if causes[Why.memory] > sum(causes.values()) / 2 else Why.crowded


class WatchedPattern(judge_module.SuppressionPattern):
    """A table's suppressed cells, which tells companions of the memory's from those of other rules."""

    def __init__(self, table: Table, bound: ResolvedPlan, rules: Rules, row_base: int) -> None:
        super().__init__(table, bound, rules, row_base)
        self.for_memory: set[Index] = set()
        self._closing = False
        _of_current(lambda trace: trace.patterns.append(self))

    def close(self) -> bool:
        self._closing = True
        try:
            return super().close()
        finally:
            self._closing = False

    def hide_one(self, line: Line) -> bool:
        before = set(self.reasons)
        hidden = super().hide_one(line)
        if not self._closing:  # the judge asks for it where the memory refuses what follows from a line
            self.for_memory |= self.reasons.keys() - before
        return hidden

    def why(self, index: Index) -> Why:
        """Why a cell is suppressed. A companion in a table where only the memory refuses anything is lost to the memory."""
        why = FROM_INSIDE[str(self.reasons[index])]
        if index in self._as_few:
            return Why.as_few
        if index in self.for_memory:
            return Why.memory
        if why is not Why.companion:
            return why
        others = {str(reason) for cell, reason in self.reasons.items() if self.table.size(cell) and cell not in self.for_memory}
        unlisted = any(0 < self.table.size(cell) < self.rules.threshold for cell in self.table.cells if not self.table.is_shown(cell))
        return Why.companion if unlisted or others & {"small", "leaves few", "split"} else Why.memory


class WatchedNumbers(judge_module.Numbers):
    """The single numbers of a table, each with the rule that holds it back."""

    def of(self, measure: Measure, denominator: Callable[[Index], CellEvidence | None]) -> Any:
        refused: list[str] = []
        asked = self.beside

        def admits_rows(*said: Any) -> bool:
            admitted = asked.admits_rows(*said)
            refused.extend([] if admitted else ["rows"])
            return admitted

        object.__setattr__(self, "beside", replace(asked, admits_rows=admits_rows))
        values = super().of(measure, denominator)
        object.__setattr__(self, "beside", asked)
        if len(self.table.kept) == len(self.bound.axes):
            for index, value in values.items():
                told = self.told(index)
                if value.value is None and told is not None:
                    why = self._why_beside(index, measure, told) if told.about else self._why(index, measure, bool(refused))
                    _of_current(lambda trace, at=(index, measure), why=why: trace.numbers.__setitem__(at, why))
        return values

    def _why_beside(self, index: Index, measure: Measure, told: Told) -> Why:
        """Why something is not told beside another set's number of persons."""
        columns = _columns(measure)
        if told.known and any(map(self.is_known, columns)):
            return Why.known
        if self._one_shows(columns, index, measure):
            return Why.shows
        return Why.memory if count_is_safe(self.table.cell(index), self.rules) else Why.values

    def _one_shows(self, columns: tuple[str, ...], index: Index, measure: Measure) -> bool:
        return any(self.one_shows(column, index) for column in columns if column or (measure.of_rows and not self.one_row_each))

    def _why(self, index: Index, measure: Measure, memory: bool) -> Why:
        cell, k = self.table.cell(index), self.rules.threshold
        if self._one_shows(_columns(measure), index, measure):
            return Why.shows
        if isinstance(measure, OfCell):
            if not measure.of_rows:
                return Why.companion
            return Why.values if not count_is_safe(cell, self.rules) else Why.memory if memory else Why.companion
        if isinstance(measure, OfPair):
            part: Any = cell.pairs[self.bound.value_pairs.index((measure.column, measure.other))] if cell.pairs else None
        else:
            part = cell.spreads[self.bound.value_columns.index(measure.column)] if cell.spreads else None
        if part is None or len(part.who) < k:
            return Why.threshold
        if 0 < cell.persons - len(part.who) < k:
            return Why.leaves_few
        if not measure.is_safe(part, self.rules) or not count_is_safe(cell, self.rules):
            return Why.values
        told = [admitted for (*_, at), admitted in (*self._asked.items(), *self._placed.items()) if at == index]
        return Why.memory if not all(told) else Why.companion


def _columns(measure: Measure) -> tuple[str, ...]:
    return ("",) if isinstance(measure, OfCell) else (measure.column, measure.other) if isinstance(measure, OfPair) else (measure.column,)


_current: list[Trace] = []


def _of_current(act: Callable[[Trace], Any]) -> None:
    if _current:
        act(_current[-1])


def _watched_judge(bound: ResolvedPlan, evidence: Evidence, rules: Rules, beside: Beside, *secret: bytes) -> Judged:
    trace = Trace(bound, evidence, rules, beside.measured, alone=_judged_alone(bound, evidence, rules, beside.measured, *secret))
    _current.append(trace)
    asked: list[Standing] = []

    def places_first(who: PersonSet, name: bytes, kind: str, totals: Totals, part: bytes = b"") -> Standing:
        asked.append(beside.places(who, name, kind, totals, part))
        return asked[-1]

    judged = judge_module.judge(bound, evidence, rules, replace(beside, places=places_first), *secret)
    trace.memory_refuses = bool(asked) and asked[0] == REFUSED
    return judged


def _judged_alone(bound: ResolvedPlan, evidence: Evidence, rules: Rules, measured: Measured, *secret: bytes) -> Trace:
    """What becomes of the question where nothing was asked before."""
    trace, k = Trace(bound, evidence, rules, measured), rules.threshold
    _current.append(trace)
    with InProcessMemory().decision() as fresh:
        beside = Beside(
            places=lambda who, name, kind, totals, part=b"": fresh.place(who, name + part, k, k, kind, totals),
            admits=lambda who, name, totals: fresh.admits(who, k, name, k, totals),
            admits_rows=partial(fresh.admits_rows, threshold=k), stands_in=fresh.stands_in, instead=fresh.instead,
            distance=lambda _name: k, measured=measured,
        )  # fmt: skip
        judge_module.judge(bound, evidence, rules, beside, *secret)
    _current.remove(trace)
    return trace


@contextmanager
def watched() -> Iterator[Callable[[], Trace | None]]:
    """While it lasts, a function that gives the trace of what was judged last, once. None for an answer that was only remembered."""

    def last() -> Trace | None:
        trace = _current[-1] if _current else None
        _current.clear()
        return trace

    with (
        patch.object(asked_broker, "judge", _watched_judge),
        patch.object(judge_module, "SuppressionPattern", WatchedPattern),
        patch.object(judge_module, "Numbers", WatchedNumbers),
    ):
        yield last
