"""``python -m tests.questions``: ask both hospitals their hundred clinical questions, and a hundred in analysts' SQL.

It prints what was answered, what was not and why, and compares every released number with DuckDB's own; a wrong one fails it. With
``--each`` it names every question; with ``--preset`` the sites have another one's rules.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from twinpane_broker.rules.policy import PRESETS

from .analysts import analysts_questions
from .asking import ask_all
from .clinical import clinical_questions
from .hospitals import USUAL, generated, gibleed
from .report import account, figures


def main() -> int:
    """Print the account of both; 1 if a released number is wrong."""
    words = argparse.ArgumentParser(
        prog="python -m tests.questions", description="What two hospitals answer of two hundred questions each."
    )
    words.add_argument("--each", action="store_true", help="name every question")
    words.add_argument("--preset", choices=PRESETS, default=USUAL, help="whose rules the sites have")
    chosen, wrong = words.parse_args(), 0
    with tempfile.TemporaryDirectory(prefix="twinpane-questions-") as folder:
        for make in (generated, gibleed):
            hospital = make(Path(folder), chosen.preset)
            persons = f"{hospital.name} ({hospital.catalogue.persons:,} persons)"
            clinical = list(ask_all(hospital, clinical_questions(hospital.name), "clinical"))
            analysts = list(ask_all(hospital, analysts_questions(hospital.name), "analysts"))
            print(account(f"{persons}, clinical questions", clinical, each_one=chosen.each), end="\n\n")
            print(account(f"{persons}, analysts' SQL", analysts, goals=hospital.name, each_one=chosen.each), end="\n\n")
            wrong += figures(clinical).wrong + figures(analysts).wrong
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
