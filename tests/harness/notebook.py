"""A notebook client for tests: starts the Twinpane kernel as any Jupyter client does, and keeps every message it gets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager


@dataclass
class Ran:
    """One executed cell: the request's id, the reply, and the iopub messages until idle."""

    msg_id: str
    reply: dict[str, Any]
    messages: list[dict[str, Any]]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Contents of the messages of these types, strips left out."""
        return [m["content"] for m in self.messages if m["msg_type"] in kinds and not is_strip(m)]

    @property
    def text(self) -> str:
        """What was printed, and the plain text of what was shown."""
        streams = "".join(c["text"] for c in self.of("stream"))
        return streams + "".join(c["data"].get("text/plain", "") for c in self.of("display_data", "execute_result"))


def is_strip(message: Mapping[str, Any]) -> bool:
    """Whether a message is a strip of the pane."""
    metadata = message["content"].get("metadata")
    return isinstance(metadata, dict) and "twinpane" in metadata


@dataclass
class Notebook:
    """A running kernel."""

    manager: AsyncKernelManager
    client: AsyncKernelClient
    received: list[dict[str, Any]] = field(default_factory=list)
    """Every message that came to this client, on any channel."""

    async def run(self, code: str, timeout: float = 90, answer: Callable[[str], str] | None = None, silent: bool = False) -> Ran:
        """Execute a cell and wait for its idle."""
        messages: list[dict[str, Any]] = []

        async def prompted(message: dict[str, Any]) -> None:
            self.received.append(message)
            self.client.input(answer(message["content"]["prompt"]) if answer else "")

        def said(message: dict[str, Any]) -> None:
            messages.append(message)
            self.received.append(message)

        reply = await self.client.execute_interactive(
            code, timeout=timeout, output_hook=said, stdin_hook=prompted, allow_stdin=answer is not None, silent=silent
        )
        self.received.append(reply)
        return Ran(reply["parent_header"]["msg_id"], reply["content"], messages)

    async def ask(self, channel: str, msg_type: str, content: dict[str, Any], timeout: float = 10) -> dict[str, Any]:
        """Send a request and wait for its reply."""
        message = self.client.session.msg(msg_type, content)
        end = getattr(self.client, f"{channel}_channel")
        end.send(message)
        async with asyncio.timeout(timeout):
            while True:
                reply = await end.get_msg()
                self.received.append(reply)
                if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                    return reply["content"]

    async def cells(self) -> dict[str, Any]:
        """The pane's reports of all cells, by request."""
        return await self.ask("control", "twinpane_cells_request", {})

    async def settled(self, seconds: float = 90) -> dict[str, Any]:
        """Wait until no site owes anything; returns the reports."""
        async with asyncio.timeout(seconds):
            while not (reply := await self.cells())["settled"]:
                await asyncio.sleep(0.1)
            return reply["cells"]

    async def drain(self, seconds: float = 0.3) -> None:
        """Take in the iopub messages that still come."""
        with contextlib.suppress(Exception):
            while True:
                self.received.append(await self.client.get_iopub_msg(timeout=seconds))


@contextlib.asynccontextmanager
async def notebook(environment: Mapping[str, str], workspace: Path, kernelspec: Path) -> AsyncIterator[Notebook]:
    """Start the kernel in a workspace while the block runs."""
    manager = AsyncKernelManager(kernel_name="twinpane")
    manager.kernel_spec_manager.kernel_dirs = [str(kernelspec / "kernels")]
    await manager.start_kernel(env=dict(environment), cwd=str(workspace))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield Notebook(manager, client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()
