"""The gate's own folder on the host.

Its path is short, because socket paths end at 107 bytes. It is the same at each start, so that a new gate removes the files that a killed
one left behind.
"""

import fcntl
import hashlib
import os
import shutil
import stat
from pathlib import Path

from twinpane_sandbox.errors import SandboxError


class GateFolder:
    """``sockets`` is shown to the server, read-only; ``data`` holds the kernels' data; ``http`` is the server's own listening socket."""

    def __init__(self, server: Path) -> None:
        """Make the folder of the server that keeps its own things in ``server``; raises SandboxError where a gate for it runs."""
        name = hashlib.sha256(os.fsencode(os.path.realpath(server))).hexdigest()[:16]
        self.root = Path(f"/tmp/tpg-{os.geteuid()}-{name}")  # noqa: S108 - short; made by us alone, or refused
        self._make()
        self._lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SandboxError("a server for this user and project runs already") from None
        self.sockets, self.data, self.http = self.root / "s", self.root / "d", self.root / "http"
        self._clear()
        self.sockets.mkdir(mode=0o700)
        self.data.mkdir(mode=0o700)

    def _make(self) -> None:
        try:
            self.root.mkdir(mode=0o700)
        except FileExistsError:
            status = os.lstat(self.root)
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
                raise SandboxError(f"{self.root} is not a folder of mode 0700 that belongs to this user") from None

    def _clear(self) -> None:
        for folder in (self.sockets, self.data):
            shutil.rmtree(folder, ignore_errors=True)
        self.http.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        self._clear()
        shutil.rmtree(self.root, ignore_errors=True)
        os.close(self._lock)
