"""Inside to outside: the closed list of crossings. Exactly these leave a site."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from twinpane_broker import Catalogue, Closed, Refusal, Release
from twinpane_ground import limits

from .prefix_code import Failure, Outcome, PrefixCode
from .scope import Scope
from .types import Base64, CallNumber, CellNumber, Form, Path, ProjectId, RequestId, SessionId, Sha256, UserName

__all__ = [
    "CROSSINGS",
    "Catalogued",
    "Decline",
    "Export",
    "ExportState",
    "ExportedItem",
    "Link",
    "LinkCode",
    "Outward",
    "ProjectState",
    "Released",
    "Reveal",
    "SessionCrossing",
    "Standing",
    "Verdict",
    "crossing_id",
]


class Catalogued(Closed):
    """Crossing ``catalogue``: what the steward published, with the verdict code and the packages of the environment."""

    kind: Literal["catalogue"] = "catalogue"
    project: ProjectId
    catalogue: Catalogue
    code: PrefixCode
    environment: dict[str, Annotated[str, StringConstraints(max_length=80)]]
    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Ed25519 key that releases and receipts of this site verify with."""
    day_bits: Annotated[float, Field(ge=0)]
    total_bits: Annotated[float, Field(ge=0)]


class ProjectState(StrEnum):
    """How a project stands at a site. What a steward has not decided yet has no state, and nothing is said of it."""

    accepted = "accepted"
    declined = "declined"
    suspended = "suspended"
    ended = "ended"


class Decline(StrEnum):
    """Why a steward declined: one of these, chosen by the steward."""

    not_taking_part = "not_taking_part"  # the site takes no part in it
    not_held = "not_held"  # it asks for tables or columns that the site does not have
    too_much = "too_much"  # it asks for more tables, columns, people, time or bits than its purpose needs
    purpose = "purpose"  # the purpose is unclear, or not one the site may serve
    legal_basis = "legal_basis"  # the legal basis is missing, or does not hold at the site
    people = "people"  # somebody in it cannot be accepted


class Standing(Closed):
    """Crossing ``standing``: the steward's word on a project that the hub proposed. It says nothing that the steward did not."""

    kind: Literal["standing"] = "standing"
    project: ProjectId
    proposal: Sha256 | None
    """``Proposal.digest()`` of the version that the steward had read; None: the steward wrote the project by hand."""
    state: ProjectState
    decline: Decline | None = None
    researchers: Annotated[tuple[UserName, ...], Field(max_length=limits.PEOPLE)] = ()
    """Who may open sessions. Of a suspended project: who may again when it goes on."""
    tables: Scope = None
    """What was accepted; None: every table, every column that the catalogue does not hide."""
    until: date | None = None
    """The last day; None: the site set none."""

    @model_validator(mode="after")
    def _only_what_goes_with_the_state(self) -> Self:
        if (self.decline is not None) != (self.state is ProjectState.declined):
            raise ValueError("a reason goes with the state declined")
        if self.state in (ProjectState.declined, ProjectState.ended) and (self.researchers or self.tables is not None or self.until):
            raise ValueError("what is declined or ended has no people, tables or last day")
        return self


class Released(Closed):
    """Crossing ``release``: a result of the broker, or its refusal."""

    kind: Literal["release"] = "release"
    session: SessionId
    cell: CellNumber
    call: CallNumber
    result: Annotated[Release | Refusal, Field(discriminator="status")]


class Verdict(Closed):
    """Crossing ``verdict``: metered in bits."""

    kind: Literal["verdict"] = "verdict"
    session: SessionId
    cell: CellNumber
    outcome: Outcome
    failure: Failure | None = None
    line: Annotated[int, Field(ge=1)] | None = None
    tick: Annotated[int, Field(ge=0, le=40)]
    left: float
    """Bits left today after this verdict, rounded to 0.1. It depends only on what has left the site."""

    def model_post_init(self, _context: object) -> None:
        """Require a class and a line for failures, and refuse them for other outcomes."""
        failed = self.outcome is Outcome.failed
        if (self.failure is not None, self.line is not None) != (failed, failed):
            raise ValueError("failure and line go with the outcome failed")


