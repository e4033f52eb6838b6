"""The messages of the link, as frozen types. What is not one of these does not cross.

``Inward`` goes from a pane through the switchboard to a site's agent: outside to inside is free. ``Outward`` is the closed list
of crossings of the promise: nothing else can leave a site. Each message lives in an envelope that the switchboard rewrites:
the pane names the site, the agent is told the principal (user and project) by the hub.
"""

from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError

from twinpane_broker.catalogue import Catalogue, SiteId
from twinpane_broker.closed import Closed
from twinpane_broker.plan import Plan
from twinpane_broker.release import Refusal, Release

from . import limits
from .code import FAILURES, Code, Outcome

VERSION = 1

SessionId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
ProjectId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{1,80}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MessageId = Annotated[str, StringConstraints(max_length=200)]
CellNumber = Annotated[int, Field(ge=1, le=10**7)]
CallNumber = Annotated[int, Field(ge=1, le=limits.CALLS)]


def _below(path: str) -> str:
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("a path of the workspace is relative and stays below it")
    return path


Path = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\\]{1,240}$"), AfterValidator(_below)]
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=limits.FRAME)]


# ---------------------------------------------------------------- outside to inside


class WorkspaceFile(Closed):
    """A file of the researcher's workspace folder that changed; ``content`` None means deleted."""

    path: Path
    content: Base64 | None


class Open(Closed):
    """Start a session: one inside kernel, with the seed both runs share."""

    kind: Literal["open"] = "open"
    session: SessionId
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    cwd: Path | None = None


class Cell(Closed):
    """Run a cell. ``msg_id`` is the client's, so that both runs name it alike."""

    kind: Literal["cell"] = "cell"
    session: SessionId
    cell: CellNumber
    msg_id: MessageId
    source: Annotated[str, StringConstraints(max_length=limits.SOURCE)]
    rehearsal: bool = False
    """A ``%%twin`` cell: its source stays outside, the number is taken so that both runs count alike; it gets no verdict."""
    silent: bool = False
    store_history: bool = True
    allow_stdin: bool = True
    user_expressions: dict[str, str] = {}
    files: Annotated[tuple[WorkspaceFile, ...], Field(max_length=limits.FILES)] = ()


class Twin(Closed):
    """The clear run of a cell ended with these outputs, as a digest of their canonical form, and made that many calls."""

    kind: Literal["twin"] = "twin"
    session: SessionId
    cell: CellNumber
    outputs: Sha256
    calls: Annotated[int, Field(ge=0, le=limits.CALLS)]


class Query(Closed):
    """The clear run asked the broker something, as the cell's ``call``-th ``tp`` call."""

    kind: Literal["query"] = "query"
    session: SessionId
    cell: CellNumber
    call: CallNumber
    plan: Plan


class RevealAsk(Closed):
    """The clear run asked to let a number out: its name and digits come from outside, only the number from inside."""

    kind: Literal["reveal_ask"] = "reveal_ask"
    session: SessionId
    cell: CellNumber
    call: CallNumber
    name: Annotated[str, StringConstraints(min_length=1, max_length=limits.NAME)]
    digits: Annotated[int, Field(ge=1, le=limits.DIGITS)]


class TwinItem(Closed):
    """An output of the clear run in canonical form, for reviewers to see beside the real one."""

    form: Literal["text", "csv", "png"]
    content: Base64


class ExportItem(Closed):
    """A thing asked for: the held outputs of a cell, or a file that the clear run knows."""

    cell: CellNumber | None = None
    path: Path | None = None
    source: Annotated[str, StringConstraints(max_length=limits.SOURCE)] = ""
    twins: Annotated[tuple[TwinItem, ...], Field(max_length=limits.ITEMS)] = ()

    def model_post_init(self, _context: object) -> None:
        """One of cell and path, never both."""
        if (self.cell is None) == (self.path is None):
            raise ValueError("an export item names a cell or a path")


class ExportAsk(Closed):
    """Ask the site's reviewers to let items out."""

    kind: Literal["export_ask"] = "export_ask"
    session: SessionId
    request: RequestId
    purpose: Annotated[str, StringConstraints(min_length=1, max_length=limits.PURPOSE)]
    population: Annotated[str, StringConstraints(max_length=limits.PURPOSE)] = ""
    controls: Annotated[str, StringConstraints(max_length=limits.PURPOSE)] = ""
    items: Annotated[tuple[ExportItem, ...], Field(min_length=1, max_length=limits.ITEMS)]


