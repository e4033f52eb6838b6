"""What a look at the machine found, and how it is told."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How a thing is."""

    fine = "fine"
    warning = "warning"
    """It runs, but a promise is weaker than it could be, or it could not be looked at."""
    wrong = "wrong"
    """It does not run, or must not."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing: its name, how it is, what was found, and what helps where it is not fine."""

    name: str
    grade: Grade
    found: str
    remedy: str = ""


def fine(name: str, found: str) -> Diagnosis:
    """It is as it should be."""
    return Diagnosis(name, Grade.fine, found)


def warning(name: str, found: str, remedy: str) -> Diagnosis:
    """It runs, but could be better."""
    return Diagnosis(name, Grade.warning, found, remedy)


def wrong(name: str, found: str, remedy: str) -> Diagnosis:
    """It does not run so."""
    return Diagnosis(name, Grade.wrong, found, remedy)


def lines(found: Iterable[Diagnosis]) -> Iterator[str]:
    """For a terminal: one line for each thing, and a second one with what helps."""
    for each in found:
        yield f"{each.grade.value:8} {each.name}: {each.found}"
        if each.remedy:
            yield f"{'':8} -> {each.remedy}"


def as_json(found: Sequence[Diagnosis]) -> str:
    """For a program."""
    return json.dumps({"fit": fit(found), "checks": [asdict(each) for each in found]}, ensure_ascii=False, indent=2)


def fit(found: Iterable[Diagnosis]) -> bool:
    """Whether nothing is wrong. Warnings do not count."""
    return all(each.grade is not Grade.wrong for each in found)
