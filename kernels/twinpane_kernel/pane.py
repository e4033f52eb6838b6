"""The pane: the process that Jupyter takes for the kernel. It runs the clear kernel, mirrors cells to the sites and paints the strip."""

import asyncio
import base64
import logging
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from twinpane_sandbox import protocol
from twinpane_wire import messages as wire

from .cells import Cell, Cells, SiteView
from .control import Control
from .crossing_handler import CrossingHandler
from .delayed_reply import DelayedReply
from .displays import Displays
from .message import Message
from .pane_link import PaneLink
from .relay import Relay
from .state_dir import state_dir
from .strip_publisher import StripPublisher
from .tp_calls import TpCalls
from .workspace import Workspace

log = logging.getLogger(__name__)

OUTPUTS = frozenset(
    {"stream", "display_data", "execute_result", "update_display_data", "clear_output", "error", "comm_open", "comm_msg", "comm_close"}
)
COMMS = frozenset({"comm_open", "comm_msg", "comm_close"})
LARGE = 2**16
"""Bytes from which on a printed text is looked at after the client has it all."""
PENDING = 2_000
"""Requests remembered while they wait to run."""


class Pane:
    """One notebook's session, from the kernel's start to its end; a restart is a new one.

    With ``later``, the sites run cells only after the clear kernel has ended; nobody waits for them before that.
    """

    def __init__(
        self, relay: Relay, workspace: Path, seed: int, cwd: str | None, covered: tuple[str, ...] = (), later: bool = False
    ) -> None:
        self.session = secrets.token_hex(16)
        self.link: PaneLink | None = None
        self.cells = Cells()
        self._displays = Displays()
        self.sites: dict[str, SiteView] = {}
        self.catalogued: dict[str, wire.Catalogued] = {}
        self.workspace = workspace
        self.later = later
        self.calls = TpCalls(self)
        self._crossings = CrossingHandler(self)
        self.on_crossing = self._crossings.take
        self.ended = asyncio.Event()
        self.on_catalogues: Callable[[], None] = lambda: None
        self.notes: list[str] = []
        self._relay = relay
        self._seed = seed
        self._cwd = cwd
        self._files = Workspace(workspace, state_dir() / "own", covered)
        self._changed: tuple[wire.WorkspaceFile, ...] = ()
        self._publisher = StripPublisher(relay, self.session, lambda cell: cell.report(self.sites))
        self._delayed_reply = DelayedReply(relay, lambda cell: later or cell.report(self.sites).settled, self._publisher.paint)
        self._pending: OrderedDict[str, Message] = OrderedDict()
        self._held_back: deque[tuple[str, Message]] = deque()
        self._probed: set[str] = set()
        self.answered = asyncio.Event()
        self.kernel_up = asyncio.Event()
        self.open = False
        """Whether the clear kernel is there for clients: it is up, and not ended."""
        self.control = Control(self, relay)

    # ------------------------------------------------------------ start

    def join(self, link: PaneLink) -> None:
        """Mirror cells from now on."""
        self.link = link

    def probe(self) -> None:
        """Ask the clear kernel whether it is up, on shell; its answer and the first iopub message tell."""
        self.answered.clear()
        self._relay.ask("shell", "kernel_info_request", {})

    def let_through(self) -> None:
        """Forward the clients' waiting requests: the clear kernel is up and the twin is ready."""
        self.open = True
        while self._held_back:
            channel, message = self._held_back.popleft()
            if self.on_request(channel, message):
                self._relay.forward(channel, message)

    def hold_back(self, channel: str, message: Message) -> None:
        """Keep a request until the clear kernel is up."""
        self._held_back.append((channel, message))

    def finish(self) -> None:
        """Note that the clear kernel has ended; the session goes on. Its last cell's outputs are final."""
        self.open = False
        self._pending.clear()
        if self.cells.current is not None and self.cells.current.running:
            self._finish(self.cells.current)

    # ------------------------------------------------------------ the relay's observer

    def on_request(self, channel: str, message: Message) -> bool:
        """See `relay.Observer`."""
        if not protocol.genuine(self._relay.key, message.frames):
            return self.open  # the clear kernel refuses it in its own way
        kind = message.msg_type
        if channel == "control":
            return self.control.take(message)
        if not self.open:
            if kind == "kernel_info_request":
                self.control.early_kernel_info(channel, message)
            else:
                self.hold_back(channel, message)
            return False
        if kind == "execute_request":
            self._look_for_files()
            self._pending[message.msg_id] = message
            if len(self._pending) > PENDING:
                self._pending.popitem(last=False)
        elif kind in COMMS:
            self._comm(kind, message)
        elif kind == "input_reply":
            self._input(message)
        return True

    def on_reply(self, channel: str, message: Message) -> bool:
        """See `relay.Observer`."""
        if not message.route and self._relay.asked(message):
            self._probed.add(channel)
            self.answered.set()
            self._seen_up()
        if message.msg_type == "execute_reply" and message.content.get("status") == "aborted":
            self._pending.pop(message.parent_id, None)
        if message.msg_type == "shutdown_reply":
            self.ended.set()
        return message.msg_type != "execute_reply" or not self._delayed_reply.keeps_reply(self.cells.request(message.parent_id), message)

    def on_iopub(self, message: Message) -> bool:
        """See `relay.Observer`."""
        kind = message.msg_type
        if not self.kernel_up.is_set():
            self._probed.add("iopub")
            self._seen_up()
        if not self.open or self._relay.asked(message):
            return False  # to clients the kernel is up already, and has not been asked anything
        if self._delayed_reply.keeps(message):
            return False
        if kind == "clear_output":
            cleared = self.cells.request(message.parent_id)
            if cleared is not None and cleared.painted and not cleared.running:
                self._spoil(cleared)
                return False  # its strip exists: a thread's later output is added to the cell's outputs and does not replace the mark
        if kind == "status" and self.link is not None and message.content.get("execution_state") == "idle":
            cell = self.cells.request(message.parent_id)
            if cell is not None and cell.running:
                if self._delayed_reply.keeps_idle(cell, message):
                    self._status(message)
                    return False
                cell.idle_shown = True
                self._publisher.paint(cell)
        return True

    def after_iopub(self, message: Message) -> None:
        """See `relay.Observer`."""
        if message.msg_type in OUTPUTS:
            self._output(message.msg_type, message)
        elif message.msg_type == "status":
            self._status(message)
        elif message.msg_type == "execute_input":
            self._start(message.parent_id, message.content.get("execution_count"))

    def _seen_up(self) -> None:
        if {"shell", "iopub"} <= self._probed:
            self.kernel_up.set()

    # ------------------------------------------------------------ the life of a cell

    def _status(self, message: Message) -> None:
        state = message.content.get("execution_state")
        parent = message.parent_id
        if state == "busy":
            waiting = self._pending.get(parent)
            if waiting is not None and waiting.content.get("silent"):
                self._start(parent, None)
        elif state == "idle":
            cell = self.cells.request(parent)
            if cell is not None and cell.running:
                self._finish(cell)
            self._pending.pop(parent, None)
            if self._idle:
                self._files.close()  # what was asked for and never began does not hold up other notebooks

    @property
    def _idle(self) -> bool:
        """Whether no cell runs or waits to."""
        return not self._pending and (self.cells.current is None or not self.cells.current.running)

    def _look_for_files(self) -> None:
        """Look for changed files before the clear kernel can begin a cell. Changes while no cell ran are the researcher's."""
        if self.link is None or not self._idle:
            return
        self._files.close()
        if not self._changed:
            self._changed, notes = self._files.changed()
            self.notes.extend(notes)
        self._files.cell_begins()

    def _start(self, msg_id: str, count: object) -> None:
        request = self._pending.pop(msg_id, None)
        if request is None:
            return
        content = request.content
        source, silent = str(content.get("code", "")), bool(content.get("silent"))
        number = count if isinstance(count, int) else None
        cell = self.cells.start(msg_id, request.frames[2], source, number, silent)
        if self.link is None:
            return
        cell.notes.extend(self.notes)
        self.notes.clear()
        try:
            cell.sent.update(self.link.send_all(cell.message(self.session, content, self._changed)))
            self._changed = ()
        except (ValidationError, wire.WireError):
            cell.mirrored, cell.too_large = False, True
            cell.notes.append("This cell is too large to be sent to the sites; it ran on the twin only.")
            # Its number is taken all the same, so that both runs go on counting alike.
            self.link.send_all(cell.stand_in(self.session))
        self._left_behind(cell)

    def _left_behind(self, cell: Cell) -> None:
        for site, view in self.sites.items():
            if self.link and view.accepted and self.link.lost(site):
                view.accepted = False
                why = "was out of reach for too long; the session goes on without it. Restart the kernel to have it back."
                cell.notes.append(f"{view.title or site} {why}")

    def _finish(self, cell: Cell) -> None:
        cell.running = False
        if self.link is None:
            return
        self.notes.extend(self._files.cell_ended())
        if self._pending:
            self._files.cell_begins()  # the next one is with the kernel already
        self.link.send_all(wire.Twin(session=self.session, cell=cell.number, outputs=cell.outputs.digest("twin"), calls=cell.calls))

    def _output(self, kind: str, message: Message) -> None:
        cell = self.cells.request(message.parent_id)
        if kind == "stream" and cell is not None and cell.running:
            size = len(message.frames[5])
            if size > LARGE:
                cell.printed(message)
            else:
                cell.outputs.add(kind, message.content, size=size)
            return
        content = message.content
        # After a cell has ended, its verdict does not cover what a thread or a widget's callback says in its name.
        running = cell if cell is not None and cell.running else None
        if cell is not None and running is None and kind not in COMMS:
            self._spoil(cell)
        for shown in self._displays.said(kind, content, message.frames[5], running):
            self._spoil(shown)
        if running is not None:
            running.outputs.add(kind, content, message.buffers, size=len(message.frames[5]) + sum(map(len, message.buffers)))

    def _spoil(self, cell: Cell) -> None:
        """Note that the cell now shows something that its verdict does not cover: it no longer counts as real."""
        if not cell.interacted:
            cell.interacted = True
            self.repaint(cell)

    # ------------------------------------------------------------ widgets and prompts

    def _comm(self, kind: str, message: Message) -> None:
        content = message.content
        if self.link:
            buffers = tuple(base64.b64encode(buffer).decode() for buffer in message.buffers)
            comm = {"session": self.session, "msg_id": message.msg_id, "msg_type": kind, "content": content, "buffers": buffers}
            try:
                self.link.send_all(wire.Comm.model_validate(comm))
            except (ValidationError, wire.WireError):
                log.warning("a comm message is too large to be sent to the sites")
        data = content.get("data")
        if kind == "comm_msg" and isinstance(data, dict) and data.get("method") in ("update", "custom"):
            for cell in self.cells.moved():
                self.repaint(cell)

    def _input(self, message: Message) -> None:
        cell = self.cells.current
        if cell is None or not cell.running or self.link is None:
            return
        cell.inputs += 1
        value = str(message.content.get("value", ""))
        try:
            self.link.send_all(wire.Input(session=self.session, cell=cell.number, nth=cell.inputs, value=value))
        except (ValidationError, wire.WireError):
            cell.notes.append("What you typed is too long to be sent to the sites.")

    # ------------------------------------------------------------ the sites

    def on_site(self, state: wire.SiteState) -> None:
        """The switchboard says how a site stands."""
        new = state.site not in self.sites
        view = self.sites.setdefault(state.site, SiteView())
        view.online = state.online
        view.title = state.title or view.title
        if state.catalogued is not None:
            self._crossings.catalogue(state.site, state.catalogued)
        if new and self.link:
            self.link.send(state.site, wire.Open(session=self.session, seed=self._seed, cwd=self._cwd))
            self._catch_up(state.site, self.link)
        if not state.online:
            self.calls.offline(state.site)
        for cell in self.cells:
            if state.site in cell.sent and state.site not in cell.verdicts:
                self.repaint(cell)

    def _catch_up(self, site: str, link: PaneLink) -> None:
        """Send a site what went on before the switchboard was reached."""
        for body in link.early:
            n = link.send(site, body)
            cell = self.cells.number(body.cell) if isinstance(body, wire.Cell) else None
            if cell is not None:
                cell.sent[site] = n

    def repaint(self, cell: Cell) -> None:
        """Something about the cell changed: paint its strip anew, soon."""
        self._delayed_reply.heard(cell)
        self._publisher.repaint(cell)

    def close(self) -> None:
        """Tell the sites that the session is over."""
        self._delayed_reply.close()
        self._publisher.close()
        self._files.close()
        if self.link:
            self.link.send_all(wire.Close(session=self.session))
