"""Nothing that a hostile kernel says, and no way of saying it, affects the process that speaks to the outside.

Each attack was also tried on the version before, in which the agent read kernels' frames in its own event loop.
"""

import time
from pathlib import Path

import pytest

from harness.federation import make_site, set_policy
from twinpane_hub.data.make import make_data
from twinpane_wire import messages as wire

from .hostile_session import FLOOD, Guest, at_work, ready

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE_S = 20.0
"""Seconds that an acknowledgement may take here: it bounds a hang. How exact acknowledgements are is measured elsewhere."""
MIB = 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of a few hundred persons."""
    base = tmp_path_factory.mktemp("apart")
    make_data(base / "data", 300, seed=1)
    return make_site(base / "site", "a", base / "data")


def test_a_flood_on_iopub_holds_up_nobodys_acknowledgement(folder: Path) -> None:
    """Before: the site was frozen for as long as a cell flooded, and a flood of 75 s took it offline for everybody."""
    with at_work(folder) as site:
        flooding, other = ready(site), ready(site)
        flooding.run(FLOOD.format(seconds=12), silent=True, twin=False)
        time.sleep(1)
        worst = max(guest.acknowledged(PATIENCE_S) for _ in range(4) for guest in (other, flooding))
        assert worst < 8, "the flood lasted 12 s, and held up what came meanwhile"
        assert other.verdict(other.run("y = 2"))["outcome"] == "same"


ENDLESS = """\
import threading, time, zmq
kernel = get_ipython().kernel
def parts():
    socket = kernel.iopub_thread.socket
    until = time.time() + 60
    while time.time() < until:
        socket.send(b'x' * 1_000_000, zmq.SNDMORE)
kernel.iopub_thread.schedule(parts)
time.sleep(60)
"""
SMALL_VALUES = """\
import time
kernel = get_ipython().kernel
parent = kernel.get_parent('shell')
import sys
sys.set_int_max_str_digits(0)
numbers = [int('9' * 4300)] * 7000
until = time.time() + 8
while time.time() < until:
    for value in (numbers, [[]] * 350_000):
        kernel.session.send(kernel.iopub_socket, 'display_data', {'data': {'application/json': value}, 'metadata': {}}, parent=parent)
"""


def test_an_endless_message_ends_only_its_own_session(folder: Path) -> None:
    """A message without end ends its own session and fills nothing.

    Before: an endless multipart message took the agent from 257 MB to 2.5 GB in 9 s, with no end in sight.
    """
    with at_work(folder) as site:
        guest, other = ready(site), ready(site)
        before = site.memory()
        cell = guest.run(ENDLESS)
        verdict = guest.verdict(cell, 90)
        assert (verdict["outcome"], verdict["failure"]) == ("failed", "KernelDied")
        assert site.memory() - before < 60 * MIB
        assert other.acknowledged(PATIENCE_S) < 8
        assert other.verdict(other.run("y = 2"))["outcome"] == "same"


def test_values_that_are_dear_to_read_cost_the_agent_nothing(folder: Path) -> None:
    """Before: one message of 32 MB of long integers cost the agent 1.4 s, and 1 MB of small values 0.29 s, of everybody's time."""
    with at_work(folder) as site:
        guest, other = ready(site), ready(site)
        before = site.memory()
        used = sum(site.process.cpu_times()[:2])
        cell = guest.run(SMALL_VALUES)
        worst = max(other.acknowledged(PATIENCE_S) for _ in range(4))
        assert guest.verdict(cell, 120)["outcome"] in ("differs", "failed")
        assert worst < 8
        assert sum(site.process.cpu_times()[:2]) - used < 4, "the agent itself read what the kernel said"
        assert site.memory() - before < 60 * MIB


@pytest.mark.parametrize("busy", [
    "pass", "while True: pass", "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)",
    "import os, socket, json, time\n"
    "for i in range(60):\n"
    "    link = socket.socket(socket.AF_UNIX); link.connect(os.environ['TWINPANE_CALLS'])\n"
    "    link.sendall((json.dumps({'call': 'query', 'args': {}}) + chr(10)).encode())\n"
    "time.sleep(1000)",
])  # fmt: skip
def test_closing_is_the_same_whatever_the_kernel_does(folder: Path, busy: str) -> None:
    """Before: acknowledgements went on until the kernel was dead (2 to 4 of an idle one, 76 to 154 of a busy one): a bit per close.

    A kernel that never read a large answer could not be closed at all, and no line came into the ledger.
    """
    with at_work(folder) as site:
        guest = ready(site)
        closed = len(site.ledger("closed"))
        guest.run(busy, twin=False)
        for call in range(1, 4):
            guest.send(wire.Answer(session=guest.session, cell=guest.cells, call=call, call_kind="query", value="x" * 5_000_000))
        time.sleep(1)
        guest.close()
        last = guest.n
        for _ in range(20):
            guest.send(wire.Comm(session=guest.session, msg_id="late", msg_type="comm_msg", content={"comm_id": "x", "data": {}}))
        guest.until(lambda body: body.get("code") == "refused_message")
        site.until(lambda: len(site.ledger("closed")) == closed + 1, 5)
        acknowledged = [s.body["n"] for s in site.watch.seen if s.body.get("code") == "ack" and s.body["session"] == guest.session]
        assert max(acknowledged) == last, "nothing is acknowledged after the close"
        site.until(lambda: not site.kernels(), 10)


