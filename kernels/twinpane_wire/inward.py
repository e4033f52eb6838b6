"""Outside to inside: what a pane may send a site. It is not metered, but the list is closed."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from twinpane_broker import Closed, Plan
from twinpane_ground import limits

from .types import Base64, CallNumber, CellNumber, Form, MessageId, Path, RequestId, SessionId, Sha256

__all__ = [
    "Answer",
    "Cell",
    "Close",
    "Comm",
    "ExportAsk",
    "ExportItem",
    "Input",
    "Interrupt",
    "Inward",
    "Open",
    "Query",
    "Received",
    "RevealAsk",
    "Twin",
    "TwinItem",
    "WorkspaceFile",
]


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
    """A ``%%twin`` cell. Its source stays outside and it gets no verdict; it takes a number so that both runs count alike."""
    silent: bool = False
    store_history: bool = True
    allow_stdin: bool = True
    user_expressions: dict[str, str] = {}
    files: Annotated[tuple[WorkspaceFile, ...], Field(max_length=limits.FILES)] = ()


class Twin(Closed):
    """The clear run of a cell ended: a digest of its outputs' canonical form, and the number of calls it made."""

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
    """The clear run asked to let a number out. Its name and digits come from outside; only the number comes from inside."""

    kind: Literal["reveal_ask"] = "reveal_ask"
    session: SessionId
    cell: CellNumber
    call: CallNumber
    name: Annotated[str, StringConstraints(min_length=1, max_length=limits.NAME)]
    digits: Annotated[int, Field(ge=1, le=limits.DIGITS)]


class TwinItem(Closed):
    """An output of the clear run in canonical form, for reviewers to see beside the real one."""

    form: Form
    content: Base64


class ExportItem(Closed):
    """One requested item: the held outputs of a cell, or a file that the clear run knows."""

    cell: CellNumber | None = None
    path: Path | None = None
    source: Annotated[str, StringConstraints(max_length=limits.SOURCE)] = ""
    twins: Annotated[tuple[TwinItem, ...], Field(max_length=limits.ITEMS)] = ()

    def model_post_init(self, _context: object) -> None:
        """Require either a cell or a path, not both."""
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
    error: Annotated[str, StringConstraints(max_length=40)] = ""
    """Code of the error that the call ended with; ``value`` is then the error's message."""


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
    """Interrupt only this cell, which is the one that the clear kernel was running."""

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
