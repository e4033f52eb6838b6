"""A fork server: one interpreter that has imported what small parts need, and forks one whenever the agent asks.

A forked part shares the imported code with its siblings, so that a session's reader costs a few megabytes and a millisecond. The nursery
itself reads nothing but the agent's requests.
"""

import contextlib
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from twinpane_sandbox.lifeline import die_with_parent

from . import part
from .port import BlockingPort, pair

MODULE = "twinpane_site.parts.nursery"


class Nursery:
    """The agent's side. ``modules`` are imported before the first fork; a part is the function ``main(end, settings)`` of one of them.

    ``settings`` go along as they are; ``descriptors`` of the fork become ``settings["descriptors"]`` in the part.
    """

    def __init__(self, *modules: str, niceness: int = 0) -> None:
        """Start it; call from the main thread."""
        self._part = part.start_part(MODULE, *modules, niceness=niceness)
        self._port = BlockingPort(self._part.end)
        self._asking = threading.Lock()

    @property
    def pid(self) -> int:
        """The nursery's own process."""
        return self._part.process.pid

    def fork(
        self, module: str, settings: Mapping[str, Any], descriptors: tuple[int, ...] = (), limits: Mapping[str, int] | None = None,
        niceness: int = 0,
    ) -> "tuple[int, socket.socket]":  # fmt: skip
        """Fork a part: its pid, and our end of its port, which closes when it ends. Raises OSError where the nursery is gone.

        Waits for the nursery's word, which takes a millisecond; any thread may ask.
        """
        ours, theirs = pair()
        asked = {"module": module, "settings": settings, "limits": limits or {}, "niceness": niceness}
        try:
            with self._asking:
                self._port.send(asked, [theirs.fileno(), *descriptors])
                frame = self._port.receive()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        if frame is None or not isinstance(frame.head.get("pid"), int):
            ours.close()
            raise OSError("the nursery has ended")
        return frame.head["pid"], ours

    def kill(self, pid: int) -> None:
        """End one of its parts at once; nothing happens where it has ended, or the nursery has."""
        with self._asking, contextlib.suppress(OSError):
            self._port.send({"kill": pid})
            self._port.receive()

    def close(self) -> None:
        """End it and all its parts."""
        self._part.kill()
        self._port.close()


def main() -> None:
    """The nursery: fork on request, reap what ended, until the agent is gone."""
    end, me = part.own_end(), os.getpid()
    known = {name: importlib.import_module(name) for name in sys.argv[1:]}
    gc.collect()
    gc.freeze()  # what is shared stays shared: a collection in a part would copy it
    port, running = BlockingPort(end), set[int]()
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    while True:
        ready, _, _ = select.select([end, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap(running)
        if end not in ready:
            continue
        frame = port.receive()
        if frame is None:
            return
        if (pid := frame.head.get("kill")) is not None:
            if pid in running:
                os.kill(pid, signal.SIGKILL)
            port.send({"pid": pid})
            continue
        pid = os.fork()
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


def _be(module: Any, head: Mapping[str, Any], descriptors: tuple[int, ...], nursery: int) -> None:
    """In the child: become the part, and never come back."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(nursery, signal.SIGKILL)
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
