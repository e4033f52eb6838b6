"""``python -m tests.floors``: what the last ``make test`` covered, held against the floors in pyproject.toml."""

import io
import math
import sys
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).parents[1]


def expanded(pattern: str) -> Iterator[str]:
    """``a/{b,c}.py`` → ``a/b.py``, ``a/c.py``."""
    parts = [part.partition("}") for part in pattern.split("{")]
    choices = [[parts[0][0]], *([choice + rest for choice in names.split(",")] for names, _, rest in parts[1:])]
    yield from map("".join, product(*choices))


def files(patterns: list[str]) -> list[Path]:
    """The files that some patterns name. Raises LookupError for a pattern that names none: the file went, and its floor with it."""
    found: set[Path] = set()
    for each in (one for pattern in patterns for one in expanded(pattern)):
        named = set(ROOT.glob(each))
        if not named:
            raise LookupError(f"[tool.twinpane.coverage] names {each}, and there is none")
        found |= named
    return sorted(found)


def main() -> int:
    """Report; 1 where a floor is not reached."""
    floors = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["twinpane"]["coverage"]
    measured = Coverage(data_file=str(ROOT / ".coverage"), config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    whole = [str(path) for path in files(floors["whole"])]
    parts = measured.report(include=whole, show_missing=True)
    total = measured.report(file=io.StringIO())
    # Rounded down: 99.98 % is not 100.
    told, of_whole = (math.floor(10 * percent) / 10 for percent in (total, parts))
    print(f"covered: {told} % of all, at least {floors['floor']} %; {of_whole} % of what decides what leaves, at least 100 %")
    return int(total < floors["floor"] or parts < 100)


if __name__ == "__main__":
    sys.exit(main())
