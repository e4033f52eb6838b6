"""The account of a hospital's answers, as figures and as text."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .asking import FEW, LEAVES_FEW, Asked


@dataclass(frozen=True)
class Figures:
    """Shares of a hospital's questions and numbers."""

    asked: int
    full: int
    """Answered with every number."""
    answered: int
    """Answered, with or without some numbers withheld."""
    numbers: int
    withheld: int
    """Numbers of inhabited cells in answers that were not shown."""
    needed: int
    """Of these, such that the threshold itself hides."""

    @property
    def text(self) -> str:
        """In a line."""
        return (
            f"{self.full} of {self.asked} questions fully answered, {self.answered - self.full} in part, {self.asked - self.answered} not; "
            f"{self.withheld} of {self.numbers} numbers withheld ({100 * self.withheld / max(1, self.numbers):.1f} %), "
            f"{self.needed} of them by the threshold itself"
        )


def figures(asked: Iterable[Asked]) -> Figures:
    """Count."""
    asked = list(asked)
    why = sum((each.withheld for each in asked), Counter())
    return Figures(
        asked=len(asked),
        full=sum(each.full for each in asked),
        answered=sum(each.outcome == "released" for each in asked),
        numbers=sum(each.numbers for each in asked),
        withheld=sum(why.values()),
        needed=why[FEW] + why[LEAVES_FEW],
    )


def account(name: str, asked: Iterable[Asked]) -> str:
    """Figures, why numbers are missing, and every question that was not fully answered."""
    asked = list(asked)
    lines = [f"{name}: {figures(asked).text}"]
    for why, count in sum((each.withheld for each in asked), Counter()).most_common():
        lines.append(f"  {count:6}  {why}")
    for each in asked:
        if each.outcome != "released":
            lines.append(f"  {each.outcome.upper()}: {each.question.ask}: {each.reason}")
        elif each.withheld:
            parts = "; ".join(f"{count} × {why}" for why, count in each.withheld.most_common())
            lines.append(f"  {sum(each.withheld.values())} of {each.numbers}: {each.question.ask}: {parts}")
    return "\n".join(lines)
