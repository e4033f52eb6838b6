"""A PostgreSQL server of the tests' own: a fresh cluster, reached through a socket in its folder, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = "no PostgreSQL server is installed (Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``, None where there is none."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    found = shutil.which("initdb")
    candidates = [*installed, *([Path(found).resolve().parent] if found else [])]
    return next((folder for folder in candidates if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextmanager
def server() -> Iterator[str]:
    """A running server; yields the connection string."""
    at = programs()
    if at is None:
        raise RuntimeError(MISSING)
    # A folder of its own straight below the temporary one: a socket's path is short, and PostgreSQL, which refuses to run as root,
    # must be able to reach it as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="twp-pg-"))
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    run_as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    data = folder / "data"
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder), "TZ": "UTC"}
    made = subprocess.run(
        [at / "initdb", "-D", data, "-U", "tests", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, **run_as,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(f"initdb: {made.stderr[-2000:]}")
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off -c max_connections=20"
    control = [at / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-t", "60"]
    subprocess.run([*control, "-o", options, "start"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True, **run_as)
    try:
        yield f"host={folder} user=tests dbname=postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False, **run_as)
        shutil.rmtree(folder, ignore_errors=True)
