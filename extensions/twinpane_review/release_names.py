"""File names of released items. They follow from the author's request and a number among the released items, so they tell nothing else."""

import re
from collections.abc import Iterable

from .model import ReviewItem

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def release_names(items: Iterable[ReviewItem]) -> dict[int, str]:
    """The file name of each approved item, by its number; no two alike, also where a file system does not tell case."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for item in items:
        if item.form is None:
            continue
        stem = f"cell-{item.cell}" if item.cell is not None else _stem(item.path or "")
        name, n = f"{stem}.{item.form.ending}", 1
        while name.lower() in taken:
            n += 1
            name = f"{stem}-{n}.{item.form.ending}"
        taken.add(name.lower())
        names[item.number] = name
    return names


def _stem(path: str) -> str:
    last = path.rsplit("/", 1)[-1]
    return _UNSAFE.sub("_", last.rsplit(".", 1)[0] if "." in last else last).strip("._-")[:80] or "file"