class Answer(Closed):
    """What the clear run's call got; the inside run's call of the same number gets it too."""

    kind: Literal["answer"] = "answer"
    session: SessionId
    cell: CellNumber
    call: CallNumber
    call_kind: Literal["catalogue", "query", "reveal", "export", "exports"]
    value: Any


class Input(Closed):
    """The client's reply to the clear run's ``nth`` prompt of a cell."""

    kind: Literal["input"] = "input"
    session: SessionId
    cell: CellNumber
    nth: CallNumber
    value: Annotated[str, StringConstraints(max_length=limits.SOURCE)]


class Comm(Closed):
    """A comm message of the client (a slider moved), for the inside widgets."""

    kind: Literal["comm"] = "comm"
    session: SessionId
    msg_id: MessageId
    msg_type: Literal["comm_open", "comm_msg", "comm_close"]
    content: dict[str, Any]
    buffers: tuple[Base64, ...] = ()


class Interrupt(Closed):
    """Interrupt whatever runs, up to and with this cell."""

    kind: Literal["interrupt"] = "interrupt"
    session: SessionId
    cell: Annotated[int, Field(ge=0)]


class Close(Closed):
    """The session ends; a restart is a close and a new open."""

    kind: Literal["close"] = "close"
    session: SessionId


class Received(Closed):
    """The pane has this crossing; the site may stop sending it again."""

    kind: Literal["received"] = "received"
    session: SessionId
    ids: Annotated[tuple[Annotated[str, StringConstraints(max_length=120)], ...], Field(max_length=1000)]


Inward = Annotated[
    Open | Cell | Twin | Query | RevealAsk | ExportAsk | Answer | Input | Comm | Interrupt | Close | Received,
    Field(discriminator="kind"),
]


# ---------------------------------------------------------------- inside to outside: the crossings


class Catalogued(Closed):
    """Crossing ``catalogue``: what the steward published, with the verdict code and the packages of the environment."""

    kind: Literal["catalogue"] = "catalogue"
    project: ProjectId
    catalogue: Catalogue
    code: Code
    environment: dict[str, Annotated[str, StringConstraints(max_length=80)]]
    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Ed25519 key that releases and receipts of this site verify with."""
    day_bits: Annotated[float, Field(ge=0)]
    total_bits: Annotated[float, Field(ge=0)]


class Released(Closed):
    """Crossing ``release``: a broker result, or the one refusal."""

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
    failure: Literal[FAILURES] | None = None  # type: ignore[valid-type]
    line: Annotated[int, Field(ge=1)] | None = None
    tick: Annotated[int, Field(ge=0, le=40)]
    left: float
    """Bits left today after this verdict, rounded to 0.1: a function of what has left, of nothing else."""

    def model_post_init(self, _context: object) -> None:
        """Class and line belong to failures, and to them alone."""
        if (self.outcome is Outcome.failed) != (self.failure is not None and self.line is not None):
            raise ValueError("failure and line go with the outcome failed")


class Reveal(Closed):
    """Crossing ``reveal``: a number at the asked digits, or None for whatever is not one."""

    kind: Literal["reveal"] = "reveal"
    session: SessionId
    cell: CellNumber
    call: CallNumber
    value: float | None
    tick: Annotated[int, Field(ge=0, le=40)]
    left: float


class ExportState(StrEnum):
    """How far a request is, as its author sees it. Decided by people."""

    submitted = "submitted"
    changes = "changes"
    rejected = "rejected"
    released = "released"


class ExportedItem(Closed):
    """An approved item, byte for byte what the reviewers saw, with its signed receipt."""

    index: Annotated[int, Field(ge=0)]
    cell: CellNumber | None
    path: Path | None
    form: Literal["text", "csv", "png"]
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

    ack = "ack"                                # messages up to number n are on the site's disk
    opened = "opened"                          # the session is open; `left` says the bits left today
    meter = "meter"                            # what is left changed: another session spent, or the steward granted more
    spent = "spent"                            # no verdict on this cell, or no reveal for this call: the meter does not cover it
    no_project = "no_project"                  # the site has not accepted the project, or not this user
    unknown_session = "unknown_session"        # open first
    refused_message = "refused_message"        # malformed, unknown or too large
    unavailable = "unavailable"                # the site cannot start sessions now


class Link(Closed):
    """Crossing ``link``: acknowledgements and errors of the link itself."""

    kind: Literal["link"] = "link"
    session: SessionId
    code: LinkCode
    n: Annotated[int, Field(ge=0)] = 0
    cell: CellNumber | None = None
    call: CallNumber | None = None
    left: float | None = None


Outward = Annotated[Catalogued | Released | Verdict | Reveal | Export | Link, Field(discriminator="kind")]

CROSSINGS: dict[str, tuple[type[Closed], str]] = {
    "catalogue": (Catalogued, "the steward's act"),
    "release": (Released, "the disclosure rules, and the memory of everything released before"),
    "verdict": (Verdict, "metered in bits"),
    "reveal": (Reveal, "metered in bits"),
    "export": (Export, "people"),
    "link": (Link, "constant"),
}
"""The closed list of crossings: kind, type and what bounds it. Exactly these leave a site."""




def crossing_id(message: Closed) -> str:
    """The name of a crossing that is sent until received: the same crossing has the same name, so a second copy is dropped."""
    match message:
        case Released(session=session, cell=cell, call=call):
            return f"release:{session}:{cell}:{call}"
        case Reveal(session=session, cell=cell, call=call):
            return f"reveal:{session}:{cell}:{call}"
        case Verdict(session=session, cell=cell):
            return f"verdict:{session}:{cell}"
        case Export(request=request, state=state):
            return f"export:{request}:{state}"
    raise TypeError(f"{type(message).__name__} is not kept until received")


# ---------------------------------------------------------------- envelopes


class Principal(Closed):
    """Who asks: stamped by the switchboard, never by the pane."""

    user: UserName
    project: ProjectId


class ToSite(Closed):
    """Pane to switchboard: a message for one site. ``n`` counts the session's messages to that site from 1, without gaps."""

    v: Literal[1] = 1
    site: SiteId
    n: Annotated[int, Field(ge=0)]
    """0 for messages that need no acknowledgement (``received``)."""
    body: Inward


