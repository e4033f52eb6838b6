"""The ordinary clinical questions, as data: ``questions.toml``."""

import tomllib
from pathlib import Path

from .question import Question

FILE = Path(__file__).with_name("questions.toml")


def clinical_questions(hospital: str) -> list[Question]:
    """The hundred questions to a hospital, in order."""
    raw = tomllib.loads(FILE.read_text())
    names = raw["names"][hospital]
    chosen = [entry for entry in raw["question"] if entry.get("of", hospital) == hospital]
    return [Question(entry["ask"], entry["sql"].format_map(names) if "of" not in entry else entry["sql"]) for entry in chosen]
