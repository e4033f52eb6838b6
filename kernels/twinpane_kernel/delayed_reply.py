"""Delays the end of a failed cell for a moment. So an error that is the same at every site stands alone, as in any notebook.

The reply and the idle of that one cell wait until every site has spoken, at most a second. Later messages of the kernel wait behind them,
in order.
"""

import asyncio
from collections.abc import Callable

from .cells import Cell
from .message import Message
from .relay import Relay

GRACE_S = 1.0


class DelayedReply:
    """Keeps back the end of one failed cell at a time.

    ``told`` says whether no site owes the cell a verdict; ``end`` is called just before its idle goes out.
    """

    def __init__(self, relay: Relay, told: Callable[[Cell], bool], end: Callable[[Cell], None]) -> None:
        self._relay = relay
        self._told = told
        self._end = end
        self._cell: Cell | None = None
        self._idle: Message | None = None
        self._behind: list[Message] = []
        self._replies: list[Message] = []
        self._timer: asyncio.TimerHandle | None = None

    def keeps_reply(self, cell: Cell | None, reply: Message) -> bool:
        """Take an execute_reply. True keeps it back."""
        if cell is None or not cell.sent or cell.idle_shown or reply.content.get("status") != "error":
            return False
        if cell.outputs and not cell.failed_alone:  # shell and iopub are two sockets: the error itself may still be on its way
            return False
        self._begin(cell)
        self._replies.append(reply)
        return True

    def keeps_idle(self, cell: Cell, idle: Message) -> bool:
        """Take a cell's idle. True keeps it back."""
        if not cell.failed_alone or not cell.sent:
            return False
        self._begin(cell)
        self._idle = idle
        if self._told(cell):
            asyncio.get_running_loop().call_soon(self._release)
        return True

    def keeps(self, message: Message) -> bool:
        """Take any other iopub message. True keeps it behind a waiting idle."""
        if self._idle is None:
            return False
        self._behind.append(message)
        return True

    def heard(self, cell: Cell) -> None:
        """A site spoke of the cell."""
        if cell is self._cell and self._idle is not None and self._told(cell):
            self._release()

    def close(self) -> None:
        """Let go of everything now."""
        self._release()

    def _begin(self, cell: Cell) -> None:
        if self._cell is not cell:
            self._release()
            self._cell = cell
            self._timer = asyncio.get_running_loop().call_later(GRACE_S, self._release)

    def _release(self) -> None:
        cell, idle, behind, replies = self._cell, self._idle, self._behind, self._replies
        if self._timer is not None:
            self._timer.cancel()
        self._cell, self._idle, self._timer, self._behind, self._replies = None, None, None, [], []
        if cell is not None and idle is not None:
            cell.idle_shown = True
            self._end(cell)
            self._relay.pass_iopub(idle)
        for message in behind:
            self._relay.see_iopub(message)
        for reply in replies:
            self._relay.pass_reply(reply)
