"""``python -m tests.questions``: ask both hospitals their hundred questions and print what was answered, what was not, and why."""

import tempfile
from pathlib import Path

from .asking import ask_all
from .hospitals import generated, gibleed
from .report import account


def main() -> None:
    """Print the account of both."""
    with tempfile.TemporaryDirectory(prefix="twinpane-questions-") as folder:
        for make in (generated, gibleed):
            hospital = make(Path(folder))
            print(account(f"{hospital.name} ({hospital.catalogue.persons:,} persons)", ask_all(hospital)))


if __name__ == "__main__":
    main()
