"""The account of a hospital's answers, as figures and as text."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .judging import Why
from .question import Asked

KINDS = ("in full", "in full but for the threshold", "in part", "grammar", "catalogue", "withheld", "unavailable", "capped")
"""What can become of a question, from best to worst; the refusals by their codes."""
MOST_BY_GRAMMAR = 5
MOST_LOST = {"generated": 1.0, "gibleed": 2.0}
"""Goals: questions refused by the grammar, and percent of numbers missing for a reason but threshold, companions and class disclosure."""


@dataclass(frozen=True)
class Figures:
    """What became of a hospital's questions and numbers."""

    kinds: Counter[str]
    numbers: int
    """Of inhabited cells in answers that were given."""
    withheld: Counter[Why]
    """Of these, how many were not shown, by why."""
    lost: int
    """Of these, for a reason that no threshold, companion or class asks for."""
    right: int
    clipped: int
    wrong: int
    about: int
    unlisted: int
    """Rows of DuckDB's answers that have none of their own in the releases: in *(other)*, or outside the categories."""

    @property
    def asked(self) -> int:
        """Questions."""
        return self.kinds.total()

    @property
    def full(self) -> int:
        """Answered with every number."""
        return self.kinds["in full"]

    @property
    def answered(self) -> int:
        """Answered, with or without some numbers withheld."""
        return sum(self.kinds[kind] for kind in KINDS[:3])

    @property
    def percent_lost(self) -> float:
        """Of all numbers."""
        return 100 * self.lost / max(1, self.numbers)


def figures(asked: Iterable[Asked]) -> Figures:
    """Count."""
    asked = list(asked)
    return Figures(
        kinds=Counter(each.kind for each in asked),
        numbers=sum(each.numbers for each in asked),
        withheld=sum((each.withheld for each in asked), Counter()),
        lost=sum(each.lost for each in asked),
        right=sum(each.verdict.right for each in asked),
        clipped=sum(each.verdict.clipped for each in asked),
        wrong=sum(len(each.verdict.wrong) for each in asked),
        about=sum(each.about for each in asked),
        unlisted=sum(each.verdict.unlisted for each in asked),
    )


def account(name: str, asked: Iterable[Asked], *, goals: str = "", each_one: bool = False) -> str:
    """A table of what became of the questions, why numbers are missing, and every question that was not answered in full.

    ``goals``: the hospital whose goals the figures are held against; none if empty. ``each_one``: name every question.
    """
    asked = list(asked)
    told = figures(asked)
    lines = [name, *_table(asked), *_numbers(told)]
    if goals:
        lines += _goals(told, goals)
    if each_one:
        lines += [f"  {each.kind}: {each.question.ask}" for each in asked]
    lines += [f"  {each.outcome.upper()}: {each.question.ask}: {each.reason}" for each in asked if each.outcome != "released"]
    for each in asked:
        if each.withheld:
            parts = "; ".join(f"{count} × {why}" for why, count in each.withheld.most_common())
            lines.append(f"  {each.withheld.total()} of {each.numbers}: {each.question.ask}: {parts}")
        lines += [f"  WRONG: {each.question.ask}: {wrong}" for wrong in each.verdict.wrong]
    return "\n".join(lines)


def _table(asked: list[Asked]) -> Iterable[str]:
    """What became of the questions, by topic where they have one."""
    kinds = [kind for kind in KINDS if any(each.kind == kind for each in asked)]
    topics = list(dict.fromkeys(each.question.topic for each in asked))
    rows = {topic or "all": Counter(each.kind for each in asked if each.question.topic == topic) for topic in topics}
    if len(rows) > 1:
        rows["all"] = Counter(each.kind for each in asked)
    yield "  " + " ".join([" " * 18, *(f"{kind:>{max(6, len(kind))}}" for kind in kinds)])
    for topic, row in rows.items():
        yield "  " + " ".join([f"{topic:18}", *(f"{row[kind] or '':>{max(6, len(kind))}}" for kind in kinds)])


def _numbers(told: Figures) -> Iterable[str]:
    missing = told.withheld.total()
    yield f"  {missing} of {told.numbers} numbers missing ({100 * missing / max(1, told.numbers):.1f} %):"
    for why in Why:
        if told.withheld[why]:
            yield f"  {told.withheld[why]:6}  {why}"
    if told.about:
        yield f"  {told.about:6}  shown, but about (≈): taken from a near question's persons"
    yield (
        f"  beside DuckDB on the raw rows: {told.right} right, {told.clipped} right within the catalogue's bounds, {told.wrong} wrong; "
        f"{told.unlisted} of its rows have none of their own"
    )


def _goals(told: Figures, hospital: str) -> Iterable[str]:
    refused, most = told.kinds["grammar"], MOST_LOST[hospital]
    yield f"  goal: refused by grammar at most {MOST_BY_GRAMMAR}: {refused}, {_met(refused <= MOST_BY_GRAMMAR)}"
    yield (
        f"  goal: missing for any reason but threshold, companions and class disclosure at most {most:g} %: "
        f"{told.lost} numbers, {told.percent_lost:.2f} %, {_met(told.percent_lost <= most)}"
    )
    yield f"  goal: no wrong number: {told.wrong}, {_met(not told.wrong)}"


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"