class Reveal(Closed):
    """Crossing ``reveal``: a number rounded to the asked digits, or None for what is not a number."""

    kind: Literal["reveal"] = "reveal"
    session: SessionId
    cell: CellNumber
    call: CallNumber
    value: float | None
    tick: Annotated[int, Field(ge=0, le=40)]
    left: float


class ExportState(StrEnum):
    """The state of a request, as its author sees it. People decide it."""

    submitted = "submitted"
    changes = "changes"
    rejected = "rejected"
    released = "released"


class ExportedItem(Closed):
    """An approved item, byte for byte what the reviewers saw, with its signed receipt."""

    index: Annotated[int, Field(ge=0)]
    cell: CellNumber | None
    path: Path | None
    form: Form
    name: Path
    content: Base64
    sha256: Sha256
    receipt: Annotated[str, StringConstraints(max_length=20_000)]


class Export(Closed):
    """Crossing ``export``: what reviewers decided, and what they let out."""

    kind: Literal["export"] = "export"
    session: SessionId
    request: RequestId
    state: ExportState
    remark: Annotated[str, StringConstraints(max_length=limits.PURPOSE)] = ""
    """What the reviewers wrote for the author to read."""
    items: Annotated[tuple[ExportedItem, ...], Field(max_length=limits.ITEMS * 8)] = ()


class LinkCode(StrEnum):
    """The fixed list of what the link itself may say. None of it depends on rows."""

    ack = "ack"  # messages up to number n are on the site's disk
    opened = "opened"  # the session is open; `left` says the bits left today
    meter = "meter"  # what is left changed: another session spent, or the steward granted more
    spent = "spent"  # no verdict on this cell, or no reveal for this call: the meter does not cover it
    no_project = "no_project"  # the site has not accepted the project, or not this user
    unknown_session = "unknown_session"  # the session must be opened first
    refused_message = "refused_message"  # malformed, unknown or too large
    unavailable = "unavailable"  # the site cannot start sessions now


class Link(Closed):
    """Crossing ``link``: acknowledgements and errors of the link itself."""

    kind: Literal["link"] = "link"
    session: SessionId
    code: LinkCode
    n: Annotated[int, Field(ge=0)] = 0
    cell: CellNumber | None = None
    call: CallNumber | None = None
    left: float | None = None


SessionCrossing = Released | Verdict | Reveal | Export | Link
"""A crossing of one session: all but a catalogue and a standing, which are a project's."""
Outward = Annotated[Catalogued | Standing | SessionCrossing, Field(discriminator="kind")]

CROSSINGS: dict[str, tuple[type[Closed], str]] = {
    "catalogue": (Catalogued, "the steward's act"),
    "standing": (Standing, "the steward's act"),
    "release": (Released, "the disclosure rules, and the memory of everything released before"),
    "verdict": (Verdict, "metered in bits"),
    "reveal": (Reveal, "metered in bits"),
    "export": (Export, "people"),
    "link": (Link, "constant"),
}
"""The closed list of crossings: kind, type and what bounds it. Exactly these leave a site."""


def crossing_id(message: Closed) -> str:
    """The name of a crossing that is sent until received. Copies of a crossing have the same name, so a second copy is dropped."""
    match message:
        case Released(session=session, cell=cell, call=call):
            return f"release:{session}:{cell}:{call}"
        case Reveal(session=session, cell=cell, call=call):
            return f"reveal:{session}:{cell}:{call}"
        case Verdict(session=session, cell=cell):
            return f"verdict:{session}:{cell}"
        case Export(request=request, state=state):
            return f"export:{request}:{state}"
        case Link(code=LinkCode.spent, session=session, cell=int(cell), call=call):
            return f"spent:{session}:{cell}:{call or 0}"
    raise TypeError(f"{type(message).__name__} is not kept until received")
