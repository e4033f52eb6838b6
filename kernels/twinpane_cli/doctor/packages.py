"""Whether the packages that are installed are those of the lock file."""

import re
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker

from .diagnosis import Diagnosis, fine, warning

LOCK = Path(__file__).parents[3] / "requirements.lock"
"""Beside the packages in a checkout."""
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")


def pins(text: str) -> Iterator[tuple[str, str]]:
    """The packages that a lock file names for this machine, and their versions."""
    for line in text.splitlines():
        if (found := _PIN.match(line)) and (found[3] is None or Marker(found[3]).evaluate()):
            yield found[1], found[2]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def versions(lock: Path = LOCK, installed: Callable[[str], str | None] = _installed) -> Diagnosis:
    """What of the lock file is installed in another version. What is not installed at all belongs to a part that is not used here."""
    try:
        wanted = list(pins(lock.read_text()))
    except OSError:
        return warning(
            "packages", "there is no lock file beside this installation", "install with `pip install --require-hashes -r requirements.lock`"
        )
    other = [f"{name} {found} instead of {version}" for name, version in wanted if (found := installed(name)) not in (None, version)]
    if other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        return warning("packages", f"not as locked: {', '.join(other[:3])}{more}", f"pip install --require-hashes -r {lock}")
    return fine("packages", f"those that are installed are as {lock.name} says")
