"""Hub to site: a project that the hub proposes. It is a wish: a site shows it to its steward, and nothing is accepted by itself.

A hostile hub's proposal is normal input. So every part has a largest size, and all texts are the hub's words: pages show them as such.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from twinpane_broker import Closed
from twinpane_ground import limits

from .envelopes import ForAgent
from .scope import Scope
from .types import ProjectId, UserName

__all__ = ["Person", "PersonRole", "Proposal", "Proposed", "Standpoint", "ToAgent"]

Bits = Annotated[float, Field(ge=0, le=1e9)]


class PersonRole(StrEnum):
    """What a person is to do in a project."""

    researcher = "researcher"
    reviewer = "reviewer"


class Person(Closed):
    """One person in one role; who has both is listed twice."""

    user: UserName
    role: PersonRole


class Standpoint(StrEnum):
    """What the hub's administrator wants of the project now. It binds no site: each has its own word, the crossing ``standing``."""

    open = "open"
    suspended = "suspended"
    ended = "ended"


class Proposal(Closed):
    """The hub's document of a project, as the project's sites are asked to accept it. ``digest()`` names this very version of it."""

    project: ProjectId
    title: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    purpose: Annotated[str, StringConstraints(max_length=limits.PURPOSE)] = ""
    legal_basis: Annotated[str, StringConstraints(max_length=limits.PURPOSE)] = ""
    people: Annotated[tuple[Person, ...], Field(max_length=limits.PEOPLE)] = ()
    tables: Scope = None
    """What is asked for; None: every table, every column that the site does not hide."""
    expires: date
    """The last day."""
    day_bits: Bits | None = None
    """Bits for verdicts and reveals that the project asks for, per researcher and day; None: what the site's policy gives."""
    total_bits: Bits | None = None
    """The same, in all."""
    standpoint: Standpoint = Standpoint.open

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        if len({(person.user, person.role) for person in self.people}) != len(self.people):
            raise ValueError("a person is listed twice in one role")
        return self


class Proposed(Closed):
    """Switchboard to agent: a project that names the site. All of them follow ``joined``, and then each whenever it changes."""

    v: Literal[1] = 1
    kind: Literal["proposed"] = "proposed"
    proposal: Proposal


ToAgent = Annotated[ForAgent | Proposed, Field(union_mode="left_to_right")]
"""What comes from a switchboard to a site that has joined."""
