"""``python -m tests.questions``: ask both hospitals their hundred clinical questions, and a hundred in analysts' SQL.

It prints what was answered, what was not and why, and compares every released number with DuckDB's own; a wrong one fails it. With
``--each`` it names every question.
"""

import sys
import tempfile
from pathlib import Path

from .analysts import analysts_questions
from .asking import ask_all
from .clinical import clinical_questions
from .hospitals import generated, gibleed
from .report import account, figures


def main() -> int:
    """Print the account of both; 1 if a released number is wrong."""
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="twinpane-questions-") as folder:
        for make in (generated, gibleed):
            hospital = make(Path(folder))
            persons = f"{hospital.name} ({hospital.catalogue.persons:,} persons)"
            clinical = list(ask_all(hospital, clinical_questions(hospital.name), "clinical"))
            analysts = list(ask_all(hospital, analysts_questions(hospital.name), "analysts"))
            each_one = "--each" in sys.argv[1:]
            print(account(f"{persons}, clinical questions", clinical, each_one=each_one), end="\n\n")
            print(account(f"{persons}, analysts' SQL", analysts, goals=hospital.name, each_one=each_one), end="\n\n")
            wrong += figures(clinical).wrong + figures(analysts).wrong
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
