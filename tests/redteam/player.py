"""Plays a program of the grammar as a client would, and keeps every message that the client gets, whichever cell it is about."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from harness.notebook import Notebook

from .grammar.steps import Ask, Cell, Click, Program

BUTTON = "ButtonModel"


class Player:
    """One client of one notebook. ``heard`` has all iopub messages, in order; the notebook's ``received`` all replies."""

    def __init__(self, pad: Notebook) -> None:
        self._pad = pad
        self.heard: list[dict[str, Any]] = []
        self._begun = asyncio.Event()
        self.sources: dict[str, str] = {}
        """Source by request."""
        pad.client.iopub_channel.get_msg = self._recorded(pad.client.iopub_channel.get_msg)

    def _recorded(self, get: Any) -> Any:
        async def get_msg(*args: Any, **kwargs: Any) -> dict[str, Any]:
            message = await get(*args, **kwargs)
            self.heard.append(message)
            if message["msg_type"] == "execute_input":
                self._begun.set()
            return message

        return get_msg

    async def play(self, program: Program) -> None:
        """Take every step in turn."""
        for step in program:
            match step:
                case Cell():
                    await self._run(step)
                case Ask():
                    with contextlib.suppress(TimeoutError):  # no reply is an answer too, and the same on all rows
                        await self._pad.ask(step.channel, step.msg_type, step.content, timeout=step.wait)
                case Click():
                    await self._click()

    async def _run(self, cell: Cell) -> None:
        self._begun.clear()
        pressing = asyncio.create_task(self._interrupt(cell.interrupt)) if cell.interrupt is not None else None
        ran = await self._pad.run(
            cell.source, timeout=120, answer=(lambda _prompt: cell.answer) if cell.answer is not None else None, silent=cell.silent
        )
        self.sources[ran.msg_id] = cell.source
        if pressing is not None:
            await pressing

    async def _interrupt(self, after: float) -> None:
        # Wait until the clear kernel has begun, and a while longer, so that it falls at the same place in the cell each time.
        await self._begun.wait()
        await asyncio.sleep(after)
        await self._pad.ask("control", "interrupt_request", {}, timeout=60)

    async def _click(self) -> None:
        message = self._pad.client.session.msg(
            "comm_msg", {"comm_id": self._button(), "data": {"method": "custom", "content": {"event": "click"}}}
        )
        self._pad.client.shell_channel.send(message)
        async with asyncio.timeout(60):
            while not any(self._idle_of(message["header"]["msg_id"])):
                with contextlib.suppress(Exception):
                    await self._pad.client.get_iopub_msg(timeout=1)

    def _idle_of(self, msg_id: str) -> Iterator[bool]:
        for each in reversed(self.heard):
            if each["msg_type"] == "status" and each["content"]["execution_state"] == "idle":
                yield each["parent_header"].get("msg_id") == msg_id

    def _button(self) -> str:
        opened = [m["content"] for m in self.heard if m["msg_type"] == "comm_open"]
        return next(c["comm_id"] for c in reversed(opened) if c["data"].get("state", {}).get("_model_name") == BUTTON)
