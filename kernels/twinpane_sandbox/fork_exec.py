"""Turn a forked child into a sandbox: the steps between fork and exec, in an order that leaves nothing behind.

First the child is tied to its parent, so that it dies whenever the parent dies. Then it enters its control groups, leaves the processor
that is kept for others, and makes its views. If a step fails, the parent gets the reason in words and nothing is started.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from twinpane_ground.lifeline import die_with_parent, outlive_parent

from .errors import SandboxUnavailable

REMEDY = (
    "a Linux of 5.11 or newer with overlayfs and tmpfs; nothing mounted below /usr and the Python environment; where AppArmor "
    "restricts user namespaces, a profile that lets this Python make them (`userns,`); or an agent that is root"
)
WORDS = 1000
"""Bytes of a reason, at most."""


class Preparation(Protocol):
    """What a child makes for itself before it becomes something else: its views, or mounts of its own."""

    def make(self) -> None:
        """Called once, by `ChildSetup.become`, in the child, while it has one thread. Raises OSError."""


@dataclass(frozen=True, slots=True)
class ChildSetup:
    """What a child does before it becomes bubblewrap. ``processors``: those it may use; empty: all.

    ``ties_itself``: the new program ties itself to its parent, so our tie is undone before exec. Bubblewrap ties itself
    (``--die-with-parent``). Our tie could kill it after it started its child and before it let the child go on, and the child would
    then wait for ever. If the host ends meanwhile, the kernel finds that out before anything else (``kernel_main.orphaned``).
    """

    views: Preparation
    groups: tuple[Path, ...] = ()
    processors: frozenset[int] = frozenset()
    ties_itself: bool = False
    owner: int = 0
    """The user that it becomes, with the group of the same number; 0: no change."""

    def become(self, parent: int, words: int) -> None:
        """Do all steps. If one fails, write the reason to the descriptor ``words`` and raise."""
        try:
            die_with_parent(parent, signal.SIGKILL)
            for folder in self.groups:
                join(folder)
            if self.processors:
                os.sched_setaffinity(0, self.processors)
            self.views.make()
            if self.owner:
                become(self.owner)
            if self.ties_itself:
                outlive_parent()
            else:
                die_with_parent(parent, signal.SIGKILL)  # again: a change of user clears it
        except OSError as error:
            os.write(words, str(error.strerror or error).encode()[:WORDS])
            raise


def spawn(
    line: Sequence[str], setup: ChildSetup, descriptors: Sequence[int] = (), env: dict[str, str] | None = None,
    stderr: int = subprocess.STDOUT,
) -> "subprocess.Popen[bytes]":  # fmt: skip
    """Start bubblewrap in a session of its own, away from our terminal, signals and environment, its output in one pipe.

    Its standard input is the end of an empty pipe: the machine's /dev/null would be one file for all. Raises SandboxUnavailable with the
    reason where the machine does not let the child do what it must, and OSError where bubblewrap itself cannot be started.
    """
    parent = os.getpid()
    heard, words = os.pipe()
    stdin, closed = os.pipe()
    os.close(closed)
    try:
        return subprocess.Popen(
            line,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            pass_fds=descriptors,
            env=env or {},
            bufsize=0,
            preexec_fn=lambda: setup.become(parent, words),
        )
    except subprocess.SubprocessError:
        os.set_blocking(heard, False)
        try:
            reason = os.read(heard, WORDS).decode(errors="replace")
        except BlockingIOError:
            reason = "it gave no reason"
        raise SandboxUnavailable(f"no view of this machine can be made for a kernel ({reason})", REMEDY) from None
    finally:
        for descriptor in (heard, words, stdin):
            os.close(descriptor)


def become(user: int) -> None:
    """Become that user for good, with no group but its own; raises OSError."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def join(folder: Path) -> None:
    """Enter a control group; raises OSError."""
    descriptor = os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(os.getpid()).encode())
    finally:
        os.close(descriptor)
