"""The reports that a reader may send to the agent, as closed types. Each answers one question, once. The agent passes none of them on."""

import math
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from twinpane_broker import Closed
from twinpane_site.parts.port import PortError
from twinpane_wire.prefix_code import Failure
from twinpane_wire.types import CellNumber, Sha256

WORDS = 2000
"""Characters of a dead kernel's last words, for the site's log."""
SAID = 72 * 2**20
"""Bytes of one cell's packed outputs, at most."""


class Up(Closed):
    """The kernel answers."""

    kind: Literal["up"] = "up"


class Held(Closed):
    """Outputs to hold, packed (``held_form.pack``). Their bytes go along unless none is kept. The counts are for reviewers."""

    sha256: Sha256
    outputs: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)]
    dropped: Annotated[int, Field(ge=0)]


class Ended(Closed):
    """A cell's inside run is over. If ``outputs`` is None, no twin counts as the same."""

    kind: Literal["ended"] = "ended"
    cell: CellNumber
    outputs: Sha256 | None
    """Digest of what it said, as a twin's is made."""
    failure: Failure | None = None
    line: Annotated[int, Field(ge=1)] = 1
    held: Held | None = None


class Value(Closed):
    """The number of a reveal that was asked for; None for anything that is no number."""

    kind: Literal["value"] = "value"
    cell: CellNumber
    call: Annotated[int, Field(ge=1)]
    value: float | None


class Gone(Closed):
    """The kernel has ended, or its output is lost, which is the same."""

    kind: Literal["gone"] = "gone"
    words: Annotated[str, StringConstraints(max_length=WORDS)] = ""


Told = Annotated[Up | Ended | Value | Gone, Field(discriminator="kind")]
_TOLD: TypeAdapter[Told] = TypeAdapter(Told)


def told(head: object) -> Told:
    """The report in a frame's JSON; raises PortError for anything else."""
    try:
        return _TOLD.validate_python(head)
    except ValidationError:
        raise PortError("a reader said something that readers do not say") from None


def number(value: object) -> float | None:
    """A revealed value as a finite number; None for any other value."""
    if not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
