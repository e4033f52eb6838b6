"""A fork server: one interpreter that has imported what small parts need, and forks one whenever the agent asks.

A forked part shares the imported code with its siblings, so that a session's reader costs a few megabytes and a millisecond. The fork
server itself reads nothing but the agent's requests.
"""

import asyncio
import contextlib
import errno
import gc
import importlib
import logging
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from twinpane_ground import json_lines
from twinpane_ground.lifeline import die_with_parent
from twinpane_wire.transient_errors import PATIENCE_S, PAUSE_S, is_transient

from . import part
from .port import BlockingPort, PortError, is_closed, pair

log = logging.getLogger(__name__)

MODULE = "twinpane_site.parts.fork_server"
LOOK_S = 0.2
"""Seconds until it is seen that it has ended."""
AGAIN_S = 2.0
"""Seconds until it is tried again to start one."""


class ForkServerEnded(OSError):
    """There is no fork server, for now or for good."""

    def __str__(self) -> str:
        return "the fork server has ended"


class ForkServer:
    """The agent's side. ``modules`` are imported before the first fork; a part is the function ``main(end, settings)`` of one of them.

    ``settings`` go along as they are; ``descriptors`` of the fork become ``settings["descriptors"]`` in the part.
    """

    def __init__(self, *modules: str, niceness: int = 0) -> None:
        """Start it; call from the main thread."""
        self._modules, self._niceness = modules, niceness
        self._part = part.start_part(MODULE, *modules, niceness=niceness)
        self._port = BlockingPort(self._part.end)
        self._asking = threading.Lock()
        self._kept = False
        """Whether another is started where it ends."""

    @property
    def pid(self) -> int:
        """The fork server's own process."""
        return self._part.process.pid

    def fork(
        self, module: str, settings: Mapping[str, object], descriptors: tuple[int, ...] = (), limits: Mapping[str, int] | None = None,
        niceness: int = 0,
    ) -> "tuple[int, socket.socket]":  # fmt: skip
        """Fork a part. Returns its pid and our end of its port, which closes when the part ends.

        Waits for the fork server's answer: a millisecond, or longer if something is in its way. Any thread may call this but an event
        loop's. Raises OSError if the fork server is gone for good, or cannot fork.
        """
        asked = {"module": module, "settings": settings, "limits": limits or {}, "niceness": niceness}
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._forked(asked, descriptors)
            except OSError as error:
                if not (self._kept if isinstance(error, ForkServerEnded) else is_transient(error)) or time.monotonic() > end:
                    raise
            time.sleep(PAUSE_S)

    def _forked(self, asked: Mapping[str, object], descriptors: tuple[int, ...]) -> "tuple[int, socket.socket]":
        ours, theirs = pair()
        try:
            with self._asking:
                try:
                    self._port.send(asked, [theirs.fileno(), *descriptors])
                    frame = self._port.receive()
                except OSError as error:
                    raise ForkServerEnded if is_closed(error) else error from None
            if frame is None:
                raise ForkServerEnded
            match frame.head:
                case {"pid": int(pid)}:
                    return pid, ours
                case {"failed": int(number)}:
                    raise OSError(number, f"the fork server cannot fork: {os.strerror(number)}")
            raise PortError("the fork server said something that it was not asked for")
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    async def keep(self) -> None:
        """Until cancelled, start a new fork server whenever it has ended (its parts end with it). Run on the main thread's loop."""
        self._kept = True
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                if self._part.process.poll() is not None:
                    await self._anew()
        finally:
            self._kept = False

    async def _anew(self) -> None:
        status = self._part.process.returncode
        log.error("the fork server has ended (status %d), and with it every session's reader; it is started again", status)
        while True:
            try:
                fresh = part.start_part(MODULE, *self._modules, niceness=self._niceness)
                break
            except OSError as error:
                log.error("the fork server cannot be started: %s", error)
            await asyncio.sleep(AGAIN_S)
        with contextlib.suppress(OSError):
            self._port.socket.shutdown(socket.SHUT_RDWR)  # nobody waits for the old one's answer any more
        with self._asking:
            self._port.close()
            self._part, self._port = fresh, BlockingPort(fresh.end)

    def kill(self, pid: int) -> None:
        """End one of its parts at once. Does nothing if the part or the fork server has ended."""
        with self._asking, contextlib.suppress(OSError):
            self._port.send({"kill": pid})
            self._port.receive()

    def close(self) -> None:
        """End it and all its parts."""
        self._part.kill()
        self._port.close()


def main() -> None:
    """The fork server: fork on request, reap what ended, until the agent is gone."""
    json_lines.as_told()
    end, me = part.own_end(), os.getpid()
    known = {name: importlib.import_module(name) for name in sys.argv[1:]}
    gc.collect()
    gc.freeze()  # what is shared stays shared: a collection in a part would copy it
    port, running = BlockingPort(end), set[int]()
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    looks = select.poll()  # not select(2), which knows no number from 1024 on
    looks.register(end, select.POLLIN)
    looks.register(woken, select.POLLIN)
    while True:
        ready = {number for number, _ in looks.poll()}
        if woken in ready:
            os.read(woken, 4096)
            _reap(running)
        if end.fileno() not in ready:
            continue
        try:
            frame = port.receive()
        except PortError:  # the agent's frames are whole: descriptors got lost on the way, as there were too many
            port.send({"failed": errno.ENFILE})
            continue
        if frame is None:
            return
        if (pid := frame.head.get("kill")) is not None:
            if pid in running:
                os.kill(pid, signal.SIGKILL)
            port.send({"pid": pid})
            continue
        try:
            pid = os.fork()
        except OSError as error:
            frame.close()
            port.send({"failed": error.errno})
            continue
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for descriptor in (end.detach(), woken, wake):
                os.close(descriptor)
            _be(known[frame.head["module"]], frame.head, frame.descriptors, me)
        running.add(pid)
        frame.close()
        port.send({"pid": pid})


def _reap(running: set[int]) -> None:
    for pid in list(running):
        if os.waitpid(pid, os.WNOHANG)[0]:
            running.discard(pid)


def _be(module: ModuleType, head: Mapping[str, Any], descriptors: tuple[int, ...], fork_server: int) -> None:
    """In the child: become the part, and never come back."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(fork_server, signal.SIGKILL)
        os.nice(head["niceness"])
        for name, value in head["limits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        mine, *others = descriptors
        module.main(socket.socket(fileno=mine), {**head["settings"], "descriptors": others})
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