LARGE = {
    "70 MB printed": "print('x' * 70_000_000)",
    "one frame of 50 MB": "from IPython.display import publish_display_data as d\nd({'text/plain': 'z' * 50_000_000})",
}


@pytest.mark.parametrize("what", LARGE)
def test_after_a_message_too_large_the_next_cell_is_as_ever(folder: Path, what: str) -> None:
    """What is too large is counted, and the next cell is as ever.

    Before: the output link was cut until restart; every later cell differed, 10 s late, nothing was held, and nothing said so.
    """
    with at_work(folder) as site:
        guest = ready(site)
        assert guest.verdict(guest.run(LARGE[what]), 60)["outcome"] == "differs"
        following = guest.verdict(guest.run("y = 2"))
        assert following["outcome"] == "same"
        assert following["tick"] < 6
        [(_, _, dropped)] = site.until(lambda: [line for line in site.held() if line[0] == guest.cells - 1][-1:])
        assert dropped > 0, "reviewers are told that something is missing"


def test_a_frame_beyond_what_is_read_is_a_dead_kernel(folder: Path) -> None:
    """A frame beyond the size that is read counts as a dead kernel, and verdicts say so.

    A lost output link is a dead kernel: nobody goes on in a session of which nothing is held.
    """
    with at_work(folder) as site:
        guest = ready(site)
        source = "k = get_ipython().kernel\nk.iopub_thread.send_multipart([b'x' * 80_000_000])\nimport time; time.sleep(20)"
        assert guest.verdict(guest.run(source), 40)["failure"] == "KernelDied"
        assert guest.verdict(guest.run("y = 2"))["failure"] == "KernelDied"


def test_one_members_full_share_stops_nobodys_verdict(folder: Path) -> None:
    """Before: a full held store held back other members' verdicts, until the steward made room."""
    set_policy(folder, "store_mb", 1)
    try:
        with at_work(folder) as site:
            guest, other = ready(site), ready(site)
            noise = "import os; print(os.urandom(3_000_000).hex())"
            assert guest.verdict(guest.run(noise))["outcome"] == "differs"
            assert other.verdict(other.run("print('rows')"))["outcome"] == "differs"
            assert other.verdict(other.run("y = 2"))["outcome"] == "same"
            site.until(lambda: any(outputs == 0 and dropped for _, outputs, dropped in site.held()))
    finally:
        set_policy(folder, "store_mb", 16384)


def test_a_killed_fork_server_ends_no_later_sessions_kernels(folder: Path) -> None:
    """A killed fork server ends its sessions' kernels and no later ones.

    Before: the agent lived on and said *opened*, and every later session was a dead kernel until the site was started anew.
    """
    log = folder / "agent.log"
    with at_work(folder) as site:
        guest = ready(site)
        [fork_server] = [p for p in site.process.children() if "twinpane_site.reader" in " ".join(p.cmdline())]
        fork_server.kill()
        verdict = guest.verdict(guest.run("y = 2"), 90)
        assert (verdict["outcome"], verdict["failure"]) == ("failed", "KernelDied")
        ready(site)
        assert "it is started again" in log.read_text()
        log.write_text("")
    assert "never retrieved" not in log.read_text(), "stopping a site is no error"


def test_an_interrupt_is_of_one_cell_and_the_count_goes_on(folder: Path) -> None:
    """An interrupt is of one cell, and cells are counted all the same.

    Before: an interrupt while a kernel started skipped every earlier cell, though each had run outside, and the counts never agreed again.
    """
    with at_work(folder) as site:
        guest = Guest(site.watch).open()
        first = guest.run("x = 1")
        second = guest.run("import time\nwhile True: time.sleep(0.1)", twin=False)
        third = guest.run("assert x == 1 and len(In) == 4, In")
        guest.send(wire.Interrupt(session=guest.session, cell=second))
        guest.send(wire.Twin(session=guest.session, cell=second, outputs="0" * 64, calls=0))
        assert guest.verdict(first, 90)["outcome"] == "same"
        assert guest.verdict(second)["failure"] == "KeyboardInterrupt"
        assert guest.verdict(third)["outcome"] == "same"


def test_who_takes_over_a_reader_has_nothing(folder: Path) -> None:
    """A hole in libzmq or in a parser opens a world with five sockets of the session's own kernel in it: no key, no network, no neighbour.

    Before: the parser ran in the agent's process, with the site's key and every row within reach.
    """
    with at_work(folder) as site:
        ready(site)
        [reader] = site.readers()
        own, theirs = Path(f"/proc/{reader.pid}"), Path(f"/proc/{site.process.pid}")
        assert sorted(path.name for path in (own / "root").iterdir()) == ["k"]
        plain = {path.name for path in (own / "root" / "k").iterdir() if not path.is_socket()}
        assert plain <= {"kernel.json", "owner.json"}, "where its own kernel listens, and who started it"
        status = dict(line.split(":\t", 1) for line in (own / "status").read_text().splitlines() if ":\t" in line)
        assert (status["NoNewPrivs"], status["Seccomp"], status["Seccomp_filters"]) == ("1", "2", "3")
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {0}
        for namespace in ("mnt", "net", "ipc", "uts", "user", "pid"):
            assert (own / "ns" / namespace).readlink() != (theirs / "ns" / namespace).readlink(), namespace
        opened = {str((own / "fd" / number.name).readlink()).split(":")[0] for number in (own / "fd").iterdir()}
        assert opened <= {"socket", "pipe", "anon_inode", "/dev/null", str(folder / "agent.log")}, opened
