"""A pane's requests to the gate, as closed values: start a clear kernel, and lay out a twin for it. Each is one frame of JSON."""

import re
from dataclasses import dataclass

from twinpane_sandbox.strict_json import Unfit, loads

FRAME = 4096
"""Bytes of a frame, at most."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start the kernel of this connection: its folder below /project, both runs' seed, the clients' key, its messages' session."""

    cwd: str
    seed: int
    key: str
    session: str


@dataclass(frozen=True, slots=True)
class Lay:
    """Lay out a twin, by its name in the server's cache, as the kernel's /data."""

    twin: str


def parse(frame: bytes) -> Start | Lay:
    """The request of a frame; raises Unfit for anything else."""
    match loads(frame, FRAME):
        case {"start": {"cwd": str(cwd), "seed": int(seed), "key": str(key), "session": str(session), **more}, **rest} if not more | rest:
            if _below(cwd) and type(seed) is int and 0 <= seed < 2**32 and re.fullmatch(r"[\w-]{1,200}", key, re.ASCII) and _hex(session):
                return Start(cwd, seed, key, session)
        case {"lay": str(twin), **rest} if not rest and _hex(twin):
            return Lay(twin)
    raise Unfit("not a request that a pane makes")


def _below(path: str) -> bool:
    return len(path) <= 1000 and path.isprintable() and all(part not in ("", ".", "..") for part in path.split("/") if path)


def _hex(name: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{32}", name) is not None
