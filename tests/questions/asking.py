"""Asking a hospital its questions, and saying of each what was shown, what was not, and which rule held it back."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan, check
from twinpane_broker.errors import Refused
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.sql import parse_sql

from .hospitals import Hospital

FILE = Path(__file__).with_name("questions.toml")
FEW, LEAVES_FEW, MEMORY, VALUELESS, SPLIT, OTHER = (
    "fewer than the threshold are in it",
    "it leaves out fewer than the threshold",
    "memory: it could be differenced with an earlier answer",
    "all but few in it have a value",
    "nearly all of a group hold one category (class disclosure)",
    "protects another cell, or persons dominate it",
)


@dataclass(frozen=True)
class Question:
    """A question in words and in SQL."""

    ask: str
    sql: str


@dataclass
class Asked:
    """What became of a question. Cells that nobody is in are not counted: what is not there cannot be shown."""

    question: Question
    outcome: str
    """released, or the refusal's code."""
    reason: str = ""
    numbers: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    """Numbers of inhabited cells that were not shown, by why."""

    @property
    def full(self) -> bool:
        """Whether every number was shown."""
        return self.outcome == "released" and not self.withheld


def questions(hospital: str) -> list[Question]:
    """The hundred questions to a hospital, in order."""
    raw = tomllib.loads(FILE.read_text())
    names = raw["names"][hospital]
    chosen = [entry for entry in raw["question"] if entry.get("of", hospital) == hospital]
    return [Question(entry["ask"], entry["sql"].format_map(names) if "of" not in entry else entry["sql"]) for entry in chosen]


def ask_all(hospital: Hospital) -> Iterator[Asked]:
    """Ask them one after the other, as one project would."""
    for question in questions(hospital.name):
        yield ask(hospital, question)


def ask(hospital: Hospital, question: Question) -> Asked:
    """Ask one question and account for what is missing in the answer."""
    try:
        plan = parse_sql(question.sql, hospital.catalogue)
        bound = check(plan, hospital.catalogue)
    except Refused as refused:
        return Asked(question, str(refused.code), refused.reason)
    plan = plan.model_copy(update={"limit": None})
    answer, fresh = hospital.broker.run(plan), hospital.forgetful().run(plan)
    if isinstance(answer, Refusal):
        why = MEMORY if isinstance(fresh, Release) else "too few persons in all, or too many cells would be hidden"
        return Asked(question, str(answer.code), why if answer.code == "withheld" else answer.reason)
    evidence = hospital.engine.measure(bound)
    asked = Asked(question, "released")
    unlimited = dict(_by_index(answer, bound))
    others = dict(_by_index(fresh, bound)) if isinstance(fresh, Release) else {}
    for index in bound.cells:
        if not evidence.cell(index).persons:
            continue
        for place, value in enumerate(unlimited[index]):
            asked.numbers += 1
            if value is None:
                asked.withheld[_why(index, place, others, evidence, bound, hospital)] += 1
    return asked


def _by_index(release: Release, bound: ResolvedPlan) -> Iterator[tuple[tuple[int, ...], list[float | None]]]:
    places = [{category: at for at, category in enumerate(axis.categories)} for axis in bound.axes]
    for row in release.rows:
        if all(category in known for category, known in zip(row.key, places, strict=True)):
            index = tuple(known[category] for category, known in zip(row.key, places, strict=True))
            yield index, [value.value for value in row.values]


def _why(index: tuple[int, ...], place: int, fresh: dict, evidence: Evidence, bound: ResolvedPlan, hospital: Hospital) -> str:
    cell, k = evidence.cell(index), hospital.rules.threshold
    if cell.persons < k:
        return FEW
    if 0 < evidence.persons - cell.persons < k:
        return LEAVES_FEW
    if index in fresh and fresh[index][place] is not None:
        return MEMORY
    measure = bound.plan.measures[place]
    if measure.column in bound.value_columns:
        spread = cell.spreads[bound.value_columns.index(measure.column)]
        if spread is not None and 0 < cell.persons - spread.persons < k:
            return VALUELESS
    if _is_split(index, evidence, bound, hospital):
        return SPLIT
    return OTHER


def _is_split(index: tuple[int, ...], evidence: Evidence, bound: ResolvedPlan, hospital: Hospital) -> bool:
    for place, axis in enumerate(bound.axes):
        line = [cell for at, cell in evidence.cells.items() if at[:place] + at[place + 1 :] == index[:place] + index[place + 1 :]]
        group = PersonSet.union(*(cell.who for cell in line))
        most = max(cell.persons for cell in line)
        if bound.column(axis.column).sensitive and axis.bin is axis.width is None and most * 100 > hospital.rules.class_share * len(group):
            return True
    return False
