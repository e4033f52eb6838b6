"""``python -m tests.questions``: ask both hospitals their hundred questions and print what was answered, what was not, and why."""

import tempfile
from pathlib import Path

from .asking import ask_all
from .hospitals import GIBLEED, generated, gibleed
from .report import account


def main() -> None:
    """Print the account of both."""
    with tempfile.TemporaryDirectory(prefix="twinpane-questions-") as folder:
        hospital = generated(Path(folder))
        print(account(f"{hospital.name} ({hospital.catalogue.persons:,} persons)", ask_all(hospital)))
        other = gibleed(Path(folder))
        if other is None:
            print(f"gibleed: skipped, the data set is not at {GIBLEED}")
        else:
            print(account(f"{other.name} ({other.catalogue.persons:,} persons)", ask_all(other)))


if __name__ == "__main__":
    main()
