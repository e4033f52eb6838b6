"""The messages between the agent and the broker's process, as closed types. Large content goes in a sealed memory file beside the frame."""

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, TypeAdapter

from twinpane_broker import Catalogue, Closed, Hash, Plan, Refusal, Release, Row
from twinpane_ground import limits
from twinpane_site.config import Policy, Site, SiteConfig
from twinpane_wire.messages import ProjectId

START = 256 * 2**20
"""Bytes of what the process is started with, at most; nearly all of it is the catalogue."""
PLAN = RESULT = limits.FRAME
"""Bytes of a plan and of a result, at most: what the link would not carry need not be asked or answered."""
WORDS = 8000
"""Characters of why the process does not start."""

Number = Annotated[int, Field(ge=1)]


class Start(Closed):
    """The first frame to the process: the site as the agent read it, so that both use the same configuration if files change later."""

    folder: str
    config: SiteConfig
    policy: Policy
    catalogue: Catalogue
    secret: Hash
    """Of cell-key noise, in hexadecimal."""

    @classmethod
    def of(cls, site: Site, secret: bytes) -> Self:
        """What starts a site's broker."""
        return cls(folder=str(site.folder), config=site.config, policy=site.policy, catalogue=site.catalogue, secret=secret.hex())

    @property
    def site(self) -> Site:
        """The site that the agent read."""
        return Site(Path(self.folder), self.config, self.policy, self.catalogue)


class Opened(Closed):
    """The first frame from the process: snapshot and brokers are ready."""

    opened: Literal[True] = True


class NotOpened(Closed):
    """The first and only frame from a process that does not start, with the reason for the steward."""

    opened: Literal[False] = False
    kind: Literal["config", "store"]
    words: Annotated[str, StringConstraints(max_length=WORDS)]


FIRST: TypeAdapter[Opened | NotOpened] = TypeAdapter(Opened | NotOpened)


class Asked(Closed):
    """A frame to the process: a question of a project. Its plan lies beside the frame."""

    question: Number
    project: ProjectId


class Answered(Closed):
    """A frame from the process. The unsigned result lies beside the frame."""

    question: Number


SMALL = 64 * 1024
"""Bytes of a result that is read in one go, in about a millisecond."""
PIECE = 100
"""Rows of a larger one that are checked in one go: so long nothing else runs in the agent's interpreter, in whatever thread it is read."""
_ROWS: TypeAdapter[list[Row]] = TypeAdapter(list[Row])
_RESULT: TypeAdapter[Release | Refusal] = TypeAdapter(Annotated[Release | Refusal, Field(discriminator="status")])


def result_of(content: bytes, plan: Plan, catalogue: Catalogue) -> Release | Refusal:
    """The result in these bytes. Raises ValueError if it is no result, belongs to another plan or site, or is already signed."""
    result = _RESULT.validate_json(content) if len(content) <= SMALL else _RESULT.validate_python(_in_pieces(content))
    if (result.site, result.plan_hash) != (catalogue.site, plan.hash):
        raise ValueError("an answer to another question")
    if isinstance(result, Release) and (result.signature or result.snapshot != catalogue.snapshot):
        raise ValueError("a release of another snapshot, or of another's signature")
    return result


def _in_pieces(content: bytes) -> object:
    """The value of this JSON, with rows that are checked already."""
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError("deeper than any answer") from None
    rows = value.get("rows") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        return value
    checked = [row for first in range(0, len(rows), PIECE) for row in _ROWS.validate_python(rows[first : first + PIECE])]
    return value | {"rows": tuple(checked)}
