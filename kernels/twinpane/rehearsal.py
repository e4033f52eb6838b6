"""``%%twin``: a cell that runs on the twin only. One rule, for the kernel that runs it and the pane that keeps it from the sites."""

import re

_HEAD = re.compile(r"\s*%%twin(\s.*)?$")


def is_rehearsal(source: str) -> bool:
    """Whether a cell's first line that is not blank is ``%%twin``."""
    return next((bool(_HEAD.match(line)) for line in source.splitlines() if line.strip()), False)


def uncover(lines: list[str]) -> list[str]:
    """A cell's lines without the ``%%twin`` at their head; line numbers stay as they were, unless another ``%%`` magic follows."""
    if not is_rehearsal("".join(lines)):
        return lines
    head = next(i for i, line in enumerate(lines) if line.strip())
    rest = lines[head + 1 :]
    if rest and rest[0].startswith("%%"):
        return rest
    return ["\n", *rest]
