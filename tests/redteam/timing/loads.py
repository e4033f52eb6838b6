"""What an inside kernel does in a window of time to say 1: the busiest things that a cell can do. To say 0 it does nothing."""

from string import Template

FRAME = Template('''\
import os, sys, time, threading, random, json, socket
BITS = random.Random($seed).choices((0, 1), k=$count)  # stands for bits of rows
START, WINDOW, UNTIL = $start, $window, $duty

def windows():
    """The end of each window that says 1, once it has begun."""
    for i, bit in enumerate(BITS):
        begin = START + i * WINDOW
        if (wait := begin - time.time()) > 0:
            time.sleep(wait)
        if bit and time.time() < begin + WINDOW * UNTIL:
            yield begin + WINDOW * UNTIL

def every(act):
    for until in windows():
        try:
            act(until)
        except Exception:
            time.sleep(0.001)

def thread(act):
    threading.Thread(target=every, args=(act,), daemon=True).start()

def children(count, act):
    for _ in range(count):
        if not os.fork():
            every(act)
            os._exit(0)

kernel = get_ipython().kernel
parent = kernel.get_parent('shell')
''')
"""What every program begins with. ``start`` in seconds of the clock, ``window`` in seconds, ``duty`` the share of a window that is used."""

CPU = """\
def spin(until):
    while time.time() < until:
        sum(range(10000))
children({n}, spin)
"""

FLOOD = """\
def flood(until):
    while time.time() < until:
        for _ in range(50):
            kernel.session.send(kernel.iopub_socket, 'stream', {'name': 'stdout', 'text': 'x' * 200}, parent=parent)
        sys.stdout.write('.'); sys.stdout.flush()
thread(flood)
"""

GIANT = """\
numbers = [int('9' * 4300)] * 1200
sys.set_int_max_str_digits(0)
def giant(until):
    kernel.session.send(kernel.iopub_socket, 'display_data', {'data': {'application/json': numbers}, 'metadata': {}}, parent=parent)
    time.sleep(max(0, until - time.time()))
thread(giant)
"""

PARTS = """\
def parts(until):
    import zmq
    while time.time() < until:
        kernel.iopub_thread.send_multipart([b'x' * 100] * 20000)
        time.sleep(0.01)
thread(parts)
"""

MEMORY = """\
import numpy as np
def copy(until):
    a = np.ones(4_000_000); b = np.empty_like(a)
    while time.time() < until:
        np.copyto(b, a); np.copyto(a, b)
children(4, copy)
"""

DISK = """\
def write(until):
    handle = os.open(f'/project/load-{os.getpid()}', os.O_CREAT | os.O_RDWR)
    block = os.urandom(4_000_000)
    while time.time() < until:
        os.pwrite(handle, block, 0)
        os.fsync(handle)
    os.close(handle)
children(3, write)
"""

NAMES = """\
def names(until):
    while time.time() < until:
        path = f'/project/n-{os.getpid()}-{random.random()}'
        handle = os.open(path, os.O_CREAT | os.O_RDWR)
        os.fsync(handle); os.close(handle); os.unlink(path)
children(3, names)
"""

FORK = """\
def storm(until):
    while time.time() < until:
        if not (child := os.fork()):
            os._exit(0)
        os.waitpid(child, 0)
children(6, storm)
"""

CALLS = """\
def hammer(until):
    line = json.dumps({'call': 'query', 'args': {'x': 'y' * 900_000}}).encode() + b'\\n'
    while time.time() < until:
        link = socket.socket(socket.AF_UNIX)
        link.connect(os.environ['TWINPANE_CALLS'])
        link.settimeout(1)
        link.sendall(line)
        link.recv(1000)
        link.close()
for _ in range(4):
    thread(hammer)
"""

SLEEPERS = """\
def wake(until):
    while time.time() < until:
        time.sleep(0.0002)
children(12, wake)
"""

HELD = """\
def say(i):
    if BITS[i]:
        print('x' * 4_000_000)
"""

LOADS: dict[str, str] = {
    "idle": "",
    "flood": FLOOD,
    "giant JSON": GIANT,
    "endless parts": PARTS,
    "processors": CPU.replace("{n}", "8"),
    "memory": MEMORY,
    "disk": DISK,
    "file names": NAMES,
    "forks": FORK,
    "calls": CALLS,
    "wake-ups": SLEEPERS,
    "held": HELD,
    "everything": FLOOD + CPU.replace("{n}", "4") + MEMORY + DISK + CALLS,
}
"""Programs by name. ``idle`` does the same for both bits: what the decoder finds in it is chance."""

BY_CELL = ("held",)
"""Loads that a cell carries out in each window, rather than a thread or a child that goes on from the first cell."""


def program(name: str, seed: int, count: int, start: float, window: float, duty: float = 0.6) -> str:
    """The first cell of a measuring program."""
    return FRAME.substitute(seed=seed, count=count, start=start, window=window, duty=duty) + LOADS[name]
