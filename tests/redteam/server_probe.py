"""What code in the process of a researcher's server could find: run in a server's sandbox, it looks at everything and says so.

Standard library only, run with ``python -I -c``: QUESTIONS as JSON on the command line, EVIDENCE as JSON on stdout.
"""

import base64
import errno
import json
import os
import socket
import struct
import sys
from typing import Any

SYSTEM = ("/usr", "/proc", "/sys", "/dev", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
LARGEST = 64 * 2**20


def read(path: str) -> bytes:
    """A file's content, empty where it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            return file.read(LARGEST)
    except OSError:
        return b""


def files(top: str, passed_over: list[str]) -> Any:
    """Every path below a folder, but for system folders and the Python environment."""
    for folder, below, names in os.walk(top):
        below[:] = [name for name in below if os.path.join(folder, name) not in passed_over]
        yield from (os.path.join(folder, name) for name in names)


def connects(family: int, address: Any) -> str:
    """How a connection to an address ends."""
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.settimeout(2)
        try:
            tried.connect(address)
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, type(error).__name__)
        return "connected"


def main() -> None:
    """Look, and say what was found."""
    asked = json.loads(sys.argv[1])
    everything = list(files("/", [*SYSTEM, *asked["environment"]]))
    secrets = [base64.b64decode(secret) for secret in asked["secrets"]]
    found: dict[str, Any] = {"files": everything, "leaks": []}
    for path in [*everything, *(f"/proc/{pid}/{name}" for pid in os.listdir("/proc") if pid.isdigit() for name in ("environ", "cmdline"))]:
        content = read(path)
        found["leaks"] += [[path, number] for number, secret in enumerate(secrets) if secret in content]
    found["there"] = [path for path in asked["paths"] if os.path.lexists(path)]
    found["ports"] = {str(port): connects(socket.AF_INET, ("127.0.0.1", port)) for port in asked["ports"]}
    found["abstract"] = connects(socket.AF_UNIX, asked["abstract"])
    found["network"] = connects(socket.AF_INET, ("192.0.2.1", 80))
    found["interfaces"] = [name for _, name in socket.if_nameindex()]
    found["signals"] = {}
    for pid in asked["pids"]:
        try:
            os.kill(pid, 0)
            found["signals"][str(pid)] = "could"
        except OSError as error:
            found["signals"][str(pid)] = errno.errorcode[error.errno or 0]
    found["processes"] = [pid for pid in os.listdir("/proc") if pid.isdigit()]
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as waits:
        waits.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
        found["linger"] = struct.unpack("ii", waits.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
    status = dict(line.split(":", 1) for line in read("/proc/self/status").decode().splitlines())
    found["status"] = {name: status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
    print("EVIDENCE" + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
