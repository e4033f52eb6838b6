"""The client of the host's calls: it fails with a sentence, and survives whatever broke a call off."""

import contextlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

import twinpane as tp
from twinpane import _host


class FakeHost:
    """Answers JSON lines on a unix socket as the pane and the agent do; an answer given as bytes is sent as it is, then it hangs up."""

    def __init__(self, path, answers):
        self.path, self.answers, self.requests, self.connections = str(path), answers, [], 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(link,), daemon=True).start()

    def talk(self, link):
        with link, link.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                self.requests.append(request)
                reply = self.answers(request)
                with contextlib.suppress(BrokenPipeError):  # the caller was interrupted
                    link.sendall(reply if isinstance(reply, bytes) else json.dumps(reply).encode() + b"\n")
                if isinstance(reply, bytes):
                    return


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Starts a fake host and points the package at it."""
    hosts = []

    def start(answers):
        fake = FakeHost(tmp_path / "calls.sock", answers)
        hosts.append(fake)
        monkeypatch.setenv(_host.VARIABLE, fake.path)
        return fake

    yield start
    for fake in hosts:
        fake.listener.close()
    if _host._host is not None:
        _host._host.close()
    monkeypatch.setattr(_host, "_host", None)


def test_without_a_host_the_error_says_which_kernel_to_choose(monkeypatch):
    """A notebook in another kernel is told what to do, not shown a socket error."""
    monkeypatch.delenv(_host.VARIABLE, raising=False)
    with pytest.raises(tp.TwinpaneError, match="does not run in a Twinpane kernel"):
        tp.reveal(1.0, "AUC")


def test_calls_share_one_connection_in_order(host):
    """One request at a time, over one connection."""
    fake = host(lambda request: {"ok": True, "value": request["args"]["i"]})
    assert [_host.call("query", i=i) for i in range(5)] == [0, 1, 2, 3, 4]
    assert fake.connections == 1
    assert fake.requests[0] == {"call": "query", "args": {"i": 0, "parent": ""}}


def test_a_refusal_of_the_host_is_its_message_and_code(host):
    """The host's sentence reaches the researcher unchanged."""
    host(lambda _request: {"ok": False, "error": "offline", "message": "no site is connected"})
    with pytest.raises(tp.TwinpaneError, match=r"^no site is connected$") as caught:
        _host.call("catalogue")
    assert caught.value.code == "offline"


@pytest.mark.parametrize("broken", [b"", b'{"ok": tr'])
def test_a_call_broken_off_fails_and_the_next_one_works(host, broken):
    """A host that hangs up, before its reply or in the middle of it, costs one call."""
    replies = iter([broken, {"ok": True, "value": 7}])
    host(lambda _request: next(replies))
    with pytest.raises(tp.TwinpaneError, match="broke off the call"):
        _host.call("query")
    assert _host.call("query") == 7


def test_a_host_that_is_gone_is_named(host):
    """A dead pane gives one sentence, not a socket traceback."""
    fake = host(lambda _request: {"ok": True, "value": 1})
    fake.listener.close()
    os.unlink(fake.path)
    with pytest.raises(tp.TwinpaneError, match=r"host is gone .*restart the kernel"):
        _host.call("query")


def test_an_interrupted_calls_late_reply_never_goes_to_the_next(host):
    """An interrupted call cannot hand its late reply to the next.

    Interrupting a cell that waits leaves the connection usable, and the old reply is never read.
    """
    late = threading.Event()

    def answer(request):
        if request["args"]["i"] == 1:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            late.wait(5)
            return {"ok": True, "value": "late"}
        return {"ok": True, "value": "fresh"}

    fake = host(answer)
    with pytest.raises(KeyboardInterrupt):
        _host.call("query", i=1)
    late.set()
    assert _host.call("query", i=2) == "fresh"
    assert fake.connections == 2


def test_a_forked_child_opens_its_own_connection(host):
    """Parent and child never read each other's replies."""
    fake = host(lambda request: {"ok": True, "value": request["args"]["who"]})
    assert _host.call("query", who="parent") == "parent"
    child = os.fork()
    if child == 0:
        os._exit(0 if _host.call("query", who="child") == "child" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert fake.connections == 2


def test_import_is_light():
    """``import twinpane`` brings none of the heavy packages along: a cell's first line is instant in both runs."""
    heavy = {"pandas", "numpy", "duckdb", "sqlglot", "pydantic", "matplotlib", "IPython"}
    out = subprocess.run(
        [sys.executable, "-c", "import sys, twinpane; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not heavy & set(out)


def test_no_module_has_the_name_of_a_public_function():
    """Importing ``twinpane.table`` would put a module in the place of ``tp.table``."""
    modules = {module.name for module in pkgutil.iter_modules(tp.__path__)}
    assert not modules & set(tp.__all__)
