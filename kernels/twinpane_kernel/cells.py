"""What the pane remembers of each cell, and the report made from it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from twinpane.rehearsal import is_rehearsal
from twinpane_sandbox.call_server import CallError
from twinpane_wire import messages as wire
from twinpane_wire.canonical import DisplayNames, Outputs

from .cell_report import CellReport, ExportedReport, RevealReport, SiteReport, State
from .message import Message

UNREAD = 8
"""Large texts that are kept unparsed, at most."""


@dataclass
class SiteView:
    """One site as the whole session sees it."""

    title: str = ""
    online: bool = False
    accepted: bool = True
    acknowledged: int = 0
    """The last message number that is on the site's disk."""
    left: float | None = None
    day: float | None = None
    """Bits a day, as the site's catalogue says."""


@dataclass
class Reveal:
    """One ``tp.reveal`` of a cell."""

    name: str
    digits: int
    truth: bool = False
    """Whether the twin's value is a boolean; a site's crosses as 0 or 1."""
    values: dict[str, float | None] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    """Sites whose meter does not cover it."""

    def report(self) -> RevealReport:
        """The reveal as the strip shows it."""
        values = {site: bool(value) if self.truth and value in (0, 1) else value for site, value in self.values.items()}
        return RevealReport(name=self.name, digits=self.digits, values=values, spent=tuple(sorted(self.spent)))


@dataclass
class Cell:
    """A cell that ran, or runs, in the clear kernel."""

    number: int
    msg_id: str
    header: bytes
    """The client's header as it came: what the pane publishes about this cell names it as parent."""
    source: str
    said: Outputs
    mirrored: bool = True
    """Whether the sites owe a verdict: not for rehearsals and silent requests."""
    execution_count: int | None = None
    too_large: bool = False
    """For the link: the sites were sent a stand-in."""
    running: bool = True
    idle_shown: bool = False
    painted: bool = False
    interacted: bool = False
    """What it shows may be something else by now than its own run said."""
    shows_widget: bool = False
    entangled: bool = False
    """A widget of this cell holds one that another cell made, whose state no verdict on this cell is about."""
    unread: list[Message] = field(default_factory=list)
    """Large texts that were printed: parsed once somebody asks what they say, as the client need not wait for that."""
    calls: int = 0
    inputs: int = 0
    sent: dict[str, int] = field(default_factory=dict)
    """Site -> number of the message that carries this cell."""
    verdicts: dict[str, wire.Verdict] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    reveals: dict[int, Reveal] = field(default_factory=dict)
    releases: list[str] = field(default_factory=list)
    requests: dict[str, dict[str, str]] = field(default_factory=dict)
    exported: list[ExportedReport] = field(default_factory=list)
    left: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def runs_inside(self) -> bool:
        """Whether the sites run its source, and not a stand-in that only takes its number."""
        return not self.too_large and not self.rehearsal

    @property
    def rehearsal(self) -> bool:
        """Whether it is a ``%%twin`` cell: its source stays outside."""
        return is_rehearsal(self.source)

    def message(self, session: str, content: Mapping[str, Any], files: tuple[wire.WorkspaceFile, ...]) -> wire.Cell:
        """The message to the sites. It carries the source, except for a rehearsal. ``content``: the client's. Raises ValidationError."""
        expressions = content.get("user_expressions")
        return wire.Cell(
            session=session, cell=self.number, msg_id=self.msg_id, source="pass" if self.rehearsal else self.source,
            rehearsal=self.rehearsal, silent=bool(content.get("silent")),
            store_history=bool(content.get("store_history", True)), allow_stdin=bool(content.get("allow_stdin", True)),
            user_expressions={str(k): str(v) for k, v in expressions.items()} if isinstance(expressions, dict) else {},
            files=files,
        )  # fmt: skip

    def stand_in(self, session: str) -> wire.Cell:
        """A message that takes the number of a cell too large for the link, so that both runs keep counting alike."""
        return wire.Cell(session=session, cell=self.number, msg_id=self.msg_id[:200], source="pass", rehearsal=True)

    def check_asks_sites(self) -> None:
        """Raise CallError if its ``tp`` calls may not ask the sites: no inside run would get the answer too."""
        if not self.mirrored:
            raise CallError("rehearsal", "%%twin rehearses a cell on the twin only: take it away to ask the sites")

    @property
    def failed_alone(self) -> bool:
        """Whether all that it showed is one error."""
        return not self.unread and [item["output_type"] for item in self.outputs] == ["error"]

    def printed(self, message: Message) -> None:
        """A large text was printed while it ran."""
        self.unread.append(message)
        if len(self.unread) > UNREAD:
            _ = self.outputs

    @property
    def outputs(self) -> Outputs:
        """Its outputs so far, in canonical form."""
        for message in self.unread:
            self.said.add(message.msg_type, message.content, size=len(message.frames[5]))
        self.unread.clear()
        return self.said

    def report(self, sites: dict[str, SiteView]) -> CellReport:
        """Everything known of the cell, site by site."""
        if not self.mirrored:
            lines: tuple[SiteReport, ...] = ()
        else:
            lines = tuple(self._site(name, view) for name, view in sites.items() if name in self.sent)
        return CellReport(
            cell=self.number, msg_id=self.msg_id, execution_count=self.execution_count, outputs=bool(self.unread or self.said),
            error=self.failed_alone,
            interacted=self.interacted or (self.entangled and self.shows_widget), sites=lines,
            reveals=tuple(reveal.report() for reveal in self.reveals.values()),
            releases=tuple(self.releases), exported=tuple(self.exported), requests={k: dict(v) for k, v in self.requests.items()},
            left=dict(self.left), day={name: day for name in self.left if (day := sites[name].day) is not None}, notes=tuple(self.notes),
        )  # fmt: skip

    def _site(self, name: str, view: SiteView) -> SiteReport:
        verdict = self.verdicts.get(name)
        if verdict is not None:
            return SiteReport(
                site=name, title=view.title, online=view.online, state=State(verdict.outcome.value), failure=verdict.failure,
                line=verdict.line, tick=verdict.tick,
            )  # fmt: skip
        if not view.accepted:
            state = State.refused
        elif name in self.spent:
            state = State.spent
        elif view.acknowledged >= self.sent[name]:
            state = State.running
        else:
            state = State.queued if not view.online else State.running
        return SiteReport(site=name, title=view.title, online=view.online, state=state)


