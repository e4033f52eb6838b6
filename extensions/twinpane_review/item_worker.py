"""``python -m twinpane_review.item_worker``: the worker that parses a request's hostile bytes, in a sandbox with nothing else in it.

It receives the request's message and, for each asked item, a descriptor of held outputs or of a file. It answers with the items that it
made. It lives for one request, within limits that the site set before it began.
"""

import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from types import FrameType

from twinpane_ground import limits
from twinpane_site.errors import HeldError
from twinpane_site.exports import Kind
from twinpane_site.held import unpacked
from twinpane_site.parts.part import own_end
from twinpane_site.parts.port import BlockingPort, Frame
from twinpane_wire.items import LeftOut
from twinpane_wire.messages import ExportAsk, ExportItem

from .item_pairs import ItemPairs, pack
from .pairing import Budget, Real, paired

CPU_S = 20.0
"""Seconds of processor time for one asked item; what takes longer is no form. The request as a whole has a limit that ends the worker."""
MESSAGE_BYTES = limits.FRAME
TOO_LONG = "it could not be made readable within the time and memory for it"


class TooLong(BaseException):
    """The time for an asked item is over. Not an Exception: decoders may catch those."""


def main() -> None:
    """Answer until the port closes."""
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    port = BlockingPort(own_end())
    signal.signal(signal.SIGPROF, _over)
    budget = Budget()
    first = port.receive()
    if first is None:
        return
    ask = ExportAsk.model_validate_json(first.bulk(MESSAGE_BYTES))
    while (frame := port.receive()) is not None:
        made = _within_limits(ask.items[frame.head["index"]], frame, budget)
        port.send_bulk({"index": frame.head["index"]}, pack(made))


def _within_limits(asked: ExportItem, frame: Frame, budget: Budget) -> ItemPairs:
    subject = f"cell {asked.cell}" if asked.cell is not None else "the file"
    try:
        with _timed():
            return paired(asked, _real(subject, frame), budget)
    except (TooLong, MemoryError):
        return ItemPairs((), ((subject, TOO_LONG),))
    finally:
        frame.close()


def _real(subject: str, frame: Frame) -> Real:
    match frame.head:
        case {"kind": Kind.held.value, "sha256": sha256, "bytes": size}:
            return _held(subject, frame.descriptors[0], sha256, size)
        case {"kind": Kind.file.value}:
            os.lseek(frame.descriptors[0], 0, os.SEEK_SET)
            with open(frame.descriptors[0], "rb", closefd=False) as file:
                content = file.read(limits.FILE + 1)
            return content if len(content) <= limits.FILE else LeftOut(subject, f"larger than {limits.FILE // 2**20} MiB")
        case {"kind": Kind.damaged.value}:
            return LeftOut(subject, "what was held of it is damaged, and cannot be read any more")
    return None


def _held(subject: str, descriptor: int, sha256: str, size: int) -> Real:
    try:
        return unpacked(descriptor, sha256, size)
    except HeldError:
        return LeftOut(subject, "what was held of it is damaged, and cannot be read any more")


@contextlib.contextmanager
def _timed() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _over(_number: int, _frame: FrameType | None) -> None:
    raise TooLong


if __name__ == "__main__":
    main()
