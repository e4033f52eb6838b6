"""Ports of this machine: whether one is free, and which program has it where it is not."""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LISTENING = "0A"
"""The state in /proc/net/tcp."""
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens: its number, and the words that it was started with."""

    process: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        """For a sentence: ``nginx (process 17)``."""
        return f"{os.path.basename(self.words[0]) if self.words else 'a program'} (process {self.process})"


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen at that port now. Raises OSError where the machine has no such address."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with contextlib.closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def holder(port: int, proc: Path = PROC) -> Holder | None:
    """Who listens at that port, at whichever address. None where it is nobody, or another user's process, which only root can see."""
    wanted = {f"socket:[{number}]" for number in _sockets(port, proc)}
    if not wanted:
        return None
    for process in filter(str.isdecimal, os.listdir(proc)):
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(proc / process / "fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(proc / process / "fd" / descriptor) in wanted:
                        words = (proc / process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                        return Holder(int(process), tuple(words[:-1]))
    return None


def _sockets(port: int, proc: Path) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / "net" / name).read_text().splitlines()[1:]:
                words = line.split()
                local, state = words[1], words[3]
                if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                    yield words[9]