class ForAgent(Closed):
    """Switchboard to agent."""

    v: Literal[1] = 1
    principal: Principal
    n: Annotated[int, Field(ge=0)]
    body: Inward


class FromAgent(Closed):
    """Agent to switchboard."""

    v: Literal[1] = 1
    body: Outward


class SiteState(Closed):
    """Switchboard to pane: a site of the project, whether its agent is connected, and its catalogue once known."""

    v: Literal[1] = 1
    kind: Literal["site"] = "site"
    site: SiteId
    title: Annotated[str, StringConstraints(max_length=300)] = ""
    online: bool
    catalogued: Catalogued | None = None


class Welcome(Closed):
    """Switchboard to pane, first: who the hub says you are, and the project's sites."""

    v: Literal[1] = 1
    kind: Literal["welcome"] = "welcome"
    principal: Principal
    sites: tuple[SiteState, ...]


class FromSite(Closed):
    """Switchboard to pane: a crossing of one site."""

    v: Literal[1] = 1
    kind: Literal["crossing"] = "crossing"
    site: SiteId
    body: Outward


ToPane = Annotated[Welcome | SiteState | FromSite, Field(discriminator="kind")]


class Challenge(Closed):
    """Switchboard to agent, first: sign this nonce."""

    v: Literal[1] = 1
    kind: Literal["challenge"] = "challenge"
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class SiteHello(Closed):
    """Agent to switchboard: the site's key, its signature of ``twinpane-link:`` + nonce, and on the first visit the one-time token."""

    v: Literal[1] = 1
    kind: Literal["hello"] = "hello"
    site: SiteId
    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
    token: Annotated[str, StringConstraints(max_length=200)] = ""


class Joined(Closed):
    """Switchboard to agent: the link stands; these projects name the site."""

    v: Literal[1] = 1
    kind: Literal["joined"] = "joined"
    projects: tuple[ProjectId, ...]


class WireError(ValueError):
    """A message that is not one of the link's: malformed, unknown, of another version, or too large."""


def encode(message: Closed) -> str:
    """The text frame of a message; raises WireError when it is larger than the link carries."""
    text = message.model_dump_json()
    if len(text.encode()) > limits.FRAME:
        raise WireError(f"message of {len(text)} characters is over the link's limit of {limits.FRAME} bytes")
    return text


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def decode(kind: Any, frame: str | bytes) -> Any:
    """A message of that type (or union of types) from its frame; raises WireError with a text that repeats nothing of the frame."""
    if len(frame) > limits.FRAME:
        raise WireError(f"message is over the link's limit of {limits.FRAME} bytes")
    try:
        return _adapter(kind).validate_json(frame)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_input=False, include_url=False)[0]["loc"])
        raise WireError(f"message refused: it is not one of the link's (at {where or 'its start'})") from None
