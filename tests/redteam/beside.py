"""What two sandboxes that live at once on one machine still tell each other: the rates of the threat model's table.

``PYTHONPATH=tests python -m redteam.beside`` prints them, with kernels of one user and (as root) of two. One kernel sends, in slots of a
clock that both read; the other looks once in each slot. The threshold is learnt from the first half, and the second half is read by it.
"""

import contextlib
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .sandbox_client import Client, running

USERS = (1_901_000_001, 1_901_000_002)
BITS = 400


@dataclass(frozen=True)
class Channel:
    """Code of both sides. ``look`` is an expression of a number; ``one`` and ``zero`` are what the sender does in a slot."""

    name: str
    slot: float
    sender: str
    one: str
    zero: str
    receiver: str
    look: str


CHANNELS = (
    Channel(
        "terminals", 0.01,
        "held = []\ndef take(n):\n    try:\n        for _ in range(n): held.append(os.open('/dev/ptmx', os.O_RDWR))\n"
        "    except OSError: pass\n",
        "held or take(40)", "[os.close(held.pop()) for _ in list(held)]",
        "mine = []\ntry:\n    while True: mine.append(os.open('/dev/ptmx', os.O_RDWR))\nexcept OSError: pass\n"
        "for _ in range(20): os.close(mine.pop())\n"
        "def look():\n    try:\n        os.close(os.open('/dev/ptmx', os.O_RDWR)); return 0\n    except OSError: return 1\n",
        "look()",
    ),
    Channel(
        "descriptors under way", 0.005,
        "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); on = []\n"
        "def send(): socket.send_fds(a, [b'x'], [0] * 250); on.append(1)\n"
        "def take():\n    on.pop()\n    for each in socket.recv_fds(b, 1, 250)[1]: os.close(each)\n",
        "on or send()", "on and take()",
        "import resource, socket\nresource.setrlimit(resource.RLIMIT_NOFILE, (130, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "x, y = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "def look():\n    try: socket.send_fds(x, [b'x'], [0])\n    except OSError: return 1\n"
        "    os.close(socket.recv_fds(y, 1, 1)[1][0]); return 0\n",
        "look()",
    ),
    Channel(
        "room for pipes", 0.02,
        "import fcntl\npipes = [os.pipe() for _ in range(70)]\ndef grow(n):\n    for r, w in pipes:\n"
        "        try: fcntl.fcntl(w, 1031, n)\n        except OSError: pass\n",
        "grow(1 << 20)", "grow(4096)",
        "import fcntl\nmine = os.pipe()\ndef look():\n"
        "    try: fcntl.fcntl(mine[1], 1031, 1 << 20); fcntl.fcntl(mine[1], 1031, 4096); return 0\n"
        "    except OSError: return 1\n",
        "look()",
    ),
    Channel(
        "numbers of pipes", 0.02, "", "[[os.close(e) for e in os.pipe()] for _ in range(200)]", "None",
        "last = [0]\ndef look():\n    r, w = os.pipe(); now = os.fstat(r).st_ino; os.close(r); os.close(w)\n"
        "    told, last[0] = now - last[0], now; return told\n",
        "look()",
    ),
    Channel(
        "numbers of processes", 0.02, "import threading\n",
        "[(t := threading.Thread(target=int), t.start(), t.join()) for _ in range(6)]", "None",
        "last = [0]\ndef look():\n    p = os.fork()\n    if p == 0: os._exit(0)\n"
        "    f = os.pidfd_open(p); now = os.fstat(f).st_ino; os.close(f)\n    os.waitpid(p, 0)\n"
        "    told, last[0] = now - last[0], now; return told\n",
        "look()",
    ),
    Channel(
        "who maps a page", 0.02,
        "import mmap, sys\nfile = open(os.__file__, 'rb'); seen = []\n"
        "def show():\n    m = mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ); m[0]; seen.append(m)\n",
        "seen or show()", "seen and seen.pop().close()",
        "import mmap\nfile = open(os.__file__, 'rb'); mine = mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ); mine[0]\n"
        "def look():\n    part = open('/proc/self/smaps').read().split(os.__file__)[-1]\n"
        "    return int('Private_Clean:         4 kB' in part)\n",
        "look()",
    ),
    Channel(
        "load of the processors", 0.4, "", "[i * i for i in range(4_000_000) if time.time() < end]", "None", "",
        "sum(1 for _ in range(10**6) if time.time() < begins + 0.2)",
    ),
)  # fmt: skip


def rate(sender: Client, receiver: Client, channel: Channel) -> tuple[float, float]:
    """Share of bits that were right, and bits a second."""
    bits, begin = [random.getrandbits(1) for _ in range(BITS)], time.time() + 3
    assert sender.run("import os, time\n" + channel.sender)["error"] is None
    assert receiver.run("import os, time\n" + channel.receiver, timeout=120)["error"] is None
    begin = time.time() + 1
    clock = f"bits, t0, slot = {bits}, {begin}, {channel.slot}\n"
    sender.request(
        f"{clock}for i, bit in enumerate(bits):\n    while time.time() < t0 + i * slot: pass\n    end = t0 + (i + 0.9) * slot\n"
        f"    if bit: {channel.one}\n    else: {channel.zero}\n{channel.zero}"
    )
    said = receiver.run(
        f"{clock}got = []\nfor i in range(len(bits)):\n    begins = t0 + (i + 0.6) * slot\n    while time.time() < begins: pass\n"
        f"    got.append({channel.look})\nimport json; print(json.dumps(got))",
        timeout=600,
    )  # fmt: skip
    assert said["error"] is None, said
    right = _read(json.loads(said["text"]), bits)
    told = 1.0 if right == 1 else max(0.0, 1 + right * math.log2(right) + (1 - right) * math.log2(1 - right)) if right > 0.5 else 0.0
    return right, told / channel.slot


def _read(looks: list[float], bits: list[int]) -> float:
    """The share of the second half that is read rightly, with the threshold and direction that read the first half best."""
    half = len(bits) // 2

    def right(at: float, above: int, part: slice) -> int:
        return sum((above if look >= at else 1 - above) == bit for look, bit in zip(looks[part], bits[part], strict=True))

    _, at, above = max((right(at, above, slice(half)), at, above) for at in set(looks[:half]) for above in (0, 1))
    return right(at, above, slice(half, None)) / (len(bits) - half)


@contextlib.contextmanager
def two(base: Path, users: tuple[int, int] = (0, 0)) -> Iterator[tuple[Client, Client]]:
    """Two kernels side by side, of one user or of two."""
    with contextlib.ExitStack() as stack:
        found: list[Client] = []
        for name, user in zip("ab", users, strict=True):
            (base / name).mkdir()
            found.append(stack.enter_context(running(base / name, name=f"k{name}", owner=user)))
        yield found[0], found[1]


def main() -> int:
    """Measure each channel that is named, or all."""
    for users in ((0, 0), USERS) if os.geteuid() == 0 else ((0, 0),):
        print("kernels of two users" if users[0] else "kernels of one user")
        for channel in CHANNELS:
            if len(sys.argv) > 1 and channel.name not in sys.argv[1:]:
                continue
            with tempfile.TemporaryDirectory(prefix="tpb-") as base, two(Path(base), users) as (sender, receiver):
                right, told = rate(sender, receiver, channel)
            print(f"    {channel.name:24} {right:6.1%} right in slots of {channel.slot * 1000:g} ms: {told:.1f} bits a second", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
