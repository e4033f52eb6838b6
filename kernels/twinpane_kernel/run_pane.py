"""What `twinpane run` asks the pane, on the control channel: what its sites did, and to end the clear kernel."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from pydantic import ValidationError

from .cell_report import CellReport
from .run_children import RunError

ANSWER = 10.0
"""Seconds for the pane to say what its sites did."""
END = 30.0
"""Seconds for the clear kernel to be gone."""


@dataclass(frozen=True)
class Status:
    """What the pane knows: reports by execute message, whether all are settled, and each site's title and whether it is online."""

    settled: bool
    cells: dict[str, CellReport]
    sites: dict[str, dict[str, Any]]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Status":
        """From the content of a reply; raises RunError when it is not one."""
        try:
            if content["status"] != "ok":
                raise KeyError
            return cls(
                settled=bool(content["settled"]),
                cells={msg_id: CellReport.model_validate(report) for msg_id, report in content["cells"].items()},
                sites={site: dict(told) for site, told in content["sites"].items()},
                notes=tuple(content.get("notes", ())),
            )
        except (KeyError, TypeError, AttributeError, ValidationError):
            raise RunError("the kernel does not say what its sites did: is it Twinpane's, and of this version?") from None


async def ask(kernel: AsyncKernelClient) -> Status:
    """What the sites did; raises RunError when the pane does not answer, or not as a pane."""
    content = await _reply(kernel, "twinpane_cells", ANSWER)
    if content is None:
        raise RunError("the kernel does not say what its sites did: is it Twinpane's, and still alive?")
    return Status.of(content)


async def finish(kernel: AsyncKernelClient) -> None:
    """End the clear kernel and return when nothing of it lives any more; raises RunError when that cannot be said."""
    content = await _reply(kernel, "twinpane_finish", END)
    if content is None or content.get("status") != "ok":
        raise RunError("it cannot be said that the clear kernel has ended, so the sites were not told to begin: nothing ran on real rows")


async def _reply(kernel: AsyncKernelClient, question: str, seconds: float) -> Mapping[str, Any] | None:
    message = kernel.session.msg(f"{question}_request", {})
    kernel.control_channel.send(message)
    deadline = asyncio.get_running_loop().time() + seconds
    while (left := deadline - asyncio.get_running_loop().time()) > 0:
        with contextlib.suppress(Empty):
            reply = await kernel.control_channel.get_msg(timeout=left)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                content: Mapping[str, Any] = reply["content"]
                return content if reply["msg_type"] == f"{question}_reply" else None
    return None
