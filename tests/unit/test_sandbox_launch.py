"""Launching imports little, keeps its folder private, and makes sockets that fit."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from twinpane_sandbox.errors import SandboxError
from twinpane_sandbox.launch import PORTS, connection_info, gone, listen, open_process, prepare, remove, write_private


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return tmp_path / "k"


def test_launching_imports_nothing_heavy() -> None:
    code = "import sys, json, twinpane_sandbox.launch; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout))
    assert not loaded & {
        "zmq",
        "jupyter_client",
        "pydantic",
        "pyseccomp",
        "asyncio",
        "numpy",
        "IPython",
        "ipykernel",
        "tornado",
        "shutil",
        "tempfile",
    }


def test_seeding_imports_no_numpy() -> None:
    code = "import sys; from twinpane_sandbox import seeds; seeds.plant(1); print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_the_private_folder_is_made_for_this_user_alone(short: Path) -> None:
    prepare(short)
    assert os.stat(short).st_mode & 0o777 == 0o700
    prepare(short)


def test_a_folder_that_others_can_open_is_refused(short: Path) -> None:
    short.mkdir(mode=0o755)
    short.chmod(0o755)
    with pytest.raises(SandboxError, match="0700"):
        prepare(short)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_folder_of_ours_is_refused(short: Path, tmp_path: Path, kind: str) -> None:
    if kind == "link":
        (tmp_path / "real").mkdir(mode=0o700)
        short.symlink_to(tmp_path / "real")
    else:
        short.touch(mode=0o600)
    with pytest.raises(SandboxError):
        prepare(short)


def test_a_path_that_is_too_long_for_sockets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="too long"):
        prepare(tmp_path / ("x" * 100))


def test_the_longest_private_path_still_takes_its_sockets() -> None:
    base = Path("/tmp") / f"tp-{os.getpid()}"
    longest = Path(f"{base}-{'x' * (107 - len('/calls.sock') - len(str(base)) - 1)}")
    prepare(longest)
    try:
        for name in ("calls.sock", "kernel-5"):
            listen(longest / name).close()
        with pytest.raises(SandboxError):
            prepare(Path(f"{longest}y"))
    finally:
        remove(longest)


def test_a_socket_left_by_an_earlier_kernel_is_replaced(short: Path) -> None:
    prepare(short)
    listen(short / "kernel-1").close()
    with listen(short / "kernel-1"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(short / "kernel-1"))


def test_removing_takes_folder_and_files_and_may_be_done_twice(short: Path) -> None:
    """Removing takes the folder and its files, and may be done twice."""
    prepare(short)
    listen(short / "kernel-1").close()
    write_private(short / "kernel.json", b"{}")
    remove(short)
    remove(short)
    assert not short.exists()


def test_a_written_file_is_private_and_replaces_what_was_there(short: Path, tmp_path: Path) -> None:
    """A written file is for this user alone and replaces what was there."""
    prepare(short)
    (short / "kernel.json").symlink_to(tmp_path / "elsewhere")
    write_private(short / "kernel.json", b"key")
    assert not (tmp_path / "elsewhere").exists()
    assert os.stat(short / "kernel.json").st_mode & 0o777 == 0o600


def test_the_connection_says_what_a_connection_file_says() -> None:
    info = connection_info("/x/kernel", "key")
    assert info["transport"] == "ipc"
    assert info["signature_scheme"] == "hmac-sha256"
    assert len({info[name] for name in PORTS}) == 5


def test_a_process_is_waited_for_and_its_descriptor_closed() -> None:
    """The end of a process is waited for, and its descriptor closed."""
    with subprocess.Popen(["sleep", "100"]) as process:
        held = open_process(process.pid)
        assert held is not None
        again = os.dup(held)
        assert not gone(held, 0.01)
        process.kill()
        assert gone(again, 10)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(again)
    assert open_process(process.pid) is None
