"""Carriers that attack what surrounds the kernel: its reader, its calls socket, disks, processors. Placeholders as in ``said``.

What would disturb the clear run too is done inside only: whoever writes cells has seen the twin, and can tell the sides apart.
"""

from .steps import Ask, Cell

ATTACKS: dict[str, tuple[object, ...]] = {
    "a strip of its own": (
        "publish_display_data({'application/vnd.twinpane.cell.v1+json': {'state': 'real', 'k': secret.hex()}, 'text/plain': 'real'})",
        "say('display_data', {'data': {'application/vnd.twinpane.cell.v1+json': {}}, 'metadata': {'twinpane': {'cell': int(secret[0])}}})",
    ),
    "a flood that is free": (
        Cell("if inside and $A:\n    for i in range(20000): say('stream', {'name': 'stdout', 'text': 'x' * 100})", silent=True),
        Cell(
            "if inside and $A:\n    end = time.time() + 2\n    while time.time() < end: say('status', {'execution_state': 'busy'})",
            silent=True,
        ),
    ),
    "many small values": (
        "if inside and $A: say('display_data', {'data': {'application/json': [0] * 1_500_000}, 'metadata': {}})",
        "if inside and $A:\n    sys.set_int_max_str_digits(0); big = [int('9' * 4300)] * 1000\n"
        "    say('display_data', {'data': {'application/json': big}, 'metadata': {}})",
    ),
    "deep values": (
        "if inside and $A: kernel.iopub_thread.send_multipart([b'x', b'<IDS|MSG>', b'', b'{}', b'{}', b'{}', b'[' * 1_000_000])",
    ),
    "a message of many parts": ("if inside and $A: kernel.iopub_thread.send_multipart([b'x' * 50] * 100_000)",),
    "one large message": (
        "if inside and $A: print('x' * 30_000_000)",
        "if inside and $A: say('display_data', {'data': {'text/plain': 'x' * 40_000_000}, 'metadata': {}})",
    ),
    "a picture that is blank and huge": (
        "if inside and $A:\n    from PIL import Image as P\n    out = io.BytesIO(); P.new('L', (6000, 6000)).save(out, 'PNG'); "
        "display(Image(data=out.getvalue()))",
    ),
    "combining marks": ("print('a' + '\\u0316\\u0300' * (2000 if inside and $A else 3))",),
    "the socket of calls": (
        # Calls that name no cell go to the one that the pane knows to run: give it time to know.
        "time.sleep(0.5)\nfor k in ('query', 'reveal', 'export', 'exports', secret.hex()):\n"
        "    c = socket.socket(socket.AF_UNIX); c.connect(os.environ['TWINPANE_CALLS'])\n"
        "    c.sendall(json.dumps({'call': k, 'args': {'x': secret.hex()}}).encode() + b'\\n')\n"
        "    c.settimeout(20)\n    try: c.recv(100)\n    except OSError: pass\n    c.close()",
        "if inside and $A:\n    held_$K = []\n    for i in range(80):\n        c = socket.socket(socket.AF_UNIX); "
        "c.connect(os.environ['TWINPANE_CALLS'])\n"
        "        c.setblocking(False); held_$K.append(c)\n        try: c.send(b'x' * 2_000_000)\n        except OSError: pass",
    ),
    "a full disk": (
        "if inside and $A:\n    with open('/project/full', 'wb') as f:\n"
        "        for i in range(40): f.write(os.urandom(1_000_000)); os.fsync(f.fileno())",
    ),
    "many files": ("if inside and $A:\n    for i in range(1500): open(f'/project/many-{i}', 'w').close()",),
    "planted links": (
        "os.path.lexists('/project/link-$K') or os.symlink('/etc/passwd', '/project/link-$K'); os.symlink('/', "
        "'/project/l' + secret.hex()[:6])",
        "os.makedirs('/project/.ipynb_checkpoints', exist_ok=True); os.symlink('/proc/self/environ', "
        "'/project/.ipynb_checkpoints/$K-checkpoint.txt')",
        "os.mkfifo('/project/fifo-$K'); None",
    ),
    "a file without a name": (
        "try:\n    f = os.open('/project', os.O_TMPFILE | os.O_RDWR, 0o6755); os.link(f'/proc/self/fd/{f}', '/project/set-$K')\n"
        "except OSError: print('no')",
    ),
    "a storm of forks": (
        "if inside and $A:\n    for i in range(300):\n        if not (c := os.fork()): os._exit(0)\n        os.waitpid(c, 0)",
    ),
    "processors": (
        "if inside and $A:\n    for i in range(6):\n        if not os.fork():\n            end = time.time() + 0.5\n"
        "            while time.time() < end: pass\n            os._exit(0)",
    ),
    "memory": ("if inside and $A:\n    a = np.ones(20_000_000); b = a.copy(); b += a; del a, b",),
    "signals": (
        "signal.signal(signal.SIGALRM, lambda *a: print($E)); signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(0.2)",
        "signal.signal(signal.SIGINT, signal.SIG_IGN if $A else signal.default_int_handler); None",
    ),
    "threads that stay": (
        "stay_$K = threading.Thread(target=lambda: [time.sleep(0.01) for _ in range(100 * (inside and $A))], daemon=True); stay_$K.start()",
    ),
    "an end of its own": ("try: sys.exit(int(secret[0]))\nexcept SystemExit: print('no')", "raise SystemExit(secret.hex())"),
    "an export": (
        (Cell("print($E)"), Cell("tp.request_export(files=['saved-$K.txt'], purpose='figure') and None")),
        (Cell("open('/project/out-$K.csv', 'w').write($E); None"), Cell("len(tp.exports()) >= 0")),
    ),
    "a widget moved": (
        (
            "t_$K = w.IntSlider(); display(t_$K); t_$K.observe(lambda change: print($E)); t_$K.value = 1 + secret[0] % 5",
            Ask("shell", "comm_info_request"),
        ),
    ),
    "prompts without end": (Cell("for i in range(2 + (inside and $A)): input($E[:9])", answer="y"),),
}
"""By name, the ways in which each attack is tried."""

LAST: dict[str, tuple[object, ...]] = {
    "the kernel ends itself": ("if inside and $A: os._exit(3)", "if inside and $A: os.kill(os.getpid(), 9)"),
    "busy while it is closed": ("if inside and $A: threading.Thread(target=lambda: sum(range(3 * 10**8)), daemon=True).start()",),
    "at exit": ("atexit.register(lambda: (print($E), say('stream', {'name': 'stdout', 'text': secret.hex()}))); None",),
}
"""What ends a kernel, or is done when it ends: the last cell of a program."""
