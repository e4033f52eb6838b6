"""``%%twin``: a cell that runs on the twin only. The kernel that runs it and the pane that keeps it from the sites share this rule."""

import re

_HEAD = re.compile(r"\s*%%twin(\s.*)?$")


def is_rehearsal(source: str) -> bool:
    """Whether the first non-blank line of a cell is ``%%twin``."""
    return next((bool(_HEAD.match(line)) for line in source.splitlines() if line.strip()), False)


def uncover(lines: list[str]) -> list[str]:
    """A cell's lines without the leading ``%%twin``. Line numbers do not change, unless another ``%%`` magic follows."""
    if not is_rehearsal("".join(lines)):
        return lines
    head = next(i for i, line in enumerate(lines) if line.strip())
    rest = lines[head + 1 :]
    if rest and rest[0].startswith("%%"):
        return rest
    return ["\n", *rest]