class Cells:
    """The session's cells, by number, by request and by execution count."""

    def __init__(self) -> None:
        self._names = DisplayNames()
        self._by_number: dict[int, Cell] = {}
        self._by_request: dict[str, Cell] = {}
        self._by_count: dict[int, Cell] = {}
        self.current: Cell | None = None

    def __iter__(self) -> Iterator[Cell]:
        """The cells in the order they ran."""
        return iter(tuple(self._by_number.values()))

    def start(self, msg_id: str, header: bytes, source: str, count: int | None, silent: bool) -> Cell:
        """Note that a cell begins to run; it gets the session's next number. The sites owe no verdict on a silent cell or a rehearsal."""
        mirrored = not (silent or is_rehearsal(source))
        cell = Cell(len(self._by_number) + 1, msg_id, header, source, Outputs(self._names), mirrored, count)
        self._by_number[cell.number] = cell
        self._by_request[msg_id] = cell
        if count is not None:
            self._by_count[count] = cell
        self.current = cell
        return cell

    def number(self, number: int) -> Cell | None:
        """The cell of that number."""
        return self._by_number.get(number)

    def request(self, msg_id: str) -> Cell | None:
        """The cell that this request ran."""
        return self._by_request.get(msg_id)

    def count(self, execution_count: int) -> Cell | None:
        """The latest cell that ran as ``In[execution_count]``."""
        return self._by_count.get(execution_count)

    @property
    def last(self) -> int:
        """The number of the newest cell, 0 before the first."""
        return len(self._by_number)

    def moved(self) -> list[Cell]:
        """Note that a widget changed: cells that show one may now show what no verdict covers. Returns the cells that are newly so."""
        moved = [cell for cell in self._by_number.values() if not cell.interacted and cell.shows_widget]
        for cell in moved:
            cell.interacted = True
        return moved
