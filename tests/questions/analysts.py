"""The questions in analysts' SQL, as data: ``analysts.sql`` and ``studies.sql`` with the hospital's names of ``analysts.toml``."""

import re
import tomllib
from pathlib import Path

from .question import Question

HERE = Path(__file__).parent
BEGIN = re.compile(r"^-- \[(?P<topic>[a-z ]+)(?:, (?P<of>[a-z]+))?\] (?P<ask>.+)$", re.MULTILINE)


def analysts_questions(hospital: str, file: str = "analysts.sql") -> list[Question]:
    """The questions of a file to a hospital, in order: of ``analysts.sql`` a hundred."""
    names = tomllib.loads((HERE / "analysts.toml").read_text())[hospital]
    text = (HERE / file).read_text()
    found = list(BEGIN.finditer(text))
    ends = [each.start() for each in found[1:]] + [len(text)]
    return [
        Question(ask=each["ask"], sql=text[each.end() : end].strip().removesuffix(";").format_map(names), topic=each["topic"])
        for each, end in zip(found, ends, strict=True)
        if each["of"] in (None, hospital)
    ]
