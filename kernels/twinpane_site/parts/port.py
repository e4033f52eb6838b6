"""A port: one end of a local socket over which two of a site's processes talk, in frames of fixed bounds.

A frame is one packet: a JSON object of at most ``FRAME`` bytes, and at most ``DESCRIPTORS`` descriptors. Bulk bytes are never in the
packet. They lie in a sealed memory file whose descriptor goes along, so that the receiver decides what to read of them, and when.
The other end may be hostile: anything that is not a frame ends the port. The receiver checks what a frame says.
"""

import array
import asyncio
import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twinpane_wire.transient_errors import PATIENCE_S, PAUSE_S, is_transient

FRAME = 64 * 1024
"""Bytes of a frame's JSON, at most."""
DESCRIPTORS = 4
"""Descriptors that go along with a frame, at most."""
IN_A_ROW = 16
"""Frames taken without letting others have the event loop."""
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_INT = array.array("i").itemsize


class PortError(Exception):
    """The other end sent no valid frame, or invalid bulk bytes. The port can no longer be used."""


def is_closed(error: OSError) -> bool:
    """Whether an error of sending means that nobody listens any more. Any other error may be temporary."""
    return isinstance(error, ConnectionError) or error.errno in (errno.EBADF, errno.ENOTCONN)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends; neither is inherited by a new program."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def sealed(content: bytes, name: str = "bulk") -> int:
    """A descriptor of a memory file with this content that nobody can change any more; the caller closes it."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@dataclass(frozen=True, slots=True)
class Frame:
    """What came: the JSON object, and the descriptors that came along. They are the receiver's to close (``close``, ``bulk``)."""

    head: dict[str, Any]
    descriptors: tuple[int, ...] = ()

    def close(self) -> None:
        """Close the descriptors."""
        for descriptor in self.descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def bulk(self, limit: int, index: int = 0) -> bytes:
        """The bytes of a sealed memory file among the descriptors; closes all. Raises PortError for more than ``limit`` or another file."""
        try:
            size = sealed_size(self.descriptors[index], limit)
            return _pread(self.descriptors[index], size)
        except IndexError:
            raise PortError("bytes were announced, and none came") from None
        finally:
            self.close()


def sealed_size(descriptor: int, limit: int) -> int:
    """Bytes of a sealed memory file; raises PortError for what can still change, is no plain file, or is larger than ``limit``."""
    try:
        status = os.fstat(descriptor)
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError:
        raise PortError("not a memory file") from None
    if not stat.S_ISREG(status.st_mode) or seals & SEALS != SEALS:
        raise PortError("a memory file that can still change")
    if status.st_size > limit:
        raise PortError(f"{status.st_size} bytes, more than the {limit} that may come")
    return status.st_size


def _pread(descriptor: int, size: int) -> bytes:
    parts, at = [], 0
    while at < size and (part := os.pread(descriptor, size - at, at)):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def packed(head: Mapping[str, object]) -> bytes:
    """A frame's bytes; raises PortError where they are too many."""
    content = json.dumps(head, separators=(",", ":")).encode("ascii")
    if len(content) > FRAME:
        raise PortError(f"a frame of {len(content)} bytes; {FRAME} is the most")
    return content


def _unpacked(data: bytes, ancillary: Sequence[tuple[int, int, bytes]], flags: int) -> Frame | None:
    descriptors: list[int] = []
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors += array.array("i", content[: len(content) - len(content) % _INT])
    frame = Frame({}, tuple(descriptors))
    if not data and not descriptors:
        return None
    try:
        if flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC):
            raise PortError("a frame that is too large")
        head = json.loads(data)
    except (ValueError, RecursionError):
        frame.close()
        raise PortError("not a frame") from None
    except PortError:
        frame.close()
        raise
    if not isinstance(head, dict):
        frame.close()
        raise PortError("not a frame")
    return Frame(head, frame.descriptors)


class BlockingPort:
    """A port for a process that does one thing after another."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        end.setblocking(True)

    def send(self, head: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
        """Send a frame. Waits out temporary errors. Raises OSError if nobody listens any more, or an error lasts too long."""
        content, end = packed(head), time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.send_fds(self.socket, [content], list(descriptors))
                return
            except OSError as error:
                if not is_transient(error) or time.monotonic() > end:
                    raise
            time.sleep(PAUSE_S)

    def send_bulk(self, head: Mapping[str, object], content: bytes) -> None:
        """Send a frame with bytes in a sealed memory file."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                descriptor = sealed(content)
                break
            except OSError as error:
                if not is_transient(error) or time.monotonic() > end:
                    raise
            time.sleep(PAUSE_S)
        try:
            self.send(head, [descriptor])
        finally:
            os.close(descriptor)

    def receive(self) -> Frame | None:
        """The next frame; None where the other end is closed. Raises PortError."""
        try:
            data, ancillary, flags, _ = self.socket.recvmsg(FRAME, socket.CMSG_SPACE(DESCRIPTORS * _INT), socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return None
        return _unpacked(data, ancillary, flags)

    def close(self) -> None:
        """Close this end."""
        self.socket.close()


class Port:
    """A port on the running event loop. One task receives; any may send."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        end.setblocking(False)
        self._sending = asyncio.Lock()
        self._taken = 0

    async def send(self, head: Mapping[str, object], descriptors: Sequence[int] = ()) -> None:
        """Send a frame as soon as the other end has room. Waits out temporary errors.

        Raises OSError if nobody listens any more, or an error lasts too long.
        """
        content, end = packed(head), None
        async with self._sending:
            while True:
                try:
                    socket.send_fds(self.socket, [content], list(descriptors))
                    return
                except BlockingIOError:
                    await self._until(asyncio.get_running_loop().add_writer, asyncio.get_running_loop().remove_writer)
                except OSError as error:
                    end = await _pause(error, end)

    async def send_bulk(self, head: Mapping[str, object], content: bytes) -> None:
        """Send a frame with bytes in a sealed memory file, as `send`."""
        descriptor, end = -1, None
        while descriptor < 0:
            try:
                descriptor = sealed(content)
            except OSError as error:
                end = await _pause(error, end)
        try:
            await self.send(head, [descriptor])
        finally:
            os.close(descriptor)

    async def receive(self) -> Frame | None:
        """The next frame; None if the other end is closed. Raises PortError. Even in a flood of frames, other tasks get their turn."""
        self._taken += 1
        if self._taken % IN_A_ROW == 0:
            await asyncio.sleep(0)
        while True:
            try:
                data, ancillary, flags, _ = self.socket.recvmsg(FRAME, socket.CMSG_SPACE(DESCRIPTORS * _INT), socket.MSG_CMSG_CLOEXEC)
                return _unpacked(data, ancillary, flags)
            except BlockingIOError:
                await self._until(asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)
            except ConnectionError:
                return None

    async def _until(
        self, add: Callable[[socket.socket, Callable[[], None]], None], remove: Callable[[socket.socket], bool]
    ) -> None:  # fmt: skip
        """Wait until the socket is ready, by the loop's ``add_reader`` and ``remove_reader``, or the same pair for writers."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        add(self.socket, wake)
        try:
            await ready
        finally:
            remove(self.socket)

    def close(self) -> None:
        """Close this end; who waits for a frame here has to be cancelled first."""
        self.socket.close()


async def _pause(error: OSError, end: float | None) -> float:
    """Wait a moment for an error to pass, until ``end`` at most, which is set by the first; raises the error where it does not."""
    now = time.monotonic()
    if not is_transient(error) or (end is not None and now > end):
        raise error
    await asyncio.sleep(PAUSE_S)
    return now + PATIENCE_S if end is None else end
