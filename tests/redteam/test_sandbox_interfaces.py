"""The machine's network, asked about through sockets that a kernel was given."""

from pathlib import Path

import pytest

from redteam.sandbox_client import running

pytestmark = pytest.mark.slow

ASK = """
import array, errno, fcntl, os, struct
asked, told = 0, []
for name in os.listdir("/proc/self/fd"):
    try:
        if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
            continue
    except OSError:
        continue
    for request in (0x8912, 0x8913, 0x8915, 0x8927, 0x8946):  # interfaces, flags, address, hardware address, ethtool
        asked += 1
        room = array.array("B", bytes(4096))
        try:
            told.append((name, request, fcntl.ioctl(int(name), request, struct.pack("iL", 4096, room.buffer_info()[0]) + bytes(32))))
        except OSError as error:
            if error.errno != errno.EPERM:
                told.append((name, request, error.errno))
print(asked > 20, told)
"""


def test_a_kernels_sockets_tell_nothing_of_the_machines_network(tmp_path: Path) -> None:
    """Before, a kernel without a network listed the machine's interfaces and addresses by its own listening sockets, which the host
    makes for it in the machine's network: ``lo`` and ``eth0`` with its address, by 8 of them."""
    with running(tmp_path) as cells:
        assert cells.run(ASK)["text"] == "True []\n"
